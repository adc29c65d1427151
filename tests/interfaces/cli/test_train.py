"""`hyoid train --dry-run`: what a run would read, do and write, and what it refuses."""

import json

import pytest
from typer.testing import CliRunner

from hyoid.errors import UsageError
from hyoid.interfaces.cli import main as cli
from hyoid.interfaces.cli.train import start_weights
from hyoid.interfaces.installed import package_folder
from hyoid.io.packages.model_package import read_package
from hyoid.training.recipe import load_recipe
from hyoid.training.run import keep_order


def test_a_dry_run_counts_the_patients_of_before_and_during_treatment(make_midrt_case, tmp_path):
    for k in range(2):
        make_midrt_case(tmp_path / "cohort", f"p{k}", shape=(8, 16, 16), spacing=(12.0, 12.0, 12.0))
    out = tmp_path / "out"
    arguments = ["train", "midrt", "--preset", "smoke", "--data", str(tmp_path / "cohort"), "--out", str(out)]
    result = CliRunner().invoke(cli.app, [*arguments, "--dry-run", "--json"])
    told = json.loads(result.output)
    assert (told["recipe"], told["cases"], told["steps"]) == ("midrt", {"cohort": 2}, 4)
    words = " ".join(CliRunner().invoke(cli.app, [*arguments, "--dry-run", "--fold", "1"]).output.split())
    assert "2 cases in cohort, fold 1 left out" in words and "A new run would begin." in words
    assert not out.exists()
    # What a run of another recipe left is refused before anything is read.
    (out / "checkpoints").mkdir(parents=True)
    (out / "checkpoints" / "last.ckpt").touch()
    (out / "recipe.json").write_text("{}")
    refused = CliRunner().invoke(cli.app, [*arguments, "--dry-run"])
    assert "The run in out is of another recipe." in " ".join((refused.output + str(refused.exception)).split())


def test_a_stopped_run_does_not_go_on_for_other_patients(make_midrt_case, tmp_path):
    for cohort in ("cohort", "another"):
        make_midrt_case(tmp_path / cohort, "p0", shape=(8, 16, 16), spacing=(12.0, 12.0, 12.0))
    out = tmp_path / "out"

    def run(*more, cohort="cohort"):
        arguments = ["train", "midrt", "--preset", "smoke", "--data", str(tmp_path / cohort), "--out", str(out)]
        result = CliRunner().invoke(cli.app, [*arguments, *more, "--dry-run"])
        return " ".join((result.output + str(result.exception)).split())

    # A run begun before an option was kept goes on: `organs` and `head` are not told here.
    keep_order(out, {"data": ["cohort"], "fold": 1, "start": None, "tumour": None})
    assert "A new run would begin." in run("--fold", "0")
    (out / "checkpoints").mkdir()
    (out / "checkpoints" / "last.ckpt").touch()
    (out / "recipe.json").write_text(json.dumps(load_recipe("midrt", "smoke").model_dump(mode="json")))
    assert "A stopped run is there and would go on." in run("--fold", "1")
    assert "begun with another --fold." in run("--fold", "0")
    assert "begun with another --data." in run("--fold", "1", cohort="another")
    assert "begun with another --tumour." in run("--fold", "1", "--tumour", "other")


@pytest.mark.parametrize(
    ("recipe", "option", "refusal"),
    [
        ("lesion", ("--fold", "0"), "from clicks take no --fold"),
        ("petct-head", ("--start", "petct-head"), "on PET/CT take no --start"),
        ("midrt", ("--start", "midrt"), "during treatment take no --start"),
        ("organs", ("--head", "petct-head"), "on CT take no --head"),
        ("tumour", ("--priors", "priors"), "on CT take no --priors"),
        ("tumour", ("--fold", "2"), "into 2 folds: there is no fold 2"),
        ("organs", ("--fold", "4"), "Give --fold 0 to 1."),
    ],
)
def test_an_option_that_a_task_does_not_take_is_refused(recipe, option, refusal, tmp_path):
    arguments = ["train", recipe, "--preset", "smoke", "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(cli.app, [*arguments, *option])
    error = result.exception
    assert isinstance(error, UsageError)
    assert refusal in f"{error.problem} {error.cure}"
    assert not (tmp_path / "out").exists()


def test_several_processes_train_only_what_can_be_divided(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    arguments = ["train", "lesion", "--preset", "smoke", "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    error = CliRunner().invoke(cli.app, arguments).exception
    assert isinstance(error, UsageError) and "take no several processes" in error.problem


def test_published_weights_that_were_not_pulled_are_named_with_their_command(monkeypatch, tmp_path):
    monkeypatch.setenv("HYOID_WEIGHTS", str(tmp_path))
    with pytest.raises(UsageError, match="no pulled weights 'ct_fm'"):
        start_weights("ct_fm")
    with pytest.raises(UsageError, match="no model 'nobody'"):
        start_weights("nobody")
    assert set(start_weights("midrt")) == set(read_package(package_folder("midrt")).arrays())
