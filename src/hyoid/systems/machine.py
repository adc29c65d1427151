"""Where networks run, and whom they tell how far they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hyoid.inference.runtime import Device, Precision


@dataclass(frozen=True)
class Machine:
    """Processor, cache and precision with which networks run.

    Parameters
    ----------
    device : {"cpu", "cuda"}
        Processor on which networks run: OpenVINO on a CPU, torch on CUDA.
    cache : Path
        Folder for compiled graphs.
    precision : {"f32", "bf16"}, optional
        Arithmetic of the networks; by default what each package allows.
    """

    device: Device
    cache: Path
    precision: Precision | None = None
