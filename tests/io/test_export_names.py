import pytest

from hyoid.anatomy.structures import HYOID_NAMES, TG263_NAMES
from hyoid.errors import UsageError
from hyoid.io.export_names import read_names


def test_tables_that_come_with_hyoid():
    assert read_names("tg263") == TG263_NAMES and read_names("hyoid") == HYOID_NAMES


def test_a_table_of_ones_own_changes_what_it_names(tmp_path):
    (tmp_path / "n.yaml").write_text("parotid_left: ' Parotis li '\ngtvp: GTV_P\n")
    names = read_names(str(tmp_path / "n.yaml"))
    assert (names["parotid_left"], names["gtvp"], names["mandible"]) == ("Parotis li", "GTV_P", "Bone_Mandible")
    assert len(names) == len(TG263_NAMES)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        ("a: [", "cannot be read"),
        ("- parotid_left", "no list of"),
        ("parotid_left: 3", "no list of"),
        ("parotid_left: ''", "no list of"),
        ("spleen: Spleen", "does not outline: spleen"),
        ("parotid_left: Parotid_R", "have the name Parotid_R"),
        ("parotid_left: Parotis\\li", "backslash or a control character"),
        ('parotid_left: "a\\u202eb"', "backslash or a control character"),
        (f"parotid_left: {'x' * 65}", "longer than 64"),
    ],
)
def test_tables_that_are_refused(content, words, tmp_path):
    if content is not None:
        (tmp_path / "n.yaml").write_text(content)
    with pytest.raises(UsageError, match=words):
        read_names(str(tmp_path / "n.yaml"))


def test_an_unknown_choice_is_refused():
    with pytest.raises(UsageError, match="no names 'tg264'"):
        read_names("tg264")
