"""NI-RADS after treatment, for a reader to confirm: which categories the outlines leave open, and what would decide."""

from __future__ import annotations

from collections.abc import Sequence

from hyoid.report.content.involvement import Sources
from hyoid.report.content.schema import NOT_ASSESSED, Change, Evidence, Lesion, Line
from hyoid.report.content.template import STAGING

_SOURCE = "ACR NI-RADS white paper, Aiken et al. 2018, DOI 10.1016/j.jacr.2018.03.052"
_PLACES = (("nirads_primary", "NI-RADS, primary site", "GTVp"), ("nirads_neck", "NI-RADS, neck", "GTVn"))


def nirads_lines(lesions: Sequence[Lesion], changes: Sequence[Change], sources: Sources) -> tuple[Line, ...]:
    """Write one line for the primary site and one for the neck; never a category on a network's word alone.

    Parameters
    ----------
    lesions : sequence of Lesion
        Lesions as the report lists them.
    changes : sequence of Change
        Changes against the report of the earlier scan.
    sources : Sources
        Who stands behind the outlines.
    """
    return tuple(_line(key, words, kind, lesions, changes, sources) for key, words, kind in _PLACES)


def _line(
    key: str, words: str, kind: str, lesions: Sequence[Lesion], changes: Sequence[Change], sources: Sources
) -> Line:
    line = Line(key=key, words=words, section=STAGING)
    own = [x for x in lesions if x.kind == kind and x.role in ("index lesion", "further focus", "node")]
    if not sources.outlined or sources.outlines == "model":
        why = "no outline" if not sources.outlined else "no reader drew or accepted the outlines"
        return line.model_copy(update={"value": f"{NOT_ASSESSED}: {why}"})
    if not own:
        return line.model_copy(update={"value": f"{NOT_ASSESSED}: no lesion outlined here, which does not say 1"})
    grown = [c for c in changes if c.kind == kind and c.lesion and (" larger" in c.words or c.before_ml is None)]
    facts = [f"{len(own)} outlined"]
    if changes:
        facts.append(f"new or larger: {', '.join(c.lesion for c in grown) or 'none'}")
    hottest = max((x.uptake.suv_max for x in own if x.uptake is not None), default=None)
    if hottest is not None:
        facts.append(f"SUVmax {hottest:.1f}")
    gaps = [] if changes else ["earlier scan"]
    gaps += ["intensity of enhancement", *([] if hottest is not None else ["FDG uptake"])]
    value = f"2 or 3, for a reader to confirm ({'; '.join(facts)}); undecided without: {', '.join(gaps)}"
    evidence = Evidence(status=sources.status, source=sources.tumour, note=f"Criteria: {_SOURCE}")
    return line.model_copy(update={"value": value, "status": "measured", "evidence": (evidence,)})
