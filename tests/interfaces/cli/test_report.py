"""The whole way: DICOM of a virtual patient in, every file out, values that can be checked against the truth."""

import json
import math
import re
import sys

import highdicom as hd
import numpy as np
import pydicom
import pytest
from tests.interfaces.planted import NAME, found_in

from hyoid.anatomy.structures import GTVN, GTVP
from hyoid.interfaces.cli import main as cli
from hyoid.interfaces.installed import public_models
from hyoid.io.files.volumes import read_labels, write_nifti
from hyoid.io.packages.public_weights import PROVENANCE, Provenance
from hyoid.metrics.lesions import measure_labels
from hyoid.volume import Quantity, Volume

FILES = {
    "report.json", "report.html", "report.txt", "organs.nii.gz", "targets.nii.gz", "masks.nii.gz", "seg.dcm",
    "rtstruct.dcm", "sr.dcm", "lesions.dcm", "run.json",
}  # fmt: skip
ATTENTION = {"attention"}


def run(*arguments):
    previous, sys.argv = sys.argv, ["hyoid", "report", *map(str, arguments)]
    try:
        cli.main()
        return 0
    except SystemExit as end:
        return end.code or 0
    finally:
        sys.argv = previous


@pytest.fixture(scope="module")
def by_networks(made_series, tmp_path_factory):
    out = tmp_path_factory.mktemp("networks") / "out"
    assert run(made_series, "--out", out) in (0, 5)
    return out


