"""Lymph nodes: number, side, level and size, measured on the node outlines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from hyoid.anatomy.structures import Side
from hyoid.geometry.boxes import crop_geometry
from hyoid.metrics.lesions import side_of
from hyoid.report.content.involvement import NO_OUTLINE, Sources
from hyoid.report.content.patches import centroid_lps_mm, extremes_lps_mm, on_both_sides, region
from hyoid.report.content.primary import ON_A_MODELS_OUTLINE, cm
from hyoid.report.content.scale import measured_status
from hyoid.report.content.scene import Mass, Scene
from hyoid.report.content.schema import NOT_ASSESSED, Evidence, Lesion, Line
from hyoid.report.content.template import BY_KEY

UNKNOWN_LEVEL = "level not determined"
# The submental triangle lies between the anterior bellies of the digastrics, about 15 mm to either side.
_SUBMENTAL_HALF_WIDTH_MM = 15.0
# The sternocleidomastoid, which parts level V from II-IV, is not outlined; its back edge lies about this far behind the
# internal jugular vein.
_BEHIND_JUGULAR_MM = 20.0
_SAME_HEIGHT_MM = 10.0  # vessels are compared with a node at its own height, within this distance


def node_lines(scene: Scene, lesions: Sequence[Lesion], sources: Sources) -> dict[str, Line]:
    """Number, side and greatest size of the nodes in the neck.

    A network that outlines no node has not shown that there is none, so that no number is given.

    Parameters
    ----------
    scene : Scene
    lesions : sequence of Lesion
        As the report lists them, with their levels.
    sources : Sources
    """
    rows = {key: BY_KEY[key] for key in ("number_of_nodes", "side", "max_size")}
    lines = {key: Line(key=key, words=row.words, section=row.section) for key, row in rows.items()}
    nodes = [lesion for lesion in lesions if lesion.role == "node"]
    if not sources.outlined:
        return {key: line.model_copy(update={"value": NO_OUTLINE}) for key, line in lines.items()}
    if not nodes:
        return {key: _none_outlined(line, sources) for key, line in lines.items()}
    masses = {mass.name: mass for mass in scene.nodes}
    evidence = {
        node.name: Evidence(
            status=sources.status,
            source=sources.tumour,
            region=region(masses[node.name].patch, scene.geometry),
            note=node_words(node),
        )
        for node in nodes
    }
    largest = max(nodes, key=lambda n: n.longest_diameter_mm)
    answers = {
        "number_of_nodes": (
            f"{len(nodes)} outlined ({_groups(nodes)})",
            tuple(evidence.values()),
            ("Nodes that touch count as one",),
        ),
        "side": (_side_words(scene), tuple(evidence.values()), ()),
        "max_size": (
            f"{cm(largest.longest_diameter_mm)} cm in longest dimension, axial {cm(largest.axial_long_mm)} x "
            f"{cm(largest.axial_short_mm)} cm ({largest.side}, {largest.level})",
            (evidence[largest.name],),
            (),
        ),
    }
    predicted = (ON_A_MODELS_OUTLINE,) if sources.outlines == "model" else ()
    return {
        key: lines[key].model_copy(
            update={
                "value": value,
                "status": measured_status(sources.outlines),
                "evidence": why,
                "flags": (*flags, *predicted),
            }
        )
        for key, (value, why, flags) in answers.items()
    }


def node_words(node: Lesion) -> str:
    """One node in one line: side, level, axes, volume, necrosis, extranodal extension, vessels and other contacts."""
    parts = [
        f"{node.name}: {node.side}, {node.level}",
        f"axial {cm(node.axial_long_mm)} x {cm(node.axial_short_mm)} cm (short axis {cm(node.axial_short_mm)} cm)",
        f"longest {cm(node.longest_diameter_mm)} cm",
        f"{node.volume_ml:.2f} ml",
    ]
    if node.missing_landmarks:
        parts.append(f"level needs {', '.join(node.missing_landmarks)}")
    if node.necrosis:
        parts.append(node.necrosis)
    parts += [
        f"{c.term} {c.words.lower()}" + ("" if c.degrees is None else f" ({c.degrees} degrees)") for c in node.contacts
    ]
    parts.append(f"extranodal extension {node.extranodal_extension or 'not assessed'}")
    return ", ".join(parts)


def _none_outlined(line: Line, sources: Sources) -> Line:
    """What is said where nodes could have been outlined and none is."""
    if line.key != "number_of_nodes":
        return line.model_copy(update={"value": f"{NOT_ASSESSED}: no node outlined"})
    who = "the model" if sources.outlines == "model" else "the reader"
    note = Evidence(status=sources.status, source=sources.tumour, note="Nodes that nobody outlined are not excluded")
    return line.model_copy(
        update={"value": f"No node outlined by {who}", "status": sources.status, "evidence": (note,)}
    )


def node_level(node: Mass, scene: Scene) -> str:
    """Nodal level of a node's centroid, in the words "level IIa"; "level not determined" without the landmarks.

    Parameters
    ----------
    node : Mass
    scene : Scene

    Notes
    -----
    Borders of the imaging-based classification (Som et al. 1999; Gregoire et al. 2014, DOI
    10.1016/j.radonc.2013.10.010) that can be read from outlined organs: lower border of the hyoid between II and III,
    of the cricoid between III and IV, back edge of the submandibular gland between I and II, back edge of the internal
    jugular vein between IIa and IIb, carotid between VI and III-IV and between VIIa and II. The back edge of the
    sternocleidomastoid is replaced by 20 mm behind the jugular vein. A level whose landmark is absent is not guessed:
    the answer is coarser, or not determined.
    """
    x, y, z = node.row.centroid_lps_mm
    side = Side.LEFT if x >= scene.midline_x_mm else Side.RIGHT
    off_midline = abs(x - scene.midline_x_mm)
    hyoid, cricoid = _lower_border(scene, "hyoid_bone"), _lower_border(scene, "cricoid_cartilage")
    jugular = _at_height(scene, f"jugular_{side.value}", z)
    carotid = _at_height(scene, f"carotid_{side.value}", z)
    behind = jugular is not None and y > jugular[1][1] + _BEHIND_JUGULAR_MM
    medial = carotid is not None and off_midline < _medial_edge(carotid, scene.midline_x_mm)
    if cricoid is not None and z < cricoid:
        return "level Vb" if behind else "level VI" if medial else "level IV"
    if hyoid is None:
        return UNKNOWN_LEVEL
    if z < hyoid:
        if behind:
            return "level Va" if cricoid is not None else "level V"
        if medial:
            return "level VI"
        return "level III" if cricoid is not None else "level III or IV"
    return _upper_level(
        scene, y=y, off_midline=off_midline, side=side, jugular=jugular, carotid=carotid, behind=behind, medial=medial
    )


def _upper_level(
    scene: Scene,
    *,
    y: float,
    off_midline: float,
    side: Side,
    jugular: tuple[np.ndarray, np.ndarray] | None,
    carotid: tuple[np.ndarray, np.ndarray] | None,
    behind: bool,
    medial: bool,
) -> str:
    """Level of a node above the lower border of the hyoid."""
    if behind:
        return "level Va"
    if medial and carotid is not None and y > carotid[0][1]:
        return "level VIIa"
    gland = scene.organs.get(f"submandibular_{side.value}")
    if gland is None:
        return "level I or II"
    if y < extremes_lps_mm(gland, scene.geometry)[1][1]:
        return "level Ia" if off_midline <= _SUBMENTAL_HALF_WIDTH_MM else "level Ib"
    if jugular is None:
        return "level II"
    return "level IIb" if y > jugular[1][1] else "level IIa"


def _lower_border(scene: Scene, name: str) -> float | None:
    """Least z (mm) of an organ; None when it is not outlined."""
    organ = scene.organs.get(name)
    return None if organ is None else float(extremes_lps_mm(organ, scene.geometry)[0][2])


def _at_height(scene: Scene, name: str, z_mm: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Least and greatest (x, y, z) of an organ near a height; None when it is not outlined there."""
    organ = scene.organs.get(name)
    if organ is None:
        return None
    places = crop_geometry(scene.geometry, organ.box).to_lps(np.argwhere(organ.mask))
    near = places[np.abs(places[:, 2] - z_mm) <= _SAME_HEIGHT_MM]
    return (near.min(axis=0), near.max(axis=0)) if len(near) else None


