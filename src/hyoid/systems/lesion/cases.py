"""Lesions for the interactive system: virtual cohorts and data sets of real ones, one entry per lesion."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hyoid.anatomy.lesion_attributes import ATTRIBUTES
from hyoid.errors import UsageError
from hyoid.geometry.boxes import bounding_box, crop
from hyoid.geometry.orientation import to_canonical
from hyoid.io.cohorts.case_files import CaseFiles
from hyoid.io.cohorts.lesions import LOOKS, TABLE, LesionFiles, find_lesion_files
from hyoid.io.cohorts.plain import find_plain_cases
from hyoid.io.files.volumes import read_image, read_labels
from hyoid.progress import Steps, ignore_steps
from hyoid.training.folds import parts_of
from hyoid.volume import Geometry, Quantity, Volume

UNKNOWN = -1
# Smaller ones are a few voxels of a coarse grid, whose mask is chance.
_FEWEST_VOXELS = 8
# Kept around the lesions of a scan: more than any region reaches that holds one of these.
_AROUND_MM = 150.0


@dataclass(frozen=True, eq=False)
class LesionPatient:
    """Image and lesions of one patient.

    Parameters
    ----------
    name : str
        Name of the patient's folder in the cohort.
    image : Volume
        Scan in canonical orientation.
    ids : ndarray, shape (D, H, W), uint8
        Number of the lesion of each voxel, 0 for none.
    virtual : bool
        Whether the patient was simulated.
    person : str
        Whose image this is, where a patient has several: these never part. The name where it is empty.
    """

    name: str
    image: Volume
    ids: NDArray[np.uint8]
    virtual: bool = True
    person: str = ""

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


def find_lesion_patients(folder: Path) -> tuple[CaseFiles | LesionFiles, ...]:
    """Find the patients with lesions in a virtual cohort of layout `plain`, or in a data set, in order of name.

    Raises
    ------
    UsageError
        When the folders hold no lesion.
    UnreadableFileError
        When a data set's table of attributes or description is not understood.
    """
    virtual = tuple(case for case in find_plain_cases(folder) if case.targets is not None)
    found: tuple[CaseFiles | LesionFiles, ...] = (*virtual, *find_lesion_files(folder))
    if not found:
        raise UsageError(
            f"No lesions in {folder.name!r}.",
            f"Give a cohort made by `hyoid phantom --layout plain`, with disease; or one of: {'; '.join(LOOKS)}.",
        )
    return found


def load_lesions(
    folders: Sequence[Path], on_progress: Steps = ignore_steps, which: Literal["all", "largest"] = "all"
) -> tuple[LesionCase, ...]:
    """Read the lesions of every patient in virtual cohorts and data sets, in order of patient and number.

    Parameters
    ----------
    folders : sequence of Path
        Virtual cohorts and data sets, see `find_lesion_patients`.
    on_progress : callable
        Called with (patients done, patients in all).
    which : {"all", "largest"}
        Every lesion, or the largest of each patient alone, as the paper does.

    Raises
    ------
    UsageError
        When a folder holds no such cohort.
    """
    patients = [patient for folder in folders for patient in find_lesion_patients(folder)]
    cases: list[LesionCase] = []
    for done, patient in enumerate(patients, start=1):
        found = _outlined_lesions(patient) if isinstance(patient, LesionFiles) else _lesions_of(patient)
        if which == "largest" and found:
            found = [max(found, key=lambda case: int((case.mask[case.box]).sum()))]
        cases.extend(found)
        on_progress(done, len(patients))
    return tuple(cases)


def require_attributes(cases: Sequence[LesionCase]) -> None:
    """Refuse cases whose lesions all lack attributes, where attributes are to be learned or scored.

    Raises
    ------
    UsageError
        Naming the table that is missing.
    """
    if not any(set(case.attributes) - {UNKNOWN} for case in cases):
        names = ", ".join(dict.fromkeys(case.patient.name for case in cases[:3]))
        raise UsageError(
            f"None of the {len(cases)} lesions has attributes ({names} ...): there is nothing to learn them from.",
            f"Put {TABLE} beside the images (columns case, shape, invasion, density, heterogeneity, surface).",
        )


def of_part(cases: Sequence[LesionCase], shares: Sequence[float], seed: int, part: str) -> tuple[LesionCase, ...]:
    """Select the lesions of one part's patients; types reserved for zero-shot are left out of all parts."""
    persons = [case.patient.person or case.patient.name for case in cases]
    parts = parts_of(persons, shares, seed)
    return tuple(c for c, who in zip(cases, persons, strict=True) if parts[who] == part and not c.zero_shot)


