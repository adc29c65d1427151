"""The grid that one patient is painted on: later strokes cover earlier ones."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from hyoid.phantom.anatomy.shape_model import ShapeModel
from hyoid.phantom.anatomy.solids import Array, Solid

Slices = tuple[slice, slice, slice]


class Tissue(IntEnum):
    """What a voxel is made of; the image gives each tissue its attenuation."""

    OUTSIDE = 0
    FAT = 1
    MUSCLE = 2
    SKIN = 3
    AIR = 4
    LUNG = 5
    BONE = 6
    BRAIN = 7
    CORD = 8
    FLUID = 9
    EYE = 10
    PAROTID = 11
    SUBMANDIBULAR = 12
    THYROID = 13
    ARTERY = 14
    VEIN = 15
    CARTILAGE = 16
    MUCOSA = 17
    TONGUE = 18
    DENSE_BONE = 19
    TOOTH = 20
    LENS = 21
    DISC = 22
    TUMOUR = 23
    NODE = 24
    NECROSIS = 25
    LYMPHOID = 26
    METAL = 27


HARD = (Tissue.BONE, Tissue.DENSE_BONE, Tissue.TOOTH, Tissue.METAL, Tissue.DISC)


class Canvas:
    """Label maps under construction, with the way from voxels to the common frame.

    Parameters
    ----------
    shape : (D, H, W)
        Voxels of the fine grid along slice, row, column.
    coarse : ndarray, shape (3, d, h, w)
        Common-frame coordinates on a coarse grid whose first and last points are those of the fine grid.
    """

    def __init__(self, shape: tuple[int, int, int], coarse: NDArray[np.float32]) -> None:
        self.shape = shape
        self.coarse = coarse
        self.organs = np.zeros(shape, np.uint8)
        self.subsites = np.zeros(shape, np.uint8)
        self.tissue = np.zeros(shape, np.uint8)
        self.inside = np.zeros(shape, bool)
        self._weights = [_interpolation(n, m) for n, m in zip(shape, coarse.shape[1:], strict=True)]

    def refine(self, coarse: NDArray[np.float32], where: Slices | None = None) -> Array:
        """Interpolate a field from the coarse grid linearly to the fine grid or a part of it."""
        rows = where or (slice(None),) * 3
        w = [weights[part] for weights, part in zip(self._weights, rows, strict=True)]
        used = [np.flatnonzero(m.any(0)) for m in w]
        cut = [slice(int(u[0]), int(u[-1]) + 1) for u in used]
        small = coarse[cut[0], cut[1], cut[2]]
        w = [m[:, c] for m, c in zip(w, cut, strict=True)]
        out = np.tensordot(w[0], small, (1, 0))
        out = np.matmul(w[1], out)
        return np.matmul(out, w[2].T)

    def sample_map(self, array: NDArray[np.float32], low: NDArray, step: float, outside: float | None = None) -> Array:
        """Sample a map of the common frame that is symmetric about x = 0 at the points of the coarse grid."""
        z, y, x = self.coarse
        index = np.stack([(z - low[0]) / step, (y - low[1]) / step, np.abs(x) / step]).astype(np.float32)
        mode = "nearest" if outside is None else "constant"
        return ndi.map_coordinates(array, index, order=1, mode=mode, cval=outside or 0.0)

    def where(self, solid: Solid, margin_mm: float = 9.0) -> Slices | None:
        """Find the part of the grid that may touch a solid."""
        parts = []
        hit = np.ones(self.coarse.shape[1:], bool)
        for axis in range(3):
            values = self.coarse[axis]
            hit &= (values > solid.low[axis] - margin_mm) & (values < solid.high[axis] + margin_mm)
        for axis in range(3):
            others = tuple(a for a in range(3) if a != axis)
            index = np.flatnonzero(hit.any(others))
            if not len(index):
                return None
            ratio = (self.shape[axis] - 1) / max(self.coarse.shape[axis + 1] - 1, 1)
            parts.append(
                slice(max(0, int((index[0] - 1) * ratio)), min(self.shape[axis], int((index[-1] + 1) * ratio) + 2))
            )
        return parts[0], parts[1], parts[2]

    def depth(self, solid: Solid) -> tuple[Slices, Array] | None:
        """Compute the depth in a solid (mm, positive inside) on the part of the grid that the solid may touch."""
        where = self.where(solid)
        if where is None:
            return None
        z, y, x = (self.refine(c, where) for c in self.coarse)
        return where, solid.depth(z, y, x)

    def paint(
        self,
        solid: Solid,
        tissue: Tissue | None = None,
        *,
        organ: int = 0,
        subsite: int = 0,
        spare: tuple[Tissue, ...] = (),
        only: tuple[Tissue, ...] = (),
    ) -> None:
        """Fill a solid, inside the body.

        Parameters
        ----------
        solid : Solid
            Body to fill, in mm of the common frame.
        tissue, organ, subsite
            What is written; None or 0 leaves that map as it is.
        spare : tuple of Tissue
            Tissues that are not covered.
        only : tuple of Tissue
            When given, nothing else is covered.
        """
        found = self.depth(solid)
        if found is None:
            return
        where, depth = found
        mask = (depth > 0) & self.inside[where]
        if spare:
            mask &= ~np.isin(self.tissue[where], spare)
        if only:
            mask &= np.isin(self.tissue[where], only)
        if tissue is not None:
            self.tissue[where][mask] = tissue
        if organ:
            self.organs[where][mask] = organ
        if subsite:
            self.subsites[where][mask] = subsite

    def clear_organ(self, organ: int, *, outside: Solid, becomes: int = 0) -> None:
        """Take an organ's label from the voxels outside a solid, or give these another label."""
        voxels = np.nonzero(self.organs == organ)
        found = self.depth(outside)
        keep = np.zeros(self.shape, bool)
        if found is not None:
            keep[found[0]] = found[1] > 0
        gone = ~keep[voxels]
        self.organs[tuple(axis[gone] for axis in voxels)] = becomes

    def map_field(self, model: ShapeModel, name: str) -> NDArray[np.float32]:
        """Sample a population map of the shape model on the coarse grid."""
        return self.sample_map(model.maps[name], model.grid_low_mm, model.grid_mm)


def _interpolation(fine: int, coarse: int) -> NDArray[np.float32]:
    """Matrix (fine, coarse) of linear interpolation; both grids share their end points."""
    position = np.linspace(0, coarse - 1, fine)
    low = np.minimum(position.astype(int), max(coarse - 2, 0))
    part = (position - low).astype(np.float32)
    out = np.zeros((fine, coarse), np.float32)
    out[np.arange(fine), low] = 1 - part
    if coarse > 1:
        out[np.arange(fine), low + 1] += part
    return out
