"""Volumes for MONAI and TorchIO, as their own readers would give the same image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hyoid.errors import UsageError
from hyoid.interfaces.answers import Answer, LabelAnswer, Patient, ReportAnswer, Scan
from hyoid.interfaces.extras import needs_extra
from hyoid.volume import Quantity, Volume

if TYPE_CHECKING:
    import torchio
    from monai.data import MetaTensor

_LPS_TO_RAS = np.diag((-1.0, -1.0, 1.0, 1.0))


def to_metatensor(image: Volume | Answer) -> MetaTensor:
    """Make MONAI's tensor of a volume: channel first, then columns, rows, slices, with its affine in RAS mm.

    Parameters
    ----------
    image : Volume, or value of a Python function
        Scan, or the label map of an answer.

    Returns
    -------
    monai.data.MetaTensor
        Shape (1, W, H, D), as `monai.transforms.LoadImage` with `ensure_channel_first` reads the same image.

    Raises
    ------
    UsageError
        When the value holds no image.
    """
    import torch
    from monai.data import MetaTensor

    volume = _volume_of(image)
    array, affine = _columns_first(volume)
    return MetaTensor(torch.from_numpy(array)[None], affine=torch.from_numpy(affine))


def to_torchio(image: Volume | Answer) -> torchio.Image:
    """Make TorchIO's image of a volume: a LabelMap of labels, else a ScalarImage (extra `interchange`).

    Parameters
    ----------
    image : Volume, or value of a Python function
        Scan, or the label map of an answer.

    Returns
    -------
    torchio.ScalarImage or torchio.LabelMap
        Tensor of shape (1, W, H, D) with its affine in RAS mm.

    Raises
    ------
    UsageError
        When the value holds no image, or torchio is not installed.
    """
    with needs_extra("interchange", "to_torchio"):
        import torchio
    volume = _volume_of(image)
    kind = torchio.LabelMap if volume.quantity is Quantity.LABEL else torchio.ScalarImage
    array, affine = _columns_first(volume)
    return kind(tensor=array[None], affine=affine)


def _volume_of(image: Volume | Answer) -> Volume:
    """The volume itself, the scan, or the label map of an answer."""
    match image:
        case Volume():
            return image
        case Scan():
            return image.volume
        case ReportAnswer():
            return image.masks()
        case LabelAnswer():
            return image.prediction.labels
        case Patient():
            return image.ct
    raise UsageError(f"{type(image).__name__} holds no image.", "Give a volume, a scan or an answer with label maps.")


def _columns_first(volume: Volume) -> tuple[NDArray[np.generic], NDArray[np.float64]]:
    """Array (W, H, D) without views and odd types, and the affine of its indices in RAS mm."""
    array = volume.array.astype(np.uint8) if volume.array.dtype == bool else volume.array
    swapped = np.ascontiguousarray(array.transpose(2, 1, 0))
    affine = _LPS_TO_RAS @ volume.geometry.ijk_to_lps[:, [2, 1, 0, 3]]
    return swapped, affine
