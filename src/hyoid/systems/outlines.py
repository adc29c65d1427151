"""What a run outlined on one scan: structures that overlap as they do in patients, never painted over each other.

Label maps hold one value per voxel, so organs and targets have a map each, and a third one is made for the eye.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.plausibility import OutlineFacts, doubts_about, impossible_about
from hyoid.anatomy.structures import (
    BY_LABEL,
    BY_NAME,
    GTVN,
    GTVP,
    INSIDE_LARYNX,
    NODE,
    PRIMARY,
    TARGET_REGION,
    labels_of,
)
from hyoid.geometry.boxes import Box, bounding_box, crop_geometry
from hyoid.geometry.orientation import canonical_geometry, from_canonical, to_canonical
from hyoid.io.masks import Outline, boxed
from hyoid.metrics.outline_facts import centroid_lps_mm, outline_facts
from hyoid.provenance import Provenance, program
from hyoid.volume import Geometry, Quantity, Volume

TARGET_VALUES: Mapping[int, int] = {GTVP: PRIMARY, GTVN: NODE}
"""Structure -> value in `targets.nii.gz`, as the HECKTOR and HNTS-MRG challenges number them."""

_LARYNX, _MANDIBLE = BY_NAME["larynx"].label, BY_NAME["mandible"].label
_ON_TOP = (TARGET_REGION, GTVN, GTVP)


@dataclass(frozen=True)
class LeftOut:
    """Outline that a network made and that was not delivered.

    Parameters
    ----------
    volume_ml : float
        Volume of what was left out, mL.
    why : str
        Reason, as `run.json` and the report state it.
    """

    volume_ml: float
    why: str


@dataclass(frozen=True, eq=False)
class Outlines:
    """Structures outlined on one scan, each whole.

    Parameters
    ----------
    geometry : Geometry
        The scan's own grid.
    organs : Volume, LABEL, optional
        Labels of `hyoid.anatomy.structures` on that grid, the air of the larynx over the larynx. None: organs were not
        outlined.
    targets : mapping of int to Volume
        GTVp, GTVn or predicted target region -> its mask, bool, cut to its box on that grid; without empty ones.
    outlined_by : mapping of int to Provenance
        Who outlined a structure, by label.
    left_out : mapping of int to LeftOut
        Structures that a network outlined and that are not among these, by label.
    target_doubts : mapping of int to tuple of str
        What the report found doubtful about a target, by label.
    """

    geometry: Geometry
    organs: Volume | None = None
    targets: Mapping[int, Volume] = field(default_factory=dict)
    outlined_by: Mapping[int, Provenance] = field(default_factory=dict)
    left_out: Mapping[int, LeftOut] = field(default_factory=dict)
    target_doubts: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def structures(self) -> dict[int, Volume]:
        """Cut out every structure whole: its mask, bool, in its box, by label; the larynx with its air."""
        found: dict[int, Volume] = {}
        if self.organs is not None:
            found, _ = boxed(self.organs)
            inside = [BY_NAME[name].label for name in INSIDE_LARYNX]
            if _LARYNX in found and any(label in found for label in inside):
                found[_LARYNX] = _cut(np.isin(self.organs.array, [_LARYNX, *inside]), self.geometry)
        return found | dict(self.targets)

    def leaving(self) -> tuple[Outline, ...]:
        """Name every structure with who drew it, and with what is doubtful about the outline, for DICOM objects."""
        unknown, found = program("hyoid"), self.structures()
        doubts = organ_doubts(found, self.geometry) | dict(self.target_doubts)
        return tuple(
            Outline(BY_LABEL[label], mask, self.outlined_by.get(label, unknown), "; ".join(doubts.get(label, ())))
            for label, mask in found.items()
        )

    def organ_map(self) -> Volume | None:
        """Make the label map of organs, each whole: the air of the larynx counts as larynx, where that is outlined."""
        if self.organs is None or not (self.organs.array == _LARYNX).any():
            return self.organs
        array = self.organs.array.copy()
        array[np.isin(array, [BY_NAME[name].label for name in INSIDE_LARYNX])] = _LARYNX
        return self.organs.with_array(array)

    def target_map(self) -> Volume:
        """Make the label map of targets, 1 GTVp and 2 GTVn; of two on one voxel the primary."""
        array = np.zeros(self.geometry.shape, np.uint8)
        for label in (GTVN, GTVP):
            if label in self.targets:
                _paint(array, self.targets[label], self.geometry, TARGET_VALUES[label])
        return Volume(array, self.geometry, Quantity.LABEL)

    def region_map(self) -> Volume | None:
        """Make the mask of the predicted target region, 0 and 1; None without such a region."""
        if TARGET_REGION not in self.targets:
            return None
        array = np.zeros(self.geometry.shape, np.uint8)
        _paint(array, self.targets[TARGET_REGION], self.geometry, 1)
        return Volume(array, self.geometry, Quantity.LABEL)

    def picture(self) -> Volume:
        """Make one label map for the eye: organs, and over them the targets, in the labels of the anatomy."""
        nothing = np.zeros(self.geometry.shape, np.uint8)
        array = nothing if self.organs is None else self.organs.array.astype(np.uint8)
        for label in _ON_TOP:
            if label in self.targets:
                _paint(array, self.targets[label], self.geometry, label)
        return Volume(array, self.geometry, Quantity.LABEL)


def outlines_on(
    geometry: Geometry,
    *,
    organs: Volume | None = None,
    targets: Volume | None = None,
    region: Volume | None = None,
    outlined_by: Mapping[int, Provenance] = MappingProxyType({}),
    left_out: Mapping[int, LeftOut] = MappingProxyType({}),
) -> Outlines:
    """Bring canonical label maps of a run back onto the scan's own grid.

    Parameters
    ----------
    geometry : Geometry
        The scan's own grid.
    organs : Volume, LABEL, optional
        Labels of `hyoid.anatomy.structures` on the canonical grid.
    targets : Volume, LABEL, optional
        1 GTVp, 2 GTVn on the canonical grid.
    region : Volume, LABEL, optional
        Predicted target region, 0 and 1, on the canonical grid.
    outlined_by : mapping of int to Provenance
        Who outlined a structure, by label.
    left_out : mapping of int to LeftOut
        Structures that a network outlined and that are not in these maps, by label.
    """
    masks: dict[int, NDArray[np.bool_]] = {}
    if targets is not None:
        own = from_canonical(targets.array, geometry)
        masks = {label: own == value for label, value in TARGET_VALUES.items()}
    if region is not None:
        masks[TARGET_REGION] = from_canonical(region.array, geometry) > 0
    found, _ = boxed(masks, geometry)
    map_ = None
    if organs is not None:
        map_ = Volume(from_canonical(organs.array, geometry), geometry, Quantity.LABEL)
    return Outlines(geometry, map_, found, outlined_by, left_out)


def organ_doubts(structures: Mapping[int, Volume], scan: Geometry) -> dict[int, tuple[str, ...]]:
    """Say in which respects outlines of organs lie outside what their structure can be; without those in order.

    Parameters
    ----------
    structures : mapping of int to Volume
        Masks by label, each in its box; the larynx with its air.
    scan : Geometry
        Grid that the boxes are cut from.
    """
    facts = _facts(structures, scan, structures.get(_MANDIBLE))
    found = {label: doubts_about(BY_LABEL[label].name, measured) for label, measured in facts.items()}
    return {label: doubts for label, doubts in found.items() if doubts}


def without_impossible(organs: Volume) -> tuple[Volume, dict[int, LeftOut]]:
    """Leave out outlines of organs that cannot be their structure, by volume or place.

    Place is measured from the mandible, and judged only where the mandible's own outline is beyond doubt.

    Parameters
    ----------
    organs : Volume, LABEL
        Labels of `hyoid.anatomy.structures`.

    Returns
    -------
    Volume
        The other organs.
    dict of int to LeftOut
        By label, with the reason.
    """
    structures = Outlines(organs.geometry, organs).structures()
    mandible = structures.get(_MANDIBLE)
    if mandible is not None and _MANDIBLE in organ_doubts({_MANDIBLE: mandible}, organs.geometry):
        mandible = None
    found = {}
    for label, facts in _facts(structures, organs.geometry, mandible).items():
        if reasons := impossible_about(BY_LABEL[label].name, facts):
            found[label] = LeftOut(facts.volume_ml, f"no such structure can be: {'; '.join(reasons)}")
    if not found:
        return organs, {}
    gone = [value for label in found for value in labels_of(BY_LABEL[label].name)]
    return organs.with_array(np.where(np.isin(organs.array, gone), 0, organs.array).astype(organs.array.dtype)), found


def _facts(structures: Mapping[int, Volume], scan: Geometry, mandible: Volume | None) -> dict[int, OutlineFacts]:
    """Measures of outlines on a scan, by label; places from the mandible, where that is given."""
    centre = None if mandible is None else centroid_lps_mm(mandible)
    grid = canonical_geometry(scan)
    measured = {label: outline_facts(to_canonical(mask), grid, centre) for label, mask in structures.items()}
    return {label: facts for label, facts in measured.items() if facts is not None}


def foreign_outlines(labels: Volume, names: Mapping[str, int | tuple[int, ...]], outlined_by: Provenance) -> Outlines:
    """Find hyoid's own structures in somebody else's label map, by their names.

    Parameters
    ----------
    labels : Volume, LABEL
        Somebody else's label map, on the scan's own grid.
    names : mapping of str to int or tuple of int
        What the labels mean; several labels are one region.
    outlined_by : Provenance
        Who made the label map.
    """
    known = {BY_NAME[name.lower()].label: np.atleast_1d(v) for name, v in names.items() if name.lower() in BY_NAME}
    organs = np.zeros(labels.array.shape, np.uint8)
    for label, values in known.items():
        if label < GTVP:
            organs[np.isin(labels.array, values)] = label
    masks = {label: np.isin(labels.array, values) for label, values in known.items() if label in TARGET_VALUES}
    targets, _ = boxed(masks, labels.geometry)
    has_organs = any(label < GTVP for label in known)
    return Outlines(
        labels.geometry,
        Volume(organs, labels.geometry, Quantity.LABEL) if has_organs else None,
        targets,
        dict.fromkeys(known, outlined_by),
    )


def _cut(mask: NDArray[np.bool_], geometry: Geometry) -> Volume:
    """A mask that is not empty, in its box."""
    box = bounding_box(mask)
    assert box is not None
    return Volume(mask[box.slices], crop_geometry(geometry, box), Quantity.LABEL)


def _paint(array: NDArray[np.uint8], mask: Volume, geometry: Geometry, value: int) -> None:
    """Set the voxels of a boxed mask on its grid."""
    start = np.rint(geometry.to_ijk(mask.geometry.origin_lps_mm)).astype(int)
    box = Box(tuple(start.tolist()), tuple((start + mask.array.shape).tolist()))
    array[box.slices][mask.array] = value
