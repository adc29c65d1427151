"""What a mid-treatment study comes to, in words and numbers: rows of the response section, cautions, measurements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.structures import GTVN, GTVP
from hyoid.io.packages.model_package import NOT_STATED, VIRTUAL_ONLY
from hyoid.io.packages.nnunet_source import Source
from hyoid.metrics.lesions import find_components, longest_axial_mm, measure_component
from hyoid.metrics.presence import PresenceCurve
from hyoid.metrics.response import DOUBTFUL_BELOW, Change, LesionResponse
from hyoid.preprocess.mr_body import mr_body
from hyoid.preprocess.registration import Quality
from hyoid.report.content.response import UNSEEN, RegistrationLine, ResponseLine
from hyoid.report.content.schema import Lesion, Study
from hyoid.volume import Quantity, Volume

REGISTERED_BEFORE = "Registered before hyoid saw it"
REGISTERED_HERE = "Rigid (mutual information), then convexAdam"
_GROWN = 1.5  # total volume now over before, from which the two scans may have been swapped
_STRUCTURES = {1: GTVP, 2: GTVN}


def response_line(
    number: int,
    row: LesionResponse,
    numbers: NDArray[np.uint16],
    followed: NDArray[np.uint16],
    mid: Volume,
    present: dict[int, float],
    unseen: tuple[int, ...],
    *,
    before_long_mm: float | None = None,
) -> ResponseLine:
    """Make one row of the response section, with the place to look at: where the lesion is, else where it was.

    An outline in a place where tumour is not probable may be of a lesion that has vanished: the category says so.
    """
    hidden = number in unseen and row.after_ml == 0
    where = followed == number
    after_long_mm = round(longest_axial_mm(where, mid.geometry), 2) if where.any() else None
    change = UNSEEN if hidden else str(row.change)
    if row.before_ml and row.after_ml and present.get(number, 1.0) < DOUBTFUL_BELOW:
        change += f", {Change.VANISHED}"
    if not where.any():
        where = numbers == number
    voxels = np.argwhere(where) if where.any() else np.array([[n // 2 for n in mid.array.shape]])
    middle = voxels.mean(axis=0)
    voxel = voxels[((voxels - middle) ** 2).sum(axis=1).argmin()]
    x, y, z = mid.geometry.to_lps(voxel).tolist()
    return ResponseLine(
        name=row.name,
        kind="GTVp" if row.label == 1 else "GTVn",
        before_ml=round(row.before_ml, 4),
        after_ml=None if hidden else round(row.after_ml, 4),
        percent=None if hidden or row.percent is None else round(row.percent, 2),
        change=change,
        before_long_mm=before_long_mm,
        after_long_mm=after_long_mm,
        present=present.get(number),
        outside_box=None if row.outside_box is None else round(row.outside_box, 4),
        slice_index=int(voxel[0]),
        point_lps_mm=(x, y, z),
    )


def doubts(
    rows: Sequence[LesionResponse],
    lines: Sequence[ResponseLine],
    curve: PresenceCurve | None,
    packages: Sequence[Source],
    *,
    empty: bool,
) -> list[str]:
    """List in sentences what a reader must know about the outcome."""
    found = []
    before, after = sum(row.before_ml for row in rows), sum(row.after_ml for row in rows)
    if before and after > _GROWN * before:
        found.append(
            f"The tumour volume is {after / before:.1f} times what it was: unusual during radiotherapy. Check that the "
            "two examinations are not swapped."
        )
    hidden = [line.name for line in lines if line.change == UNSEEN]
    if hidden:
        found.append(f"The mid-treatment MR does not show the place of {', '.join(hidden)}: nothing is said of it.")
    gone = [row.name for row in rows if row.change is Change.VANISHED]
    if gone:
        found.append(f"No tumour is outlined where {', '.join(gone)} was. That is not evidence that there is none.")
    faint = [line.name for line in lines if line.change.endswith(f", {Change.VANISHED}")]
    if faint:
        found.append(
            f"{', '.join(faint)}: an outline is drawn, but tumour there is doubtful (probability below "
            f"{DOUBTFUL_BELOW:.0%}): the volume now may be too large, and the response understated."
        )
    held = [line.name for line in lines if line.change.startswith(Change.SIMILAR)]
    if held:
        found.append(
            f"{', '.join(held)}: similar as a model outlines, and such outlines lean on the ones from before: what has "
            "shrunk can look similar."
        )
    outside = [row.name for row in rows if row.outside_box is not None and row.outside_box > 0.05 and row.before_ml]
    if outside:
        found.append(f"{', '.join(outside)}: part of the outline lies beyond the region shown by the gradient map.")
    if curve is None:
        found.append("The model carries no calibration, so no lesion was called vanished by its probability.")
    if empty:
        found.append("Nothing is outlined on the mid-treatment MR.")
    teachers = {
        package.manifest.learned_from.words(name) for package in packages for name in package.manifest.supported
    }
    if VIRTUAL_ONLY in teachers:
        found.append(f"The model was trained on {VIRTUAL_ONLY}: on real patients its outlines are untested.")
    if NOT_STATED in teachers:
        found.append("The model's package does not state whether real or virtual patients taught it.")
    return found


def registration_line(q: Quality | None) -> RegistrationLine:
    """Tell how the earlier scan was carried onto the later one, and how well."""
    if q is None:
        return RegistrationLine(method=REGISTERED_BEFORE)
    return RegistrationLine(
        method=REGISTERED_HERE,
        body_dice=round(q.body_dice, 4),
        similarity=round(q.similarity, 4),
        folding=round(q.folding, 6),
        largest_mm=round(q.largest_mm, 2),
        covered=round(q.covered, 4),
    )


def measured(found: Volume, mid: Volume) -> tuple[Lesion, ...]:
    """Measure every outlined component; left and right count from the middle of the body.

    Parameters
    ----------
    found : Volume
        Tumour in mid-treatment: 1 GTVp, 2 GTVn.
    mid : Volume
        The mid-treatment MR, on the same grid: the patient rarely lies in the middle of it.
    """
    midline = _midline_x_mm(mid)
    rows = []
    for component in find_components(found):
        row = measure_component(component, midline)
        voxels = np.argwhere(component.mask)
        voxel = voxels[((voxels - voxels.mean(axis=0)) ** 2).sum(axis=1).argmin()] + np.array(component.box.start)
        x, y, z = found.geometry.to_lps(voxel).tolist()
        rows.append(
            Lesion(
                name=f"{'Primary tumour' if row.label == 1 else 'Node'} {row.lesion}",
                kind="GTVp" if row.label == 1 else "GTVn",
                role="node" if row.label == 2 else "index lesion" if row.lesion == 1 else "further focus",
                lesion=row.lesion,
                status="model",
                volume_ml=round(row.volume_ml, 4),
                longest_diameter_mm=round(row.longest_diameter_mm, 3),
                axial_long_mm=round(row.axial_long_mm, 3),
                axial_short_mm=round(row.axial_short_mm, 3),
                side=row.side.value,
                level="",
                voxels=row.voxels,
                slice_index=int(voxel[0]),
                point_lps_mm=(x, y, z),
                centroid_lps_mm=row.centroid_lps_mm,
            )
        )
    return tuple(rows)


def _midline_x_mm(mr: Volume) -> float:
    """Middle of the body from right to left, the median over slices; of the grid where no body is seen."""
    rows = [np.flatnonzero(plane.any(axis=0)) for plane in mr_body(mr)]
    middles = [(row[0] + row[-1]) / 2 for row in rows if len(row)]
    voxel = (np.array(mr.array.shape) - 1) / 2
    voxel[2] = np.median(middles) if middles else voxel[2]
    return float(mr.geometry.to_lps(voxel)[0])


def facts(volume: Volume) -> Study:
    """Describe the grid of an MR for the report."""
    return Study(modality="MR", spacing_mm=volume.geometry.spacing_mm, slices=volume.geometry.shape[0])


def structures(labels: Volume) -> Volume:
    """Translate labels 1 and 2 into those of `hyoid.anatomy.structures`."""
    lookup = np.zeros(3, np.uint8)
    for label, structure in _STRUCTURES.items():
        lookup[label] = structure
    return labels.with_array(lookup[labels.array], Quantity.LABEL)
