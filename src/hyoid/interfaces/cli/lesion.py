"""`hyoid lesion`: clicks on a scan to a lesion's mask, its five attributes and the report."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

import hyoid
from hyoid.errors import UnsuitableScanError, UsageError
from hyoid.geometry.orientation import canonical_index, from_canonical, to_canonical
from hyoid.interfaces.cli.console import Teller
from hyoid.interfaces.cli.report import write_dicom
from hyoid.interfaces.delivery import EMPTY_OR_FAILED
from hyoid.interfaces.installed import OUTLINING, load_model, load_models
from hyoid.interfaces.places import cache_folder, device_named
from hyoid.interfaces.web.studies import MODALITIES
from hyoid.io.atomic import output_folder
from hyoid.io.files.volumes import write_nifti
from hyoid.io.study import Study, read_study
from hyoid.preprocess.gate import check_head_neck_ct
from hyoid.report.content.schema import Report
from hyoid.report.pages.write import write_report
from hyoid.systems.lesion.pipeline import Outline, Scan, outlined
from hyoid.systems.lesion.report import anatomy_of, lesion_report, target_labels
from hyoid.systems.lesion.session import AddLesion, AddPrompt, ClickSession, LesionState, Target
from hyoid.systems.machine import Machine
from hyoid.systems.organs import outline_organs
from hyoid.volume import Quantity, Volume
from hyoid.workspace.workspace import first_readable


def lesion(
    study: Annotated[Path, typer.Argument(help="DICOM folder or zip, or a NIfTI, NRRD or MHA file.")],
    click: Annotated[
        list[str],
        typer.Option(
            help="slice,row,column of a voxel in the file's own order, then :+ (belongs to the lesion, the default) or "
            ":- (does not). In the order of the clicks; the first must add."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("hyoid-lesion"),
    target: Annotated[str, typer.Option(help="What the lesion is: GTVp or GTVn.")] = "GTVp",
    modality: Annotated[
        str, typer.Option(help="CT, MR or PT; by default the first of these that the study holds.")
    ] = "",
    series: Annotated[str | None, typer.Option(help="Series UID, number or description.")] = None,
    organs: Annotated[
        bool,
        typer.Option("--organs/--no-organs", help="Outline organs too (CT of the neck), so that the report is whole."),
    ] = True,
    model: Annotated[str, typer.Option(help="Interactive model by name or folder.")] = "isrg",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable events.")] = False,
) -> None:
    """Outline and describe the lesion under some clicks. Research use only."""
    from hyoid.inference.click_network import ClickNetwork

    if target not in ("GTVp", "GTVn"):
        raise UsageError(f"A lesion is GTVp or GTVn, not {target!r}.", "Choose one of them.")
    clicks = [parsed_click(text) for text in click]
    teller = Teller(as_json=as_json)
    cache = cache_folder()
    with teller.bars():
        network = ClickNetwork(load_model(model), device=device_named(device), cache=cache / "regions")
        progress = partial(teller.progress, "read")
        attempts = (modality,) if modality else MODALITIES
        read, modality = first_readable(
            {m: partial(read_study, study, modality=m, series=series, on_progress=progress) for m in attempts}
        )
        scan = Scan(to_canonical(read.volume), read.fingerprint)
        session = session_of(read, clicks, target)  # type: ignore[arg-type]
        teller.progress("clicks", 0, len(clicks))
        of = session.state.lesions[0]
        outline = outlined(scan, [p.prompt for p in of.prompts], network)
        teller.progress("clicks", len(clicks), len(clicks))
        found: Volume | None = None
        warnings: tuple[str, ...] = ()
        if organs and read.volume.quantity is Quantity.HU:
            found, warnings = organs_or_reason(scan.volume, Machine(device_named(device), cache), teller)
        manifests = [p.manifest for p in load_models(OUTLINING)] if found is not None else []
        anatomy = anatomy_of(read, modality, found, manifests, warnings)
        report = lesion_report(anatomy, [(of, outline)], session.state, network.manifest)
        write_results(out, read, report, [(of, outline)], found, session, network.manifest.sha256, teller)
    say(report, outline, out, teller)


def parsed_click(text: str) -> tuple[tuple[int, int, int], bool]:
    """Voxel, and whether it adds.

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
    """Session with one lesion and these clicks, given in the order of the study's own array.

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


def organs_or_reason(ct: Volume, machine: Machine, teller: Teller) -> tuple[Volume | None, tuple[str, ...]]:
    """Organ labels on the canonical grid; none, with the reason, where the scan is not one of a neck."""
    try:
        warnings = check_head_neck_ct(ct)
    except UnsuitableScanError as refusal:
        return None, (f"Organs were not outlined: {refusal.problem}",)
    outlines = outline_organs(ct, load_models(OUTLINING), machine, teller.progress)
    return outlines.labels, (*warnings, *outlines.warnings)


def write_results(
    out: Path,
    study: Study,
    report: Report,
    lesions: list[tuple[LesionState, Outline]],
    organs: Volume | None,
    session: ClickSession,
    model_sha256: str,
    teller: Teller,
) -> None:
    """All files of a report, and the session; `out` appears complete or not at all."""
    geometry = to_canonical(study.volume).geometry
    targets = target_labels(lesions, geometry)
    labels = targets.array.copy()
    if organs is not None:
        labels = organs.array.astype(labels.dtype)
        labels[targets.array > 0] = targets.array[targets.array > 0]
    on_scan = Volume(from_canonical(labels, study.volume.geometry), study.volume.geometry, Quantity.LABEL)
    with output_folder(out) as folder:
        teller.progress("write", 0, 2)
        write_report(folder, report, to_canonical(study.volume), to_canonical(on_scan))
        teller.progress("write", 1, 2)
        write_nifti(on_scan, folder / "masks.nii.gz")
        teller.progress("write", 2, 2)
        write_dicom(folder, study, on_scan, teller)
        (folder / "session.json").write_text(session.model_dump_json(indent=1), encoding="utf-8")
        record = {
            "schema_version": 1,
            "statement": report.statement,
            "hyoid": hyoid.__version__,
            "models": {m.words: m.sha256 for m in report.models},
            "interactive_model": model_sha256,
            "input": {"fingerprint": study.fingerprint, "shape": list(study.volume.geometry.shape)},
            "lesions": [
                {
                    "number": lesion.number,
                    "target": lesion.target,
                    "clicks": len(lesion.prompts),
                    "voxels": outline.voxels,
                    "expected_iou": round(outline.answer.iou, 4),
                    "attributes": outline.answer.attributes,
                }
                for lesion, outline in lesions
            ],
            "seconds": dict(teller.seconds),
        }
        (folder / "run.json").write_text(json.dumps(record, indent=1), encoding="utf-8")


def say(report: Report, outline: Outline, out: Path, teller: Teller) -> None:
    """What came out and where; exit 5 when nothing was outlined."""
    teller.event("done", out=str(out), voxels=outline.voxels, summary=report.summary, empty=outline.box is None)
    teller.say(f"[bold]{report.summary}[/]")
    for line in report.lines:
        if line.key.startswith("lesion_"):
            chance = "" if line.probability is None else f" ({line.probability:.2f})"
            teller.say(f"{line.words}: {line.value}{chance}")
    for warning in report.warnings:
        teller.say(f"[yellow]Note:[/] {warning}")
    teller.say(f"{report.statement}\nOpen [bold]{out / 'report.html'}[/]")
    if outline.box is None:
        teller.say("The network outlined nothing at these clicks. Add one or two more inside the lesion.")
        raise typer.Exit(EMPTY_OR_FAILED)
