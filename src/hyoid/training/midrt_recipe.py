"""Recipe of the mid-treatment network (gradient-map paper, section 2.3); an unknown key is an error."""

from __future__ import annotations

from typing import Literal

from hyoid.preprocess.midrt_input import Channel, InputForm
from hyoid.training.recipe import OptimiserRecipe, _Strict


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


class SteppedOptimiser(OptimiserRecipe):
    """SGD with Nesterov momentum and nnU-Net's polynomial decay, or AdamW with a cosine."""

    name: Literal["adamw", "adam", "sgd"]
    momentum: float
    schedule: Literal["poly", "cosine"]


class MidrtRecipe(_Strict):
    """Recipe of the mid-treatment network: background, GTVp and GTVn by softmax."""

    task: Literal["midrt"]
    name: str
    version: str
    words: str
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
    network: StagesRecipe
    deep_supervision: bool
    augmentation: MrAugmentation
    optimiser: SteppedOptimiser
    seed: int
    training_data: str
    licence: str

    @property
    def form(self) -> InputForm:
        """What the network sees."""
        return InputForm(self.channels, self.gradient, self.spacing_mm, self.zscore, self.zscore_map)
