import numpy as np

from hyoid.systems.petct.decision import decide_voxels, outside_fine, said_of_outside, without_small_parts
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
