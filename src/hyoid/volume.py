"""A volume: numbers on a grid, with what they measure and where they lie in the patient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyoid.errors import GeometryError, WrongQuantityError

AIR_HU = -1024
"""Hounsfield units beyond the image: air, as scanners store it."""
AIR_BELOW_HU = -400
"""Hounsfield units below which a voxel is air or lung, and no soft tissue."""


class Quantity(StrEnum):
    """What the voxels of a volume measure."""

    HU = "HU"
    SUV = "SUV"
    BQ_PER_ML = "BQ_PER_ML"
    MR = "MR"
    LABEL = "LABEL"
    PROBABILITY = "PROBABILITY"
    ATTENTION = "ATTENTION"


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where a (D, H, W) grid lies in the patient.

    Parameters
    ----------
    shape : tuple of int
        (D, H, W): slices, rows, columns.
    ijk_to_lps : ndarray, shape (4, 4)
        Maps homogeneous array indices (i, j, k) = (slice, row, column) to patient coordinates (x, y, z) in mm, LPS:
        x grows to the patient's left, y to the back, z to the head.
    frame_of_reference_uid : str, optional
        DICOM (0020,0052). Two volumes with different UIDs are not registered to each other.

    Raises
    ------
    GeometryError
        When the matrix is not an invertible affine one, or the shape is not three positive numbers.

    Examples
    --------
    >>> g = Geometry.axial((2, 3, 4), spacing_mm=(5.0, 1.0, 1.0), origin_lps_mm=(10.0, 20.0, 30.0))
    >>> g.spacing_mm
    (5.0, 1.0, 1.0)
    >>> g.to_lps((1, 0, 2)).tolist()
    [12.0, 20.0, 35.0]
    """

    shape: tuple[int, int, int]
    ijk_to_lps: NDArray[np.float64]
    frame_of_reference_uid: str = ""

    def __post_init__(self) -> None:
        matrix = np.array(self.ijk_to_lps, dtype=np.float64)
        if matrix.shape != (4, 4) or not np.all(np.isfinite(matrix)) or not np.array_equal(matrix[3], (0, 0, 0, 1)):
            raise GeometryError("ijk_to_lps is not a finite 4 x 4 affine matrix.", "Check the header of the image.")
        if abs(np.linalg.det(matrix[:3, :3])) < 1e-9:
            raise GeometryError(
                "The voxel axes do not span space (zero spacing or parallel axes).", "Check the header."
            )
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise GeometryError(f"A volume needs three positive sizes, not {self.shape}.", "Give a 3D image.")
        matrix.setflags(write=False)
        object.__setattr__(self, "ijk_to_lps", matrix)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))

    @classmethod
    def axial(
        cls,
        shape: tuple[int, int, int],
        spacing_mm: tuple[float, float, float],
        origin_lps_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
        frame_of_reference_uid: str = "",
    ) -> Geometry:
        """Make a grid whose slices run feet to head, rows front to back, columns patient right to left.

        Parameters
        ----------
        shape : (D, H, W)
            Number of slices, rows and columns.
        spacing_mm : (between slices, between rows, between columns)
            Distance between voxel centres, mm.
        origin_lps_mm : (x, y, z) of voxel (0, 0, 0)
            Place of the centre of the first voxel, LPS mm.
        frame_of_reference_uid : str, optional
            Frame of reference (0020,0052); None where it is not known.
        """
        matrix = np.eye(4)
        matrix[:3, :3] = np.diag(spacing_mm[::-1])[:, ::-1]
        matrix[:3, 3] = origin_lps_mm
        return cls(shape, matrix, frame_of_reference_uid)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxel centres along (slice, row, column), mm."""
        d, h, w = np.round(np.linalg.norm(self.ijk_to_lps[:3, :3], axis=0), 9)
        return float(d), float(h), float(w)

    @property
    def directions(self) -> NDArray[np.float64]:
        """Unit vectors, shape (3, 3): column a is the LPS direction of array axis a."""
        return self.ijk_to_lps[:3, :3] / np.linalg.norm(self.ijk_to_lps[:3, :3], axis=0)

    @property
    def origin_lps_mm(self) -> NDArray[np.float64]:
        """Centre of voxel (0, 0, 0) in patient coordinates, mm."""
        return self.ijk_to_lps[:3, 3]

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return float(abs(np.linalg.det(self.ijk_to_lps[:3, :3])) / 1000.0)

    def to_lps(self, points_ijk: Any) -> NDArray[np.float64]:
        """Convert array indices to patient coordinates (mm).

        Parameters
        ----------
        points_ijk : array_like, shape (..., 3)
            Places in voxels: slice, row, column; fractions are allowed.
        """
        points = np.asarray(points_ijk, dtype=np.float64)
        return points @ self.ijk_to_lps[:3, :3].T + self.ijk_to_lps[:3, 3]

    def to_ijk(self, points_lps_mm: Any) -> NDArray[np.float64]:
        """Convert patient coordinates to array indices (not rounded).

        Parameters
        ----------
        points_lps_mm : array_like, shape (..., 3)
            Places in the patient, LPS mm.
        """
        points = np.asarray(points_lps_mm, dtype=np.float64) - self.ijk_to_lps[:3, 3]
        return points @ np.linalg.inv(self.ijk_to_lps[:3, :3]).T

    def same_grid(self, other: Geometry, tolerance_mm: float = 1e-2) -> bool:
        """Say whether both grids have the same shape and every corner agrees within the tolerance."""
        if self.shape != other.shape:
            return False
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape], indexing="ij")).reshape(3, -1).T
        return bool(np.abs(self.to_lps(corners) - other.to_lps(corners)).max() <= tolerance_mm)


@dataclass(frozen=True, eq=False)
class Volume:
    """Numbers on a grid, with what they measure.

    Parameters
    ----------
    array : ndarray, shape (D, H, W)
        Value of every voxel.
    geometry : Geometry
        Where the voxels lie in the patient.
    quantity : Quantity
        What the values are: HU, SUV, labels and the like.

    Raises
    ------
    GeometryError
        When array and geometry differ in shape.
    """

    array: NDArray[Any]
    geometry: Geometry
    quantity: Quantity

    def __post_init__(self) -> None:
        if self.array.shape != self.geometry.shape:
            raise GeometryError(
                f"The array has shape {self.array.shape} and its geometry {self.geometry.shape}.",
                "Both must be (slices, rows, columns).",
            )

    def require(self, quantity: Quantity) -> Volume:
        """Return this volume when it measures `quantity`.

        Raises
        ------
        WrongQuantityError
            When it measures anything else.
        """
        if self.quantity is not quantity:
            raise WrongQuantityError(
                f"This step needs voxels in {quantity.value}, and was given {self.quantity.value}.",
                "Convert the volume first; hyoid does not guess units.",
            )
        return self

    def with_array(self, array: NDArray[Any], quantity: Quantity | None = None) -> Volume:
        """Put other numbers on the same grid."""
        return replace(self, array=array, quantity=quantity or self.quantity)
