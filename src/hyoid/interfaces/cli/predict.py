"""`hyoid predict`: any nnU-Net v2 folder on files, folders or DICOM, with nnU-Net's answer and without nnunetv2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from hyoid.anatomy.structures import foreign_structure
from hyoid.errors import InputRefusedError, UnreadableFileError, UsageError
from hyoid.inference.nnunet import Options, Prediction, predict_case
from hyoid.interfaces.cli.words import DEVICE_HELP, JSON_HELP, PRECISION_HELP
from hyoid.interfaces.delivery import deliver_prediction, scan_record
from hyoid.interfaces.installed import nnunet_folder
from hyoid.interfaces.places import cache_folder, device_named, precision_named
from hyoid.interfaces.terminal import Terminal
from hyoid.io.atomic import claim_folder
from hyoid.io.channels import channels_of_dicom, channels_of_files
from hyoid.io.cohorts.nnunet import case_name, channel_files
from hyoid.io.dicom.output import synthetic_headers
from hyoid.io.dicom.rtstruct import rtstruct_masks, write_rtstruct
from hyoid.io.dicom.seg import seg_masks, write_seg
from hyoid.io.files.volumes import image_suffix
from hyoid.io.masks import outlines_of
from hyoid.io.packages.nnunet_folder import NnunetModel, read_nnunet_folder
from hyoid.io.packages.public_weights import Provenance
from hyoid.io.run_record import RUN_FILE, ModelRecord, ScanRecord, read_run
from hyoid.io.study import Study
from hyoid.io.verify import verify_written
from hyoid.provenance import network
from hyoid.systems.machine import Machine
from hyoid.systems.outlines import foreign_outlines
from hyoid.volume import Volume

STATEMENT = "Research use only. Not a medical device, not for diagnosis or treatment."


@dataclass(frozen=True)
class Case:
    """Files of one case, one per channel, or one DICOM study."""

    name: str
    files: tuple[Path, ...]
    dicom: bool


def predict(
    model: Annotated[
        str,
        typer.Argument(help="Model to run: nnU-Net v2 folder (with plans.json), or the name of fetched weights."),
    ],
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="A file per channel; folders of *_0000 files; or DICOM folders or zips (CT, MR, PET), a case each.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for the label maps, one folder in it per case: its name for files, case_001 ... for DICOM."
        ),
    ],
    folds: Annotated[
        str | None, typer.Option(help="Folds to average, such as 0,2; by default every fold of the folder.")
    ] = None,
    configuration: Annotated[
        str | None,
        typer.Option(help="Configuration of the plans, such as 3d_fullres, where the folder's name does not tell."),
    ] = None,
    checkpoint: Annotated[str, typer.Option(help="Checkpoint to load: final or best.")] = "final",
    mirror: Annotated[bool, typer.Option(help="Average over mirrored inputs, as nnU-Net does.")] = True,
    step: Annotated[
        float, typer.Option(min=0.1, max=1.0, help="Tile step: distance between tiles as a share of their edge.")
    ] = 0.5,
    fast: Annotated[
        bool, typer.Option("--fast", help="Skip tiles without body (CT only); labels there are lost.")
    ] = False,
    device: Annotated[str, typer.Option(help=DEVICE_HELP)] = "auto",
    precision: Annotated[str | None, typer.Option(help=PRECISION_HELP)] = None,
    dicom: Annotated[bool, typer.Option("--dicom", help="Write DICOM SEG and RTSTRUCT as well.")] = False,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write the class probabilities as well, as .npz.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Empty the folder of a case that is there, and predict the case again.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Run an nnU-Net v2 model on files, folders or DICOM. Research use only."""
    terminal = Terminal(as_json=as_json)
    folder, provenance = nnunet_folder(model)
    chosen = read_nnunet_folder(
        folder,
        configuration=configuration,
        folds=tuple(f.strip() for f in folds.split(",")) if folds else (),
        checkpoint=checkpoint,
    )
    cases = find_cases(inputs, len(chosen.channels))
    options = Options(mirror, step, precision_named(precision), fast, device_named(device), probabilities)
    terminal.say(
        f"{chosen.name}: {len(chosen.checkpoints)} fold(s), patch {' x '.join(map(str, chosen.patch))}, "
        f"{len(chosen.labels.heads)} outputs; {len(cases)} case(s)."
    )
    if dry_run:
        names = [channel.name for channel in chosen.channels]
        terminal.event("plan", model=chosen.name, folds=list(chosen.checkpoints), cases=len(cases), channels=names)
        return
    out.mkdir(parents=True, exist_ok=True)
    with terminal.bars():
        for number, case in enumerate(cases):
            terminal.progress("predict", number, len(cases))
            target = out / case.name
            predict_one(chosen, provenance, case, target, options, terminal, dicom=dicom, overwrite=overwrite)
        terminal.progress("predict", len(cases), len(cases), "")
    terminal.event("done", out=str(out), cases=len(cases))
    terminal.say(f"{len(cases)} case(s) in {out}. {statement(provenance)}")


