"""From the steps of a lesion to its outline: clicks ask the network, everything else is work on the mask itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hyoid.errors import InputRefusedError, UsageError
from hyoid.systems.lesion.pipeline import Outline, Scan, next_outline
from hyoid.systems.lesion.session import AddPrompt, AddStroke, DraftPart, EarlierPart, FillBetween, Joined, Piece, Step
from hyoid.systems.lesion.strokes import (
    NOTHING,
    Drawn,
    drawn_by,
    filled_between,
    joined,
    pieces_of,
    require_drawn,
    without,
)

if TYPE_CHECKING:
    from hyoid.inference.click_network import ClickNetwork

DraftMasks = Callable[[DraftPart | EarlierPart], Drawn]
"""From a step that brings an outline to that outline."""


def no_drafts(part: DraftPart | EarlierPart) -> Drawn:
    """Refuse every draft, where there are none.

    Parameters
    ----------
    part : DraftPart or EarlierPart
        Step that names a lesion of a draft, or of the earlier scan.

    Raises
    ------
    InputRefusedError
        Always.
    """
    raise InputRefusedError("The draft of this lesion is not here.", "Open the study in the workspace that made it.")


def outline_of(
    scan: Scan, steps: tuple[Step, ...], network: ClickNetwork, drafts: DraftMasks = no_drafts
) -> Outline | None:
    """Make the outline of a lesion from nothing; None before its first step.

    Parameters
    ----------
    scan : Scan
        Canonical scan with its fingerprint.
    steps : tuple of Step
        Steps of the lesion in order.
    network : ClickNetwork
        Network that answers clicks.
    drafts : DraftMasks
        Masks that pipelines outlined.
    """
    outline = None
    for count in range(1, len(steps) + 1):
        outline = next_step(scan, steps[:count], network, outline, drafts)
    return outline


def next_step(
    scan: Scan,
    steps: tuple[Step, ...],
    network: ClickNetwork,
    before: Outline | None,
    drafts: DraftMasks = no_drafts,
) -> Outline:
    """Make the outline after the last step from the outline before it.

    Parameters
    ----------
    scan : Scan
        Canonical scan with its fingerprint.
    steps : tuple of Step
        Steps of the lesion in order, at least one.
    network : ClickNetwork
        Network that answers clicks.
    before : Outline or None
        Outline after all steps but the last.
    drafts : DraftMasks
        Masks that pipelines outlined.

    Raises
    ------
    UsageError, InputRefusedError
        When the step does not fit the scan or the outline.
    """
    last = steps[-1]
    if isinstance(last, AddPrompt):
        prompts = [step.prompt for step in steps if isinstance(step, AddPrompt)]
        return next_outline(scan, prompts, network, before)
    now = NOTHING if before is None else before.drawn
    geometry = scan.volume.geometry
    if isinstance(last, AddStroke):
        stroke = last.stroke
        if now.box is None and not stroke.adds:
            raise UsageError("There is nothing to take away yet.", "Outline the lesion first.")
        touched = drawn_by(stroke, geometry)
        found = joined(now, touched) if stroke.adds else require_drawn(without(now, touched))
    elif isinstance(last, FillBetween):
        found = filled_between(now, last.axis, geometry)
    elif isinstance(last, DraftPart | EarlierPart):
        found = drafts(last)
    elif isinstance(last, Joined):
        other = outline_of(scan, last.steps, network, drafts)
        found = now if other is None else joined(now, other.drawn)
    else:
        assert isinstance(last, Piece)
        pieces = pieces_of(now)
        found = pieces[last.number] if last.number < len(pieces) else NOTHING
    return Outline(found.mask, found.box)
