"""Model packages: a folder with `manifest.yaml`, `model.safetensors`, `LICENSE` and `CARD.md`.

Weights are read without unpickling, and only when their SHA-256 is the one in the manifest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save_file

from hyoid.errors import ModelUnusableError
from hyoid.names import current_name

MANIFEST, WEIGHTS, LICENCE, CARD = "manifest.yaml", "model.safetensors", "LICENSE", "CARD.md"
VIRTUAL_ONLY, NOT_STATED = "virtual patients only", "patients that the model's package does not state"
_REPAIR = "Install hyoid again, or make the package again with `hyoid train`."


class LearnedFrom(BaseModel):
    """Patients whose labels taught a model, label by label; a label that stands in neither list is not stated.

    Parameters
    ----------
    real : tuple of str
        Labels that contours or findings of real patients taught.
    virtual : tuple of str
        Labels that virtual patients taught.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    real: tuple[str, ...] = ()
    virtual: tuple[str, ...] = ()

    def virtual_only(self, label: str) -> bool:
        """Say whether virtual patients alone taught a label.

        Parameters
        ----------
        label : str
            A label of the manifest.

        Examples
        --------
        >>> LearnedFrom(real=("larynx",), virtual=("larynx", "tongue")).virtual_only("tongue")
        True
        """
        return label in self.virtual and label not in self.real

    def only(self, labels: Sequence[str]) -> LearnedFrom:
        """Keep what is stated of some labels, for a package that answers these alone.

        Parameters
        ----------
        labels : sequence of str
            Labels to keep.
        """
        real, virtual = (tuple(name for name in found if name in labels) for found in (self.real, self.virtual))
        return LearnedFrom(real=real, virtual=virtual)

    def words(self, label: str) -> str:
        """Name the teachers of a label where a reader must know them; empty where real patients taught it.

        Parameters
        ----------
        label : str
            A label of the manifest.
        """
        if label in self.real:
            return ""
        return VIRTUAL_ONLY if label in self.virtual else NOT_STATED


class Manifest(BaseModel):
    """Statements of a package about its model.

    Parameters
    ----------
    name, version, words : str
        Words say what the model does, for readers.
    task : {"segmentation", "ct_report", "lesion"}
        Manifests written before hold former names of the last two.
    network : dict
        Description for `hyoid.models.build.build_network`.
    labels : tuple of str
        One per output channel: structure names, or report fields.
    supported : tuple of str
        Labels that the model can be asked for; the others were not learned well enough.
    spacing_mm, patch : tuples
        Grid of the input along (slice, row, column); patch of the sliding window or of the whole input.
    preprocessing : dict
        Windows and other constants, by name.
    thresholds : dict
        Label to probability above which it is called present.
    temperatures : dict
        Label to the temperature its logit is divided by; fitted on patients held out of training.
    equivocal : dict
        Label to the range of probability in which the answer is "equivocal".
    bf16_agreement : dict
        Label to Dice of bfloat16 against float32 labels; empty until measured.
    bf16_loss : dict
        Label to the fall of its mean Dice against the reference, float32 to bfloat16; empty until measured.
    step_loss : dict
        Label to the fall of its mean Dice against the reference from tiles half a tile apart to tiles three quarters
        apart; empty until measured.
    learned_from : LearnedFrom
        Real or virtual patients, label by label; texts are made from it, never from `training_data`.
    training_data : str
        Training data in words, for readers.
    licence : str
        SPDX name, or words, of the licence of the weights.
    metrics : dict
        What was measured, on which data, with n and interval.
    recipe : dict
        The whole recipe, so that the weights can be made again.
    sha256 : str
        SHA-256 of `model.safetensors`, in hexadecimal digits.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    name: str
    version: str
    words: str
    task: Annotated[Literal["segmentation", "ct_report", "lesion"], BeforeValidator(current_name)]
    network: dict[str, Any]
    labels: tuple[str, ...]
    supported: tuple[str, ...]
    spacing_mm: tuple[float, float, float]
    patch: tuple[int, int, int]
    preprocessing: dict[str, Any]
    thresholds: dict[str, float] = {}
    temperatures: dict[str, float] = {}
    equivocal: dict[str, tuple[float, float]] = {}
    bf16_agreement: dict[str, float] = {}
    bf16_loss: dict[str, float] = {}
    step_loss: dict[str, float] = {}
    learned_from: LearnedFrom = LearnedFrom()
    training_data: str
    licence: str
    metrics: dict[str, Any] = {}
    recipe: dict[str, Any] = {}
    sha256: str


@dataclass(frozen=True, eq=False)
class ModelPackage:
    """Verified package, weights not yet read.

    Parameters
    ----------
    manifest : Manifest
        What the package says about its model.
    weights : bytes
        Content of `model.safetensors`, hash already checked.
    """

    manifest: Manifest
    weights: bytes

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Read the weights by parameter name, as float32.

        Raises
        ------
        ModelUnusableError
            When the bytes are not a safetensors file.
        """
        try:
            return {name: _as_float(value) for name, value in load(self.weights).items()}
        except SafetensorError as error:
            raise ModelUnusableError(f"The weights of {self.manifest.name!r} cannot be read.", _REPAIR) from error


