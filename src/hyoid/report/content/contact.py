"""Contact of a lesion with a structure: overlap, touch, and degrees of a vessel's circumference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from scipy import ndimage

from hyoid.anatomy.structures import BY_NAME, Side
from hyoid.anatomy.subsites import SUBSITE_BY_NAME
from hyoid.report.content import schema
from hyoid.report.content.patches import Patch, grown, region, shared_part
from hyoid.report.content.scale import vessel_term
from hyoid.report.content.scene import Mass, Scene

VESSELS = ("carotid_left", "carotid_right", "jugular_left", "jugular_right")


class Grade(IntEnum):
    """Grade of contact between the outlines of a tumour and of a structure."""

    APART = 0
    TOUCH = 1
    OVERLAP = 2


@dataclass(frozen=True, eq=False)
class Meeting:
    """Contact between one structure and one lesion.

    Parameters
    ----------
    name : str
        Name of the structure.
    structure : Patch
        Outline of the structure.
    side : Side
        Side of the structure.
    mass : Mass
        The lesion.
    grade : Grade
        Whether both lie apart, touch or overlap.
    overlap_ml : float
        Volume that both share.
    share : float
        Share of the structure that lies in the lesion, 0 to 1.
    where : Patch
        The voxels to look at.
    degrees : int or None
        Degrees of a vessel's circumference that the lesion touches; None for other structures.
    graded : bool
        Whether the degrees decide on a word: not on a network's outline of the vessel.
    """

    name: str
    structure: Patch
    side: Side
    mass: Mass
    grade: Grade
    overlap_ml: float
    share: float
    where: Patch
    degrees: int | None = None
    graded: bool = True

    @property
    def term(self) -> str:
        """The word for the contact; of a vessel that a network outlined no more than that the outlines meet."""
        if self.degrees is not None and self.graded:
            return vessel_term(self.degrees)
        return "overlaps" if self.grade is Grade.OVERLAP else "touches"


def meet(name: str, structure: Patch, mass: Mass, scene: Scene) -> Meeting:
    """Measure overlap and contact (within one voxel, over faces, edges and corners) of a structure and a lesion.

    Parameters
    ----------
    name : str
        Name of the structure in `hyoid.anatomy.structures` or `hyoid.anatomy.subsites`.
    structure : Patch
        Outline of the structure.
    mass : Mass
        The lesion.
    scene : Scene
        Grid and midline that both lie on.
    """
    tumour = mass.patch
    side = BY_NAME[name].side if name in BY_NAME else SUBSITE_BY_NAME[name].side
    near = _near(structure, tumour)
    overlap = shared_part(structure, tumour) if near else None
    touching = overlap or (shared_part(tumour, grown(structure, scene.shape)) if near else None)
    grade = Grade.OVERLAP if overlap else Grade.TOUCH if touching else Grade.APART
    where = touching or structure
    vessel = name in VESSELS and touching is not None
    return Meeting(
        name=name,
        structure=structure,
        side=side,
        mass=mass,
        grade=grade,
        overlap_ml=overlap.voxels * scene.geometry.voxel_ml if overlap else 0.0,
        share=overlap.voxels / structure.voxels if overlap else 0.0,
        where=Patch(structure.words, where.mask, where.box),
        degrees=contact_degrees(structure, tumour, scene.shape) if vessel else None,
        graded=not scene.organs_by_model,
    )


def contact_degrees(vessel: Patch, tumour: Patch, shape: tuple[int, int, int]) -> int:
    """Measure the degrees of a vessel's circumference that tumour touches, in the axial slice where most is touched.

    Counted on the ring of voxels around the vessel in each slice (faces and corners), rounded to ten degrees.

    Parameters
    ----------
    vessel, tumour : Patch
        Outlines on one canonical grid.
    shape : (D, H, W)
        Slices, rows and columns of that grid.
    """
    around = grown(vessel, shape)
    inner = np.zeros(around.mask.shape, bool)
    inner[vessel.box.slices_from(around.box.start)] = vessel.mask
    ring = ndimage.binary_dilation(inner, np.ones((1, 3, 3))) & ~inner
    touched = shared_part(Patch("", ring, around.box), tumour)
    if touched is None:
        return 0
    offset = touched.box.start[0] - around.box.start[0]
    totals = ring.sum(axis=(1, 2))[offset : offset + touched.box.shape[0]]
    shares = touched.mask.sum(axis=(1, 2)) / np.maximum(totals, 1)
    return int(round(36 * float(shares.max())) * 10)


def contacts_of(mass: Mass, structures: Mapping[str, Patch], scene: Scene) -> tuple[schema.Contact, ...]:
    """List every structure that a lesion's outline meets, vessels first, then by overlap.

    Parameters
    ----------
    mass : Mass
        The lesion.
    structures : mapping of str to Patch
        Outlined structures by name.
    scene : Scene
        Grid and midline that all lie on.
    """
    met = [m for m in (meet(n, s, mass, scene) for n, s in structures.items()) if m.grade is not Grade.APART]
    met.sort(key=lambda m: (m.degrees is None, -(m.degrees or 0), -m.overlap_ml, m.name))
    return tuple(
        schema.Contact(
            structure=m.name,
            words=m.structure.words,
            term=m.term,  # type: ignore[arg-type]
            degrees=m.degrees,
            overlap_ml=round(m.overlap_ml, 4),
            share=round(m.share, 4),
            region=region(m.where, scene.geometry),
        )
        for m in met
    )


def _near(first: Patch, second: Patch) -> bool:
    """Whether the boxes of two patches overlap or touch."""
    return all(
        a <= d and c <= b
        for a, b, c, d in zip(first.box.start, first.box.stop, second.box.start, second.box.stop, strict=True)
    )
