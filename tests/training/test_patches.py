import dataclasses

import numpy as np
import pytest
import torch

from hyoid.anatomy.structures import BY_NAME
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


def flipped(case):
    """The patient seen in a mirror, contoured anew: left is left again."""
    labels = case.labels[..., ::-1].copy()
    left, right = (BY_NAME[f"parotid_{side}"].label for side in ("left", "right"))
    swapped = labels.copy()
    swapped[labels == left], swapped[labels == right] = right, left
    return dataclasses.replace(case, hu=case.hu[..., ::-1].copy(), labels=swapped, levels=case.levels[..., ::-1].copy())


def test_a_mirrored_patch_is_a_patch_of_the_flipped_patient(openkbp):
    labels = ("parotid_left", "parotid_right", "spinal_cord", "target_region")
    chosen = still(recipe(labels=labels))
    case = cases(openkbp)[0]
    other = flipped(case)
    dataset = PatchDataset([case], chosen, epoch=0)
    centre = np.array([16.5, 15.5, 12.5])  # an even patch then lies on voxels
    there = np.array([16.5, 15.5, case.hu.shape[2] - 1 - 12.5])
    found = sample_patch(case, centre, chosen, np.random.default_rng(0), mirrored=True)
    wanted = sample_patch(other, there, chosen, np.random.default_rng(0))
    assert np.allclose(found[0], wanted[0], atol=0.1)
    targets = dataset.targets(case, *found[1:], mirrored=True)
    assert torch.equal(targets, dataset.targets(other, *wanted[1:], mirrored=False))
    assert all((channel == 1).any() for channel in targets)
    # Mirrored twice is not mirrored.
    back = sample_patch(other, there, chosen, np.random.default_rng(0), mirrored=True)
    plain = sample_patch(case, centre, chosen, np.random.default_rng(0))
    assert torch.equal(
        dataset.targets(other, *back[1:], mirrored=True), dataset.targets(case, *plain[1:], mirrored=False)
    )


def test_a_gland_that_was_contoured_on_one_side_is_known_on_the_other_in_a_mirror(openkbp):
    chosen = recipe(labels=("parotid_left", "parotid_right"))
    case = dataclasses.replace(cases(openkbp)[0], known=frozenset({"parotid_left"}))
    dataset = PatchDataset([case], chosen, epoch=0)
    drawn = sample_patch(case, np.array([15.0, 22.0, 25.0]), chosen, np.random.default_rng(0), mirrored=True)[1:]
    left, right = dataset.targets(case, *drawn, mirrored=True)
    assert (left == UNKNOWN).all()
    assert (right == 1).any()
    assert set(np.unique(right)) == {0.0, 1.0}


def test_every_structure_is_in_the_middle_of_as_many_patches(openkbp, monkeypatch):
    loaded = cases(openkbp)
    # The cord is contoured in one patient of three.
    loaded[1:] = [dataclasses.replace(c, known=c.known - {"spinal_cord"}) for c in loaded[1:]]
    base = recipe(labels=("parotid_left", "spinal_cord", "larynx"))
    chosen = base.model_copy(update={"optimiser": base.optimiser.model_copy(update={"steps_per_epoch": 120})})
    dataset, seen = PatchDataset(loaded, chosen, epoch=0), []
    monkeypatch.setattr(
        "hyoid.training.patches._random_voxel", lambda case, name, *_: seen.append((name, case.name)) or np.zeros(3)
    )
    for index in range(len(dataset)):
        dataset[index]
    names = [name for name, _ in seen]
    assert set(names) == {"parotid_left", "spinal_cord"}
    assert 40 <= names.count("spinal_cord") <= 80
    assert {case for name, case in seen if name == "spinal_cord"} == {"pt_1"}


def test_targets_of_lower_dose_hold_those_of_higher_dose(openkbp):
    case = cases(openkbp)[0]
    levels = case.levels.copy()
    levels[(levels == 0) & (case.hu > -500)] = 1
    levels[10:14, 10:20, 20:30] = 2
    case = dataclasses.replace(case, levels=levels, known=case.known | {"target_56", "target_63"})
    chosen = recipe(labels=("target_56", "target_63", "target_region"))
    dataset = PatchDataset([case], chosen, epoch=0)
    drawn = sample_patch(case, np.array([14.0, 16.0, 28.0]), chosen, np.random.default_rng(0))[1:]
    low, middle, high = dataset.targets(case, *drawn, mirrored=False)
    assert 0 < high.sum() < middle.sum() < low.sum()
    assert (low >= middle).all()
    assert (middle >= high).all()


@pytest.mark.parametrize("mirrored", [0.0, 1.0])
def test_no_patch_swaps_left_and_right(openkbp, mirrored):
    base = recipe()
    chosen = base.model_copy(
        update={"augmentation": base.augmentation.model_copy(update={"mirror_probability": mirrored})}
    )
    dataset = PatchDataset(cases(openkbp), chosen, epoch=0)
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
