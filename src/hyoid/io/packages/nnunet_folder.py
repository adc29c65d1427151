"""Folders of nnU-Net v2 (`plans.json`, `dataset.json`, `fold_*/checkpoint_*.pth`), read without nnunetv2.

Only what inference needs becomes part of `NnunetModel`; what hyoid cannot run alike is refused by name. Old plans (with
`UNet_class_name`) and new ones (with `architecture`) give the same value. Checkpoints are not opened here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hyoid.errors import ModelUnusableError

_CURE = "Use a folder that nnU-Net's own trainer made, or pack the network as a hyoid model package."
_ENCODERS = {"PlainConvUNet": "plain", "ResidualEncoderUNet": "residual"}
_NORMALISATIONS = (
    "CTNormalization",
    "ZScoreNormalization",
    "NoNormalization",
    "RescaleTo01Normalization",
    "RGBTo01Normalization",
)
_READERS = ("SimpleITKIO", "NibabelIO", "NibabelIOWithReorient")
_RESAMPLING = "resample_data_or_seg_to_shape"
# Far beyond any published network, far below what memory could not hold.
_LARGEST_PATCH, _LARGEST_KERNEL, _LARGEST_COUNT = 2048, 64, 8192
_SPACING_MM = (0.001, 1000.0)


@dataclass(frozen=True)
class Resampling:
    """Orders of the splines of one of nnU-Net's resampling steps.

    Parameters
    ----------
    order : int
        Order of the spline in the plane, or everywhere.
    order_z : int
        Along the axis of thick slices, where that is treated apart.
    separate_z : bool or None
        Whether it is; None decides by the spacing.
    """

    order: int
    order_z: int
    separate_z: bool | None


@dataclass(frozen=True)
class Channel:
    """Input channel of an nnU-Net model.

    Parameters
    ----------
    name : str
        Name in `dataset.json`, e.g. "CT".
    normalisation : str
        nnU-Net's class name.
    masked : bool
        Normalised over the non-zero region only.
    intensities : mapping of str to float
        `mean`, `std`, `percentile_00_5`, `percentile_99_5` of the training foreground.
    """

    name: str
    normalisation: str
    masked: bool
    intensities: Mapping[str, float]


@dataclass(frozen=True)
class Labels:
    """Meaning of the output channels of an nnU-Net model.

    Parameters
    ----------
    names : mapping of str to int or tuple of int
        Values by name as in `dataset.json`, background and ignore label left out.
    heads : tuple of int
        Label that each output channel writes; of regions, `regions_class_order`.
    regions : bool
        Outputs are sigmoids of overlapping regions, painted in turn; otherwise a softmax, background first.
    foreground : tuple of int
        Every label but background: the one-hot channels of a cascade.
    """

    names: Mapping[str, int | tuple[int, ...]]
    heads: tuple[int, ...]
    regions: bool
    foreground: tuple[int, ...]


@dataclass(frozen=True)
class NnunetModel:
    """Configuration of an nnU-Net folder, ready to be run.

    Parameters
    ----------
    folder : Path
        Folder with `plans.json` and the folds.
    name : str
        Dataset and configuration, as in the plans.
    configuration : str
        "2d", "3d_fullres", "3d_lowres", "3d_cascade_fullres", or a name of the user's.
    checkpoints : mapping of str to Path
        Checkpoint of each fold.
    network : mapping
        Description for `hyoid.models.build.build_network`.
    patch : tuple of int
        Two numbers for 2D.
    spacing_mm : tuple of float
        After the transposition; two numbers for 2D.
    transpose : tuple of int
        Axis order the network sees.
    channels : tuple of Channel
        Input channels, in the order that the network sees.
    labels : Labels
        What the network's outputs mean.
    data, segmentation, logits : Resampling
        How images, labels of a cascade and outputs are resampled.
    reader : str
        nnU-Net's class that read the training images; it fixes the axis order of files.
    previous : str or None
        Configuration whose labels a cascade takes as input.
    """

    folder: Path
    name: str
    configuration: str
    checkpoints: Mapping[str, Path]
    network: Mapping[str, Any]
    patch: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    transpose: tuple[int, int, int]
    channels: tuple[Channel, ...]
    labels: Labels
    data: Resampling
    segmentation: Resampling
    logits: Resampling
    reader: Literal["SimpleITKIO", "NibabelIO", "NibabelIOWithReorient"]
    previous: str | None


def is_nnunet_folder(folder: Path) -> bool:
    """Tell whether a folder looks like one of nnU-Net v2."""
    return (folder / "plans.json").is_file() and (folder / "dataset.json").is_file()


def read_nnunet_folder(
    folder: Path, *, configuration: str | None = None, folds: Sequence[str] = (), checkpoint: str = "final"
) -> NnunetModel:
    """Read an nnU-Net v2 model folder.

    Parameters
    ----------
    folder : Path
        Folder with `plans.json`, `dataset.json` and `fold_*`.
    configuration : str, optional
        Configuration to read; by default the end of the folder's name (`Trainer__Plans__configuration`).
    folds : sequence of str
        All that are there by default ("all" only when nothing else is).
    checkpoint : {"final", "best", ...}
        Checkpoint to read, as in `checkpoint_*.pth`.

    Raises
    ------
    ModelUnusableError
        When a file is missing or damaged, or something in it is not known to hyoid; it is named.
    """
    plans, dataset = _json(folder / "plans.json"), _json(folder / "dataset.json")
    try:
        chosen = _configuration_name(folder, plans, configuration)
        settings = _inherited(plans["configurations"], chosen)
        labels = _labels(dataset)
        channels = _channels(plans, settings, dataset)
        previous = settings.get("previous_stage")
        inputs = len(channels) + (len(labels.foreground) if previous else 0)
        reader = str(dataset.get("overwrite_image_reader_writer") or plans.get("image_reader_writer", "SimpleITKIO"))
        if reader not in _READERS:
            raise _unknown(f"the image reader {reader!r}")
        if str(settings.get("preprocessor_name", "DefaultPreprocessor")) != "DefaultPreprocessor":
            raise _unknown(f"the preprocessor {settings['preprocessor_name']!r}")
        model = NnunetModel(
            folder=folder,
            name=f"{plans.get('dataset_name', folder.parent.name)} {chosen}",
            configuration=chosen,
            checkpoints=_checkpoints(folder, folds, checkpoint),
            network=_network(settings, inputs, len(labels.heads)),
            patch=tuple(int(n) for n in settings["patch_size"]),
            spacing_mm=tuple(float(s) for s in settings["spacing"]),
            transpose=tuple(int(a) for a in plans["transpose_forward"]),  # type: ignore[arg-type]
            channels=channels,
            labels=labels,
            data=_resampling(settings, "data"),
            segmentation=_resampling(settings, "seg"),
            logits=_resampling(settings, "probabilities"),
            reader=reader,  # type: ignore[arg-type]
            previous=None if previous is None else str(previous),
        )
        _require_possible(model)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelUnusableError(
            f"plans.json or dataset.json of {folder.name!r} is not complete ({type(error).__name__}: {error}).", _CURE
        ) from error
    return model


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnusableError(
            f"{file.parent.name!r} is not an nnU-Net v2 folder: no readable {file.name}.",
            "Give the folder that holds plans.json, dataset.json and fold_0 (…__nnUNetPlans__3d_fullres, for example).",
        ) from error
    if not isinstance(content, dict):
        raise ModelUnusableError(f"{file.name} of {file.parent.name!r} holds no object.", _CURE)
    return content


def _configuration_name(folder: Path, plans: Mapping[str, Any], asked: str | None) -> str:
    names = tuple(plans["configurations"])
    ending = folder.name.rsplit("__", 1)[-1]
    chosen = asked or (ending if ending in names else names[0] if len(names) == 1 else None)
    if chosen in names:
        return str(chosen)
    said = "is not in its plans" if chosen else "is not told by the folder's name"
    raise ModelUnusableError(
        f"The configuration of {folder.name!r} {said}.", f"Choose one of {', '.join(names)} with --configuration."
    )


def _inherited(configurations: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A configuration with what it inherits from others."""
    settings = dict(configurations[name])
    seen = {name}
    while (parent := settings.pop("inherits_from", None)) is not None:
        if parent in seen:
            raise ValueError(f"configuration {parent!r} inherits from itself")
        seen.add(parent)
        settings = {**configurations[parent], **settings}
    return settings


