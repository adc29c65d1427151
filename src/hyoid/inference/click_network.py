"""The interactive network, split where a reader's time is: a region is encoded once and kept, a click is cheap.

Runs in torch on either device: the click part is milliseconds, so a compiled graph would gain nothing that is felt.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from hyoid.anatomy.lesion_attributes import ATTRIBUTES
from hyoid.errors import ModelUnusableError
from hyoid.inference.runtime import Device, torch_network
from hyoid.io.atomic import atomic_write
from hyoid.io.packages.model_package import Manifest, ModelPackage
from hyoid.models.click_unet import ClickUNet
from hyoid.models.isrg import ISRG
from hyoid.models.prompts import PointKind
from hyoid.preprocess.click_region import Region, region_channels, region_values
from hyoid.volume import Quantity, Volume

# About 1 MB per region of the default network.
MEMORY_REGIONS = 64
DISK_REGIONS = 2000


@dataclass(frozen=True, eq=False)
class EncodedRegion:
    """Features of one region, at half its resolution and less: as confidential as the scan itself.

    Parameters
    ----------
    region : Region
        Place and spacing of the region.
    features : Tensor
        Coarse features of the image, shape (1, C, d, h, w).
    finer : tuple of Tensor
        Features of the finer stages, finest last.
    in_hu : bool
        The scan is a CT.
    """

    region: Region
    features: Tensor
    finer: tuple[Tensor, ...]
    in_hu: bool = True


@dataclass(frozen=True, eq=False)
class ClickAnswer:
    """What the network says after a click.

    Parameters
    ----------
    logits : ndarray, shape (d, h, w), float32
        Over the region, four to a token along each axis.
    iou : float
        Expected by the network.
    attributes : dict of str to (dict of str to float)
        Attribute -> class -> probability; none where the scan is no CT, in which alone they were taught.
    """

    logits: NDArray[np.float32]
    iou: float
    attributes: dict[str, dict[str, float]]


class ClickNetwork:
    """A loaded package.

    Parameters
    ----------
    package : ModelPackage
        Of task "lesion".
    device : {"cpu", "cuda"}
        Where the network runs.
    cache : Path, optional
        Folder that keeps encoded regions by content; the oldest leave when there are more than `DISK_REGIONS`.

    Raises
    ------
    ModelUnusableError
        When the package is of another task, or its weights do not fit.
    """

    def __init__(self, package: ModelPackage, *, device: Device = "cpu", cache: Path | None = None) -> None:
        manifest = package.manifest
        if manifest.task != "lesion":
            raise ModelUnusableError(
                f"Model {manifest.name!r} does {manifest.task}, not clicks.",
                "Choose one trained by `hyoid train lesion`.",
            )
        network = torch_network(package)
        assert isinstance(network, ISRG | ClickUNet)
        self.manifest: Manifest = manifest
        self.device = device
        self._network = network.to(device)
        self._cache = cache
        self._kept: OrderedDict[str, EncodedRegion] = OrderedDict()
        self._lock = Lock()

    @property
    def spacings_mm(self) -> tuple[float, ...]:
        """Spacings that a region may take, finest first."""
        return tuple(sorted(self.manifest.preprocessing["spacings_mm"]))

    @property
    def describes_masks(self) -> bool:
        """Whether attributes follow from a mask, whoever drew it."""
        return isinstance(self._network, ISRG) and self._network.shape.lesion_head

    def region(self, centre_lps_mm: NDArray[np.floating], spacing_mm: float) -> Region:
        """Make the region of the network's size around a point."""
        x, y, z = (round(float(v), 3) for v in centre_lps_mm)
        return Region((x, y, z), spacing_mm, self.manifest.patch)

    def encode(self, volume: Volume, fingerprint: str, region: Region) -> EncodedRegion:
        """Encode a region: from memory, from disk, or computed and kept.

        Parameters
        ----------
        volume : Volume
            Canonical.
        fingerprint : str
            Of the scan; with the region and the weights it names the entry.
        region : Region
            Part of the scan to look at.
        """
        key = hashlib.sha256(
            json.dumps([self.manifest.sha256, fingerprint, asdict(region), 1], sort_keys=True).encode()
        ).hexdigest()
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        in_hu = volume.quantity is Quantity.HU
        tensors = self._from_disk(key) or self._computed(key, volume, region)
        finer = tuple(tensors[f"finer{k}"] for k in range(len(tensors) - 1))
        encoded = EncodedRegion(region, tensors["features"], finer, in_hu)
        with self._lock:
            self._kept[key] = encoded
            while len(self._kept) > MEMORY_REGIONS:
                self._kept.popitem(last=False)
        return encoded

    def decode(
        self,
        encoded: EncodedRegion,
        points: NDArray[np.floating],
        kinds: Sequence[PointKind],
        previous: NDArray[np.float32] | None,
    ) -> ClickAnswer:
        """Answer all clicks so far.

        Parameters
        ----------
        encoded : EncodedRegion
            The region, already encoded.
        points : ndarray, shape (n, 3)
            (slice, row, column) in voxels of the region.
        kinds : sequence of PointKind
            Kind of each click.
        previous : ndarray, optional
            Logits of the answer before.
        """
        # Two places for the corners of a box come first, as in training.
        boxes = [(p, k) for p, k in zip(points, kinds, strict=True) if k in (PointKind.BOX_LOW, PointKind.BOX_HIGH)]
        clicks = [(p, k) for p, k in zip(points, kinds, strict=True) if k in (PointKind.ADD, PointKind.REMOVE)]
        filler = [(np.zeros(3), PointKind.NOTHING)] * (2 - len(boxes))
        rows = [*boxes, *filler, *clicks]
        places = torch.tensor(np.array([p for p, _ in rows]), dtype=torch.float32)[None]
        what = torch.tensor([int(k) for _, k in rows])[None]
        before = None if previous is None else torch.from_numpy(previous)[None, None].to(self.device)
        with torch.inference_mode():
            answer = self._network.decode(
                encoded.features, encoded.finer, places.to(self.device), what.to(self.device), before
            )
        attributes = self._words(encoded, answer.mask, answer.attributes)
        return ClickAnswer(answer.mask[0, 0].float().cpu().numpy(), float(answer.iou[0, 0]), attributes)

    def describe(self, encoded: EncodedRegion, logits: NDArray[np.float32]) -> dict[str, dict[str, float]]:
        """Describe any mask in a region, for instance a reader's own: attribute -> class -> probability.

        Parameters
        ----------
        encoded : EncodedRegion
            The region, already encoded.
        logits : ndarray, shape (d, h, w)
            Over the region, positive inside; brought to the grid of `ClickAnswer.logits`.

        Raises
        ------
        ModelUnusableError
            When the network describes only what it outlined itself.
        """
        if not self.describes_masks:
            raise ModelUnusableError(
                f"Model {self.manifest.name!r} describes only what it outlined itself.",
                "Choose one trained with a lesion head.",
            )
        mask = torch.from_numpy(np.ascontiguousarray(logits, np.float32))[None, None].to(self.device)
        mask = functional.adaptive_avg_pool3d(mask, encoded.finer[0].shape[2:])
        return self._words(encoded, mask, None)

    def _words(self, encoded: EncodedRegion, mask: Tensor, own: Tensor | None) -> dict[str, dict[str, float]]:
        """Probabilities of the attributes that the package supports; `own`: from the tokens."""
        if not encoded.in_hu:
            return {}
        if self.describes_masks:
            spacing = torch.tensor([encoded.region.spacing_mm], device=mask.device)
            with torch.inference_mode():
                own = self._network.describe(encoded.finer, mask, spacing)
        assert own is not None
        each = isinstance(self._network, ISRG) and self._network.shape.attribute_activation == "sigmoid"
        groups = own[0].float().cpu().split([len(words) for words in ATTRIBUTES.values()])
        return {
            name: dict(zip(words, (group.sigmoid() if each else group.softmax(0)).tolist(), strict=True))
            for (name, words), group in zip(ATTRIBUTES.items(), groups, strict=True)
            if name in self.manifest.supported
        }

    def _computed(self, key: str, volume: Volume, region: Region) -> dict[str, Tensor]:
        values = region_values(volume, region)
        image = region_channels(values.array, values.quantity, self.manifest.preprocessing["windows_hu"])
        with torch.inference_mode():
            features, finer = self._network.encode(torch.from_numpy(image)[None].to(self.device))
        tensors = {"features": features} | {f"finer{k}": f for k, f in enumerate(finer)}
        if self._cache is not None:
            self._cache.mkdir(parents=True, exist_ok=True)
            with atomic_write(self._cache / f"{key}.safetensors") as unfinished:
                save_file({name: t.half().cpu().contiguous() for name, t in tensors.items()}, unfinished)
            self._forget_oldest()
        # Through half precision also here, so that a session answers alike before and after a restart.
        return {name: t.half().float() for name, t in tensors.items()}

    def _from_disk(self, key: str) -> dict[str, Tensor] | None:
        file = None if self._cache is None else self._cache / f"{key}.safetensors"
        if file is None or not file.is_file():
            return None
        try:
            return {name: t.float().to(self.device) for name, t in load_file(file).items()}
        except (OSError, SafetensorError):
            # A damaged entry is made again; nothing is lost with it.
            file.unlink(missing_ok=True)
            return None

    def _forget_oldest(self) -> None:
        assert self._cache is not None
        entries = sorted((_age(entry), entry) for entry in self._cache.glob("[!.]*.safetensors"))
        for _, entry in entries[: max(0, len(entries) - DISK_REGIONS)]:
            entry.unlink(missing_ok=True)


def _age(entry: Path) -> float:
    """Time of an entry's last writing; of one that another thread has just taken away, long ago."""
    try:
        return entry.stat().st_mtime
    except FileNotFoundError:
        return 0.0
