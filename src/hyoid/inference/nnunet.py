"""Any nnU-Net v2 model on one case, with nnU-Net's own arithmetic: prepare, tiles, folds, export.

::

    channels -> transpose -> crop -> normalise -> resample --+--> tiles x mirrors x folds -> logits -> slabs -> labels
    labels of the previous stage -> crop -> resample --------+    (a cascade only)
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyoid.errors import InputRefusedError, ModelUnusableError
from hyoid.geometry.boxes import Box
from hyoid.geometry.orientation import from_canonical, to_canonical
from hyoid.inference.checkpoints import CheckpointPackage, fold_package
from hyoid.inference.memory import available_bytes
from hyoid.inference.runtime import BF16_AGREEMENT, Device, Precision, load_runtime
from hyoid.inference.slab_export import SLAB_BYTES, decide, labels_by_slabs
from hyoid.inference.sliding_window import Predict, Tiling, mirrored, nnunet_weight, predict_tiles, tile_starts
from hyoid.io.atomic import write_text
from hyoid.io.packages.nnunet_folder import NnunetModel, Resampling, read_nnunet_folder
from hyoid.preprocess import nnunet as prepare
from hyoid.progress import Stages, ignore_stages
from hyoid.volume import Quantity, Volume

COMPARING = "comparing bfloat16 with float32, once"
BODY_HU = -500.0  # `fast`: tiles without a voxel above it hold no body
_SMALL_SLAB = 2 << 20


@dataclass(frozen=True)
class Options:
    """How to run a model.

    Parameters
    ----------
    mirror : bool
        Average over mirror images, where the trainer allows it.
    step : float
        Distance of neighbouring tiles over the tile's edge.
    precision : {"f32", "bf16"}, optional
        Arithmetic of the network; by default bfloat16 where `bf16_agrees`.
    fast : bool
        Leave out tiles without a voxel above -500 HU; a label there, if the network would give one, is lost.
    device : {"cpu", "cuda"}
        Processor on which the network runs.
    probabilities : bool
        Return probabilities too, as large as classes x scan.
    """

    mirror: bool = True
    step: float = 0.5
    precision: Precision | None = None
    fast: bool = False
    device: Device = "cpu"
    probabilities: bool = False


@dataclass(frozen=True, eq=False)
class Prediction:
    """Labels of one case.

    Parameters
    ----------
    labels : Volume
        Most probable label at every voxel, on the grid of the input.
    probabilities : ndarray, shape (K, D, H, W), float32, or None
        Probability of each output at every voxel; None unless asked for.
    precision : str
        Arithmetic that was used, "f32" or "bf16".
    trainer : str
        Name of the nnU-Net trainer that made the model.
    """

    labels: Volume
    probabilities: NDArray[np.float32] | None
    precision: Precision
    trainer: str


def predict_case(
    model: NnunetModel,
    channels: Sequence[Volume],
    options: Options,
    cache: Path,
    *,
    from_dicom: bool = False,
    on_progress: Stages = ignore_stages,
) -> Prediction:
    """Predict the labels of one case as nnU-Net's own predictor gives them.

    Parameters
    ----------
    model : NnunetModel
        nnU-Net folder with its checkpoints.
    channels : sequence of Volume
        Images on one grid, in the order of the model's channels.
    options : Options
        Mirroring, tile step, precision and device.
    cache : Path
        Folder for compiled graphs.
    from_dicom : bool
        DICOM has no axis order of its own; it is brought into the one in which converters write files.

    Raises
    ------
    InputRefusedError
        When the channels do not suit the model, or memory does not suffice.
    ModelUnusableError
        When a checkpoint cannot be used.
    """
    _require_channels(model, channels)
    grid = channels[0].geometry
    ordered, back = _axis_order(model, channels, from_dicom=from_dicom)
    previous = None
    if model.previous is not None:
        earlier = _previous_stage(model)
        first = predict_case(
            earlier,
            channels,
            replace(options, probabilities=False),
            cache,
            from_dicom=from_dicom,
            on_progress=lambda stage, done, total: on_progress(f"{stage} (first stage)", done, total),
        )
        previous = _axis_order(model, [first.labels], from_dicom=from_dicom)[0][0].transpose(model.transpose)
    scan = np.stack(ordered).transpose(0, *(a + 1 for a in model.transpose))
    spacing = _spacing(model, channels[0], from_dicom=from_dicom)
    on_progress("prepare", 0, 1)
    box = prepare.nonzero_box(scan)
    image, body = _prepared(model, scan, box, spacing, previous, fast=options.fast)
    on_progress("prepare", 1, 1)
    slab_bytes = _require_memory(model, image.shape)
    packages = [fold_package(model, fold, cache) for fold in model.checkpoints]
    precision = options.precision or ("bf16" if options.device == "cuda" else None)
    precision = precision or _agreed_precision(model, packages[0], image, cache, on_progress)
    logits = _logits(model, packages, image, body, options, precision, cache, on_progress)
    target = tuple(b - a for a, b in zip(box.start, box.stop, strict=True))
    thick = prepare.thick_axis(_network_spacing(model, spacing), spacing, separate=model.logits.separate_z)
    matrices = prepare.axis_matrices(
        image.shape[1:], target, order=model.logits.order, order_z=model.logits.order_z, thick=thick
    )
    whole = _BoxedProbabilities(model, box, scan.shape[1:]) if options.probabilities else None
    inside = labels_by_slabs(
        logits,
        matrices,
        model.labels.heads,
        regions=model.labels.regions,
        slab_bytes=slab_bytes,
        on_probabilities=whole,
        on_progress=lambda done, total: on_progress("export", done, total),
    )
    labels = np.zeros(scan.shape[1:], inside.dtype)
    labels[box.slices] = inside
    undo = tuple(int(a) for a in np.argsort(model.transpose))
    probabilities = None
    if whole is not None:
        probabilities = np.stack([back(p.transpose(undo)) for p in whole.array])
    result = Volume(back(labels.transpose(undo)), grid, Quantity.LABEL)
    return Prediction(result, probabilities, precision, packages[0].trainer)


def _require_channels(model: NnunetModel, channels: Sequence[Volume]) -> None:
    names = ", ".join(channel.name for channel in model.channels)
    if len(channels) != len(model.channels):
        raise InputRefusedError(
            f"{model.name} takes {len(model.channels)} channel(s) ({names}); {len(channels)} were given.",
            "Give one file per channel, in this order, or files that end in _0000, _0001, ….",
        )
    for channel, volume in zip(model.channels[1:], channels[1:], strict=True):
        if not volume.geometry.same_grid(channels[0].geometry):
            raise InputRefusedError(
                f"Channel {channel.name!r} lies on another grid than {model.channels[0].name!r}.",
                "Resample it onto the grid of the first channel.",
            )


def _axis_order(
    model: NnunetModel, volumes: Sequence[Volume], *, from_dicom: bool
) -> tuple[list[NDArray], Callable[[NDArray], NDArray]]:
    """Arrays in the axis order of nnU-Net's reader, and the way back to the grid of the volumes."""
    grid = volumes[0].geometry
    if model.reader == "NibabelIOWithReorient":
        # RAS, read as slices feet to head, rows back to front, columns left to right.
        return [to_canonical(v).array[:, ::-1, ::-1] for v in volumes], lambda a: from_canonical(a[:, ::-1, ::-1], grid)
    if from_dicom:
        return [to_canonical(v).array for v in volumes], lambda a: from_canonical(a, grid)
    return [v.array for v in volumes], np.ascontiguousarray


