import pytest

from hyoid.report.free_text.node_levels import levels_in


@pytest.mark.parametrize(
    ("words", "levels"),
    [
        ("levels ii-iv", ("II", "III", "IV")),
        ("level 2a/b nodes", ("IIa", "IIb")),
        ("nodes in ib and iii", ("Ib", "III")),
        ("submental nodes", ("Ia",)),
        ("iv contrast was given", ()),
    ],
)
def test_levels_as_reports_name_them(words, levels):
    assert tuple(name for *_, found in levels_in(words) for name in found) == levels
