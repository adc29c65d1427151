import numpy as np
import pytest

from hyoid.errors import InputRefusedError
from hyoid.evaluation.label_scores import LabelScores, charge_missing, label_sentences, summarise_labels

NAN = float("nan")


def scores(reference, probabilities, folds=()):
    n = len(reference)
    return LabelScores(tuple(f"p{i}" for i in range(n)), ("larynx", "tongue"), np.array(reference, float),
                       np.array(probabilities, float), folds)  # fmt: skip


def test_pooled_and_mean_of_folds_are_two_numbers():
    # Fold a ranks its patients rightly, fold b too, but on different scales.
    summary = summarise_labels(
        scores(
            [[1, 1], [0, 0], [1, 1], [0, 0]],
            [[0.9, 0.9], [0.8, 0.8], [0.3, 0.3], [0.1, 0.1]],
            ("a", "a", "b", "b"),
        )
    )
    assert summary["mean.ap_folds"] == 1.0
    assert summary["mean.ap"] == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert summary["larynx.prevalence"] == 0.5


def test_undefined_labels_do_not_take_part():
    summary = summarise_labels(scores([[1, 0], [0, 0]], [[0.9, 0.2], [0.1, 0.3]]))
    assert summary["tongue.ap"] is None
    assert summary["mean.ap"] == 1.0
    assert summary["mean.ap.n_labels_undefined"] == 1
    assert summary["mean.ap_folds"] is None


def test_a_missing_patient_is_as_wrong_as_can_be():
    filled, n = charge_missing(scores([[1, 0], [1, 0]], [[0.9, 0.1], [NAN, NAN]]))
    assert n == 1
    assert filled.probabilities[1].tolist() == [0.0, 1.0]
    with_it = summarise_labels(scores([[1, 0], [1, 0], [0, 1]], [[0.9, 0.1], [NAN, NAN], [0.2, 0.8]]))
    without = summarise_labels(scores([[1, 0], [0, 1]], [[0.9, 0.1], [0.2, 0.8]]))
    assert with_it["mean.ap"] < without["mean.ap"] == 1.0
    assert "1 of 3 patients have no prediction" in " ".join(label_sentences(with_it))


def test_unknown_references_are_left_out_of_their_label():
    summary = summarise_labels(scores([[NAN, 1], [1, 0], [0, 0]], [[0.95, 0.9], [0.9, 0.1], [0.2, 0.3]]))
    assert summary["larynx.n"] == 2
    assert summary["larynx.ap"] == 1.0


def test_some_probabilities_only_are_refused():
    with pytest.raises(InputRefusedError, match="1 patients have a probability for some labels only"):
        summarise_labels(scores([[1, 0]], [[0.9, NAN]]))


def test_interval_contains_the_number():
    rng = np.random.default_rng(2)
    truth = rng.random((60, 2)) < 0.4
    summary = summarise_labels(scores(truth, np.clip(truth * 0.3 + rng.random((60, 2)) * 0.7, 0, 1)))
    assert summary["mean.ap.ci95_low"] < summary["mean.ap"] < summary["mean.ap.ci95_high"]
