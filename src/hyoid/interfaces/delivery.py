"""What every command does at its end: all files of a run in one folder, `run.json`, the last words, the exit code."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import typer

import hyoid
from hyoid.anatomy.structures import BY_LABEL, TG263_NAMES
from hyoid.inference.nnunet import Prediction
from hyoid.interfaces.further import NOTHING_FURTHER, Further, headers_of, identified, write_further
from hyoid.interfaces.registry import add_row, registry_row
from hyoid.interfaces.terminal import Terminal
from hyoid.io.atomic import output_folder
from hyoid.io.dicom.output import Export
from hyoid.io.dicom.rtstruct import rtstruct_masks, write_rtstruct
from hyoid.io.dicom.seg import seg_masks, write_seg
from hyoid.io.files.volumes import write_image, write_nifti
from hyoid.io.masks import Outline
from hyoid.io.packages.nnunet_source import NnunetSource, Source
from hyoid.io.run_record import (
    EMPTY_OR_FAILED,
    ORGANS_FILE,
    TARGETS_FILE,
    MachineRecord,
    ModelRecord,
    RunRecord,
    ScanRecord,
    SeriesRecord,
    StructureRecord,
    write_run,
)
from hyoid.io.study import Study
from hyoid.io.verify import verify_written
from hyoid.report.content.response import ResponseReport
from hyoid.report.content.schema import Report
from hyoid.systems.machine import Machine
from hyoid.systems.outlines import TARGET_VALUES, Outlines
from hyoid.volume import Geometry, Volume

TARGET_REGION, MASKS = "target_region.nii.gz", "masks.nii.gz"
_PACKAGES = ("openvino", "numpy", "SimpleITK", "pydicom", "highdicom")


@dataclass(frozen=True, eq=False)
class Results:
    """A system's findings, ready for their folder.

    Parameters
    ----------
    command : str
        Name of the command that ran.
    report : Report or ResponseReport
        Report of one scan, or of the response between two.
    write_pages : callable
        Writes `report.json`, `report.txt` and `report.html` into the folder that it is given; takes `report` to write
        another than its own.
    study : Study
        The scan that the outlines lie on.
    outlines : Outlines
        Outlines of organs and targets on that scan's own grid.
    models : mapping of str to ModelRecord
        Networks that ran, by name.
    inputs : mapping of str to Study
        Every image that went in, by its part in the run, such as "ct".
    machine : Machine
        Where the networks ran.
    options, facts : mapping
        Options of the command and facts about the run, see `RunRecord`.
    volumes : mapping of str to Volume
        Further volumes, by file name.
    texts : mapping of str to str
        Further text files, by file name.
    """

    command: str
    report: Report | ResponseReport
    write_pages: Callable[..., object]
    study: Study
    outlines: Outlines
    models: Mapping[str, ModelRecord]
    inputs: Mapping[str, Study]
    machine: Machine
    options: Mapping[str, object] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=dict)
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


def deliver(
    out: Path,
    results: Results,
    terminal: Terminal,
    names: Mapping[str, str] = TG263_NAMES,
    further: Further = NOTHING_FURTHER,
) -> RunRecord:
    """Write all files of a run; the folder appears complete or not at all.

    `organs.nii.gz` holds organs, each whole (labels of `hyoid.anatomy.structures`; absent where organs were not
    outlined), `targets.nii.gz` 1 GTVp and 2 GTVn (zero where nobody outlined a target), `target_region.nii.gz` a
    predicted high-dose region, `masks.nii.gz` all in one map for the eye, targets over organs. `seg.dcm` and
    `rtstruct.dcm` hold every structure whole, so structures overlap there.

    Parameters
    ----------
    out : Path
        Folder of results to make.
    results : Results
        Report, outlines and further volumes to write.
    terminal : Terminal
        Where progress is shown.
    names : mapping of str to str
        Names of structures in SEG and RTSTRUCT, from `read_names`.
    further : Further
        Further forms of the report, such as DICOM SR.

    Returns
    -------
    RunRecord
        As written to `run.json`.

    Raises
    ------
    OutputError
        When a file cannot be written, or differs when it is read back.
    """
    if further.identifiers:
        told = identified(results.report, results.inputs)
        results = replace(results, report=told, write_pages=partial(results.write_pages, report=told))
    outlines = results.outlines
    maps = {
        ORGANS_FILE: outlines.organ_map(),
        TARGETS_FILE: outlines.target_map(),
        TARGET_REGION: outlines.region_map(),
        MASKS: outlines.picture(),
        **results.volumes,
    }
    with output_folder(out) as folder:
        terminal.progress("write", 0, 2)
        results.write_pages(folder)
        terminal.progress("write", 1, 2)
        for name, volume in maps.items():
            if volume is not None:
                write_nifti(volume, folder / name)
        for name, text in results.texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        terminal.progress("write", 2, 2)
        leaving = outlines.leaving()
        write_dicom(folder, results.study, leaving, outlines.geometry, terminal, names)
        write_further(folder, results.report, results.study, outlines, further, terminal)
        record = RunRecord(
            command=results.command,
            statement=results.report.statement,
            **surroundings(results.machine),
            models=dict(results.models),
            inputs={part: scan_record(study) for part, study in results.inputs.items()},
            options=dict(results.options),
            facts=dict(results.facts),
            structures=structure_records(leaving, outlines),
            files=tuple(sorted(p.name for p in folder.iterdir())),
            seconds=dict(terminal.seconds),
            notes=results.report.warnings,
            empty=results.report.empty,
            failed=results.report.failed,
        )
        write_run(folder, record)
    if further.registry is not None and not add_row(further.registry, registry_row(results.report, record)):
        terminal.note("The registry holds this run already; no row was added.")
    return record


def deliver_prediction(
    out: Path,
    prediction: Prediction,
    outlines: Outlines,
    record: Mapping[str, Any],
    machine: Machine,
    terminal: Terminal,
    dicom: Callable[[Path], None] | None = None,
) -> RunRecord:
    """Write the label map of a foreign model; the folder appears complete or not at all.

    `labels.nii.gz` has the model's own labels. Where its names are hyoid's, `organs.nii.gz` and `targets.nii.gz` lie
    beside that file, with the meaning that they have everywhere.

    Parameters
    ----------
    out : Path
        Folder of results to make.
    prediction : Prediction
        Label map of the model, and how it came about.
    outlines : Outlines
        Structures of the label map whose names hyoid knows.
    record : mapping
        Fields of `RunRecord` that the command knows.
    machine : Machine
        Where the network ran.
    terminal : Terminal
        Where progress is shown.
    dicom : callable, optional
        Writes SEG and RTSTRUCT into the folder that it is given.
    """
    known = set(outlines.outlined_by)
    maps = {
        "labels.nii.gz": prediction.labels,
        ORGANS_FILE: outlines.organ_map(),
        TARGETS_FILE: outlines.target_map() if known & set(TARGET_VALUES) else None,
    }
    empty = not prediction.labels.array.any()
    with output_folder(out) as folder:
        for name, volume in maps.items():
            if volume is not None:
                write_image(volume, folder / name)
        if prediction.probabilities is not None:
            halves = prediction.probabilities.astype(np.float16)
            np.savez_compressed(folder / "probabilities.npz", probabilities=halves)
        if dicom is not None and not empty:
            dicom(folder)
        written = RunRecord(
            command="predict",
            **surroundings(machine),
            files=tuple(sorted(p.name for p in folder.iterdir())),
            seconds=dict(terminal.seconds),
            empty=empty,
            **record,
        )
        write_run(folder, written)
    return written


def write_dicom(
    folder: Path,
    study: Study,
    outlines: Sequence[Outline],
    grid: Geometry,
    terminal: Terminal,
    names: Mapping[str, str] = TG263_NAMES,
) -> None:
    """Write SEG and RTSTRUCT, read each back, and compare it with what was to be written.

    Parameters
    ----------
    folder : Path
        Folder for `seg.dcm` and `rtstruct.dcm`; must exist.
    study : Study
        The scan that the structures lie on.
    outlines : sequence of Outline
        Structures, which may overlap.
    grid : Geometry
        Grid of the scan.
    terminal : Terminal
        Where progress is shown.
    names : mapping of str to str
        Names of structures, from `read_names`.

    Raises
    ------
    OutputError
        When what was read back differs.
    """
    terminal.progress("dicom", 0, 4)
    if not outlines:
        terminal.progress("dicom", 4, 4, "nothing outlined, so no SEG and no RTSTRUCT")
        return
    headers = headers_of(study, grid)
    seg, rtstruct = folder / "seg.dcm", folder / "rtstruct.dcm"
    export = Export(names)
    write_seg(seg, outlines, headers, grid, export=export)
    terminal.progress("dicom", 1, 4)
    verify_written(outlines, seg_masks(seg), grid, what=seg.name)
    terminal.progress("dicom", 2, 4)
    write_rtstruct(rtstruct, outlines, headers, grid, export=export)
    terminal.progress("dicom", 3, 4)
    verify_written(outlines, rtstruct_masks(rtstruct, grid, names=names), grid, what=rtstruct.name)
    terminal.progress("dicom", 4, 4)


def surroundings(machine: Machine) -> dict[str, Any]:
    """Collect the versions and the machine that `run.json` states, by the names of `RunRecord`'s fields."""
    return {
        "hyoid": hyoid.__version__,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "machine": MachineRecord(system=platform.system(), processor=platform.machine(), device=machine.device),
    }


