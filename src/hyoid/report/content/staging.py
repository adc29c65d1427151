"""Clinical T and N for confirmation: which categories the findings allow, on what evidence, and what is not known.

A criterion is met, not met or not known. The least category that is certain and the greatest that is not excluded are
both said; where they differ, the criteria that stand between them are the gaps. Nothing is staged as negative because
nobody looked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from hyoid.anatomy.staging import CRITERIA, N_CRITERIA, N_TABLES, T_TABLES, Category, Edition, Site
from hyoid.anatomy.structures import Side
from hyoid.errors import UsageError
from hyoid.report.content.levels import level_names
from hyoid.report.content.scale import measured_status
from hyoid.report.content.schema import NOT_ASSESSED, Evidence, Lesion, Line, OutlineStatus
from hyoid.report.content.template import STAGING

_SIZES = {"size>2": 2.0, "size>4": 4.0}
_DEPTHS = {"depth>5": 5.0, "depth>10": 10.0}
# Structures that must all be outlined, and out of contact, for a criterion to be not met. Contact proves nothing.
_APART_FROM: dict[str, tuple[str, ...]] = {
    "mandible": ("mandible",),
    "mandible_cortex": ("mandible",),
    "larynx": ("larynx",),
    "parotid": ("parotid_left", "parotid_right"),
    "thyroid_gland": ("thyroid_gland",),
    "oesophagus": ("oesophagus",),
    "hyoid": ("hyoid_bone",),
    "cricoid": ("cricoid_cartilage",),
    "thyroid_through": ("thyroid_cartilage",),
    "thyroid_inner_cortex": ("thyroid_cartilage",),
    "hypopharynx": ("hypopharynx",),
}
_CAROTIDS = ("carotid_left", "carotid_right")
_SHOWN_GAPS = 4
_ORGANS_BY_A_MODEL = "Organs are a network's outlines: check what is excluded by them"


@dataclass(frozen=True)
class StagingRequest:
    """Request for staging, with what whoever asks knows beyond the outlines.

    Parameters
    ----------
    site : Site
        Primary site, for its tables.
    editions : tuple of Edition
        Editions to stage by.
    depth_mm : float or None
        Depth of invasion, where it is known.
    all_nodes : bool
        Whether every involved node is outlined.
    """

    site: Site
    editions: tuple[Edition, ...] = (Edition.SEVENTH, Edition.EIGHTH)
    depth_mm: float | None = None
    all_nodes: bool = False


@dataclass(frozen=True)
class PrimaryFindings:
    """Findings about a primary tumour that decide its T category.

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
    """Findings about one involved node that decide the N category.

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
        Edition of the tables that were used.
    site : Site
        Primary site, which chooses the table.
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
        shown_gaps = "; ".join(self.gaps[:_SHOWN_GAPS])
        more = f"; and {len(self.gaps) - _SHOWN_GAPS} more criteria" if len(self.gaps) > _SHOWN_GAPS else ""
        gaps = f"; not known: {shown_gaps}{more}" if self.gaps else ""
        return f"{shown} (TNM {self.edition.value}, {self.site.value}{gaps})"


def stage_primary(site: Site, edition: Edition, findings: PrimaryFindings) -> Staged:
    """Find the clinical T categories that a primary tumour's findings allow.

    Parameters
    ----------
    site : Site
        Primary site, which chooses the table.
    edition : Edition
        Edition of the TNM classification to stage by.
    findings : PrimaryFindings
        Size, depth of invasion and extension, as far as known.

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
        Site of the primary tumour.
    edition : Edition
        Edition of the TNM classification to stage by.
    nodes : sequence of NodeFindings
        Findings of every involved node that is known.
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


