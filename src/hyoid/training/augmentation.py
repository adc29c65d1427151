"""Changes of grey values that scanners and protocols bring, shared by every training that draws patches."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def coarsened(image: Tensor, factor: float, *, reduced_by: str = "trilinear") -> Tensor:
    """Lower the resolution of an image and bring it back to its grid.

    Parameters
    ----------
    image : Tensor, shape (d, h, w)
        Values of one channel.
    factor : float
        Edge of the coarse grid over that of the image, below 1.
    reduced_by : {"trilinear", "nearest-exact"}
        Interpolation onto the coarse grid; back from it, it is trilinear.
    """
    coarse = functional.interpolate(image[None, None], scale_factor=factor, mode=reduced_by)
    return functional.interpolate(coarse, size=image.shape, mode="trilinear")[0, 0]


def with_gamma(image: Tensor, exponent: float) -> Tensor:
    """Raise an image to a power between its lowest and highest value, which stay.

    Parameters
    ----------
    image : Tensor, shape (d, h, w)
        Values of one channel, on any scale.
    exponent : float
        Power of the values once they are scaled to 0..1; above 1 darkens, below 1 brightens.

    Examples
    --------
    >>> with_gamma(torch.tensor([0.0, 1.0, 2.0]), 2.0).tolist()
    [0.0, 0.5, 2.0]
    """
    low, high = image.min(), image.max()
    unit = (image - low) / (high - low).clamp(min=1e-6)
    return unit**exponent * (high - low) + low


def blurred(image: Tensor, sigma: float) -> Tensor:
    """Smooth an image by a Gaussian; beyond the edge the edge counts.

    Parameters
    ----------
    image : Tensor, shape (d, h, w)
        Values of one channel.
    sigma : float
        Standard deviation, voxels.
    """
    reach = max(1, round(3 * sigma))
    profile = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    profile = profile / profile.sum()
    result = image[None, None]
    for axis in range(3):
        shape = [1, 1, 1, 1, 1]
        shape[axis + 2] = -1
        padding = [0, 0, 0]
        padding[axis] = reach
        edges = [p for n in reversed(padding) for p in (n, n)]
        result = functional.conv3d(functional.pad(result, edges, mode="replicate"), profile.reshape(shape))
    return result[0, 0]