@pytest.fixture(scope="module")
def by_reader(patient, made_series, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reader")
    masks = write_nifti(patient.lesions, folder / f"{NAME}.nii.gz")
    assert run(made_series, "--reader-masks", masks, "--out", folder / "out") == 0
    return folder / "out"


def lines(out):
    return {line["key"]: line for line in json.loads((out / "report.json").read_text())["lines"]}


def test_every_file_is_there_and_says_research_use_only(by_networks):
    assert {p.name for p in by_networks.iterdir()} == FILES | ATTENTION | {"target_region.nii.gz"}
    for name in ("report.json", "report.html", "report.txt", "run.json"):
        assert "Research use only" in (by_networks / name).read_text()


@pytest.mark.parametrize("made_by", ["by_networks", "by_reader"])
def test_nothing_shared_names_the_patient(made_by, request):
    assert found_in(request.getfixturevalue(made_by)) == []


def test_the_run_is_on_record(by_networks):
    record = json.loads((by_networks / "run.json").read_text())
    assert set(record["models"]) == {"organs", "neck", "tumour", "sgrnet"}
    assert all(len(m["sha256"]) == 64 and m["licence"] and m["training_data"] for m in record["models"].values())
    # The tumour network runs in one pass with that of the organs, and has no time of its own.
    stages = {"read", "check", "organs", "neck", "involvement", "report", "write", "dicom"}
    assert stages <= set(record["seconds"]) and "tumour" not in record["seconds"]
    assert re.fullmatch("[0-9a-f]{64}", record["inputs"]["ct"]["fingerprint"])


def test_the_networks_find_organs_of_a_virtual_patient(by_networks, patient):
    found = read_labels(by_networks / "masks.nii.gz").array
    report = json.loads((by_networks / "report.json").read_text())
    assert {"mandible", "spinal_cord"} <= {organ["name"] for organ in report["organs"]}
    for label in (22, 26):
        a, b = found == label, patient.organs.array == label
        assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.4


def test_number_side_and_size_of_nodes_are_those_of_the_truth(by_reader, patient):
    found = lines(by_reader)
    truth = patient.truth
    assert found["number_of_nodes"]["value"].startswith(str(len(truth.nodes)))
    largest = max(node.longest_mm for node in truth.nodes)
    assert float(re.search(r"[\d.]+", found["max_size"]["value"]).group()) == pytest.approx(largest / 10, abs=0.06)
    sides = {node.side for node in truth.nodes}
    if truth.side in ("left", "right"):
        wanted = "Ipsi" if sides == {truth.side} else "Contra" if truth.side not in sides else "Bi"
        assert found["side"]["value"].startswith(wanted)


def test_the_size_of_the_primary_is_that_of_the_truth(by_reader, patient):
    value = lines(by_reader)["size_of_the_mass"]["value"]
    assert float(re.search(r"[\d.]+", value).group()) == pytest.approx(patient.truth.size_cm, abs=0.06)


def test_masks_come_back_where_they_were(by_reader, patient):
    found = read_labels(by_reader / "masks.nii.gz")
    assert found.geometry.same_grid(patient.ct.geometry)
    assert np.array_equal(found.array == GTVP, patient.lesions.array == 1)
    assert np.array_equal(found.array == GTVN, patient.lesions.array == 2)
    before = measure_labels(Volume(patient.lesions.array, patient.lesions.geometry, Quantity.LABEL))
    written = (found.array == GTVP) + 2 * (found.array == GTVN)
    after = measure_labels(Volume(written.astype(np.uint8), found.geometry, Quantity.LABEL))
    assert [math.isclose(a.volume_ml, b.volume_ml) for a, b in zip(before, after, strict=True)]


def test_dicom_objects_belong_to_the_study_and_name_nobody(by_reader, made_series):
    source = pydicom.dcmread(next(iter(sorted(made_series.glob("*.dcm")))), stop_before_pixels=True)
    for name, modality in (("seg.dcm", "SEG"), ("rtstruct.dcm", "RTSTRUCT"), ("lesions.dcm", "SEG"), ("sr.dcm", "SR")):
        dataset = pydicom.dcmread(by_reader / name, stop_before_pixels=True)
        assert dataset.Modality == modality
        assert dataset.StudyInstanceUID == source.StudyInstanceUID


def test_the_structured_report_measures_what_the_report_says(by_reader):
    sr = hd.sr.srread(by_reader / "sr.dcm")
    lesions = json.loads((by_reader / "report.json").read_text())["lesions"]
    groups = sr.content.get_volumetric_roi_measurement_groups()
    assert [group.get_measurements()[0].value for group in groups] == [lesion["volume_ml"] for lesion in lesions]
    segments = pydicom.dcmread(by_reader / "lesions.dcm", stop_before_pixels=True).SegmentSequence
    assert [s.TrackingUID for s in segments] == [group.tracking_uid for group in groups]
    assert {s.SegmentAlgorithmType for s in segments} == {"MANUAL"}
    assert all(not item.get("SegmentAlgorithmName") for item in segments)


def test_every_line_has_a_status_and_what_nothing_supports_is_missing(by_networks):
    for line in lines(by_networks).values():
        assert line["status"] in ("model", "model, measured", "measured", "reader", "text", "Missing")
        assert line["value"].startswith("Not assessed") == (line["status"] == "Missing" and line["key"] != "patient")
        if line["status"] != "Missing":
            assert line["evidence"]


@pytest.mark.shared
def test_the_real_study_gives_every_file(shared_data, tmp_path):
    out = tmp_path / "out"
    assert run(shared_data / "dicom" / "openkbp_pt_201_128.zip", "--out", out) == 0
    assert {p.name for p in out.iterdir()} == FILES | ATTENTION | {"target_region.nii.gz"}
    report = json.loads((out / "report.json").read_text())
    assert {"mandible", "spinal_cord", "brainstem"} <= {organ["name"] for organ in report["organs"]}
    assert not report["empty"]


@pytest.mark.shared
@pytest.mark.parametrize("name", ["STS_002.zip", "STS_003.zip"])
def test_a_real_scan_of_a_leg_is_refused(shared_data, tmp_path, name):
    assert run(shared_data / "dicom" / name, "--out", tmp_path / "out") == 3
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_fetched_weights_outline_what_they_are_best_at_and_every_output_names_them(
    made_series, make_nnunet_folder, tmp_path, monkeypatch
):
    weights, name = tmp_path / "data" / "weights", "ts_head_muscles"
    monkeypatch.setenv("HYOID_WEIGHTS", str(weights))
    others = [f"muscle_{k}" for k in range(1, 9)]
    labels = {"background": 0} | {
        n: k for k, n in enumerate([*others, "tongue", "digastric_right", "digastric_left"], 1)
    }
    make_nnunet_folder(weights / name, labels=labels, spacing=(6.0, 6.0, 6.0), patch=(16, 16, 16), mirror=None)
    record = Provenance(model=public_models()[name], hash_from_source=True, files={})
    (weights / name / PROVENANCE).write_text(record.model_dump_json())
    assert run(made_series, "--out", tmp_path / "out") in (0, 5)
    ran = json.loads((tmp_path / "out" / "run.json").read_text())
    by = {row["name"]: row["outlined_by"] for row in ran["structures"]}
    theirs = {n: who for n, who in by.items() if n in ("tongue", "digastric_left", "digastric_right")}
    assert theirs and set(theirs.values()) == {f"network {name} fold 0"}
    assert by["mandible"].startswith("network organs ") and ran["models"][name]["licence"] == "Apache-2.0"
    organs = {o["name"]: o["source"] for o in json.loads((tmp_path / "out" / "report.json").read_text())["organs"]}
    assert organs == {n: who for n, who in by.items() if n in organs}
    assert f"network {name} fold 0" in (tmp_path / "out" / "report.html").read_text()
    seg = pydicom.dcmread(tmp_path / "out" / "seg.dcm", stop_before_pixels=True)
    described = {item.TrackingID: item.SegmentDescription for item in seg.SegmentSequence}
    assert all(f"etwork {name} fold 0" in described[n] for n in theirs)
