"""Layouts `plain` and `sgrnet`: one folder for each virtual patient, one file for each image and label map.

::

    <id>/ct, organs, subsites, lesions, lesion_ids, pet, mr_*, field (.nii.gz), truth.json       plain
    <id>/ct, organs, cuboids (.nii.gz)                                                           sgrnet
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from hyoid.geometry.resample import to_sitk
from hyoid.io.atomic import atomic_write
from hyoid.io.cohorts.case_files import CaseFiles, existing
from hyoid.io.cohorts.reports import report_beside
from hyoid.io.files.volumes import write_nifti
from hyoid.volume import Geometry, Quantity, Volume

CT, PET = "ct", "pet"  # names of the images


def find_plain_cases(folder: Path) -> tuple[CaseFiles, ...]:
    """Find virtual patients, and CTs with cuboids, below a folder, in order of name; hidden folders are left out.

    A CT with a radiologist's report and without a known truth is no virtual patient, see `find_report_cases`.
    """
    return tuple(
        CaseFiles(
            ct.parent.name,
            ct,
            existing(ct.with_name("organs.nii.gz")),
            existing(ct.with_name("lesions.nii.gz")),
            virtual=_is_virtual(ct.parent),
            lesions=True,
            pet=existing(ct.with_name(f"{PET}.nii.gz")),
            cuboids=existing(ct.with_name("cuboids.nii.gz")),
            truth=existing(ct.with_name("truth.json")),
            subsites=existing(ct.with_name("subsites.nii.gz")),
            lesion_ids=existing(ct.with_name("lesion_ids.nii.gz")),
        )
        for ct in sorted(folder.glob(f"*/{CT}.nii.gz"))
        if not ct.parent.name.startswith(".") and report_beside(ct.parent) is None
    )


def _is_virtual(patient: Path) -> bool:
    """Whether a patient is virtual: readers' cuboids without a truth beside these are of a real one."""
    truths = (patient / "truth.json", patient.parent / "truth" / f"{patient.name}.json")
    return not (patient / "cuboids.nii.gz").is_file() or any(truth.is_file() for truth in truths)


def write_plain_case(folder: Path, volumes: Mapping[str, Volume]) -> None:
    """Write images and label maps of one patient.

    Parameters
    ----------
    folder : Path
        Folder of the patient.
    volumes : mapping of str to Volume
        Images and label maps, by the file's name without its ending.
    """
    for name, volume in volumes.items():
        write_nifti(volume, folder / f"{name}.nii.gz")


def write_field(vectors_mm: NDArray[np.floating], geometry: Geometry, path: Path) -> None:
    """Write a displacement field as a vector image on its own grid.

    Parameters
    ----------
    vectors_mm : ndarray, shape (3, D, H, W)
        Components along the axes of LPS, mm.
    geometry : Geometry
        Grid of the field, shape (D, H, W).
    path : Path
        Image file to write; the suffix says its format.
    """
    parts = [to_sitk(Volume(np.asarray(part), geometry, Quantity.MR)) for part in vectors_mm]
    with atomic_write(path) as unfinished:
        sitk.WriteImage(sitk.Compose(parts), str(unfinished), useCompression=True)
