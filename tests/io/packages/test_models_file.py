import pytest

from hyoid.errors import UsageError
from hyoid.io.packages.models_file import IN_FILE, Entry, ModelsFile, read_models_file
from hyoid.io.packages.source_table import Ranked


def read(tmp_path, text):
    (tmp_path / "models.yaml").write_text(text)
    return read_models_file(tmp_path / "models.yaml")


def test_names_alone_and_entries_can_stand_side_by_side(tmp_path):
    found = read(
        tmp_path,
        "organs: [default, {model: ts_head_muscles, name: muscles, structures: [tongue], labels: {Zunge: tongue}}]\n"
        "tumour: mine\n"
        "midrt: {model: hntsmrg, channels: [t2, gradient], gradient: paper, folds: [0, 1]}\n"
        "use: {tongue: muscles, larynx: [a, b]}\n",
    )
    assert [entry.model for entry in found.organs] == ["default", "ts_head_muscles"]
    assert (found.organs[1].structures, found.organs[1].labels) == (("tongue",), {"Zunge": "tongue"})
    assert found.tumour == Entry(model="mine")
    assert found.midrt[0].folds == ("0", "1") and found.midrt[0].gradient == "paper"
    assert found.table().orders["tongue"] == (Ranked(source="muscles", why=IN_FILE),)
    assert [ranked.source for ranked in found.table().orders["larynx"]] == ["a", "b"]


def test_an_empty_file_changes_nothing(tmp_path):
    assert read(tmp_path, "") == ModelsFile()
    assert ModelsFile().table().orders == {}


def test_folders_are_looked_for_beside_the_file(tmp_path):
    (tmp_path / "nets" / "mine").mkdir(parents=True)
    found = read(tmp_path, "organs: nets/mine\ntumour: nets/none\nfine: [nets/mine, petct-resenc]\n")
    assert found.organs[0].model == str((tmp_path / "nets" / "mine").resolve())
    assert found.tumour.model == "nets/none"
    assert [entry.model for entry in found.fine] == [found.organs[0].model, "petct-resenc"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("organ: x", "wrong at organ: extra inputs"),
        ("organs: [{model: x, label: {a: b}}]", "wrong at organs.0.label"),
        ("midrt: {model: x, gradient: steep}", "gradient"),
        ("use: {femur: x}", "no organ 'femur'"),
        ("[", "cannot be read"),
        ("3", "wrong at the file"),
    ],
)
def test_a_wrong_file_is_refused_where_it_is_wrong(tmp_path, text, said):
    with pytest.raises(UsageError, match=said):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_models_file(tmp_path / "none.yaml")
