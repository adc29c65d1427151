"""Is a lesion still there? Network probabilities around where it was, turned into one calibrated probability.

A tumour that vanished must be able to come out empty (the gradient-map paper names this as its failure). Evidence is
the mean tumour probability of the 0.1 ml that look most like tumour; a logistic curve over its logit, fitted on
patients held out of training, says how often there was tumour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

TOP_ML = 0.1
_FLOOR = 1e-4  # probabilities beyond are rounding
_RIDGE = 0.5  # keeps the curve finite when evidence separates the lesions perfectly; worth about one lesion


@dataclass(frozen=True)
class PresenceCurve:
    """Probability that tumour is left, from the evidence.

    Parameters
    ----------
    slope, intercept : float
        Of the logistic curve over the logit of the evidence.
    threshold : float
        Below it a lesion is called vanished and its voxels are removed.
    new_at_least : float
        Evidence that a lesion without earlier outline needs.
    new_ml : float
        Volume that it needs: specks are noise.
    """

    slope: float = 1.0
    intercept: float = 0.0
    threshold: float = 0.5
    new_at_least: float = 0.5
    new_ml: float = 0.2

    def probability(self, evidence: float) -> float:
        """Compute the calibrated probability.

        Examples
        --------
        >>> PresenceCurve().probability(0.3), PresenceCurve(intercept=-100).probability(0.9) < 1e-6
        (0.3, True)
        """
        return round(float(expit(self.slope * logit(np.clip(evidence, _FLOOR, 1 - _FLOOR)) + self.intercept)), 6)


def evidence_of(probability: NDArray, where: NDArray[np.bool_], voxel_ml: float) -> float:
    """Compute the mean of the `TOP_ML` largest probabilities in a region (of all, in a smaller one); 0 for an empty
    one.

    Parameters
    ----------
    probability : ndarray, shape (D, H, W)
        Of the lesion's label.
    where : ndarray of bool, shape (D, H, W)
        Place of the lesion.
    voxel_ml : float
        Volume of one voxel, mL.

    Examples
    --------
    >>> p = np.array([[[0.1, 0.9, 0.5, 1.0]]])
    >>> evidence_of(p, p < 1, voxel_ml=0.05)
    0.7
    """
    values = probability[where]
    if not len(values):
        return 0.0
    count = min(len(values), max(1, round(TOP_ML / voxel_ml)))
    return float(np.partition(values, -count)[-count:].mean())


def fit_presence(
    evidence: Sequence[float], present: Sequence[bool], *, threshold: float = 0.5, new_at_least: float = 0.5
) -> PresenceCurve:
    """Fit a logistic curve through held-out lesions; the identity when they are all present or all gone.

    Parameters
    ----------
    evidence : sequence of float
        From `evidence_of`.
    present : sequence of bool
        Whether the reference has tumour there.
    """
    x = logit(np.clip(np.asarray(evidence, float), _FLOOR, 1 - _FLOOR))
    y = np.asarray(present, float)
    if not len(y) or y.min() == y.max():
        return PresenceCurve(threshold=threshold, new_at_least=new_at_least)

    def cost(parameters: NDArray) -> float:
        slope, intercept = parameters
        z = slope * x + intercept
        likelihood = np.logaddexp(0, z) - y * z
        return float(likelihood.sum() + _RIDGE * ((slope - 1) ** 2 + intercept**2 / 10))

    slope, intercept = minimize(cost, np.array([1.0, 0.0]), method="Nelder-Mead").x
    return PresenceCurve(round(float(slope), 4), round(float(intercept), 4), threshold, new_at_least)
