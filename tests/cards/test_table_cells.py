import pytest

from hyoid.cards.table_cells import number, p_value, summary_cell, with_limits


@pytest.mark.parametrize(
    ("p", "text"), [(0.0213, "0.021"), (0.001, "0.001"), (0.00099, "< 0.001"), (0.0, "< 0.001"), (None, "-")]
)
def test_a_p_value_is_never_rounded_to_nothing(p, text):
    assert p_value(p) == text


def test_what_is_not_defined_is_a_dash():
    assert [number(None), with_limits(None, 0.1, 0.2), summary_cell({}, "dsc")] == ["-", "-", "-"]


def test_limits_are_shown_only_in_pairs():
    assert with_limits(0.5, 0.25, None) == "0.500"
    assert with_limits(-0.5, -0.75, 0.25, sign="+") == "-0.500 (-0.750 to +0.250)"
    assert number(0.0) == "0.000"
