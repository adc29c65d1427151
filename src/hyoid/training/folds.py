"""Splits by patient that keep every label's frequency alike (iterative stratification)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def stratified_folds(targets: NDArray, folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Fold of every patient, shape (n,), such that positives of every label spread evenly.

    Parameters
    ----------
    targets : ndarray, shape (n, labels)
        1 for positive; anything else (negative, unknown) is not spread for its own sake.
    folds : int
    rng : Generator
        Breaks ties.

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
