"""One case through somebody else's network: which files are a case, what is read, what the answer puts on record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hyoid.anatomy.structures import foreign_structure
from hyoid.errors import InputRefusedError, UsageError
from hyoid.inference.nnunet import Options, Prediction, predict_case
from hyoid.interfaces.answers import LabelAnswer
from hyoid.interfaces.delivery import scan_record
from hyoid.interfaces.terminal import Terminal
from hyoid.io.channels import CaseChannels, channels_of_dicom, channels_of_files
from hyoid.io.cohorts.nnunet import case_name, channel_files
from hyoid.io.dicom.output import synthetic_headers
from hyoid.io.dicom.rtstruct import rtstruct_masks, write_rtstruct
from hyoid.io.dicom.seg import seg_masks, write_seg
from hyoid.io.files.volumes import image_suffix
from hyoid.io.masks import outlines_of
from hyoid.io.packages.nnunet_folder import NnunetModel
from hyoid.io.packages.public_weights import Provenance
from hyoid.io.run_record import ModelRecord, ScanRecord
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
        raise UsageError("Two inputs have the same name, and would have the same output.", "Rename one input.")
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


def read_case(model: NnunetModel, case: Case, on_progress: Callable[[int, int], None]) -> CaseChannels:
    """Read the channels of one case, files or a DICOM study.

    Parameters
    ----------
    model : NnunetModel
        nnU-Net folder that says which channels it takes.
    case : Case
        Files of the case.
    on_progress : callable
        Called with (slices done, slices in all) of a DICOM study.
    """
    if case.dicom:
        return channels_of_dicom(model.channels, case.files[0], on_progress)
    return channels_of_files(model.channels, case.files)


def inputs_of(read: CaseChannels) -> dict[str, ScanRecord]:
    """Put every channel on record, by its number."""
    return {f"channel_{k}": scan_record(scan) for k, scan in enumerate(read.scans)}


def deciding(model: NnunetModel, options: Options) -> dict[str, object]:
    """Collect the options that decide the result, for `run.json`."""
    return {
        "model": model.name,
        "folds": list(model.checkpoints),
        "precision": options.precision,
        "mirror": options.mirror,
        "step": options.step,
        "fast": options.fast,
    }


def run_case(
    model: NnunetModel,
    provenance: Provenance | None,
    read: CaseChannels,
    options: Options,
    cache: Path,
    terminal: Terminal,
    *,
    from_dicom: bool,
) -> LabelAnswer:
    """Predict one case that was read.

    Parameters
    ----------
    model : NnunetModel
        nnU-Net folder with its checkpoints.
    provenance : Provenance or None
        Source and licence of the weights, where these are known.
    read : CaseChannels
        Channels of the case.
    options : Options
        Mirroring, tile step, precision and device.
    cache : Path
        Folder for compiled graphs.
    terminal : Terminal
        Clock of the run, where progress is shown.
    from_dicom : bool
        Whether the channels came from DICOM, which has no axis order of its own.
    """
    machine = Machine(options.device, cache, options.precision)
    progress = terminal.progress
    result = predict_case(model, read.volumes, options, cache, from_dicom=from_dicom, on_progress=progress)
    record = {
        "statement": statement(provenance),
        "models": {model.name: model_record(model, provenance, result)},
        "inputs": inputs_of(read),
        "options": deciding(model, options),
        "facts": {"labels": dict(model.labels.names)},
    }
    return LabelAnswer(
        prediction=result,
        outlines=foreign_outlines(result.labels, model.labels.names, network(model.name)),
        names=model.labels.names,
        image=read.volumes[0],
        record=record,
        machine=machine,
        write_dicom=partial(
            write_dicom_labels, model=model, provenance=provenance, labels=result.labels, study=read.study
        ),
        seconds=terminal.seconds,
    )


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
