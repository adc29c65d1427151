"""`hyoid petct` on a virtual DICOM study, with networks that are rules."""

import json

import numpy as np
import pytest
from scipy import ndimage
from tests.interfaces.planted import NAME, found_in, plant
from tests.io.dicom.petct_study import write_petct_study
from typer.testing import CliRunner

from hyoid.errors import MissingTagError, UsageError
from hyoid.geometry.orientation import to_canonical
from hyoid.geometry.resample import grid_with_spacing, resample
from hyoid.inference.runtime import Runtime
from hyoid.interfaces import chosen_models
from hyoid.interfaces.chosen_models import Outlining
from hyoid.interfaces.cli import petct as petct_command
from hyoid.interfaces.cli.main import app
from hyoid.interfaces.installed import OUTLINING, TEMPLATE
from hyoid.io.files.volumes import read_labels, write_nifti
from hyoid.io.packages.model_package import Manifest, ModelPackage
from hyoid.report.content.scene import Involvement
from hyoid.systems.involvement import Classified
from hyoid.systems.organs import OrganOutlines
from hyoid.systems.petct import pipeline as petct
from hyoid.systems.petct import report as petct_report
from hyoid.volume import Quantity, Volume

RUN = CliRunner()
TWO = ["--fine", "petct-resenc", "--fine", "petct-segresnet"]
INPUT = {"window_hu": [-110, 190], "ct_range": "symmetric", "pet_scale": "window", "window_suv": [0, 20]}
REGION = {"margin_mm": 10, "box_mm": 144, "min_volume_ml": 0.1, "interpolation": "linear", "step": 0.5}


def package(name, stage):
    head = stage == "head"
    labels = ("background", "head") if head else ("background", "gtvp", "gtvn")
    if name in OUTLINING:
        labels = ("background", "larynx")
    rule = INPUT | {"channels": ["ct"] if head else ["ct", "pet"], "zscore": False}
    manifest = Manifest(
        name=name, version="1", words="", task="segmentation", network={"kind": "rule"}, labels=labels,
        supported=labels[1:],
        spacing_mm=(8.0, 8.0, 8.0) if head else (4.0, 4.0, 4.0), patch=(48, 48, 48) if head else (36, 36, 36),
        training_data="rules", licence="none", sha256=name,
        preprocessing={"stage": stage, "input": rule,
                       "region": REGION | {"grid": [48, 48, 48], "mirror_axes": [], "jitter_mm": 0}},
    )  # fmt: skip
    return ModelPackage(manifest, b"")


@pytest.fixture
def rules(monkeypatch):
    def load(model, shapes, **_):
        def run(block):
            last = block[0, -1]
            if model.manifest.name == "petct-head":
                return np.stack([np.zeros_like(last), 8 * last + 6])[None]
            suv = 20 * last
            node = (suv > 3) & (suv <= 6)
            return np.stack([np.full_like(suv, 5.0), np.where(suv > 6, 9.0, 0), np.where(node, 9.0, 0)])[None]

        return Runtime(run, "cpu", "f32", False)

    monkeypatch.setattr(petct, "load_runtime", load)
    stages = {"petct-head": "head", "petct-coarse": "coarse"}
    monkeypatch.setattr(chosen_models, "load_model", lambda name: package(name, stages.get(name, "fine")))
    organs = Outlining(tuple(package(name, "fine") for name in OUTLINING), ())
    monkeypatch.setattr(petct_command, "outlining", lambda asked: organs)
    monkeypatch.setattr(petct_command, "template_package", lambda asked: package(TEMPLATE, "fine"))


@pytest.fixture(scope="module")
def study(patient, tmp_path_factory):
    """CT of a virtual patient, and a PET in which the tumour has SUV 12 and nodes have 5.9."""
    lesions = patient.lesions.array
    suv = np.where(ndimage.binary_fill_holes(patient.ct.array > -300), 1.0, 0.02)
    suv[lesions == 1], suv[lesions == 2] = 12.0, 5.9
    fine = Volume(suv.astype(np.float32), patient.ct.geometry, Quantity.SUV)
    pet = resample(fine, grid_with_spacing(patient.ct.geometry, (3.0, 3.0, 3.0)))
    folder = tmp_path_factory.mktemp("petct") / NAME
    write_petct_study(folder, patient.ct, pet, seed="petct")
    return plant(folder)


def test_a_study_becomes_targets_uptake_and_a_report(patient, study, rules, tmp_path):
    out = tmp_path / "out"
    arguments = ["petct", str(study), "--out", str(out), "--no-organs", "--json", *TWO]
    result = RUN.invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.stdout[-500:]
    files = {"masks.nii.gz", "targets.nii.gz", "seg.dcm", "rtstruct.dcm", "sr.dcm", "lesions.dcm", "run.json"}
    assert files | {"report.json", "report.txt", "report.html"} == {p.name for p in out.iterdir()}
    assert found_in(out) == [] and NAME not in result.output
    targets, truth = read_labels(out / "targets.nii.gz"), patient.lesions
    for label in (1, 2):
        ours, true = targets.array == label, truth.array == label
        assert 2 * (ours & true).sum() / (ours.sum() + true.sum()) > 0.5
    report = json.loads((out / "report.json").read_text())
    lines = {line["key"]: line for line in report["lines"]}
    assert lines["size_of_the_mass"]["status"] == "model, measured"
    assert lines["number_of_nodes"]["value"][0] in "1234"
    primary = next(lesion for lesion in report["lesions"] if lesion["kind"] == "GTVp")
    assert 10 < primary["uptake"]["suv_max"] <= 12.01
    assert primary["uptake"]["tlg_g"] > primary["uptake"]["mtv_ml"] > 0
    assert "SUVmax" in lines["fdg_uptake_of_the_primary"]["value"]
    assert report["study"]["modality"] == "PT/CT"
    assert "trained on: rules" in (out / "report.html").read_text().lower()
    record = json.loads((out / "run.json").read_text())
    assert record["inputs"]["pet"]["series"]["why"] == "the only PT series"
    assert record["facts"]["fine_networks"] == 2 and record["facts"]["pet"] is True
    assert "SUVmax" in (out / "report.html").read_text()


