"""The table of jobs against the commands: a row becomes words that the command itself understands."""

import pytest

from hyoid.errors import InputRefusedError, UnreadableFileError, UsageError
from hyoid.interfaces.cli.commands import Commands
from hyoid.interfaces.cohorts.jobs import JOBS, order_of, parsed, urls_among, words_of
from hyoid.io.cohorts.listed import ListedCase
from hyoid.jobs.ledger import options_hash

PETCT = {"petct-head", "petct-coarse", "petct-resenc"}


def case(**more):
    return ListedCase(**{"row": 1, "case": "a", "paths": ("scan.zip",)} | more)


@pytest.mark.parametrize(
    ("job", "row", "common", "words"),
    [
        ("report", {"prior": "p", "masks": "m"}, ["--template"], "--template scan.zip --prior p --reader-masks m"),
        ("petct", {"masks": "m"}, ["--no-organs"], "--no-organs scan.zip --reader-masks m"),
        ("petct", {"prior": "p", "options": ("--ct-only",)}, [], "scan.zip --prior p --ct-only"),
        ("midrt", {"prior": "pre", "masks": "m"}, [], "pre scan.zip --pre-masks m"),
        ("midrt", {"paths": ("hntsmrg",)}, ["--registered"], "--registered hntsmrg"),
        ("lesion", {"clicks": ("1,2,3", "4,5,6:-")}, [], "scan.zip --click 1,2,3 --click 4,5,6:-"),
        ("predict", {"paths": ("a_0000", "a_0001")}, ["MODEL", "--fast"], "MODEL --fast a_0000 a_0001"),
        ("measure", {}, [], "scan.zip"),
        ("structure", {}, [], "scan.zip"),
        ("train", {"paths": ("a", "b")}, ["organs"], "organs --data a --data b"),
        ("evaluate", {"masks": "ref"}, ["--protocol", "p"], "--workers 1 --protocol p scan.zip ref"),
    ],
)
def test_a_row_becomes_words_that_its_command_understands(job, row, common, words):
    found = words_of(JOBS[job], case(**row), common)
    assert " ".join(found) == words
    options = parsed(job, [*found, "--out", "x"])
    assert set(options) == {p.name for p in Commands()[job].params if p.name != "help"}


@pytest.mark.parametrize(
    ("job", "row"), [("measure", {"prior": "p"}), ("structure", {"masks": "m"}), ("report", {"clicks": ("1,2,3",)})]
)
def test_a_column_that_the_job_does_not_take_is_refused(job, row):
    with pytest.raises(InputRefusedError, match="takes no"):
        words_of(JOBS[job], case(**row), [])


@pytest.mark.parametrize("word", ["--out", "--out=x", "--json", "--overwrite"])
def test_what_the_cohort_sets_itself_is_refused(word):
    with pytest.raises(UsageError, match="set by the cohort"):
        words_of(JOBS["report"], case(options=(word,)), [])


@pytest.mark.parametrize("words", [["x.nii", "--colour", "red"], [], ["a", "b"]])
def test_words_that_no_command_knows_are_wrong_usage(words):
    with pytest.raises(UsageError):
        parsed("measure", words)


def test_an_order_follows_files_and_options_and_nothing_else(maps):
    path = str(maps / "a.nii.gz")
    order = order_of(JOBS["report"], [path])
    assert list(order.inputs) == ["study"]
    assert set(order.models) == {"organs", "neck", "tumour", "sgrnet", "sgrnet-template"}
    assert all(len(sha) == 64 for sha in order.models.values())
    assert order_of(JOBS["report"], [path, "--device", "cpu"]) == order
    assert order_of(JOBS["report"], [path, "--regularize"]).options != order.options
    assert order.options == options_hash({})  # so that an option of a later version changes no order
    with_masks = order_of(JOBS["report"], [path, "--reader-masks", str(maps / "b.nii.gz")])
    assert list(with_masks.inputs) == ["reader_masks", "study"]
    assert with_masks.inputs["study"] == order.inputs["study"]
    with pytest.raises(UnreadableFileError, match="names no file"):
        order_of(JOBS["report"], [str(maps / "absent")])


@pytest.mark.parametrize(
    ("job", "words", "models"),
    [
        ("petct", ["--fine", "petct-resenc"], {*PETCT, "organs", "neck", "sgrnet-template"}),
        ("petct", ["--no-organs", "--fine", "petct-resenc"], PETCT),
        ("lesion", ["--click", "1,1,1"], {"isrg", "organs", "neck"}),
        ("lesion", ["--click", "1,1,1", "--no-organs"], {"isrg"}),
        ("measure", [], set()),
        ("train", ["organs", "--data", "."], {"recipe"}),
    ],
)  # fmt: skip
def test_an_order_names_the_networks_that_these_options_use(job, words, models, maps):
    image = [] if job == "train" else [str(maps / "a.nii.gz")]
    assert set(order_of(JOBS[job], [*image, *words]).models) == models


def test_addresses_of_services_are_no_files_elsewhere():
    words = ["s3://b/r.txt", "--engine", "chat", "--endpoint", "http://localhost:8080/v1", "--model", "m"]
    assert urls_among("structure", words) == {"s3://b/r.txt"}
    assert urls_among("structure", ["r.txt"]) == set()


def test_the_model_of_predict_counts_by_its_files(maps, make_nnunet_folder):
    model = make_nnunet_folder()
    order = order_of(JOBS["predict"], [str(model), str(maps / "a.nii.gz"), str(maps / "b.nii.gz")])
    assert (list(order.inputs), list(order.models)) == (["inputs_0", "inputs_1"], ["nnunet"])
