"""Training cases on disk: OpenKBP folders, PET/CT folders and virtual cohorts, as one kind of value.

Folders are told apart by what they hold: `pt_*_ct.nii.gz` is OpenKBP's layout as converted in `../shared/data`,
`<id>/<id>__CT.nii.gz` that of HECKTOR 2025 (only the CT is read), `*/ct.nii.gz` beside `organs.nii.gz` a virtual cohort
of layout `plain` or `sgrnet`.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hyoid.anatomy.structures import BY_LABEL, BY_NAME, ORGANS, TARGET_REGION, structure_mask
from hyoid.errors import UsageError
from hyoid.geometry.orientation import to_canonical
from hyoid.geometry.resample import resample
from hyoid.io.files.volumes import read_image, read_labels
from hyoid.preprocess.network_grid import body_on_grid
from hyoid.progress import Steps, ignore_steps
from hyoid.volume import Geometry, Quantity, Volume

# OpenKBP's `pt_N_oar` labels, in hyoid's words.
OPENKBP_ORGANS = {
    1: "brainstem",
    2: "spinal_cord",
    3: "parotid_right",
    4: "parotid_left",
    5: "oesophagus",
    6: "larynx",
    7: "mandible",
}
OPENKBP_PTV70 = 3
TARGET = BY_LABEL[TARGET_REGION].name
# Planning targets by the lowest level that belongs to each: that of 56 Gy holds that of 63 Gy, and that one that of 70.
TARGET_LEVELS = {"target_56": 1, "target_63": 2, TARGET: OPENKBP_PTV70}
# A planning target is the tumour with margins for microscopic spread (5 mm, Gregoire et al. 2018) and set-up (3 mm).
VIRTUAL_TARGET_MARGIN_MM = 8.0
_PRIMARY = 1
_APPENDIX_E = 21
# Contours of the cord over 400 mL: wrong, see ../shared/data/README.md.
_OPENKBP_WRONG = {("pt_215", "spinal_cord"), ("pt_216", "spinal_cord")}


TargetKind = Literal["planning", "primary", "cuboid"]
"""What a network that localises tumour learns: the high-dose target (lesions get a margin), the primary, its box."""


@dataclass(frozen=True)
class CaseFiles:
    """Where one case lies on disk."""

    name: str
    ct: Path
    organs: Path | None
    # PTV70 of an OpenKBP case, else tumour (1) and nodes (2).
    target: Path | None
    virtual: bool
    # The target file holds tumour and nodes.
    lesions: bool = False
    # Cuboids around tumour (1) and nodes (2), as readers draw them.
    cuboids: Path | None = None
    truth: Path | None = None
    # Labels of `hyoid.anatomy.subsites`.
    subsites: Path | None = None


@dataclass(frozen=True, eq=False)
class Case:
    """One case on the network's grid.

    Parameters
    ----------
    name : str
    hu : ndarray, shape (D, H, W), int16
    labels : ndarray, shape (D, H, W), uint8
        Organ labels of `hyoid.anatomy.structures`.
    levels : ndarray, shape (D, H, W), uint8, or None
        Levels of `TARGET_LEVELS`, the highest being what `TargetKind` asks for; None where the case lacks that.
    known : frozenset of str
        Structures that were contoured in this case.
    geometry : Geometry
    virtual : bool
    """

    name: str
    hu: NDArray[np.int16]
    labels: NDArray[np.uint8]
    levels: NDArray[np.uint8] | None
    known: frozenset[str]
    geometry: Geometry
    virtual: bool

    def mask(self, structure: str) -> NDArray[np.bool_]:
        """Where the structure is; the caller checks `known` first."""
        if structure in TARGET_LEVELS:
            if self.levels is None:
                raise KeyError(structure)
            return self.levels >= TARGET_LEVELS[structure]
        return structure_mask(self.labels, structure)


def find_cases(folder: Path) -> tuple[CaseFiles, ...]:
    """Cases in a folder, sorted by name.

    Raises
    ------
    UsageError
        When the folder holds neither layout.
    """
    real = [
        CaseFiles(
            p.name.removesuffix("_ct.nii.gz"),
            p,
            _existing(p.with_name(p.name.replace("_ct", "_oar"))),
            _existing(p.with_name(p.name.replace("_ct", "_ptv"))),
            virtual=False,
        )
        for p in sorted(folder.glob("pt_*_ct.nii.gz"))
    ]
    virtual = [
        CaseFiles(
            p.parent.name,
            p,
            _existing(p.with_name("organs.nii.gz")),
            _existing(p.with_name("lesions.nii.gz")),
            virtual=True,
            lesions=True,
            cuboids=_existing(p.with_name("cuboids.nii.gz")),
            truth=_existing(p.with_name("truth.json")),
            subsites=_existing(p.with_name("subsites.nii.gz")),
        )
        for p in sorted(folder.glob("*/ct.nii.gz"))
    ]
    petct = [
        CaseFiles(
            p.parent.name, p, None, _existing(p.with_name(f"{p.parent.name}.nii.gz")), virtual=False, lesions=True
        )
        for p in sorted(folder.glob("*/*__CT.nii.gz"))
    ]
    if not real and not virtual and not petct:
        raise UsageError(
            f"No training cases in {folder.name!r}.",
            "Give a folder with pt_*_ct.nii.gz (OpenKBP), <id>/<id>__CT.nii.gz (HECKTOR) or one made by "
            "`hyoid phantom --layout plain`.",
        )
    return tuple(real + petct + virtual)


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
    spacing_mm : (slice, row, column)
    target_kind : {"planning", "primary", "cuboid"}
    margin_mm : float
        Around lesions, for a planning target.
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
    """Every case of every folder, in memory (about 4 MB each at 3 x 4 x 4 mm)."""
    files = [f for folder in folders for f in find_cases(folder)]
    cases = []
    with ThreadPoolExecutor(2) as pool:
        for case in pool.map(lambda f: load_case(f, spacing_mm, target_kind, margin_mm), files):
            cases.append(case)
            on_progress(len(cases), len(files))
    return tuple(cases)


def _target(files: CaseFiles, kind: TargetKind, margin_mm: float) -> Volume | None:
    """Levels of `TARGET_LEVELS` on the file's own grid; None where the case has no target of this kind."""
    if kind == "planning" and files.target is not None and not files.lesions:
        return to_canonical(read_labels(files.target))
    mask = _single_target(files, kind, margin_mm)
    return None if mask is None else mask.with_array(mask.array * np.uint8(TARGET_LEVELS[TARGET]))


