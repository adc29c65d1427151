"""`hyoid report` and `hyoid demo`: from a scan to a folder of results."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hyoid.geometry.orientation import to_canonical
from hyoid.interfaces.cli.console import Teller
from hyoid.interfaces.delivery import finish, run_record, scan_record
from hyoid.interfaces.installed import report_models
from hyoid.interfaces.places import cache_folder, device_named, precision_named
from hyoid.io.atomic import output_folder
from hyoid.io.dicom.ct import write_ct_series
from hyoid.io.dicom.output import synthetic_headers
from hyoid.io.dicom.rtstruct import rtstruct_masks, write_rtstruct
from hyoid.io.dicom.seg import seg_masks, write_seg
from hyoid.io.files.volumes import write_nifti
from hyoid.io.reader_masks import find_reader_masks
from hyoid.io.study import Study, read_study
from hyoid.io.verify import verify_written
from hyoid.report.pages.write import write_report
from hyoid.systems.ct_report.pipeline import ReportResult, structured_report
from hyoid.systems.machine import Machine
from hyoid.volume import Volume

DEMO_SEED = 7


@dataclass(frozen=True)
class Order:
    """What a user asked for.

    Parameters
    ----------
    study, out : Path
    reader_masks : Path or None
    device : str
    precision : str or None
    series : str or None
    regularize : bool
    """

    study: Path
    out: Path
    reader_masks: Path | None = None
    device: str = "auto"
    precision: str | None = None
    series: str | None = None
    regularize: bool = False


def report(
    study: Annotated[Path, typer.Argument(help="CT: DICOM folder or zip, or a NIfTI, NRRD or MHA file.")],
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("hyoid-report"),
    reader_masks: Annotated[
        Path | None,
        typer.Option(help="A reader's tumour and nodes: label map (1 GTVp, 2 GTVn), RTSTRUCT or DICOM SEG."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[
        str | None, typer.Option(help="f32 or bf16; by default what each model's card allows.")
    ] = None,
    series: Annotated[
        str | None, typer.Option(help="Series UID, number or description, when there are several.")
    ] = None,
    regularize: Annotated[bool, typer.Option(help="Fill missing slices by interpolation, and say so.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable events.")] = False,
) -> None:
    """Make a structured report of a head-and-neck CT. Research use only."""
    teller = Teller(as_json=as_json)
    order = Order(study, out, reader_masks, device, precision, series, regularize)
    with teller.bars():
        result = run_report(order, teller)
    finish(result.report, out, teller)


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the virtual patient and its reports.")] = Path("hyoid-demo"),
    seed: Annotated[int, typer.Option(help="Which virtual patient.")] = DEMO_SEED,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable events.")] = False,
) -> None:
    """Make one virtual patient, write its CT as DICOM, and report on it with and without a reader's outlines."""
    import numpy as np

    from hyoid.phantom.patient import PhantomOptions, virtual_patient

    teller = Teller(as_json=as_json)
    with teller.bars():
        teller.progress("phantom", 0, 1)
        options = PhantomOptions(nodes=(2, 3), diameter_mm=(25, 40), wide_hu=False)
        patient = virtual_patient(np.random.default_rng(seed), spacing_mm=(3.0, 1.5, 1.5), options=options)
        teller.progress("phantom", 1, 1)
        with output_folder(out / "patient") as folder:
            write_ct_series(folder / "ct", patient.ct, seed=f"demo-{seed}")
            write_nifti(patient.lesions, folder / "lesions.nii.gz")
    ct, masks = out / "patient" / "ct", out / "patient" / "lesions.nii.gz"
    teller.say(f"A virtual patient lies in {out / 'patient'}: DICOM CT, and its true tumour and nodes.")
    orders = {
        "The networks alone:": Order(ct, out / "report", device=device),
        "With the true outlines as a reader's masks:": Order(ct, out / "report-with-reader-masks", masks, device),
    }
    for words, order in orders.items():
        teller = Teller(as_json=as_json)
        teller.say(f"\n[bold cyan]{words}[/]")
        with teller.bars():
            result = run_report(order, teller)
        finish(result.report, order.out, teller, stop=False)


def run_report(order: Order, teller: Teller) -> ReportResult:
    """Read, report, write; `order.out` appears complete or not at all."""
    machine = Machine(device_named(order.device), cache_folder(), precision_named(order.precision))
    if machine.device == "cpu" and not any(machine.cache.glob("*.xml")):
        teller.say("First run on this machine: the networks are compiled once, which takes a minute or two.")
    models = report_models()
    study = read_study(
        order.study,
        series=order.series,
        regularize=order.regularize,
        on_progress=lambda done, total: teller.progress("read", done, total),
    )
    reader = None if order.reader_masks is None else find_reader_masks(order.reader_masks, study.volume.geometry)
    result = structured_report(study, models, machine, reader=reader, on_progress=teller.progress)
    with output_folder(order.out) as folder:
        teller.progress("write", 0, 2)
        canonical = to_canonical(result.labels)
        write_report(folder, result.report, to_canonical(result.ct), canonical, result.attention)
        teller.progress("write", 1, 2)
        write_nifti(result.labels, folder / "masks.nii.gz")
        teller.progress("write", 2, 2)
        write_dicom(folder, study, result.labels, teller)
        packages = {package.manifest.name: package for package in vars(models).values()}
        used = {name: package for name, package in packages.items() if name in result.precisions}
        inputs = scan_record(study) | {"reader_masks": order.reader_masks is not None}
        record = run_record(result.report, used, result.precisions, inputs, machine, teller)
        (folder / "run.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    return result


def write_dicom(folder: Path, study: Study, labels: Volume, teller: Teller) -> None:
    """SEG and RTSTRUCT, each read back and compared with what was to be written.

    Raises
    ------
    OutputError
        When what was read back differs.
    """
    headers = study.headers or synthetic_headers(labels.geometry, seed=study.fingerprint)
    teller.progress("dicom", 0, 4)
    if not labels.array.any():
        teller.progress("dicom", 4, 4, "nothing outlined, so no SEG and no RTSTRUCT")
        return
    write_seg(folder / "seg.dcm", labels, headers)
    teller.progress("dicom", 1, 4)
    verify_written(labels, seg_masks(folder / "seg.dcm"), what="seg.dcm")
    teller.progress("dicom", 2, 4)
    write_rtstruct(folder / "rtstruct.dcm", labels, headers)
    teller.progress("dicom", 3, 4)
    verify_written(labels, rtstruct_masks(folder / "rtstruct.dcm", labels.geometry), what="rtstruct.dcm")
    teller.progress("dicom", 4, 4)
