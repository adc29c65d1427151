import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyoid.errors import InputRefusedError
from hyoid.metrics.clicks import (
    NumberOfClicks,
    click_area,
    clicks_to_reach,
    normalised_click_area,
    number_of_clicks,
)


def test_first_click_that_reaches_the_target():
    assert clicks_to_reach([0.5, 0.85, 0.7, 0.9], 0.85) == 2
    assert clicks_to_reach([0.5, 0.6], 0.85) is None
    assert clicks_to_reach([0.1] * 10 + [0.9], 0.85) is None


def test_failures_are_counted_with_all_clicks():
    assert number_of_clicks([[0.9], [0.2, 0.3], [0.1, 0.9]], 0.85) == NumberOfClicks(pytest.approx(13 / 3), 1, 3)
    assert number_of_clicks([], 0.85) == NumberOfClicks(None, 0, 0)
    assert number_of_clicks([[0.1, 0.1]], 0.85, max_clicks=4).mean == 4


def test_areas_by_hand():
    assert click_area([0.2, 0.6, 0.8]) == pytest.approx(0.4 + 0.7)
    assert normalised_click_area([0.2, 0.6, 0.8]) == pytest.approx(0.55)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=12))
def test_normalised_area_stays_within_the_curve(curve):
    assert min(curve) - 1e-12 <= normalised_click_area(curve) <= max(curve) + 1e-12


def test_refusals():
    with pytest.raises(InputRefusedError, match="at least two"):
        click_area([0.5])
    with pytest.raises(InputRefusedError, match="from 0 to 1"):
        clicks_to_reach([float("nan")], 0.5)
