"""Overlap of two masks, where nothing but the number is asked for; metrics of a protocol are in `hyoid.metrics`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def dice_of_masks(first: NDArray[np.bool_], second: NDArray[np.bool_], *, empty: float = 1.0) -> float:
    """Compute 2 |A and B| / (|A| + |B|) of two masks on one grid, 0 to 1.

    Parameters
    ----------
    first, second : ndarray of bool, shape (D, H, W) or any other
        The masks.
    empty : float
        Result when both masks are empty.

    Examples
    --------
    >>> dice_of_masks(np.array([True, True, False]), np.array([False, True, False]))
    0.6666666666666666
    """
    total = int(np.count_nonzero(first)) + int(np.count_nonzero(second))
    return 2 * int(np.count_nonzero(first & second)) / total if total else empty
