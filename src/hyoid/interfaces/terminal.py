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
from rich.text import Text

from hyoid.characters import printable

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
    "further": "Writing report objects",
    "phantom": "Making virtual patients",
    "cases": "Reading cases",
    "train": "Training",
    "priors": "Predicting organ maps and heatmaps",
    "measure": "Measuring",
    "structure": "Reading the text",
    "predict": "Predicting cases",
    "cohort": "Working on the cohort",
    "prepare": "Preparing the scan",
    "tiles": "Running the network",
    "export": "Deciding voxels",
    "register": "Registering",
    "gradient": "Computing the gradient map",
    "response": "Following every lesion",
    "ablation": "Training rows of the table",
}


class Terminal:
    """Speaker of a command: bars and lines on standard error for people, or one JSON object a line for programs.

    Every text is shown as it is: brackets in it are no markup, control characters do nothing.

    Parameters
    ----------
    as_json : bool
        JSON events on standard output and nothing else; otherwise bars and lines on standard error.
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
        """Show bars while the block runs."""
        if self.as_json:
            yield
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[words]}", markup=False),
        )
        with Progress(*columns, console=self.console) as self._bars:
            yield
        self._bars = None
        self._tasks.clear()

    def progress(self, stage: str, done: int, total: int, words: str = "") -> None:
        """Show one step of a stage; the first call starts the stage's clock, the one with done == total stops it.

        Parameters
        ----------
        stage : str
            Key of `STAGE_WORDS`, or words of its own.
        done, total : int
            Steps.
        words : str
            Shown behind the bar.
        """
        now = time.perf_counter()
        began = self._began.setdefault(stage, now)
        self.seconds[stage] = round(now - began, 3)
        if self.as_json:
            self.event("progress", stage=stage, done=done, total=total, **({"words": words} if words else {}))
        elif self._bars is not None:
            if stage not in self._tasks:
                self._tasks[stage] = self._bars.add_task(printable(STAGE_WORDS.get(stage, stage)), words="")
            self._bars.update(self._tasks[stage], completed=done, total=total, words=printable(words))

    def start_over(self) -> None:
        """Forget the clocks, for a further case."""
        self.seconds.clear()
        self._began.clear()

    def event(self, kind: str, **values: Any) -> None:
        """Write one JSON line, when JSON is asked for.

        Parameters
        ----------
        kind : str
            Value of `event`.
        **values
            Further members; what JSON cannot hold becomes text.
        """
        if self.as_json:
            sys.stdout.write(json.dumps({"event": kind, **values}, default=str) + "\n")
            sys.stdout.flush()

    def say(self, text: str, style: str = "") -> None:
        """Write a line for people; nothing when JSON is asked for.

        Parameters
        ----------
        text : str
            Shown as it is.
        style : str
            Rich style, such as "bold".
        """
        if not self.as_json:
            self.console.print(Text(printable(text), style))

    def note(self, text: str) -> None:
        """Write a caution for people; nothing when JSON is asked for."""
        if not self.as_json:
            self.console.print(Text.assemble(("Note:", "yellow"), f" {printable(text)}"))

    def refuse(self, words: str, problem: str, cure: str) -> None:
        """Write why a command ends without its work, and what to do about it.

        Parameters
        ----------
        words : str
            Kind of refusal, such as "Input refused:".
        problem, cure : str
            What is wrong, and what to do about it; no cure when empty.
        """
        self.console.print(Text.assemble((words, "bold red"), f" {printable(problem)}"))
        if cure:
            self.console.print(Text.assemble(("What to do:", "bold"), f" {printable(cure)}"))
