"""Lesions for the interactive system: virtual cohorts on disk, one entry per lesion."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hyoid.anatomy.lesion_attributes import ATTRIBUTES
from hyoid.errors import UsageError
from hyoid.geometry.orientation import to_canonical
from hyoid.io.cohorts.case_files import CaseFiles
from hyoid.io.cohorts.plain import find_plain_cases
from hyoid.io.files.volumes import read_image, read_labels
from hyoid.progress import Steps, ignore_steps
from hyoid.training.folds import parts_of
from hyoid.volume import Geometry, Quantity, Volume

UNKNOWN = -1
# Smaller ones are a few voxels of a coarse grid, whose mask is chance.
_FEWEST_VOXELS = 8


@dataclass(frozen=True, eq=False)
class LesionPatient:
    """Image and lesions of one virtual patient.

    Parameters
    ----------
    name : str
        Name of the patient's folder in the cohort.
    image : Volume
        Scan in canonical orientation.
    ids : ndarray, shape (D, H, W), uint8
        Number of the lesion of each voxel, 0 for none.
    """

    name: str
    image: Volume
    ids: NDArray[np.uint8]

    @property
    def geometry(self) -> Geometry:
        """Grid of image and lesions."""
        return self.image.geometry


@dataclass(frozen=True, eq=False)
class LesionCase:
    """One lesion of a patient.

    Parameters
    ----------
    patient : LesionPatient
        Image and lesion numbers of the patient.
    number : int
        Number of the lesion in the patient's `ids`.
    kind : str
        Lesion type; "primary" or "node" where the cohort knows no others.
    zero_shot : bool
        Whether the lesion's type is reserved: never trained on.
    attributes : tuple of int
        Class per attribute in the order of `ATTRIBUTES`; `UNKNOWN` where the cohort does not say.
    box : tuple of slice
        Part of the grid that just holds the lesion.
    """

    patient: LesionPatient
    number: int
    kind: str
    zero_shot: bool
    attributes: tuple[int, ...]
    box: tuple[slice, slice, slice]

    @property
    def name(self) -> str:
        """Patient and lesion."""
        return f"{self.patient.name}-{self.number}"

    @property
    def extent_mm(self) -> float:
        """Longest edge of the box around the lesion."""
        edges = [(s.stop - s.start) * mm for s, mm in zip(self.box, self.patient.geometry.spacing_mm, strict=True)]
        return float(max(edges))

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Lesion on the patient's grid."""
        return self.patient.ids == self.number


def find_lesion_patients(folder: Path) -> tuple[CaseFiles, ...]:
    """Find the patients with lesions in a virtual cohort of layout `plain`, in order of name.

    Raises
    ------
    UsageError
        When there is none.
    """
    found = tuple(case for case in find_plain_cases(folder) if case.targets is not None)
    if not found:
        raise UsageError(
            f"No lesions in {folder.name!r}.", "Give a cohort made by `hyoid phantom --layout plain`, with disease."
        )
    return found


def load_lesions(folders: Sequence[Path], on_progress: Steps = ignore_steps) -> tuple[LesionCase, ...]:
    """Read every lesion of every patient in virtual cohorts, in order of patient and number.

    Parameters
    ----------
    folders : sequence of Path
        Virtual cohorts, see `find_lesion_patients`.
    on_progress : callable
        Called with (patients done, patients in all).

    Raises
    ------
    UsageError
        When a folder holds no such cohort.
    """
    patients = [patient for folder in folders for patient in find_lesion_patients(folder)]
    cases: list[LesionCase] = []
    for done, patient in enumerate(patients, start=1):
        cases.extend(_lesions_of(patient))
        on_progress(done, len(patients))
    return tuple(cases)


def of_part(cases: Sequence[LesionCase], shares: Sequence[float], seed: int, part: str) -> tuple[LesionCase, ...]:
    """Select the lesions of one part's patients; types reserved for zero-shot are left out of all parts."""
    parts = parts_of([case.patient.name for case in cases], shares, seed)
    return tuple(case for case in cases if parts[case.patient.name] == part and not case.zero_shot)


def _lesions_of(files: CaseFiles) -> list[LesionCase]:
    assert files.targets is not None
    image = to_canonical(read_image(files.ct, Quantity.HU))
    truth = {} if files.truth is None else json.loads(files.truth.read_text(encoding="utf-8"))
    numbered = files.lesion_ids
    described = {row["id"]: row for row in truth.get("lesions", ())} if numbered else {}
    labels = to_canonical(read_labels(numbered or files.targets))
    if labels.geometry.shape != image.geometry.shape:
        raise UsageError(f"CT and lesions of {files.name!r} lie on different grids.", "Make the cohort again.")
    primary = labels.array == 1
    ids = labels.array.astype(np.uint8)
    if numbered is None:
        # No two lesions of a virtual patient touch, so components count them.
        ids = cc3d.connected_components(labels.array.astype(np.uint8), connectivity=26).astype(np.uint8)
    patient = LesionPatient(files.name, image.with_array(np.clip(image.array, -1024, 3071).astype(np.int16)), ids)
    cases = []
    for number, box in enumerate(ndimage.find_objects(ids), start=1):
        if box is None or (ids[box] == number).sum() < _FEWEST_VOXELS:
            continue
        row = described.get(number, {})
        kind = row.get("kind") or ("primary" if primary[box][ids[box] == number].any() else "node")
        words = row.get("attributes", {})
        classes = tuple(ATTRIBUTES[name].index(words[name]) if name in words else UNKNOWN for name in ATTRIBUTES)
        cases.append(LesionCase(patient, number, kind, bool(row.get("zero_shot", False)), classes, box))
    return cases
