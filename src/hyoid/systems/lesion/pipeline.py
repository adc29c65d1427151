"""Interactive lesion report (ISRG): clicks -> region -> mask on the scan's grid and five attributes.

::

    first click --> region around it --> encode --> decode --> too large or too small for the region? another region
    next click  --> same region, kept ------------> decode with the mask before
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cc3d
import numpy as np
from numpy.typing import NDArray

from hyoid.errors import InputRefusedError, UsageError
from hyoid.geometry.boxes import Box, bounding_box, crop_geometry
from hyoid.geometry.resample import resample
from hyoid.preprocess.click_region import SMALL_SHARE, Region, box_on, spacing_in_use
from hyoid.systems.lesion.strokes import NOTHING, Drawn, fitted, joined, pieces_of, without
from hyoid.volume import AIR_BELOW_HU, Geometry, Quantity, Volume

if TYPE_CHECKING:  # torch takes two seconds to import, which only those commands pay that click
    from hyoid.inference.click_network import ClickAnswer, ClickNetwork

Point = tuple[int, int, int]
PromptKind = Literal["add", "remove", "box"]

_OUTSIDE_LOGIT = -10.0
# As sure as the network's own answers are of the inside of a lesion, when a mask that it did not draw is shown to it.
_MASK_LOGIT = 4.0
_LOGIT_STEP = 2  # voxels of a region along each edge of a logit
_NEAR_MM = 5.0  # a change so far from a click may still be what the click meant


@dataclass(frozen=True)
class Prompt:
    """Click or box with which a reader points at a lesion.

    Parameters
    ----------
    kind : {"add", "remove", "box"}
        Click on the lesion, click on what does not belong to it, or box around it.
    point_ijk : (slice, row, column)
        Voxel of the canonical scan; of a box its lowest corner.
    to_ijk : (slice, row, column), optional
        Highest corner of a box.
    more_ijk : tuple of (slice, row, column)
        Further voxels of a scribble, which count as clicks of the same kind; of a box, voxels that it adds.
    """

    kind: PromptKind
    point_ijk: Point
    to_ijk: Point | None = None
    more_ijk: tuple[Point, ...] = ()

    @property
    def points_ijk(self) -> tuple[Point, ...]:
        """Every voxel that the prompt names."""
        return (self.point_ijk, *self.more_ijk)


@dataclass(frozen=True, eq=False)
class Seen:
    """Answer of the network after a click, and the part of the scan that it saw.

    Parameters
    ----------
    region : Region
        Part of the scan that the network saw, with its spacing.
    answer : ClickAnswer
        Logits, expected IoU and attributes.
    """

    region: Region
    answer: ClickAnswer


@dataclass(frozen=True, eq=False)
class Outline:
    """A lesion as the network outlines it, or as it was left by a hand or by another network.

    Parameters
    ----------
    mask : ndarray of bool
        Voxels of the lesion within `box` of the canonical scan.
    box : Box or None
        Smallest box around the mask; None when nothing was outlined.
    seen : Seen or None
        What the network saw and answered; None where the mask is not its own, or no longer.
    """

    mask: NDArray[np.bool_]
    box: Box | None
    seen: Seen | None = None

    @property
    def attributes(self) -> dict[str, dict[str, float]]:
        """Attribute -> class -> probability; empty where the network did not outline the lesion."""
        return {} if self.seen is None else self.seen.answer.attributes

    @property
    def expected_iou(self) -> float | None:
        """Overlap that the network expects; None where the mask is not its own."""
        return None if self.seen is None else self.seen.answer.iou

    @property
    def drawn(self) -> Drawn:
        """Mask and box alone."""
        return Drawn(self.mask, self.box)

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return int(np.count_nonzero(self.mask))

    def painted(self, shape: Point) -> NDArray[np.bool_]:
        """Paint the mask on the whole grid."""
        full = np.zeros(shape, bool)
        if self.box is not None:
            full[self.box.slices] = self.mask
        return full


@dataclass(frozen=True, eq=False)
class Scan:
    """Scan that a reader clicks on.

    Parameters
    ----------
    volume : Volume
        Scan in canonical orientation.
    fingerprint : str
        SHA-256 of voxels and geometry, under which encoded regions are kept.
    """

    volume: Volume
    fingerprint: str


def check_prompt(scan: Volume, prompts: Sequence[Prompt], new: Prompt, *, begun: bool = False) -> None:
    """Refuse a prompt that a reader cannot mean.

    Parameters
    ----------
    scan : Volume
        Scan in canonical orientation.
    prompts : sequence of Prompt
        Earlier ones of the same lesion.
    new : Prompt
        Prompt to check, not yet among `prompts`.
    begun : bool
        Whether the lesion has a mask already, whoever drew it.

    Raises
    ------
    UsageError
        When it lies outside the scan, is a second box, an empty box, or the first prompt of a lesion takes away.
    InputRefusedError
        When it adds air, or contradicts an earlier click.
    """
    shape = scan.geometry.shape
    for point in (*new.points_ijk, *([new.to_ijk] if new.to_ijk else [])):
        if any(not 0 <= p < n for p, n in zip(point, shape, strict=True)):
            raise UsageError(
                f"The click {point} lies outside the scan, whose slices, rows and columns run to "
                f"{tuple(n - 1 for n in shape)}.",
                "Click inside the scan.",
            )
    if new.kind == "box":
        if new.to_ijk is None or any(b <= a for a, b in zip(new.point_ijk, new.to_ijk, strict=True)):
            raise UsageError("The box is empty.", "Drag it over the lesion in one slice and give it some slices.")
        if prompts or begun:
            raise UsageError("A box can only begin a lesion.", "Add or remove with clicks, or begin a new lesion.")
        return
    if new.kind == "remove" and not (prompts or begun):
        raise UsageError("There is nothing to remove yet.", "First click on the lesion to add it.")
    # A scribble may cross an older one, a click may not contradict a click.
    clash = [p for p in prompts if p.kind not in ("box", new.kind) and p.points_ijk == new.points_ijk]
    if clash:
        raise InputRefusedError(
            f"The voxel {new.point_ijk} was clicked before to {clash[-1].kind} it.",
            "Undo that click, or click beside it.",
        )
    if new.kind == "add" and scan.quantity is Quantity.HU:
        places = [tuple(slice(max(0, p - 1), p + 2) for p in point) for point in new.points_ijk]
        here = float(np.median([np.median(scan.array[around]) for around in places]))
        if here < AIR_BELOW_HU:
            raise InputRefusedError(
                f"The click is on air ({here:.0f} HU around it); a lesion is tissue.", "Click on the lesion itself."
            )


def outlined(scan: Scan, prompts: Sequence[Prompt], network: ClickNetwork) -> Outline:
    """Outline a lesion by all prompts, one after the other, from nothing.

    Parameters
    ----------
    scan : Scan
        Canonical scan with its fingerprint.
    prompts : sequence of Prompt
        Prompts on the lesion in order, at least one.
    network : ClickNetwork
        Network that answers clicks.
    """
    outline = None
    for count in range(1, len(prompts) + 1):
        outline = next_outline(scan, prompts[:count], network, outline)
    assert outline is not None
    return outline


def next_outline(
    scan: Scan, prompts: Sequence[Prompt], network: ClickNetwork, before: Outline | None, *, checked: bool = True
) -> Outline:
    """Outline a lesion after the last prompt, from the outline before.

    Parameters
    ----------
    scan : Scan
        Canonical scan with its fingerprint.
    prompts : sequence of Prompt
        All prompts on this lesion in order.
    network : ClickNetwork
        Network that answers clicks.
    before : Outline, optional
        Outline after all prompts but the last; None at the first prompt.
    checked : bool
        Refuse what a reader cannot mean; simulated users click wherever a reference says.

    Raises
    ------
    UsageError, InputRefusedError
        As `check_prompt`.
    """
    drawn_already = before is not None and before.box is not None
    if checked:
        check_prompt(scan.volume, prompts[:-1], prompts[-1], begun=drawn_already)
    if before is not None and before.seen is None and drawn_already:
        return _corrected(scan, prompts, network, before)
    seen = None if before is None else before.seen
    if before is None or seen is None:
        region = _first_region(scan, prompts[-1], network)
    else:
        region = _region_for(scan, prompts, network, before)
    geometry = scan.volume.geometry
    previous = None if seen is None else _moved(seen.answer.logits, seen.region, region, geometry)
    outline = _asked(scan, prompts, network, region, previous)
    better = _better_region(scan, outline, network, first=seen is None)
    if better is not None:
        assert outline.seen is not None
        previous = None if seen is None else _moved(outline.seen.answer.logits, region, better, geometry)
        outline = _asked(scan, prompts, network, better, previous)
    return outline


def _corrected(scan: Scan, prompts: Sequence[Prompt], network: ClickNetwork, before: Outline) -> Outline:
    """Change a mask that the network did not draw, only where the last prompt points (Chen et al., 2022, section 3.3).

    What a hand or another network outlined elsewhere stays as it is; adding never takes away, removing never adds.
    """
    geometry = scan.volume.geometry
    region = _around(scan, prompts[-1:], before, network, network.spacings_mm[0])
    assert before.box is not None
    part = Volume(before.mask.astype(np.float32), crop_geometry(geometry, before.box), Quantity.PROBABILITY)
    known = resample(part, region.geometry(geometry, _LOGIT_STEP)).array.astype(np.float32)
    inside = [p for p in prompts if p.kind != "box" and _holds(region, geometry, p)]
    found = _asked(scan, inside, network, region, _MASK_LOGIT * (2 * known - 1))
    old, new, last = before.drawn, found.drawn, prompts[-1]
    change = without(new, old) if last.kind == "add" else without(old, new)
    meant = _meant(change, last, geometry)
    after = joined(old, meant) if last.kind == "add" else without(old, meant)
    return Outline(after.mask, after.box)


def _meant(change: Drawn, prompt: Prompt, geometry: Geometry) -> Drawn:
    """The pieces of a change that a prompt lies in, or else those nearby."""
    near, touched = NOTHING, False
    for reach_mm in (0.0, _NEAR_MM):
        for piece in pieces_of(change):
            assert piece.box is not None
            voxels = np.argwhere(piece.mask) + piece.box.start
            away = [np.linalg.norm((voxels - p) * geometry.spacing_mm, axis=1).min() for p in prompt.points_ijk]
            if min(away) <= reach_mm:
                near, touched = joined(near, piece), True
        if touched:
            break
    return near


def _holds(region: Region, axes: Geometry, prompt: Prompt) -> bool:
    """Whether all points of a prompt lie in a region."""
    at = region.geometry(axes).to_ijk(axes.to_lps(np.array(prompt.points_ijk)))
    return bool(np.all((at >= 0) & (at <= np.array(region.shape) - 1)))


def attributes_of(scan: Scan, mask: NDArray[np.bool_], network: ClickNetwork) -> dict[str, dict[str, float]]:
    """Describe a mask that a reader drew: attribute -> class -> probability.

    Parameters
    ----------
    scan : Scan
        Canonical scan with its fingerprint.
    mask : ndarray of bool
        Lesion on the canonical scan's grid, at least one voxel.
    network : ClickNetwork
        Network that can describe masks it did not outline.

    Raises
    ------
    UsageError
        When the mask is empty.
    ModelUnusableError
        When the network describes only what it outlined itself.
    """
    box = bounding_box(mask)
    if box is None:
        raise UsageError("The mask is empty; attributes belong to a lesion.", "Give the mask of a lesion.")
    geometry = scan.volume.geometry
    extent_mm = float((np.array(box.shape) * geometry.spacing_mm).max())
    usual, edge = float(network.manifest.spacing_mm[0]), min(network.manifest.patch)
    middle = (np.array(box.start) + np.array(box.stop) - 1) / 2
    spacing_mm = spacing_in_use(extent_mm, usual, network.spacings_mm, edge)
    region = network.region(geometry.to_lps(middle), spacing_mm)
    part = Volume(mask[box.slices].astype(np.float32), crop_geometry(geometry, box), Quantity.PROBABILITY)
    inside = resample(part, region.geometry(geometry)).array
    return network.describe(network.encode(scan.volume, scan.fingerprint, region), inside - np.float32(0.5))


def _asked(
    scan: Scan, prompts: Sequence[Prompt], network: ClickNetwork, region: Region, previous: NDArray[np.float32] | None
) -> Outline:
    """One pass of the network, brought onto the scan's grid."""
    geometry = scan.volume.geometry
    from hyoid.models.prompts import PointKind

    encoded = network.encode(scan.volume, scan.fingerprint, region)
    points, kinds = [], []
    for prompt in prompts:
        if prompt.kind == "box":
            assert prompt.to_ijk is not None
            points += [prompt.point_ijk, prompt.to_ijk, *prompt.more_ijk]
            kinds += [PointKind.BOX_LOW, PointKind.BOX_HIGH, *[PointKind.ADD] * len(prompt.more_ijk)]
        else:
            points += prompt.points_ijk
            kinds += [PointKind.ADD if prompt.kind == "add" else PointKind.REMOVE] * len(prompt.points_ijk)
    at = region.geometry(geometry).to_ijk(geometry.to_lps(np.array(points)))
    answer = network.decode(encoded, at, kinds, previous)
    drawn = _on_scan(answer.logits, region, geometry, prompts)
    return Outline(drawn.mask, drawn.box, Seen(region, answer))