def test_ct_alone_is_stated(study, rules, tmp_path):
    out = tmp_path / "out"
    arguments = ["petct", str(study), "--out", str(out), "--no-organs", "--ct-only", "--json"]
    result = RUN.invoke(app, arguments, catch_exceptions=False)
    # The rules find nothing on CT: finished, but empty.
    assert result.exit_code == 5
    report = json.loads((out / "report.json").read_text())
    assert any(words.startswith("No PET") for words in report["warnings"])
    assert report["empty"] and report["study"]["modality"] == "CT"


def test_a_readers_targets_stand_in_the_place_of_the_networks(patient, study, rules, monkeypatch, tmp_path):
    monkeypatch.setattr(petct_report, "find_targets", None)
    masks, out = tmp_path / "masks.nii.gz", tmp_path / "out"
    write_nifti(patient.lesions, masks)
    arguments = ["petct", str(study), "--out", str(out), "--reader-masks", str(masks), "--no-organs", "--json"]
    staged = ["--stage-site", "oropharynx, p16-positive"]
    result = RUN.invoke(app, [*arguments, *staged], catch_exceptions=False)
    assert result.exit_code == 0, result.stdout[-500:]
    np.testing.assert_array_equal(read_labels(out / "targets.nii.gz").array, patient.lesions.array)
    report = json.loads((out / "report.json").read_text())
    lines = {line["key"]: line for line in report["lines"]}
    assert lines["size_of_the_mass"]["status"] == "measured"
    assert lines["ct_tnm8"]["value"].startswith("cT")
    primary = next(lesion for lesion in report["lesions"] if lesion["role"] == "index lesion")
    assert primary["status"] == "reader" and 10 < primary["uptake"]["suv_max"] <= 12.01
    record = json.loads((out / "run.json").read_text())
    assert record["options"]["reader_masks"] is True and "decision" not in record["options"]
    assert record["models"] == {}
    with pytest.raises(UsageError, match="Staging rests on a reader's outlines"):
        RUN.invoke(app, ["petct", str(study), *staged], catch_exceptions=False)


def test_sub_sites_are_asked_about_the_primary_that_was_found(patient, study, rules, monkeypatch, tmp_path):
    asked = []

    def outlined(ct, packages, machine, on_progress):
        organs = Volume(to_canonical(patient.organs).array, ct.geometry, Quantity.LABEL)
        return OrganOutlines(organs, {package.manifest.name: "f32" for package in packages}, ())

    def classified(ct, organs, lesions, package, machine, on_progress):
        asked.append(int((lesions.array == 1).sum()))
        return Classified({"tonsil": Involvement(0.9, 0.5, "overlap", None, "virtual patients only")}, None, "f32")

    monkeypatch.setattr(petct_report, "outline_organs", outlined)
    monkeypatch.setattr(petct_report, "classify_outlined", classified)
    out = tmp_path / "out"
    result = RUN.invoke(app, ["petct", str(study), "--out", str(out), "--json", *TWO], catch_exceptions=False)
    assert result.exit_code == 0, result.stdout[-500:]
    report = json.loads((out / "report.json").read_text())
    tonsil = next(line for line in report["lines"] if line["key"] == "tonsil")
    assert tonsil["value"].startswith("Involvement likely") and tonsil["probability"] == 0.9
    assert asked == [int((read_labels(out / "targets.nii.gz").array == 1).sum())]
    assert "sgrnet-template" in json.loads((out / "run.json").read_text())["models"]


def test_a_pet_without_dose_leaves_nothing_behind(study, rules, tmp_path):
    import shutil

    import pydicom

    broken = shutil.copytree(study, tmp_path / "broken")
    for path in (broken / "pt").iterdir():
        header = pydicom.dcmread(path)
        del header.RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose
        header.save_as(path)
    with pytest.raises(MissingTagError, match="0018,1074"):
        RUN.invoke(app, ["petct", str(broken), "--out", str(tmp_path / "out")], catch_exceptions=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--pet-units", "counts"], "no PET units"),
        (["--weight-kg", "70"], "belong together"),
        (["--weight-kg", "70", "--dose-mbq", "300"], "Add --pet-units bqml"),
        (["--ct-only", "--pet-series", "3"], "leaves the PET out"),
    ],
)
def test_options_that_contradict_each_other_are_wrong_usage(options, words, tmp_path):
    with pytest.raises(UsageError, match=words):
        RUN.invoke(app, ["petct", str(tmp_path), *options], catch_exceptions=False)
