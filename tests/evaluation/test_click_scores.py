import numpy as np
import pytest

from hyoid.evaluation.case_results import measure_case
from hyoid.evaluation.click_scores import ISRG, ClickResult, attribute_summary, click_table, summarise_clicks
from hyoid.evaluation.masks import CaseMasks
from hyoid.volume import Geometry

GRID = Geometry.axial((3, 3, 20), (1.0, 1.0, 1.0))
REFERENCE = {
    "a": {"shape": "Round-like", "density": "Hypodense"},
    "b": {"shape": "Irregular"},
    "c": {"shape": "Irregular"},
}


def masks(stop: int) -> CaseMasks:
    array = np.zeros(GRID.shape, np.uint8)
    array[1, 1, :stop] = 1
    return CaseMasks(GRID, labels=array)


def click(number: int, lengths: dict[str, int], attributes=()) -> ClickResult:
    results = tuple(measure_case(case, masks(10), masks(stop), ISRG) for case, stop in lengths.items())
    return ClickResult(number, results, dict(attributes))


def test_clicks_and_area_by_hand():
    clicks = [click(1, {"a": 5, "b": 0}), click(2, {"a": 10, "b": 5})]
    summary = summarise_clicks(clicks, {})
    # Dice: a 2/3 then 1, b 0 then 2/3.
    assert summary["click_auc"] == pytest.approx(((2 / 3 + 1) / 2 + (0 + 2 / 3) / 2) / 2)
    assert summary["click_auc_unnormalised"] == summary["click_auc"]
    assert summary["noc@0.85"] == (2 + 10) / 2
    assert summary["noc@0.85.failures"] == 1
    assert summary["n_clicks"] == 2


def test_one_click_has_no_area():
    summary = summarise_clicks([click(1, {"a": 5})], {})
    assert "click_auc" not in summary
    assert summary["mean.accuracy"] is None


def test_attributes_beside_majority_and_balanced():
    answers = {"a": {"shape": "irregular", "density": "Hypodense"}, "b": {"shape": "IRREGULAR "}}
    summary = attribute_summary(REFERENCE, answers)
    # c has no answer and is wrong.
    assert summary["shape.accuracy"] == pytest.approx(1 / 3)
    assert summary["shape.majority_accuracy"] == pytest.approx(2 / 3)
    assert summary["shape.balanced_accuracy"] == pytest.approx((0 + 0.5) / 2)
    assert summary["shape.n_missing"] == 1
    assert summary["density.n"] == 1
    assert summary["mean.accuracy"] == pytest.approx((1 / 3 + 1) / 2)


def test_table_has_every_click():
    clicks = [click(1, {"a": 5, "b": 0}), click(2, {"a": 10, "b": 5}, {"a": {"shape": "Round-like"}})]
    table = click_table(clicks, {"a": {"shape": "Round-like"}})
    assert [row[0] for row in table.rows] == [1, 2]
    assert [row[1] for row in table.rows] == pytest.approx([1 / 3, 5 / 6])
    assert [row[3] for row in table.rows] == [1, 0]
    assert [row[4] for row in table.rows] == [0.0, 1.0]