def read_package(folder: Path) -> ModelPackage:
    """Read a model package and verify its weights.

    Parameters
    ----------
    folder : Path
        Folder with `manifest.yaml` and `model.safetensors`.

    Raises
    ------
    ModelUnusableError
        When a file is missing, the manifest is not valid, or the weights are not those of the manifest.
    """
    manifest = read_manifest(folder)
    try:
        weights = (folder / WEIGHTS).read_bytes()
    except OSError as error:
        raise ModelUnusableError(f"Model package {manifest.name!r} has no readable {WEIGHTS}.", _REPAIR) from error
    found = hashlib.sha256(weights).hexdigest()
    if found != manifest.sha256:
        raise ModelUnusableError(
            f"The weights of model {manifest.name!r} are damaged: SHA-256 {found[:12]}..., expected "
            f"{manifest.sha256[:12]}....",
            _REPAIR,
        )
    return ModelPackage(manifest, weights)


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a package, weights unseen.

    Raises
    ------
    ModelUnusableError
        When it is missing or not valid.
    """
    try:
        content = yaml.safe_load((folder / MANIFEST).read_text(encoding="utf-8"))
        return Manifest.model_validate(content)
    except OSError as error:
        raise ModelUnusableError(f"{folder.name!r} is not a model package: no {MANIFEST}.", _REPAIR) from error
    except (yaml.YAMLError, ValidationError) as error:
        raise ModelUnusableError(f"The manifest of {folder.name!r} is not valid.", _REPAIR) from error


def write_package(
    folder: Path, manifest: Mapping[str, Any], arrays: Mapping[str, NDArray], *, licence: str, card: str
) -> Manifest:
    """Write a model package; weights are stored as float16, which halves their size.

    Parameters
    ----------
    folder : Path
        Folder of the package, made when absent; files in it are replaced.
    manifest : mapping
        Fields of `Manifest` without `sha256`.
    arrays : mapping of str to ndarray
        Weights by parameter name.
    licence, card : str
        Texts of LICENSE and CARD.md.
    """
    folder.mkdir(parents=True, exist_ok=True)
    small = {name: _as_half(value) for name, value in sorted(arrays.items())}
    save_file(small, folder / WEIGHTS)
    complete = Manifest(**manifest, sha256=hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest())
    write_manifest(folder, complete)
    (folder / LICENCE).write_text(licence, encoding="utf-8")
    (folder / CARD).write_text(card, encoding="utf-8")
    return complete


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest of a package, for instance after a measurement."""
    text = yaml.safe_dump(manifest.model_dump(mode="json"), sort_keys=False, width=110, allow_unicode=True)
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def _as_half(value: NDArray) -> NDArray:
    return np.ascontiguousarray(value.astype(np.float16) if value.dtype.kind == "f" else value)


def _as_float(value: NDArray) -> NDArray:
    return value.astype(np.float32) if value.dtype.kind == "f" else value
