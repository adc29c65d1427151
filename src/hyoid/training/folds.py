"""Which patients a training learns from and which it holds out: in turn, at random, by shares, or stratified by label.

All images of a patient are in one fold, and so in one part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

PARTS = ("training", "validation", "test")
C = TypeVar("C")


def divided(cases: Sequence[C], folds: Sequence[int], fold: int | None) -> tuple[tuple[C, ...], tuple[C, ...]]:
    """Divide cases into those to learn from and those of one fold, which are held out.

    Parameters
    ----------
    cases : sequence
        Cases of any kind, in the order of `folds`.
    folds : sequence of int
        Fold of every case.
    fold : int, optional
        Fold to hold out; without one every case teaches.

    Examples
    --------
    >>> divided("abcd", [0, 1, 0, 1], 1)
    (('a', 'c'), ('b', 'd'))
    """
    own = [(case, fold is not None and of == fold) for case, of in zip(cases, folds, strict=True)]
    return tuple(case for case, out in own if not out), tuple(case for case, out in own if out)


def folds_in_turn(patients: Sequence[str], folds: int) -> list[int]:
    """Deal patients out to folds in turn, in the order of their first case, and return the fold of every case.

    Parameters
    ----------
    patients : sequence of str
        Patient of every case.
    folds : int
        Number of folds.

    Examples
    --------
    >>> folds_in_turn(["a", "a", "b", "c"], 2)
    [0, 0, 1, 0]
    """
    number = {name: k for k, name in enumerate(dict.fromkeys(patients))}
    return [number[name] % folds for name in patients]


def shuffled_folds(patients: Sequence[str], folds: int, seed: int) -> list[int]:
    """Deal patients out to folds in a random order that depends on names alone, and return the fold of every case.

    Parameters
    ----------
    patients : sequence of str
        Patient of every case.
    folds : int
        Number of folds.
    seed : int
        Seed of the random order.

    Examples
    --------
    >>> folds = shuffled_folds(["a", "b", "c", "d", "e", "a"], 5, seed=0)
    >>> sorted(folds[:5]), folds[0] == folds[5]
    ([0, 1, 2, 3, 4], True)
    """
    place = {name: k for k, name in enumerate(_shuffled(patients, seed))}
    return [place[name] % folds for name in patients]


def parts_of(patients: Sequence[str], shares: Sequence[float], seed: int) -> dict[str, str]:
    """Divide patients at random into "training", "validation" and "test", and return the part of every patient.

    Parameters
    ----------
    patients : sequence of str
        Patient of every case; repeats count once.
    shares : sequence of float
        Relative sizes of the three parts.
    seed : int
        Seed of the random order.

    Examples
    --------
    >>> found = parts_of(list("abcdefghij"), (0.6, 0.2, 0.2), 0)
    >>> [list(found.values()).count(part) for part in PARTS]
    [6, 2, 2]
    """
    names = _shuffled(patients, seed)
    ends = np.round(np.cumsum(shares) / sum(shares) * len(names)).astype(int)
    return {name: PARTS[int(np.searchsorted(ends, place, side="right"))] for place, name in enumerate(names)}


def _shuffled(patients: Sequence[str], seed: int) -> list[str]:
    """Patients, each once, in a random order that does not depend on theirs."""
    names = sorted(set(patients))
    return [names[k] for k in np.random.default_rng(seed).permutation(len(names))]


def stratified_folds(targets: NDArray, folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Assign every patient a fold, shape (n,), such that positives of every label spread evenly.

    Parameters
    ----------
    targets : ndarray, shape (n, labels)
        1 for positive; anything else (negative, unknown) is not spread for its own sake.
    folds : int
        Number of folds.
    rng : Generator
        Breaks ties between folds, and orders patients.

    Notes
    -----
    Sechidis et al., On the stratification of multi-label data, ECML 2011: the rarest label is dealt out first, each
    of its patients to the fold that lacks that label most.

    Examples
    --------
    >>> fold_of = stratified_folds(np.array([[1], [1], [0], [0]]), 2, np.random.default_rng(0))
    >>> sorted(fold_of[:2].tolist()), sorted(fold_of[2:].tolist())
    ([0, 1], [0, 1])
    """
    positive = np.asarray(targets) == 1
    n = len(positive)
    fold_of = np.full(n, -1)
    room = np.full(folds, n / folds)
    lacking = np.repeat(positive.sum(axis=0)[None] / folds, folds, axis=0)
    while (free := fold_of < 0).any():
        counts = positive[free].sum(axis=0)
        label = int(np.where(counts > 0, counts, n + 1).argmin()) if counts.any() else None
        for patient in rng.permutation(np.flatnonzero(free & positive[:, label] if label is not None else free)):
            wish = lacking[:, label] if label is not None else room
            # Most lacking first, then most room, then chance.
            fold = int(np.lexsort((rng.random(folds), -room, -wish))[0])
            fold_of[patient] = fold
            room[fold] -= 1
            lacking[fold] -= positive[patient]
    return fold_of
