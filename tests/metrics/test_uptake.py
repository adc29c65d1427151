import numpy as np

from hyoid.metrics.uptake import measure_uptake


def test_uptake_by_hand():
    suv = np.array([[[20.0, 10.0, 8.0, 1.0]]])
    found = measure_uptake(suv, np.array([[[True, True, True, False]]]), voxel_ml=0.5)
    assert found.suv_max == 20
    assert found.suv_mean == 38 / 3
    # 41 % of 20 is 8.2: two voxels.
    assert found.mtv_ml == 1.0
    assert found.tlg_g == 15.0


def test_nothing_outlined_has_no_uptake():
    assert measure_uptake(np.ones((1, 1, 1)), np.zeros((1, 1, 1), bool), 1.0) is None
