import numpy as np
import pytest

from hyoid.systems.measure_outlines import OutlineScores, dice_table, fall_of_dice, transfer_table


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


def test_the_loss_of_a_faster_run_is_a_mean_over_patients_with_a_reference():
    exact = [OutlineScores("a", {"tongue": 0.9, "larynx": 0.5}, {}, {}), OutlineScores("b", {"tongue": 0.7}, {}, {})]
    short = [OutlineScores("a", {"tongue": 0.8, "larynx": 0.6}, {}, {}), OutlineScores("b", {"tongue": 0.7}, {}, {})]
    assert fall_of_dice(exact, short, {"tongue", "larynx", "mandible"}) == {"larynx": -0.1, "tongue": 0.05}
    assert fall_of_dice(exact, short, {"tongue"}) == {"tongue": 0.05}
    assert fall_of_dice(exact, (), {"tongue"}) == {}
