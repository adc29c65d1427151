"""Put arrays into one orientation: slices feet to head, rows front to back, columns patient right to left."""

from __future__ import annotations

import numpy as np

from hyoid.volume import Geometry, Volume

_AXES = ("RL", "AP", "IS")  # negative and positive end of x, y, z in LPS


def axis_codes(geometry: Geometry) -> str:
    """Name the direction in which each array axis (slice, row, column) grows, in three letters.

    Examples
    --------
    >>> axis_codes(Geometry.axial((2, 2, 2), (1, 1, 1)))
    'SPL'
    """
    assigned = _closest_axes(geometry)
    return "".join(_AXES[axis][int(geometry.directions[axis, column] > 0)] for column, axis in enumerate(assigned))


def to_canonical(volume: Volume) -> Volume:
    """Transpose and flip to 'SPL' order; voxels are moved, never interpolated, and stay where they are in the patient.

    Parameters
    ----------
    volume : Volume
        Any orientation; oblique ones go to the nearest axes and stay oblique.
    """
    array = np.ascontiguousarray(_apply(volume.array, volume.geometry))
    return Volume(array, canonical_geometry(volume.geometry), volume.quantity)


def canonical_geometry(geometry: Geometry) -> Geometry:
    """Make the geometry of `to_canonical`'s result."""
    order, flips = _order_and_flips(geometry)
    shape = tuple(geometry.shape[axis] for axis in order)
    columns = geometry.ijk_to_lps[:3, :3][:, order].copy()
    origin = geometry.origin_lps_mm.copy()
    for axis in range(3):
        if flips[axis]:
            origin = origin + columns[:, axis] * (shape[axis] - 1)
            columns[:, axis] *= -1
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = columns, origin
    return Geometry(shape, matrix, geometry.frame_of_reference_uid)  # type: ignore[arg-type]


def from_canonical(array: np.ndarray, original: Geometry) -> np.ndarray:
    """Undo `to_canonical` for an array on the canonical grid of `original`."""
    order, flips = _order_and_flips(original)
    flipped = np.flip(array, tuple(axis for axis in range(3) if flips[axis]))
    return np.ascontiguousarray(np.transpose(flipped, np.argsort(order)))


def canonical_index(original: Geometry, point_ijk: tuple[int, int, int]) -> tuple[int, int, int]:
    """Find where a voxel of the original array lies in the canonical one.

    Examples
    --------
    >>> canonical_index(Geometry.axial((4, 5, 6), (1, 1, 1)), (1, 2, 3))
    (1, 2, 3)
    """
    order, flips = _order_and_flips(original)
    d, h, w = (
        original.shape[axis] - 1 - point_ijk[axis] if flip else point_ijk[axis]
        for axis, flip in zip(order, flips, strict=True)
    )
    return int(d), int(h), int(w)


def _apply(array: np.ndarray, geometry: Geometry) -> np.ndarray:
    order, flips = _order_and_flips(geometry)
    return np.flip(np.transpose(array, order), tuple(axis for axis in range(3) if flips[axis]))


def _order_and_flips(geometry: Geometry) -> tuple[list[int], list[bool]]:
    """Source axis for each canonical axis (z, y, x), and whether it runs backwards."""
    assigned = _closest_axes(geometry)
    order = [assigned.index(axis) for axis in (2, 1, 0)]
    flips = [bool(geometry.directions[axis, source] < 0) for axis, source in zip((2, 1, 0), order, strict=True)]
    return order, flips


def _closest_axes(geometry: Geometry) -> list[int]:
    """World axis of each array axis, every world axis used once, largest cosine first."""
    cosines = np.abs(geometry.directions).copy()
    assigned = [-1, -1, -1]
    for _ in range(3):
        world, column = np.unravel_index(int(np.argmax(cosines)), (3, 3))
        assigned[column] = int(world)
        cosines[world, :] = -1
        cosines[:, column] = -1
    return assigned
