import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyoid.errors import InputRefusedError
from hyoid.metrics.calibration import (
    band_of_doubt,
    best_f1_threshold,
    brier_score,
    expected_calibration_error,
    fit_temperature,
    reliability,
    scaled,
)

PATIENTS = st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=50)


def test_error_by_hand():
    # Bin 0..0.5: promised 0.2, observed 0.5 (2 of 5); bin 0.5..1: promised 0.8, observed 1 (3 of 5).
    reference, probabilities = [0, 1, 1, 1, 1], [0.1, 0.3, 0.7, 0.8, 0.9]
    assert expected_calibration_error(reference, probabilities, n_bins=2) == pytest.approx(0.4 * 0.3 + 0.6 * 0.2)
    assert brier_score(reference, probabilities) == pytest.approx((0.01 + 0.49 + 0.09 + 0.04 + 0.01) / 5)


def test_limits_belong_to_the_lower_bin_and_zero_to_the_first():
    bins = reliability([0, 0, 1, 1], [0.0, 0.5, 0.50001, 1.0], n_bins=2)
    assert [b.n for b in bins] == [2, 2]


def test_perfect_promises():
    assert expected_calibration_error([0, 1, 1], [0.0, 1.0, 1.0]) == 0.0
    assert brier_score([0, 1, 1], [0.0, 1.0, 1.0]) == 0.0
    assert expected_calibration_error([], []) is brier_score([], []) is None


@given(PATIENTS)
def test_bounds_and_counts(patients):
    reference, probabilities = zip(*patients, strict=True)
    bins = reliability(reference, probabilities)
    assert sum(b.n for b in bins) == len(patients)
    assert all(b.low - 1e-12 <= b.mean_probability <= b.high + 1e-12 for b in bins)
    error = expected_calibration_error(reference, probabilities)
    # By Jensen the squared gap of the bins cannot exceed the mean squared difference.
    assert error**2 <= brier_score(reference, probabilities) + 1e-12


@given(PATIENTS)
def test_scikit_learn_agrees_on_the_brier_score(patients):
    metrics = pytest.importorskip("sklearn.metrics")
    reference, probabilities = zip(*patients, strict=True)
    expected = metrics.brier_score_loss(reference, probabilities, labels=[False, True])
    assert brier_score(reference, probabilities) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("reference", "probabilities", "words"),
    [
        ([1], [0.5, 0.5], "do not pair up"),
        ([1], [1.5], "outside 0..1"),
        ([1], [np.nan], "outside 0..1"),
        ([0.5], [0.5], "neither 0 nor 1"),
    ],
)
def test_refusals(reference, probabilities, words):
    with pytest.raises(InputRefusedError, match=words):
        brier_score(reference, probabilities)


def test_temperature_undoes_overconfidence():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, 20000)
    outcome = rng.random(20000) < 1 / (1 + np.exp(-logits))
    promised = 1 / (1 + np.exp(-3 * logits))
    temperature = fit_temperature(outcome, promised)
    assert temperature == pytest.approx(3, rel=0.05)
    assert expected_calibration_error(outcome, scaled(promised, temperature)) < 0.02
    assert expected_calibration_error(outcome, promised) > 0.05


def test_temperature_never_changes_the_order():
    p = np.linspace(0.01, 0.99, 50)
    assert (np.diff(scaled(p, 7.0)) > 0).all()


def test_threshold_of_the_best_f1():
    # At 0.25 F1 is 2 * 3 / (4 + 3); at 0.55 it is 2 * 2 / (2 + 3).
    assert best_f1_threshold([0, 1, 0, 1, 1], [0.1, 0.4, 0.5, 0.6, 0.9]) == pytest.approx(0.25)
    assert best_f1_threshold([1, 1], [0.2, 0.7]) == 0.2
    with pytest.raises(InputRefusedError):
        best_f1_threshold([1, 2], [0.2, 0.7])


def test_the_band_of_doubt_holds_its_share_and_the_threshold():
    p = np.linspace(0.05, 0.95, 19)
    low, high = band_of_doubt(p, 0.3, 0.25)
    assert low <= 0.3 <= high
    assert ((p >= low) & (p <= high)).sum() == round(0.25 * 19)
    assert band_of_doubt([], 0.3, 0.25) == (0.3, 0.3)
