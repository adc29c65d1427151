"""`hyoid predict`: any nnU-Net v2 folder on files, folders or DICOM, with nnU-Net's answer and without nnunetv2."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from hyoid.errors import UnreadableFileError
from hyoid.inference.nnunet import Options, Prediction
from hyoid.interfaces.cli.options import AsJson, DeviceName, DryRun, PrecisionName
from hyoid.interfaces.installed import nnunet_folder
from hyoid.interfaces.places import cache_folder, device_named, precision_named
from hyoid.interfaces.prediction import Case, deciding, find_cases, inputs_of, read_case, run_case, statement
from hyoid.interfaces.terminal import Terminal
from hyoid.io.atomic import claim_folder
from hyoid.io.packages.nnunet_folder import NnunetModel, read_nnunet_folder
from hyoid.io.packages.public_weights import Provenance
from hyoid.io.run_record import RUN_FILE, ScanRecord, read_run


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
    device: DeviceName = "auto",
    precision: PrecisionName = None,
    dicom: Annotated[bool, typer.Option("--dicom", help="Write DICOM SEG and RTSTRUCT as well.")] = False,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write the class probabilities as well, as .npz.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Empty the folder of a case that is there, and predict the case again.")
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
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
    read = read_case(model, case, lambda done, total: terminal.progress("read", done, total))
    if not overwrite and _is_done(target, inputs_of(read), deciding(model, options)):
        return None
    claim_folder(target, overwrite=overwrite)
    for note in dict.fromkeys(note for scan in read.scans for note in scan.warnings):
        terminal.note(note)
    answer = run_case(model, provenance, read, options, cache_folder(), terminal, from_dicom=case.dicom)
    answer.deliver(target, terminal, dicom=dicom)
    return answer.prediction


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
