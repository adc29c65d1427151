"""The population behind the virtual patients: mean shapes, their modes, and where things lie.

The data file is made by `scripts/build_shape_model.py` from expert contours and real scans (`data/ATTRIBUTION.md`).
Points of the common frame are (z, y, x) in mm: to the head, to the back, to the patient's left; the origin is in the
centre of the mandible. Distances are positive inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

ORGAN_NAMES = ("mandible", "parotid", "submandibular", "orbit", "brain", "brainstem")
_PAIRED = {"parotid", "submandibular", "orbit"}
# The mean of maps of organs of several lengths is shorter than their mean: stretch from feet to head, and width, that
# bring longest half axis and volume back to the experts'.
_LONGER = {"brainstem": (1.12, 0.97), "parotid": (1.12, 1.0)}
_BODY_STEP, _ORGAN_STEP, _BODY_MODE_STEP = 1 / 3, 0.1, 0.2


@dataclass(frozen=True, eq=False)
class ShapeModel:
    """Population statistics in the common frame.

    Parameters
    ----------
    maps : dict of ndarray, shape (z, y, x)
        Mean distance maps `body`, `bone`, `air` (mm) and `fat` (share of fat in soft tissue), x from 0 to the left.
    body_modes : ndarray, shape (modes, z, y, x)
        Standard deviations of the body's distance map, on every second point of the grid.
    grid_low_mm, grid_mm : point (z, y) of the first grid point, and the distance between points
        Place of the maps' grid in the common frame; x begins at 0.
    organs : dict of (mean, modes)
        Distance maps around the centroid, for a left organ; modes are one standard deviation each.
    organ_grid_mm : dict of float
        Distance between grid points of each organ's distance map.
    placement_mean, placement_root : ndarray
        Centroids (z, y, x) and log volumes (mm^3) of every organ, left before right.
    pose_mean, pose_root : ndarray
        Cord displacement at `cord_z`, larynx level, lung level, size, pitch.
    cord_z, cord_y : ndarray
        Mean course of the spinal cord.
    knots_z : ndarray
        Levels of lower jaw border, larynx and lung tops in the frame.
    """

    maps: MappingProxyType[str, NDArray[np.float32]]
    body_modes: NDArray[np.float32]
    grid_low_mm: NDArray[np.float64]
    grid_mm: float
    organs: MappingProxyType[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
    organ_grid_mm: MappingProxyType[str, float]
    placement_mean: NDArray[np.float64]
    placement_root: NDArray[np.float64]
    pose_mean: NDArray[np.float64]
    pose_root: NDArray[np.float64]
    cord_z: NDArray[np.float64]
    cord_y: NDArray[np.float64]
    knots_z: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Organ:
    """One organ of one virtual patient: a distance map (mm, positive inside) around a centre.

    Parameters
    ----------
    distance_mm : ndarray, shape (z, y, x)
        Distance map of a left organ; `side` -1 mirrors the map.
    grid_mm : float
        Distance between grid points, the organ's size change included.
    centre_mm : ndarray
        (z, y, x) in the common frame.
    side : int
        1 for a left or midline organ, -1 for a right one.
    stretch : float
        Factor by which the map is stretched from feet to head.
    """

    distance_mm: NDArray[np.float32]
    grid_mm: float
    centre_mm: NDArray[np.float64]
    side: int
    stretch: float = 1.0


@lru_cache(maxsize=1)
def load_shape_model() -> ShapeModel:
    """Read the shipped model (once per process)."""
    with (files("hyoid.phantom") / "data" / "shape_model.npz").open("rb") as stream, np.load(stream) as data:
        maps = {k: data[k].astype(np.float32) * _ORGAN_STEP for k in ("bone", "air")}
        maps["body"] = data["body"].astype(np.float32) * np.float32(_BODY_STEP)
        maps["fat"] = data["fat"].astype(np.float32) / 255
        organs = {
            name: (data[f"{name}_mean"] * np.float32(_ORGAN_STEP), data[f"{name}_modes"] * np.float32(_ORGAN_STEP / 2))
            for name in ORGAN_NAMES
        }
        return ShapeModel(
            maps=MappingProxyType(maps),
            body_modes=data["body_modes"] * np.float32(_BODY_MODE_STEP),
            grid_low_mm=data["grid_low"],
            grid_mm=float(data["grid_mm"]),
            organs=MappingProxyType(organs),
            organ_grid_mm=MappingProxyType(dict(zip(ORGAN_NAMES, data["organ_grid_mm"].tolist(), strict=True))),
            placement_mean=data["placement_mean"].astype(np.float64),
            placement_root=data["placement_root"].astype(np.float64),
            pose_mean=data["pose_mean"].astype(np.float64),
            pose_root=data["pose_root"].astype(np.float64),
            cord_z=data["cord_z"],
            cord_y=data["cord_y"].astype(np.float64),
            knots_z=data["knots_z"],
        )


def draw_normal(rng: np.random.Generator, size: int | None = None) -> NDArray[np.float64]:
    """Draw normal numbers cut at two standard deviations, so that no patient is a monster."""
    return np.clip(rng.standard_normal(size), -2, 2)


def draw_organs(model: ShapeModel, rng: np.random.Generator) -> dict[str, Organ]:
    """Draw the organs of a new patient, placed together as the experts' contours vary together.

    Returns
    -------
    dict
        Keys as in `hyoid.anatomy.structures` where the structure is there (`mandible`, `parotid_left`, ...), and
        `orbit_left`, `orbit_right` (globes), `brain`.
    """
    placed = model.placement_mean + draw_normal(rng, len(model.placement_root)) @ model.placement_root
    out: dict[str, Organ] = {}
    row = 0
    for name in ORGAN_NAMES:
        mean, modes = model.organs[name]
        for side, suffix in ((1, "_left"), (-1, "_right")) if name in _PAIRED else ((1, ""),):
            *centre, log_volume = placed[row : row + 4]
            change = log_volume - model.placement_mean[row + 3]
            row += 4
            weights = 0.7 * draw_normal(rng, len(modes)).astype(np.float32)
            stretch, width = _LONGER.get(name, (1.0, 1.0))
            size = width * float(np.exp(np.clip(change, -0.6, 0.6) / 3))
            shape = (mean + np.tensordot(weights, modes, 1)) * np.float32(size)
            out[name + suffix] = Organ(shape, model.organ_grid_mm[name] * size, np.array(centre), side, stretch)
    return out
