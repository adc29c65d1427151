import json

import numpy as np
import pytest
from scipy.special import expit

from hyoid.cards.involvement import EVERY_FIELD, calibration_rows
from hyoid.errors import UsageError
from hyoid.io.packages.model_package import Manifest
from hyoid.systems.ct_report.calibrate import (
    Answers,
    HeldOut,
    before_and_after,
    calibration,
    cross_fitted,
    read_held_out,
    uncalibrated,
)
from hyoid.systems.ct_report.labels import UNKNOWN

FIELDS = ("larynx", "lip")
NETWORK = {"kind": "sgrnet", "variant": "organ_pooling", "field_labels": [[28, 1], [22]]}


def answers(n=4000, sharpened=(1, 4)):
    """Honest logits, sharpened: the second field promises far too much."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (n, 2))
    truth = (rng.random((n, 2)) < expit(logits)).astype(float)
    truth[::2, 1] = UNKNOWN
    return Answers(FIELDS, truth, expit(logits * sharpened), np.arange(n) % 5)


def manifest(**changes):
    return Manifest(
        name="sgrnet",
        version="1",
        words="",
        task="ct_report",
        network=NETWORK,
        labels=FIELDS,
        supported=FIELDS,
        spacing_mm=(4, 4, 4),
        patch=(8, 8, 8),
        preprocessing={"heatmap": "probability"},
        training_data="",
        licence="",
        sha256="0" * 64,
        **changes,
    )


def held_out(folder, fold, **changes):
    values = {
        "fields": FIELDS,
        "network": NETWORK,
        "heatmap": "probability",
        "fold": fold,
        "cases": (f"a{fold}", f"b{fold}"),
        "truth": ((1.0, -1.0), (0.0, 1.0)),
        "scores": ((0.7, 0.2), (0.1, 0.6)),
    }
    file = folder / f"{fold}.json"
    file.write_text(HeldOut(**(values | changes)).model_dump_json())
    return file


def test_constants_are_fitted_per_field_on_known_patients():
    given = answers()
    found = calibration(FIELDS, given.truth, given.scores)
    assert found["temperatures"] == pytest.approx({"larynx": 1, "lip": 4}, rel=0.15)
    low, high = found["equivocal"]["lip"]
    assert low <= found["thresholds"]["lip"] <= high
    known = given.truth[:, 1] != UNKNOWN
    after = uncalibrated(given.scores, FIELDS, {n: 1 / t for n, t in found["temperatures"].items()})[known, 1]
    assert ((after >= low) & (after <= high)).mean() == pytest.approx(0.2, abs=0.01)


def test_a_rare_field_takes_the_temperature_of_all_and_no_threshold_of_its_own():
    given = answers(200)
    truth = given.truth.copy()
    truth[:, 1] = 0
    truth[:3, 1] = 1
    found = calibration(FIELDS, truth, given.scores)
    alone = calibration(FIELDS[:1], truth[:, :1], given.scores[:, :1])["temperatures"]["larynx"]
    assert found["temperatures"]["larynx"] == alone != found["temperatures"]["lip"]
    assert found["thresholds"]["larynx"] != 0.5
    assert found["thresholds"]["lip"] == 0.5
    assert "lip" not in found["equivocal"]


def test_nothing_known_is_refused():
    with pytest.raises(UsageError, match="No label is known"):
        calibration(FIELDS, np.full((4, 2), UNKNOWN), np.full((4, 2), 0.5))


def test_a_fold_gets_the_constants_of_the_others():
    given = answers(400)
    after = cross_fitted(given)
    own = given.fold_of == 2
    constants = calibration(FIELDS, given.truth[~own], given.scores[~own])["temperatures"]
    wanted = uncalibrated(given.scores[own], FIELDS, {n: 1 / t for n, t in constants.items()})
    assert np.allclose(after[own], wanted)
    # What a fold's own patients had does not matter to it.
    changed = given.truth.copy()
    changed[own] = 1 - np.abs(changed[own])
    assert np.allclose(cross_fitted(Answers(FIELDS, changed, given.scores, given.fold_of))[own], after[own])


def test_too_sure_answers_are_better_afterwards_and_stand_beside_the_prevalence():
    given = answers(1000)
    after = cross_fitted(given)
    table = before_and_after(FIELDS, given.truth, given.scores, after, np.random.default_rng(0))
    lip = table["lip"]
    assert lip["n"] == 500
    assert lip["ece_after"] < 0.5 * lip["ece_before"]
    assert lip["brier_after"] < lip["brier_before"]
    assert lip["ece_before_interval"][0] <= lip["ece_before"] <= lip["ece_before_interval"][1]
    known = given.truth[given.truth[:, 1] != UNKNOWN, 1]
    assert lip["brier_of_prevalence"] == pytest.approx(known.mean() * (1 - known.mean()), abs=1e-3)
    assert table[EVERY_FIELD]["n"] == 1000
    text = calibration_rows(manifest(**calibration(FIELDS, given.truth, given.scores)), table, "Those.")
    assert text.count("\n| ") == 4
    assert "| Lip | 500 |" in text


def test_probabilities_come_back_from_behind_the_temperature():
    before = np.array([[0.3, 0.9]])
    after = uncalibrated(before, FIELDS, {"larynx": 0.5, "lip": 0.25})
    assert np.allclose(uncalibrated(after, FIELDS, {"larynx": 2, "lip": 4}), before)


def test_predictions_of_all_folds_are_put_together(tmp_path):
    found = read_held_out([held_out(tmp_path, 0), held_out(tmp_path, 1)], manifest())
    assert found.fold_of.tolist() == [0, 0, 1, 1]
    assert found.truth[0].tolist() == [1, UNKNOWN]
    assert found.scores[3].tolist() == [0.1, 0.6]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": {"kind": "other"}}, "of another network"),
        ({"heatmap": "gaussian"}, "of another network"),
        ({"cases": ("a0", "c")}, "given twice"),
    ],
)
def test_predictions_that_do_not_belong_are_refused(tmp_path, changes, words):
    with pytest.raises(UsageError, match=words):
        read_held_out([held_out(tmp_path, 0), held_out(tmp_path, 1, **changes)], manifest())


def test_one_fold_or_something_else_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be judged"):
        read_held_out([held_out(tmp_path, 0)], manifest())
    (tmp_path / "x.json").write_text(json.dumps({"rows": 1}))
    with pytest.raises(UsageError, match="no held-out predictions"):
        read_held_out([tmp_path / "x.json"], manifest())
