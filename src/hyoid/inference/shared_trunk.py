"""Two outlining networks that differ in their last layer alone, run as one: half the work, the same answers."""

from __future__ import annotations

import hashlib

import numpy as np
from safetensors.numpy import save

from hyoid.io.packages.model_package import ModelPackage

_ANSWERING = "decoder.seg_layers."  # one row of weights per structure


def joined(first: ModelPackage, second: ModelPackage) -> ModelPackage | None:
    """Make one package that answers with the channels of both, those of `first` in front.

    Parameters
    ----------
    first, second : ModelPackage
        Packages of U-Nets with one sigmoid per structure.

    Returns
    -------
    ModelPackage or None
        None where the networks differ in more than their last layer, or see the scan in different ways.
    """
    one, two = first.manifest, second.manifest
    alike = ("task", "spacing_mm", "patch", "preprocessing")
    shape = {"out_channels": 0}
    if (
        one.network.get("kind") != "unet"
        or one.network | shape != two.network | shape
        or any(getattr(one, name) != getattr(two, name) for name in alike)
        or bool(one.bf16_loss) != bool(two.bf16_loss)
        or set(one.labels) & set(two.labels)
    ):
        return None
    ours, theirs = first.arrays(), second.arrays()
    if ours.keys() != theirs.keys() or not all(
        name.startswith(_ANSWERING) or np.array_equal(ours[name], theirs[name]) for name in ours
    ):
        return None
    arrays = {
        name: np.concatenate([array, theirs[name]]) if name.startswith(_ANSWERING) else array
        for name, array in ours.items()
    }
    weights = save(arrays)
    update = {
        "name": f"{one.name}-{two.name}",
        "network": one.network | {"out_channels": len(one.labels) + len(two.labels)},
        "labels": one.labels + two.labels,
        "supported": one.supported + two.supported,
        "bf16_agreement": one.bf16_agreement | two.bf16_agreement,
        "bf16_loss": one.bf16_loss | two.bf16_loss,
        # Wide tiles only where they harm neither.
        "step_loss": one.step_loss | two.step_loss if one.step_loss and two.step_loss else {},
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    return ModelPackage(one.model_copy(update=update), weights)
