import json
from dataclasses import replace

import numpy as np
import pytest

from hyoid.errors import UsageError
from hyoid.evaluation.case_results import measure_case
from hyoid.evaluation.masks import CaseMasks
from hyoid.evaluation.protocols import AARHUS_2024
from hyoid.io.cohorts.hntsmrg import HntsmrgCase, find_hntsmrg_cases
from hyoid.systems.machine import Machine
from hyoid.systems.midrt import ablate as midrt_ablation
from hyoid.systems.midrt.ablate import ROWS, ablate, binned_spearman, by_fold, recipe_of, spearman_words
from hyoid.systems.midrt.measure import Answer, LesionEvidence, cross_fitted, fitted_curve, without_vanished
from hyoid.training.recipe import load_recipe
from hyoid.volume import Geometry

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's advice about workers and loggers


def answer(case, evidence, true_ml, label=1):
    labels = np.zeros((2, 2, 4), np.uint8)
    labels[0, 0, :2] = label
    followed = (labels > 0).astype(np.uint16)
    return Answer(case, labels, followed, (LesionEvidence(1, label, 1.0, evidence, true_ml),), (), 0.1, 10, 4)


def test_the_curve_of_a_patient_never_saw_that_patient():
    answers = [answer(f"p{k}", 0.1 + 0.05 * (k % 3), 0.0) for k in range(6)]
    answers += [answer(f"q{k}", 0.9 - 0.05 * (k % 3), 1.0) for k in range(6)]
    odd = answer("odd", 0.12, 1.0)  # looks like the vanished ones, and is not
    curve = fitted_curve(answers)
    assert not without_vanished(answers[0], curve).any() and without_vanished(answers[-1], curve).any()
    kept = cross_fitted([*answers, odd])
    # Its own outcome does not help it; with it in the fit it would still be one against six.
    assert not kept["odd"].any() and kept["q0"].any()


def test_rows_as_published_train_on_unspoilt_outlines_and_a_z_scored_map():
    recipe = load_recipe("midrt", "ablation")
    rows = {row.name: recipe_of(row, recipe, seed=2) for row in ROWS}
    assert rows["t2"].channels == ("t2",) and rows["outlines"].channels[1:] == ("outline_gtvp", "outline_gtvn")
    for name in ("paper", "code"):
        assert rows[f"gradient-{name}"].gradient == name and rows[f"gradient-{name}"].zscore_map
        assert rows[f"gradient-{name}"].outlines.shift_mm == rows[f"gradient-{name}"].outlines.cut == 0
    assert rows["gradient-hyoid"].outlines.cut > 0 and not rows["gradient-hyoid"].zscore_map
    assert {r.seed for r in rows.values()} == {recipe.seed + 2}


def result(case, shared, of_reference, of_prediction):
    """GTVp with so many voxels of 1 ml; no GTVn."""
    shape = (1, 1, of_reference + of_prediction)
    reference, prediction = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    reference[..., :of_reference] = 1
    start = of_reference - shared
    prediction[..., start : start + of_prediction] = 1
    grid = Geometry.axial(shape, (10.0, 10.0, 10.0))
    return measure_case(case, CaseMasks(grid, labels=reference), CaseMasks(grid, labels=prediction), AARHUS_2024)


def test_scores_fold_by_fold_and_their_mean():
    found = by_fold([result("a", 4, 4, 4), result("b", 2, 4, 4), result("c", 0, 4, 4)], {"a": 0, "b": 0, "c": 3})
    assert list(found) == ["0", "3", "mean"]
    assert found["0"]["GTVp.dsc_agg"] == pytest.approx(0.75)
    assert found["3"]["GTVp.dsc_agg"] == 0
    assert found["mean"]["GTVp.dsc_agg"] == pytest.approx(0.375)
    assert found["mean"]["GTVn.hd95_medpy_mm"] is None


