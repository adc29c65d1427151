"""Input as a hospital has it: each defect ends in a message that names cause and cure, and nothing is written."""

import re
import shutil
import sys
import zipfile

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from hyoid.interfaces.cli import main as cli
from hyoid.interfaces.places import WEIGHTS
from hyoid.io.files.volumes import write_nifti
from hyoid.volume import Geometry, Quantity, Volume


def slices(folder):
    return sorted(folder.glob("*.dcm"))


def edit(path, change):
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)


def truncated(folder):
    path = slices(folder)[20]
    path.write_bytes(path.read_bytes()[:3000])
    return folder


def missing(folder):
    slices(folder)[30].unlink()
    return folder


def duplicate(folder):
    copy = folder / "again.dcm"
    shutil.copy(slices(folder)[30], copy)
    edit(copy, lambda d: setattr(d, "SOPInstanceUID", generate_uid()))
    return folder


def mixed(folder):
    for path in slices(folder)[:10]:
        edit(path, lambda d: setattr(d, "ImageOrientationPatient", [1, 0, 0, 0, 0, -1]))
    return folder


def not_a_ct(folder):
    for path in slices(folder):
        edit(path, lambda d: (setattr(d, "Modality", "MR"), setattr(d, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.4")))
    return folder


def localizer(folder):
    edit(slices(folder)[0], lambda d: setattr(d, "ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"]))
    return folder


def empty(folder):
    for path in slices(folder):
        path.unlink()
    return folder


def zip_bomb(folder):
    path = folder.with_name("bomb.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.dcm", "w") as member:
        for _ in range(300):
            member.write(bytes(1_000_000))
    return path


def wrong_anatomy(folder):
    """A leg: a cylinder of soft tissue with a bone, and no airway."""
    y, x = np.mgrid[:100, :100] - 50
    plane = np.where(y**2 + x**2 < 40**2, 40, -1000)
    plane[y**2 + x**2 < 8**2] = 700
    leg = np.repeat(plane[None].astype(np.int16), 100, axis=0)
    path = folder.with_name("leg.nii.gz")
    write_nifti(Volume(leg, Geometry.axial(leg.shape, (4, 2, 2)), Quantity.HU), path)
    return path


def not_hu(folder):
    path = folder.with_name("window.nii.gz")
    array = np.random.default_rng(0).integers(0, 256, (40, 60, 60)).astype(np.int16)
    write_nifti(Volume(array, Geometry.axial(array.shape, (4, 4, 4)), Quantity.HU), path)
    return path


@pytest.mark.parametrize(
    ("defect", "words"),
    [
        (truncated, "truncated|damaged|cannot be read|ends early"),
        (missing, "missing"),
        (duplicate, "same position|twice|duplicate|double"),
        (mixed, "orientation"),
        (not_a_ct, "no CT|not CT|MR"),
        (localizer, "localizer"),
        (empty, "holds no DICOM images"),
        (zip_bomb, "zip|archive"),
        (wrong_anatomy, "neck|airway"),
        (not_hu, "not Hounsfield units"),
    ],
)
def test_each_defect_is_named_with_its_cure(series, tmp_path, monkeypatch, capsys, defect, words):
    out = tmp_path / "out"
    code, err = run(monkeypatch, capsys, defect(series), out)
    assert code == 3, err
    assert re.search(words, err), err
    assert "What to do:" in err
    assert not out.exists()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".out")]


def test_damaged_weights_end_with_four(series, tmp_path, monkeypatch, capsys):
    weights = tmp_path / "weights"
    shutil.copytree(WEIGHTS, weights)
    content = bytearray((weights / "organs" / "model.safetensors").read_bytes())
    content[1000] ^= 255
    (weights / "organs" / "model.safetensors").write_bytes(content)
    monkeypatch.setattr("hyoid.interfaces.installed.WEIGHTS", weights)
    code, err = run(monkeypatch, capsys, series, tmp_path / "out")
    assert code == 4
    assert "'organs' are damaged" in err
    assert not (tmp_path / "out").exists()


def test_reader_masks_beside_the_scan_are_refused(series, tmp_path, monkeypatch, capsys):
    labels = np.zeros((10, 10, 10), np.uint8)
    labels[4:6, 4:6, 4:6] = 1
    write_nifti(
        Volume(labels, Geometry.axial((10, 10, 10), (3, 2, 2), (9000, 0, 0)), Quantity.LABEL), tmp_path / "m.nii.gz"
    )
    code, err = run(monkeypatch, capsys, series, tmp_path / "out", "--reader-masks", tmp_path / "m.nii.gz")
    assert code == 3
    assert "outside" in err
    assert not (tmp_path / "out").exists()


def run(monkeypatch, capsys, study, out, *more):
    monkeypatch.setattr(sys, "argv", ["hyoid", "report", str(study), "--out", str(out), *map(str, more)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code, re.sub(r"\s+", " ", capsys.readouterr().err)
