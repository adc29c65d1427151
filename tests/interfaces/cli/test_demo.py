import json

import numpy as np
import pytest
from typer.testing import CliRunner

from hyoid.geometry.orientation import to_canonical
from hyoid.interfaces.cli import demo
from hyoid.interfaces.cli.main import app
from hyoid.io.dicom.ct import write_ct_series
from hyoid.io.dicom.images import write_pet_series
from hyoid.io.files.volumes import write_nifti
from hyoid.systems.organs import OrganOutlines
from hyoid.systems.petct import report as petct_report
from hyoid.systems.petct.pipeline import drawn_targets
from hyoid.volume import Quantity

RUN = CliRunner()


def check(out):
    """Both reports of a demo, compared."""
    assert {p.name for p in out.iterdir()} == {"patient", "report", "report-with-reader-masks"}
    alone, corrected = (
        json.loads((out / name / "report.json").read_text()) for name in ("report", "report-with-reader-masks")
    )
    for report in (alone, corrected):
        assert report["study"]["modality"] == "PT/CT"
    # The organs are those of the first report; the targets are the reader's.
    assert alone["organs"] == corrected["organs"]
    [index] = [lesion for lesion in corrected["lesions"] if lesion["role"] == "index lesion"]
    assert index["status"] == "reader" and index["uptake"]["suv_max"] > 2.5
    assert {lesion["status"] for lesion in alone["lesions"]} <= {"model"}
    records = [json.loads((out / name / "run.json").read_text()) for name in ("report", "report-with-reader-masks")]
    assert [record["options"]["reader_masks"] for record in records] == [False, True]


@pytest.mark.slow
def test_organs_are_outlined_once_and_the_readers_targets_replace_the_networks(patient, monkeypatch, tmp_path):
    outlined = []

    def write_patient(folder, seed, terminal):
        suv = np.where(patient.lesions.array > 0, 9.0, 1.0).astype(np.float32)
        write_ct_series(folder / "study" / "ct", patient.ct, seed="demo")
        write_pet_series(folder / "study" / "pt", patient.ct.with_array(suv, Quantity.SUV), seed="demo")
        write_nifti(patient.lesions, folder / "lesions.nii.gz")

    def outline_organs(ct, packages, machine, on_progress):
        outlined.append(len(packages))
        return OrganOutlines(ct.with_array(to_canonical(patient.organs).array, Quantity.LABEL), {}, ())

    monkeypatch.setattr(demo, "write_patient", write_patient)
    monkeypatch.setattr(petct_report, "outline_organs", outline_organs)
    monkeypatch.setattr(petct_report, "find_targets", lambda ct, pet, *rest: drawn_targets(ct, pet, patient.lesions))
    monkeypatch.setattr(petct_report, "classify_outlined", lambda *rest: None)
    result = RUN.invoke(app, ["demo", "--out", str(tmp_path / "demo"), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.stdout[-500:]
    check(tmp_path / "demo")
    assert len(outlined) == 1


@pytest.mark.slow
def test_one_patient_is_reported_on_by_the_networks_and_with_a_readers_correction(tmp_path):
    out = tmp_path / "demo"
    result = RUN.invoke(app, ["demo", "--out", str(out), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.stdout[-500:]
    check(out)
