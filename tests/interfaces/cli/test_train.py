"""`hyoid train --dry-run`: what a run would read, do and write, and what it refuses."""

import json

from typer.testing import CliRunner

from hyoid.interfaces.cli import main as cli
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
