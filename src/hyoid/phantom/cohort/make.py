"""Folders of virtual patients: made in parallel, continued where they stopped, with a contact sheet."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from hyoid.errors import OutputError, UsageError
from hyoid.io.atomic import atomic_write, write_text
from hyoid.io.cohorts.layouts import LAYOUTS, check_layout
from hyoid.io.cohorts.nnunet import finish_nnunet
from hyoid.phantom.cohort.layouts import WRITERS
from hyoid.phantom.images.previews import SHEET_PATIENTS, contact_sheet, preview
from hyoid.phantom.patient import VERSION, PhantomOptions, VirtualPatient, check_spacing, virtual_patient
from hyoid.phantom.text.words import patient_report

_SETTINGS = "cohort.json"


@dataclass(frozen=True)
class _Order:
    """Everything a worker needs for one patient."""

    out: Path
    seed: int
    number: int
    spacing_mm: tuple[float, float, float]
    layout: str
    options: PhantomOptions

    @property
    def name(self) -> str:
        return f"phantom_{self.seed}_{self.number:04d}"

    @property
    def made(self) -> Path:
        """What exists when, and only when, the patient is complete."""
        if LAYOUTS[self.layout].per_patient:
            return self.out / self.name
        return self.out / "truth" / f"{self.name}.json"

    @property
    def picture(self) -> Path:
        return self.out / "previews" / f"{self.name}.png"


def write_cohort(
    out: Path,
    *,
    n: int,
    seed: int,
    spacing_mm: tuple[float, float, float] = (3.0, 1.5, 1.5),
    layout: str = "plain",
    options: PhantomOptions | None = None,
    workers: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write patients 0 to n - 1 of a seed, and `contact_sheet.png` of the first twelve.

    A patient counts as made only when all its files are written, so a run that was stopped is continued by the same
    call: patients that are there are not made again. `plain` is a folder `<out>/phantom_<seed>_<number>/` with every
    image and mask, `truth.json` and `report.txt`; in the other layouts truth and report lie in `<out>/truth` and
    `<out>/reports`, beside the files of the layout (see `hyoid.phantom.cohort.layouts`).

    Parameters
    ----------
    out : Path
        Made when it does not exist.
    n : int
        Number of patients, at least 1.
    seed : int
        Seed of the cohort, 0 or more; patient k depends on the seed and k alone.
    spacing_mm : (slice, row, column)
        Voxel spacing of the CT and its masks.
    layout : str
        Key of `hyoid.io.cohorts.layouts.LAYOUTS`.
    options : PhantomOptions, optional
        Kind of patients and images to make; the usual ones when not given.
    workers : int
        Processes; the files do not depend on their number.
    on_progress : callable, optional
        Called with (patients done, n) after each.

    Returns
    -------
    list of Path
        In `plain` the patients' folders, otherwise their truth files.

    Raises
    ------
    UsageError
        When the layout is unknown or cannot hold the modalities, n or workers is not positive, the seed is negative,
        the spacing cannot hold a neck, or the folder holds patients made otherwise.
    OutputError
        When a file cannot be written.
    """
    options = options or PhantomOptions()
    check_layout(layout, options.modalities)
    check_spacing(spacing_mm)
    if n < 1:
        raise UsageError(f"A cohort of {n} patients is empty.", "Ask for one or more.")
    if seed < 0:
        raise UsageError(f"The seed {seed} is negative.", "Choose zero or more.")
    if workers < 1:
        raise UsageError(f"{workers} workers can make nobody.", "Ask for one or more.")
    out = Path(out)
    _keep_settings(out, spacing_mm, layout, options)
    orders = [_Order(out, seed, k, spacing_mm, layout, options) for k in range(n)]
    wanted = [o for o in orders if not o.made.exists()]
    done = n - len(wanted)
    if on_progress and done:
        on_progress(done, n)
    for _ in _made(wanted, workers):
        done += 1
        if on_progress:
            on_progress(done, n)
    if layout == "nnunet":
        finish_nnunet(out)
    pictures = [o.picture for o in orders if o.picture.exists()][:SHEET_PATIENTS]
    if pictures:
        contact_sheet(pictures, out / "contact_sheet.png")
    return [o.made for o in orders]


