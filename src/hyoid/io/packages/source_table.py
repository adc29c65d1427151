"""Which network outlines which structure, where several can: tables, best founded first, and the choice by them.

The table that comes with hyoid gives the reason of every place; a user's own table goes before it, and what a run's
file of models says before both. Pure: no network is read here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from hyoid.anatomy.structures import BY_NAME, ORGANS
from hyoid.errors import UsageError

NAMED_NOW = "named for this run"
ONLY_ONE = "no other network at hand outlines this structure"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Ranked(_Frozen):
    """Source of outlines in a table, with the reason for its place.

    Parameters
    ----------
    source : str
        Name of a package or of public weights; in a user's table also a folder.
    why : str
        Evidence, in words.
    """

    source: str
    why: str = ""


class _Row(_Frozen):
    """Structures that share one order of sources."""

    structures: tuple[str, ...]
    best_first: tuple[Ranked, ...]


@dataclass(frozen=True)
class SourceTable:
    """Order of sources for every structure that a table names.

    Parameters
    ----------
    orders : mapping of str to tuple of Ranked
        Structure to its sources, the best founded first.
    """

    orders: Mapping[str, tuple[Ranked, ...]] = field(default_factory=dict)

    def sources(self) -> tuple[str, ...]:
        """List every source that the table names, once, in the order of the table."""
        return tuple(dict.fromkeys(ranked.source for order in self.orders.values() for ranked in order))

    def with_first(self, structure: str, ranked: Ranked) -> SourceTable:
        """Put a source in the first place of a structure; the others keep their order.

        Parameters
        ----------
        structure : str
            Name in `hyoid.anatomy.structures`.
        ranked : Ranked
            Source, with the reason for its place.
        """
        others = tuple(r for r in self.orders.get(structure, ()) if r.source != ranked.source)
        return SourceTable({**self.orders, structure: (ranked, *others)})


@dataclass(frozen=True)
class Offer:
    """Source at hand, with the structures that it can outline.

    Parameters
    ----------
    source : str
        Name of the source, as tables call it.
    structures : tuple of str
        Structures that the source outlines.
    named : bool
        Whether the user named the source for this run.
    """

    source: str
    structures: tuple[str, ...]
    named: bool = False


@dataclass(frozen=True)
class Choice:
    """Source that outlines a structure, and why.

    Parameters
    ----------
    structure, source : str
        Name of the structure, and of the source that was chosen.
    why : str
        Reason of the table, or how the choice came about.
    others : tuple of str
        Sources at hand that could have outlined it too, in their order.
    """

    structure: str
    source: str
    why: str
    others: tuple[str, ...] = ()


def read_source_table(path: Path) -> SourceTable:
    """Read a table of sources (YAML, a list of rows with `structures` and `best_first`).

    Parameters
    ----------
    path : Path
        File of the table.

    Raises
    ------
    UsageError
        When the file cannot be read, or a row is wrong: an unknown key or structure, one source or structure twice.
    """
    try:
        rows = [_Row.model_validate(row) for row in yaml.safe_load(path.read_text(encoding="utf-8")) or ()]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, ValidationError) as error:
        raise UsageError(
            f"The table of sources cannot be read: {_first_line(error)}.",
            "Compare its rows with those of `hyoid models use`, or take it away with `hyoid models use --default`.",
        ) from None
    orders: dict[str, tuple[Ranked, ...]] = {}
    for row in rows:
        names = [ranked.source for ranked in row.best_first]
        if len(set(names)) < len(names):
            raise UsageError(f"A row of the table of sources names {_twice(names)!r} twice.", "Name each source once.")
        for structure in row.structures:
            require_organ(structure)
            if structure in orders:
                raise UsageError(f"The table of sources has two rows for {structure}.", "Keep one row.")
            orders[structure] = row.best_first
    return SourceTable(orders)


def source_table_text(table: SourceTable) -> str:
    """Write a table of sources as `read_source_table` reads it; structures with the same order share a row.

    Parameters
    ----------
    table : SourceTable
        Table to write.
    """
    together: dict[tuple[Ranked, ...], list[str]] = {}
    for structure, order in table.orders.items():
        together.setdefault(order, []).append(structure)
    rows = [
        {"structures": names, "best_first": [ranked.model_dump() for ranked in order]}
        for order, names in together.items()
    ]
    return yaml.safe_dump(rows, sort_keys=False, allow_unicode=True, width=110)


def choose_sources(offers: Sequence[Offer], tables: Sequence[SourceTable]) -> dict[str, Choice]:
    """Choose for every structure the best founded source at hand.

    The first table that names a source for a structure decides its place; a source that the user named for this run and
    that no table knows comes after the first table, before the others.

    Parameters
    ----------
    offers : sequence of Offer
        Sources at hand, each with what it outlines.
    tables : sequence of SourceTable
        What the run's own file says, the user's table, the table of hyoid; earlier ones count more.

    Returns
    -------
    dict of str to Choice
        By structure, in the order of `hyoid.anatomy.structures`.

    Raises
    ------
    UsageError
        When two sources have one name, or two of equal rank outline the same structure.

    Examples
    --------
    >>> table = SourceTable({"trachea": (Ranked(source="a", why="real patients"), Ranked(source="b"))})
    >>> choose_sources([Offer("b", ("trachea", "tongue")), Offer("a", ("trachea",))], [table])["trachea"]
    Choice(structure='trachea', source='a', why='real patients', others=('b',))
    """
    names = [offer.source for offer in offers]
    if len(set(names)) < len(names):
        raise UsageError(
            f"Two networks of this run are called {_twice(names)!r}.",
            "Leave one network out, or give one another `name` in the file of --models.",
        )
    found = {}
    for organ in ORGANS:
        able = [offer for offer in offers if organ.name in offer.structures]
        if not able:
            continue
        ranked = sorted((_rank(organ.name, offer, tables), offer.source) for offer in able)
        if len(ranked) > 1 and ranked[0][0] == ranked[1][0]:
            raise UsageError(
                f"Both {ranked[0][1]!r} and {ranked[1][1]!r} outline {organ.words[0].lower()}{organ.words[1:]}, and "
                "nothing says which network is to be used.",
                f"Say it in the file of --models: `use: {{{organ.name}: {ranked[0][1]}}}`; or by "
                f"`hyoid models use {ranked[0][1]} --for {organ.name}`.",
            )
        others = tuple(name for _, name in ranked[1:])
        found[organ.name] = Choice(organ.name, ranked[0][1], _why(organ.name, able, ranked[0][1], tables), others)
    return found


def require_organ(name: str) -> None:
    """Refuse a name that is no organ of hyoid.

    Parameters
    ----------
    name : str
        Name of a structure.

    Raises
    ------
    UsageError
        When the table of structures has no such organ.
    """
    if name not in BY_NAME or BY_NAME[name] not in ORGANS:
        raise UsageError(
            f"There is no organ {name!r} to choose a source for.",
            f"Choose one of: {', '.join(organ.name for organ in ORGANS)}.",
        )


def _rank(structure: str, offer: Offer, tables: Sequence[SourceTable]) -> tuple[int, int]:
    """Place of a source for a structure; smaller is better."""
    for number, table in enumerate(tables):
        order = [ranked.source for ranked in table.orders.get(structure, ())]
        if offer.source in order:
            return 2 * number, order.index(offer.source)
        if number == 0 and offer.named and not any(_lists(t, structure, offer.source) for t in tables):
            return 1, 0
    return (1, 0) if offer.named else (2 * len(tables), 0)


def _lists(table: SourceTable, structure: str, source: str) -> bool:
    return any(ranked.source == source for ranked in table.orders.get(structure, ()))


def _why(structure: str, able: Sequence[Offer], source: str, tables: Sequence[SourceTable]) -> str:
    for table in tables:
        for ranked in table.orders.get(structure, ()):
            if ranked.source == source and ranked.why:
                return ranked.why
    named = any(offer.source == source and offer.named for offer in able)
    return NAMED_NOW if named else ONLY_ONE


def _twice(names: Sequence[str]) -> str:
    return next(name for name in names if list(names).count(name) > 1)


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