def _outlined_lesions(files: LesionFiles) -> list[LesionCase]:
    """Lesions of a real case, the largest first, on the part of the scan around them."""
    image, labels = to_canonical(read_image(files.image, files.quantity)), to_canonical(read_labels(files.mask))
    if not labels.geometry.same_grid(image.geometry):
        raise UsageError(f"Image and mask of {files.name!r} lie on different grids.", "Export both on one grid.")
    wanted = [int(v) for v in np.unique(labels.array) if v] if files.kinds is None else list(files.kinds)
    parts: list[tuple[int, str, tuple[slice, ...], NDArray[np.bool_]]] = []
    for label in wanted:
        numbered = cc3d.connected_components((labels.array == label).astype(np.uint8), connectivity=26)
        kind = "lesion" if files.kinds is None else files.kinds[label]
        counts, places = np.bincount(numbered.ravel())[1:], ndimage.find_objects(numbered.astype(np.int32))
        parts += [
            (int(n), kind, place, numbered[place] == k)
            for k, (n, place) in enumerate(zip(counts, places, strict=True), start=1)
            if n >= _FEWEST_VOXELS
        ]
    # Numbers are bytes: of more lesions than a byte counts the smallest are left out.
    parts = sorted(parts, key=lambda part: -part[0])[:255]
    ids = np.zeros(labels.array.shape, np.uint8)
    for number, (_, _, place, mask) in enumerate(parts, start=1):
        ids[place][mask] = number
    box = bounding_box(ids > 0)
    if box is None:
        return []
    margin = [round(_AROUND_MM / mm) for mm in image.geometry.spacing_mm]
    box = box.grown((margin[0], margin[1], margin[2]), ids.shape)  # type: ignore[arg-type]
    around = _compact(crop(image, box))
    patient = LesionPatient(
        files.name, around, np.ascontiguousarray(ids[box.slices]), virtual=False, person=files.patient
    )
    rows = {row.lesion: row for row in files.rows}
    cases = []
    for number, place in enumerate(ndimage.find_objects(patient.ids), start=1):
        row = rows.pop(number, None)
        classes = _classes({} if row is None else row.attributes)
        kind = (row.kind if row else "") or parts[number - 1][1]
        cases.append(LesionCase(patient, number, kind, bool(row and row.zero_shot), classes, place))
    if rows:
        raise UsageError(
            f"{TABLE} describes lesion {min(rows)} of {files.name!r}, which has {len(cases)}.",
            "Count a case's lesions from the largest, 1.",
        )
    return cases


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
    patient = LesionPatient(files.name, _compact(image), ids)
    cases = []
    for number, box in enumerate(ndimage.find_objects(ids), start=1):
        if box is None or (ids[box] == number).sum() < _FEWEST_VOXELS:
            continue
        row = described.get(number, {})
        kind = row.get("kind") or ("primary" if primary[box][ids[box] == number].any() else "node")
        classes = _classes(row.get("attributes", {}))
        cases.append(LesionCase(patient, number, kind, bool(row.get("zero_shot", False)), classes, box))
    return cases


def _compact(image: Volume) -> Volume:
    """A CT in whole HU of what it can tell, two bytes a voxel; another image as it is."""
    if image.quantity is not Quantity.HU:
        return image.with_array(np.ascontiguousarray(image.array))
    return image.with_array(np.clip(image.array, -1024, 3071).astype(np.int16))


def _classes(words: Mapping[str, str]) -> tuple[int, ...]:
    """Class per attribute in the order of `ATTRIBUTES`; `UNKNOWN` where no word tells."""
    return tuple(ATTRIBUTES[name].index(words[name]) if name in words else UNKNOWN for name in ATTRIBUTES)
