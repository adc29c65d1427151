import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyoid.errors import InputRefusedError
from hyoid.metrics.comparison import (
    Ratio,
    bootstrap_interval,
    bootstrap_statistic,
    paired_difference,
    wilcoxon_p,
)


def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def test_ratio_is_sum_over_sum_and_a_mean_skips_what_is_excluded():
    assert Ratio(np.array([1.0, 2.0]), np.array([4.0, 2.0])).value == 0.5
    assert Ratio.mean_of([0.2, None, 0.4]).value == pytest.approx(0.3)
    assert Ratio.mean_of([None, None]).value is None


def test_interval_of_a_mean_has_the_width_of_its_standard_error():
    values = rng().normal(10, 2, 400)
    interval = bootstrap_interval([Ratio.mean_of(values)], rng())
    half_width = (interval.high - interval.low) / 2
    assert half_width == pytest.approx(1.96 * values.std() / 20, rel=0.08)
    assert interval.low < values.mean() < interval.high


def test_interval_covers_the_truth_about_as_often_as_it_says():
    generator = rng()
    covered = 0
    for _ in range(200):
        interval = bootstrap_interval([Ratio.mean_of(generator.normal(0, 1, 30))], generator, draws=400)
        covered += interval.low <= 0 <= interval.high
    assert 0.88 <= covered / 200 <= 0.98


def test_cases_of_one_patient_are_drawn_together():
    values = [0.0, 1.0] * 20
    alone = bootstrap_interval([Ratio.mean_of(values)], rng())
    pairs = bootstrap_interval([Ratio.mean_of(values)], rng(), patients=[i // 2 for i in range(40)])
    assert alone.high - alone.low > 0.2
    assert pairs.low == pairs.high == 0.5


def test_one_patient_has_no_interval():
    assert bootstrap_interval([Ratio.mean_of([0.5])], rng()) is None
    assert bootstrap_interval([Ratio.mean_of([0.5, 0.6])], rng(), patients=["a", "a"]) is None
    assert bootstrap_statistic(lambda index: 1.0, 1, rng()) is None


def test_general_bootstrap_agrees_with_the_one_for_ratios():
    values = rng().random(60)
    ratio = bootstrap_interval([Ratio.mean_of(values)], rng())
    general = bootstrap_statistic(lambda index: float(values[index].mean()), 60, rng())
    assert (general.low, general.high) == pytest.approx((ratio.low, ratio.high), abs=0.01)


def test_pairing_removes_what_both_systems_share():
    difficulty = rng().normal(0, 0.3, 40)
    a, b = Ratio.mean_of(difficulty + 0.05), Ratio.mean_of(difficulty)
    result = paired_difference([a], [b], rng())
    assert result.difference == pytest.approx(0.05)
    assert (result.interval.low, result.interval.high) == pytest.approx((0.05, 0.05))
    assert result.p_bootstrap < 0.01


def test_no_difference_is_no_evidence():
    same = Ratio.mean_of([0.1, 0.5, 0.9])
    result = paired_difference([same], [same], rng())
    assert result.difference == 0
    assert result.p_bootstrap == 1.0
    assert paired_difference([Ratio.mean_of([None, None])], [same], rng()) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=12))
def test_swapping_the_systems_turns_the_sign(pairs):
    a, b = (Ratio.mean_of(values) for values in zip(*pairs, strict=True))
    forth = paired_difference([a], [b], rng(), draws=50)
    back = paired_difference([b], [a], rng(), draws=50)
    assert forth.difference == pytest.approx(-back.difference)
    assert forth.p_bootstrap == back.p_bootstrap
    assert forth.interval.low == pytest.approx(-back.interval.high)


def test_wilcoxon_by_hand_and_without_differences():
    # All five differences positive: 2 of 2^5 sign patterns are as extreme.
    assert wilcoxon_p([1, 2, 3, 4, 5], [0, 0, 0, 0, 0]) == pytest.approx(2 / 32)
    assert wilcoxon_p([1, 2, 3, 4, 5, 7], [0, 0, 0, 0, 0, 7]) == pytest.approx(2 / 32)
    assert wilcoxon_p([1, 2], [1, 2]) == 1.0


def test_wilcoxon_refuses_missing_values():
    with pytest.raises(InputRefusedError, match="finite values in pairs"):
        wilcoxon_p([1, np.inf], [1, 2])
