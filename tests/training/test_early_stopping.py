"""On the smallest network: when it stops, which weights it keeps, and that a stopped run stays stopped."""

import json

import numpy as np
import pytest
import torch

from hyoid.errors import UsageError
from hyoid.systems.ct_report import train as training
from hyoid.systems.ct_report.cases import ReportCase, fold_of_cases
from hyoid.systems.ct_report.labels import UNKNOWN
from hyoid.systems.ct_report.train import learn
from hyoid.training.recipe import EarlyStoppingRecipe, load_recipe
from hyoid.training.run import Run

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's advice about workers and loggers


def cases(n=10, positives=True):
    rng = np.random.default_rng(0)
    shape = (32, 32, 32)
    for k in range(n):
        target = np.array([k % 2 if positives else 0] * 4 + [UNKNOWN], np.float32)
        ct = rng.normal(size=shape).astype(np.float32)
        yield ReportCase(
            f"c{k}", ct, np.zeros(shape, np.uint8), np.zeros(shape, np.float32), target, np.zeros(5, np.float32)
        )


class Mean(torch.nn.Module):
    """A logit for each field from the mean of the CT."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 5)

    def forward(self, ct, organs, heatmap):
        return self.layer(ct.mean(dim=(2, 3, 4)))


@pytest.fixture(autouse=True)
def smallest_network(monkeypatch):
    monkeypatch.setattr(training, "build_network", lambda described: Mean())


@pytest.fixture
def recipe():
    base = load_recipe("ct_report", "smoke")
    optimiser = base.optimiser.model_copy(update={"steps": 6})
    rule = EarlyStoppingRecipe(folds=5, patience=2)
    return base.model_copy(update={"optimiser": optimiser, "early_stopping": rule, "variant": "ct_only"})


def scored(monkeypatch, values):
    """Let the patients set aside be ranked with these means, look by look; gives the weights at every look."""
    seen = []
    given = iter(values)

    def predict(module, watched):
        assert len(watched) == 2
        seen.append({name: t.clone() for name, t in module.result().items()})
        value = next(given)
        truth = np.stack([case.target for case in watched])
        # Right order where the value is high, wrong order where it is low.
        return truth * value - (1 - value) * truth

    monkeypatch.setattr(training, "predict_ct_report", predict)
    return seen


def looks(out):
    return [json.loads(line)["score"] for line in (out / "validation.jsonl").read_text().splitlines()]


def test_it_stops_after_its_patience_and_keeps_the_best(recipe, tmp_path, monkeypatch):
    seen = scored(monkeypatch, [0.0, 1.0, 0.0, 0.0, 1.0, 1.0])
    module = learn(recipe, list(cases()), Run(tmp_path, "cpu"))
    assert len(seen) == 4  # best at the second look, two more without gain
    first, best = looks(tmp_path)[:2]
    assert first < best == 1
    kept = module.result()
    assert all(torch.equal(kept[name], seen[1][name]) for name in kept)
    assert any(not torch.equal(kept[name], seen[3][name]) for name in kept)


def test_a_run_that_stopped_stays_stopped(recipe, tmp_path, monkeypatch):
    scored(monkeypatch, [1.0, 0.0, 0.0])
    first = learn(recipe, list(cases()), Run(tmp_path, "cpu")).result()
    seen = scored(monkeypatch, [1.0] * 6)
    again = learn(recipe, list(cases()), Run(tmp_path, "cpu")).result()
    assert seen == []
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_the_patients_that_decide_are_a_stratified_part_and_do_not_teach(recipe, tmp_path, monkeypatch):
    scored(monkeypatch, [1.0, 0.0, 0.0])
    given = list(cases())
    module = learn(recipe, given, Run(tmp_path, "cpu"))
    aside = fold_of_cases(given, 5, recipe.seed) == 0
    assert {c.name for c in module.cases} == {c.name for c, out in zip(given, aside, strict=True) if not out}
    assert sorted(c.target[0] for c, out in zip(given, aside, strict=True) if out) == [0, 1]


def test_without_a_positive_there_is_nothing_to_decide_by(recipe, tmp_path):
    with pytest.raises(UsageError, match="has a positive label"):
        learn(recipe, list(cases(positives=False)), Run(tmp_path, "cpu"))


def test_the_paper_preset_stops_early():
    assert load_recipe("ct_report", "paper").early_stopping is not None
    assert load_recipe("ct_report", "small").early_stopping is None
