"""How one lesion looks: what it adds to the CT, its uptake in PET, its signal in MR."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyoid.phantom.anatomy.canvas import Slices


@dataclass(frozen=True)
class Look:
    """Appearance of one lesion beyond the tissue it is painted with.

    Parameters
    ----------
    suv : float
        Uptake of its living part before point spread.
    suv_core : float
        Uptake of its necrotic or fluid part.
    t2, t2_core : float
        Signal in T2w fat-saturated MR; muscle is about 0.25, vitreous body 1.3.
    patchy : float
        Standard deviation of the relative variation of uptake and signal within it.
    """

    suv: float
    suv_core: float
    t2: float
    t2_core: float
    patchy: float


@dataclass(frozen=True, eq=False)
class Overlay:
    """Attenuation that a lesion adds to the CT.

    Parameters
    ----------
    where : three slices of the canvas
        Box that holds the lesion and its margin.
    weight : ndarray
        1 where the lesion is alone, 0 where the surroundings are, between at an ill-defined margin.
    above_muscle_hu : ndarray
        Attenuation of the lesion above muscle, HU.
    """

    where: Slices
    weight: NDArray[np.float32]
    above_muscle_hu: NDArray[np.float32]


def draw_look(
    rng: np.random.Generator, suv_median: float, suv_spread: float, t2: tuple[float, float] = (0.5, 0.95)
) -> Look:
    """Draw uptake and MR signal of a lesion.

    Parameters
    ----------
    suv_median, suv_spread : float
        Median, and standard deviation of the logarithm, over patients.
    t2 : (low, high)
        Range of T2 signal; muscle is 0.25.
    """
    suv = float(np.clip(suv_median * np.exp(suv_spread * np.clip(rng.standard_normal(), -2.2, 2.2)), 0.3, 40))
    return Look(
        suv=suv,
        suv_core=float(min(suv, rng.uniform(0.6, 2.2))),
        t2=float(rng.uniform(*t2)),
        t2_core=float(rng.uniform(0.9, 1.5)),
        patchy=float(rng.uniform(0.05, 0.3)),
    )


# Primary tumours and involved nodes: medians of SUVmax in HECKTOR-like cohorts are about 12 and 8; necrotic cores have
# the uptake of blood or less.
PRIMARY_SUV, NODE_SUV = (12.0, 0.5), (8.5, 0.55)
