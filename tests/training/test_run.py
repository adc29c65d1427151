import json

import numpy as np
import pytest
import torch

from hyoid.errors import ModelUnusableError, UsageError
from hyoid.io.packages.model_package import read_package
from hyoid.models.build import build_network
from hyoid.training.recipe import load_recipe
from hyoid.training.run import Run, package_weights
from hyoid.training.schedule import rate
from hyoid.training.segmentation import SegmentationTraining, train_segmentation

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's advice about workers and loggers


@pytest.fixture
def recipe():
    base = load_recipe("tumour", "smoke")
    optimiser = base.optimiser.model_copy(update={"precision": "32-true"})
    return base.model_copy(update={"optimiser": optimiser, "patch": (16, 16, 16)})


def test_training_leaves_a_package_that_loads(openkbp, tmp_path, recipe):
    seen = []
    package = read_package(
        train_segmentation(recipe, [openkbp], Run(tmp_path / "run", "cpu", on_progress=lambda *a: seen.append(a)))
    )
    assert package.manifest.supported == ("target_region",)
    network = build_network(package.manifest.network)
    network.load_state_dict({n: torch.from_numpy(a) for n, a in package.arrays().items()})
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4]
    assert ("train", 4, 4) in [s[:3] for s in seen]


def test_a_stopped_run_ends_with_the_same_weights(openkbp, tmp_path, recipe):
    whole = read_package(train_segmentation(recipe, [openkbp], Run(tmp_path / "whole", "cpu"))).arrays()

    class StoppedError(Exception):
        pass

    def stop(stage, done, total, words):
        if stage == "train" and done == 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        train_segmentation(recipe, [openkbp], Run(tmp_path / "parts", "cpu", on_progress=stop))
    other = recipe.model_copy(update={"seed": 5})
    with pytest.raises(UsageError, match="run in parts is of another recipe"):
        train_segmentation(other, [openkbp], Run(tmp_path / "parts", "cpu"))
    parts = read_package(train_segmentation(recipe, [openkbp], Run(tmp_path / "parts", "cpu"))).arrays()
    assert whole.keys() == parts.keys()
    assert all(np.allclose(whole[name], parts[name], atol=1e-3) for name in whole)
    fresh = read_package(train_segmentation(other, [openkbp], Run(tmp_path / "other", "cpu"))).arrays()
    assert any(not np.allclose(whole[name], fresh[name], atol=1e-3) for name in whole)


def test_a_run_that_was_stopped_often_still_takes_all_its_steps(openkbp, tmp_path, recipe):
    class StoppedError(Exception):
        pass

    long = recipe.model_copy(update={"optimiser": recipe.optimiser.model_copy(update={"steps": 8})})
    for last in (3, 5, 6):

        def stop(stage, done, total, words, last=last):
            if stage == "train" and done >= last:
                raise StoppedError

        with pytest.raises(StoppedError):
            train_segmentation(long, [openkbp], Run(tmp_path, "cpu", on_progress=stop))
        assert not (tmp_path / "package").exists()
    seen = []
    train_segmentation(long, [openkbp], Run(tmp_path, "cpu", on_progress=lambda *a: seen.append(a[:3])))
    assert seen[-1] == ("train", 8, 8)


def test_a_run_can_begin_with_the_weights_of_a_package(openkbp, tmp_path, recipe):
    first = train_segmentation(recipe, [openkbp], Run(tmp_path / "first", "cpu"))
    frozen = recipe.model_copy(
        update={"optimiser": recipe.optimiser.model_copy(update={"learning_rate": 0.0, "weight_decay": 0.0})}
    )
    second = train_segmentation(frozen, [openkbp], Run(tmp_path / "second", "cpu"), start=package_weights(first))
    a, b = read_package(first).arrays(), read_package(second).arrays()
    assert all(np.allclose(a[name], b[name], atol=1e-3) for name in a)


def test_a_training_whose_loss_is_no_number_stops_and_leaves_no_package(openkbp, tmp_path, recipe):
    wild = recipe.optimiser.model_copy(update={"learning_rate": 1e30, "warmup_steps": 0, "gradient_clip": 0.0})
    with pytest.raises(ModelUnusableError, match=r"no longer a number at step \d"):
        train_segmentation(recipe.model_copy(update={"optimiser": wild}), [openkbp], Run(tmp_path, "cpu"))
    assert not (tmp_path / "package").exists()


def test_a_run_asks_the_machine_before_it_computes_in_bfloat16(openkbp, tmp_path, recipe, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    said = []
    short = recipe.model_copy(update={"optimiser": recipe.optimiser.model_copy(update={"precision": "bf16-mixed"})})
    train_segmentation(short, [openkbp], Run(tmp_path / "a", "cpu", on_progress=lambda *a: said.append(a)))
    ((_, _, _, words),) = [row for row in said if row[0] == "precision"]
    # Three stages of one convolution, a transposed one and a convolution at each of two steps up, and the last layer.
    assert "on 8 convolutions" in words


def test_a_run_whose_gradients_are_no_numbers_stops(openkbp, tmp_path, recipe, monkeypatch):
    class Spoilt(torch.autograd.Function):
        @staticmethod
        def forward(_, x):
            return x.clone()

        @staticmethod
        def backward(_, gradient):
            return gradient * float("nan")

    plain = SegmentationTraining.training_step
    monkeypatch.setattr(SegmentationTraining, "training_step", lambda self, *a: Spoilt.apply(plain(self, *a)))
    long = recipe.model_copy(update={"optimiser": recipe.optimiser.model_copy(update={"steps": 60})})
    with pytest.raises(ModelUnusableError, match="gradients of 25 steps in a row are no numbers"):
        train_segmentation(long, [openkbp], Run(tmp_path, "cpu"))


def test_steps_that_were_skipped_are_counted_and_change_nothing(openkbp, tmp_path, recipe, monkeypatch):
    monkeypatch.setattr("hyoid.training.averaged.torch.nn.utils.get_total_norm", lambda *_: torch.tensor(float("inf")))
    package = train_segmentation(recipe, [openkbp], Run(tmp_path / "run", "cpu"))
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["skipped_steps"] for row in rows] == [2, 4]
    start = read_package(package).arrays()
    resting = recipe.model_copy(
        update={"optimiser": recipe.optimiser.model_copy(update={"learning_rate": 0.0, "weight_decay": 0.0})}
    )
    still = read_package(train_segmentation(resting, [openkbp], Run(tmp_path / "still", "cpu"))).arrays()
    assert all(np.array_equal(start[name], still[name]) for name in start)


def test_folders_that_teach_nothing_are_refused(openkbp, tmp_path, recipe):
    for path in openkbp.glob("*_ptv.nii.gz"):
        path.unlink()
    with pytest.raises(UsageError, match="None of the 3 cases has a contour"):
        train_segmentation(recipe, [openkbp], Run(tmp_path / "run", "cpu"))


def test_the_rate_warms_up_and_ends_at_zero(recipe):
    schedule = recipe.optimiser.model_copy(update={"warmup_steps": 10, "steps": 110})
    assert rate(0, schedule) == pytest.approx(0.1)
    assert rate(10, schedule) == 1
    assert rate(60, schedule) == pytest.approx(0.5)
    assert rate(110, schedule) == pytest.approx(0)


def test_nnunets_rate_decays_by_the_power_of_what_is_left(recipe):
    schedule = recipe.optimiser.model_copy(update={"warmup_steps": 0, "steps": 10, "schedule": "poly"})
    assert [rate(step, schedule) for step in (0, 5, 10)] == [1, pytest.approx(0.5**0.9), 0]


def test_a_trapezoid_stays_and_then_falls_along_a_line(recipe):
    changes = {"warmup_steps": 10, "steps": 110, "schedule": "trapezoid", "decay_share": 0.4}
    schedule = recipe.optimiser.model_copy(update=changes)
    assert [rate(step, schedule) for step in (10, 40, 70)] == [1, 1, pytest.approx(1)]
    assert rate(90, schedule) == pytest.approx(0.5)
    assert rate(110, schedule) == 0


def test_a_resumed_run_goes_on_in_the_number_format_that_it_began_with(openkbp, tmp_path, recipe, monkeypatch):
    class StoppedError(Exception):
        pass

    def stop(stage, done, total, words):
        if stage == "train" and done == 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        train_segmentation(recipe, [openkbp], Run(tmp_path / "run", "cpu", on_progress=stop))
    assert (tmp_path / "run" / "precision.txt").read_text() == "32-true"

    def asked_again(*_):
        raise AssertionError("the machine was asked again")

    monkeypatch.setattr("hyoid.training.run.precision_of", asked_again)
    assert train_segmentation(recipe, [openkbp], Run(tmp_path / "run", "cpu")).is_dir()
