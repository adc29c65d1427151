"""Recipes: every hyper-parameter of one network, read from YAML; an unknown key is an error."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from hyoid.errors import UsageError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkRecipe(_Strict):
    """Shape of a U-Net; kernels are 3, strides 2 below the first stage."""

    encoder: Literal["plain", "residual"]
    features: tuple[int, ...]
    encoder_blocks: tuple[int, ...]
    decoder_convs: tuple[int, ...]


class AugmentationRecipe(_Strict):
    """Random changes per patch. There is no mirroring: left and right are labels."""

    rotation_deg: float
    scale: tuple[float, float]
    hu_shift: float
    hu_scale: float
    noise_hu: float
    blur_probability: float


class OptimiserRecipe(_Strict):
    """AdamW or Adam with linear warm-up and cosine decay to zero."""

    name: Literal["adamw", "adam"]
    learning_rate: float
    weight_decay: float
    warmup_steps: int
    steps: int
    steps_per_epoch: int
    batch: int
    gradient_clip: float
    ema_decay: float
    precision: Literal["bf16-mixed", "32-true"]


class SegmentationRecipe(_Strict):
    """Recipe of a U-Net that outlines structures, one sigmoid each."""

    task: Literal["segmentation"]
    name: str
    version: str
    words: str
    labels: tuple[str, ...]
    spacing_mm: tuple[float, float, float]
    patch: tuple[int, int, int]
    windows_hu: tuple[tuple[float, float], ...]
    virtual_share: float
    virtual_only: tuple[str, ...]
    # Largest weight of a true voxel of a rare structure; falls to 1 during training.
    rare_weight: float
    network: NetworkRecipe
    augmentation: AugmentationRecipe
    optimiser: OptimiserRecipe
    seed: int
    training_data: str
    licence: str


class ClassificationRecipe(_Strict):
    """Recipe of SGRNet and its variants."""

    task: Literal["classification"]
    name: str
    version: str
    words: str
    variant: Literal[
        "ct_only", "organ_add", "organ_modulation", "organ_tumour_add", "organ_tumour_modulation", "organ_pooling"
    ]
    backbone: Literal["densenet121", "efficientnet-b0"]
    fields: tuple[str, ...]
    involvement_share: float
    spacing_mm: tuple[float, float, float]
    window_hu: tuple[float, float]
    grid: tuple[int, int, int]
    embedding: int
    channels: int
    heatmap: Literal["gaussian", "probability"]
    sigma_per_extent: float
    threshold: float
    min_volume_ml: float
    gamma_positive: float
    gamma_negative: float
    augmentation: AugmentationRecipe
    optimiser: OptimiserRecipe
    seed: int
    training_data: str
    licence: str


class ClickNetworkRecipe(_Strict):
    """Shape of ISRG, see `hyoid.models.isrg.ISRGShape` and `hyoid.models.vision.VisionShape`."""

    patch: int
    dim: int
    depth: int
    vision_heads: int
    window: int
    global_layers: tuple[int, ...]
    channels: int
    stem: Literal["patch", "convolution"]
    stem_channels: tuple[int, ...]
    heads: int
    hybrid_layers: int
    mask_layers: int
    refinement_window: int
    refinement_clusters: int
    fine_clicks: bool


class ClickRecipe(_Strict):
    """Recipe of the interactive lesion report (ISRG)."""

    task: Literal["clicks"]
    name: str
    version: str
    words: str
    variant: Literal["vanilla", "refinement", "synergy", "full"]
    network: ClickNetworkRecipe
    # Voxels of the region around a click, and their edge when nothing is known of the lesion's size.
    region: tuple[int, int, int]
    spacing_mm: float
    # Spacings that a region may take in use.
    spacings_mm: tuple[float, ...]
    windows_hu: tuple[tuple[float, float], ...]
    # Longest extent of the lesion as a share of the region, in training.
    lesion_share: tuple[float, float]
    # Chance that a sample's grey values are remapped at random, as if by another modality.
    remap_share: float
    box_share: float
    rounds: int
    bce_weight: float
    iou_weight: float
    # "uncertainty" learns both weights; a number is lambda itself.
    attribute_weight: Literal["uncertainty"] | float
    # Shares of the patients for training, validation and test.
    split: tuple[float, float, float]
    augmentation: AugmentationRecipe
    optimiser: OptimiserRecipe
    seed: int
    training_data: str
    licence: str


Recipe = SegmentationRecipe | ClassificationRecipe | ClickRecipe


def load_recipe(name: str, preset: str = "small") -> Recipe:
    """Read a recipe and apply a preset.

    Parameters
    ----------
    name : str
        One of `recipe_names()`, or the path of a YAML file.
    preset : str
        Key under `presets`; its values replace those above it, key by key.

    Raises
    ------
    UsageError
        When recipe or preset does not exist, or a key is unknown or of the wrong kind.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else None
    if path is None and name not in recipe_names():
        raise UsageError(f"There is no recipe {name!r}.", f"Choose one of: {', '.join(recipe_names())}.")
    try:
        text = path.read_text() if path else (resources.files("hyoid") / "recipes" / f"{name}.yaml").read_text()
        content = yaml.safe_load(text)
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"The recipe could not be read ({type(error).__name__}).", "Give a YAML file.") from error
    presets = content.pop("presets", {})
    if preset not in presets:
        raise UsageError(f"Recipe {name!r} has no preset {preset!r}.", f"Choose one of: {', '.join(presets)}.")
    content = _merged(content, presets[preset] or {})
    models: dict[str, type[Recipe]] = {"segmentation": SegmentationRecipe, "classification": ClassificationRecipe}
    models["clicks"] = ClickRecipe
    model = models.get(str(content.get("task")))
    if model is None:
        raise UsageError(
            f"Recipe {name!r} has no known task.", "Write `task: segmentation`, `classification` or `clicks`."
        )
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"Recipe {name!r}: {where}: {first['msg']}.", "Correct the key.") from error


def recipe_names() -> tuple[str, ...]:
    """Recipes in the package."""
    folder = resources.files("hyoid") / "recipes"
    return tuple(sorted(p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name.endswith(".yaml")))


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` with the values of `over`, dictionaries merged key by key."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged
