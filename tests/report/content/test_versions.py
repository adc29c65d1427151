import json

import pytest

from hyoid.errors import UnreadableFileError
from hyoid.report.content.template import ADDENDUM, FIELDS, TARGET
from hyoid.report.content.versions import open_report

REGION = {
    "label": "Primary tumour (GTVp)", "voxels": 4, "slice_index": 3, "point_lps_mm": [0, 0, 0],
    "centroid_lps_mm": [0, 0, 0], "box_mm": [2, 2, 2],
}  # fmt: skip


def version_1(kind="GTVp", status="measured", who="model"):
    """A report as schema 1.0 wrote it."""
    lines = [{"key": f.key, "words": f.words, "section": f.section, "value": "Missing", "status": "Missing",
              "probability": None, "evidence": [], "flags": []} for f in FIELDS]  # fmt: skip
    evidence = {"status": who, "source": "tumour 1", "probability": None, "region": REGION, "note": "n"}
    lines[2] |= {"value": "2.0 cm in longest dimension", "status": status, "evidence": [evidence]}
    outside = {"key": "larynx", "words": "Larynx", "section": "Outside the template", "value": "Predicted: m",
               "status": "model", "probability": 0.32, "evidence": [], "flags": []}  # fmt: skip
    lesion = {
        "name": "Primary tumour 1", "kind": kind, "lesion": 1, "status": "model", "volume_ml": 1.0,
        "longest_diameter_mm": 20.0, "axial_long_mm": 18.0, "axial_short_mm": 9.0, "side": "left", "level": "",
        "voxels": 4, "slice_index": 3, "point_lps_mm": [0, 0, 0], "centroid_lps_mm": [0, 0, 0], "uptake": None,
    }  # fmt: skip
    return {
        "schema_version": "1.0", "statement": "Research use only.", "summary": "Mass of 2.0 cm.",
        "study": {"modality": "CT", "spacing_mm": [3, 1, 1], "slices": 9, "warnings": []},
        "models": [], "lines": [*lines, outside], "lesions": [lesion], "organs": [],
        "missing_organs": ["Parotid gland, left"], "warnings": ["w"], "empty": False, "failed": False,
    }  # fmt: skip


def test_a_report_of_version_1_still_opens():
    report = open_report(json.dumps(version_1()))
    assert (report.schema_version, report.title, report.summary) == (
        "2.0", "CT of the head and neck", "Mass of 2.0 cm.",
    )  # fmt: skip
    # Measured on a network's outline: no longer in the same words as on a reader's.
    assert report.line("size_of_the_mass").status == "model, measured"
    assert open_report(json.dumps(version_1(who="reader"))).line("size_of_the_mass").status == "measured"
    assert report.line("larynx").section == ADDENDUM
    assert [lesion.role for lesion in report.lesions] == ["index lesion"]
    assert [(organ.name, organ.words) for organ in report.missing_organs] == [("parotid_left", "Parotid gland, left")]


def test_a_predicted_target_of_version_1_fills_no_line_of_the_template_any_more():
    report = open_report(json.dumps(version_1("target region", status="model")))
    size = report.line("size_of_the_mass")
    assert (size.value, size.status) == ("Not assessed: no outline", "Missing")
    moved = report.line("target_size_of_the_mass")
    assert (moved.value, moved.section) == ("2.0 cm in longest dimension", TARGET)
    assert report.line("target_larynx").section == TARGET
    with pytest.raises(KeyError):
        report.line("larynx")


def test_a_report_of_this_version_reads_back():
    report = open_report(json.dumps(version_1()))
    assert open_report(report.model_dump_json()) == report


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no json", "no report.json"),
        ("[]", "no report.json"),
        ('{"a": 1}', "no report.json"),
        ('{"schema_version": "9.9"}', "schema version '9.9'"),
        ('{"schema_version": "2.0"}', "are wrong or missing"),
    ],
)
def test_what_is_no_report_is_refused(text, words):
    with pytest.raises(UnreadableFileError, match=words):
        open_report(text)
