import csv

import pytest

from hyoid.errors import InputRefusedError, UnreadableFileError, UsageError
from hyoid.io.cohorts.listed import BrokenRow, ListedCase, is_url
from hyoid.io.cohorts.lists import COLUMNS, case_of_row, read_list, write_list


def table(path, *rows, columns=COLUMNS):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def test_a_row_is_a_case_with_paths_from_the_table_s_folder(tmp_path):
    path = table(
        tmp_path / "l.csv",
        ["a1", "x/a.zip", "/prior.json", "m.nii.gz", "1,2,3:+ 4,5,6:-", "--question 'new node' --regularize"],
        ["b", "one_0000.nii.gz; s3://bucket/one_0001.nii.gz", "", "", "", ""],
    )
    first, second = read_list(path, "table")
    assert first == ListedCase(
        1, "a1", (str(tmp_path / "x/a.zip"),), "/prior.json", str(tmp_path / "m.nii.gz"), ("1,2,3:+", "4,5,6:-"),
        ("--question", "new node", "--regularize"), "as listed",
    )  # fmt: skip
    assert second.paths == (str(tmp_path / "one_0000.nii.gz"), "s3://bucket/one_0001.nii.gz")
    assert is_url(second.paths[1])


def test_what_is_written_is_read_again(tmp_path):
    cases = read_list(table(tmp_path / "l.csv", ["a", "x.zip", "", "m.nii", "1,2,3", "--series 'neck 3'"]), "table")
    write_list(cases, tmp_path / "again.csv")
    assert read_list(tmp_path / "again.csv", "table") == cases


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"id": "", "path": "x"}, "no usable id"),
        ({"id": "../x", "path": "x"}, "no usable id"),
        ({"id": ".hidden", "path": "x"}, "no usable id"),
        ({"id": "a", "path": " ; "}, "no path"),
        ({"id": "a", "path": None}, "no path"),
        ({"id": "a", "path": "x", "options": "--question 'open"}, "open quote"),
    ],
)
def test_a_broken_row_says_what_is_wrong_with_it(row, words, tmp_path):
    broken = case_of_row(7, row, tmp_path)
    assert isinstance(broken, BrokenRow)
    assert (broken.row, words in broken.problem) == (7, True)


def test_one_broken_row_among_others_is_listed_and_the_others_stand(tmp_path):
    path = table(tmp_path / "l.csv", *([f"c{k}", "x.zip", "", "", "", ""] for k in range(99)), ["", "", "", "", "", ""])
    found = read_list(path, "table")
    assert [type(c) for c in found] == [ListedCase] * 99 + [BrokenRow]
    path.write_text("id,path\na,x,too,many\nb,y\n")
    assert [type(c) for c in read_list(path, "table")] == [BrokenRow, ListedCase]


def test_two_rows_with_one_identifier_are_refused_whatever_its_letters_case(tmp_path):
    path = table(tmp_path / "l.csv", ["a", "x"], ["b", "x"], ["A", "y"], columns=("id", "path"))
    with pytest.raises(UsageError, match="rows 1, 3"):
        read_list(path, "table")


@pytest.mark.parametrize(
    ("columns", "words"), [(("id", "file"), "no column 'path'"), (("id", "path", "age"), "that no job knows")]
)
def test_other_columns_are_refused(columns, words, tmp_path):
    with pytest.raises(UsageError, match=words):
        read_list(table(tmp_path / "l.csv", columns=columns), "table")


def test_lists_that_are_none_are_refused(tmp_path):
    with pytest.raises(UnreadableFileError, match="does not exist"):
        read_list(tmp_path / "absent.csv", "ct")
    (tmp_path / "list.xlsx").write_text("x")
    with pytest.raises(UsageError, match="neither a folder nor a table"):
        read_list(tmp_path / "list.xlsx", "ct")
    with pytest.raises(InputRefusedError, match="holds no case"):
        read_list(table(tmp_path / "l.csv"), "ct")
    (tmp_path / "bad.csv").write_bytes(b"id,path\n\xff\xfe,x\n")
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        read_list(tmp_path / "bad.csv", "ct")
    (tmp_path / "bad.parquet").write_text("no table")
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        read_list(tmp_path / "bad.parquet", "ct")


def test_a_parquet_table_says_what_the_csv_says(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = {"id": ["a", "b"], "path": ["x.zip", "y.zip"], "masks": [None, "m.nii"]}
    parquet.write_table(pyarrow.table(rows), tmp_path / "l.parquet")
    as_csv = table(tmp_path / "l.csv", ["a", "x.zip", ""], ["b", "y.zip", "m.nii"], columns=("id", "path", "masks"))
    assert read_list(tmp_path / "l.parquet", "ct") == read_list(as_csv, "ct")
