"""Training cases with a CT, whatever their layout, on the grid of a network that outlines structures."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hyoid.anatomy.structures import BY_LABEL, BY_NAME, ORGANS, PRIMARY, TARGET_REGION, structure_mask
from hyoid.geometry.orientation import to_canonical
from hyoid.geometry.resample import resample
from hyoid.io.cohorts.case_files import CaseFiles
from hyoid.io.cohorts.layouts import find_layout_cases
from hyoid.io.cohorts.openkbp import OPENKBP_PTV70, organs_of
from hyoid.io.files.volumes import read_image, read_labels
from hyoid.preprocess.network_grid import body_on_grid
from hyoid.progress import Steps, ignore_steps
from hyoid.volume import Geometry, Quantity, Volume

LAYOUTS_WITH_CT = ("openkbp", "hecktor2025", "plain")
TARGET = BY_LABEL[TARGET_REGION].name
# Planning targets by the lowest level that belongs to each: that of 56 Gy holds that of 63 Gy, and that one that of 70.
TARGET_LEVELS = {"target_56": 1, "target_63": 2, TARGET: OPENKBP_PTV70}
# A planning target is the tumour with margins for microscopic spread (5 mm, Gregoire et al. 2018) and set-up (3 mm).
VIRTUAL_TARGET_MARGIN_MM = 8.0
_APPENDIX_E = 21


TargetKind = Literal["planning", "primary", "cuboid"]
"""What a network that localises tumour learns: the high-dose target (lesions get a margin), the primary, its box."""


@dataclass(frozen=True, eq=False)
class Case:
    """One case on the network's grid.

    Parameters
    ----------
    name : str
        Name of the case in its data set; a number when the case was packed.
    hu : ndarray, shape (D, H, W), int16
        CT cut to the body, HU, limited to -1024..3071.
    labels : ndarray, shape (D, H, W), uint8
        Organ labels of `hyoid.anatomy.structures`.
    levels : ndarray, shape (D, H, W), uint8, or None
        Levels of `TARGET_LEVELS`, the highest being what `TargetKind` asks for; None where the case lacks that.
    known : frozenset of str
        Structures that were contoured in this case.
    geometry : Geometry
        Place of the grid in the patient.
    virtual : bool
        Whether the patient was simulated.
    """

    name: str
    hu: NDArray[np.int16]
    labels: NDArray[np.uint8]
    levels: NDArray[np.uint8] | None
    known: frozenset[str]
    geometry: Geometry
    virtual: bool

    def mask(self, structure: str) -> NDArray[np.bool_]:
        """Mark the voxels of a structure; the caller checks first that `known` holds its name."""
        if structure in TARGET_LEVELS:
            if self.levels is None:
                raise KeyError(structure)
            return self.levels >= TARGET_LEVELS[structure]
        return structure_mask(self.labels, structure)


def find_cases(folder: Path) -> tuple[CaseFiles, ...]:
    """Find the cases of a folder in OpenKBP's or HECKTOR's layout, or of a virtual cohort, in order of name.

    Raises
    ------
    UsageError
        When the folder holds no such case.
    """
    return find_layout_cases(folder, LAYOUTS_WITH_CT, "training cases")


def load_case(
    files: CaseFiles,
    spacing_mm: tuple[float, float, float],
    target_kind: TargetKind = "planning",
    margin_mm: float = VIRTUAL_TARGET_MARGIN_MM,
) -> Case:
    """Read one case and put it onto the network's grid, cut to the body.

    Parameters
    ----------
    files : CaseFiles
        Image and label files of the case; those that are absent teach nothing.
    spacing_mm : (slice, row, column)
        Voxel spacing of the network's grid.
    target_kind : {"planning", "primary", "cuboid"}
        Target to learn: the high-dose planning target, the primary tumour itself, or its bounding box.
    margin_mm : float
        Margin added around lesions to make a planning target.
    """
    hu = body_on_grid(to_canonical(read_image(files.ct, Quantity.HU)), spacing_mm)
    labels = np.zeros(hu.array.shape, np.uint8)
    known: set[str] = set()
    if files.organs is not None:
        labels, known = _organ_labels(files, hu.geometry)
    levels = None
    if (source := _target(files, target_kind, margin_mm)) is not None:
        levels = resample(source, hu.geometry).array.astype(np.uint8)
        # A target of lower dose that was not contoured is not known, though that of higher dose lies in it.
        known |= {name for name, level in TARGET_LEVELS.items() if (levels == level).any()} | {TARGET}
    clipped = np.clip(np.round(hu.array), -1024, 3071).astype(np.int16)
    return Case(files.name, clipped, labels, levels, frozenset(known), hu.geometry, files.virtual)


def load_cases(
    folders: Sequence[Path],
    spacing_mm: tuple[float, float, float],
    on_progress: Steps = ignore_steps,
    target_kind: TargetKind = "planning",
    margin_mm: float = VIRTUAL_TARGET_MARGIN_MM,
) -> tuple[Case, ...]:
    """Load the cases of all folders into memory (about 4 MB each at 3 x 4 x 4 mm)."""
    files = [f for folder in folders for f in find_cases(folder)]
    cases = []
    with ThreadPoolExecutor(2) as pool:
        for case in pool.map(lambda f: load_case(f, spacing_mm, target_kind, margin_mm), files):
            cases.append(case)
            on_progress(len(cases), len(files))
    return tuple(cases)


def _target(files: CaseFiles, kind: TargetKind, margin_mm: float) -> Volume | None:
    """Levels of `TARGET_LEVELS` on the file's own grid; None where the case has no target of this kind."""
    if kind == "planning" and files.targets is not None and not files.lesions:
        return to_canonical(read_labels(files.targets))
    mask = _single_target(files, kind, margin_mm)
    return None if mask is None else mask.with_array(mask.array * np.uint8(TARGET_LEVELS[TARGET]))


