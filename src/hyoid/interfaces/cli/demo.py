"""`hyoid demo`: one virtual PET/CT patient, reported on by the networks alone, then with a reader's correction."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hyoid.interfaces.chosen_models import outlining, petct_models, template_package
from hyoid.interfaces.cli.options import AsJson, DeviceName, Overwrite
from hyoid.interfaces.delivery import deliver, finish
from hyoid.interfaces.further import USUAL
from hyoid.interfaces.places import machine_named
from hyoid.interfaces.results import petct_results
from hyoid.interfaces.terminal import Terminal
from hyoid.io.atomic import claim_folder, output_folder
from hyoid.io.dicom.ct import write_ct_series
from hyoid.io.dicom.images import write_pet_series
from hyoid.io.export_names import read_names
from hyoid.io.files.volumes import write_nifti
from hyoid.io.petct import read_petct
from hyoid.io.reader_masks import ReaderMasks, find_reader_masks
from hyoid.systems.examination import Request
from hyoid.systems.petct.pipeline import PetCtModels
from hyoid.systems.petct.report import examine, report_of

DEMO_SEED = 7
_PRIMARY = "tonsil_right"
_SPACING_MM = (3.0, 2.0, 2.0)
_FOLDERS = ("patient", "report", "report-with-reader-masks")


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the virtual patient and its reports.")] = Path("hyoid-demo"),
    seed: Annotated[int, typer.Option(help="Number of the virtual patient.")] = DEMO_SEED,
    device: DeviceName = "auto",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Make one virtual PET/CT patient, write its DICOM, and report on it with and without a reader's outlines."""
    terminal = Terminal(as_json=as_json)
    claim_folder(out, overwrite=overwrite, known=_FOLDERS)
    with terminal.bars():
        write_patient(out / "patient", seed, terminal)
    terminal.say(f"A virtual patient lies in {out / 'patient'}: DICOM CT and PET, and its true tumour and nodes.")
    machine, names = machine_named(device, None), read_names("tg263")
    networks, organ_networks, subsites = petct_models(), outlining().sources, template_package()
    packages = [*networks.all, *organ_networks, subsites]
    scans = read_petct(out / "patient" / "study")
    drawn = find_reader_masks(out / "patient" / "lesions.nii.gz", scans.ct.volume.geometry, headers=scans.ct.headers)
    runs: tuple[tuple[str, str, PetCtModels | ReaderMasks], ...] = (
        ("The networks alone:", "report", networks),
        ("Corrected by a reader, here by the true outlines:", "report-with-reader-masks", drawn),
    )
    organs = None
    for words, folder, targets in runs:
        terminal = Terminal(as_json=as_json)
        terminal.say(f"\n{words}", "bold cyan")
        with terminal.bars():
            found = examine(
                scans,
                targets,
                organ_networks,
                machine,
                template=subsites,
                organs_before=organs,
                on_progress=terminal.progress,
            )
            organs = found.organs
            made = report_of(scans, found)
            decision = networks.decision if targets is networks else None
            results = petct_results(scans, made, packages, machine, Request(), decision, organs=True)
            deliver(out / folder, results, terminal, names, USUAL)
        finish(made.report, terminal, place=str(out / folder), stop=False)


def write_patient(folder: Path, seed: int, terminal: Terminal) -> None:
    """Make a virtual patient with a tumour of the right tonsil, and write CT and PET as DICOM, with the true outlines.

    Parameters
    ----------
    folder : Path
        Folder of the patient: `study` with the DICOM series, and `lesions.nii.gz`.
    seed : int
        Number of the virtual patient.
    terminal : Terminal
        Where progress is shown.
    """
    import numpy as np

    from hyoid.phantom.patient import PhantomOptions, virtual_patient

    terminal.progress("phantom", 0, 1)
    options = PhantomOptions(
        primary=_PRIMARY, nodes=(2, 3), diameter_mm=(25, 40), wide_hu=False, modalities=("ct", "pet")
    )
    patient = virtual_patient(np.random.default_rng(seed), spacing_mm=_SPACING_MM, options=options)
    assert patient.pet is not None
    with output_folder(folder) as made:
        write_ct_series(made / "study" / "ct", patient.ct, seed=f"demo-{seed}")
        write_pet_series(made / "study" / "pt", patient.pet, seed=f"demo-{seed}")
        write_nifti(patient.lesions, made / "lesions.nii.gz")
    terminal.progress("phantom", 1, 1)
