import json

import numpy as np
import pytest

from hyoid.errors import UsageError
from hyoid.metrics.ranking import average_precision
from hyoid.systems.ct_report import ablate as ablation
from hyoid.systems.ct_report.ablate import BASELINE, CT_FM, OVERLAP, TABLES, Repeats, ablate, compared, row_recipe
from hyoid.systems.ct_report.labels import UNKNOWN
from hyoid.systems.ct_report.train import ReportCase
from hyoid.training.recipe import load_recipe
from hyoid.training.run import CHECKPOINTS


def cases(n, first=0, shape=(32, 32, 32)):
    rng = np.random.default_rng(first)
    organs = np.zeros(shape, np.uint8)
    organs[10:20, 10:20, 20:28] = 23
    out = []
    for k in range(first, first + n):
        heat = np.zeros(shape, np.float32)
        heat[10:20, 10:20, 22:28] = k % 2
        target = np.array([k % 2, 1 - k % 2, UNKNOWN if k % 3 else 1, k % 2, 1], np.float32)
        ct = rng.normal(size=shape).astype(np.float32)
        out.append(ReportCase(f"c{k}", ct, organs, heat, target, np.full(5, k % 2, np.float32)))
    return tuple(out)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_table_is_trained_once_and_read_afterwards(tmp_path):
    recipe = load_recipe("ct_report", "smoke")
    rows = ("ct_only-efficientnet-b0", "organ_tumour_modulation-efficientnet-b0")
    seen = []

    def run():
        return ablate(
            "ct_report-table1",
            recipe,
            lambda r: cases(6),
            lambda r: cases(4, 6),
            tmp_path,
            repeats=Repeats(2, 2),
            only=rows,
            device="cpu",
            on_progress=lambda *event: seen.append(event),
        )

    first = run()
    assert set(first["held_out"]["rows"]) == {*rows, OVERLAP}
    assert [event[1] for event in seen] == list(range(9))
    kept = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("scores.json")}
    assert len(kept) == 2 * 2 * 2
    assert not list(tmp_path.rglob("*.ckpt"))
    assert run() == first
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("scores.json")} == kept
    assert json.loads((tmp_path / "ct_report-table1.json").read_text()) == first
    text = (tmp_path / "ct_report-table1.md").read_text()
    assert "2-fold cross-validation, 2 seeds, 2 steps each" in text
    assert "EfficientNet-B0, Org+Tum-Modul" in text
    # The overlap of these cases ranks the first label without a fault.
    assert first["held_out"]["rows"][OVERLAP]["ap"][0] == 1


def test_ct_fm_stands_in_table_1_and_sees_ct_as_its_encoder_was_trained_to():
    assert CT_FM in TABLES["ct_report-table1"]
    recipe = load_recipe("ct_report", "ablation")
    of_row, published = row_recipe(CT_FM, recipe), load_recipe("ct_report", "ct_fm")
    assert (of_row.backbone, of_row.grid, of_row.window_hu) == ("ct-fm", published.grid, published.window_hu)
    # Budget, fields and folds are those of every row.
    assert (of_row.optimiser, of_row.fields) == (recipe.optimiser, recipe.fields)
    assert row_recipe(TABLES["ct_report-table1"][0], recipe).grid == recipe.grid


@pytest.mark.filterwarnings("ignore")
def test_without_the_encoder_its_row_is_left_out_and_asked_for_it_is_refused(tmp_path):
    recipe = load_recipe("ct_report", "smoke")
    with pytest.raises(UsageError, match="ct-fm"):
        ablate(
            "ct_report-table1", recipe, lambda r: cases(4), lambda r: cases(2, 4), tmp_path,
            repeats=Repeats(2, 1), only=[CT_FM.name], device="cpu",
        )  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_runs_of_another_recipe_are_not_mixed_in(tmp_path, monkeypatch):
    def learn(recipe, learned, run, *, start):
        (run.out / CHECKPOINTS).mkdir(parents=True)

    monkeypatch.setattr(ablation, "learn", learn)
    monkeypatch.setattr(ablation, "predict_ct_report", lambda module, cases: np.zeros((len(cases), 5)))
    recipe = load_recipe("ct_report", "smoke")
    only = ("ct_only-efficientnet-b0",)
    arguments = ("ct_report-table1", lambda r: cases(4), lambda r: cases(2, 4), tmp_path)

    def run(recipe):
        return ablate(arguments[0], recipe, *arguments[1:], repeats=Repeats(2, 1), only=only, device="cpu")

    run(recipe)
    with pytest.raises(UsageError, match="another recipe"):
        run(recipe.model_copy(update={"gamma_negative": 4.0}))


def test_unknown_tables_and_rows_are_refused(tmp_path):
    recipe = load_recipe("ct_report", "smoke")
    with pytest.raises(UsageError, match="no table 'table9'"):
        ablate("table9", recipe, cases, cases, tmp_path)
    with pytest.raises(UsageError, match="no row 'x'"):
        ablate("ct_report-table1", recipe, cases, cases, tmp_path, only=["x"])


def test_rows_are_compared_on_the_same_patients():
    rng = np.random.default_rng(0)
    truth = (rng.random((60, 2)) < 0.4).astype(float)
    truth[::5, 1] = UNKNOWN
    good, poor = truth + rng.normal(0, 0.3, truth.shape), rng.random(truth.shape)
    scores = {"own": [good, good + rng.normal(0, 0.1, truth.shape)], BASELINE: [poor], OVERLAP: [good]}
    table = compared(truth, scores, np.arange(60) % 5)
    known = truth[:, 1] != UNKNOWN
    by_hand = np.mean([average_precision(truth[known, 1], s[known, 1]) for s in scores["own"]])
    assert table["rows"]["own"]["ap"][1] == pytest.approx(by_hand)
    assert table["prevalence"][1] == pytest.approx(truth[known, 1].mean())
    gain = table["rows"]["own"]["against_ct"]
    assert gain["difference"] == pytest.approx(table["rows"]["own"]["mean_ap"] - table["rows"][BASELINE]["mean_ap"])
    assert 0 < gain["low"] < gain["difference"] < gain["high"]
    even = table["rows"]["own"]["against_overlap"]
    assert even["low"] <= 0 <= even["high"] or abs(even["difference"]) < 0.05
    assert len(table["rows"]["own"]["folds"]) == 5
    assert len(table["rows"]["own"]["seeds"]) == 2
