"""Cards of the networks of the PET/CT system, which are measured together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hyoid.cards.page import VIRTUAL_ONLY, teachers
from hyoid.io.packages.model_package import Manifest

KEYS = ("GTVp.dsc_mean", "GTVn.dsc_agg", "GTVn.f1")
"""Numbers of protocol hecktor2025-style that stand in the card."""
BASELINE_SUV = 4.0
WHOLE, WITHOUT_PET = "the whole system", "the whole system, without PET"
COARSE = "coarse network in the fine one's place"
BASELINE = f"SUV >= {BASELINE_SUV:g} below the brain, without any network"
"""The trivial baseline: the largest hot part is GTVp, the others GTVn."""


def petct_measured(manifest: Manifest) -> list[str]:
    """Tell what the PET/CT system was measured to be worth, in Markdown.

    Parameters
    ----------
    manifest : Manifest
        Of any network of the system; `metrics` are those of all networks together.
    """
    metrics = manifest.metrics
    return [
        f"One network of the PET/CT system (`hyoid petct`). All networks together on {metrics['patients']} patients "
        f"({metrics['data']}); protocol hecktor2025-style, 95 % intervals: bootstrap over patients. "
        f"The last row is the trivial baseline: every part at or above SUV {BASELINE_SUV:g} below the brain, the "
        "largest one GTVp.",
        system_rows(metrics["systems"]),
        stages_in_words(metrics, manifest.preprocessing["region"]["box_mm"] / 2),
    ]


def system_rows(systems: Mapping[str, Mapping[str, Sequence[float | None]]]) -> str:
    """Write a Markdown table of the system, of its parts and of the baseline.

    Parameters
    ----------
    systems : mapping of str to mapping
        Words for the row to key to (value, lower limit, upper limit).
    """
    lines = ["| system | GTVp DSC | GTVn DSCagg | GTVn F1 |", "|---|---|---|---|"]
    for name, numbers in systems.items():
        cells = []
        for key in KEYS:
            value, low, high = numbers[key]
            spread = "" if low is None or high is None else f" ({low:.2f} to {high:.2f})"
            cells.append("undefined" if value is None else f"{value:.3f}{spread}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def stages_in_words(metrics: Mapping[str, Any], reach_mm: float) -> str:
    """Tell how well the first two stages find head and targets.

    Parameters
    ----------
    metrics : mapping
        `patients`, `head_dice`, `head_dice_lowest`, `centres_found`, `centre_mm_median` and `centre_mm_most`.
    reach_mm : float
        Half the edge of the cube in which the fine networks look.
    """
    words = f"Head region: mean Dice {metrics['head_dice']:.3f}, lowest {metrics['head_dice_lowest']:.3f}."
    if not metrics["centres_found"]:
        return f"{words} The coarse network found no target in any patient."
    return (
        f"{words} Centre of the fine cube: {metrics['centre_mm_median']:.1f} mm (median) from the true one, at most "
        f"{metrics['centre_mm_most']:.1f} mm, found in {metrics['centres_found']} of {metrics['patients']}; the cube "
        f"reaches {reach_mm:g} mm."
    )


def petct_limits(manifest: Manifest) -> list[str]:
    """Tell where the PET/CT system fails, with counts.

    Parameters
    ----------
    manifest : Manifest
        Of any network of the system.
    """
    metrics = manifest.metrics
    alone = ", ".join("undefined" if v is None else f"{v:.3f}" for v, *_ in metrics["systems"][WITHOUT_PET].values())
    limits = []
    if teachers(manifest):
        limits.append(f"{VIRTUAL_ONLY.capitalize()} taught it: nothing is known of real PET/CT.")
    return [
        *limits,
        f"In {metrics['primaries_untouched']} of the {metrics['patients']} patients the whole system does not touch "
        "the primary tumour at all.",
        f"It lives on the PET. On CT alone the three numbers are {alone}: an empty answer there says nothing.",
        "It was made small to show that the system works, not to be relied on: the published system has ten networks "
        "of a hundred times the size at a third of the voxel's edge.",
        "The head region of a whole-body scan was not measured.",
    ]
