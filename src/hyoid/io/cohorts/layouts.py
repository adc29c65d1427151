"""The one table of layouts of cohorts: how each looks, what it holds, and how its cases are found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hyoid.errors import UsageError
from hyoid.io.cohorts.case_files import CaseFiles
from hyoid.io.cohorts.hecktor import find_hecktor_cases
from hyoid.io.cohorts.hntsmrg import LAYOUT as HNTSMRG
from hyoid.io.cohorts.openkbp import find_openkbp_cases
from hyoid.io.cohorts.plain import find_plain_cases
from hyoid.io.cohorts.reports import find_report_cases

Find = Callable[[Path], tuple[CaseFiles, ...]]


@dataclass(frozen=True)
class Layout:
    """Layout of a cohort: its folders and what these hold.

    Parameters
    ----------
    looks : str
        How a cohort looks, for people.
    find : callable, optional
        From a folder to the cases in it that have a CT, empty without such cases; None where hyoid reads no such cases
        as a cohort.
    written : bool
        Whether virtual patients can be written so.
    modalities : tuple of tuples
        Sets of modalities that a virtual patient may have; empty for any.
    per_patient : bool
        All files of a patient lie in a folder of its name, with truth and report.
    """

    looks: str
    find: Find | None = None
    written: bool = True
    modalities: tuple[tuple[str, ...], ...] = ()
    per_patient: bool = False


LAYOUTS: dict[str, Layout] = {
    "plain": Layout("<id>/ct.nii.gz", find_plain_cases, per_patient=True),
    "nnunet": Layout(
        "imagesTr/<id>_0000.nii.gz and labelsTr/<id>.nii.gz", modalities=(("ct",), ("ct", "pet"), ("mr",))
    ),
    "hecktor2025": Layout("<id>/<id>__CT.nii.gz", find_hecktor_cases, modalities=(("ct", "pet"),)),
    "hntsmrg2024": Layout(HNTSMRG, modalities=(("mr",), ("ct", "mr"))),
    "sgrnet": Layout("<id>/ct.nii.gz and <id>/cuboids.nii.gz", find_plain_cases, modalities=(("ct",),)),
    "dicom": Layout("<id>/ct, <id>/pt and the like, a folder for each series"),
    "openkbp": Layout("pt_<n>_ct.nii.gz", find_openkbp_cases, written=False),
    "reports": Layout(
        "<id>/ct.nii.gz, or DICOM in <id>/ct, with <id>/report.txt or report.json", find_report_cases, written=False
    ),
    "hecktor2022": Layout("imagesTr/<id>__CT.nii.gz", find_hecktor_cases, written=False),
}
WRITTEN = tuple(name for name, layout in LAYOUTS.items() if layout.written)
"""Layouts that virtual patients can be written in."""


def find_layout_cases(folder: Path, layouts: Sequence[str], what: str) -> tuple[CaseFiles, ...]:
    """Find the cases of a folder that is in any of several layouts, layout by layout, in order of name.

    Parameters
    ----------
    folder : Path
        Folder of the cohort.
    layouts : sequence of str
        Names of layouts that can be searched.
    what : str
        Kind of cases, for a message: "training cases".

    Raises
    ------
    UsageError
        When the folder holds none.
    """
    finders = dict.fromkeys(find for name in layouts if (find := LAYOUTS[name].find))
    found = tuple(case for find in finders for case in find(folder))
    if not found:
        looks = "; ".join(f"{LAYOUTS[name].looks} ({name})" for name in layouts)
        raise UsageError(f"No {what} in {folder.name!r}.", f"Give a folder that holds one of: {looks}.")
    return found


def check_layout(name: str, modalities: Sequence[str]) -> Layout:
    """Look up the layout for virtual patients with some modalities.

    Raises
    ------
    UsageError
        When virtual patients are not written in such a layout, or it is made for other images.
    """
    if name not in WRITTEN:
        raise UsageError(f"There is no layout {name!r}.", f"Choose one of {', '.join(WRITTEN)}.")
    layout = LAYOUTS[name]
    if layout.modalities and tuple(sorted(modalities)) not in layout.modalities:
        choices = " or ".join(",".join(m) for m in layout.modalities)
        raise UsageError(
            f"The layout {name} cannot hold the modalities {','.join(modalities)}.", f"Use --modality {choices}."
        )
    return layout
