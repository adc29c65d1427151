"""Lines about FDG uptake, outside the template, where there is a PET."""

from __future__ import annotations

from collections.abc import Sequence

from hyoid.report.content.patches import Patch, region
from hyoid.report.content.scene import Scene
from hyoid.report.content.schema import Evidence, Lesion, Line, Status
from hyoid.report.content.template import OUTSIDE

_ROWS = (
    ("fdg_uptake_of_the_primary", "FDG uptake of the primary tumour", "GTVp"),
    ("fdg_uptake_of_the_nodes", "FDG uptake of the lymph nodes", "GTVn"),
)
_MEANING = "MTV: volume at or above 41 % of the lesion's SUVmax, inside its outline; TLG: mean SUV of it times MTV"


def uptake_lines(lesions: Sequence[Lesion], scene: Scene, tumour: tuple[Status, str]) -> tuple[Line, ...]:
    """One line for the primary and one for the nodes, where their uptake was measured.

    SUVmax is the highest of all parts; MTV and TLG are sums over them.

    Parameters
    ----------
    lesions : sequence of Lesion
    scene : Scene
    tumour : (status, source) of the outlines
    """
    lines = []
    for key, words, kind in _ROWS:
        measured = [(lesion, lesion.uptake) for lesion in lesions if lesion.kind == kind and lesion.uptake is not None]
        whole: Patch | None = scene.primary if kind == "GTVp" else scene.nodes
        if not measured or whole is None:
            continue
        highest = max(uptake.suv_max for _, uptake in measured)
        mtv_ml, tlg_g = (sum(getattr(uptake, name) for _, uptake in measured) for name in ("mtv_ml", "tlg_g"))
        each = "; ".join(f"{lesion.name}: SUVmax {u.suv_max:.1f}, MTV {u.mtv_ml:.1f} ml" for lesion, u in measured)
        evidence = Evidence(
            status=tumour[0], source=tumour[1], region=region(whole, scene.geometry), note=f"{each}. {_MEANING}"
        )
        flags = ("Measured on predicted outlines",) if tumour[0] == "model" else ()
        value = f"SUVmax {highest:.1f}, MTV {mtv_ml:.1f} ml, TLG {tlg_g:.1f} g"
        lines.append(
            Line(
                key=key, words=words, section=OUTSIDE, value=value, status="measured", evidence=(evidence,), flags=flags
            )
        )
    return tuple(lines)
