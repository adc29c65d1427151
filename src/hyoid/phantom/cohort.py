"""Folders of virtual patients."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from hyoid.errors import OutputError, UsageError
from hyoid.io.files import write_nifti
from hyoid.phantom.patient import PhantomOptions, VirtualPatient, virtual_patient

LAYOUTS = ("plain",)


def write_cohort(
    out: Path,
    *,
    n: int,
    seed: int,
    spacing_mm: tuple[float, float, float] = (3.0, 1.5, 1.5),
    layout: str = "plain",
    options: PhantomOptions | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write patients 0 to n - 1 of a seed; their folders.

    A folder appears only when all its files are written, so a run that was stopped is continued by the same call:
    folders that exist are not made again. `plain` holds `ct.nii.gz`, `organs.nii.gz`, `subsites.nii.gz`,
    `lesions.nii.gz` and `truth.json` in `<out>/phantom_<seed>_<number>/`.

    Parameters
    ----------
    out : Path
        Made when it does not exist.
    n : int
    seed : int
    spacing_mm : (slice, row, column)
    layout : {"plain"}
    options : PhantomOptions, optional
    on_progress : callable, optional
        Called with (patients done, n) after each.

    Raises
    ------
    UsageError
        When the layout is unknown, n is not positive, or the spacing cannot hold a neck.
    OutputError
        When a file cannot be written.
    """
    if layout not in LAYOUTS:
        raise UsageError(f"There is no layout {layout!r}.", f"Choose one of {', '.join(LAYOUTS)}.")
    if n < 1:
        raise UsageError(f"A cohort of {n} patients is empty.", "Ask for one or more.")
    folders = []
    for number in range(n):
        folder = Path(out) / f"phantom_{seed}_{number:04d}"
        if not folder.is_dir():
            rng = np.random.default_rng([seed, number])
            write_patient(virtual_patient(rng, spacing_mm=spacing_mm, options=options), folder)
        folders.append(folder)
        if on_progress:
            on_progress(number + 1, n)
    return folders


def write_patient(patient: VirtualPatient, folder: Path) -> None:
    """Write one patient in the `plain` layout; the folder appears complete or not at all.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    part = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        for name in ("ct", "organs", "subsites", "lesions"):
            write_nifti(getattr(patient, name), part / f"{name}.nii.gz")
        (part / "truth.json").write_text(json.dumps(asdict(patient.truth), indent=1) + "\n")
        part.rename(folder)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise OutputError(
            f"The patient could not be written: {type(error).__name__}.", "Check that the folder is writable."
        ) from error
