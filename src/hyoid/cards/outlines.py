"""Cards of networks that outline organs, or the high-dose target region, on CT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyoid.anatomy.involvement import words_of_field
from hyoid.anatomy.structures import BY_NAME
from hyoid.cards.decisions import LOWEST_DICE, transfers
from hyoid.cards.table_cells import with_limits
from hyoid.inference.runtime import BF16_AGREEMENT, HARMLESS_LOSS
from hyoid.inference.segment import CLOSE_STEP, WIDE_STEP
from hyoid.io.packages.model_package import Manifest


def outlines_measured(manifest: Manifest) -> list[str]:
    """Tell what outlines were measured to be worth, in Markdown.

    Parameters
    ----------
    manifest : Manifest
        Whose `metrics` hold `data` and `dice` or `transfer`.
    """
    parts = [f"{manifest.metrics['data']}. 95 % intervals: bootstrap over patients."]
    if manifest.metrics.get("dice"):
        parts.append(dice_rows(manifest.metrics["dice"]))
    if manifest.metrics.get("transfer"):
        parts.append(transfer_rows(manifest.metrics))
    unlearned = [name for name in manifest.labels if name not in manifest.supported]
    if unlearned:
        parts.append(f"Not learned well enough, so never outlined: {', '.join(words_of_field(n) for n in unlearned)}.")
    return [*parts, *speed_words(manifest)]


def outlines_limits(manifest: Manifest) -> list[str]:
    """Tell where a network that outlines organs fails, as far as its manifest shows.

    Parameters
    ----------
    manifest : Manifest
        Of the package.
    """
    limits = ["Scans unlike those it was trained and measured on are untested."]
    if any(manifest.learned_from.virtual_only(name) for name in manifest.supported):
        limits.append(
            "Outlines of structures that virtual patients alone taught were never compared with contours of real ones."
        )
    return limits


TARGET_LIMITS = (
    "It localises a planning target (tumour and nodes with margin), not the tumour; it cannot tell them apart.",
    "It has seen only patients who have such a target: on a healthy neck it will often find one.",
)


def dice_rows(table: Mapping[str, Mapping[str, Any]]) -> str:
    """Write a Markdown table of mean Dice by structure.

    Parameters
    ----------
    table : mapping of str to mapping
        Structure to `dice`, `low`, `high` (0 to 1) and `n` patients.
    """
    rows = ["| structure | Dice | 95 % interval | n |", "|---|---|---|---|"]
    for name, row in table.items():
        interval = f"{row['low']:.3f} to {row['high']:.3f}"
        rows.append(f"| {BY_NAME[name].words} | {row['dice']:.3f} | {interval} | {row['n']} |")
    return "\n".join(rows)


def transfer_rows(metrics: Mapping[str, Any]) -> str:
    """Write a Markdown table of structures that virtual patients alone taught, and the rule by which they are shown.

    Parameters
    ----------
    metrics : mapping
        `virtual_n` patients held out, and `transfer`: structure to its row.
    """
    rows = [
        "Learned from virtual patients only, for want of real contours. Dice is on "
        f"{metrics['virtual_n']} virtual patients that training did not see, an easier task than a real scan; on real "
        "scans only presence and size could be checked. Delivered are structures with a Dice of at least "
        f"{LOWEST_DICE} whose volume is plausible on at least half of the real scans (between half the 10th and twice "
        "the 90th percentile of virtual patients).\n",
        "| structure | Dice, virtual | found on real scans | median there (mL) | virtual 10-90 % (mL) | delivered |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in metrics["transfer"].items():
        low, high = row["virtual_ml"]
        cells = (
            BY_NAME[name].words,
            with_limits(row["dice"], row["low"], row["high"]),
            f"{row['real_found']} of {row['real_n']}",
            f"{row['real_median_ml']:.1f}",
            f"{low:.1f}-{high:.1f}",
            "yes" if transfers(row) else "no",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def speed_words(manifest: Manifest) -> list[str]:
    """Tell what bfloat16 costs against float32, and fewer tiles against more; nothing where that was not measured.

    Parameters
    ----------
    manifest : Manifest
        Whose `bf16_loss` and `step_loss` give the fall of the mean Dice per structure, or `bf16_agreement` the lowest
        Dice between both.
    """
    return [*_precision_words(manifest), *_step_words(manifest)]


def _step_words(manifest: Manifest) -> list[str]:
    if not manifest.step_loss:
        return []
    return [
        f"Tiles {WIDE_STEP} of their edge apart instead of {CLOSE_STEP}: "
        f"{_loss_words(manifest.step_loss, 'the wider step')}"
    ]


def _loss_words(losses: Mapping[str, float], faster: str) -> str:
    worst = max(losses, key=lambda name: losses[name])
    return (
        f"the mean Dice falls most for {BY_NAME[worst].words} ({losses[worst]:+.4f}); {faster} is used where it "
        f"falls by less than {HARMLESS_LOSS} for every structure."
    )


def _precision_words(manifest: Manifest) -> list[str]:
    if manifest.bf16_loss:
        return [f"bfloat16 against float32, both against the reference: {_loss_words(manifest.bf16_loss, 'bfloat16')}"]
    if not manifest.bf16_agreement:
        return []
    worst = min(manifest.bf16_agreement, key=lambda name: manifest.bf16_agreement[name])
    return [
        f"bfloat16 against float32: lowest Dice {manifest.bf16_agreement[worst]:.4f} ({worst}); bfloat16 is used where "
        f"every structure reaches {BF16_AGREEMENT}."
    ]
