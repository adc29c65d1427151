"""Progress and messages: Rich bars for people, one JSON object a line for machines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

STAGE_WORDS = {
    "read": "Reading the scan",
    "check": "Checking the scan",
    "organs": "Outlining organs",
    "neck": "Outlining the neck",
    "tumour": "Localising tumour",
    "head": "Finding the head",
    "coarse": "Outlining targets, coarsely",
    "fine": "Outlining targets",
    "decide": "Deciding voxels",
    "involvement": "Predicting involvement",
    "report": "Filling the template",
    "clicks": "Following the clicks",
    "write": "Writing files",
    "dicom": "Writing and checking DICOM",
    "phantom": "Making virtual patients",
    "cases": "Reading cases",
    "train": "Training",
    "priors": "Predicting organ maps and heatmaps",
    "measure": "Measuring",
    "structure": "Reading the text",
    "predict": "Predicting cases",
    "prepare": "Preparing the scan",
    "tiles": "Running the network",
    "export": "Deciding voxels",
    "register": "Registering",
    "gradient": "Computing the gradient map",
    "response": "Following every lesion",
    "ablation": "Training rows of the table",
}


class Teller:
    """Tells stages as they go, and how long each took.

    Parameters
    ----------
    as_json : bool
        One JSON object a line on standard output, nothing else; otherwise bars on standard error.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.console = Console(stderr=True)
        self.seconds: dict[str, float] = {}
        self._began: dict[str, float] = {}
        self._tasks: dict[str, TaskID] = {}
        self._bars: Progress | None = None

    @contextmanager
    def bars(self) -> Iterator[None]:
        """Bars are shown while the block runs."""
        if self.as_json:
            yield
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[words]}"),
        )
        with Progress(*columns, console=self.console) as self._bars:
            yield
        self._bars = None
        self._tasks.clear()

    def progress(self, stage: str, done: int, total: int, words: str = "") -> None:
        """One step of a stage; the first call starts its clock, the one with done == total stops it."""
        now = time.perf_counter()
        began = self._began.setdefault(stage, now)
        self.seconds[stage] = round(now - began, 3)
        if self.as_json:
            self.event("progress", stage=stage, done=done, total=total, **({"words": words} if words else {}))
        elif self._bars is not None:
            if stage not in self._tasks:
                self._tasks[stage] = self._bars.add_task(STAGE_WORDS.get(stage, stage), words="")
            self._bars.update(self._tasks[stage], completed=done, total=total, words=words)

    def start_over(self) -> None:
        """Clocks of a further case."""
        self.seconds.clear()
        self._began.clear()

    def event(self, kind: str, **values: Any) -> None:
        """One JSON line, when JSON is asked for."""
        if self.as_json:
            sys.stdout.write(json.dumps({"event": kind, **values}, default=str) + "\n")
            sys.stdout.flush()

    def say(self, text: str) -> None:
        """A line for people."""
        if not self.as_json:
            self.console.print(text, highlight=False)
