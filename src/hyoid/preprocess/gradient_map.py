"""Gradient map of tumour regions (Ren et al., arXiv 2410.12941, section 2.2): where edges are, near where tumour was.

For every component of every label of the (registered) outlines: a box with a random margin on each side, intensities
scaled, Gaussian gradient magnitude, scaled to 0..1. Zero outside all boxes.

============  ===========================  ==========================  ==============================
preset        `paper`                      `code`                      `hyoid`
============  ===========================  ==========================  ==============================
margin        2-6 voxels                   4-7 voxels towards index    5-10 mm
                                           0, 3-6 voxels away from it
intensities   whole image to 0..1          box to 0..1                 box, 1st to 99th percentile
sigma         1 voxel                      1 voxel                     1 mm
gradient      of the box alone, to 0..1    of the box alone, to 0..1,  per mm, with the tissue around,
                                           times 2, at most 1          99th percentile to 1, at most 1
flat box      0                            1                           0
boxes meet    larger value                 later box                   larger value
============  ===========================  ==========================  ==============================

`paper` is what the paper prints, `code` what its authors published. Voxels of 0.5 x 0.5 x 2 mm make both box and
smoothing four times as long along the body as across it; `hyoid` counts in millimetres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hyoid.geometry.boxes import Box

PresetName = Literal["paper", "code", "hyoid"]
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class GradientPreset:
    """How a gradient map is made.

    Parameters
    ----------
    name : str
        Key of the preset, or words for it.
    unit : {"voxel", "mm"}
        Of margins and sigma.
    low_margin, high_margin : (least, most)
        Added at the side of the smaller and of the larger index, drawn anew for every box and axis.
    sigma : float
        Width of the slope, in the unit of the margins.
    scaled_over : {"image", "box"}
        Where intensities are brought to 0..1.
    quantile : float
        Share of voxels left out at each end when intensities are scaled, and at the upper end of the gradient.
    gain : float
        Factor after the gradient was brought to 0..1; what exceeds 1 is cut.
    flat : float
        Value of a box without any gradient.
    beyond_box : bool
        Whether the gradient at the faces of a box sees the tissue outside it.
    combine : {"maximum", "last"}
        Where boxes overlap.
    """

    name: PresetName
    unit: Literal["voxel", "mm"]
    low_margin: tuple[float, float]
    high_margin: tuple[float, float]
    sigma: float
    scaled_over: Literal["image", "box"]
    quantile: float
    gain: float
    flat: float
    beyond_box: bool
    combine: Literal["maximum", "last"]


PRESETS: dict[PresetName, GradientPreset] = {
    "paper": GradientPreset("paper", "voxel", (2, 6), (2, 6), 1.0, "image", 0.0, 1.0, 0.0, False, "maximum"),
    "code": GradientPreset("code", "voxel", (4, 7), (3, 6), 1.0, "box", 0.0, 2.0, 1.0, False, "last"),
    "hyoid": GradientPreset("hyoid", "mm", (5, 10), (5, 10), 1.0, "box", 0.01, 1.0, 0.0, True, "maximum"),
}


@dataclass(frozen=True)
class TumourBox:
    """Box around one component.

    Parameters
    ----------
    label : int
        1 GTVp, 2 GTVn.
    tight : Box
        Without margin.
    box : Box
        With margin, cut at the edge of the image.
    """

    label: int
    tight: Box
    box: Box


def tumour_boxes(
    labels: NDArray, spacing_mm: Spacing, preset: GradientPreset, rng: np.random.Generator | None = None
) -> tuple[TumourBox, ...]:
    """Find a box with margin around every component (26-connectivity) of every label, by label and then by place.

    Parameters
    ----------
    labels : ndarray of int, shape (D, H, W)
        Registered outlines; 0 is background.
    spacing_mm : (slice, row, column)
        Distance between voxel centres, mm.
    preset : GradientPreset
        Margins and slope of the map.
    rng : numpy.random.Generator, optional
        Draws the margins; without it every margin is the middle of its range.

    Examples
    --------
    >>> labels = np.zeros((9, 20, 20), np.uint8); labels[4, 10, 10] = 1
    >>> [found] = tumour_boxes(labels, (2.0, 0.5, 0.5), PRESETS["paper"])
    >>> found.box
    Box(start=(0, 6, 6), stop=(9, 15, 15))
    """
    found = []
    for label in sorted(int(v) for v in np.unique(labels) if v):
        numbered = cc3d.connected_components(np.ascontiguousarray(labels == label), connectivity=26)
        for slices in cc3d.statistics(numbered)["bounding_boxes"][1:]:
            start = tuple(int(s.start) for s in slices)
            stop = tuple(int(s.stop) for s in slices)
            low, high = (_margin(m, spacing_mm, preset, rng) for m in (preset.low_margin, preset.high_margin))
            wide = Box(
                tuple(max(0, a - m) for a, m in zip(start, low, strict=True)),  # type: ignore[arg-type]
                tuple(min(n, b + m) for b, m, n in zip(stop, high, labels.shape, strict=True)),
            )
            found.append(TumourBox(label, Box(start, stop), wide))  # type: ignore[arg-type]
    return tuple(found)


def gradient_map(
    image: NDArray, boxes: Sequence[TumourBox], spacing_mm: Spacing, preset: GradientPreset
) -> NDArray[np.float32]:
    """Compute the gradient magnitude 0..1 inside the boxes, zero outside.

    Parameters
    ----------
    image : ndarray, shape (D, H, W)
        T2w intensities of any number type; computed in floating point.
    boxes : sequence of TumourBox
        One box with margin per tumour, as `tumour_boxes` finds it.
    spacing_mm : (slice, row, column)
        Distance between voxel centres, mm.
    preset : GradientPreset
        Margins and slope of the map.

    Returns
    -------
    ndarray, shape (D, H, W), float32
    """
    result = np.zeros(image.shape, np.float32)
    whole = (float(image.min()), float(image.max())) if preset.scaled_over == "image" else None
    for found in boxes:
        values = _box_map(image, found.box, spacing_mm, preset, whole)
        inside = result[found.box.slices]
        inside[...] = values if preset.combine == "last" else np.maximum(inside, values)
    return result


def share_outside(labels: NDArray, boxes: Sequence[TumourBox]) -> dict[int, float]:
    """Compute the share of each label's voxels outside the boxes of that label: tumour that the map does not show.

    Parameters
    ----------
    labels : ndarray of int, shape (D, H, W)
        Mid-treatment tumour.
    boxes : sequence of TumourBox
        From the registered pre-treatment outlines.
    """
    shares = {}
    for label in sorted(int(v) for v in np.unique(labels) if v):
        covered = np.zeros(labels.shape, bool)
        for found in boxes:
            if found.label == label:
                covered[found.box.slices] = True
        mask = labels == label
        shares[label] = float((mask & ~covered).sum() / mask.sum())
    return shares


def _margin(
    limits: tuple[float, float], spacing_mm: Spacing, preset: GradientPreset, rng: np.random.Generator | None
) -> tuple[int, ...]:
    """Voxels to add at one side along each axis."""
    low, high = limits
    if preset.unit == "voxel":
        return tuple(
            round((low + high) / 2) if rng is None else int(rng.integers(int(low), int(high) + 1)) for _ in range(3)
        )
    drawn_mm = [(low + high) / 2 if rng is None else float(rng.uniform(low, high)) for _ in range(3)]
    return tuple(int(np.ceil(m / s - 1e-6)) for m, s in zip(drawn_mm, spacing_mm, strict=True))


def _box_map(
    image: NDArray, box: Box, spacing_mm: Spacing, preset: GradientPreset, whole: tuple[float, float] | None
) -> NDArray[np.float64]:
    """Map of one box, shape of the box."""
    steps = spacing_mm if preset.unit == "mm" else (1.0, 1.0, 1.0)
    sigma = tuple(preset.sigma / s for s in steps)
    around = box
    if preset.beyond_box:
        reach = tuple(int(np.ceil(4 * s)) + 1 for s in sigma)
        around = box.grown(reach, image.shape)  # type: ignore[arg-type]
    inner = box.slices_from(around.start)
    values = image[around.slices].astype(np.float64)
    low, high = whole or np.quantile(values[inner], (preset.quantile, 1 - preset.quantile))
    if high <= low:
        return np.full(box.shape, preset.flat)
    values = (values - low) / (high - low)
    if preset.quantile:
        np.clip(values, 0, 1, out=values)
    squares = np.zeros(values.shape)
    for axis, step in enumerate(steps):
        order = [1 if a == axis else 0 for a in range(3)]
        squares += (ndimage.gaussian_filter(values, sigma, order) / step) ** 2
    magnitude = np.sqrt(squares)[inner]
    least, most = float(magnitude.min()), float(np.quantile(magnitude, 1 - preset.quantile))
    if most - least <= np.finfo(np.float32).eps:
        return np.full(box.shape, preset.flat)
    # A quantile above the least value keeps flat tissue near zero instead of stretching the noise floor.
    floor = 0.0 if preset.beyond_box else least
    return np.clip(preset.gain * (magnitude - floor) / (most - floor), 0, 1)