def _labels(dataset: Mapping[str, Any]) -> Labels:
    rows: dict[str, int | tuple[int, ...]] = {}
    for name, value in dataset["labels"].items():
        if name == "ignore":
            continue
        values = tuple(int(v) for v in value) if isinstance(value, list) else (int(value),)
        rows[name] = values if len(values) > 1 else values[0]
    regions = any(isinstance(value, tuple) for value in rows.values())
    everything = sorted({v for value in rows.values() for v in (value if isinstance(value, tuple) else (value,))})
    foreground = tuple(v for v in everything if v != 0)
    named = {name: value for name, value in rows.items() if value != 0}
    if not regions:
        return Labels(named, tuple(everything), False, foreground)
    order = tuple(int(v) for v in dataset["regions_class_order"])
    if len(order) != len(named):
        raise ValueError(f"{len(named)} regions, but regions_class_order has {len(order)} entries")
    return Labels(named, order, True, foreground)


def _channels(plans: Mapping[str, Any], settings: Mapping[str, Any], dataset: Mapping[str, Any]) -> tuple[Channel, ...]:
    names = dataset.get("channel_names") or dataset["modality"]
    schemes, masked = settings["normalization_schemes"], settings["use_mask_for_norm"]
    intensities = plans["foreground_intensity_properties_per_channel"]
    channels = []
    for k, name in enumerate(names[str(k)] for k in range(len(names))):
        if schemes[k] not in _NORMALISATIONS:
            raise _unknown(f"the normalisation {schemes[k]!r} of channel {name!r}")
        channels.append(Channel(str(name), schemes[k], bool(masked[k]), dict(intensities.get(str(k), {}))))
    return tuple(channels)