def test_rank_correlation_in_the_bins_of_figure_4():
    # Seven tumours of 2 ml now (0.8 to 3): the more they shrank, the lower the score; one of 4 ml; one that vanished.
    results = [result(f"p{k}", 2 - k // 4, 2, 2 + k % 4) for k in range(7)] + [result("big", 4, 4, 4)]
    results += [result("gone", 0, 0, 1)]
    answers = [
        replace(answer(r.case, 0.5, 1.0), lesions=(LesionEvidence(1, 1, 3.0 + k, 0.5, 1.0),))
        for k, r in enumerate(results)
    ]
    bins = binned_spearman({"t2": results}, {"t2": answers})["GTVp"]
    assert [row["bin"] for row in bins] == ["0 to 0.8", "0.8 to 3", "above 3"]
    assert bins[0]["words"] == "n = 0" and bins[2]["words"] == "n = 1"
    assert bins[1]["words"].startswith("Spearman -") and bins[1]["words"].endswith("n = 7")


@pytest.mark.slow
def test_a_table_is_made_resumed_and_has_the_null_row(make_midrt_case, tmp_path, monkeypatch):
    for k in range(5):
        make_midrt_case(
            tmp_path / "data", f"p{k}", seed=k, node=k % 2 == 0, shape=(16, 40, 40), spacing=(6.0, 5.0, 5.0)
        )
    cases = find_hntsmrg_cases(tmp_path / "data")
    recipe = load_recipe("midrt", "smoke")
    machine = Machine("cpu", tmp_path / "cache", "f32")
    rows = ("t2", "gradient-hyoid")
    first = ablate("midrt-fold0", recipe, cases, tmp_path / "out", machine, seeds=1, only=rows, device="cpu")
    assert set(first["rows"]) == {"registered-outlines", "t2", "gradient-hyoid", "gradient-hyoid-vanished"}
    assert first["n"] == 1 and "against.GTVp.dsc_mean.p_wilcoxon" in first["rows"]["gradient-hyoid"]
    page = (tmp_path / "out" / "table.md").read_text()
    assert "Registered outlines, no network" in page and "T2w only" in page
    gain = first["rows"]["gradient-hyoid"]["against.mean.dsc_mean.difference"]
    assert (f"| {gain:+.3f}" if gain is not None else "| -") in page
    assert (tmp_path / "out" / "volume_change.svg").read_text().count("<g ") == 2
    monkeypatch.setattr(midrt_ablation, "train_on", lambda *a, **k: pytest.fail("trained again"))
    again = ablate("midrt-fold0", recipe, cases, tmp_path / "out", machine, seeds=1, only=rows, device="cpu")
    assert json.dumps(again) == json.dumps(first)


def test_a_finished_run_of_another_recipe_is_refused(leave_package, tmp_path, monkeypatch):
    recipe = load_recipe("midrt", "smoke")
    cases = [HntsmrgCase(f"p{k}", tmp_path, tmp_path, tmp_path, None, None, None) for k in range(5)]
    # Neither images nor answers: only whether the run is taken as it is.
    for name, nothing in {"answers_of": (), "scored": [], "score_table": {}, "volume_figure": ""}.items():
        monkeypatch.setattr(midrt_ablation, name, lambda *_, nothing=nothing: nothing)
    monkeypatch.setattr(midrt_ablation, "train_on", lambda *a, **k: pytest.fail("trained again"))
    leave_package(tmp_path / "out" / "runs" / "t2" / "seed-0-fold-0", recipe_of(ROWS[0], recipe, 0))

    def run(recipe):
        machine = Machine("cpu", tmp_path)
        return ablate("midrt-fold0", recipe, cases, tmp_path / "out", machine, seeds=1, only=["t2"])

    assert run(recipe)["n"] == 1
    with pytest.raises(UsageError, match="another recipe"):
        run(recipe.model_copy(update={"tumour_share": 0.9}))


def test_unknown_tables_and_rows_and_too_few_patients_are_refused(tmp_path):
    recipe, machine = load_recipe("midrt", "smoke"), Machine("cpu", tmp_path)
    with pytest.raises(UsageError, match="no table"):
        ablate("midrt-fold9", recipe, [], tmp_path, machine)
    with pytest.raises(UsageError, match="no row 'nonsense'"):
        ablate("midrt-fold0", recipe, [], tmp_path, machine, only=["nonsense"])
    with pytest.raises(UsageError, match="cannot make 5 folds"):
        ablate("midrt-fold0", recipe, [], tmp_path, machine)


def test_spearman_in_words():
    assert spearman_words([1, 2, 3, 4, 5], [5, 4, 3, 2, 1]) == "Spearman -1.00, n = 5"
    assert spearman_words([1, 2], [1, 2]) == "n = 2"
