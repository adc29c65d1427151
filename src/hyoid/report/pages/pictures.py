"""Which pictures a report needs, and which line points to which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from hyoid.anatomy.structures import BY_NAME, GTVN, GTVP, TARGET_REGION
from hyoid.report.content.schema import Lesion, Region, Report
from hyoid.report.pages.figures import Backdrop, Ruler

MOST_PICTURES = 9  # sets of several panels; keeps the file below 4 MB
_SAME_MM = 5.0
_LABELS = {"GTVp": GTVP, "GTVn": GTVN, "target region": TARGET_REGION}
_ORDER = ("index lesion", "node", "further focus", "focus outside the neck", "target region")


@dataclass(frozen=True)
class Picture:
    """Place to look at, with its pictures.

    Parameters
    ----------
    key : str
        Anchor in the page.
    title : str
        Words above the picture.
    point_lps_mm : tuple of float
        Point (x, y, z) that the planes pass through.
    slice_index : int
        Axial slice, counted from the feet from 0.
    labels : frozenset of int or None
        Structures to draw; None for all.
    rulers : tuple of Ruler
        Diameters to draw in the axial plane.
    role : str
        Role of the lesion that it shows; empty for an overview or a finding.
    lines : tuple of str
        Words of the lines that point here.
    """

    key: str
    title: str
    point_lps_mm: tuple[float, float, float]
    slice_index: int
    labels: frozenset[int] | None = None
    rulers: tuple[Ruler, ...] = ()
    role: str = ""
    lines: tuple[str, ...] = ()


def choose_pictures(report: Report, backdrop: Backdrop) -> tuple[tuple[Picture, ...], dict[str, str]]:
    """Choose one set of pictures per key lesion, the index lesion first; else an overview.

    A line points to the lesion's pictures that show its structure; the others keep their slice number.

    Parameters
    ----------
    report : Report
        Report whose lesions and lines are shown.
    backdrop : Backdrop
        Scan and outlines, to see which structures a plane cuts.

    Returns
    -------
    pictures : tuple of Picture
    links : dict
        Line key or lesion name -> picture key.
    """
    pictures: list[Picture] = []
    links: dict[str, str] = {}
    for lesion in sorted(report.lesions, key=lambda row: _ORDER.index(row.role)):
        if len(pictures) < MOST_PICTURES:
            pictures.append(_of_lesion(lesion, len(pictures) + 1, backdrop))
            links[lesion.name] = pictures[-1].key
    for line in report.lines:
        look = line.region
        if look is None:
            continue
        key = _near(pictures, look) or _showing(pictures, look, backdrop)
        if key is not None:
            links[line.key] = key
            at = next(i for i, p in enumerate(pictures) if p.key == key)
            pictures[at] = replace(pictures[at], lines=(*pictures[at].lines, line.words))
    if not pictures:
        middle = tuple(n // 2 for n in backdrop.geometry.shape)
        x, y, z = backdrop.geometry.to_lps(middle).tolist()
        pictures.append(Picture("picture-1", "Overview", (x, y, z), middle[0]))
    return tuple(pictures), links


def _of_lesion(lesion: Lesion, number: int, backdrop: Backdrop) -> Picture:
    """Picture through the longest axial diameter, with it and the structures that the lesion meets."""
    point: tuple[float, float, float] = lesion.point_lps_mm
    rulers: tuple[Ruler, ...] = ()
    if lesion.long_axis_lps_mm is not None and lesion.short_axis_lps_mm is not None:
        x, y, z = np.mean(lesion.long_axis_lps_mm, axis=0).tolist()
        point = (x, y, z)
        rulers = (
            Ruler(lesion.long_axis_lps_mm, f"{lesion.axial_long_mm:.0f} mm"),
            Ruler(lesion.short_axis_lps_mm, f"{lesion.axial_short_mm:.0f} mm"),
        )
    met = {BY_NAME[c.structure].label for c in lesion.contacts if c.structure in BY_NAME}
    side = f", {lesion.side}" if lesion.side != "midline" else ", midline"
    level = f", {lesion.level}" if lesion.level else ""
    return Picture(
        f"picture-{number}",
        f"{lesion.name}{side}{level}",
        point,
        backdrop.voxel_at(point)[0],
        labels=frozenset({_LABELS[lesion.kind], *met}),
        rulers=rulers,
        role=lesion.role,
    )


def _near(pictures: list[Picture], look: Region) -> str | None:
    """Key of a picture through nearly the same point."""
    for picture in pictures:
        if np.abs(np.subtract(picture.point_lps_mm, look.point_lps_mm)).max() <= _SAME_MM:
            return picture.key
    return None


def _showing(pictures: list[Picture], look: Region, backdrop: Backdrop) -> str | None:
    """Key of a picture whose axial plane cuts the structure and draws it."""
    for picture in pictures:
        drawn: Mapping[str, int] = {BY_NAME[name].words: BY_NAME[name].label for name in BY_NAME}
        label = drawn.get(look.label)
        if picture.labels is not None and label not in picture.labels:
            continue
        if look.label in backdrop.visible(backdrop.voxel_at(picture.point_lps_mm)):
            return picture.key
    return None