def _single_target(files: CaseFiles, kind: TargetKind, margin_mm: float) -> Volume | None:
    """A target without levels, as label 1; None where the case has none of this kind."""
    if kind == "cuboid" and files.cuboids is not None:
        boxes = to_canonical(read_labels(files.cuboids))
        return boxes.with_array((boxes.array == PRIMARY).astype(np.uint8))
    if files.targets is None or not files.lesions:
        return None
    if kind == "planning":
        return to_canonical(planning_target(files, margin_mm))
    source = to_canonical(read_labels(files.targets))
    primary = (source.array == PRIMARY).astype(np.uint8)
    return source.with_array(primary if kind == "primary" else boxed(primary))


def boxed(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Replace every component of a mask by its axis-aligned bounding box."""
    boxed = np.zeros_like(mask)
    components, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    for box in ndimage.find_objects(components):
        boxed[box] = 1
    return boxed


def planning_target(files: CaseFiles, margin_mm: float = VIRTUAL_TARGET_MARGIN_MM) -> Volume:
    """Mark the high-dose target on the file's own grid with 1: PTV70, or lesions with a planning target's margin."""
    assert files.targets is not None
    source = read_labels(files.targets)
    if not files.lesions:
        return source.with_array((source.array == OPENKBP_PTV70).astype(np.uint8))
    away_mm = ndimage.distance_transform_edt(source.array == 0, sampling=source.geometry.spacing_mm)
    near = (away_mm <= margin_mm) & (source.array > 0).any()
    return source.with_array(near.astype(np.uint8))


def _organ_labels(files: CaseFiles, grid: Geometry) -> tuple[NDArray[np.uint8], set[str]]:
    """Label map in hyoid's labels, and the structures contoured in it."""
    assert files.organs is not None
    source = resample(to_canonical(read_labels(files.organs)), grid).array
    if files.virtual:
        # Layout `sgrnet` has the organs of Appendix E only.
        outlined = [s for s in ORGANS if files.cuboids is None or s.label <= _APPENDIX_E]
        return source.astype(np.uint8), {s.name for s in outlined}
    labels = np.zeros(source.shape, np.uint8)
    masks = organs_of(source, files.name)
    for name, mask in masks.items():
        labels[mask] = BY_NAME[name].label
    return labels, set(masks)