def _spacing(model: NnunetModel, volume: Volume, *, from_dicom: bool) -> tuple[float, float, float]:
    """Spacing along the network's axes, mm."""
    canonical = from_dicom or model.reader == "NibabelIOWithReorient"
    geometry = to_canonical(volume).geometry if canonical else volume.geometry
    a, b, c = (geometry.spacing_mm[axis] for axis in model.transpose)
    return a, b, c


def _network_spacing(model: NnunetModel, spacing: Sequence[float]) -> tuple[float, ...]:
    """Target spacing; a 2D network leaves the slices where they are."""
    return (spacing[0], *model.spacing_mm) if len(model.spacing_mm) == 2 else model.spacing_mm


def _prepared(
    model: NnunetModel,
    scan: NDArray,
    box: Box,
    spacing: tuple[float, float, float],
    previous: NDArray | None,
    *,
    fast: bool,
) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
    """Network input (C, d, h, w), and where the body is on its grid when tiles are to be left out."""
    part = scan[(slice(None), *box.slices)]
    target_spacing = _network_spacing(model, spacing)
    shape = prepare.new_shape(part.shape[1:], spacing, target_spacing)
    masked = any(c.masked and c.normalisation == "ZScoreNormalization" for c in model.channels)
    region = prepare.nonzero_region(part) if masked else None
    values = np.stack(
        [
            prepare.normalised(
                channel, row.normalisation, region=region if row.masked else None, intensities=row.intensities
            )
            for row, channel in zip(model.channels, part, strict=True)
        ]
    )

    def orders(how: Resampling) -> dict[str, int | None]:
        thick = prepare.thick_axis(spacing, target_spacing, separate=how.separate_z)
        return {"order": how.order, "order_z": how.order_z, "thick": thick}

    image = prepare.resampled(values, shape, **orders(model.data))  # type: ignore[arg-type]
    if previous is not None:
        labels = prepare.resampled_labels(previous[box.slices], shape, **orders(model.segmentation))  # type: ignore[arg-type]
        image = np.concatenate([image, *[(labels == label)[None] for label in model.labels.foreground]]).astype(
            np.float32
        )
    if not fast:
        return image, None
    if model.channels[0].normalisation != "CTNormalization":
        raise InputRefusedError("--fast looks for the body in HU, and the first channel is no CT.", "Leave it out.")
    body = prepare.resampled_labels((part[0] > BODY_HU).astype(np.uint8), shape, order=1, order_z=0, thick=None)
    return image, body > 0


