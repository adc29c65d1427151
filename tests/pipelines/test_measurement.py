import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from hyoid.pipelines.measurement import (
    InvolvementScores,
    OutlineScores,
    PlacedBall,
    dice,
    dice_table,
    paired_gain,
    ranking_table,
    region_table,
    told_of,
    transfer_table,
)
from hyoid.training.involvement import UNKNOWN


def test_dice_by_hand():
    a, b = np.zeros((2, 4), bool)
    a[:2], b[1:4] = True, True
    assert dice(a, b) == 2 / 5
    assert dice(a & b & ~a, b & ~b) == 1
    assert dice(a, ~a) == 0


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


def outlines(volumes, true_volumes=(), name="mandible"):
    """One case per volume; Dice rises with the case's number where there is a contour."""
    return [
        OutlineScores(
            f"c{k}",
            {name: 0.8 + 0.01 * k} if k < len(true_volumes) and true_volumes[k] else {},
            {name: volume},
            {name: true_volumes[k]} if k < len(true_volumes) and true_volumes[k] else {},
        )
        for k, volume in enumerate(volumes)
    ]


def test_a_structure_counts_where_it_is_contoured():
    table = dice_table(outlines([1.0] * 20, [k % 2 for k in range(20)]), np.random.default_rng(0))
    assert table["mandible"]["n"] == 10
    assert table["mandible"]["dice"] == pytest.approx(0.8 + 0.01 * 10, abs=1e-4)
    assert table["mandible"]["low"] < table["mandible"]["dice"] < table["mandible"]["high"]


@pytest.mark.parametrize(
    ("volumes", "plausible", "found"),
    [([10, 12, 0, 0], True, 2), ([10, 0, 0, 0], False, 1), ([50, 60, 45, 41], False, 4), ([4, 4, 4, 10], False, 4)],
)
def test_a_structure_of_impossible_size_is_not_plausible(volumes, plausible, found):
    # True volumes of 10 and 20 mL: the 10th percentile is 11, the 90th 19; 5.5 to 38 mL is plausible.
    virtual = outlines([10, 20], [10, 20])
    row = transfer_table(outlines(volumes), virtual, ["mandible"], np.random.default_rng(0))["mandible"]
    assert row["virtual_ml"] == [11, 19]
    assert (row["plausible"], row["real_found"], row["real_n"]) == (plausible, found, 4)
    assert row["n"] == 2


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
