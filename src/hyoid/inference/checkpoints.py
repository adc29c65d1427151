"""nnU-Net checkpoints as packages that `Runtime` can compile; unpickled with an explicit list of what may be in them.

The checkpoint is opened once per machine: its hash names the compiled graph in the cache, and beside it lies what else
inference needs of it. Later runs import neither torch nor the pickle.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyoid.errors import ModelUnusableError
from hyoid.io.atomic import write_text
from hyoid.io.packages.model_package import Manifest
from hyoid.io.packages.nnunet_folder import NnunetModel

_CURE = "Copy the model folder again from its source."


@dataclass(frozen=True, eq=False)
class CheckpointPackage:
    """One fold of an nnU-Net model, in the shape of a model package.

    Parameters
    ----------
    manifest : Manifest
        `sha256` is the checkpoint file's.
    checkpoint : Path
        File of the fold's weights.
    mirror_axes : tuple of int
        Axes that may be mirrored in inference, as the trainer recorded; () when it mirrored none.
    trainer : str
        Class name of the trainer; it changes nothing in inference.
    """

    manifest: Manifest
    checkpoint: Path
    mirror_axes: tuple[int, ...]
    trainer: str

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Read the weights by parameter name.

        Raises
        ------
        ModelUnusableError
            As `fold_package`.
        """
        from hyoid.models.unet import canonical_state

        weights = _loaded(self.checkpoint)["network_weights"]
        return {name: tensor.float().numpy() for name, tensor in canonical_state(weights).items()}


def fold_package(model: NnunetModel, fold: str, cache: Path) -> CheckpointPackage:
    """Make a package of one fold of a model; the checkpoint is hashed, and opened only when this machine has not seen
    it.

    Parameters
    ----------
    model : NnunetModel
        An nnU-Net folder.
    fold : str
        Name of the fold, for example "0" or "all".
    cache : Path
        Folder for compiled graphs.

    Raises
    ------
    ModelUnusableError
        When the checkpoint is damaged, would run code, or is no checkpoint of nnU-Net.
    """
    path = model.checkpoints[fold]
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    notes = cache / f"checkpoint-{sha256[:24]}.json"
    if notes.is_file():
        known = json.loads(notes.read_text(encoding="utf-8"))
    else:
        content = _loaded(path)
        known = {"mirror_axes": _mirror_axes(content, path), "trainer": str(content.get("trainer_name", "unknown"))}
        write_text(notes, json.dumps(known))
    flat = len(model.patch) == 2
    names = tuple(model.labels.names) if model.labels.regions else ("background", *model.labels.names)
    manifest = Manifest(
        name=f"nnunet-{sha256[:8]}",
        version=f"fold {fold}",
        words=f"nnU-Net v2, {model.name}, fold {fold}.",
        task="segmentation",
        network=dict(model.network),
        labels=names,
        supported=names,
        spacing_mm=(0.0, *model.spacing_mm) if flat else model.spacing_mm,  # type: ignore[arg-type]
        patch=(1, *model.patch) if flat else model.patch,  # type: ignore[arg-type]
        preprocessing={},
        training_data="not told by the folder",
        licence="not told by the folder",
        sha256=sha256,
    )
    return CheckpointPackage(manifest, path, tuple(known["mirror_axes"]), known["trainer"])


def _loaded(path: Path) -> dict[str, Any]:
    """Content of a checkpoint; nothing in it is executed."""
    import torch

    # Scalars of numpy 1 and 2 (a trainer logs its losses in them), under both of their names.
    scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]
    allowed: list[Any] = [
        scalar,
        (scalar, "numpy.core.multiarray.scalar"),
        np.dtype,
        *(type(np.dtype(kind)) for kind in ("float64", "float32", "float16", "int64", "int32", "bool")),
    ]
    try:
        with torch.serialization.safe_globals(allowed):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        said = next((line for line in str(error).splitlines() if "GLOBAL" in line or "global" in line), "")
        raise ModelUnusableError(
            f"The checkpoint of {path.parent.name} holds more than weights and numbers, and hyoid does not run code "
            f"from a model file. {said.strip()[:200]}",
            "Get the model from its authors, or let them save it without that object.",
        ) from error
    except Exception as error:  # damaged bytes raise whatever the unpickler stumbles over
        raise ModelUnusableError(f"The checkpoint of {path.parent.name} is damaged or incomplete.", _CURE) from error
    weights = content.get("network_weights") if isinstance(content, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in weights.values()):
        raise ModelUnusableError(f"The checkpoint of {path.parent.name} holds no network_weights.", _CURE)
    return content


def _mirror_axes(content: dict[str, Any], path: Path) -> list[int]:
    """Axes that the trainer mirrored."""
    axes = content.get("inference_allowed_mirroring_axes") or ()
    if not isinstance(axes, list | tuple) or not all(axis in (0, 1, 2) for axis in axes):
        raise ModelUnusableError(f"The checkpoint of {path.parent.name} mirrors along axes that do not exist.", _CURE)
    return [int(axis) for axis in axes]
