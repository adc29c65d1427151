"""Masks of one case on one grid, whatever they were read from: a label map, or masks with names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from hyoid.errors import InputRefusedError
from hyoid.evaluation.protocols import MaskClass, Protocol
from hyoid.geometry.boxes import Box, bounding_box
from hyoid.geometry.orientation import canonical_geometry, from_canonical, to_canonical
from hyoid.geometry.resample import resample
from hyoid.volume import Geometry, Quantity, Volume


@dataclass(frozen=True, eq=False)
class CaseMasks:
    """Outlines of one case.

    Parameters
    ----------
    geometry : Geometry
        Grid on which the masks lie.
    labels : ndarray of int, shape (D, H, W), optional
        Label map.
    named : mapping of str to ndarray of bool, shape (D, H, W), optional
        Masks by segment or contour name; they may overlap. Used where there is no label map.
    """

    geometry: Geometry
    labels: np.ndarray | None = None
    named: Mapping[str, np.ndarray] | None = None

    def box(self) -> Box | None:
        """Find the smallest box around everything that is outlined; None when nothing is."""
        if self.labels is not None:
            return bounding_box(self.labels)
        boxes = [box for box in map(bounding_box, (self.named or {}).values()) if box is not None]
        return _around(boxes)

    def mask(self, mask_class: MaskClass, box: Box) -> np.ndarray:
        """Find the mask of one class inside a box, bool."""
        if self.labels is not None:
            part = self.labels[box.slices]
            if len(mask_class.labels) == 1:
                return part == mask_class.labels[0]
            return np.isin(part, mask_class.labels)
        total = np.zeros(box.shape, dtype=bool)
        wanted = {_key(name) for name in (mask_class.name, *mask_class.aliases)}
        for name, mask in (self.named or {}).items():
            if _key(name) in wanted:
                total |= mask[box.slices]
        return total

    def reordered(self, geometry: Geometry) -> CaseMasks | None:
        """Bring the same voxels into the axis order and directions of another grid; None when that is not the same
        grid.

        Nothing is interpolated: programs differ in whether rows run to the front or to the back.
        """
        if not canonical_geometry(self.geometry).same_grid(canonical_geometry(geometry)):
            return None

        def moved(array: np.ndarray) -> np.ndarray:
            return from_canonical(to_canonical(Volume(array, self.geometry, Quantity.LABEL)).array, geometry)

        return self._with(moved, geometry)

    def on(self, geometry: Geometry) -> CaseMasks:
        """Resample the outlines onto another grid, nearest neighbour.

        Raises
        ------
        GeometryError
            When both grids name a frame of reference and these differ.
        """

        def moved(array: np.ndarray) -> np.ndarray:
            numbers = array.astype(np.uint8) if array.dtype == bool else array
            return resample(Volume(numbers, self.geometry, Quantity.LABEL), geometry).array.astype(array.dtype)

        return self._with(moved, geometry)

    def _with(self, moved: Callable[[np.ndarray], np.ndarray], geometry: Geometry) -> CaseMasks:
        labels = None if self.labels is None else moved(self.labels)
        named = None if self.named is None else {name: moved(mask) for name, mask in self.named.items()}
        return CaseMasks(geometry, labels, named)


def refuse_unknown_labels(masks: CaseMasks, protocol: Protocol, whose: str) -> None:
    """Refuse a label map with a value that the protocol does not know, and masks none of which it knows.

    Parameters
    ----------
    masks : CaseMasks
        One side of a case.
    protocol : Protocol
        Which masks are scored, by which rules.
    whose : str
        Words for the message, such as "The prediction".

    Raises
    ------
    InputRefusedError
        Naming the values, or the names.
    """
    if masks.labels is not None:
        unknown = sorted(_values(masks) - protocol.known_labels)
        if unknown:
            known = ", ".join(f"{c.name} = {'/'.join(map(str, c.labels))}" for c in protocol.classes)
            raise InputRefusedError(
                f"{whose} holds label{'s' if len(unknown) > 1 else ''} {', '.join(map(str, unknown))}, which protocol "
                f"{protocol.name} does not know.",
                f"{protocol.name} knows {known}. Map the labels, or list them as ignored_labels of a custom protocol.",
            )
        return
    names = list(masks.named or {})
    known_names = {_key(name) for c in protocol.classes for name in (c.name, *c.aliases)}
    if names and not any(_key(name) in known_names for name in names):
        raise InputRefusedError(
            f"{whose} outlines {', '.join(sorted(names))}, and no such name belongs to protocol {protocol.name}.",
            f"Name them {', '.join(c.name for c in protocol.classes)}, or give aliases in a custom protocol.",
        )


def union_box(reference: CaseMasks, prediction: CaseMasks) -> Box:
    """Find the smallest box around everything outlined on either side; one voxel when nothing is."""
    around = _around([box for box in (reference.box(), prediction.box()) if box is not None])
    return around or Box((0, 0, 0), (1, 1, 1))


def _values(masks: CaseMasks) -> set[int]:
    """Values that occur in a label map."""
    box = masks.box()
    if masks.labels is None or box is None:
        return set()
    # Slice by slice, because counting makes 64-bit numbers of its input.
    counts = [np.bincount(plane.ravel()) for plane in masks.labels[box.slices]]
    return {int(value) for count in counts for value in np.flatnonzero(count)}


def _around(boxes: list[Box]) -> Box | None:
    if not boxes:
        return None
    start = tuple(min(box.start[a] for box in boxes) for a in range(3))
    stop = tuple(max(box.stop[a] for box in boxes) for a in range(3))
    return Box(start, stop)  # type: ignore[arg-type]


def _key(name: str) -> str:
    """Name without case, spaces and punctuation."""
    return "".join(letter for letter in name.lower() if letter.isalnum())