def model_records(packages: Sequence[Source], precisions: Mapping[str, str]) -> dict[str, ModelRecord]:
    """Put on record the packages that ran; folds of one recipe share a name and are numbered from the second on.

    Parameters
    ----------
    packages : sequence of ModelPackage or NnunetSource
        In the order in which they are listed; those without a precision did not run and are left out.
    precisions : mapping of str to str
        Arithmetic by the name in the manifest.
    """
    found: dict[str, ModelRecord] = {}
    for package in packages:
        manifest = package.manifest
        if manifest.name not in precisions:
            continue
        name, number = manifest.name, 1
        while name in found:
            number += 1
            name = f"{manifest.name} ({number})"
        found[name] = ModelRecord(
            version=manifest.version,
            sha256=manifest.sha256,
            licence=manifest.licence,
            training_data=manifest.training_data,
            precision=precisions[manifest.name],
            folds=tuple(package.model.checkpoints) if isinstance(package, NnunetSource) else (),
        )
    return found


def scan_record(study: Study) -> ScanRecord:
    """Put a scan that was read on record, without a word from its headers."""
    series, geometry = study.series, study.volume.geometry
    return ScanRecord(
        fingerprint=study.fingerprint,
        series=None
        if series is None
        else SeriesRecord(
            number_in_study=series.index,
            modality=series.modality,
            slices=series.slices,
            plane=series.plane,
            original=series.original,
            why=series.why,
            others=len(series.others),
        ),
        shape=geometry.shape,
        spacing_mm=geometry.spacing_mm,
        warnings=study.warnings,
        provenance=dict(study.provenance),
    )


