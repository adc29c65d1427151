"""Recipes: every hyper-parameter of one network, read from YAML; an unknown key is an error."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from hyoid.anatomy.involvement import OrganRule
from hyoid.errors import UsageError
from hyoid.models.variants import Backbone, Variant
from hyoid.names import current_name
from hyoid.preprocess.midrt_input import Channel, InputForm
from hyoid.training.cases import VIRTUAL_TARGET_MARGIN_MM


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkRecipe(_Strict):
    """Shape of a U-Net; kernels are 3, strides 2 below the first stage."""

    encoder: Literal["plain", "residual"]
    features: tuple[int, ...]
    encoder_blocks: tuple[int, ...]
    decoder_convs: tuple[int, ...]


class AugmentationRecipe(_Strict):
    """Random changes per patch."""

    rotation_deg: float
    scale: tuple[float, float]
    hu_shift: float
    hu_scale: float
    noise_hu: float
    blur_probability: float
    # Share of patches that show the patient in a mirror, with the labels of left and right exchanged.
    mirror_probability: float = 0.0


class OptimiserRecipe(_Strict):
    """Optimiser with linear warm-up, then a decay to zero."""

    name: Literal["adamw", "adam", "sgd"]
    learning_rate: float
    weight_decay: float
    warmup_steps: int
    steps: int
    steps_per_epoch: int
    batch: int
    gradient_clip: float
    ema_decay: float
    precision: Literal["bf16-mixed", "16-mixed", "32-true"]
    # Of sgd, with Nesterov's step.
    momentum: float = 0.0
    schedule: Literal["cosine", "poly", "trapezoid", "constant"] = "cosine"
    # Of poly: (1 - step / steps) to this power.
    poly_power: float = 0.9
    # Of trapezoid: the rate stays as it is until this share of the steps is left, then falls to zero along a line.
    decay_share: float = 0.25


class _AnyRecipe(_Strict):
    """What every recipe says."""

    task: str
    name: str
    version: str
    words: str
    optimiser: OptimiserRecipe
    seed: int
    training_data: str
    licence: str


class SegmentationRecipe(_AnyRecipe):
    """Recipe of a U-Net that outlines structures, one sigmoid each."""

    task: Literal["segmentation"]
    labels: tuple[str, ...]
    spacing_mm: tuple[float, float, float]
    patch: tuple[int, int, int]
    windows_hu: tuple[tuple[float, float], ...]
    virtual_share: float
    virtual_only: tuple[str, ...]
    # Largest weight of a true voxel of a rare structure; falls to 1 during training.
    rare_weight: float
    # What "target_region" is, see `hyoid.training.cases.TargetKind`.
    target: Literal["planning", "primary", "cuboid"] = "planning"
    # Parts into which `--fold` divides the cases, for cross-fitting.
    folds: int = Field(default=2, ge=2)
    # Of a planning target around virtual lesions.
    virtual_target_margin_mm: float = VIRTUAL_TARGET_MARGIN_MM
    network: NetworkRecipe
    # Stages of the decoder, finest first, whose answers the loss sees.
    supervised_stages: int = 1
    augmentation: AugmentationRecipe


class EarlyStoppingRecipe(_Strict):
    """Stop when the mean average precision of patients set aside no longer rises, and keep the best weights."""

    # One of so many multi-label-stratified parts of the training patients is set aside.
    folds: int = 5
    every_epochs: int = 1
    patience: int


class CtReportRecipe(_AnyRecipe):
    """Recipe of SGRNet and its variants."""

    task: Literal["ct_report"]
    variant: Variant
    backbone: Backbone
    # Organs, and keys of the template.
    fields: tuple[str, ...]
    # Of an organ: covered by the high-dose target by more than `involvement_share`, or overlapped by tumour, or called
    # involved by a report.
    organ_rule: OrganRule = "target"
    # What a line means that a report does not answer, see `hyoid.systems.ct_report.report_labels`.
    unmentioned: Literal["unknown", "not_involved"] = "unknown"
    # A field with fewer positives or fewer negatives counts as not taught.
    least_examples: int = 0
    early_stopping: EarlyStoppingRecipe | None = None
    # Begin with every layer on one scale, and settle normalisation at the end; not in the paper.
    prepared_start: bool = True
    involvement_share: float
    spacing_mm: tuple[float, float, float]
    window_hu: tuple[float, float]
    values: Literal["normalised", "unit"]
    grid: tuple[int, int, int]
    embedding: int
    channels: int
    # Of the tumour network's map: Gaussians or the map itself; or the primary tumour as somebody outlined it.
    heatmap: Literal["gaussian", "probability", "outline"]
    sigma_per_extent: float
    threshold: float
    min_volume_ml: float
    gamma_positive: float
    gamma_negative: float
    augmentation: AugmentationRecipe


class ChannelRecipe(_Strict):
    """Channels of a PET/CT network; `hyoid.preprocess.petct.ChannelRule` explains every field."""

    channels: tuple[Literal["ct", "ct_squared", "ct_cube_root", "pet"], ...]
    window_hu: tuple[float, float]
    ct_range: Literal["symmetric", "unit"]
    pet_scale: Literal["window", "minmax"]
    window_suv: tuple[float, float]
    zscore: bool
    # Of the CT channel: its own z-score, or nnU-Net's "CT normalization" by the foreground of all training cases.
    ct_normalisation: Literal["zscore", "foreground"] = "zscore"
    ct_bounds: tuple[float, float] | None = None


class RegionRecipe(_Strict):
    """Where a stage of the PET/CT system looks, and what it leaves out."""

    # Head: grid from the top of the scan. Fine: edges of the cube.
    grid: tuple[int, int, int] | None = None
    # Around the head that was found.
    margin_mm: float = 0.0
    # Edge of the cube around the coarse targets; the fine networks' own region.
    box_mm: float = 144.0
    # How far the cube may lie off its place in training.
    jitter_mm: float = 0.0
    # Head of a virtual patient: down to this far below the cricoid cartilage.
    below_cricoid_mm: float = 50.0
    # Smaller parts are dropped at last.
    min_volume_ml: float = 0.0
    # What a patch larger than the region holds at its rim, in training and in use.
    beyond: Literal["edge", "zeros"] = "edge"
    # Fine: the most probable class, or each averaged map above a half.
    decision: Literal["argmax", "threshold"] = "argmax"
    # Fine: keep what the coarse network found outside the cube.
    coarse_outside: bool = True
    interpolation: Literal["bspline", "linear"] = "bspline"
    # Images pass through this spacing first, CT already windowed, as in the authors' code; None: the original images.
    source_mm: tuple[float, float, float] | None = None
    # Tiles, where the region is larger than the patch.
    step: float = 0.5
    mirror_axes: tuple[int, ...] = ()


class PetctLossRecipe(_Strict):
    """Dice and cross-entropy over a softmax, with deep supervision."""

    # Squared probabilities in the denominator of Dice.
    squared: bool
    # Whether the background counts in Dice.
    background: bool
    # Weights of the decoder's stages halve; the coarsest may be left out, as nnU-Net does.
    drop_coarsest: bool


class PetctAugmentationRecipe(_Strict):
    """nnU-Net's random changes per patch: probability first, then range."""

    rotation_deg: float
    scale: tuple[float, float]
    spatial_probability: float
    noise: tuple[float, float]
    blur: tuple[float, float, float]
    brightness: tuple[float, float, float]
    contrast: tuple[float, float, float]
    low_resolution: tuple[float, float, float]
    gamma: tuple[float, float, float]
    # Added to a channel, as Auto3DSeg does: probability, then the largest shift to either side.
    shift: tuple[float, float] = (0.0, 0.0)
    # Targets have no side, so a mirrored patient is a patient.
    mirror_axes: tuple[int, ...]
    # Share of patches without PET, so that the network can do without.
    without_pet: float


