"""Whether the grid that a file states can be a scan's: voxel sizes in millimetres, axes at right angles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hyoid.errors import GeometryError
from hyoid.volume import Geometry

# Micro-CT is above the first, a scout's slice below the second.
VOXEL_MM = (0.01, 100.0)
# Places (of voxels) that two statements of one grid may differ by, in voxels: silently, and with a note.
SILENT_VOXELS, NOTED_VOXELS = 0.1, 0.5
# Cosine between two axes that are meant to be perpendicular; above, a tilted gantry or a shear made it.
_ROUNDED_COSINE = 0.01


def checked_grid(shape: tuple[int, int, int], ijk_to_lps: NDArray[np.float64]) -> tuple[Geometry, tuple[str, ...]]:
    """Check a file's grid and make its axes exactly right-angled, with notes of what changed.

    Headers hold rounded numbers, so axes are often off by a ten-thousandth; a grid that is truly sheared is another
    matter, because masks, distances and DICOM know none.

    Parameters
    ----------
    shape : (D, H, W)
        Number of slices, rows and columns.
    ijk_to_lps : ndarray, shape (4, 4)
        Matrix from voxel indices to LPS as the file states it, mm.

    Raises
    ------
    GeometryError
        When numbers are absent, a voxel size cannot be, or straightening would move a voxel by more than half.

    Examples
    --------
    >>> matrix = np.diag([3.0, 1.0, 1.0, 1.0])
    >>> matrix[1, 2] = 1e-4
    >>> grid, notes = checked_grid((4, 4, 4), matrix)
    >>> bool(abs(grid.directions[:, 1] @ grid.directions[:, 2]) < 1e-12), notes
    (True, ())
    """
    geometry = Geometry(shape, ijk_to_lps)
    spacing = np.linalg.norm(geometry.ijk_to_lps[:3, :3], axis=0)
    if spacing.min() < VOXEL_MM[0] or spacing.max() > VOXEL_MM[1]:
        sizes = " x ".join(f"{s:g}" for s in spacing)
        raise GeometryError(
            f"The header gives voxels of {sizes} mm (slice, row, column); {VOXEL_MM[0]:g} to {VOXEL_MM[1]:g} mm are "
            "possible.",
            "Correct its spacing or unit, or convert the image again from DICOM.",
        )
    directions = geometry.directions
    skew = float(np.abs(directions.T @ directions - np.eye(3)).max())
    u, _, vt = np.linalg.svd(directions)
    straight = np.array(geometry.ijk_to_lps)
    straight[:3, :3] = (u @ vt) * spacing
    middle = (np.array(shape) - 1) / 2
    straight[:3, 3] = geometry.to_lps(middle) - straight[:3, :3] @ middle
    moved = largest_shift_mm(shape, geometry.ijk_to_lps, straight)
    if moved < 1e-6:
        return geometry, ()
    if skew > _ROUNDED_COSINE or moved > NOTED_VOXELS * spacing.min():
        raise GeometryError(
            f"The axes of the image are not at right angles: straight ones would move voxels by up to {moved:.2f} mm.",
            "Resample it onto a straight grid, or convert it again from DICOM.",
        )
    note = f"The axes of the image were not quite at right angles: straight ones move voxels by up to {moved:.3f} mm."
    return Geometry(shape, straight), (note,) if moved > SILENT_VOXELS * spacing.min() else ()


def largest_shift_mm(shape: tuple[int, int, int], first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Find the largest distance (mm) between the places that two 4 x 4 matrices give the voxels of a grid."""
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape], indexing="ij")).reshape(3, -1)
    difference = np.asarray(first) - np.asarray(second)
    return float(np.linalg.norm(difference[:3, :3] @ corners + difference[:3, 3:], axis=0).max())
