"""Gross tumour volumes of real patients before treatment, to draw virtual ones alike."""

from __future__ import annotations

import numpy as np

# Quantiles in ml of 135 patients with a primary and 130 with nodes (all nodes of a patient together, 1.8 parts on
# average) before treatment; the smallest and the largest are guesses.
_SHARES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_VOLUMES_ML = {
    "gtvp": (0.5, 1.6, 4.3, 8.4, 16.0, 30.7, 55.0),
    "gtvn": (0.4, 1.2, 4.1, 9.2, 17.6, 34.5, 60.0),
}
_EVENNESS = 2.0  # of the split among nodes: the larger, the more alike they are


def draw_volume_ml(target: str, rng: np.random.Generator) -> float:
    """Draw the volume of the primary, or of all nodes together, as often as in real patients; ml.

    Parameters
    ----------
    target : {"gtvp", "gtvn"}
        Primary, or all nodes of a patient.
    rng : Generator
        Draws once.
    """
    return float(np.exp(np.interp(rng.random(), _SHARES, np.log(_VOLUMES_ML[target]))))


def split_volume_ml(total_ml: float, count: int, rng: np.random.Generator) -> list[float]:
    """Share a nodal volume among nodes, the largest first; ml.

    Parameters
    ----------
    total_ml : float
        Volume of all nodes together, ml.
    count : int
        Number of nodes.
    rng : Generator
        Draws the shares (Dirichlet).
    """
    if not count:
        return []
    return sorted((total_ml * rng.dirichlet([_EVENNESS] * count)).tolist(), reverse=True)
