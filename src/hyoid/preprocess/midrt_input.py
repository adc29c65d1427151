"""From T2w MR and registered outlines to channels of the mid-treatment network: the same for training and for use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hyoid.errors import UnsuitableScanError
from hyoid.geometry.boxes import bounding_box, crop_geometry
from hyoid.geometry.resample import grid_with_spacing, resample
from hyoid.preprocess.gradient_map import PRESETS, PresetName, TumourBox, gradient_map, tumour_boxes
from hyoid.preprocess.mr_body import mr_body
from hyoid.volume import Geometry, Quantity, Volume

Channel = Literal["t2", "gradient", "outline_gtvp", "outline_gtvn"]
OUTLINES: dict[str, int] = {"outline_gtvp": 1, "outline_gtvn": 2}
_SKIN_MM = 6.0


@dataclass(frozen=True)
class InputForm:
    """What the network sees.

    Parameters
    ----------
    channels : tuple of {"t2", "gradient", "outline_gtvp", "outline_gtvn"}
        What the network sees, in this order.
    gradient : {"paper", "code", "hyoid"}
        Preset of the gradient map.
    spacing_mm : (slice, row, column)
        Distance between voxel centres, mm.
    zscore : {"image", "body"}
        Over which voxels the T2w image gets zero mean and unit standard deviation.
    zscore_map : bool
        Also z-score the gradient map, as nnU-Net does in the paper.
    """

    channels: tuple[Channel, ...]
    gradient: PresetName
    spacing_mm: tuple[float, float, float]
    zscore: Literal["image", "body"]
    zscore_map: bool


@dataclass(frozen=True, eq=False)
class Scene:
    """A T2w image on the network's grid, cut to the patient.

    Parameters
    ----------
    t2 : ndarray, shape (d, h, w), float32
        z-scores.
    geometry : Geometry
        Grid of the network.
    """

    t2: NDArray[np.float32]
    geometry: Geometry


def scene_of(t2: Volume, form: InputForm) -> Scene:
    """Bring the image onto the network's grid.

    Parameters
    ----------
    t2 : Volume, MR
        Canonical orientation.
    form : InputForm
        What the network sees.

    Raises
    ------
    UnsuitableScanError
        When the image shows no body or has no contrast.
    """
    body = mr_body(t2.require(Quantity.MR))
    box = bounding_box(body)
    if box is None:
        raise UnsuitableScanError("The MR shows no body.", "Give the T2w series of the neck.")
    margin = tuple(int(np.ceil(_SKIN_MM / s)) for s in t2.geometry.spacing_mm)
    cut = crop_geometry(t2.geometry, box.grown(margin, t2.array.shape))  # type: ignore[arg-type]
    grid = grid_with_spacing(cut, form.spacing_mm)
    values = resample(t2, grid).array.astype(np.float32)
    part: NDArray[np.bool_] = np.ones(grid.shape, bool)
    if form.zscore == "body":
        part = resample(t2.with_array(body.astype(np.uint8), Quantity.LABEL), grid).array > 0
    spread = float(values[part].std())
    if spread == 0:
        raise UnsuitableScanError("The MR has one value everywhere.", "Give the T2w series of the neck.")
    return Scene((values - float(values[part].mean())) / spread, grid)


def gradient_volume(
    t2: Volume, outlines: Volume, preset: PresetName, rng: np.random.Generator | None = None
) -> tuple[Volume, tuple[TumourBox, ...]]:
    """Draw the gradient map on the grid of the image, and return its boxes.

    Parameters
    ----------
    t2 : Volume, MR
        The later scan.
    outlines : Volume, LABEL
        1 GTVp, 2 GTVn, on the same grid.
    preset : {"paper", "code", "hyoid"}
        Key of `PRESETS`.
    rng : Generator, optional
        Draws the margins; by default each is the middle of its range.
    """
    chosen = PRESETS[preset]
    boxes = tumour_boxes(outlines.array, t2.geometry.spacing_mm, chosen, rng)
    values = gradient_map(t2.array, boxes, t2.geometry.spacing_mm, chosen)
    return t2.with_array(values, Quantity.PROBABILITY), boxes


def channels_of(scene: Scene, form: InputForm, gradient: Volume | None, outlines: Volume) -> NDArray[np.float32]:
    """Make the network's input (C, d, h, w) on the scene's grid.

    Parameters
    ----------
    scene : Scene
        The later scan on the network's grid.
    form : InputForm
        What the network sees.
    gradient : Volume or None
        From `gradient_volume`; may be None where the form has no such channel.
    outlines : Volume, LABEL
        1 GTVp, 2 GTVn, in the world of the scene.
    """
    result = np.empty((len(form.channels), *scene.geometry.shape), np.float32)
    labels: NDArray | None = None
    for channel, values in zip(form.channels, result, strict=True):
        if channel == "t2":
            values[...] = scene.t2
        elif channel == "gradient":
            if gradient is None:
                raise ValueError("The network sees a gradient map, and none was given.")
            values[...] = map_channel(resample(gradient, scene.geometry).array, form)
        else:
            labels = resample(outlines, scene.geometry).array if labels is None else labels
            values[...] = labels == OUTLINES[channel]
    return result


def map_channel(values: NDArray, form: InputForm, moments: tuple[float, float] | None = None) -> NDArray[np.float32]:
    """Compute the gradient map as the network sees it: 0..1, or its z-score over the image.

    Parameters
    ----------
    values : ndarray
        0..1.
    form : InputForm
        What the network sees.
    moments : (float, float), optional
        Mean and standard deviation over the whole image, where `values` are a part of it.
    """
    array = values.astype(np.float32)
    if not form.zscore_map:
        return array
    mean, deviation = moments or (float(array.mean()), float(array.std()))
    return (array - mean) / max(deviation, 1e-8)
