import numpy as np
import pytest

from hyoid.systems.lesion.measure import ClickCase, ball_dice, hd95_mm, measure_clicks, simulate
from hyoid.systems.lesion.pipeline import Scan


@pytest.fixture
def case(ball_study, ball_masks):
    return ClickCase("a", "p", Scan(ball_study.volume, "balls"), ball_masks[1], (0, -1, -1, -1, -1))


def test_a_ball_of_the_right_size_is_a_ball(case):
    assert ball_dice(case, case.volume_ml) > 0.95
    assert ball_dice(case, 8 * case.volume_ml) == pytest.approx(2 / 9, abs=0.05)


def test_the_user_stops_where_there_is_no_error_left(case, click_network):
    click_network.radius_mm = 12.0
    run = simulate(case, click_network, "deterministic", clicks=4)
    assert len(run.dice) == 4
    assert run.dice[0] > 0.8
    assert run.dice[-1] > 0.8
    assert run.attributes[-1] == {"shape": "round_like"}


def test_missed_is_counted_and_never_averaged_away(case):
    empty = np.zeros_like(case.reference)
    assert hd95_mm(case.reference, empty, (3, 2, 2)) == np.inf
    assert hd95_mm(case.reference, case.reference, (3, 2, 2)) == 0


def test_everything_a_card_says(case, click_network):
    result = measure_clicks([case], click_network, clicks=2)
    assert result["n"] == 1
    user = result["users"]["deterministic"]
    assert len(user["dice"]) == 2
    scores = {"accuracy": 1.0, "low": None, "high": None, "majority": 1.0, "balanced": 1.0, "n": 1}
    assert user["attributes"] == {"shape": scores}
    assert set(result["users"]) == {"deterministic", "noisy"}
    assert user["dice"][0]["low"] is None  # one patient gives no interval
