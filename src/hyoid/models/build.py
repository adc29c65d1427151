"""From a description (plain data, as a manifest holds it) to a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from hyoid.models.click_unet import ClickUNet, ClickUNetShape
from hyoid.models.isrg import ISRG, ISRGShape
from hyoid.models.segresnet import SegResNet, SegResNetShape
from hyoid.models.sgrnet import SGRNetShape, build_explained_sgrnet, build_sgrnet
from hyoid.models.unet import UNet, UNetShape

_KINDS: dict[str, Callable[[Mapping[str, Any]], nn.Module]] = {
    "unet": lambda a: UNet(UNetShape.cubic(**a)),
    "unet_stages": lambda a: UNet(UNetShape(**a)),
    "segresnet_ds": lambda a: SegResNet(SegResNetShape(**a)),
    "sgrnet": lambda a: build_sgrnet(SGRNetShape(**a)),
    "sgrnet_explained": lambda a: build_explained_sgrnet(SGRNetShape(**a)),
    "isrg": lambda a: ISRG(ISRGShape(**a)),
    "click_unet": lambda a: ClickUNet(ClickUNetShape(**a)),
}


def build_network(description: Mapping[str, Any]) -> nn.Module:
    """Build the network of a description.

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
    kind = description.get("kind")
    if kind not in _KINDS:
        raise ValueError(f"There is no network kind {kind!r}.")
    try:
        return _KINDS[kind](arguments)
    except (TypeError, KeyError) as error:
        raise ValueError(f"Arguments of network {kind!r} are wrong: {error}") from error
