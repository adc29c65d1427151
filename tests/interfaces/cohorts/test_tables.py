"""Folders of results as single commands leave them, by hand, and what the tables make of these."""

import json
from pathlib import Path

import pytest

import hyoid
from hyoid.interfaces.cohorts import tables
from hyoid.interfaces.cohorts.driver import Refusal, write_refused
from hyoid.interfaces.cohorts.tables import TABLES, cohort_rows, refused_rows, rows_of, write_tables
from hyoid.jobs.ledger import CASE_FILE, CASES, CaseRecord, Order
from hyoid.report.content.schema import Lesion, Line, Uptake, unanswered_line

RUN = {
    "seconds": {"read": 1.25, "organs": 2.5},
    "empty": False,
    "failed": True,
    "notes": ["Slice 7 is cut."],
    "inputs": {"ct": {"fingerprint": "f0", "shape": [40, 512, 512], "spacing_mm": [3.0, 0.9, 0.9]}},
}


def lesion(**more):
    facts = {
        "name": "Node 1", "kind": "GTVn", "role": "node", "lesion": 1, "status": "model", "volume_ml": 2.5,
        "longest_diameter_mm": 20.0, "axial_long_mm": 18.0, "axial_short_mm": 11.0, "side": "left", "level": "IIa",
        "voxels": 10, "slice_index": 3, "point_lps_mm": (0, 0, 0), "centroid_lps_mm": (30.0, -10.0, 5.0),
    }  # fmt: skip
    return Lesion(**facts | more).model_dump(mode="json")


def write_case(out, name, job="report", **files):
    folder = out / CASES / name
    folder.mkdir(parents=True)
    order = Order(job=job, inputs={}, models={}, options="")
    record = CaseRecord(case=name, order=order, hyoid="1.0", exit_code=0)
    (folder / CASE_FILE).write_text(record.model_dump_json())
    for file, content in files.items():
        (folder / f"{file}.json").write_text(json.dumps(content))
    return folder, record


def test_a_report_gives_a_row_of_each_kind(tmp_path):
    uptake = Uptake(suv_max=9.0, suv_mean=5.0, mtv_ml=1.5, tlg_g=7.5)
    line = Line(key="side", words="Side", section="s", value="left", status="model", probability=0.75, flags=("doubt",))
    report = {
        "lesions": [lesion(), lesion(name="Primary", kind="GTVp", role="index lesion", uptake=uptake, level="")],
        "lines": [line.model_dump(mode="json"), unanswered_line("side").model_dump(mode="json")],
    }
    found = rows_of(*write_case(tmp_path, "a", run=RUN, report=report))
    assert found["cases"] == [{
        "id": "a", "job": "report", "state": "done", "hyoid": "1.0", "empty": False, "failed": True,
        "warnings": ["Slice 7 is cut."], "fingerprints": ["f0"], "seconds": 3.75, "slices": 40, "slice_spacing_mm": 3.0,
        "pixel_spacing_mm": 0.9, "GTVp_lesions": 1, "GTVp_ml": 2.5, "GTVn_lesions": 1, "GTVn_ml": 2.5,
    }]  # fmt: skip
    node, primary = found["lesions"]
    assert (node["lesion"], node["level"], node["x_lps_mm"], node["z_lps_mm"]) == ("Node 1", "IIa", 30.0, 5.0)
    assert "suv_max" not in node
    assert (primary["suv_max"], primary["tlg_g"]) == (9.0, 7.5)
    assert [row["value"] for row in found["lines"]] == ["left", "Missing"]
    assert found["lines"][0] == {
        "id": "a", "key": "side", "section": "s", "words": "Side", "value": "left", "status": "model",
        "probability": 0.75, "flags": ["doubt"],
    }  # fmt: skip


def test_a_response_stands_with_its_lesion_and_one_that_is_gone_has_a_row_of_its_own(tmp_path):
    response = [
        {"name": "Node 1", "kind": "GTVn", "before_ml": 5.0, "percent": -50.0, "change": "smaller"},
        {"name": "Node 2", "kind": "GTVn", "before_ml": 1.0, "percent": None, "change": "not shown"},
    ]
    case = write_case(tmp_path, "a", job="midrt", run=RUN, report={"lesions": [lesion()], "response": response})
    still, gone = rows_of(*case)["lesions"]
    assert (still["volume_ml"], still["before_ml"], still["percent"], still["change"]) == (2.5, 5.0, -50.0, "smaller")
    assert gone == {
        "id": "a", "lesion": "Node 2", "kind": "GTVn", "before_ml": 1.0, "percent": None, "change": "not shown",
    }  # fmt: skip


@pytest.mark.parametrize(("label", "kind"), [(1, "GTVp"), (2, "GTVn"), (7, "label 7")])
def test_a_measured_label_map_gives_lesions(label, kind, tmp_path):
    measured = {"label": label, "lesion": 2, "volume_ml": 1.5, "side": "left", "centroid_lps_mm": [1.0, 2.0, 3.0]}
    case = write_case(tmp_path, "a", job="measure", measurements={"lesions": [measured]})
    (row,) = rows_of(*case)["lesions"]
    assert (row["lesion"], row["kind"], row["volume_ml"], row["y_lps_mm"]) == (f"{kind} 2", kind, 1.5, 2.0)


def test_a_case_without_a_report_has_a_row_and_no_counts(tmp_path):
    found = rows_of(*write_case(tmp_path, "a", job="predict", run=RUN))
    assert "GTVp_lesions" not in found["cases"][0]
    assert (found["lesions"], found["lines"]) == ([], [])


def test_tables_hold_what_the_rows_say_with_units_and_are_written_in_parts(tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(tables, "_BATCH", 2)
    for name in "abcde":
        write_case(tmp_path, name, run=RUN, report={"lesions": [lesion()], "lines": []})
    (tmp_path / CASES / ".half-made").mkdir()
    write_refused([Refusal(6, "f", "Input refused", "No neck.", "Look.")], tmp_path)
    files = write_tables(tmp_path, cohort_rows(tmp_path))
    assert [file.name for file in files] == ["cases.parquet", "lesions.parquet", "lines.parquet"]
    read = parquet.read_table(files[0])
    assert read["id"].to_pylist() == list("abcdef")
    assert read["state"].to_pylist() == ["done"] * 5 + ["refused"]
    assert read["reason"].to_pylist()[-1] == "No neck."
    assert read.schema.field("GTVp_ml").metadata == {b"words": b"volume of all primary tumours", b"unit": b"mL"}
    assert parquet.read_table(files[1])["volume_ml"].to_pylist() == [2.5] * 5
    assert parquet.read_table(files[2]).num_rows == 0


def test_no_row_has_a_cell_that_no_column_holds(tmp_path):
    write_case(tmp_path, "a", run=RUN, report={"lesions": [lesion()], "lines": [unanswered_line("side").model_dump()]})
    for found in cohort_rows(tmp_path):
        for name, rows in found.items():
            assert {key for row in rows for key in row} <= {column.name for column in TABLES[name]}
    assert refused_rows(tmp_path) == []


def test_the_documentation_has_every_column():
    page = Path(hyoid.__file__).parents[2] / "docs" / "cohorts.md"
    if not page.is_file():
        pytest.skip("hyoid is installed without its documents")
    text = page.read_text(encoding="utf-8")
    for columns in TABLES.values():
        for c in columns:
            assert f"| `{c.name}` | {c.kind} | {c.unit} | {c.words} |" in text
