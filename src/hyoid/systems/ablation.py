"""What every ablation asks of the tables and rows that are wanted, and of the runs that it finds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from hyoid.errors import UsageError
from hyoid.io.packages.model_package import MANIFEST, ModelPackage, read_package
from hyoid.training.recipe import Recipe, require_same_recipe


class NamedRow(Protocol):
    """Row of a table."""

    @property
    def name(self) -> str:
        """Name by which the row is asked for."""


R = TypeVar("R", bound=NamedRow)


def chosen_rows(table: str, tables: Mapping[str, Sequence[R]], only: Sequence[str]) -> tuple[R, ...]:
    """Select the rows of a table that were asked for, in the order of the table.

    Parameters
    ----------
    table : str
        Name of the table.
    tables : mapping of str to sequence of row
        Rows of every table, by its name.
    only : sequence of str
        Names of rows; all when empty.

    Raises
    ------
    UsageError
        When the table or a row does not exist.
    """
    require_known("table", [table], tables)
    require_known("row", only, [row.name for row in tables[table]])
    return tuple(row for row in tables[table] if not only or row.name in only)


def require_known(kind: str, wanted: Iterable[str], known: Collection[str]) -> None:
    """Refuse names that do not exist.

    Parameters
    ----------
    kind : {"table", "row"}
        Word for what is looked up, used in the refusal.
    wanted : iterable of str
        Names that were asked for.
    known : collection of str
        Names that exist, in the order in which the refusal lists them.

    Raises
    ------
    UsageError
        When one of `wanted` is not among `known`.
    """
    if missing := sorted(set(wanted) - set(known)):
        raise UsageError(f"There is no {kind} {missing[0]!r}.", f"Choose among: {', '.join(known)}.")


def finished_package(folder: Path, recipe: Recipe) -> ModelPackage | None:
    """Find the package of a run that was finished before; None where no package is there yet.

    Parameters
    ----------
    folder : Path
        Folder of the run.
    recipe : Recipe
        Recipe that the row asks for.

    Raises
    ------
    UsageError
        When another recipe made it.
    """
    if not (folder / "package" / MANIFEST).is_file():
        return None
    package = read_package(folder / "package")
    require_same_recipe(package.manifest.recipe, recipe, folder)
    return package