class PetctRecipe(_AnyRecipe):
    """Recipe of one network of the PET/CT system."""

    task: Literal["petct"]
    # Whose targets it learns: the layouts of PET/CT folders do not tell.
    patients: Literal["real", "virtual"]
    stage: Literal["head", "coarse", "fine"]
    labels: tuple[str, ...]
    spacing_mm: tuple[float, float, float]
    patch: tuple[int, int, int]
    input: ChannelRecipe
    region: RegionRecipe
    # Description for `hyoid.models.build.build_network`, channels left out.
    network: dict[str, Any]
    loss: PetctLossRecipe
    augmentation: PetctAugmentationRecipe
    # Share of patches around a voxel of a target.
    oversample: float
    folds: int
    validate_every: int


class LesionNetworkRecipe(_Strict):
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
    # Attributes from the mask; not in the paper.
    lesion_head: bool = False
    # Two or more, so that attributes attend to something (equation 3).
    mask_tokens: int = Field(default=4, ge=1)
    # P = E_P(q*): the refined points in place of the click, not beside it.
    refined_alone: bool = False
    attribute_activation: Literal["softmax", "sigmoid"] = "softmax"


class HeadRecipe(_Strict):
    """Training of the lesion head on a network that stays as it is."""

    # Views of every lesion; each gives its true mask and the mask after every round of clicks.
    views: int
    steps: int
    batch: int
    learning_rate: float
    weight_decay: float


