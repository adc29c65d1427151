"""CT and PET to the channels of a network: windows, scales, and the enhancement of the CT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hyoid.errors import ModelUnusableError
from hyoid.geometry.resample import grid_with_spacing, resample
from hyoid.volume import Quantity, Volume

Name = Literal["ct", "ct_squared", "ct_cube_root", "pet"]


@dataclass(frozen=True)
class ChannelRule:
    """What a network of the PET/CT system sees.

    Parameters
    ----------
    channels : tuple of {"ct", "ct_squared", "ct_cube_root", "pet"}
        What the network sees, in this order.
    window_hu : (low, high)
        Clipped to; low becomes -1 and high 1.
    ct_range : {"symmetric", "unit"}
        "symmetric" keeps -1 to 1, as the paper says; "unit" stretches what is inside the region to 0 to 1 first, as its
        authors' code does, so that neither the square nor the cube root meets a sign.
    pet_scale : {"window", "minmax"}
        "window" takes `window_suv` to 0 to 1, so that an SUV means the same in every patient; "minmax" the range inside
        the region, as the paper does.
    window_suv : (low, high)
        Ends of the PET's window, SUV.
    zscore : bool
        Subtract the mean and divide by the standard deviation of each channel at last (Tables 1 to 3).
    ct_normalisation : {"zscore", "foreground"}
        With `zscore`, of the channel "ct": by its own mean and deviation in the region, or by those of the targets of
        all training cases (nnU-Net's CT normalization, Table 3), see `ct_foreground`.
    ct_bounds : (low, high), optional
        Auto3DSeg's "range": of a CT from 0 to 1, the bounds become -1 and 1, and a sigmoid follows (Table 4).
    ct_foreground : (low, high, mean, deviation), optional
        Of the channel "ct" in the targets of the training cases: quantiles 0.005 and 0.995, between which it is
        clipped, mean and standard deviation. Without it that channel stays as it is.
    """

    channels: tuple[Name, ...]
    window_hu: tuple[float, float]
    ct_range: Literal["symmetric", "unit"]
    pet_scale: Literal["window", "minmax"]
    window_suv: tuple[float, float]
    zscore: bool
    ct_normalisation: Literal["zscore", "foreground"] = "zscore"
    ct_bounds: tuple[float, float] | None = None
    ct_foreground: tuple[float, float, float, float] | None = None

    @classmethod
    def of(cls, constants: Mapping[str, Any]) -> ChannelRule:
        """Rule in the words of a manifest.

        Raises
        ------
        ModelUnusableError
            When a key is missing or unknown.
        """
        try:
            plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in constants.items()}
            return cls(**plain)
        except TypeError as error:
            raise ModelUnusableError(
                f"The manifest's input rule is not understood ({error}).", "Make the package again with `hyoid train`."
            ) from error


def network_channels(
    hu: NDArray, suv: NDArray | None, rule: ChannelRule, region: tuple[slice, ...] = (slice(None),) * 3
) -> NDArray[np.float32]:
    """Make the channels of a region.

    Parameters
    ----------
    hu : ndarray, shape (D, H, W)
        The scan, HU.
    suv : ndarray of the same shape, or None
        None: the PET channel is 0, which networks learn to do without.
    rule : ChannelRule
        Channels, windows and scaling.
    region : tuple of slice
        Where ranges, means and deviations are taken.

    Returns
    -------
    ndarray, shape (channels, D, H, W)

    Examples
    --------
    >>> rule = ChannelRule(("ct", "ct_squared", "ct_cube_root"), (-110, 190), "symmetric", "window", (0, 20), False)
    >>> x = np.array([[[-110.0, 2.5, 190.0]]])
    >>> network_channels(x, None, rule)[:, 0, 0].astype(float).round(3).tolist()
    [[-1.0, -0.25, 1.0], [1.0, 0.062, 1.0], [-1.0, -0.63, 1.0]]
    """
    low, high = rule.window_hu
    ct = (2 * (np.clip(hu, low, high) - low) / (high - low) - 1).astype(np.float32)
    if rule.ct_range == "unit":
        ct = _stretched(ct, region)
    if rule.ct_bounds is not None:
        lower, upper = rule.ct_bounds
        ct = (1 / (1 + np.exp(1 - 2 * (ct - lower) / (upper - lower)))).astype(np.float32)
    channels = []
    for name in rule.channels:
        if name == "ct":
            channels.append(ct)
        elif name == "ct_squared":
            channels.append(ct * ct)
        elif name == "ct_cube_root":
            channels.append(np.cbrt(ct))
        else:
            channels.append(np.zeros_like(ct) if suv is None else _pet(suv, rule, region))
    if rule.zscore:
        channels = [_normalised(c, name, rule, region) for name, c in zip(rule.channels, channels, strict=True)]
    return np.stack(channels).astype(np.float32)


def foreground_of(values: NDArray[np.floating]) -> tuple[float, float, float, float]:
    """Compute quantiles 0.005 and 0.995, mean and standard deviation of the values of all targets.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Of the channel "ct" in the targets of all training cases.

    Examples
    --------
    >>> foreground_of(np.array([1.0, 1.0, 3.0, 3.0]))
    (1.0, 3.0, 2.0, 1.0)
    """
    low, high = np.quantile(values, (0.005, 0.995))
    return float(low), float(high), float(np.mean(values)), float(np.std(values))


def by_foreground(array: NDArray, foreground: tuple[float, float, float, float]) -> NDArray[np.float32]:
    """Clip and scale the channel "ct" as nnU-Net's CT normalization does; see `ChannelRule.ct_foreground`."""
    low, high, mean, deviation = foreground
    return ((np.clip(array.astype(np.float32), low, high) - mean) / max(deviation, 1e-8)).astype(np.float32)


def through_spacing(volume: Volume, spacing_mm: Sequence[float] | None, rule: ChannelRule) -> Volume:
    """Bring an image to what the authors' first step makes of it: windowed (CT) and resampled to a coarser spacing.

    Parameters
    ----------
    volume : Volume, HU or SUV
        A CT or PET.
    spacing_mm : (slice, row, column), optional
        None: the image as it is.
    rule : ChannelRule
        Its window.
    """
    if spacing_mm is None:
        return volume
    d, h, w = spacing_mm
    array = np.clip(volume.array, *rule.window_hu) if volume.quantity is Quantity.HU else volume.array
    windowed = volume.with_array(array.astype(np.float32))
    return resample(windowed, grid_with_spacing(volume.geometry, (d, h, w)), interpolation="bspline")


def _normalised(
    array: NDArray[np.float32], name: Name, rule: ChannelRule, region: tuple[slice, ...]
) -> NDArray[np.float32]:
    """One channel by its own mean and deviation, or the CT by those of the training cases."""
    if name != "ct" or rule.ct_normalisation == "zscore":
        return _standard(array, region)
    return array if rule.ct_foreground is None else by_foreground(array, rule.ct_foreground)


def _pet(suv: NDArray, rule: ChannelRule, region: tuple[slice, ...]) -> NDArray[np.float32]:
    if rule.pet_scale == "minmax":
        return _stretched(suv.astype(np.float32), region)
    low, high = rule.window_suv
    return ((np.clip(suv, low, high) - low) / (high - low)).astype(np.float32)


def _stretched(array: NDArray[np.float32], region: tuple[slice, ...]) -> NDArray[np.float32]:
    """Range inside the region to 0 to 1; a constant becomes 0."""
    low, high = float(array[region].min()), float(array[region].max())
    return np.clip((array - low) / (high - low), 0, 1) if high > low else np.zeros_like(array)


def _standard(array: NDArray[np.float32], region: tuple[slice, ...]) -> NDArray[np.float32]:
    deviation = float(array[region].std())
    return (array - array[region].mean()) / max(deviation, 1e-8)
