import numpy as np
import pytest

from hyoid.errors import UsageError
from hyoid.systems.petct.decision import Decision, decide_voxels, outside_fine, said_of_outside, without_small_parts
from hyoid.volume import Geometry

GRID = Geometry.axial((6, 6, 6), (5.0, 5.0, 5.0))


def certain(labels, grid):
    """Probabilities of a network that is sure of these labels."""
    return np.stack([labels == k for k in range(3)]).astype(np.float32), grid, 1


def test_the_class_of_the_highest_mean_wins_inside_and_nothing_is_said_outside():
    labels = np.zeros((4, 6, 6), np.uint8)
    labels[1, 2, 3], labels[2, 2, 3] = 1, 2
    upper = Geometry.axial((4, 6, 6), (5.0, 5.0, 5.0), (0.0, 0.0, 10.0))
    found, inside = decide_voxels([certain(labels, upper)], GRID)
    assert not inside[:2].any() and inside[2:].all()
    assert found[3, 2, 3] == 1 and found[4, 2, 3] == 2 and (found > 0).sum() == 2


def test_a_threshold_of_each_averaged_map_leaves_out_what_no_class_has_half_of():
    # Background, GTVp, GTVn: sure, most probable and above a half, most probable but below.
    maps = np.zeros((3, 1, 1, 3), np.float32)
    maps[:, 0, 0, 0], maps[:, 0, 0, 1], maps[:, 0, 0, 2] = (0.9, 0.1, 0.0), (0.3, 0.1, 0.6), (0.3, 0.45, 0.25)
    grid = Geometry.axial((1, 1, 3), (5.0, 5.0, 5.0))
    assert decide_voxels([(maps, grid, 1)], grid)[0].ravel().tolist() == [0, 2, 1]
    assert decide_voxels([(maps, grid, 1)], grid, "threshold")[0].ravel().tolist() == [0, 2, 0]


def test_the_packages_decide_unless_they_differ():
    paper = {"decision": "threshold", "coarse_outside": False, "min_volume_ml": 0.1}
    assert Decision.of([paper, paper]) == Decision("threshold", coarse_outside=False, smallest_ml=0.1)
    # Packages of before say neither.
    assert Decision.of([paper, {"min_volume_ml": 0.3}]) == Decision("argmax", coarse_outside=True, smallest_ml=0.3)


def test_what_a_user_asks_for_goes_before_the_packages():
    own = Decision("threshold", coarse_outside=False, smallest_ml=0.1)
    assert own.changed(None, coarse_outside=None) == own
    assert own.changed("argmax", coarse_outside=True) == Decision("argmax", coarse_outside=True, smallest_ml=0.1)
    with pytest.raises(UsageError, match="no decision 'majority'"):
        own.changed("majority", coarse_outside=None)


def test_outside_the_fine_region_the_coarse_labels_stand():
    labels = np.zeros(GRID.shape, np.uint8)
    labels[0, 0, 0], labels[5, 5, 5] = 2, 2
    inside = np.zeros(GRID.shape, bool)
    inside[3:] = True
    kept = outside_fine(certain(labels, GRID)[0], GRID, inside, GRID)
    assert kept[0, 0, 0] == 2 and kept.sum() == 2
    (words,) = said_of_outside(kept, kept > 0, GRID.voxel_ml)
    assert words.startswith("Outside the fine region (1 part(s) of GTVn, 0.1 ml) the outlines are the coarse network's")
    assert said_of_outside(kept, np.zeros_like(inside), GRID.voxel_ml) == []


def test_small_parts_go_and_are_counted():
    labels = np.zeros((6, 6, 6), np.uint8)
    labels[0:2, 0:2, 0:2], labels[5, 5, 5], labels[5, 0, 0] = 1, 1, 2
    kept, dropped = without_small_parts(labels, voxel_ml=0.1, smallest_ml=0.5)
    assert dropped == 2 and kept.sum() == 8
    assert without_small_parts(labels, 0.1, 0.0)[1] == 0