def _resampling(settings: Mapping[str, Any], what: str) -> Resampling:
    function = str(settings.get(f"resampling_fn_{what}", _RESAMPLING))
    if function != _RESAMPLING:
        raise _unknown(f"the resampling function {function!r}")
    keywords = settings.get(f"resampling_fn_{what}_kwargs", {})
    usual = {"data": 3, "seg": 1, "probabilities": 1}[what]
    return Resampling(
        int(keywords.get("order", usual)), int(keywords.get("order_z", 0)), keywords.get("force_separate_z")
    )


def _network(settings: Mapping[str, Any], inputs: int, outputs: int) -> dict[str, Any]:
    """Description of the network, from new plans or old."""
    if "architecture" in settings:
        architecture = settings["architecture"]
        kind = str(architecture["network_class_name"]).rsplit(".", 1)[-1]
        arguments = architecture["arch_kwargs"]
        _require_usual_parts(arguments)
        features, kernels, strides = (arguments[key] for key in ("features_per_stage", "kernel_sizes", "strides"))
        blocks = arguments.get("n_blocks_per_stage", arguments.get("n_conv_per_stage"))
        convs, bias = arguments["n_conv_per_stage_decoder"], bool(arguments["conv_bias"])
    else:
        kind = str(settings["UNet_class_name"])
        blocks, convs, bias = settings["n_conv_per_stage_encoder"], settings["n_conv_per_stage_decoder"], True
        first, most = settings["UNet_base_num_features"], settings["unet_max_num_features"]
        features = [min(first * 2**stage, most) for stage in range(len(blocks))]
        kernels, strides = settings["conv_kernel_sizes"], settings["pool_op_kernel_sizes"]
    if kind not in _ENCODERS:
        raise _unknown(f"the network {kind!r}")
    dimensions, stages = len(settings["patch_size"]), len(features)
    return {
        "kind": "unet_stages",
        "encoder": _ENCODERS[kind],
        "in_channels": inputs,
        "out_channels": outputs,
        "features": [int(f) for f in features],
        "kernels": [_per_axis(k, dimensions) for k in kernels],
        "strides": [_per_axis(s, dimensions) for s in strides],
        "encoder_blocks": _per_stage(blocks, stages),
        "decoder_convs": _per_stage(convs, stages - 1),
        "conv_bias": bias,
    }


