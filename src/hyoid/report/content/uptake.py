"""Lines about FDG uptake, one per lesion and one total per class, where there is a PET."""

from __future__ import annotations

from collections.abc import Sequence

from hyoid.report.content.involvement import Sources
from hyoid.report.content.patches import region
from hyoid.report.content.scale import measured_status
from hyoid.report.content.scene import Scene
from hyoid.report.content.schema import Evidence, Lesion, Line
from hyoid.report.content.template import UPTAKE

_MEANING = "MTV: volume at or above 41 % of the lesion's SUVmax, inside its outline; TLG: mean SUV of it times MTV"
_TOTALS = (("GTVp", "foci outlined as primary tumour"), ("GTVn", "outlined nodes"))


def uptake_lines(lesions: Sequence[Lesion], scene: Scene, sources: Sources) -> tuple[Line, ...]:
    """Write the uptake of the index lesion and of each node, and the metabolic volume per class.

    Further foci carry their SUVmax on their own line. Totals are over the lesions in the neck.

    Parameters
    ----------
    lesions : sequence of Lesion
        Lesions as the report lists them, with their uptake.
    scene : Scene
        Outlines of these lesions, to say where to look.
    sources : Sources
        Who stands behind the outlines.
    """
    patches = {mass.name: mass.patch for mass in scene.masses}
    status = measured_status(sources.outlines)
    lines = []
    for lesion in lesions:
        if lesion.uptake is None or lesion.role not in ("index lesion", "node"):
            continue
        u = lesion.uptake
        evidence = Evidence(
            status=sources.status,
            source=sources.tumour,
            region=region(patches[lesion.name], scene.geometry),
            note=f"SUVmean {u.suv_mean:.1f}. {_MEANING}",
        )
        key = "fdg_uptake_of_the_primary" if lesion.role == "index lesion" else f"fdg_uptake_of_node_{lesion.name[5:]}"
        lines.append(
            Line(
                key=key,
                words=f"FDG uptake, {lesion.name[0].lower()}{lesion.name[1:]}",
                section=UPTAKE,
                value=f"SUVmax {u.suv_max:.1f}, MTV {u.mtv_ml:.1f} ml, TLG {u.tlg_g:.1f} g",
                status=status,
                evidence=(evidence,),
            )
        )
    for kind, words in _TOTALS:
        own = [row for row in lesions if row.kind == kind and row.role != "focus outside the neck" and row.uptake]
        if len(own) < 2:
            continue
        mtv, tlg = (sum(getattr(row.uptake, name) for row in own) for name in ("mtv_ml", "tlg_g"))
        evidence = Evidence(
            status=sources.status, source=sources.tumour, note=f"Sum over {', '.join(row.name for row in own)}"
        )
        lines.append(
            Line(
                key=f"total_mtv_{kind.lower()}",
                words=f"Total of {len(own)} {words}",
                section=UPTAKE,
                value=f"MTV {mtv:.1f} ml, TLG {tlg:.1f} g",
                status=status,
                evidence=(evidence,),
            )
        )
    return tuple(lines)