class LesionRecipe(_AnyRecipe):
    """Recipe of the interactive lesion report (ISRG)."""

    task: Literal["lesion"]
    # The four of the paper, and its baseline.
    variant: Literal["unet", "vanilla", "refinement", "synergy", "full"]
    network: LesionNetworkRecipe
    # Voxels of the region around a click, and their edge when nothing is known of the lesion's size.
    region: tuple[int, int, int]
    spacing_mm: float
    # Spacings that a region may take in use.
    spacings_mm: tuple[float, ...]
    windows_hu: tuple[tuple[float, float], ...]
    # Longest extent of the lesion as a share of the region, in training; and the share of views that have, in place
    # of this, the spacing that the lesion would be looked at in use.
    lesion_share: tuple[float, float]
    in_use_share: float
    # Chance that a sample's grey values are remapped at random, as if by another modality.
    remap_share: float
    box_share: float
    rounds: int
    # Share of the clicks drawn anywhere in the error, as the paper does; the others in the middle of its largest part.
    random_click_share: float = Field(default=0.5, ge=0, le=1)
    bce_weight: float
    iou_weight: float
    # "uncertainty" learns both weights; a number is lambda itself.
    attribute_weight: Literal["uncertainty"] | float
    # Share of the views that show real lesions, where there are real and virtual ones; without it, by type.
    real_share: float | None = Field(default=None, ge=0, le=1)
    # Parts of the network that keep the weights they start with.
    frozen: tuple[str, ...] = ()
    # Which lesions of a patient are learned from: the paper takes the largest of each label file.
    lesions: Literal["all", "largest"] = "all"
    # When given, the lesion head alone learns; masks stay as they are.
    head: HeadRecipe | None = None
    # Shares of the patients for training, validation and test.
    split: tuple[float, float, float]
    augmentation: AugmentationRecipe


class StagesRecipe(_Strict):
    """Shape of a U-Net, stage by stage, as nnU-Net's plans write it."""

    encoder: Literal["plain", "residual"]
    features: tuple[int, ...]
    kernels: tuple[tuple[int, int, int], ...]
    strides: tuple[tuple[int, int, int], ...]
    encoder_blocks: tuple[int, ...]
    decoder_convs: tuple[int, ...]


class MrAugmentation(_Strict):
    """Random changes per patch."""

    rotation_deg: float
    scale: tuple[float, float]
    gamma: tuple[float, float]
    contrast: tuple[float, float]
    noise: float
    blur_probability: float
    # Axes (0 slice, 1 row, 2 column) along which patches are mirrored; no label of this task has a side.
    mirror: tuple[int, ...]


class OutlineChanges(_Strict):
    """How registered outlines are spoilt in training, as registration and growth spoil them.

    `draws` versions are made of every case. All but the first shift every component by up to `shift_mm`, cut it to the
    middle of its box with probability `cut`, and lose it with probability `lost`.
    """

    draws: int
    shift_mm: float
    cut: float
    lost: float


