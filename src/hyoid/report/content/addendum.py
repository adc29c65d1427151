"""Structures that the template lacks and radiologists report: measured where possible, else named as not assessed."""

from __future__ import annotations

from collections.abc import Sequence

from hyoid.report.content.involvement import NO_OUTLINE, NO_PRIMARY, Sources
from hyoid.report.content.patches import places_lps_mm, region
from hyoid.report.content.scene import Scene
from hyoid.report.content.schema import NOT_ASSESSED, Evidence, Line
from hyoid.report.content.template import ADDENDUM

# Key, words, and what keeps hyoid from saying more.
_NOT_OUTLINED = (
    ("nasopharynx", "Nasopharynx", "not outlined"),
    ("masticator_space", "Masticator space", "not outlined"),
    ("perineural_spread", "Perineural spread", "needs a reader"),
)
_CROSSES_MM = 3.0  # beyond the midline; less is within the error of the midline


def addendum_lines(scene: Scene, found: Sequence[Line], sources: Sources) -> tuple[Line, ...]:
    """Write the addendum's lines: midline crossing, mandible, what else was met, and what is not assessed.

    Parameters
    ----------
    scene : Scene
        Organs and lesions on the canonical grid.
    found : sequence of Line
        Lines of organs outside the template that were met or predicted.
    sources : Sources
        Who stands behind outlines and predictions.
    """
    rest = [line for line in found if line.key != "mandible"]
    lines = [_midline(scene, sources), _mandible(scene, found, sources), *rest]
    for key, words, why in _NOT_OUTLINED:
        lines.append(Line(key=key, words=words, section=ADDENDUM, value=f"{NOT_ASSESSED}: {why}"))
    return tuple(lines)


def _midline(scene: Scene, sources: Sources) -> Line:
    """How far the index lesion reaches beyond the midline."""
    line = Line(key="midline_crossing", words="Crossing of the midline", section=ADDENDUM)
    if scene.index is None:
        return line.model_copy(update={"value": NO_PRIMARY if sources.outlined else NO_OUTLINE})
    mass = scene.index.patch
    x = places_lps_mm(mass, scene.geometry)[:, 0] - scene.midline_x_mm
    left, right = float(max(x.max(), 0.0)), float(max(-x.min(), 0.0))
    near, far = sorted(((left, "left"), (right, "right")))
    less = near[0]
    if less < _CROSSES_MM:
        value = f"Not crossed by {_CROSSES_MM:.0f} mm or more"
    else:
        value = f"Crossed by {less:.0f} mm, to the {near[1]}"
    evidence = Evidence(
        status=sources.status,
        source=sources.tumour,
        region=region(mass, scene.geometry),
        note=f"Reaches {far[0]:.0f} mm to the {far[1]} and {near[0]:.0f} mm to the {near[1]} of the midline",
    )
    return line.model_copy(update={"value": value, "status": sources.against_organs, "evidence": (evidence,)})


def _mandible(scene: Scene, found: Sequence[Line], sources: Sources) -> Line:
    """Contact with the mandible, or its absence where both are outlined."""
    for line in found:
        if line.key == "mandible":
            return line
    line = Line(key="mandible", words="Mandible", section=ADDENDUM)
    if scene.index is None:
        return line.model_copy(update={"value": NO_PRIMARY if sources.outlined else NO_OUTLINE})
    if "mandible" not in scene.organs:
        return line.model_copy(update={"value": f"{NOT_ASSESSED}: mandible not outlined"})
    evidence = Evidence(
        status=sources.status, source=sources.tumour, region=region(scene.organs["mandible"], scene.geometry)
    )
    return line.model_copy(
        update={
            "value": "Not involved by the primary tumour",
            "status": sources.against_organs,
            "evidence": (evidence,),
        }
    )
