"""Clicks as a user writes them, and the outlined and reported lesion that they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from hyoid.errors import UnsuitableScanError, UsageError
from hyoid.geometry.orientation import canonical_index, to_canonical
from hyoid.interfaces.answers import ReportAnswer
from hyoid.interfaces.installed import OUTLINING, load_model, load_models
from hyoid.interfaces.results import lesion_results
from hyoid.interfaces.terminal import Terminal
from hyoid.io.study import MODALITIES, Study
from hyoid.preprocess.gate import check_head_neck_ct
from hyoid.systems.lesion.pipeline import Scan, outlined
from hyoid.systems.lesion.report import anatomy_of, lesion_report
from hyoid.systems.lesion.session import AddLesion, AddPrompt, ClickSession, Target
from hyoid.systems.machine import Machine
from hyoid.systems.organs import outline_organs
from hyoid.volume import Quantity, Volume
from hyoid.workspace.workspace import first_readable


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


def session_of(study: Study, clicks: Sequence[tuple[tuple[int, int, int], bool]], target: Target) -> ClickSession:
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


def checked_target(target: str) -> Target:
    """Make sure that a kind of lesion is GTVp or GTVn.

    Raises
    ------
    UsageError
        When it is anything else.
    """
    if target not in ("GTVp", "GTVn"):
        raise UsageError(f"A lesion is GTVp or GTVn, not {target!r}.", "Choose one of them.")
    return target  # type: ignore[return-value]


def lesion_answer(
    reading: Callable[..., Study],
    clicks: Sequence[tuple[tuple[int, int, int], bool]],
    *,
    target: Target,
    modality: str,
    organs: bool,
    model: str,
    machine: Machine,
    terminal: Terminal,
) -> ReportAnswer:
    """Read a scan, follow the clicks and report; as `hyoid lesion` and `segment_lesion` do.

    Parameters
    ----------
    reading : callable
        Reads the study of a `modality`.
    clicks : sequence of (voxel, bool)
        Voxel (slice, row, column), and whether the click lies inside the lesion.
    target : {"GTVp", "GTVn"}
        Kind of lesion.
    modality : str
        Modality to read; every one in turn when empty.
    organs : bool
        Outline organs too.
    model : str
        Interactive model, by name or folder.
    machine : Machine
        Where the networks run.
    terminal : Terminal
        Clock of the run, where progress is shown.
    """
    from hyoid.inference.click_network import ClickNetwork

    network = ClickNetwork(load_model(model), device=machine.device, cache=machine.cache / "regions")
    attempts = (modality,) if modality else MODALITIES
    read, modality = first_readable({m: partial(reading, modality=m) for m in attempts})
    scan = Scan(to_canonical(read.volume), read.fingerprint)
    session = session_of(read, clicks, target)
    terminal.progress("clicks", 0, len(clicks))
    clicked = session.state.lesions[0]
    outline = outlined(scan, [p.prompt for p in clicked.prompts], network)
    terminal.progress("clicks", len(clicks), len(clicks))
    found: Volume | None = None
    warnings: tuple[str, ...] = ()
    if organs and read.volume.quantity is Quantity.HU:
        found, warnings = _organs_or_reason(scan.volume, machine, terminal)
    manifests = [p.manifest for p in load_models(OUTLINING)] if found is not None else []
    anatomy = anatomy_of(read, modality, found, manifests, warnings)
    lesions = [(clicked, outline)]
    report = lesion_report(anatomy, lesions, session.state, network.manifest)
    whose = anatomy.outlined_by
    results = lesion_results(read, report, lesions, found, session, network.manifest, machine, whose)
    return ReportAnswer(results, terminal.seconds, outline)


def _organs_or_reason(ct: Volume, machine: Machine, terminal: Terminal) -> tuple[Volume | None, tuple[str, ...]]:
    """Organs on the canonical grid; no labels, with the reason, where the scan is not one of a neck."""
    try:
        warnings = check_head_neck_ct(ct)
    except UnsuitableScanError as refusal:
        return None, (f"Organs were not outlined: {refusal.problem}",)
    outlines = outline_organs(ct, load_models(OUTLINING), machine, terminal.progress)
    return outlines.labels, (*warnings, *outlines.warnings)
