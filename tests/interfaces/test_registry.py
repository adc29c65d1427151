import csv
import io
from concurrent.futures import ThreadPoolExecutor

import pytest

from hyoid.errors import OutputError, UsageError
from hyoid.interfaces.further import further_named
from hyoid.interfaces.registry import add_row, check_registry, registry_row
from hyoid.io.run_record import MachineRecord, RunRecord, ScanRecord
from hyoid.report.content.response import RegistrationLine, ResponseLine, ResponseReport


def record_of(fingerprint="f", **more):
    scan = ScanRecord(fingerprint=fingerprint, series=None, shape=(1, 1, 1), spacing_mm=(1, 1, 1))
    return RunRecord(
        command="petct", statement="s", hyoid="0.1.0", python="3", packages={}, models={}, inputs={"ct": scan},
        machine=MachineRecord(system="s", processor="p", device="cpu"), empty=False, **more,
    )  # fmt: skip


@pytest.fixture
def row(measured_case):
    return registry_row(measured_case.report, record_of())


def read(path):
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_the_row_holds_the_numbers_of_the_report(row):
    told = {name: row[name] for name in ("primary_volume_ml", "primary_longest_mm", "primary_suv_max", "foci", "nodes")}
    assert told == {
        "primary_volume_ml": 1.2, "primary_longest_mm": 17.35, "primary_suv_max": 12.3, "foci": 1, "nodes": 2,
    }  # fmt: skip
    assert (row["largest_node_mm"], row["nodes_volume_ml"], row["mtv_ml"]) == (11.5, 0.45, 1.1)
    assert row["levels"] == "level VI (anterior compartment); levels IIa and III"
    assert (row["ct"], row["cn"], row["study_instance_uid"]) == ("cT1 (TNM 8, oropharynx)", "", "")


def test_the_name_of_a_row_is_that_of_inputs_and_options(measured_case):
    names = [
        registry_row(measured_case.report, record)["run"]
        for record in (record_of(), record_of(seconds={"read": 1.0}), record_of("g"), record_of(options={"a": 1}))
    ]
    assert names[0] == names[1]
    assert len(set(names)) == 3


def test_a_response_counts_its_followed_lesions(measured_case):
    line = ResponseLine(
        name="GTVp 1", kind="GTVp", before_ml=2.4, after_ml=1.2, percent=-50, change="smaller", slice_index=0,
        point_lps_mm=(0, 0, 0),
    )  # fmt: skip
    facts = measured_case.report.study
    response = ResponseReport(
        impression=("s",), definition="d",
        pre=facts, mid=facts, registration=RegistrationLine(method="m"), gradient="g",
        models=(), response=(line,), lesions=(), warnings=(), empty=True,
    )  # fmt: skip
    row = registry_row(response, record_of())
    assert (row["followed"], row["before_ml"], row["nodes"], row["primary_volume_ml"]) == (1, 2.4, 0, None)


def test_rows_are_added_once_and_none_is_lost_when_many_write(tmp_path, row):
    table = tmp_path / "below" / "registry.csv"
    rows = [row | {"run": f"{n % 10:016d}"} for n in range(20)]
    with ThreadPoolExecutor(4) as many:
        added = list(many.map(lambda one: add_row(table, one), rows))
    assert sum(added) == 10
    assert sorted(line["run"] for line in read(table)) == [f"{n:016d}" for n in range(10)]
    assert read(table)[0]["primary_volume_ml"] == "1.2"


def test_words_with_commas_quotes_and_lines_stay_in_their_cell(tmp_path, row):
    hostile = 'a, "b"\n=1+1'
    add_row(tmp_path / "registry.csv", row | {"site": hostile})
    assert read(tmp_path / "registry.csv")[0]["site"] == hostile


def test_a_table_with_other_columns_is_left_alone(tmp_path, row):
    table = tmp_path / "registry.csv"
    table.write_text("run,other\n1,2\n")
    with pytest.raises(OutputError, match="other columns"):
        add_row(table, row)
    assert table.read_text() == "run,other\n1,2\n"


def test_a_parquet_folder_is_one_table(tmp_path, row):
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = tmp_path / "registry.parquet"
    assert add_row(folder, row)
    assert not add_row(folder, row)
    assert add_row(folder, row | {"run": "other", "primary_suv_max": None, "site": ""})
    table = parquet.read_table(folder).to_pylist()
    assert sorted(line["run"] for line in table) == sorted([row["run"], "other"])
    assert next(line for line in table if line["run"] == row["run"]) == row


def test_other_kinds_of_registry_are_refused(tmp_path, row):
    with pytest.raises(UsageError, match=r"\.csv file, or a folder"):
        further_named(None, tmp_path / "registry.xlsx")
    (tmp_path / "registry.parquet").write_text("")
    with pytest.raises(UsageError, match="nothing can be appended"):
        check_registry(tmp_path / "registry.parquet")
