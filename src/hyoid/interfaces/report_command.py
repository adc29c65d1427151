"""`hyoid report` and `hyoid demo`: from a scan to a folder of results."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

import hyoid
from hyoid.geometry.orientation import to_canonical
from hyoid.interfaces.console import Teller
from hyoid.interfaces.installed import report_models
from hyoid.interfaces.places import cache_folder, device_named, precision_named
from hyoid.io.atomic import output_folder
from hyoid.io.dicom_ct import write_ct_series
from hyoid.io.dicom_output import synthetic_headers
from hyoid.io.dicom_rtstruct import rtstruct_masks, write_rtstruct
from hyoid.io.dicom_seg import seg_masks, write_seg
from hyoid.io.files import write_nifti
from hyoid.io.reader_masks import find_reader_masks
from hyoid.io.study import Study, read_study
from hyoid.io.verify import verify_written
from hyoid.pipelines.structured_report import Machine, ReportModels, ReportResult, structured_report
from hyoid.report.write import write_report
from hyoid.volume import Volume

EMPTY_OR_FAILED = 5
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
    finish(result, out, teller)


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
        finish(result, order.out, teller, stop=False)


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
        (folder / "run.json").write_text(
            json.dumps(run_record(order, study, models, result, machine, teller), indent=1)
        )
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


def run_record(
    order: Order, study: Study, models: ReportModels, result: ReportResult, machine: Machine, teller: Teller
) -> dict[str, object]:
    """What `run.json` says: versions, models with hashes, timings, device, fingerprints; no patient identifiers."""
    used = {name: package for name, package in vars(models).items() if name in result.precisions}
    return {
        "schema_version": 1,
        "statement": result.report.statement,
        "hyoid": hyoid.__version__,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("openvino", "numpy", "SimpleITK", "pydicom", "highdicom")},
        "machine": {"system": platform.system(), "processor": platform.machine(), "device": machine.device},
        "models": {
            name: {
                "version": package.manifest.version,
                "sha256": package.manifest.sha256,
                "licence": package.manifest.licence,
                "training_data": package.manifest.training_data,
                "precision": result.precisions[name],
            }
            for name, package in used.items()
        },
        "input": {
            "fingerprint": study.fingerprint,
            "series": None if study.series is None else str(study.series),
            "shape": list(study.volume.geometry.shape),
            "spacing_mm": list(study.volume.geometry.spacing_mm),
            "warnings": list(study.warnings),
            "provenance": study.provenance,
            "reader_masks": order.reader_masks is not None,
        },
        "seconds": dict(teller.seconds),
        "empty": result.report.empty,
        "failed": result.report.failed,
    }


def finish(result: ReportResult, out: Path, teller: Teller, *, stop: bool = True) -> None:
    """Say what came out and where; exit 5 when it is empty or failed its own check."""
    report_ = result.report
    teller.event("done", out=str(out), empty=report_.empty, failed=report_.failed, summary=report_.summary)
    teller.say(f"[bold]{report_.summary}[/]")
    for warning in report_.warnings:
        teller.say(f"[yellow]Note:[/] {warning}")
    teller.say(f"{report_.statement}\nOpen [bold]{out / 'report.html'}[/]")
    if stop and (report_.empty or report_.failed):
        raise typer.Exit(EMPTY_OR_FAILED)
