"""From T2w MR and registered outlines to channels of the mid-treatment network: the same for training and for use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.foreign_names import plain_name
from hyoid.errors import ModelUnusableError, UnsuitableScanError
from hyoid.geometry.boxes import bounding_box, crop_geometry
from hyoid.geometry.resample import grid_with_spacing, resample
from hyoid.preprocess.gradient_map import PRESETS, PresetName, TumourBox, gradient_map, tumour_boxes
from hyoid.preprocess.mr_body import mr_body
from hyoid.volume import Geometry, Quantity, Volume

Channel = Literal["t2", "gradient", "outline_gtvp", "outline_gtvn"]
OUTLINES: dict[str, int] = {"outline_gtvp": 1, "outline_gtvn": 2}
_SKIN_MM = 6.0

ForeignChannel = Literal["t2", "gradient", "pre_t2", "outlines", "outline_gtvp", "outline_gtvn"]
"""What an nnU-Net folder may see on the grid of the later scan: also the earlier scan carried onto that grid, and the
registered outlines as one label map (1 GTVp, 2 GTVn)."""
FOREIGN_CHANNELS: tuple[ForeignChannel, ...] = (
    "t2",
    "gradient",
    "pre_t2",
    "outlines",
    "outline_gtvp",
    "outline_gtvn",
)
# Names in `dataset.json`: those of HNTS-MRG 2024's published gradient networks, and the challenge's own file names.
_CHANNELS_ELSEWHERE: Mapping[str, ForeignChannel] = {
    "t2": "t2",
    "t2w": "t2",
    "midrt_t2": "t2",
    "gradient": "gradient",
    "gradient_map": "gradient",
    "prert_t2_registered": "pre_t2",
    "prert_mask_registered": "outlines",
}


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


def channels_named(model: str, names: Sequence[str], stated: Sequence[str] = ()) -> tuple[ForeignChannel, ...]:
    """Find out what the input channels of an nnU-Net folder are.

    Parameters
    ----------
    model : str
        Name of the network, for refusals.
    names : sequence of str
        Names of its channels in `dataset.json`.
    stated : sequence of str
        What a user or a table says they are, in their order; empty where the names are to tell.

    Raises
    ------
    ModelUnusableError
        When a channel is not known, or as many are not stated as the network has.

    Examples
    --------
    >>> channels_named("a network", ["T2", "preRT_T2_registered", "preRT_mask_registered"])
    ('t2', 'pre_t2', 'outlines')
    """
    cure = f"State them by `channels` in the file of --models; hyoid makes: {', '.join(FOREIGN_CHANNELS)}."
    if stated and len(stated) != len(names):
        raise ModelUnusableError(
            f"{model!r} sees {len(names)} channel(s) ({', '.join(names)}), and {len(stated)} are stated.", cure
        )
    found: list[ForeignChannel] = []
    for place, name in enumerate(names):
        channel = stated[place] if stated else _CHANNELS_ELSEWHERE.get(plain_name(name), name)
        if channel not in FOREIGN_CHANNELS:
            raise ModelUnusableError(f"What channel {channel!r} of {model!r} holds is not known.", cure)
        found.append(channel)
    return tuple(found)


def volumes_of(
    channels: Sequence[ForeignChannel], mid: Volume, pre: Volume | None, outlines: Volume, gradient: Volume
) -> list[Volume]:
    """Make the input of an nnU-Net folder, one image per channel on the grid of the later scan.

    Parameters
    ----------
    channels : sequence of str
        From `channels_named`.
    mid : Volume, MR
        The later scan.
    pre : Volume, MR, or None
        The earlier scan carried onto the grid of `mid`; None where it is not at hand.
    outlines : Volume, LABEL
        1 GTVp, 2 GTVn of the earlier scan, on the grid of `mid`.
    gradient : Volume
        From `gradient_volume`.

    Raises
    ------
    UnsuitableScanError
        When a channel is the earlier scan, and that is not at hand.
    """
    found = []
    for channel in channels:
        if channel == "t2":
            found.append(mid)
        elif channel == "gradient":
            found.append(gradient)
        elif channel == "pre_t2":
            if pre is None:
                raise UnsuitableScanError(
                    "The network sees the earlier MR too, and that does not lie on the grid of the later one.",
                    "Leave --registered out, or give the earlier MR registered.",
                )
            found.append(pre)
        else:
            wanted = (outlines.array > 0) if channel == "outlines" else (outlines.array == OUTLINES[channel])
            values = np.where(wanted, outlines.array if channel == "outlines" else 1, 0)
            found.append(mid.with_array(values.astype(np.float32)))
    return found
