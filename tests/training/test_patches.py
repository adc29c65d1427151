import numpy as np
import pytest
import torch

from hyoid.training.cases import find_cases, load_case
from hyoid.training.patches import UNKNOWN, PatchDataset, random_map, rotation, sample_patch
from hyoid.training.recipe import load_recipe


def recipe(**changes):
    base = load_recipe("organs", "smoke")
    return base.model_copy(update={"labels": ("parotid_left", "parotid_right", "larynx", "tongue")} | changes)


def still(base):
    """The recipe without rotation and scaling."""
    return base.model_copy(
        update={"augmentation": base.augmentation.model_copy(update={"rotation_deg": 0.0, "scale": (1.0, 1.0)})}
    )


def cases(folder):
    return [load_case(f, (3.0, 4.0, 4.0)) for f in find_cases(folder)]


def test_a_patch_depends_on_seed_epoch_and_number_only(openkbp):
    loaded = cases(openkbp)
    first, again = (PatchDataset(loaded, recipe(), epoch=3)[1] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    other = PatchDataset(loaded, recipe(), epoch=4)[1]
    assert not torch.equal(first[0], other[0])


def test_contours_that_do_not_exist_are_unknown(openkbp):
    _, target = PatchDataset(cases(openkbp), recipe(), epoch=0)[0]
    assert (target[2] == UNKNOWN).all()
    assert set(np.unique(target[0])) <= {0.0, 1.0}
    # Tongue is taught by virtual patients only: known not to be where another organ is contoured.
    assert set(np.unique(target[3])) <= {UNKNOWN, 0.0}


def test_without_rotation_a_patch_is_a_part_of_the_scan(openkbp):
    case = cases(openkbp)[0]
    centre = np.array([19.5, 17.5, 17.5])
    hu, labels, _ = sample_patch(case, centre, still(recipe()), np.random.default_rng(0))
    wanted = case.hu[4:36, 2:34, 2:34]
    assert np.allclose(hu, wanted, atol=0.1)
    assert np.array_equal(labels.numpy(), case.labels[4:36, 2:34, 2:34])


def test_no_patch_swaps_left_and_right(openkbp):
    dataset = PatchDataset(cases(openkbp), recipe(), epoch=0)
    checked = 0
    for epoch in range(12):
        dataset.epoch = epoch
        for index in range(len(dataset)):
            _, target = dataset[index]
            left, right = (np.argwhere(target[k].numpy() == 1) for k in (0, 1))
            if len(left) and len(right):
                checked += 1
                assert left[:, 2].mean() > right[:, 2].mean()
    assert checked >= 5


def test_rotation_is_one():
    matrix = rotation(np.array([0.3, -0.2, 0.5]))
    assert np.allclose(matrix @ matrix.T, np.eye(3))
    assert np.linalg.det(matrix) == pytest.approx(1)  # never mirrored


def test_a_random_map_turns_in_millimetres_and_enlarges():
    spacing = np.diag([3.0, 1.5, 1.0])
    matrix = random_map((3.0, 1.5, 1.0), 30.0, (2.0, 2.0), np.random.default_rng(0))
    turn = 2 * spacing @ matrix @ np.linalg.inv(spacing)
    assert np.allclose(turn @ turn.T, np.eye(3)) and np.linalg.det(turn) == pytest.approx(1)
    assert not np.allclose(turn, np.eye(3))
    assert np.allclose(random_map((3.0, 1.5, 1.0), 0.0, (1.0, 1.0), np.random.default_rng(0)), np.eye(3))