def _on_scan(logits: NDArray[np.float32], region: Region, geometry: Geometry, prompts: Sequence[Prompt]) -> Drawn:
    """Mask on the scan's voxels: only pieces that a reader pointed at, or the largest where none was."""
    window = box_on(geometry, region)
    if window is None or not (logits > 0).any():
        return NOTHING
    coarse = region.geometry(geometry, step=region.shape[0] / logits.shape[0])
    near = bounding_box(logits > 0)
    assert near is not None
    # Only the part of the scan that the mask can reach is computed.
    corners = np.array(np.meshgrid(*zip(np.array(near.start) - 1, near.stop, strict=True), indexing="ij"))
    at = geometry.to_ijk(coarse.to_lps(corners.reshape(3, -1).T))
    start = np.clip(np.floor(at.min(axis=0)).astype(int), window.start, np.array(window.stop) - 1)
    stop = np.clip(np.ceil(at.max(axis=0)).astype(int) + 1, start + 1, window.stop)
    part = Box(tuple(start.tolist()), tuple(stop.tolist()))
    values = Volume(logits, coarse, Quantity.PROBABILITY)
    fine = resample(values, crop_geometry(geometry, part), outside=_OUTSIDE_LOGIT).array
    return fitted(_pointed_at(fine > 0, part, prompts), part.start)


def _pointed_at(mask: NDArray[np.bool_], part: Box, prompts: Sequence[Prompt]) -> NDArray[np.bool_]:
    pieces = cc3d.connected_components(mask.astype(np.uint8), connectivity=26)
    wanted = set()
    for prompt in prompts:
        added = {"add": prompt.points_ijk, "box": prompt.more_ijk, "remove": ()}[prompt.kind]
        for point in added:
            place = tuple(p - s for p, s in zip(point, part.start, strict=True))
            if all(0 <= p < n for p, n in zip(place, mask.shape, strict=True)):
                wanted.add(int(pieces[place]))
    wanted.discard(0)
    if not wanted:
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        wanted = {int(sizes.argmax())} if sizes.any() else set()
    return np.isin(pieces, list(wanted)) if wanted else np.zeros(mask.shape, bool)


def _first_region(scan: Scan, prompt: Prompt, network: ClickNetwork) -> Region:
    """Around the first click at the network's usual spacing; around a box at the finest that holds it."""
    usual = float(network.manifest.spacing_mm[0])
    geometry = scan.volume.geometry
    if prompt.kind != "box":
        return network.region(geometry.to_lps(prompt.point_ijk), usual)
    assert prompt.to_ijk is not None
    corners = np.array([prompt.point_ijk, prompt.to_ijk])
    extent_mm = float((np.ptp(corners, axis=0) * geometry.spacing_mm).max())
    edge = min(network.manifest.patch)
    holding = [s for s in network.spacings_mm if s * edge * 0.8 >= extent_mm]
    return network.region(geometry.to_lps(corners.mean(axis=0)), holding[0] if holding else network.spacings_mm[-1])


