"""Clinical T and N for confirmation: which categories the findings allow, on what evidence, and what is not known.

A criterion is met, not met or not known. The least category that is certain and the greatest that is not excluded are
both said; where they differ, the criteria that stand between them are the gaps. Nothing is staged as negative because
nobody looked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hyoid.anatomy.staging import CRITERIA, N_CRITERIA, N_TABLES, T_TABLES, Category, Edition, Site
from hyoid.anatomy.structures import Side
from hyoid.errors import UsageError

_SIZES = {"size>2": 2.0, "size>4": 4.0}
_DEPTHS = {"depth>5": 5.0, "depth>10": 10.0}


@dataclass(frozen=True)
class PrimaryFindings:
    """What is known about a primary tumour.

    Parameters
    ----------
    size_cm : float or None
        Longest diameter; None where no outline measures the tumour.
    depth_mm : float or None
        Depth of invasion, as somebody states it; imaging does not give it.
    extends : mapping of str to bool
        Criteria of `hyoid.anatomy.staging.CRITERIA` that are known to be met (True) or not met (False); a criterion
        that is absent is not known.
    """

    size_cm: float | None
    depth_mm: float | None
    extends: Mapping[str, bool]


@dataclass(frozen=True)
class NodeFindings:
    """What is known about one involved node.

    Parameters
    ----------
    side : Side
        A midline node counts as on the side of the primary.
    size_cm : float
        Longest diameter.
    extranodal : bool or None
        Clinical extranodal extension; None where nobody says.
    below_cricoid, supraclavicular, retropharyngeal : bool or None
        Where the node lies; None where the landmark is not outlined.
    """

    side: Side
    size_cm: float
    extranodal: bool | None = None
    below_cricoid: bool | None = None
    supraclavicular: bool | None = None
    retropharyngeal: bool | None = None


@dataclass(frozen=True)
class Staged:
    """A category with its reasons.

    Parameters
    ----------
    least, greatest : str
        The category that the known findings prove, and the greatest that they do not exclude.
    evidence : tuple of str
        Words of the criteria that are met and decide `least`.
    gaps : tuple of str
        Words of the criteria that are not known and stand between `least` and `greatest`.
    edition : Edition
    site : Site
    """

    least: str
    greatest: str
    evidence: tuple[str, ...]
    gaps: tuple[str, ...]
    edition: Edition
    site: Site

    @property
    def words(self) -> str:
        """The category as a report writes it, the edition always beside it.

        Examples
        --------
        >>> Staged("T1", "T2", (), ("depth of invasion over 5 mm",), Edition.EIGHTH, Site.ORAL_CAVITY).words
        'cT1 or cT2 (TNM 8, oral cavity; not known: depth of invasion over 5 mm)'
        """
        shown = f"c{self.least}" if self.least == self.greatest else f"c{self.least} or c{self.greatest}"
        if self.least != self.greatest and _between(self.least, self.greatest, self.edition, self.site):
            shown = f"c{self.least} to c{self.greatest}"
        gaps = f"; not known: {'; '.join(self.gaps)}" if self.gaps else ""
        return f"{shown} (TNM {self.edition.value}, {self.site.value}{gaps})"


def stage_primary(site: Site, edition: Edition, findings: PrimaryFindings) -> Staged:
    """Find the clinical T categories that a primary tumour's findings allow.

    Parameters
    ----------
    site : Site
    edition : Edition
    findings : PrimaryFindings

    Raises
    ------
    UsageError
        When a finding is no criterion, or the size is not a positive number.
    """
    unknown = sorted(set(findings.extends) - set(CRITERIA))
    if unknown:
        raise UsageError(f"{unknown[0]!r} is no staging criterion.", f"Choose among: {', '.join(CRITERIA)}.")
    for value in (findings.size_cm, findings.depth_mm):
        if value is not None and not value > 0:
            raise UsageError(f"A size of {value} is not possible.", "Give a positive number, or leave it out.")
    known: dict[str, bool | None] = {key: findings.extends.get(key) for key in CRITERIA}
    if findings.size_cm is not None:
        known |= {key: findings.size_cm > limit for key, limit in _SIZES.items()}
    if findings.depth_mm is not None:
        known |= {key: findings.depth_mm > limit for key, limit in _DEPTHS.items()}
    return _staged(T_TABLES[site, edition], known, CRITERIA, edition, site)


def stage_nodes(
    site: Site, edition: Edition, nodes: Sequence[NodeFindings], primary_side: Side, *, all_outlined: bool
) -> Staged:
    """Find the clinical N categories that the involved nodes' findings allow.

    Parameters
    ----------
    site : Site
        Of the primary tumour.
    edition : Edition
    nodes : sequence of NodeFindings
    primary_side : Side
        Side of the primary; for one in the midline every lateral node is on its own side, and nodes on both sides are
        bilateral.
    all_outlined : bool
        Whether a reader says that these are all involved nodes. Otherwise their absence proves nothing, and neither
        does the absence of a second one.

    Raises
    ------
    UsageError
        When a node's size is not a positive number.
    """
    for node in nodes:
        if not node.size_cm > 0:
            raise UsageError(f"A node of {node.size_cm} cm is not possible.", "Measure the node's outline.")
    sides = {node.side for node in nodes if node.side is not Side.MIDLINE}
    lateral = {node.side for node in nodes if node.side is not Side.MIDLINE and node.retropharyngeal is False}
    other = len(sides) == 2 if primary_side is Side.MIDLINE else bool(sides - {primary_side})
    absent = False if all_outlined else None
    both: bool | None = len(lateral) == 2
    if not both and len(sides) == 2:
        both = None if any(node.retropharyngeal is None for node in nodes) else absent
    known: dict[str, bool | None] = {
        "node": bool(nodes) or absent,
        "node>3": any(node.size_cm > 3 for node in nodes) or absent,
        "node>6": any(node.size_cm > 6 for node in nodes) or absent,
        "several": len(nodes) > 1 or absent,
        "other_side": other or absent,
        "both_sides": both or (absent if both is False else None),
        "extranodal": _any(node.extranodal for node in nodes) if nodes else absent,
        "below_cricoid": _any(node.below_cricoid for node in nodes) if nodes else absent,
        "supraclavicular": _any(node.supraclavicular for node in nodes) if nodes else absent,
    }
    if not all_outlined:
        known = {key: value or None for key, value in known.items()}
    return _staged(N_TABLES[site, edition], known, N_CRITERIA, edition, site)


def _any(values: object) -> bool | None:
    """True when one value is True, False when all are False, else None."""
    listed = list(values)  # type: ignore[call-overload]
    if any(value is True for value in listed):
        return True
    return None if any(value is None for value in listed) else False


def _staged(
    table: Sequence[Category],
    known: Mapping[str, bool | None],
    words: Mapping[str, str],
    edition: Edition,
    site: Site,
) -> Staged:
    """Least and greatest category of a table that three-valued criteria allow."""
    least, evidence = table[0], tuple[str, ...]()
    greatest, gaps = table[0], list[str]()
    for row in table:
        met = next((group for group in row.any_of if all(known[key] is True for key in group if key)), None)
        if met is not None:
            least, evidence = row, tuple(key for key in met if key)
            greatest, gaps = row, []
            continue
        open_keys = [
            key
            for group in row.any_of
            if not any(known[key] is False for key in group if key)
            for key in group
            if key and known[key] is None
        ]
        if open_keys:
            greatest = row
            gaps += [key for key in open_keys if key not in gaps]
    return Staged(
        least.name, greatest.name, tuple(words[k] for k in evidence), tuple(words[k] for k in gaps), edition, site
    )


def _between(least: str, greatest: str, edition: Edition, site: Site) -> bool:
    """Whether a table has a category between two of its own."""
    table = T_TABLES if least.startswith("T") else N_TABLES
    names = [row.name for row in table[site, edition]]
    return names.index(greatest) - names.index(least) > 1
