"""Lymph nodes: number, side, level and size, measured on the node outlines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hyoid.anatomy.structures import Side
from hyoid.report.content.involvement import NO_OUTLINE, Sources
from hyoid.report.content.levels import UNKNOWN_LEVEL
from hyoid.report.content.patches import on_both_sides, region
from hyoid.report.content.primary import ON_A_MODELS_OUTLINE, cm
from hyoid.report.content.scale import degrees_words, measured_status
from hyoid.report.content.scene import Scene
from hyoid.report.content.schema import NOT_ASSESSED, Evidence, Lesion, Line, unanswered_line

IN_A_GLAND = "inside a salivary gland, may be its physiological uptake"
_GLAND_SHARE = 0.5  # of a node's volume
LEVELS_BY_A_MODEL = "Levels are told by landmarks that a network outlined"


def node_lines(scene: Scene, lesions: Sequence[Lesion], sources: Sources) -> dict[str, Line]:
    """Write number, side and greatest size of the nodes in the neck.

    A network that outlines no node has not shown that there is none, so that no number is given.

    Parameters
    ----------
    scene : Scene
        Organs and lesions on the canonical grid.
    lesions : sequence of Lesion
        Lesions as the report lists them, with their levels.
    sources : Sources
        Who stands behind the outlines.
    """
    lines = {key: unanswered_line(key) for key in ("number_of_nodes", "side", "max_size")}
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
    answers: dict[str, tuple[str, tuple[Evidence, ...], list[str]]] = {
        "number_of_nodes": (
            f"{len(nodes)} outlined ({_groups(nodes)})",
            tuple(evidence.values()),
            ["Nodes that touch count as one"],
        ),
        "side": (_side_words(scene), tuple(evidence.values()), []),
        "max_size": (
            f"{cm(largest.longest_diameter_mm)} cm in longest dimension, axial {cm(largest.axial_long_mm)} x "
            f"{cm(largest.axial_short_mm)} cm ({largest.side}, {largest.level})",
            (evidence[largest.name],),
            [],
        ),
    }
    in_glands = sum(perhaps_a_gland(node) for node in nodes)
    if in_glands:
        answers["number_of_nodes"][2].append(f"{in_glands} {'lies' if in_glands == 1 else 'lie'} {IN_A_GLAND}")
    predicted: tuple[str, ...] = (ON_A_MODELS_OUTLINE,) if sources.outlines == "model" else ()
    if sources.organs_by_model and not predicted:
        predicted = (LEVELS_BY_A_MODEL,)
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
    """Describe a node in a line: side, level, axes, volume, necrosis, extranodal extension, vessels, other contacts."""
    parts = [
        f"{node.name}: {node.side}, {node.level}",
        f"axial {cm(node.axial_long_mm)} x {cm(node.axial_short_mm)} cm (short axis {cm(node.axial_short_mm)} cm)",
        f"longest {cm(node.longest_diameter_mm)} cm",
        f"{node.volume_ml:.2f} ml",
    ]
    if node.missing_landmarks:
        parts.append(f"level needs {', '.join(node.missing_landmarks)}")
    if node.landmarks_taken:
        parts.append(f"level told by {', '.join(node.landmarks_taken)}")
    if perhaps_a_gland(node):
        parts.append(IN_A_GLAND)
    if node.necrosis:
        parts.append(node.necrosis)
    parts += [
        f"{c.term} {c.words.lower()}" + ("" if c.degrees is None else f" ({degrees_words(c.degrees)})")
        for c in node.contacts
    ]
    parts.append(f"extranodal extension {node.extranodal_extension or 'not assessed'}")
    return ", ".join(parts)


def perhaps_a_gland(node: Lesion) -> bool:
    """Tell whether a network outlined as a node what lies mostly inside an outlined salivary gland, which takes up FDG.

    Parameters
    ----------
    node : Lesion
        Node of the report, with its contacts and uptake.
    """
    inside = sum(c.overlap_ml for c in node.contacts if c.structure.startswith(("submandibular", "parotid")))
    return node.status == "model" and node.uptake is not None and inside >= _GLAND_SHARE * node.volume_ml


def _none_outlined(line: Line, sources: Sources) -> Line:
    """What is said where nodes could have been outlined and none is."""
    if line.key != "number_of_nodes":
        return line.model_copy(update={"value": f"{NOT_ASSESSED}: no node outlined"})
    who = "the model" if sources.outlines == "model" else "the reader"
    note = Evidence(status=sources.status, source=sources.tumour, note="Nodes that nobody outlined are not excluded")
    return line.model_copy(
        update={"value": f"No node outlined by {who}", "status": sources.status, "evidence": (note,)}
    )


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
    primary = scene.index.row.side
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