def _region_for(scan: Scan, prompts: Sequence[Prompt], network: ClickNetwork, before: Outline) -> Region:
    """The region before, or a coarser one that also holds a click outside of it."""
    assert before.seen is not None
    geometry, region = scan.volume.geometry, before.seen.region
    at = region.geometry(geometry).to_ijk(geometry.to_lps(np.array(prompts[-1].points_ijk)))
    if np.all((at >= 1) & (at <= np.array(region.shape) - 2)):
        return region
    return _around(scan, prompts, before, network, region.spacing_mm)


def _better_region(scan: Scan, outline: Outline, network: ClickNetwork, *, first: bool) -> Region | None:
    """A coarser region where the mask reaches the end of this one, a finer one where it is a speck in it."""
    assert outline.seen is not None
    logits, region = outline.seen.answer.logits, outline.seen.region
    inside = bounding_box(logits > 0)
    if inside is None:
        return None
    coarser = [s for s in network.spacings_mm if s > region.spacing_mm]
    touches = any(a == 0 or b == n for a, b, n in zip(inside.start, inside.stop, logits.shape, strict=True))
    box = outline.box
    if box is None:
        return None
    middle = (np.array(box.start) + np.array(box.stop) - 1) / 2
    centre = scan.volume.geometry.to_lps(middle)
    if touches and coarser:
        return network.region(centre, coarser[0])
    extent_mm = float((np.array(box.shape) * scan.volume.geometry.spacing_mm).max())
    finer = [s for s in network.spacings_mm if s < region.spacing_mm]
    if first and finer and extent_mm < SMALL_SHARE * region.spacing_mm * min(region.shape):
        return network.region(centre, finer[-1])
    return None


