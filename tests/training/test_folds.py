import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyoid.training.folds import divided, folds_in_turn, shuffled_folds, stratified_folds


@settings(max_examples=50)
@given(st.integers(0, 2**31), st.integers(2, 5))
def test_every_patient_has_a_fold_and_folds_are_alike(seed, folds):
    rng = np.random.default_rng(seed)
    targets = (rng.random((40, 3)) < (0.1, 0.3, 0.5)).astype(float)
    fold_of = stratified_folds(targets, folds, rng)
    sizes = np.bincount(fold_of, minlength=folds)
    assert len(sizes) == folds
    assert sizes.sum() == 40
    assert sizes.max() - sizes.min() <= 4
    # The rarest label is dealt out first, as evenly as can be.
    positives = np.array([targets[fold_of == f].sum(axis=0) for f in range(folds)])
    rarest = positives[:, targets.sum(axis=0).argmin()]
    assert rarest.max() - rarest.min() <= 1


def test_a_rare_label_reaches_every_fold_where_chance_would_not():
    targets = np.zeros((50, 2))
    targets[:5, 0] = 1
    targets[:25, 1] = 1
    fold_of = stratified_folds(targets, 5, np.random.default_rng(3))
    assert sorted(fold_of[:5]) == [0, 1, 2, 3, 4]
    assert np.bincount(fold_of[:25]).tolist() == [5] * 5


def test_unknown_labels_are_not_positives():
    targets = np.array([[-1.0], [-1.0], [1.0], [1.0]])
    fold_of = stratified_folds(targets, 2, np.random.default_rng(0))
    assert sorted(fold_of[2:]) == [0, 1]
    assert np.bincount(fold_of).tolist() == pytest.approx([2, 2])


def test_shuffled_folds_are_by_patient_even_and_the_same_for_a_seed():
    names = [f"p{k}" for k in range(13)]
    folds = dict(zip([*names, *names], shuffled_folds([*names, *names], 5, seed=4), strict=True))
    assert folds == dict(zip(names[::-1], shuffled_folds(names[::-1], 5, seed=4), strict=True))
    assert sorted(np.bincount(list(folds.values())).tolist()) == [2, 2, 3, 3, 3]


def test_every_case_teaches_or_is_held_out_and_no_patient_does_both():
    patients = ["a", "b", "a", "c", "d", "e"]
    folds = folds_in_turn(patients, 2)
    learned, held_out = divided(patients, folds, 0)
    assert sorted([*learned, *held_out]) == sorted(patients)
    assert not set(learned) & set(held_out) and set(held_out) == {"a", "c", "e"}
    assert divided(patients, folds, None) == (tuple(patients), ())
