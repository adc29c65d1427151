"""DICOM SEG and RTSTRUCT in an evaluation: outlines that have to be put on a grid before they can be compared.

A SEG has voxels but seldom the whole image; an RTSTRUCT has polygons and no voxels at all. Both are put on the grid of
the reference where that is an image, else on the lattice of a SEG or of the prediction, made large enough for both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyoid.errors import GeometryError, InputRefusedError
from hyoid.evaluation.masks import CaseMasks
from hyoid.geometry.covering import corners_lps_mm, covering
from hyoid.io.dicom import headers as dicom_headers
from hyoid.io.dicom.identity import refuse_other_frame
from hyoid.io.dicom.rois import Roi, rasterise, read_structure_set
from hyoid.io.dicom.seg import read_seg
from hyoid.io.masks import on_grid, shared_lattice, straight
from hyoid.volume import Geometry, Volume

IN_PLANE_MM = 1.0
"""Voxels on which contours are compared when neither side has an image grid."""

CONTOURS_ONLY = f"both sides are contours without an image and were drawn on voxels of {IN_PLANE_MM:g} mm in plane"


@dataclass(frozen=True, eq=False)
class Drawn:
    """What a DICOM object outlines, before it is put on a grid.

    Parameters
    ----------
    segments : tuple of (str, Volume)
        Names and boolean masks of a SEG, each on its own box; a name may occur more than once.
    rois : tuple of Roi
        Contours of an RTSTRUCT.
    """

    segments: tuple[tuple[str, Volume], ...] = ()
    rois: tuple[Roi, ...] = ()

    @property
    def frame_of_reference_uid(self) -> str:
        """Frame of the first outline that says it; "" where none does."""
        frames = [mask.geometry.frame_of_reference_uid for _, mask in self.segments]
        frames += [roi.frame_of_reference_uid for roi in self.rois]
        return next((frame for frame in frames if frame), "")

    @property
    def lattice(self) -> Geometry | None:
        """Voxel grid of a SEG, straight; None for contours and for a SEG without segments."""
        return straight(self.segments[0][1].geometry) if self.segments else None

    def points_lps_mm(self) -> list[NDArray[np.float64]]:
        """List the points that a grid has to hold."""
        contours = [contour for roi in self.rois for contour in roi.contours]
        return [*(corners_lps_mm(mask.geometry) for _, mask in self.segments), *contours]

    def on(self, geometry: Geometry) -> CaseMasks:
        """Draw the masks on a grid, by name.

        Raises
        ------
        GeometryError
            When the frames of reference differ, or contours cross the slices of the grid.
        UnreadableFileError
            When the contours of a region cannot be told from those of others.
        """
        named: dict[str, np.ndarray] = {}
        for name, mask in self._masks(geometry):
            placed = on_grid(mask, geometry)
            named[name] = named[name] | placed if name in named else placed
        return CaseMasks(geometry, named=named)

    def _masks(self, geometry: Geometry) -> Iterator[tuple[str, Volume]]:
        """Names and masks, contours drawn on the slices of the grid by the one rule of `rois`."""
        for name, mask in self.segments:
            refuse_other_frame(mask.geometry.frame_of_reference_uid, geometry, "the other side")
            yield name, mask
        for roi in self.rois:
            if roi.holds_something:
                refuse_other_frame(roi.frame_of_reference_uid, geometry, "the other side")
                yield roi.name, rasterise(roi, geometry).mask


def is_dicom(path: Path) -> bool:
    """Say whether a case is a DICOM file or a folder of them."""
    return path.is_dir() or path.suffix.lower() == ".dcm"


def read_drawn(path: Path) -> Drawn:
    """Read the outlines in a DICOM SEG or RTSTRUCT, or in a folder that holds exactly one of them.

    Raises
    ------
    UnreadableFileError
        When a file is truncated or corrupt.
    InputRefusedError
        When there is no SEG or RTSTRUCT, or more than one.
    """
    found = [(file, modality) for file in _files(path) if (modality := _modality(file)) in ("SEG", "RTSTRUCT")]
    if len(found) != 1:
        raise InputRefusedError(
            f"{path.name} holds {len(found)} DICOM SEG or RTSTRUCT objects.", "Give exactly one for each case."
        )
    file, modality = found[0]
    if modality == "SEG":
        return Drawn(segments=tuple((segment.name, segment.mask) for segment in read_seg(file).segments))
    return Drawn(rois=read_structure_set(file).rois)


def on_common_grid(
    reference: CaseMasks | Drawn, prediction: CaseMasks | Drawn | None
) -> tuple[CaseMasks, CaseMasks | None, str]:
    """Bring both sides onto one grid as masks, with a remark where the grid had to be invented.

    Raises
    ------
    GeometryError
        When the frames of reference differ, or contours do not lie in slices.
    """
    if isinstance(reference, CaseMasks):
        grid = reference.geometry
        return reference, prediction.on(grid) if isinstance(prediction, Drawn) else prediction, ""
    candidates = [reference.lattice, prediction.geometry if isinstance(prediction, CaseMasks) else None]
    candidates += [prediction.lattice] if isinstance(prediction, Drawn) else []
    lattice = next((candidate for candidate in candidates if candidate is not None), None)
    remark = "" if lattice is not None else CONTOURS_ONLY
    points = reference.points_lps_mm()
    if isinstance(prediction, CaseMasks):
        points.append(corners_lps_mm(prediction.geometry))
    elif prediction is not None:
        points += prediction.points_lps_mm()
    grid = covering(lattice or _lattice_of_contours(points, reference.frame_of_reference_uid), points)
    if isinstance(prediction, Drawn):
        return reference.on(grid), prediction.on(grid), remark
    return reference.on(grid), None if prediction is None else _placed(prediction, grid), remark


def _placed(masks: CaseMasks, grid: Geometry) -> CaseMasks:
    """A label map on a larger grid of the same voxels; as it is where the voxels are others."""
    start = shared_lattice(masks.geometry, grid)
    if start is None or masks.labels is None:
        return masks
    larger = np.zeros(grid.shape, masks.labels.dtype)
    larger[tuple(slice(a, a + n) for a, n in zip(start, masks.labels.shape, strict=True))] = masks.labels
    return CaseMasks(grid, labels=larger)


def _lattice_of_contours(contours_lps_mm: list[NDArray[np.float64]], frame_of_reference_uid: str) -> Geometry:
    """One voxel of an axial grid with the slices of the contours."""
    if not contours_lps_mm:
        return Geometry.axial((1, 1, 1), (1.0, IN_PLANE_MM, IN_PLANE_MM), (0.0, 0.0, 0.0), frame_of_reference_uid)
    if any(np.ptp(points[:, 2]) > 0.5 for points in contours_lps_mm):
        raise GeometryError(
            "The contours are not drawn on axial slices, and neither side has an image grid.",
            "Give one side as a label map or DICOM SEG.",
        )
    planes_mm = np.unique(np.round([points[:, 2].mean() for points in contours_lps_mm], 2))
    step_mm = float(np.diff(planes_mm).min()) if len(planes_mm) > 1 else 1.0
    x, y = contours_lps_mm[0][0, :2]
    origin = (float(x), float(y), float(planes_mm[0]))
    return Geometry.axial((1, 1, 1), (step_mm, IN_PLANE_MM, IN_PLANE_MM), origin, frame_of_reference_uid)


def _files(path: Path) -> list[Path]:
    return sorted(child for child in path.iterdir() if child.is_file()) if path.is_dir() else [path]


def _modality(path: Path) -> str:
    """Modality of a DICOM file, "" for anything else."""
    data = path.read_bytes()
    if not dicom_headers.looks_like_dicom(data[:132]):
        return ""
    dataset = dicom_headers.parse(data)
    return "" if dataset is None else dicom_headers.text(dataset, "Modality")