def structure_records(leaving: Sequence[Outline], outlines: Outlines) -> tuple[StructureRecord, ...]:
    """Put every structure that was delivered, or left out with a reason, on record, in the order of labels.

    Parameters
    ----------
    leaving : sequence of Outline
        Structures in the delivered files.
    outlines : Outlines
        What the run outlined, with what was left out.
    """
    delivered = [
        StructureRecord(
            label=outline.structure.label,
            name=outline.structure.name,
            volume_ml=round(float(outline.mask.array.sum()) * outline.mask.geometry.voxel_ml, 4),
            outlined_by=str(outline.provenance),
            doubts=tuple(outline.note.split("; ")) if outline.note else (),
        )
        for outline in leaving
    ]
    left_out = [
        StructureRecord(
            label=label,
            name=BY_LABEL[label].name,
            volume_ml=round(left.volume_ml, 4),
            outlined_by=str(outlines.outlined_by.get(label, "")),
            left_out=left.why,
        )
        for label, left in outlines.left_out.items()
    ]
    return tuple(sorted([*delivered, *left_out], key=lambda record: record.label))


def finish(report: Report | ResponseReport, terminal: Terminal, *, place: str = "", stop: bool = True) -> None:
    """Say the summary of a report; end with exit code 5 when the report is empty or failed its own check.

    Parameters
    ----------
    report : Report or ResponseReport
        Report whose summary, warnings and statement of use are printed.
    terminal : Terminal
        Where the words are printed.
    place : str
        Folder of the results, where saying it tells nobody's name; otherwise the words name the output folder.
    stop : bool
        False: never end the command, for one with several runs.
    """
    terminal.event("done", out=place, empty=report.empty, failed=report.failed, summary=report.summary)
    terminal.say(report.summary, "bold")
    for warning in report.warnings:
        terminal.note(warning)
    terminal.say(report.statement)
    terminal.say(f"Open {place}/report.html" if place else "Open report.html in the output folder.", "bold")
    if stop and (report.empty or report.failed):
        raise typer.Exit(EMPTY_OR_FAILED)
