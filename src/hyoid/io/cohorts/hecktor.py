"""HECKTOR 2022, 2025 and 2026: CT, PET in SUV, and one label map of tumour (1) and nodes (2).

::

    imagesTr/<id>__CT, <id>__PT, labelsTr/<id>        (.nii.gz)    2022
    <id>/<id>__CT, <id>__PT, <id>                     (.nii.gz)    2025 and 2026

`<id>__HEAD.nii.gz` beside the CT, where there is one, outlines the head region.
"""

from __future__ import annotations

from pathlib import Path

from hyoid.io.cohorts.case_files import CaseFiles, existing
from hyoid.io.files.volumes import write_nifti
from hyoid.volume import Volume

CT, PET = "__CT", "__PT"  # endings of the images' names


def find_hecktor_cases(folder: Path) -> tuple[CaseFiles, ...]:
    """Find the patients of a folder, or of the folders in it, in order of name."""
    found = {path for pattern in (f"*{CT}.nii.gz", f"*/*{CT}.nii.gz") for path in folder.glob(pattern)}
    return tuple(sorted((_case(ct) for ct in found if not ct.parent.name.startswith(".")), key=lambda case: case.name))


def write_hecktor_case(root: Path, name: str, ct: Volume, pet: Volume, targets: Volume) -> None:
    """Write one patient as in 2025.

    Parameters
    ----------
    root : Path
        Folder of the cohort.
    name : str
        Name of the patient's folder.
    ct, pet, targets : Volume
        HU, SUV and labels, each on its own grid.
    """
    for ending, volume in ((CT, ct), (PET, pet), ("", targets)):
        write_nifti(volume, root / name / f"{name}{ending}.nii.gz")


def _case(ct: Path) -> CaseFiles:
    name = ct.name.removesuffix(f"{CT}.nii.gz")
    beside, apart = ct.with_name(f"{name}.nii.gz"), ct.parent.parent / "labelsTr" / f"{name}.nii.gz"
    return CaseFiles(
        name,
        ct,
        organs=None,
        targets=existing(beside) or existing(apart),
        virtual=False,
        lesions=True,
        pet=existing(ct.with_name(f"{name}{PET}.nii.gz")),
        head=existing(ct.with_name(f"{name}__HEAD.nii.gz")),
    )