def _single_target(files: CaseFiles, kind: TargetKind, margin_mm: float) -> Volume | None:
    """A target without levels, as label 1; None where the case has none of this kind."""
    if kind == "cuboid" and files.cuboids is not None:
        boxes = to_canonical(read_labels(files.cuboids))
        return boxes.with_array((boxes.array == _PRIMARY).astype(np.uint8))
    if files.target is None or not files.lesions:
        return None
    if kind == "planning":
        return to_canonical(planning_target(files, margin_mm))
    source = to_canonical(read_labels(files.target))
    primary = (source.array == _PRIMARY).astype(np.uint8)
    return source.with_array(primary if kind == "primary" else boxed(primary))


def boxed(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Axis-aligned box around every component."""
    boxed = np.zeros_like(mask)
    components, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    for box in ndimage.find_objects(components):
        boxed[box] = 1
    return boxed


def planning_target(files: CaseFiles, margin_mm: float = VIRTUAL_TARGET_MARGIN_MM) -> Volume:
    """High-dose target on the file's own grid, as label 1: PTV70, or lesions with the margins of a planning target."""
    assert files.target is not None
    source = read_labels(files.target)
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
    known = set()
    for value, name in OPENKBP_ORGANS.items():
        mask = source == value
        if mask.any() and (files.name, name) not in _OPENKBP_WRONG:
            labels[mask] = BY_NAME[name].label
            known.add(name)
    return labels, known


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None
