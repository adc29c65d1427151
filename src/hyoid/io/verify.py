"""Read back what was written, and compare: an output that differs from its masks is never delivered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.structures import BY_LABEL
from hyoid.errors import OutputError
from hyoid.io.masks import Masks, boxed
from hyoid.volume import Geometry, Volume


@dataclass(frozen=True)
class Comparison:
    """Structure before writing and after reading back.

    Parameters
    ----------
    label : int
        Label of the structure.
    name : str
        Name of the structure.
    written_ml, read_ml : float
        Volume.
    shift_mm : float
        Distance between the centroids.
    """

    label: int
    name: str
    written_ml: float
    read_ml: float
    shift_mm: float


def verify_written(
    masks: Masks,
    read_back: Mapping[int, Volume],
    geometry: Geometry | None = None,
    *,
    what: str = "the file",
    volume_tolerance: float = 0.0,
) -> tuple[Comparison, ...]:
    """Compare masks with what was read back from a file.

    Both volumes must agree within `volume_tolerance` and a voxel per thousand, and both centroids within half a voxel
    along every axis: a mirrored, shifted or transposed file cannot pass, unless the structure is itself symmetrical.

    hyoid's own SEG and RTSTRUCT return every voxel (see `contours`), so the default is exact.

    Parameters
    ----------
    masks : Masks
        Outlines, a label map, or arrays by label.
    read_back : mapping of label to boolean Volume
        Masks as read back, on any grid.
    geometry : Geometry, optional
        Grid of the arrays in a mapping.
    what : str
        How messages name the file.
    volume_tolerance : float
        Share of the volume that may differ, for files of other writers.

    Returns
    -------
    tuple of Comparison
        One per structure that is not empty.

    Raises
    ------
    OutputError
        When a structure is missing, was not written, or differs.
    """
    if isinstance(masks, Volume | Mapping):
        written, _ = boxed(masks, geometry)
        names = {label: BY_LABEL[label].name for label in written if label in BY_LABEL}
    else:
        written = {o.structure.label: o.mask for o in masks if o.mask.array.any()}
        names = {o.structure.label: o.structure.name for o in masks}
    table = []
    for label, mask in written.items():
        name = names.get(label, f"label {label}")
        if label not in read_back or not read_back[label].array.any():
            raise OutputError(f"{name} is missing when {what} is read back.", "This is a fault of hyoid: report it.")
        before, after = _extent(mask), _extent(read_back[label])
        row = Comparison(label, name, before[0], after[0], float(np.linalg.norm(before[1] - after[1])))
        allowed_ml = volume_tolerance * row.written_ml + 1e-3 * mask.geometry.voxel_ml
        moved = np.abs(mask.geometry.to_ijk(after[1]) - mask.geometry.to_ijk(before[1])).max()
        if abs(row.read_ml - row.written_ml) > allowed_ml or moved > 0.5:
            raise OutputError(
                f"{name} differs when {what} is read back: {row.written_ml:.3f} mL became {row.read_ml:.3f} mL, and "
                f"its centre moved by {row.shift_mm:.2f} mm.",
                "This is a fault of hyoid: report it.",
            )
        table.append(row)
    extra = sorted(label for label in read_back if label not in written and read_back[label].array.any())
    if extra:
        raise OutputError(
            f"Labels {extra} appear only when {what} is read back.", "This is a fault of hyoid: report it."
        )
    return tuple(table)


def _extent(mask: Volume) -> tuple[float, NDArray[np.float64]]:
    """Volume (mL) and centroid (LPS mm)."""
    count = int(np.count_nonzero(mask.array))
    # Sums along two axes at a time; coordinates of every voxel of a body would take gigabytes.
    profiles = [np.count_nonzero(mask.array, axis=tuple(b for b in range(3) if b != a)) for a in range(3)]
    centre = [float(np.average(np.arange(len(p)), weights=p)) for p in profiles]
    return count * mask.geometry.voxel_ml, mask.geometry.to_lps(centre)
