"""Names of SGRNet's variants and backbones, for those that must not import torch."""

from __future__ import annotations

from typing import Literal

Variant = Literal[
    "ct_only",
    "organ_add",
    "organ_modulation",
    "organ_tumour_add",
    "organ_tumour_modulation",
    "organ_pooling",
    "sub_sites",
]
Backbone = Literal["densenet121", "efficientnet-b0", "ct-fm", "none"]
ATTENDING: tuple[Variant, ...] = ("organ_modulation", "organ_tumour_modulation", "organ_pooling", "sub_sites")
"""Variants that say where they looked; the others add or pool everything alike."""