def find_cases(inputs: Sequence[Path], channels: int) -> tuple[Case, ...]:
    """Find the cases that the arguments mean.

    A case of image files is called after its files, as in nnU-Net. A DICOM study is called `case_001`, `case_002`, ...
    by its place among the arguments: names of its folders and archives are often those of patients.

    Parameters
    ----------
    inputs : sequence of Path
        Image files: of one case in the order of the channels, or of several cases when their names end in _0000, _0001,
        …. Or folders, each of such files or of one DICOM study; zips and DICOM files, each one study.
    channels : int
        Number of input channels that the model takes.

    Raises
    ------
    InputRefusedError
        When a case lacks a channel, or nothing is found.
    UsageError
        When image files and studies are mixed, or two cases have one name.
    """
    files = [p for p in inputs if image_suffix(p)]
    if files and len(files) < len(inputs):
        raise UsageError("Image files and DICOM studies were given together.", "Give one kind at a time.")
    if files:
        numbered = all(channel_files([p]) for p in files)
        if numbered and len(files) != channels:
            return _numbered_cases(files, channels, "the files given")
        return (Case(case_name(files[0]), tuple(files), dicom=False),)
    cases: list[Case] = []
    for place, path in enumerate(inputs, start=1):
        inside = sorted(p for p in path.iterdir() if image_suffix(p)) if path.is_dir() else []
        if inside:
            cases += _numbered_cases(inside, channels, f"input {place}")
        else:
            cases.append(Case(f"case_{place:03d}", (path,), dicom=True))
    names = [case.name for case in cases]
    if len(set(names)) < len(names):
        raise UsageError("Two inputs have the same name, and would have the same output.", "Rename one of them.")
    return tuple(cases)


def _numbered_cases(files: Sequence[Path], channels: int, where: str) -> tuple[Case, ...]:
    """Cases of files whose names end in the number of their channel."""
    by_case = channel_files(files)
    if not by_case:
        raise InputRefusedError(
            f"No file in {where} ends in _0000.", "Name the channels of a case NAME_0000, NAME_0001, …."
        )
    for number, there in enumerate(by_case.values(), start=1):
        if sorted(there) != list(range(channels)):
            raise InputRefusedError(
                f"Case {number} in the order of names has the channels {sorted(there)}; the model takes "
                f"{list(range(channels))}.",
                "Complete the case, or move it away.",
            )
    return tuple(Case(n, tuple(there[k] for k in range(channels)), dicom=False) for n, there in by_case.items())


def statement(provenance: Provenance | None) -> str:
    """Write what every output says of its use."""
    if provenance is None or not provenance.model.noncommercial:
        return STATEMENT
    return f"{STATEMENT} Not for commercial use: the weights are under {provenance.model.licence}."


