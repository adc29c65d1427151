import numpy as np
import pytest

from hyoid.metrics.presence import PresenceCurve, evidence_of, fit_presence


def test_evidence_is_the_mean_of_the_most_likely_tenth_of_a_millilitre():
    p = np.array([0.9, 0.7, 0.2, 0.1]).reshape(1, 1, 4)
    everywhere = np.ones(p.shape, bool)
    assert evidence_of(p, everywhere, 0.05) == pytest.approx(0.8)
    assert evidence_of(p, everywhere, 0.2) == pytest.approx(0.9)
    assert evidence_of(p, p < 0.5, 0.001) == pytest.approx(0.15)  # the region is smaller than 0.1 ml
    assert evidence_of(p, np.zeros(p.shape, bool), 0.05) == 0


def test_the_fitted_curve_gives_back_the_frequencies_it_was_drawn_from():
    rng = np.random.default_rng(0)
    evidence = rng.uniform(0.01, 0.99, 4000)
    z = 2 * np.log(evidence / (1 - evidence)) + 1.5
    present = rng.random(4000) < 1 / (1 + np.exp(-z))
    curve = fit_presence(evidence, present)
    assert curve.slope == pytest.approx(2, abs=0.25) and curve.intercept == pytest.approx(1.5, abs=0.25)
    low = present[(evidence > 0.25) & (evidence < 0.35)].mean()
    assert curve.probability(0.3) == pytest.approx(low, abs=0.06)


def test_without_both_outcomes_the_evidence_stays_what_it_is():
    assert fit_presence([0.2, 0.9], [True, True]) == PresenceCurve()
    assert fit_presence([], []).probability(0.25) == 0.25


def test_perfectly_separated_lesions_give_a_finite_curve():
    curve = fit_presence([0.01, 0.02, 0.9, 0.95], [False, False, True, True])
    assert 0 < curve.slope < 20
    assert curve.probability(0.01) < 0.3 and curve.probability(0.95) > 0.7
