"""The table of commands; a command's module is imported when the command is asked for.

`hyoid --help` then costs what Typer costs, and one command does not load what another one needs.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

HERE = "hyoid.interfaces.cli"


@dataclass(frozen=True)
class Listed:
    """Where a command is, and what the list of commands says of it."""

    place: str
    """Module of this folder and name in it, `report:demo`."""
    summary: str
    """First line of the command's help."""


COMMANDS = {
    "demo": Listed(
        "demo:demo",
        "Make one virtual PET/CT patient, write its DICOM, and report on it with and without a reader's outlines.",
    ),
    "report": Listed("report:report", "Make a structured report of a head-and-neck CT. Research use only."),
    "midrt": Listed(
        "midrt:midrt_command",
        "Outline GTVp and GTVn on a mid-treatment MR and report the response of every lesion. Research use only.",
    ),
    "petct": Listed(
        "petct:petct",
        "Outline primary tumour (GTVp) and involved nodes (GTVn) on PET/CT, and report on them. Research use only.",
    ),
    "grand-challenge": Listed(
        "grand_challenge:grand_challenge",
        "Outline one patient of a challenge, reading and writing where its containers do. Research use only.",
    ),
    "lesion": Listed(
        "lesion:lesion", "Outline the lesion under one or more clicks, and describe it. Research use only."
    ),
    "structure": Listed("structure:structure", "Fill the template from a free-text report. Research use only."),
    "measure": Listed(
        "measure:measure", "Measure volume, diameters, side and centroid of every lesion of a label map."
    ),
    "evaluate": Listed("evaluate:evaluate", "Score predictions against references, or two systems against each other."),
    "predict": Listed("predict:predict", "Run an nnU-Net v2 model on files, folders or DICOM. Research use only."),
    "cohort": Listed(
        "cohort:app", "Run a command on many studies, resumable, with results as tables. Research use only."
    ),
    "node": Listed(
        "node:app", "Take studies in by DICOM, DICOMweb or a folder, and send results back. Research use only."
    ),
    "phantom": Listed(
        "phantom:phantom", "Make virtual patients with their masks, truth and reports, and a contact sheet."
    ),
    "train": Listed("train:train", "Train one network, or one per fold, and write each package to a folder `package`."),
    "ablate": Listed(
        "ablate:ablate",
        "Run the trainings of a paper's ablation table again, and write the table with confidence intervals to OUT.",
    ),
    "calibrate": Listed(
        "calibrate:calibrate",
        "Fit temperature, threshold and band of doubt of a classifier on held-out patients, and judge the fit.",
    ),
    "card": Listed(
        "card:card",
        "Measure a package on cases that no training saw, and write what it may answer into its manifest and card.",
    ),
    "serve": Listed("serve:serve", "Open the web workspace: viewer, clicks, live report. Research use only."),
    "models": Listed("models:app", "List, describe, fetch, pack and verify models."),
    "doctor": Listed(
        "doctor:doctor",
        "Examine this machine: processor, memory, GPU, folders, networks, extras, and what to install.",
    ),
}


class Commands(MutableMapping[str, Any]):
    """Commands by name, each loaded when it is first taken out."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        """Load a command, or take the one that was loaded before."""
        if name not in self._loaded:
            self._loaded[name] = _load(name, COMMANDS[name].place)
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        """Put a command in the place of another."""
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        """Refuse: the table is fixed."""
        raise TypeError("Commands are not taken away.")

    def __iter__(self) -> Iterator[str]:
        """Go through the names in the order of the table."""
        return iter(COMMANDS)

    def __len__(self) -> int:
        """Count the commands."""
        return len(COMMANDS)


def _load(name: str, place: str) -> Any:
    module, _, attribute = place.partition(":")
    found = getattr(import_module(f"{HERE}.{module}"), attribute)
    group = found if isinstance(found, typer.Typer) else typer.Typer(add_completion=False, rich_markup_mode="rich")
    if group is not found:
        group.command(name)(found)
    command = typer.main.get_command(group)
    command.name = name
    return command


class CommandTable(TyperGroup):
    """The group of all commands; its own help lists their summaries and loads none of them."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = Commands()

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands."""
        commands, self.commands = (
            self.commands,
            {name: TyperCommand(name, help=listed.summary) for name, listed in COMMANDS.items()},
        )
        try:
            super().format_help(ctx, formatter)
        finally:
            self.commands = commands
