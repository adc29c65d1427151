import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from hyoid.pipelines.measurement import SCORERS, CaseScores, dice, dice_table, ranking_table
from hyoid.training.classification import UNKNOWN


def test_dice_by_hand():
    a, b = np.zeros((2, 4), bool)
    a[:2], b[1:4] = True, True
    assert dice(a, b) == 2 / 5
    assert dice(a & b & ~a, b & ~b) == 1
    assert dice(a, ~a) == 0


def rows(n=20):
    rng = np.random.default_rng(0)
    out = []
    for k in range(n):
        truth = np.array([rng.random() < 0.4, rng.random() < 0.5], np.float32)
        if k % 4 == 0:
            truth[1] = UNKNOWN
        scores = {s: rng.random(2) + truth * 0.3 for s in SCORERS}
        known = {"mandible": 0.8 + 0.01 * k} if k % 2 else {}
        out.append(CaseScores(f"c{k}", known | {"target_region": 0.5}, truth, scores))
    return out


def test_a_structure_counts_where_it_is_contoured():
    table = dice_table(rows(), np.random.default_rng(0))
    assert table["mandible"]["n"] == 10
    assert table["mandible"]["dice"] == pytest.approx(0.8 + 0.01 * 10, abs=1e-4)
    assert table["mandible"]["low"] < table["mandible"]["dice"] < table["mandible"]["high"]


def test_average_precision_leaves_unknown_labels_out():
    cases = rows()
    table = ranking_table(cases, ("larynx", "mandible"), np.random.default_rng(0))
    known = [c for c in cases if c.truth[1] != UNKNOWN]
    wanted = average_precision_score([c.truth[1] for c in known], [c.scores["sgrnet"][1] for c in known])
    assert table["mandible"]["n"] == len(known) == 15
    assert table["mandible"]["sgrnet"] == pytest.approx(wanted, abs=1e-3)
    assert table["mean"]["sgrnet"] == pytest.approx(
        (table["larynx"]["sgrnet"] + table["mandible"]["sgrnet"]) / 2, abs=1e-3
    )
    assert table["mean"]["sgrnet_interval"][0] < table["mean"]["sgrnet"] < table["mean"]["sgrnet_interval"][1]
