import errno
import os

import pytest

from hyoid.errors import OutputError, UnreadableFileError, UsageError
from hyoid.io.atomic import atomic_write, claim_folder, output_folder


def test_folder_appears_whole(tmp_path):
    out = tmp_path / "new" / "out"
    with output_folder(out) as folder:
        (folder / "report.json").write_text("{}")
        (folder / "sub").mkdir()
        (folder / "sub" / "a").write_text("1")
        assert not out.exists()
    assert sorted(p.name for p in out.rglob("*")) == ["a", "report.json", "sub"]
    assert [p.name for p in out.parent.iterdir()] == ["out"]
    assert out.stat().st_mode & 0o055


def test_existing_folder_keeps_its_other_files(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    (tmp_path / "out" / "report.json").write_text("old")
    with output_folder(tmp_path / "out") as folder:
        (folder / "report.json").write_text("new")
    assert (tmp_path / "out" / "report.json").read_text() == "new"
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("error", [RuntimeError("bug"), UnreadableFileError("refused"), KeyboardInterrupt()])
def test_failure_leaves_everything_as_it_was(tmp_path, error):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.json").write_text("old")
    with pytest.raises(type(error)), output_folder(tmp_path / "out") as folder:
        (folder / "report.json").write_text("half")
        raise error
    assert (tmp_path / "out" / "report.json").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EACCES, "not writable"),
        (errno.EROFS, "not writable"),
        (errno.EIO, "cannot"),
    ],
)
@pytest.mark.parametrize("context", [output_folder, atomic_write])
def test_disk_errors_are_said_plainly(tmp_path, number, words, context):
    with pytest.raises(OutputError, match=words), context(tmp_path / "out"):
        raise OSError(number, os.strerror(number))
    assert list(tmp_path.iterdir()) == []


def test_file_in_the_way(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="existing file"), output_folder(tmp_path / "out"):
        pytest.fail("the block ran")
    with pytest.raises(OutputError), output_folder(tmp_path / "out" / "below"):
        pytest.fail("the block ran")


def test_single_file_replaces_the_old_one_only_at_success(tmp_path):
    target = tmp_path / "sub" / "x.nii.gz"
    with atomic_write(target) as path:
        assert path.name.endswith(".nii.gz")
        path.write_text("first")
    with pytest.raises(ZeroDivisionError), atomic_write(target) as path:
        path.write_text("half")
        raise ZeroDivisionError
    assert target.read_text() == "first"
    assert [p.name for p in target.parent.iterdir()] == ["x.nii.gz"]


def used(folder, **files):
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


OURS = '{"hyoid": "0.1.0", "statement": "Research use only."}'


def test_a_new_and_an_empty_folder_are_free(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        claim_folder(tmp_path / name, overwrite=False)
    assert not (tmp_path / "new").exists()


def test_a_used_folder_is_refused_unless_it_is_to_be_emptied(tmp_path):
    out = used(tmp_path / "out", run_json=OURS, seg_dcm="old")
    (out / "attention").mkdir()
    (out / "attention" / "a").write_text("x")
    with pytest.raises(UsageError, match="is used") as refusal:
        claim_folder(out, overwrite=False)
    assert refusal.value.exit_code == 2 and len(list(out.iterdir())) == 3
    claim_folder(out, overwrite=True)
    assert out.is_dir() and not list(out.iterdir())


@pytest.mark.parametrize("files", [{"notes_txt": "mine"}, {"run_json": "{}"}, {"run_json": "[1]"}, {"run_json": "no"}])
def test_what_hyoid_did_not_write_is_never_emptied(tmp_path, files):
    out = used(tmp_path / "out", **files)
    with pytest.raises(OutputError, match="did not write"):
        claim_folder(out, overwrite=True)
    assert len(list(out.iterdir())) == 1


def test_a_folder_of_known_names_is_emptied_and_a_link_in_it_is_not_followed(tmp_path):
    elsewhere = used(tmp_path / "elsewhere", keep_txt="x")
    out = tmp_path / "out"
    (out / "patient").mkdir(parents=True)
    (out / "report").symlink_to(elsewhere)
    claim_folder(out, overwrite=True, known=("patient", "report"))
    assert not list(out.iterdir()) and (elsewhere / "keep.txt").exists()


def test_what_a_killed_run_left_is_emptied_with_the_folder(tmp_path):
    out = used(tmp_path / "out", patient_txt="x")
    (out / "patient.txt").rename(out / ".unfinished-ab12.json")
    (out / ".patient-x1y2z3a4").mkdir()
    with pytest.raises(UsageError, match="used"):
        claim_folder(out, overwrite=False, known=("patient",))
    with pytest.raises(OutputError, match="did not write"):
        claim_folder(out, overwrite=True, known=("report",))
    claim_folder(out, overwrite=True, known=("patient",))
    assert not list(out.iterdir())


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").write_text("x")
    with pytest.raises(OutputError, match="existing file"):
        claim_folder(tmp_path / "out", overwrite=True)
