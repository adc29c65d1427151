"""`hyoid card` on tiny networks whose answers are known, and everything that it refuses."""

import json

import numpy as np
import pytest
import torch
from tests.interfaces.planted import NAME, found_in
from typer.testing import CliRunner

from hyoid.errors import HyoidError, ModelUnusableError, UsageError
from hyoid.inference.runtime import computes_bf16
from hyoid.interfaces.cli import card as command
from hyoid.interfaces.cli.main import app
from hyoid.io.files.volumes import write_nifti
from hyoid.io.packages.model_package import LearnedFrom, read_manifest, write_package
from hyoid.models.build import build_network
from hyoid.volume import Geometry, Quantity, Volume

SHAPE = (16, 32, 32)
BODY = np.hypot(*(np.indices(SHAPE[1:]) - 15.5)) < 13


def make_package(folder, name, labels, bias, learned_from, **changes):
    """A network that says the same everywhere in the body: `bias` is the logit of every label."""
    torch.manual_seed(0)
    network = {
        "kind": "unet", "encoder": "plain", "in_channels": 1, "out_channels": len(labels), "features": [2, 2],
        "encoder_blocks": [1, 1], "decoder_convs": [1],
    }  # fmt: skip
    net = build_network(network)
    last = net.decoder.seg_layers[-1]
    torch.nn.init.zeros_(last.weight)
    last.bias.data = torch.tensor(bias, dtype=torch.float32)
    manifest = {
        "name": name, "version": "1", "words": "For tests.", "task": "segmentation", "network": network,
        "labels": labels, "supported": labels, "spacing_mm": (4.0, 4.0, 4.0), "patch": (16, 32, 32),
        "preprocessing": {"windows_hu": [[-160, 240]]}, "learned_from": learned_from, "training_data": "Nothing",
        "licence": "MIT", "recipe": {"seed": 1},
    }  # fmt: skip
    arrays = {key: tensor.numpy() for key, tensor in net.state_dict().items()}
    write_package(folder / name, manifest | changes, arrays, licence="", card="# new\n\nNot yet measured.\n")
    return folder / name


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path


@pytest.fixture
def cases(tmp_path):
    """Two necks of OpenKBP's layout, filled with mandible; the planning target is the same part."""
    folder = tmp_path / f"validation_{NAME}"
    folder.mkdir()
    grid = Geometry.axial(SHAPE, (4, 4, 4))
    body = np.broadcast_to(BODY, SHAPE)
    hu = np.where(body, 40, -1000).astype(np.float32)
    for name in (f"pt_1_{NAME}", f"pt_2_{NAME}"):
        write_nifti(Volume(hu, grid, Quantity.HU), folder / f"{name}_ct.nii.gz")
        write_nifti(Volume((body * 7).astype(np.uint8), grid, Quantity.LABEL), folder / f"{name}_oar.nii.gz")
        write_nifti(Volume((body * 3).astype(np.uint8), grid, Quantity.LABEL), folder / f"{name}_ptv.nii.gz")
    return folder


def run(*words):
    return CliRunner().invoke(app, ["card", *map(str, words)], catch_exceptions=True)


def test_a_measured_package_says_what_it_may_answer(places, cases):
    labels = ("mandible", "brainstem")
    package = make_package(places, "two", labels, [9.0, -9.0], LearnedFrom(real=labels))
    done = run(package, "--data", cases, "--work", places / "work", "--whom", "a test", "--json")
    assert done.exit_code == 0, done.exception
    manifest = read_manifest(package)
    assert manifest.supported == ("mandible",)
    assert manifest.metrics["dice"]["mandible"]["n"] == 2
    # The network outlines the air around the neck too.
    share = BODY.mean()
    assert manifest.metrics["dice"]["mandible"]["dice"] == pytest.approx(2 * share / (1 + share), abs=0.02)
    assert manifest.bf16_loss == ({"mandible": 0.0} if computes_bf16() else {})
    assert manifest.step_loss == {"mandible": 0.0}
    text = (package / "CARD.md").read_text()
    assert "2 patients of a test; no training used them" in text
    assert "never outlined: Brainstem." in text
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0] == {
        "event": "plan", "measured_as": "outlines", "packages": ["two"], "cases": {str(cases): 2},
    }  # fmt: skip
    stages = {"real patients"} | ({"real patients, bf16"} if computes_bf16() else set())
    assert stages <= {e["stage"] for e in events if e["event"] == "progress"}
    assert events[-1]["supported"] == ["mandible"]
    # The plan repeats the folder that was asked for; the package and compiled graphs go to others.
    assert NAME not in done.stdout.replace(str(cases), "")
    assert found_in(package) == [] and found_in(places / "cache") == []


