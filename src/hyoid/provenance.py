"""Who made an outline or a measurement: one value, from which every text and every DICOM code is made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hyoid.characters import one_line


class Maker(StrEnum):
    """What kind of maker a provenance names."""

    NETWORK = "network"
    READER = "reader"
    EDITED = "reader edited"
    MEASURED = "measured on"
    PROGRAM = "program"


@dataclass(frozen=True)
class Provenance:
    """Who made an outline or a measurement.

    Make one by `network`, `by_reader`, `edited`, `measured_on` or `program`; the words are those of `str`.

    Parameters
    ----------
    maker : Maker
        What drew the outline or took the measurement: a network, a reader, both, or a program.
    name : str
        Network or program; for an edited outline, whose outline the reader changed. Empty for a reader's own.
    version : str
        Version of the network or program.
    on : Provenance or None
        For a measurement: the outline that was measured.
    reader : str
        Initials or user name that the reader gave on purpose; empty otherwise.

    Examples
    --------
    >>> str(network("organs", "1.2")), str(by_reader()), str(edited("organs", "1.2"))
    ('network organs 1.2', 'reader', 'reader edited organs 1.2')
    >>> str(measured_on(by_reader()))
    'measured on reader'
    """

    maker: Maker
    name: str = ""
    version: str = ""
    on: Provenance | None = None
    reader: str = ""

    def __str__(self) -> str:
        return " ".join(word for word in (self.maker.value, str(self.on or ""), self.name, self.version) if word)

    @property
    def outline(self) -> Provenance:
        """Provenance of the outline itself; for a measurement, of what was measured."""
        return self if self.on is None else self.on.outline

    @property
    def generation(self) -> str:
        """How the outline came about in DICOM's words: AUTOMATIC, SEMIAUTOMATIC or MANUAL.

        Examples
        --------
        >>> by_reader().generation, edited("organs").generation, measured_on(network("organs")).generation
        ('MANUAL', 'SEMIAUTOMATIC', 'AUTOMATIC')
        """
        makers = {Maker.READER: "MANUAL", Maker.EDITED: "SEMIAUTOMATIC"}
        return makers.get(self.outline.maker, "AUTOMATIC")


def network(name: str, version: str = "") -> Provenance:
    """Name a network as the maker of an outline."""
    return Provenance(Maker.NETWORK, one_line(name), one_line(version))


def by_reader(reader: str = "") -> Provenance:
    """Name a reader as the maker of an outline."""
    return Provenance(Maker.READER, reader=one_line(reader))


def edited(name: str, version: str = "", reader: str = "") -> Provenance:
    """Name a reader as the editor of an outline that the network `name` drew."""
    return Provenance(Maker.EDITED, one_line(name), one_line(version), reader=one_line(reader))


def measured_on(outline: Provenance) -> Provenance:
    """Name the outline on which a measurement was taken."""
    return Provenance(Maker.MEASURED, on=outline)


def program(name: str, version: str = "") -> Provenance:
    """Name a program without a network as the maker of an outline: the truth of a virtual patient, say."""
    return Provenance(Maker.PROGRAM, one_line(name), one_line(version))