def _around(scan: Scan, prompts: Sequence[Prompt], before: Outline, network: ClickNetwork, least_mm: float) -> Region:
    """Finest region not finer than `least_mm` that holds the mask and all clicks."""
    geometry = scan.volume.geometry
    places = [point for p in prompts for point in p.points_ijk] + [p.to_ijk for p in prompts if p.to_ijk]
    if before.box is not None:
        places += [before.box.start, before.box.stop]
    low, high = np.min(places, axis=0), np.max(places, axis=0)
    extent_mm = float(((high - low) * geometry.spacing_mm).max())
    edge = min(network.manifest.patch)
    holding = [s for s in network.spacings_mm if s >= least_mm and s * (edge - 4) >= extent_mm]
    if not holding:
        raise InputRefusedError(
            f"The clicks of this lesion lie {extent_mm / 10:.0f} cm apart, more than the network sees at once "
            f"({network.spacings_mm[-1] * edge / 10:.0f} cm).",
            "Begin a new lesion for the other part.",
        )
    return network.region(geometry.to_lps((low + high) / 2), holding[0])


def _moved(logits: NDArray[np.float32], old: Region, new: Region, axes: Geometry) -> NDArray[np.float32]:
    """Logits of one region on another."""
    if old == new:
        return logits
    step = old.shape[0] / logits.shape[0]
    source = Volume(logits, old.geometry(axes, step), Quantity.PROBABILITY)
    return resample(source, new.geometry(axes, step), outside=_OUTSIDE_LOGIT).array.astype(np.float32)
