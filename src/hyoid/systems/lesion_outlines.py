"""Every measured lesion as an outline of its own: a report measures nodes one by one, a map of targets holds all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cc3d
import numpy as np
from scipy import ndimage

from hyoid.anatomy.structures import BY_LABEL, GTVN, GTVP, TARGET_REGION, Side
from hyoid.geometry.boxes import box_of, crop_geometry
from hyoid.io.masks import Outline, boxed
from hyoid.provenance import program
from hyoid.report.content.coded import lesion_identifier
from hyoid.report.content.schema import Lesion
from hyoid.systems.outlines import Outlines

_LABELS = {"GTVp": GTVP, "GTVn": GTVN, "target region": TARGET_REGION}


def lesion_outlines(lesions: Sequence[Lesion], outlines: Outlines) -> tuple[Outline, ...]:
    """Cut every lesion of a report out of the targets, in the report's order, named as its measurements are.

    A predicted target region stays whole. A lesion whose voxels are not those of a connected part of its target is left
    out: its measurements then stand without a segment.

    Parameters
    ----------
    lesions : sequence of Lesion
        Lesions of the report.
    outlines : Outlines
        What the run outlined, on the scan's own grid.

    Returns
    -------
    tuple of Outline
        Structures with labels from 1 on, each with the code and colour of its kind and its lesion's side.
    """
    found: list[Outline] = []
    parts = {label: cc3d.connected_components(mask.array, connectivity=26) for label, mask in outlines.targets.items()}
    places = {label: ndimage.find_objects(numbered.astype(np.int32)) for label, numbered in parts.items()}
    for lesion in lesions:
        label = _LABELS[lesion.kind]
        if label not in parts:
            continue
        mask = outlines.targets[label]
        part, where = mask.array, mask.geometry
        if label != TARGET_REGION:
            at = np.rint(mask.geometry.to_ijk(lesion.point_lps_mm)).astype(int)
            if (at < 0).any() or (at >= part.shape).any():
                continue
            number = int(parts[label][tuple(at)])
            if number == 0:
                continue
            place = places[label][number - 1]
            part = parts[label][place] == number
            if int(part.sum()) != lesion.voxels:
                continue
            where = crop_geometry(where, box_of(place))
        name = lesion_identifier(lesion)
        # A predicted region is one segment, whole, however many parts it has.
        if label == TARGET_REGION and any(outline.structure.name == name for outline in found):
            continue
        structure = replace(
            BY_LABEL[label], label=len(found) + 1, name=name, words=f"{lesion.name} ({name})", side=Side(lesion.side)
        )
        cut, _ = boxed({1: part}, where)
        note = "; ".join(outlines.target_doubts.get(label, ()))
        found.append(Outline(structure, cut[1], outlines.outlined_by.get(label, program("hyoid")), note))
    return tuple(found)