def _require_possible(model: NnunetModel) -> None:
    """Refuse numbers that no network and no scan can have, before they decide where labels lie."""
    network, dimensions = model.network, len(model.patch)
    per_axis = [*network["kernels"], *network["strides"]]
    counts = [*network["features"], *network["encoder_blocks"], *network["decoder_convs"], network["out_channels"]]
    steps = [int(np.prod([stride[axis] for stride in network["strides"]])) for axis in range(dimensions)]
    orders = [n for r in (model.data, model.segmentation, model.logits) for n in (r.order, r.order_z)]
    numbers = [v for channel in model.channels for v in channel.intensities.values()]
    stages = [len(network[key]) for key in ("features", "kernels", "strides", "encoder_blocks")]
    possible = {
        "kernels, strides and blocks per stage": len({*stages, len(network["decoder_convs"]) + 1}) == 1,
        "patch_size": dimensions in (2, 3) and all(0 < n <= _LARGEST_PATCH for n in model.patch),
        "spacing": len(model.spacing_mm) == dimensions
        and all(_SPACING_MM[0] < s < _SPACING_MM[1] for s in model.spacing_mm),
        "transpose_forward": sorted(model.transpose) == [0, 1, 2],
        "kernels and strides": all(
            len(row) == dimensions and all(0 < n <= _LARGEST_KERNEL for n in row) for row in per_axis
        ),
        "numbers of features, blocks or outputs": all(0 < n <= _LARGEST_COUNT for n in counts),
        "patch_size, no multiple of the strides": all(n % s == 0 for n, s in zip(model.patch, steps, strict=True)),
        "orders of resampling": all(0 <= n <= 5 for n in orders),
        "foreground_intensity_properties": bool(np.isfinite(np.asarray(numbers, float)).all()),
        "labels": all(0 <= v < 2**16 for v in (*model.labels.heads, *model.labels.foreground)),
    }
    if impossible := [name for name, good in possible.items() if not good]:
        raise ValueError(f"impossible {' and '.join(impossible)}")


def _require_usual_parts(arguments: Mapping[str, Any]) -> None:
    """Instance norm with scale and shift, leaky ReLU of slope 0.01, as in hyoid's U-Net; dropout is idle here."""
    norm, slope = arguments.get("norm_op_kwargs") or {}, arguments.get("nonlin_kwargs") or {}
    parts = {
        "norm": "InstanceNorm" in str(arguments.get("norm_op")) and norm.get("affine", False),
        "eps": float(norm.get("eps", 1e-5)) == 1e-5,
        "nonlinearity": str(arguments.get("nonlin")).endswith("LeakyReLU"),
        "slope": float(slope.get("negative_slope", 0.01)) == 0.01,
        "stem": not arguments.get("stem_channels"),
        "block": "BottleneckD" not in str(arguments.get("block", "")),
        "bottleneck": not arguments.get("bottleneck_channels"),
        "squeeze and excitation": not arguments.get("squeeze_excitation"),
    }
    if odd := [name for name, usual in parts.items() if not usual]:
        raise _unknown(f"a U-Net whose {' and '.join(odd)} differ from nnU-Net's own")


def _checkpoints(folder: Path, folds: Sequence[str], checkpoint: str) -> dict[str, Path]:
    name = f"checkpoint_{checkpoint}.pth"
    there = {p.parent.name.removeprefix("fold_"): p for p in sorted(folder.glob(f"fold_*/{name}"))}
    wanted = tuple(folds) or tuple(f for f in there if f != "all") or tuple(there)
    if not wanted:
        raise ModelUnusableError(
            f"{folder.name!r} has no fold with a {name}.", "Copy the whole folder, or name another --checkpoint."
        )
    if missing := [f for f in wanted if f not in there]:
        raise ModelUnusableError(
            f"{folder.name!r} has no {name} of fold {missing[0]}.",
            f"Folds that are there: {', '.join(there) or 'none'}.",
        )
    return {fold: there[fold] for fold in wanted}


def _per_axis(value: Any, dimensions: int) -> list[int]:
    return [int(v) for v in value] if isinstance(value, list | tuple) else [int(value)] * dimensions


def _per_stage(value: Any, stages: int) -> list[int]:
    return [int(v) for v in value] if isinstance(value, list | tuple) else [int(value)] * stages


def _unknown(what: str) -> ModelUnusableError:
    return ModelUnusableError(f"hyoid cannot run {what} as nnU-Net does.", _CURE)
