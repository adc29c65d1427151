"""Training of a classifier on prepared cases: views, packages, folds that calibrate, and what is refused."""

import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from hyoid.errors import OutputError, UsageError
from hyoid.interfaces.cli.main import app
from hyoid.systems.ct_report import calibrate as ct_report_calibration
from hyoid.systems.ct_report.calibrate import read_held_out
from hyoid.systems.ct_report.cases import ReportCase
from hyoid.systems.ct_report.labels import UNKNOWN
from hyoid.systems.ct_report.train import ReportDataset, taught_fields, train_ct_report
from hyoid.training.recipe import load_recipe
from hyoid.training.run import Run

FIELDS = ("larynx", "mandible", "parotid_right", "parotid_left", "oesophagus")


def report_cases(n, shape=(32, 32, 32)):
    rng = np.random.default_rng(0)
    for k in range(n):
        heat = np.zeros(shape, np.float32)
        heat[10:20, 10:20, 4:10] = 1
        organs = np.zeros(shape, np.uint8)
        organs[10:20, 10:20, 20:28] = 23
        target = np.array([k % 2, 1, UNKNOWN, 0, 1], np.float32)
        yield ReportCase(
            f"c{k}", rng.normal(size=shape).astype(np.float32), organs, heat, target, np.zeros(5, np.float32)
        )


def test_views_are_never_mirrored():
    recipe = load_recipe("ct_report", "smoke")
    for epoch in range(20):
        _, organs, heat, _ = ReportDataset(list(report_cases(1)), recipe, epoch)[0]
        where = [np.argwhere(t[0].numpy() > 0.5)[:, 2].mean() for t in (heat, organs)]
        assert where[0] < where[1]


def test_every_case_is_seen_once_before_any_is_seen_twice():
    recipe = load_recipe("ct_report", "smoke")
    optimiser = recipe.optimiser.model_copy(update={"steps_per_epoch": 5, "batch": 2})
    order = ReportDataset(list(report_cases(5)), recipe.model_copy(update={"optimiser": optimiser}), 0).order
    assert sorted(order[:5]) == sorted(order[5:]) == [0, 1, 2, 3, 4]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Runs that held out folds 0 and 1 of the same ten cases."""
    folder, given = tmp_path_factory.mktemp("folds"), list(report_cases(10))
    runs = [folder / f"fold-{fold}" for fold in (0, 1)]
    for fold, run in enumerate(runs):
        train_ct_report(load_recipe("ct_report", "smoke"), given, Run(run, "cpu"), fold=fold)
    return runs


@pytest.mark.filterwarnings("ignore")
def test_folds_together_calibrate_a_package(trained, tmp_path, capsys, monkeypatch):
    import sys

    from hyoid.interfaces.cli import main as cli
    from hyoid.io.packages.model_package import read_manifest

    files = [run / "held_out.json" for run in trained]
    package = shutil.copytree(trained[0] / "package", tmp_path / "package")
    monkeypatch.setattr(ct_report_calibration, "LEAST_EXAMPLES", 1)
    answers = read_held_out(files, read_manifest(package))
    assert answers.truth.shape == answers.scores.shape == (4, 5)
    arguments = [word for file in files for word in ("--held-out", str(file))]
    sys.argv = ["hyoid", "calibrate", str(package), *arguments, "--out", str(tmp_path / "calibration")]
    try:
        cli.main()
    except SystemExit as end:
        assert not end.code
    manifest = read_manifest(package)
    assert set(manifest.temperatures) == set(manifest.thresholds) == set(FIELDS)
    # The mandible is always involved here and the left parotid gland never: nothing to decide.
    assert "mandible" not in manifest.equivocal
    assert "larynx" in manifest.equivocal
    assert manifest.metrics["calibration_held_out"]["table"]["all"]["n"] == 4
    assert {p.name for p in (tmp_path / "calibration").iterdir()} == {
        "calibration.json",
        "calibration.md",
        "reliability.svg",
    }
    assert "Calibration error" in "".join(capsys.readouterr())
    # A used folder is refused, and the package stays as it was; it is emptied on purpose, but not of other files.
    before = (package / "manifest.yaml").read_bytes()
    for more, kind in (((), UsageError), (("--overwrite",), None), (("--overwrite",), OutputError)):
        result = CliRunner().invoke(app, [*sys.argv[1:], *more])
        assert isinstance(result.exception, kind) if kind else result.exit_code == 0
        assert (package / "manifest.yaml").read_bytes() == before
        (tmp_path / "calibration" / "notes.txt").touch() if kind is None else None


@pytest.mark.filterwarnings("ignore")
def test_the_template_learns_lines_and_never_looks_at_the_ct(tmp_path):
    from hyoid.io.packages.model_package import LearnedFrom, read_package
    from hyoid.models.build import build_network

    smoke, whole = load_recipe("ct_report", "smoke"), load_recipe("ct_report", "template")
    small = {key: getattr(smoke, key) for key in ("grid", "channels", "optimiser")}
    recipe = whole.model_copy(update=small | {"least_examples": 1})
    given = []
    for k, case in enumerate(report_cases(4)):
        target = np.zeros(len(whole.fields), np.float32)
        target[whole.fields.index("tonsil")] = k % 2
        places = np.zeros(case.organs.shape, np.uint8)
        places[8:16, 8:16, 8:16] = whole.fields.index("tonsil") + 1
        given.append(replace(case, target=target, places=places, virtual=True))
    package = read_package(train_ct_report(recipe, given, Run(tmp_path, "cpu")))
    assert package.manifest.labels == whole.fields
    assert package.manifest.supported == ("tonsil",)
    assert package.manifest.learned_from == LearnedFrom(virtual=whole.fields)
    assert "virtual_only" not in package.manifest.preprocessing
    assert package.manifest.preprocessing["heatmap"] == "outline"
    network = build_network(package.manifest.network)
    network.load_state_dict({name: torch.from_numpy(a) for name, a in package.arrays().items()})
    views = torch.rand(2, 1, 1, 32, 32, 32)
    organs, other_ct = torch.zeros(1, 1, 32, 32, 32), torch.rand(1, 1, 32, 32, 32)
    network.eval()
    assert torch.equal(network(views[0], organs, views[1]), network(other_ct, organs, views[1]))


def test_fields_with_too_few_examples_are_not_delivered():
    recipe = load_recipe("ct_report", "smoke").model_copy(update={"least_examples": 2})
    assert taught_fields(recipe, list(report_cases(4))) == ("larynx",)
    none = recipe.model_copy(update={"least_examples": 3})
    assert taught_fields(none, list(report_cases(4))) == ()


@pytest.mark.parametrize("start", [train_ct_report, partial(train_ct_report, fold=0)])
def test_a_training_that_could_answer_nothing_is_refused_at_once(start, tmp_path):
    recipe = load_recipe("ct_report", "smoke").model_copy(update={"least_examples": 30})
    with pytest.raises(UsageError, match="30 patients for and 30 against"):
        start(recipe, list(report_cases(10)), Run(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.filterwarnings("ignore")
def test_training_leaves_a_package(trained):
    from hyoid.io.packages.model_package import read_package

    package = read_package(trained[0] / "package")
    assert package.manifest.labels == FIELDS
    assert package.manifest.preprocessing["involvement_share"] == 0.05
    assert all(np.isfinite(a).all() for a in package.arrays().values() if a.dtype.kind == "f")
