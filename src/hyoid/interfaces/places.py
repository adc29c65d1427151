"""Where things lie on this machine: default weights in the package, pulled ones in the user's data folder, compiled
graphs in the user's cache.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from platformdirs import user_cache_path, user_data_path

from hyoid.errors import UsageError
from hyoid.inference.runtime import Device, Precision
from hyoid.systems.machine import Machine

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"


def cache_folder() -> Path:
    """Name the folder for compiled graphs: $HYOID_CACHE, else the user's cache folder."""
    if chosen := os.environ.get("HYOID_CACHE"):
        return Path(chosen)
    return user_cache_path("hyoid", appauthor=False)


def weights_folder() -> Path:
    """Name the folder of pulled public weights: $HYOID_WEIGHTS, else in the user's data folder."""
    if chosen := os.environ.get("HYOID_WEIGHTS"):
        return Path(chosen)
    return user_data_path("hyoid", appauthor=False) / "weights"


def sources_file() -> Path:
    """Name the file of the user's own table of sources, beside the folder of pulled weights."""
    return weights_folder().parent / "sources.yaml"


def work_folder() -> Path:
    """Name the folder of the workspace's sessions and uploads: $HYOID_WORK, else in the user's data folder."""
    if chosen := os.environ.get("HYOID_WORK"):
        return Path(chosen)
    return weights_folder().parent / "workspace"


def make_private(folder: Path) -> Path:
    """Make a folder that this account alone may open, or close an existing one to other accounts.

    Parameters
    ----------
    folder : Path
        Folder, made with its parents where absent.

    Raises
    ------
    UsageError
        When the folder cannot be made, or belongs to another account.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise UsageError(
            f"The folder for private files cannot be made private ({error.strerror}).", "Name one of your own."
        ) from error
    return folder


def machine_named(device: str, precision: str | None = None, cache: Path | None = None) -> Machine:
    """Choose where and how networks run, with the errors of `device_named` and `precision_named`.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda"}
        Where the networks run.
    precision : {"f32", "bf16"}, optional
        Arithmetic; None leaves the choice to each model's card.
    cache : Path, optional
        Folder for compiled graphs; by default `cache_folder`.
    """
    return Machine(device_named(device), cache or cache_folder(), precision_named(precision))


def device_named(name: str) -> Device:
    """Choose the device for auto, cpu or cuda.

    Raises
    ------
    UsageError
        When the name is unknown, or CUDA is asked for and torch finds none.
    """
    if name == "cpu" or (name == "auto" and shutil.which("nvidia-smi") is None):
        return "cpu"
    if name not in ("auto", "cuda"):
        raise UsageError(f"There is no device {name!r}.", "Choose auto, cpu or cuda.")
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if name == "cuda":
        raise UsageError("This torch finds no CUDA device.", "Use --device cpu, or install torch with CUDA.")
    return "cpu"


def precision_named(name: str | None) -> Precision | None:
    """Choose the arithmetic for f32 or bf16; None leaves the choice to each model's card.

    Raises
    ------
    UsageError
        When the name is anything else.
    """
    if name in (None, "f32", "bf16"):
        return name  # type: ignore[return-value]
    raise UsageError(f"There is no precision {name!r}.", "Choose f32 or bf16, or leave it to the models' cards.")
