"""Cases in the layout of HNTS-MRG 2024: `<id>/preRT/<id>_preRT_T2.nii.gz` and the files beside it.

::

    <id>/preRT/<id>_preRT_T2, _preRT_mask
    <id>/midRT/<id>_midRT_T2, _midRT_mask, _preRT_T2_registered, _preRT_mask_registered        (.nii.gz)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hyoid.errors import InputRefusedError
from hyoid.io.files.volumes import write_nifti
from hyoid.volume import Volume

LAYOUT = "<id>/preRT/<id>_preRT_T2.nii.gz and <id>/midRT/<id>_midRT_T2.nii.gz"

# Folder of the case, and ending of the name after that of the case.
_FILES = {
    "pre": ("preRT", "preRT_T2"),
    "pre_mask": ("preRT", "preRT_mask"),
    "mid": ("midRT", "midRT_T2"),
    "mid_mask": ("midRT", "midRT_mask"),
    "pre_registered": ("midRT", "preRT_T2_registered"),
    "pre_mask_registered": ("midRT", "preRT_mask_registered"),
}


@dataclass(frozen=True)
class HntsmrgCase:
    """Files of one patient; None where a file is not there.

    Parameters
    ----------
    name : str
        Name of the patient's folder.
    pre, pre_mask, mid : Path
        T2w MR before treatment with its label map (1 GTVp, 2 GTVn), and T2w MR during treatment.
    mid_mask, pre_registered, pre_mask_registered : Path or None
        Label map during treatment; image and label map before treatment, registered to the scan during treatment.
    """

    name: str
    pre: Path
    pre_mask: Path
    mid: Path
    mid_mask: Path | None
    pre_registered: Path | None
    pre_mask_registered: Path | None


def is_hntsmrg_case(folder: Path) -> bool:
    """Tell whether a folder holds one case of the HNTS-MRG layout."""
    return (folder / "preRT").is_dir() and (folder / "midRT").is_dir()


def read_hntsmrg_case(folder: Path) -> HntsmrgCase:
    """Find the files of the case in a folder.

    Raises
    ------
    InputRefusedError
        When an image or the pre-treatment mask is missing; the message names the file's ending.
    """
    found = {
        key: next(iter(sorted((folder / place).glob(f"*_{end}.nii.gz"))), None) for key, (place, end) in _FILES.items()
    }
    for key in ("pre", "pre_mask", "mid"):
        if found[key] is None:
            place, end = _FILES[key]
            raise InputRefusedError(
                f"The case has no file *_{end}.nii.gz in {place}.", f"Complete it; the layout is {LAYOUT}."
            )
    return HntsmrgCase(folder.name, **found)  # type: ignore[arg-type]


def find_hntsmrg_cases(folder: Path) -> tuple[HntsmrgCase, ...]:
    """Find the cases below a folder, in order of name; hidden folders, left by an interrupted writer, are skipped.

    Raises
    ------
    InputRefusedError
        When the folder holds no case, or a case lacks a file.
    """
    places = sorted(folder.iterdir()) if folder.is_dir() else []
    folders = [p for p in places if not p.name.startswith(".") and p.is_dir() and is_hntsmrg_case(p)]
    if not folders:
        raise InputRefusedError(f"{folder.name!r} holds no case.", f"Give a folder with {LAYOUT}.")
    return tuple(read_hntsmrg_case(p) for p in folders)


def write_hntsmrg_case(folder: Path, volumes: Mapping[str, Volume]) -> None:
    """Write the images and masks of one patient.

    Parameters
    ----------
    folder : Path
        Folder of the patient, whose name is the case's.
    volumes : mapping of str to Volume
        Images and label maps, by the names of the files in `HntsmrgCase`.
    """
    for key, volume in volumes.items():
        place, ending = _FILES[key]
        write_nifti(volume, folder / place / f"{folder.name}_{ending}.nii.gz")
