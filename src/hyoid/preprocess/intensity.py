"""Hounsfield units to network channels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def windowed_channels(hu: NDArray, windows_hu: Sequence[tuple[float, float]]) -> NDArray[np.float32]:
    """Make one channel per window, each clipped and scaled to [-1, 1].

    Parameters
    ----------
    hu : ndarray, shape (D, H, W), HU
        The scan.
    windows_hu : sequence of (low, high), HU
        Ends of each channel's window.

    Returns
    -------
    ndarray, shape (len(windows_hu), D, H, W), float32

    Examples
    --------
    >>> windowed_channels(np.array([[[-200.0, 0.0, 500.0]]]), [(-100, 100)]).ravel().tolist()
    [-1.0, 0.0, 1.0]
    """
    channels = np.empty((len(windows_hu), *hu.shape), np.float32)
    for channel, (low, high) in zip(channels, windows_hu, strict=True):
        np.clip(hu, low, high, out=channel, casting="unsafe")
        np.subtract(channel, (low + high) / 2, out=channel)
        np.multiply(channel, 2 / (high - low), out=channel)
    return channels


def unit_window(hu: NDArray, window_hu: tuple[float, float]) -> NDArray[np.float32]:
    """Clip to a window, then bring it to 0..1.

    Parameters
    ----------
    hu : ndarray, shape (D, H, W), HU
        The scan.
    window_hu : (low, high), HU
        Ends of the window.

    Examples
    --------
    >>> unit_window(np.array([[[-2000.0, 512.0, 3000.0]]]), (-1024, 2048)).ravel().tolist()
    [0.0, 0.5, 1.0]
    """
    low, high = window_hu
    return (np.clip(hu, low, high).astype(np.float32) - low) / (high - low)


def normalised_window(hu: NDArray, window_hu: tuple[float, float]) -> NDArray[np.float32]:
    """Clip to a window, then bring the volume to zero mean and unit standard deviation (SGRNet, section 5.1).

    Parameters
    ----------
    hu : ndarray, shape (D, H, W), HU
        The scan.
    window_hu : (low, high), HU
        Ends of the window.

    Returns
    -------
    ndarray, shape (D, H, W), float32; all zeros for a constant volume
    """
    clipped = np.clip(hu, *window_hu).astype(np.float32)
    spread = float(clipped.std())
    return (clipped - clipped.mean()) / spread if spread > 0 else np.zeros_like(clipped)