def write_patient(
    patient: VirtualPatient, folder: Path, *, seed: tuple[int, int] = (0, 0), layout: str = "plain"
) -> None:
    """Write one patient; in `plain` its folder appears complete or not at all, else its truth file comes last.

    Parameters
    ----------
    patient : VirtualPatient
        Images, masks and truth to write.
    folder : Path
        Folder of the patient; its parent is the cohort's.
    seed : (seed, number)
        Chooses the wording of the report.
    layout : str
        Key of `hyoid.io.cohorts.layouts.LAYOUTS`.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    text = patient_report(patient.truth, np.random.default_rng([*seed, 1]))
    part = folder.with_name(f".{folder.name}.part")
    try:
        if LAYOUTS[layout].per_patient:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            WRITERS[layout](patient, part, folder.name)
            if text:
                (part / "report.txt").write_text(text, encoding="utf-8")
            (part / "truth.json").write_text(_truth(patient), encoding="utf-8")
            part.rename(folder)
        else:
            _write_spread(patient, folder, layout, text)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise OutputError(
            f"The patient could not be written: {type(error).__name__}.", "Check that the folder is writable."
        ) from error


def _write_spread(patient: VirtualPatient, folder: Path, layout: str, text: str) -> None:
    """Files of a layout that shares folders between patients; the truth file comes last."""
    root, name = folder.parent, folder.name
    WRITERS[layout](patient, root, name)
    if text:
        write_text(root / "reports" / f"{name}.txt", text)
    write_text(root / "truth" / f"{name}.json", _truth(patient))


def _truth(patient: VirtualPatient) -> str:
    told = asdict(patient.truth)
    if patient.mr is not None:
        told["mr_changes"] = [asdict(change) for change in patient.mr.changes]
    return json.dumps(told, indent=1) + "\n"


def _made(orders: list[_Order], workers: int) -> Iterator[None]:
    """Make the patients, here or in other processes."""
    if workers == 1 or len(orders) < 2:
        for order in orders:
            _make(order)
            yield
        return
    with ProcessPoolExecutor(min(workers, len(orders)), mp_context=get_context("spawn")) as pool:
        running = [pool.submit(_make, order) for order in orders]
        try:
            for finished in as_completed(running):
                finished.result()
                yield
        finally:
            pool.shutdown(cancel_futures=True)


def _make(order: _Order) -> None:
    """Make and write one patient with its preview."""
    rng = np.random.default_rng([order.seed, order.number])
    patient = virtual_patient(rng, spacing_mm=order.spacing_mm, options=order.options)
    if order.number < SHEET_PATIENTS:
        shown = [m for m in order.options.modalities if m != "ct" or order.layout != "hntsmrg2024"]
        with atomic_write(order.picture) as path:
            preview(patient, shown).save(path)
    write_patient(patient, order.out / order.name, seed=(order.seed, order.number), layout=order.layout)


def _keep_settings(out: Path, spacing_mm: tuple[float, float, float], layout: str, options: PhantomOptions) -> None:
    """Write how the cohort is made; refuse to mix it with patients made otherwise."""
    settings = {"version": VERSION, "spacing_mm": spacing_mm, "layout": layout, "options": asdict(options)}
    told = json.loads(json.dumps(settings))
    path = out / _SETTINGS
    if path.exists():
        there = json.loads(path.read_text(encoding="utf-8"))
        if there != told:
            other = [k for k in told if there.get(k) != told[k]]
            raise UsageError(
                f"The folder holds virtual patients made with another {' and '.join(other)}.",
                "Give another folder, or the options of the first run.",
            )
        return
    write_text(path, json.dumps(told, indent=1) + "\n")
