"""Which pictures a report needs, and which line points to which."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hyoid.report.content.schema import Region, Report
from hyoid.report.pages.figures import Backdrop

MOST_PICTURES = 12  # keeps the file below 3 MB
_SAME_MM = 5.0


@dataclass(frozen=True)
class Picture:
    """One place to look at.

    Parameters
    ----------
    key : str
        Anchor in the page.
    title : str
    point_lps_mm : tuple of float
    slice_index : int
    lines : tuple of str
        Words of the lines that point here.
    """

    key: str
    title: str
    point_lps_mm: tuple[float, float, float]
    slice_index: int
    lines: tuple[str, ...] = ()


def choose_pictures(report: Report, backdrop: Backdrop) -> tuple[tuple[Picture, ...], dict[str, str]]:
    """Pictures of every lesion, then of every line's evidence, as few as show everything; else an overview.

    A line whose structure is already cut by a chosen axial picture points to that one. Lines beyond the greatest number
    of pictures keep their slice number and have no picture.

    Parameters
    ----------
    report : Report
    backdrop : Backdrop

    Returns
    -------
    pictures : tuple of Picture
    links : dict
        Line key or lesion name -> picture key.
    """
    pictures: list[Picture] = []
    links: dict[str, str] = {}
    for lesion in report.lesions:
        key = _near(pictures, lesion.point_lps_mm) or _add(
            pictures, f"{lesion.name}, {lesion.side}", lesion.point_lps_mm, lesion.slice_index
        )
        if key:
            links[lesion.name] = key
    # Findings before their absence: these may share a picture.
    looks = [(line, look) for line in report.lines if (look := line.region) is not None]
    for line, look in sorted(looks, key=lambda pair: pair[0].value.startswith("Not ")):
        key = _near(pictures, look.point_lps_mm)
        if key is None and line.value.startswith("Not "):
            key = _showing(pictures, look, backdrop)
        key = key or _add(pictures, look.label, look.point_lps_mm, look.slice_index)
        if key:
            links[line.key] = key
            at = next(i for i, p in enumerate(pictures) if p.key == key)
            pictures[at] = replace(pictures[at], lines=(*pictures[at].lines, line.words))
    if not pictures:
        middle = tuple(n // 2 for n in backdrop.geometry.shape)
        x, y, z = backdrop.geometry.to_lps(middle).tolist()
        _add(pictures, "Overview", (x, y, z), middle[0])
    return tuple(pictures), links


def _near(pictures: list[Picture], point_lps_mm: tuple[float, float, float]) -> str | None:
    """Key of a picture through nearly the same point."""
    for picture in pictures:
        if np.abs(np.subtract(picture.point_lps_mm, point_lps_mm)).max() <= _SAME_MM:
            return picture.key
    return None


def _showing(pictures: list[Picture], look: Region, backdrop: Backdrop) -> str | None:
    """Key of a picture whose axial plane cuts the structure."""
    for picture in pictures:
        if look.label in backdrop.visible(backdrop.voxel_at(picture.point_lps_mm)):
            return picture.key
    return None


def _add(pictures: list[Picture], title: str, point_lps_mm: tuple[float, float, float], slice_index: int) -> str | None:
    """Key of a new picture; None when there are enough."""
    if len(pictures) >= MOST_PICTURES:
        return None
    picture = Picture(f"picture-{len(pictures) + 1}", title, point_lps_mm, slice_index)
    pictures.append(picture)
    return picture.key
