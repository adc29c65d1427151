import json

import pytest
from typer.testing import CliRunner

from hyoid.interfaces.cli.main import app

RUN = CliRunner()


@pytest.mark.slow
def test_one_patient_is_reported_on_by_the_networks_and_with_a_readers_correction(tmp_path):
    out = tmp_path / "demo"
    result = RUN.invoke(app, ["demo", "--out", str(out), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.stdout[-500:]
    assert {p.name for p in out.iterdir()} == {"patient", "report", "report-with-reader-masks"}
    alone, corrected = (
        json.loads((out / name / "report.json").read_text()) for name in ("report", "report-with-reader-masks")
    )
    for report in (alone, corrected):
        assert report["study"]["modality"] == "PT/CT"
    # The organs are those of the first report; the targets are the reader's.
    assert alone["organs"] == corrected["organs"]
    [index] = [lesion for lesion in corrected["lesions"] if lesion["role"] == "index lesion"]
    assert (index["status"], index["side"]) == ("reader", "right")
    assert index["uptake"]["suv_max"] > 2.5
    assert {lesion["status"] for lesion in alone["lesions"]} <= {"model"}
    record = json.loads((out / "report-with-reader-masks" / "run.json").read_text())
    assert record["options"]["reader_masks"] is True
