import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from hyoid.systems.ct_report.labels import UNKNOWN
from hyoid.systems.ct_report.measure import (
    InvolvementScores,
    PlacedBall,
    paired_gain,
    ranking_table,
    region_table,
    told_of,
)


def answers(n=20):
    rng = np.random.default_rng(0)
    out = []
    for k in range(n):
        truth = np.array([rng.random() < 0.4, rng.random() < 0.5], np.float32)
        if k % 4 == 0:
            truth[1] = UNKNOWN
        scores = {s: (rng.random(2) + truth * 0.3).clip(0, 1) for s in ("sgrnet", "ct_only", "overlap")}
        out.append(InvolvementScores(f"c{k}", truth, scores))
    return out


def test_average_precision_leaves_unknown_labels_out():
    cases = answers()
    table = ranking_table(cases, ("larynx", "mandible"), np.random.default_rng(0))
    known = [c for c in cases if c.truth[1] != UNKNOWN]
    wanted = average_precision_score([c.truth[1] for c in known], [c.scores["sgrnet"][1] for c in known])
    assert table["mandible"]["n"] == len(known) == 15
    assert table["mandible"]["sgrnet"] == pytest.approx(wanted, abs=1e-3)
    assert table["mean"]["sgrnet"] == pytest.approx(
        (table["larynx"]["sgrnet"] + table["mandible"]["sgrnet"]) / 2, abs=1e-3
    )
    assert table["mean"]["sgrnet_interval"][0] < table["mean"]["sgrnet"] < table["mean"]["sgrnet_interval"][1]


def test_a_gain_is_paired_by_patient():
    cases = answers(60)
    better = [
        InvolvementScores(c.name, c.truth, {"own": np.where(c.truth == 1, 0.9, 0.1), "other": c.scores["sgrnet"]})
        for c in cases
    ]
    gain = paired_gain(better, "own", "other", np.random.default_rng(0))
    table = ranking_table(better, ("larynx", "mandible"), np.random.default_rng(0))["mean"]
    assert gain["difference"] == pytest.approx(1 - table["other"], abs=2e-3)
    assert 0 < gain["low"] < gain["difference"] < gain["high"]
    assert paired_gain(better, "own", "own", np.random.default_rng(0)) == {"difference": 0, "low": 0, "high": 0}
    better[0].scores["other"][0] = np.nan
    assert paired_gain(better, "own", "other", np.random.default_rng(0)) is None


def test_labels_that_nobody_tells_are_left_out():
    cases = [
        InvolvementScores(
            c.name, np.append(c.truth, np.float32(UNKNOWN)), {"sgrnet": np.append(c.scores["sgrnet"], 0.5)}
        )
        for c in answers()
    ]
    fields, kept = told_of(cases, ("larynx", "mandible", "lip"))
    assert fields == ("larynx", "mandible")
    assert all(len(row.truth) == len(row.scores["sgrnet"]) == 2 for row in kept)


def test_a_scorer_that_does_not_answer_a_label_has_no_number_there():
    cases = answers()
    for case in cases:
        case.scores["ct_only"][1] = np.nan
    table = ranking_table(cases, ("larynx", "mandible"), np.random.default_rng(0))
    assert table["larynx"]["ct_only"] is not None
    assert table["mandible"]["ct_only"] is None
    assert table["mean"]["ct_only"] is None


def test_balls_are_counted_by_organ_and_by_the_heading_that_was_answered():
    balls = [
        PlacedBall("a", "larynx", frozenset({"true_vocal_cords", "epiglottis"})),
        PlacedBall("b", "larynx", frozenset({"epiglottis"})),
        PlacedBall("a", "mandible", frozenset()),
    ]
    table = region_table(balls)
    assert {organ: row["n"] for organ, row in table.items()} == {"larynx": 2, "mandible": 1}
    assert {heading: share for heading, share in table["larynx"]["yes"].items() if share} == {
        "Larynx": 1.0,
        "Glottis": 0.5,
    }
    assert not any(table["mandible"]["yes"].values())