def test_what_was_measured_is_not_measured_again(places, cases, monkeypatch):
    package = make_package(places, "target", ("target_region",), [9.0], LearnedFrom(real=("target_region",)))
    first = run(package, "--data", cases, "--work", places / "work")
    assert first.exit_code == 0, first.exception
    once = (package / "CARD.md").read_text()
    assert "Predicted high-dose target region" in once

    def fail(*_):
        raise AssertionError("measured again")

    monkeypatch.setattr("hyoid.systems.measure_outlines.localise_tumour", fail)
    (package / "CARD.md").write_text(once + "\n## Beside others\n\nBetter.\n")
    assert run(package, "--data", cases, "--work", places / "work").exit_code == 0
    # The section that a person wrote is still there.
    assert (package / "CARD.md").read_text() == once + "\n## Beside others\n\nBetter.\n"


def test_a_dry_run_changes_nothing(places, cases):
    package = make_package(places, "target", ("target_region",), [9.0], LearnedFrom(real=("target_region",)))
    before = {path: path.read_bytes() for path in package.iterdir()}
    done = run(package, "--data", cases, "--work", places / "work", "--dry-run")
    assert done.exit_code == 0
    assert "2 cases in" in done.stderr and "Would measure target as target" in done.stderr
    assert {path: path.read_bytes() for path in package.iterdir()} == before
    assert not (places / "work").exists()


def refused(kind, match, *words):
    done = run(*words)
    assert isinstance(done.exception, kind), done.exception
    assert isinstance(done.exception, HyoidError)
    assert match in done.exception.problem
    assert done.exception.cure


def test_what_a_kind_does_not_take_or_misses_is_refused(places, cases):
    target = make_package(places, "target", ("target_region",), [9.0], LearnedFrom(real=("target_region",)))
    organs = make_package(places, "organs", ("mandible",), [9.0], LearnedFrom(real=("mandible",)))
    empty = places / "empty"
    empty.mkdir()
    refused(UsageError, "is measured with --data", target)
    refused(UsageError, "does not take --virtual", target, "--data", cases, "--virtual", cases)
    refused(UsageError, "does not take --user", organs, "--data", cases, "--user", "noisy")
    refused(UsageError, "different kinds (outlines, target)", organs, target, "--data", cases)
    refused(UsageError, "one by one", target, target, "--data", cases)
    refused(UsageError, "names no network", target, "--data", cases, "--beside", "before")
    refused(UsageError, "Several cohorts", organs, "--data", cases, "--virtual", cases, "--virtual", cases)
    refused(ModelUnusableError, "not a model package", empty, "--data", cases)
    assert run(target, "--data", empty).exception is not None


def test_a_package_that_does_not_state_its_teachers_is_refused(places, cases):
    refused(
        ModelUnusableError,
        "does not state which patients taught it",
        make_package(places, "organs", ("mandible",), [9.0], LearnedFrom()),
        "--data",
        cases,
        "--work",
        places / "work",
    )


def test_virtual_teachers_need_virtual_patients_held_out(places, cases):
    package = make_package(places, "neck", ("tongue",), [9.0], LearnedFrom(virtual=("tongue",)))
    refused(UsageError, "no virtual patients are given", package, "--data", cases, "--work", places / "work")


def test_a_package_that_learned_nothing_is_refused_and_stays_as_it_was(places, cases):
    package = make_package(places, "organs", ("mandible",), [-9.0], LearnedFrom(real=("mandible",)))
    refused(UsageError, "no structure well enough", package, "--data", cases, "--work", places / "work")
    assert read_manifest(package).supported == ("mandible",)
    assert "Not yet measured" in (package / "CARD.md").read_text()
