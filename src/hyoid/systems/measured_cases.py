"""Measurements that cost minutes: one result per case, kept on disk, so that a stopped measurement goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from hyoid.inference.runtime import Precision
from hyoid.io.atomic import write_text
from hyoid.io.packages.model_package import Manifest
from hyoid.progress import Stages, Steps, ignore_stages
from hyoid.systems.machine import Machine

T = TypeVar("T")
_SAID = ("words", "training_data", "licence", "metrics", "bf16_agreement", "bf16_loss", "recipe", "learned_from")


@dataclass(frozen=True)
class Measuring:
    """Places and progress of a measurement.

    Parameters
    ----------
    cache : Path
        Folder for compiled graphs.
    work : Path
        Folder that keeps the result of every case.
    whom : str
        The measured patients in words, for example "OpenKBP's validation split".
    on_progress : Stages
        Called with (stage, done, total).
    precision : {"f32", "bf16"}
        Arithmetic in which the networks run.
    """

    cache: Path
    work: Path
    whom: str
    on_progress: Stages = ignore_stages
    precision: Precision = "f32"

    @property
    def machine(self) -> Machine:
        """Where cards are measured: on a CPU, by default in float32, so that every machine finds the same numbers."""
        return Machine("cpu", self.cache, self.precision)

    def telling(self, stage: str) -> Steps:
        """Tell how far one stage is, under its name and, where it is not float32, the arithmetic.

        Parameters
        ----------
        stage : str
            Name of the stage.
        """
        return partial(self.on_progress, stage if self.precision == "f32" else f"{stage}, {self.precision}")

    def shelf(self, what: str, manifests: Sequence[Manifest]) -> Path:
        """Name the folder that keeps the results of one measurement of these networks.

        Parameters
        ----------
        what : str
            Name of the measurement, one word.
        manifests : sequence of Manifest
            Manifests of all networks that take part; another weight, label or constant gives another
            folder.
        """
        told = [manifest.model_dump(mode="json", exclude=set(_SAID)) for manifest in manifests]
        return self.work / f"{what}-{'' if self.precision == 'f32' else f'{self.precision}-'}{_digest(told)}"


@dataclass(frozen=True)
class Codec(Generic[T]):
    """How a result becomes JSON, and is read again.

    Parameters
    ----------
    encode : callable
        Turns a result into values that JSON knows.
    decode : callable
        Reads a result back from JSON.
    """

    encode: Callable[[T], Any]
    decode: Callable[[Any], T]


def measure_each(
    cases: Sequence[tuple[str, str]],
    measure: Callable[[int], T],
    codec: Codec[T],
    shelf: Path,
    on_progress: Callable[[int, int], None],
) -> tuple[T, ...]:
    """Measure every case, or read the case's result from an earlier run.

    Parameters
    ----------
    cases : sequence of (str, str)
        Name of each case, and what identifies its images: when that changes, the case is measured again.
    measure : callable
        Measures the case at a position and returns its result.
    codec : Codec
        Writes a result as JSON, and reads it back.
    shelf : Path
        Folder that keeps the results.
    on_progress : callable
        Called with (done, total) after every case.
    """
    rows = []
    for position, (name, identity) in enumerate(cases):
        kept = shelf / f"{name}-{_digest(identity)}.json"
        if not kept.is_file():
            row = codec.encode(measure(position))
            shelf.mkdir(parents=True, exist_ok=True)
            write_text(kept, json.dumps(row))
        rows.append(codec.decode(json.loads(kept.read_text(encoding="utf-8"))))
        on_progress(position + 1, len(cases))
    return tuple(rows)


def identity_of(image: Path) -> str:
    """Tell an image file from every other, and from itself after a change, without reading it.

    Parameters
    ----------
    image : Path
        The file; its place, size and time of change count.
    """
    status = image.stat()
    return f"{image.resolve()} {status.st_size} {status.st_mtime_ns}"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