def _logits(
    model: NnunetModel,
    packages: Sequence[CheckpointPackage],
    image: NDArray[np.float32],
    body: NDArray[np.bool_] | None,
    options: Options,
    precision: Precision,
    cache: Path,
    on_progress: Stages,
) -> NDArray[np.float32]:
    """Mean over tiles, mirror images and folds; one network is in memory at a time."""
    tile = packages[0].manifest.patch
    weight = nnunet_weight(model.patch).reshape(tile)
    offset = [max(0, t - n) // 2 for t, n in zip(tile, image.shape[1:], strict=True)]

    def wanted(place: tuple[slice, ...]) -> bool:
        if body is None:
            return True
        cut = tuple(slice(max(0, p.start - o), max(0, p.stop - o)) for p, o in zip(place, offset, strict=True))
        return bool(body[cut].any())

    def networks() -> Iterator[Predict]:
        for package in packages:
            network = _network(package, precision, options.device, cache)
            yield mirrored(network, _mirror_axes(model, package)) if options.mirror else network

    return predict_tiles(
        image,
        networks(),
        Tiling(tile, options.step, weight, padding="constant"),
        outputs=len(model.labels.heads),
        count=len(packages),
        wanted=wanted,
        on_progress=lambda done, total: on_progress("tiles", done, total),
    )


def _network(package: CheckpointPackage, precision: Precision, device: Device, cache: Path) -> Predict:
    """Compiled network of one fold, tile in, logits out; a 2D one sees a slice without its first axis."""
    flat = package.manifest.patch[0] == 1 and len(package.manifest.network["kernels"][0]) == 2
    channels = package.manifest.network["in_channels"]
    shape = (1, channels, *package.manifest.patch[1 if flat else 0 :])
    runtime = load_runtime(package, [shape], device=device, precision=precision, cache=cache)
    if not flat:
        return runtime.run
    return lambda block: runtime.run(np.ascontiguousarray(block[:, :, 0]))[:, :, None]


def _mirror_axes(model: NnunetModel, package: CheckpointPackage) -> tuple[int, ...]:
    """Spatial axes of a tile; those of a 2D network count from its rows."""
    return tuple(axis + (1 if len(model.patch) == 2 else 0) for axis in package.mirror_axes)


def _agreed_precision(
    model: NnunetModel, package: CheckpointPackage, image: NDArray[np.float32], cache: Path, on_progress: Stages
) -> Precision:
    """bfloat16 when this checkpoint gave the same labels with it on its first case on this machine."""
    import openvino

    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return "f32"
    notes = cache / f"bf16-labels-{package.manifest.sha256[:24]}.json"
    if not notes.is_file():
        agreement = bf16_agrees(model, package, image, cache, on_progress)
        write_text(notes, json.dumps({"dice": agreement}))
    agreement = json.loads(notes.read_text(encoding="utf-8"))["dice"]
    return "bf16" if agreement is not None and agreement >= BF16_AGREEMENT else "f32"


def bf16_agrees(
    model: NnunetModel,
    package: CheckpointPackage,
    image: NDArray[np.float32],
    cache: Path,
    on_progress: Stages = ignore_stages,
) -> float | None:
    """Find the smallest Dice per label between bfloat16 and float32, on tiles that cover the whole case once.

    A few tiles would do for the common labels and say nothing of the rare ones, which suffer first, as does what one
    region has over another.

    Parameters
    ----------
    model : NnunetModel
        nnU-Net folder, for its labels.
    package : CheckpointPackage
        Network of one checkpoint.
    image : ndarray, shape (C, d, h, w)
        Case as prepared for the network.
    cache : Path
        Folder for compiled graphs.

    Returns
    -------
    float or None
        None when nothing but background is found: then nothing can be said.
    """
    tile = package.manifest.patch
    short = [(0, 0), *[(0, max(0, t - n)) for t, n in zip(tile, image.shape[1:], strict=True)]]
    padded = np.pad(image, short)
    corners = list(itertools.product(*(tile_starts(n, t, 1.0) for n, t in zip(padded.shape[1:], tile, strict=True))))
    exact, short_run = (_network(package, p, "cpu", cache) for p in ("f32", "bf16"))

    def labelled(network: Predict, block: NDArray[np.float32]) -> NDArray[np.uint16]:
        out = np.zeros(tile, np.uint16)
        decide(network(block)[0], model.labels.heads, out, regions=model.labels.regions)
        return out

    size = max(model.labels.heads) + 1
    same, both = np.zeros(size), np.zeros(size)
    for number, corner in enumerate(corners):
        on_progress(COMPARING, number, len(corners))
        where = tuple(slice(c, c + t) for c, t in zip(corner, tile, strict=True))
        block = np.ascontiguousarray(padded[(slice(None), *where)])[None]
        a, b = labelled(exact, block), labelled(short_run, block)
        same += 2 * np.bincount(a[a == b], minlength=size)
        both += np.bincount(a.ravel(), minlength=size) + np.bincount(b.ravel(), minlength=size)
    on_progress(COMPARING, len(corners), len(corners))
    if not both[1:].any():
        return None
    return float((same[both > 0] / both[both > 0]).min())


def _require_memory(model: NnunetModel, shape: tuple[int, ...]) -> int:
    """Bytes for the export's slabs; a refusal with the numbers when the logits do not fit."""
    padded = [max(n, t) for n, t in zip(shape[1:], (1, *model.patch)[-3:], strict=True)]
    voxels = int(np.prod(padded))
    logits = 4 * voxels * len(model.labels.heads)
    network = 4 * int(np.prod(model.patch)) * int(model.network["features"][0]) * 6
    needed, free = logits + 8 * voxels * shape[0] + network, available_bytes()
    if free is None or needed + 3 * SLAB_BYTES <= free:
        return SLAB_BYTES
    if needed + 3 * _SMALL_SLAB <= free:
        return _SMALL_SLAB
    raise InputRefusedError(
        f"About {needed / 1e9:.1f} GB of memory are needed ({logits / 1e9:.1f} GB of them for "
        f"{len(model.labels.heads)} outputs on {' x '.join(map(str, padded))} voxels), {free / 1e9:.1f} GB are free.",
        "Close other programs, crop the scan, or use a machine with more memory.",
    )


def _previous_stage(model: NnunetModel) -> NnunetModel:
    """The model whose labels a cascade takes, from the folder beside it."""
    assert model.previous is not None
    stem = model.folder.name.rsplit("__", 1)[0]
    beside = model.folder.with_name(f"{stem}__{model.previous}")
    if not beside.is_dir():
        raise ModelUnusableError(
            f"{model.name} is a cascade and needs the folder {beside.name!r} of its first stage beside it.",
            "Copy both folders of the model.",
        )
    return read_nnunet_folder(beside, configuration=model.previous)


class _BoxedProbabilities:
    """Collects slabs of probabilities inside the box; outside it, background is certain."""

    def __init__(self, model: NnunetModel, box: Box, shape: tuple[int, ...]) -> None:
        self.box = box
        self.array = np.zeros((len(model.labels.heads), *shape), np.float32)
        if not model.labels.regions:
            self.array[0] = 1

    def __call__(self, place: slice, probabilities: NDArray[np.float32]) -> None:
        self.array[(slice(None), *self.box.slices)][:, place] = probabilities
