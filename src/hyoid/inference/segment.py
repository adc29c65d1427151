"""A scan and a segmentation package to logits on the network's grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from hyoid.inference.runtime import HARMLESS_LOSS, Runtime
from hyoid.inference.sliding_window import Tiling, predict_tiles
from hyoid.io.packages.model_package import Manifest
from hyoid.preprocess.intensity import windowed_channels
from hyoid.progress import Steps, ignore_steps
from hyoid.volume import Geometry, Volume

CLOSE_STEP, WIDE_STEP = 0.5, 0.75
"""Distances of neighbouring tiles over their edge; the wider one takes a third to a half of the tiles."""


@dataclass(frozen=True, eq=False)
class Logits:
    """One map per label on the network's grid.

    Parameters
    ----------
    array : ndarray, shape (K, d, h, w), float32
        Logits on the network's grid, one map per label.
    geometry : Geometry
        Grid of the array.
    labels : tuple of str
        Name of each map.
    """

    array: NDArray[np.float32]
    geometry: Geometry
    labels: tuple[str, ...]

    def probability(self, label: str) -> NDArray[np.float32]:
        """Compute the sigmoid of one label's logits, shape (d, h, w)."""
        found: NDArray[np.float32] = expit(self.array[self.labels.index(label)])
        return found


def segment(
    body: Volume,
    manifest: Manifest,
    runtime: Runtime,
    *,
    on_progress: Steps = ignore_steps,
) -> Logits:
    """Run the network of a package on a scan that lies on its grid.

    Parameters
    ----------
    body : Volume
        From `hyoid.preprocess.network_grid.body_on_grid` with the manifest's spacing.
    manifest : Manifest
        Of the package whose network runs.
    runtime : Runtime
        Compiled for one tile of the manifest's patch.
    """
    image = windowed_channels(body.array, manifest.preprocessing["windows_hu"])
    tiling = Tiling(manifest.patch, tile_step(manifest))
    array = predict_tiles(image, [runtime.run], tiling, outputs=len(manifest.labels), on_progress=on_progress)
    return Logits(array, body.geometry, manifest.labels)


def tile_step(manifest: Manifest) -> float:
    """Choose the distance of neighbouring tiles over their edge: wide where the card says that it costs no accuracy.

    Parameters
    ----------
    manifest : Manifest
        Its `step_loss` decides: every structure below `HARMLESS_LOSS`.

    Returns
    -------
    float
        `WIDE_STEP`, else `CLOSE_STEP`, which is nnU-Net's.
    """
    harmless = bool(manifest.step_loss) and max(manifest.step_loss.values()) < HARMLESS_LOSS
    return WIDE_STEP if harmless else CLOSE_STEP
