import numpy as np
import pytest

from hyoid.errors import ModelUnusableError
from hyoid.preprocess.petct import ChannelRule, network_channels, through_spacing
from hyoid.volume import Geometry, Quantity, Volume

FOUR = ("ct", "ct_squared", "ct_cube_root", "pet")


def rule(**changes):
    options = {
        "channels": FOUR, "window_hu": (-110, 190), "ct_range": "symmetric", "pet_scale": "window",
        "window_suv": (0, 20), "zscore": False,
    }  # fmt: skip
    return ChannelRule(**(options | changes))


HU = np.array([[[-500.0, -110.0, 40.0, 190.0, 900.0]]])
SUV = np.array([[[0.0, 5.0, 10.0, 20.0, 40.0]]])


def test_the_four_channels_of_the_paper():
    x, squared, root, pet = network_channels(HU, SUV, rule())[:, 0, 0]
    assert x.tolist() == [-1, -1, 0, 1, 1]
    assert squared.tolist() == [1, 1, 0, 1, 1]
    assert root.tolist() == [-1, -1, 0, 1, 1]
    assert pet.tolist() == [0, 0.25, 0.5, 1, 1]


def test_unit_range_has_no_sign_to_lose():
    x, squared, root, _ = network_channels(HU, SUV, rule(ct_range="unit"))[:, 0, 0]
    assert x.tolist() == [0, 0, 0.5, 1, 1]
    assert squared[2] == 0.25
    assert root[2] == pytest.approx(0.5 ** (1 / 3))


def test_a_window_keeps_the_suv_and_the_own_range_does_not():
    for factor, same in ((1.0, True), (2.0, False)):
        windowed, ranged = (
            network_channels(HU, factor * SUV, rule(channels=("pet",), pet_scale=scale))[0, 0, 0]
            for scale in ("window", "minmax")
        )
        assert bool(windowed[1] == 0.25) is same
        assert ranged[1] == pytest.approx(5 / 40)


def test_without_pet_its_channel_is_empty():
    assert network_channels(HU, None, rule())[3].tolist() == [[[0.0] * 5]]


def test_z_scores_are_taken_inside_the_region():
    region = (slice(None), slice(None), slice(1, 4))
    x = network_channels(HU, SUV, rule(channels=("ct",), zscore=True), region)[0]
    assert x[region].mean() == pytest.approx(0, abs=1e-6)
    assert x[region].std() == pytest.approx(1)


def test_auto3dseg_bounds_become_a_sigmoid():
    x = network_channels(HU, None, rule(channels=("ct",), ct_range="unit", ct_bounds=(0.0, 1.0)))[0, 0, 0]
    assert x == pytest.approx(1 / (1 + np.exp(-np.array([-1, -1, 0, 1, 1]))))


def test_a_constant_region_gives_zeros_and_no_warning():
    flat = np.full((2, 2, 2), 40.0)
    assert not network_channels(flat, flat, rule(ct_range="unit", pet_scale="minmax")).any()


def test_an_unknown_key_of_a_manifest_is_refused():
    with pytest.raises(ModelUnusableError, match="not understood"):
        ChannelRule.of({"channels": ["ct"], "windows": [0, 1]})


def test_the_authors_first_step_clips_and_coarsens():
    ct = Volume(np.full((4, 8, 8), 900.0), Geometry.axial((4, 8, 8), (1, 1, 1)), Quantity.HU)
    coarse = through_spacing(ct, (2, 4, 4), rule())
    assert coarse.array.shape == (2, 2, 2)
    assert coarse.array.max() == pytest.approx(190)
    assert through_spacing(ct, None, rule()) is ct
