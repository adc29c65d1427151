"""`hyoid models use`, and `pull` and `pack` for a command; fetching itself is tested in tests/io/packages."""

import json

import pytest
from typer.testing import CliRunner

from hyoid.errors import ModelUnusableError, UsageError
from hyoid.interfaces.cli.main import app
from hyoid.interfaces.installed import public_models
from hyoid.interfaces.places import sources_file
from hyoid.io.packages.public_weights import PROVENANCE, Provenance, pull_pack
from hyoid.io.packages.source_table import read_source_table


@pytest.fixture(autouse=True)
def weights(tmp_path, monkeypatch):
    monkeypatch.setenv("HYOID_WEIGHTS", str(tmp_path / "data" / "weights"))
    return tmp_path / "data" / "weights"


def run(*arguments):
    return CliRunner().invoke(app, ["models", *map(str, arguments)])


def events(result, kind):
    assert result.exit_code == 0, result.exception or result.output
    found = [json.loads(line) for line in result.output.splitlines() if line.startswith("{")]
    return [event for event in found if event["event"] == kind]


def test_the_table_is_shown_with_reasons_and_what_is_missing():
    rows = {event["structure"]: event for event in events(run("use", "--json"), "choice")}
    assert rows["mandible"]["source"] == "organs" and rows["mandible"]["why"].startswith("real patients")
    assert rows["tongue"]["source"] == "neck" and rows["tongue"]["why"].startswith("virtual patients")
    shown = " ".join(run("use").output.split())
    assert "hyoid_bone" in shown and "hyoid models pull --for report" in shown


def test_a_network_is_preferred_for_some_structures_or_all_and_forgotten_again(make_nnunet_folder):
    folder = make_nnunet_folder(labels={"background": 0, "tongue": 1, "mandible": 2})
    one = {e["structure"]: e for e in events(run("use", folder, "--for", "tongue", "--json"), "choice")}
    assert one["tongue"]["source"] == str(folder) and one["tongue"]["others"] == ["neck"]
    assert one["mandible"]["source"] == "organs"
    every = {e["structure"]: e["source"] for e in events(run("use", folder, "--json"), "choice")}
    assert every["tongue"] == every["mandible"] == str(folder)
    assert set(read_source_table(sources_file()).orders) == {"tongue", "mandible"}
    default = {e["structure"]: e["source"] for e in events(run("use", "--default", "--json"), "choice")}
    assert (default["tongue"], default["mandible"]) == ("neck", "organs") and not sources_file().exists()


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (["organs", "--for", "trachea"], UsageError, "does not outline trachea"),
        (["organs", "--for", "femur"], UsageError, "no organ 'femur'"),
        (["--for", "tongue"], UsageError, "--for needs a network"),
        (["petct-resenc"], ModelUnusableError, "is a network of the PET/CT system"),
        (["nothing"], UsageError, "no model 'nothing'"),
    ],
)
def test_a_wrong_preference_is_refused_and_nothing_is_kept(arguments, error, said):
    result = run("use", *arguments)
    assert isinstance(result.exception, error) and said in result.exception.problem
    assert not sources_file().exists()


def test_what_a_command_needs_is_named_before_anything_is_fetched(monkeypatch):
    monkeypatch.setattr("hyoid.io.packages.public_weights.pull", None)
    rows = events(run("pull", "--for", "report", "--json"), "plan")
    wanted = [name for name, model in public_models().items() if "report" in model.used_by]
    assert [row["model"] for row in rows] == wanted and len(wanted) == 5
    assert all(row["licence"] == "Apache-2.0" and not row["here"] for row in rows)
    said = " ".join(run("pull", "--for", "report").output.split())
    assert "Add --yes" in said and "carotid_left" in said and "5 model(s)" in said and "size is not stated" in said
    assert {row["model"] for row in events(run("pull", "--for", "midrt", "--json"), "plan")} == {
        "hntsmrg_gradient", "hntsmrg_gradient_plain"
    }  # fmt: skip


def test_weights_of_a_command_are_fetched_once_and_carried_to_another_machine(weights, tmp_path, monkeypatch):
    asked = []

    def pull(model, folder, **_):
        asked.append(model.name)
        record = Provenance(model=model, hash_from_source=True, files={})
        (folder / model.name).mkdir(parents=True)
        (folder / model.name / PROVENANCE).write_text(record.model_dump_json())
        return record

    monkeypatch.setattr("hyoid.io.packages.public_weights.pull", pull)
    (weights / "hntsmrg_gradient").mkdir(parents=True)
    with pytest.raises(AssertionError):
        events(run("pack", "--for", "midrt", "--out", tmp_path / "w.zip"), "none")
    (weights / "hntsmrg_gradient").rmdir()
    first = run("pull", "--for", "midrt", "--yes")
    assert first.exit_code == 0 and "--model hntsmrg_gradient" in " ".join(first.output.split())
    assert run("pull", "--for", "midrt", "--yes").exit_code == 0
    assert asked == ["hntsmrg_gradient", "hntsmrg_gradient_plain"]
    assert run("pack", "--for", "midrt", "--out", tmp_path / "w.zip").exit_code == 0
    carried = pull_pack(tmp_path / "w.zip", tmp_path / "there", allow_noncommercial=False)
    assert [record.model.name for record in carried] == asked


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pull", "--for", "lesion"], "no public weights for 'lesion'"),
        (["pull"], "No model is named"),
        (["pack", "--out", "w.zip"], "No model is named"),
        (["pack", "--for", "report", "--out", "w.zip"], "is not here"),
    ],
)
def test_what_there_is_not_is_refused(arguments, said):
    result = run(*arguments)
    assert isinstance(result.exception, UsageError) and said in result.exception.problem
