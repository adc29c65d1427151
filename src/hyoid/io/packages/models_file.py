"""The file of `--models`: which networks a run uses in the places of hyoid's own, and which of these outlines what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from hyoid.errors import UsageError
from hyoid.io.packages.source_table import Ranked, SourceTable, require_organ

DEFAULT = "default"
"""Word for the networks that would be used without a file; beside others it adds them."""
IN_FILE = "as the file of models says"


def _as_entry(value: Any) -> Any:
    return {"model": value} if isinstance(value, str) else value


def _as_many(value: Any) -> Any:
    return [value] if isinstance(value, str | Mapping) else value


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


class Entry(_Frozen):
    """One network: a hyoid package, an nnU-Net folder, or fetched public weights.

    Parameters
    ----------
    model : str
        Name or folder; "default" for the networks that would be used without a file.
    name : str
        Name under which outputs and tables call the network; empty for its own.
    structures : tuple of str
        Structures to take from the network; empty for all that it outlines.
    labels : dict of str to str
        nnU-Net folder: names of labels in `dataset.json` to structures of hyoid, where the names do not tell.
    channels : tuple of str
        nnU-Net folder on mid-treatment MR: what its input channels are, in their order.
    gradient : {"paper", "code", "hyoid"}
        nnU-Net folder on mid-treatment MR: preset of the gradient map.
    folds : tuple of str
        nnU-Net folder: folds to average; empty for all.
    configuration : str, optional
        nnU-Net folder: configuration of the plans, where the name of the folder does not tell.
    checkpoint : str
        nnU-Net folder: checkpoint to load, "final" or "best".
    """

    model: str
    name: str = ""
    structures: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    channels: tuple[str, ...] = ()
    gradient: Literal["paper", "code", "hyoid"] = "code"
    folds: tuple[str, ...] = ()
    configuration: str | None = None
    checkpoint: str = "final"


One = Annotated[Entry, BeforeValidator(_as_entry)]
Many = Annotated[tuple[One, ...], BeforeValidator(_as_many)]
_Names = Annotated[tuple[str, ...], BeforeValidator(_as_many)]


class ModelsFile(_Frozen):
    """Networks that a run uses in the places of hyoid's own; a place that is empty keeps hyoid's.

    Parameters
    ----------
    organs : tuple of Entry
        Networks that outline organs on CT.
    tumour, classifier, template : Entry, optional
        Networks of `hyoid report`: the tumour, what it involves, and the sub-sites that an outlined tumour overlaps.
    head, coarse : Entry, optional
        Networks of the first two stages of `hyoid petct`.
    fine : tuple of Entry
        Networks of the third stage of `hyoid petct`.
    midrt : tuple of Entry
        Networks of `hyoid midrt`; their probabilities are averaged.
    lesion : Entry, optional
        Interactive network of `hyoid lesion` and `hyoid serve`.
    use : dict of str to tuple of str
        Structure to the names of the sources that outline it, the first at hand wins.
    """

    organs: Many = ()
    tumour: One | None = None
    classifier: One | None = None
    template: One | None = None
    head: One | None = None
    coarse: One | None = None
    fine: Many = ()
    midrt: Many = ()
    lesion: One | None = None
    use: dict[str, _Names] = {}

    def table(self) -> SourceTable:
        """Make the table of sources that the file states."""
        return SourceTable(
            {name: tuple(Ranked(source=s, why=IN_FILE) for s in sources) for name, sources in self.use.items()}
        )


def read_models_file(path: Path) -> ModelsFile:
    """Read a file of models; folders in it are looked for beside it.

    Parameters
    ----------
    path : Path
        YAML file with the keys of `ModelsFile`.

    Raises
    ------
    UsageError
        When the file cannot be read, a key is unknown, or a source is chosen for what is no organ.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(
            f"The file of models cannot be read ({type(error).__name__}).",
            "Give a YAML file; docs/models.md shows one.",
        ) from None
    stated = models_stated(content)
    return stated.model_copy(update={name: _beside(value, path.parent) for name, value in stated if name != "use"})


def models_stated(content: Any) -> ModelsFile:
    """Check what a file of models holds, or a program states in its place.

    Parameters
    ----------
    content : mapping
        Keys of `ModelsFile`.

    Raises
    ------
    UsageError
        When a key or value is wrong, or a source is chosen for what is no organ.
    """
    try:
        stated = ModelsFile.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UsageError(
            f"The file of models is wrong at {place}: {first['msg'].lower()}.",
            f"Its keys are: {', '.join(ModelsFile.model_fields)}; docs/models.md shows an example.",
        ) from None
    for structure in stated.use:
        require_organ(structure)
    return stated


def _beside(value: Any, folder: Path) -> Any:
    """Entries whose folders lie beside the file, with their whole path."""
    if isinstance(value, tuple):
        return tuple(_beside(entry, folder) for entry in value)
    if not isinstance(value, Entry) or not (folder / value.model).is_dir():
        return value
    return value.model_copy(update={"model": str((folder / value.model).resolve())})
