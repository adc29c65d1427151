"""`hyoid lesion`: clicks on a scan to a lesion's mask, its five attributes and the report."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from hyoid.errors import UnsuitableScanError, UsageError
from hyoid.geometry.orientation import canonical_index, to_canonical
from hyoid.interfaces.cli.words import DEVICE_HELP, JSON_HELP, OUT_HELP, OVERWRITE_HELP, STUDY_HELP
from hyoid.interfaces.delivery import deliver, finish
from hyoid.interfaces.installed import OUTLINING, load_model, load_models
from hyoid.interfaces.places import cache_folder, device_named
from hyoid.interfaces.results import lesion_results
from hyoid.interfaces.terminal import Terminal
from hyoid.io.atomic import claim_folder
from hyoid.io.study import MODALITIES, Study, read_study
from hyoid.preprocess.gate import check_head_neck_ct
from hyoid.systems.lesion.pipeline import Scan, outlined
from hyoid.systems.lesion.report import anatomy_of, lesion_report
from hyoid.systems.lesion.session import AddLesion, AddPrompt, ClickSession, Target
from hyoid.systems.machine import Machine
from hyoid.systems.organs import outline_organs
from hyoid.volume import Quantity, Volume
from hyoid.workspace.workspace import first_readable

OUT = Path("hyoid-lesion")


def lesion(
    study: Annotated[Path, typer.Argument(help="DICOM folder or zip, or a NIfTI, NRRD or MHA file.")],
    click: Annotated[
        list[str],
        typer.Option(
            help="Click to make: slice,row,column of a voxel in the file's own order, then :+ (inside the lesion; "
            "the default) or :- (outside). Clicks are made in their order; the first must be inside."
        ),
    ],
    out: Annotated[Path, typer.Option(help=OUT_HELP)] = OUT,
    target: Annotated[str, typer.Option(help="Kind of lesion: GTVp or GTVn.")] = "GTVp",
    modality: Annotated[
        str, typer.Option(help="Modality to read: CT, MR or PT; by default the first of these that the study holds.")
    ] = "",
    series: Annotated[str | None, typer.Option(help="Series to read: its UID, number or description.")] = None,
    which: Annotated[str | None, typer.Option("--study", help=STUDY_HELP)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help=OVERWRITE_HELP)] = False,
    organs: Annotated[
        bool,
        typer.Option("--organs/--no-organs", help="Outline organs too (CT of the neck), so that the report is whole."),
    ] = True,
    model: Annotated[str, typer.Option(help="Interactive model to use, by name or folder.")] = "isrg",
    device: Annotated[str, typer.Option(help=DEVICE_HELP)] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Outline the lesion under one or more clicks, and describe it. Research use only."""
    from hyoid.inference.click_network import ClickNetwork

    if target not in ("GTVp", "GTVn"):
        raise UsageError(f"A lesion is GTVp or GTVn, not {target!r}.", "Choose one of them.")
    clicks = [parsed_click(text) for text in click]
    claim_folder(out, overwrite=overwrite)
    terminal = Terminal(as_json=as_json)
    machine = Machine(device_named(device), cache_folder())
    with terminal.bars():
        network = ClickNetwork(load_model(model), device=machine.device, cache=machine.cache / "regions")
        progress = partial(terminal.progress, "read")
        attempts = (modality,) if modality else MODALITIES
        reading = partial(read_study, study, series=series, study=which, on_progress=progress)
        read, modality = first_readable({m: partial(reading, modality=m) for m in attempts})
        scan = Scan(to_canonical(read.volume), read.fingerprint)
        session = session_of(read, clicks, target)  # type: ignore[arg-type]
        terminal.progress("clicks", 0, len(clicks))
        clicked = session.state.lesions[0]
        outline = outlined(scan, [p.prompt for p in clicked.prompts], network)
        terminal.progress("clicks", len(clicks), len(clicks))
        found: Volume | None = None
        warnings: tuple[str, ...] = ()
        if organs and read.volume.quantity is Quantity.HU:
            found, warnings = organs_or_reason(scan.volume, machine, terminal)
        manifests = [p.manifest for p in load_models(OUTLINING)] if found is not None else []
        anatomy = anatomy_of(read, modality, found, manifests, warnings)
        lesions = [(clicked, outline)]
        report = lesion_report(anatomy, lesions, session.state, network.manifest)
        results = lesion_results(read, report, lesions, found, session, network.manifest, machine, anatomy.outlined_by)
        deliver(out, results, terminal)
    for line in report.lines:
        if line.key.startswith("lesion_"):
            chance = "" if line.probability is None else f" ({line.probability:.2f})"
            terminal.say(f"{line.words}: {line.value}{chance}")
    if outline.box is None:
        terminal.say("The network outlined nothing at these clicks. Add one or two more inside the lesion.")
    finish(report, terminal, place=str(out) if out == OUT else "")


def parsed_click(text: str) -> tuple[tuple[int, int, int], bool]:
    """Parse a click into a voxel, and whether the click adds to the outline.

    Raises
    ------
    UsageError
        When the text is no click.

    Examples
    --------
    >>> parsed_click("12,40,7"), parsed_click("1,2,3:-")
    (((12, 40, 7), True), ((1, 2, 3), False))
    """
    place, _, sign = text.partition(":")
    parts = place.split(",")
    if sign not in ("", "+", "-") or len(parts) != 3 or not all(p.strip().lstrip("-").isdigit() for p in parts):
        raise UsageError(f"{text!r} is no click.", "Write slice,row,column and :+ or :-, for example 60,210,255:+")
    d, h, w = (int(p) for p in parts)
    return (d, h, w), sign != "-"


def session_of(study: Study, clicks: list[tuple[tuple[int, int, int], bool]], target: Target) -> ClickSession:
    """Make a session with one lesion and these clicks, given in the order of the study's own array.

    Raises
    ------
    UsageError
        When a click lies outside the scan.
    """
    session = ClickSession(session="command", study=study.fingerprint).done(AddLesion(target=target))
    shape = study.volume.geometry.shape
    for point, adds in clicks:
        if any(not 0 <= p < n for p, n in zip(point, shape, strict=True)):
            raise UsageError(
                f"The click {point} lies outside the scan of {shape} slices, rows and columns.",
                "Count from 0, in the order of the file's own array.",
            )
        place = canonical_index(study.volume.geometry, point)
        session = session.done(AddPrompt(lesion=1, kind="add" if adds else "remove", point_ijk=place))
    return session


def organs_or_reason(ct: Volume, machine: Machine, terminal: Terminal) -> tuple[Volume | None, tuple[str, ...]]:
    """Outline organs on the canonical grid; no labels, with the reason, where the scan is not one of a neck."""
    try:
        warnings = check_head_neck_ct(ct)
    except UnsuitableScanError as refusal:
        return None, (f"Organs were not outlined: {refusal.problem}",)
    outlines = outline_organs(ct, load_models(OUTLINING), machine, terminal.progress)
    return outlines.labels, (*warnings, *outlines.warnings)