def predict_one(
    model: NnunetModel,
    provenance: Provenance | None,
    case: Case,
    target: Path,
    options: Options,
    terminal: Terminal,
    *,
    dicom: bool,
    overwrite: bool = False,
) -> Prediction | None:
    """Read, predict and write one case, unless its folder holds the answer already.

    Raises
    ------
    UsageError
        When the folder holds results of another input, model or options, and `overwrite` was not asked for.
    """
    terminal.start_over()
    if case.dicom:

        def said(done: int, total: int) -> None:
            terminal.progress("read", done, total)

        read = channels_of_dicom(model.channels, case.files[0], said)
    else:
        read = channels_of_files(model.channels, case.files)
    inputs = {f"channel_{k}": scan_record(scan) for k, scan in enumerate(read.scans)}
    deciding = {
        "model": model.name,
        "folds": list(model.checkpoints),
        "precision": options.precision,
        "mirror": options.mirror,
        "step": options.step,
        "fast": options.fast,
    }
    if not overwrite and _is_done(target, inputs, deciding):
        return None
    claim_folder(target, overwrite=overwrite)
    for note in dict.fromkeys(note for scan in read.scans for note in scan.warnings):
        terminal.note(note)
    machine = Machine(options.device, cache_folder(), options.precision)
    progress = terminal.progress
    result = predict_case(model, read.volumes, options, machine.cache, from_dicom=case.dicom, on_progress=progress)
    outlines = foreign_outlines(result.labels, model.labels.names, network(model.name))
    record = {
        "statement": statement(provenance),
        "models": {model.name: model_record(model, provenance, result)},
        "inputs": inputs,
        "options": deciding,
        "facts": {"labels": dict(model.labels.names)},
    }
    write = partial(write_dicom_labels, model=model, provenance=provenance, labels=result.labels, study=read.study)
    deliver_prediction(target, result, outlines, record, machine, terminal, write if dicom else None)
    return result


def _is_done(folder: Path, inputs: Mapping[str, ScanRecord], options: Mapping[str, object]) -> bool:
    """Whether a folder holds the results of these inputs and options."""
    if not (folder / RUN_FILE).is_file():
        return False
    try:
        done = read_run(folder)
    except UnreadableFileError:
        return False
    same = {part: scan.fingerprint for part, scan in inputs.items()}
    return {part: scan.fingerprint for part, scan in done.inputs.items()} == same and done.options == options


def model_record(model: NnunetModel, provenance: Provenance | None, result: Prediction) -> ModelRecord:
    """Put an nnU-Net folder on record, with what is known of its source."""
    return ModelRecord(
        licence=provenance.model.licence if provenance else "not told by the folder",
        training_data=provenance.model.cite if provenance else "not told by the folder",
        precision=result.precision,
        folds=tuple(model.checkpoints),
        trainer=result.trainer,
    )


def write_dicom_labels(
    folder: Path, model: NnunetModel, provenance: Provenance | None, labels: Volume, study: Study | None
) -> None:
    """Write SEG and RTSTRUCT of the model's labels, read each back and compare."""
    headers = (study.headers if study else None) or synthetic_headers(labels.geometry, seed=model.name)
    names = dict(zip(model.labels.heads, model.labels.names, strict=True)) if model.labels.regions else {}
    names |= {value: name for name, value in model.labels.names.items() if isinstance(value, int)}
    structures = {label: foreign_structure(label, name) for label, name in names.items()}
    said = model.name[:64]
    description = said if provenance is None or not provenance.model.noncommercial else f"NON-COMMERCIAL {said}"[:64]
    outlines = outlines_of(labels, network(said), structures=structures)
    write_seg(folder / "seg.dcm", outlines, headers, labels.geometry, description=description)
    verify_written(labels, seg_masks(folder / "seg.dcm", structures), what="seg.dcm")
    rtstruct = folder / "rtstruct.dcm"
    write_rtstruct(rtstruct, outlines, headers, labels.geometry, description=description)
    verify_written(labels, rtstruct_masks(rtstruct, labels.geometry, structures), what="rtstruct.dcm")
