import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyoid.errors import InputRefusedError
from hyoid.metrics.ranking import (
    accuracy,
    auroc,
    average_precision,
    balanced_accuracy,
    majority_accuracy,
    mean_average_precision,
)

# Scores from a short list, so that ties are the rule and not the exception.
PATIENTS = st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.2, 0.5, 0.5000001, 1.0])), min_size=1, max_size=40)


def test_average_precision_by_hand():
    # Thresholds 0.9: 1/1 of 2 positives; 0.8: no gain; 0.7: 2/3.
    assert average_precision([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1]) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_ties_are_one_threshold_whatever_the_order():
    assert average_precision([1, 0, 0], [0.5, 0.5, 0.1]) == 0.5
    assert average_precision([0, 1, 0], [0.5, 0.5, 0.1]) == 0.5


def test_undefined_is_none_and_not_zero():
    assert average_precision([0, 0], [0.3, 0.4]) is None
    assert auroc([1, 1], [0.3, 0.4]) is None
    assert auroc([0, 0], [0.3, 0.4]) is None
    table = mean_average_precision([[0, 1], [0, 0]], [[0.1, 0.9], [0.2, 0.1]])
    assert table.per_label == (None, 1.0)
    assert table.mean == 1.0
    assert mean_average_precision([[0], [0]], [[0.1], [0.2]]).mean is None


def test_scikit_learn_calls_undefined_zero():
    metrics = pytest.importorskip("sklearn.metrics")
    with pytest.warns(UserWarning, match="No positive class"):
        assert metrics.average_precision_score([0, 0], [0.3, 0.4]) == 0.0


def test_unknown_references_are_left_out_of_their_label_only():
    table = mean_average_precision([[np.nan, 1], [1, 0], [0, 0]], [[0.99, 0.9], [0.8, 0.1], [0.1, 0.1]])
    assert table.per_label == (1.0, 1.0)
    assert table.prevalence == (0.5, pytest.approx(1 / 3))


@given(PATIENTS)
def test_scikit_learn_agrees(patients):
    metrics = pytest.importorskip("sklearn.metrics")
    reference, scores = zip(*patients, strict=True)
    if any(reference):
        assert average_precision(reference, scores) == pytest.approx(metrics.average_precision_score(reference, scores))
    if any(reference) and not all(reference):
        assert auroc(reference, scores) == pytest.approx(metrics.roc_auc_score(reference, scores))
        answers = [score > 0.3 for score in scores]
        assert balanced_accuracy(reference, answers) == pytest.approx(
            metrics.balanced_accuracy_score(reference, answers)
        )


@given(PATIENTS, st.randoms())
def test_order_of_patients_does_not_matter(patients, random):
    shuffled = list(patients)
    random.shuffle(shuffled)
    before, after = zip(*patients, strict=True), zip(*shuffled, strict=True)
    assert average_precision(*before) == pytest.approx(average_precision(*after))


def test_accuracies_by_hand():
    reference, prediction = ["round", "round", "oval", "flat"], ["round", "oval", "oval", "round"]
    assert accuracy(reference, prediction) == 0.5
    assert balanced_accuracy(reference, prediction) == pytest.approx((0.5 + 1 + 0) / 3)
    assert majority_accuracy(reference) == 0.5
    assert accuracy([], []) is balanced_accuracy([], []) is majority_accuracy([]) is None


@pytest.mark.parametrize(
    ("reference", "scores", "words"),
    [
        ([1, 0], [0.5], "do not pair up"),
        ([1, 0], [0.5, np.nan], "1 of 2 scores are not finite"),
        ([2, 0], [0.5, 0.1], "neither 0 nor 1"),
    ],
)
def test_refusals(reference, scores, words):
    for metric in (average_precision, auroc):
        with pytest.raises(InputRefusedError, match=words):
            metric(reference, scores)


def test_tables_of_different_shape_are_refused():
    with pytest.raises(InputRefusedError, match="not two tables"):
        mean_average_precision([[1, 0]], [[0.5]])
    with pytest.raises(InputRefusedError, match="do not pair up"):
        accuracy(["a"], [])
