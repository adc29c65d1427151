"""Folders with studies of several patients, in every arrangement."""

import shutil
import zipfile

import numpy as np
import pydicom
import pytest

from hyoid.errors import UsageError
from hyoid.io.cohorts.found_cases import find_cases
from hyoid.io.dicom.ct import write_ct_series
from hyoid.volume import Geometry, Quantity, Volume


def series(folder, seed):
    """A tiny CT; the seed makes patient and study."""
    volume = Volume(np.zeros((2, 4, 4), np.int16), Geometry.axial((2, 4, 4), (3, 1, 1)), Quantity.HU)
    write_ct_series(folder, volume, seed=seed)
    for file in folder.iterdir():
        header = pydicom.dcmread(file)
        header.PatientID = seed
        header.save_as(file)
    return folder


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    series(folder / "anna" / "ct", "a")
    series(folder / "bert" / "ct", "b")
    return folder


def test_studies_are_found_by_patient_and_study_and_named_after_neither(two):
    found = find_cases(two, "ct")
    assert sorted(c.paths[0] for c in found) == [str(two / "anna" / "ct"), str(two / "bert" / "ct")]
    assert {c.patient for c in found} == {1, 2}
    assert {c.words for c in found} == {"DICOM study: 2 CT image(s)"}
    assert all(c.case[0] == "s" and "anna" not in c.case and c.options == () for c in found)
    assert [c.row for c in found] == [1, 2]


def test_an_identifier_does_not_change_when_a_study_is_added(two, tmp_path):
    before = {c.case for c in find_cases(two, "ct")}
    copy = shutil.copytree(two, tmp_path / "copy")
    series(copy / "aaron" / "ct", "c")
    assert before < {c.case for c in find_cases(copy, "ct")}


def test_studies_in_one_heap_are_told_apart_by_an_option(two, tmp_path):
    heap = tmp_path / "heap"
    heap.mkdir()
    for k, file in enumerate(sorted(two.rglob("*.dcm"))):
        shutil.copy(file, heap / f"{k}.dcm")
    found = find_cases(tmp_path, "ct")
    assert [c.paths for c in found] == [(str(heap),)] * 2
    assert [c.options[0] for c in found] == ["--study"] * 2
    assert {c.case for c in found} == {c.case for c in find_cases(two, "ct")}


def test_archives_are_studies_and_a_broken_one_stays_for_the_job_to_refuse(two, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in sorted((two / "anna").rglob("*.dcm")):
            archive.write(file, file.name)
    (tmp_path / "b.zip").write_bytes(b"PK\x03\x04 and no more")
    (tmp_path / "notes.doc").write_text("x")
    found = {c.words: c for c in find_cases(tmp_path, "ct")}
    assert set(found) == {"DICOM study: 2 CT image(s)", "archive that cannot be read"}
    assert found["DICOM study: 2 CT image(s)"].case in {c.case for c in find_cases(two, "ct")}


def test_a_damaged_member_of_an_archive_does_not_end_the_search(two, tmp_path):
    path = tmp_path / "a.zip"
    noise = np.random.default_rng(0).bytes(20_000)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("noise.dcm", bytes(128) + b"DICM" + noise)
        for file in sorted((two / "anna").rglob("*.dcm")):
            archive.write(file, file.name)
    path.write_bytes(path.read_bytes().replace(noise[9_000:9_016], bytes(16)))
    assert [c.words for c in find_cases(tmp_path, "ct")] == ["DICOM study: 2 CT image(s)"]


def test_the_folder_of_results_and_hidden_ones_are_not_searched(two, tmp_path):
    shutil.copytree(two / "anna", tmp_path / "in")
    shutil.copytree(two / "bert", tmp_path / "out")
    shutil.copytree(two / "bert", tmp_path / ".hidden")
    assert len(find_cases(tmp_path, "ct", leave_out=tmp_path / "out")) == 1


@pytest.mark.parametrize(
    ("kind", "files", "cases"),
    [
        ("images", ["a.nii.gz", "b.mha", "c.txt"], {"a": ["a.nii.gz"], "b": ["b.mha"]}),
        ("images", ["p1/m.nii.gz", "p2/m.nii.gz"], {"p1_m": ["p1/m.nii.gz"], "p2_m": ["p2/m.nii.gz"]}),
        ("channels", ["a_0000.nii", "a_0001.nii", "notes"], {"a": ["a_0000.nii", "a_0001.nii"]}),
        ("texts", ["a.txt", "b.TXT", "c.nii"], {"a": ["a.txt"], "b": ["b.TXT"]}),
        ("petct", ["P1/P1__CT.nii.gz", "P1/P1__PT.nii.gz"], {"P1": ["P1"]}),
        ("midrt", ["7/preRT/7_preRT_T2.nii.gz", "7/midRT/7_midRT_T2.nii.gz"], {"7": ["7"]}),
        ("ct", [], {}),
    ],
)  # fmt: skip
def test_files_become_cases_by_kind(kind, files, cases, tmp_path):
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(b"")
    found = find_cases(tmp_path, kind)
    assert {c.case: list(c.paths) for c in found} == {k: [str(tmp_path / f) for f in v] for k, v in cases.items()}


def test_a_folder_does_not_tell_what_belongs_together_for_every_job(tmp_path):
    with pytest.raises(UsageError, match="Give a table"):
        find_cases(tmp_path, "table")
