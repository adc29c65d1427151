"""Cards of networks that outline tumour on a mid-treatment MR, with the outlines from before treatment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyoid.cards.page import VIRTUAL_ONLY, teachers
from hyoid.cards.table_cells import number, summary_cell
from hyoid.io.packages.model_package import Manifest

REGISTERED, PACKAGE = "registered-outlines", "package"
VANISHED = "package, vanished lesions removed"
ROWS = {
    REGISTERED: "registered outlines, no network",
    PACKAGE: "this package, nothing removed",
    VANISHED: "this package as shipped: vanished lesions removed (curve of the other patients)",
}
"""Words of the rows that every card has; a network measured beside the package stands under its own name."""
KINDS = ("GTVp", "GTVn")


def midrt_measured(manifest: Manifest) -> list[str]:
    """Tell what a mid-treatment network was measured to be worth, in Markdown.

    Parameters
    ----------
    manifest : Manifest
        Whose `metrics` hold `data`, `systems`, `vanished`, `volumes` and `outside_boxes`.
    """
    numbers = manifest.metrics
    optimiser = manifest.recipe["optimiser"]
    shipped, outside = numbers["systems"][VANISHED], numbers["outside_boxes"]
    ours, null = numbers["volumes"][VANISHED], numbers["volumes"][REGISTERED]
    paired = "; ".join(
        f"{kind} DSC {summary_cell(shipped, f'against.{kind}.dsc_mean.difference', sign='+')}, "
        f"p = {number(shipped.get(f'against.{kind}.dsc_mean.p_wilcoxon'))} (Wilcoxon)"
        for kind in KINDS
    )
    found = "" if outside["found"] is None else f", of which {outside['found']:.0%} were outlined"
    return [
        f"Trained for {optimiser['steps']} steps of batch {optimiser['batch']}; channels "
        f"{', '.join(manifest.preprocessing['channels'])}.",
        f"{numbers['data']}. Protocol aarhus2024: DSC over patients in whom neither mask is empty; DSCagg over all. "
        "Intervals of 95 % over patients.",
        system_rows(numbers["systems"]),
        "Lesions that had vanished, and lesions that had not, that came out empty:",
        vanished_rows(numbers["vanished"]),
        f"As shipped against the registered outlines, the same patients, paired: {paired}.",
        f"Volume now, over {ours['lesions']} lesions of before: off by {ours['median_error']:.0%} of the volume before "
        f"(median; registered outlines {null['median_error']:.0%}); right category of the report "
        f"{ours['category_right']} of {ours['lesions']} (registered outlines {null['category_right']}).",
        f"Tumour outside every box of the map: {outside['voxels']} voxels{found}.",
    ]


def system_rows(systems: Mapping[str, Mapping[str, Any]]) -> str:
    """Write a Markdown table of Dice and surface distance of every system on the same patients.

    Parameters
    ----------
    systems : mapping of str to mapping
        System to its summary by protocol aarhus2024.
    """
    lines = [
        "| | GTVp DSC | GTVn DSC | GTVp DSCagg | GTVn DSCagg | GTVp HD95 mm | GTVn HD95 mm | GTVp missed, invented |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in systems.items():
        cells = [summary_cell(row, f"{kind}.dsc_{what}") for what in ("mean", "agg") for kind in KINDS]
        cells += [number(row.get(f"{kind}.hd95_medpy_mm"), 1) for kind in KINDS]
        cells.append(f"{row.get('GTVp.dsc_mean.n_missed')}, {row.get('GTVp.dsc_mean.n_false_positive')}")
        lines.append(f"| {ROWS.get(name, name)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def vanished_rows(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Write a Markdown list of how many vanished and remaining lesions came out empty.

    Parameters
    ----------
    counts : mapping of str to mapping
        System to `vanished`, `vanished_called_empty`, `left` and `left_called_empty`.
    """
    return "\n".join(
        f"- {ROWS.get(name, name)}: {c['vanished_called_empty']} of {c['vanished']} vanished; "
        f"{c['left_called_empty']} of {c['left']} others."
        for name, c in counts.items()
    )


def midrt_limits(manifest: Manifest) -> list[str]:
    """Tell where a mid-treatment network fails, with counts.

    Parameters
    ----------
    manifest : Manifest
        Whose `metrics` hold `vanished` and `volumes`.
    """
    gone, ours = manifest.metrics["vanished"][VANISHED], manifest.metrics["volumes"][VANISHED]
    limits = []
    if teachers(manifest):
        limits.append(f"{VIRTUAL_ONLY.capitalize()} taught it. On real patients nothing is known of it.")
    return [
        *limits,
        f"Vanished tumours: {gone['vanished'] - gone['vanished_called_empty']} of {gone['vanished']} still have an "
        "outline. Where a tumour vanished, swollen or scarred tissue is left, and it takes that for tumour.",
        f"Tumour that shrank to less than a quarter ({ours['shrunk_to_a_quarter']} lesions) is outlined "
        f"{ours['found_over_true_of_these']:g} times as large as it is (median): response is understated.",
        "Whether it finds a lesion that is new during treatment was not measured.",
        "It leans on the outlines from before. Where these are wrong, or the registration is, it is.",
    ]