class MidrtRecipe(_AnyRecipe):
    """Recipe of the mid-treatment network (gradient-map paper, section 2.3): background, GTVp and GTVn by softmax."""

    task: Literal["midrt"]
    # Whose targets it learns: the layout of HNTS-MRG does not tell.
    patients: Literal["real", "virtual"]
    channels: tuple[Channel, ...]
    gradient: Literal["paper", "code", "hyoid"]
    zscore: Literal["image", "body"]
    zscore_map: bool
    spacing_mm: tuple[float, float, float]
    patch: tuple[int, int, int]
    # The pre-treatment image with its own outlines is a case of its own, in training only (section 2.2).
    doubled: bool
    # Share of patches centred on tumour, and on outlines where tumour was.
    tumour_share: float
    outline_share: float
    outlines: OutlineChanges
    # In use: lesions that vanished and new specks are removed, or every voxel stays as the networks say.
    postprocessing: Literal["presence", "none"] = "presence"
    network: StagesRecipe
    deep_supervision: bool
    augmentation: MrAugmentation

    @property
    def form(self) -> InputForm:
        """Form of the network's input."""
        return InputForm(self.channels, self.gradient, self.spacing_mm, self.zscore, self.zscore_map)


Recipe = SegmentationRecipe | CtReportRecipe | PetctRecipe | LesionRecipe | MidrtRecipe
TASK_NAMES: tuple[str, ...] = tuple(get_args(kind.model_fields["task"].annotation)[0] for kind in get_args(Recipe))
_ADAPTER: TypeAdapter[Recipe] = TypeAdapter(Annotated[Recipe, Field(discriminator="task")])


def require_same_recipe(kept: dict[str, Any], recipe: Recipe, folder: Path) -> None:
    """Refuse a run that another recipe made, whose files would be taken for this recipe's.

    Parameters
    ----------
    kept : dict
        Recipe of the run, as its files hold it.
    recipe : Recipe
        Recipe that is asked for now.
    folder : Path
        Folder of the run.

    Raises
    ------
    UsageError
        When they differ.
    """
    if _current(kept) != recipe.model_dump(mode="json"):
        raise UsageError(f"The run in {folder.name} is of another recipe.", "Choose an empty --out.")


def load_recipe(name: str, preset: str = "small") -> Recipe:
    """Read a recipe and apply a preset.

    Parameters
    ----------
    name : str
        One of `recipe_names()` or its former name, or the path of a YAML file.
    preset : str
        Key under `presets`; its values replace those above it, key by key. Several are joined by "+", applied in order:
        "paper+plain_ct".

    Raises
    ------
    UsageError
        When recipe or preset does not exist, or a key is unknown or of the wrong kind.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else None
    name = name if path else current_name(name)
    if path is None and name not in recipe_names():
        raise UsageError(f"There is no recipe {name!r}.", f"Choose one of: {', '.join(recipe_names())}.")
    try:
        text = path.read_text() if path else (resources.files("hyoid") / "recipes" / f"{name}.yaml").read_text()
        content = yaml.safe_load(text)
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"The recipe could not be read ({type(error).__name__}).", "Give a YAML file.") from error
    presets = content.pop("presets", {})
    for one in preset.split("+"):
        if one not in presets:
            raise UsageError(f"Recipe {name!r} has no preset {one!r}.", f"Choose one of: {', '.join(presets)}.")
        content = _merged(content, presets[one] or {})
    content = _current(content)
    if content.get("task") not in TASK_NAMES:
        raise UsageError(f"Recipe {name!r} has no known task.", f"Write `task:` and one of {', '.join(TASK_NAMES)}.")
    try:
        return _ADAPTER.validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        raise UsageError(f"Recipe {name!r}: {where}: {first['msg']}.", "Correct the key.") from error


def recipe_names() -> tuple[str, ...]:
    """List the names of the recipes that come with the package."""
    folder = resources.files("hyoid") / "recipes"
    return tuple(sorted(p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name.endswith(".yaml")))


def _current(content: dict[str, Any]) -> dict[str, Any]:
    """Content of a recipe with the present name of its task."""
    return content | {"task": current_name(content["task"])} if "task" in content else content


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` with the values of `over`, dictionaries merged key by key."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged
