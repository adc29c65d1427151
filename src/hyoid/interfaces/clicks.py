"""Clicks as a user writes them, and the outlined and reported lesion that they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from hyoid.errors import UsageError
from hyoid.geometry.orientation import canonical_index, to_canonical
from hyoid.interfaces.answers import ReportAnswer
from hyoid.interfaces.chosen_models import NOTHING_ASKED, lesion_package, outlining
from hyoid.interfaces.places import make_private
from hyoid.interfaces.results import lesion_results
from hyoid.interfaces.terminal import Terminal
from hyoid.io.packages.model_package import Manifest
from hyoid.io.packages.models_file import ModelsFile
from hyoid.io.study import MODALITIES, Study
from hyoid.systems.lesion.pipeline import Scan, outlined
from hyoid.systems.lesion.report import anatomy_of, lesion_report
from hyoid.systems.lesion.session import AddLesion, AddPrompt, ClickSession, Target
from hyoid.systems.machine import Machine
from hyoid.systems.organs import organs_or_reason
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
        raise UsageError(f"A lesion is GTVp or GTVn, not {target!r}.", "Choose GTVp or GTVn.")
    return target  # type: ignore[return-value]


def lesion_answer(
    reading: Callable[..., Study],
    clicks: Sequence[tuple[tuple[int, int, int], bool]],
    *,
    target: Target,
    modality: str,
    organs: bool,
    models: ModelsFile = NOTHING_ASKED,
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
    models : ModelsFile
        Networks in the places of hyoid's own.
    machine : Machine
        Where the networks run.
    terminal : Terminal
        Clock of the run, where progress is shown.
    """
    from hyoid.inference.click_network import ClickNetwork

    sources = outlining(models).sources if organs else ()
    # An encoded region is as confidential as the scan.
    regions = make_private(machine.cache / "regions")
    network = ClickNetwork(lesion_package(models), device=machine.device, cache=regions)
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
    manifests: tuple[Manifest, ...] = ()
    if sources and read.volume.quantity is Quantity.HU:
        found, warnings, manifests = organs_or_reason(scan.volume, sources, machine, terminal.progress)
    anatomy = anatomy_of(read, modality, found, manifests, warnings)
    lesions = [(clicked, outline)]
    report = lesion_report(anatomy, lesions, session.state, network.manifest)
    whose = anatomy.outlined_by
    results = lesion_results(read, report, lesions, found, session, network.manifest, machine, whose)
    return ReportAnswer(results, terminal.seconds, outline)