def _medial_edge(edges: tuple[np.ndarray, np.ndarray], midline_x_mm: float) -> float:
    """Distance of the nearer edge from the midline."""
    return float(min(abs(edges[0][0] - midline_x_mm), abs(edges[1][0] - midline_x_mm)))


def _groups(nodes: Sequence[Lesion]) -> str:
    """Nodes by side and level, the group of the largest node first."""
    counts = Counter((node.side, node.level) for node in nodes)
    return "; ".join(
        f"{count} {side}{',' * (level == UNKNOWN_LEVEL)} {level}" for (side, level), count in counts.items()
    )


def _side_words(scene: Scene) -> str:
    """Ipsi, Bi or Contra to the primary, with the sides named."""
    counts = Counter(node.row.side for node in scene.nodes)
    named = ", ".join(f"{side.value} {count}" for side, count in counts.items())
    sides = [s for s in counts if s is not Side.MIDLINE]
    if scene.index is None:
        return f"Side of the primary unknown; nodes: {named}"
    primary = side_of(float(centroid_lps_mm(scene.index.patch, scene.geometry)[0]), scene.midline_x_mm)
    if len(sides) == 2:
        return f"Bi ({named})"
    if on_both_sides(scene.index.patch, scene.geometry, scene.midline_x_mm):
        return f"Primary on both sides; nodes: {named}"
    if primary is Side.MIDLINE:
        return f"Primary in the midline; nodes: {named}"
    # Midline nodes count as ipsilateral (AJCC Cancer Staging Manual, 8th edition).
    if sides in ([], [primary]):
        return f"Ipsi ({named})"
    return f"Bi ({named})" if Side.MIDLINE in counts else f"Contra ({named})"
