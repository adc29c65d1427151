"""From a description (plain data, as a manifest holds it) to a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from hyoid.models.click_unet import ClickUNet, ClickUNetShape
from hyoid.models.isrg import ISRG, ISRGShape
from hyoid.models.segresnet import SegResNet, SegResNetShape
from hyoid.models.sgrnet import SGRNetShape, build_explained_sgrnet, build_sgrnet
from hyoid.models.unet import UNet, UNetShape


def build_network(description: Mapping[str, Any]) -> nn.Module:
    """Network of a description.

    Parameters
    ----------
    description : mapping
        `kind` names the family; the other keys are the arguments of its shape.

    Raises
    ------
    ValueError
        When the kind is unknown or its arguments are wrong.
    """
    arguments = {key: value for key, value in description.items() if key != "kind"}
    try:
        if description["kind"] == "unet":
            return UNet(UNetShape.cubic(**arguments))
        if description["kind"] == "unet_stages":
            return UNet(UNetShape(**arguments))
        if description["kind"] == "segresnet_ds":
            return SegResNet(SegResNetShape(**arguments))
        if description["kind"] == "sgrnet":
            return build_sgrnet(SGRNetShape(**arguments))
        if description["kind"] == "sgrnet_explained":
            return build_explained_sgrnet(SGRNetShape(**arguments))
        if description["kind"] == "isrg":
            return ISRG(ISRGShape(**arguments))
        if description["kind"] == "click_unet":
            return ClickUNet(ClickUNetShape(**arguments))
    except (TypeError, KeyError) as error:
        raise ValueError(f"Arguments of network {description.get('kind')!r} are wrong: {error}") from error
    raise ValueError(f"There is no network kind {description['kind']!r}.")