def staging_lines(
    request: StagingRequest | None,
    lesions: Sequence[Lesion],
    outlined: Collection[str],
    status: OutlineStatus,
    *,
    organs_by_model: bool = False,
) -> tuple[Line, ...]:
    """Write cT and cN by every edition asked for, each with its evidence and its gaps; no line where nobody asked.

    Parameters
    ----------
    request : StagingRequest or None
        Site, editions and further findings to stage by; None where nobody asked.
    lesions : sequence of Lesion
        Lesions as the report lists them.
    outlined : collection of str
        Names of the organs that are outlined.
    status : {"reader", "accepted", "model"}
        Who stands behind the lesions' outlines; a network's alone are not staged.
    organs_by_model : bool
        Whether networks outlined the organs, which exclude criteria by lying apart and tell levels.
    """
    if request is None:
        return ()
    index = next((row for row in lesions if row.role == "index lesion"), None)
    measured = measured_status("model" if organs_by_model else status)
    lines = []
    for edition in request.editions:
        for letter, what in (("T", "primary tumour"), ("N", "nodes")):
            line = Line(
                key=f"c{letter.lower()}_tnm{edition.value}",
                words=f"c{letter} (TNM {edition.value}), {what}",
                section=STAGING,
                flags=("For confirmation by whoever stages the patient", *((_ORGANS_BY_A_MODEL,) * organs_by_model)),
            )
            if status == "model":
                why = "outlines of a network are not staged until a reader accepts them"
                lines.append(line.model_copy(update={"value": f"{NOT_ASSESSED}: {why}"}))
            elif index is None:
                lines.append(line.model_copy(update={"value": f"{NOT_ASSESSED}: no primary tumour outlined"}))
            else:
                staged = _stage(letter, request, edition, index, lesions, outlined)
                met = "; ".join(staged.evidence) or "no criterion of a higher category is met"
                evidence = Evidence(status="measured", source="outlines of a reader", note=f"Met: {met}")
                lines.append(
                    line.model_copy(update={"value": staged.words, "status": measured, "evidence": (evidence,)})
                )
    return tuple(lines)


def _stage(
    letter: str,
    request: StagingRequest,
    edition: Edition,
    index: Lesion,
    lesions: Sequence[Lesion],
    outlined: Collection[str],
) -> Staged:
    """cT or cN of an outlined primary and its nodes."""
    if letter == "T":
        findings = PrimaryFindings(index.longest_diameter_mm / 10, request.depth_mm, extension_of(index, outlined))
        return stage_primary(request.site, edition, findings)
    nodes = [node_findings(row) for row in lesions if row.role == "node"]
    return stage_nodes(request.site, edition, nodes, Side(index.side), all_outlined=request.all_nodes)


def extension_of(index: Lesion, outlined: Collection[str]) -> dict[str, bool]:
    """Tell which criteria outlines prove or exclude: apart from an outlined structure excludes, contact proves nothing.

    A carotid artery that is encased (more than 270 degrees) is the one criterion that outlines prove.

    Parameters
    ----------
    index : Lesion
        The index lesion with its contacts.
    outlined : collection of str
        Names of the organs that are outlined.
    """
    touched = {contact.structure for contact in index.contacts}
    known = {
        key: False
        for key, names in _APART_FROM.items()
        if all(name in outlined for name in names) and not touched.intersection(names)
    }
    terms = {contact.term for contact in index.contacts if contact.structure in _CAROTIDS}
    if "encases" in terms:
        known["carotid_encased"] = True
    # Of a vessel that a network outlined no more is known than that the outlines meet.
    elif all(name in outlined for name in _CAROTIDS) and not terms & {"touches", "overlaps"}:
        known["carotid_encased"] = False
    return known


def node_findings(node: Lesion) -> NodeFindings:
    """Read a node's findings off its row of the report.

    Parameters
    ----------
    node : Lesion
        Lesion of role "node"; its level says where it lies, as far as landmarks tell.
    """
    names = level_names(node.level)
    # "or" leaves open which of the levels it is, "and" does not.
    every = all if " or " in node.level else any
    below = every(name in ("IV", "Vb") for name in names)
    behind = every(name == "VIIa" for name in names)
    may_be_low = any(name in ("IV", "V", "Vb", "VI") for name in names)
    extranodal = {"yes": True, "no": False}.get(node.extranodal_extension.lower())
    return NodeFindings(
        Side(node.side),
        node.longest_diameter_mm / 10,
        extranodal=extranodal,
        below_cricoid=(True if below else None if may_be_low else False) if names else None,
        supraclavicular=(None if may_be_low else False) if names else None,
        retropharyngeal=(True if behind else None if "VIIa" in names else False) if names else None,
    )


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
