"""Where the files of one patient lie, whatever the layout of the cohort."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CaseFiles:
    """Files of one patient with a CT; None where a file is not there.

    Parameters
    ----------
    name : str
        Name of the case, unique in its cohort.
    ct : Path
        CT in HU: a file, or in layout `reports` perhaps the folder of a DICOM series.
    organs : Path, optional
        Labels of OpenKBP, or of `hyoid.anatomy.structures` for a virtual patient.
    targets : Path, optional
        Planning targets of OpenKBP, else tumour (1) and nodes (2).
    virtual : bool
        Whether the patient is virtual.
    lesions : bool
        Whether `targets` holds tumour and nodes.
    pet : Path, optional
        PET in SUV.
    head : Path, optional
        Outline of the head region.
    cuboids : Path, optional
        Cuboids around tumour (1) and nodes (2), as readers draw them.
    truth : Path, optional
        What is true about a virtual patient, as JSON.
    subsites : Path, optional
        Labels of `hyoid.anatomy.subsites`.
    lesion_ids : Path, optional
        Number of the lesion of each voxel.
    report : Path, optional
        Report of a radiologist on this CT, text or JSON.
    """

    name: str
    ct: Path
    organs: Path | None
    targets: Path | None
    virtual: bool
    lesions: bool = False
    pet: Path | None = None
    head: Path | None = None
    cuboids: Path | None = None
    truth: Path | None = None
    subsites: Path | None = None
    lesion_ids: Path | None = None
    report: Path | None = None


def existing(path: Path) -> Path | None:
    """Return a path where a file is there."""
    return path if path.is_file() else None
