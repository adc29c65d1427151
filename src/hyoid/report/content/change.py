"""Each lesion in an earlier report and in this one: numbers side by side, and one word by a printed definition."""

from __future__ import annotations

from collections.abc import Sequence

from hyoid.metrics.response import MUCH_LARGER, MUCH_SMALLER, OBSERVERS, change_of
from hyoid.metrics.response import Change as Category
from hyoid.report.content.levels import level_names
from hyoid.report.content.primary import cm, without_raised_uptake
from hyoid.report.content.schema import Change, Lesion

_COMPARED = ("index lesion", "further focus", "node")
CHANGE_DEFINITION = (
    f"similar: volume changed by less than {OBSERVERS:.0%}; smaller, larger: by more; much smaller, much larger: by "
    f"{MUCH_SMALLER:+.1%} and {MUCH_LARGER:+.1%} or beyond (RECIST 1.1's -30 % and +20 % in diameter, as spheres). "
    "Lesions are paired by kind, side and level, not by registration"
)


def changes_between(now: Sequence[Lesion], before: Sequence[Lesion]) -> tuple[Change, ...]:
    """Find the change of every lesion of the neck; a lesion without a counterpart is named as such.

    Parameters
    ----------
    now, before : sequence of Lesion
        Lesions of this report and of the earlier one.
    """
    own = [lesion for lesion in now if lesion.role in _COMPARED]
    left = [lesion for lesion in before if lesion.role in _COMPARED]
    pairs: dict[str, Lesion] = {}
    # The closest kind of likeness goes over all lesions first, so that no lesion takes the counterpart of another.
    for alike in (_same_level, _related_level, _level_unknown):
        for lesion in own:
            if lesion.name in pairs:
                continue
            match = next((old for old in left if lesion.role == old.role and alike(lesion, old)), None)
            if match is not None:
                left.remove(match)
                pairs[lesion.name] = match
    found = [
        _both(lesion, pairs[lesion.name]) if lesion.name in pairs else _new(lesion, _maybe(lesion, left))
        for lesion in own
    ]
    new = [lesion for lesion in own if lesion.name not in pairs]
    return (*found, *(_gone(lesion, _maybe(lesion, new)) for lesion in left))


def volume_change(before_ml: float, after_ml: float) -> tuple[float, str]:
    """Compute the change of a volume in percent, and name it by `CHANGE_DEFINITION`.

    Parameters
    ----------
    before_ml, after_ml : float
        Volume before and now; the first is above 0.

    Examples
    --------
    >>> volume_change(10.0, 8.0), volume_change(10.0, 11.9), volume_change(10.0, 3.4)
    ((-20.0, 'smaller'), (19.0, 'similar'), (-66.0, 'much smaller'))
    """
    return round(100 * (after_ml / before_ml - 1), 6), str(change_of(before_ml, after_ml))


def _same_level(lesion: Lesion, old: Lesion) -> bool:
    """The index lesion, or the same side and level."""
    return lesion.role == "index lesion" or (lesion.side == old.side and lesion.level == old.level)


def _related_level(lesion: Lesion, old: Lesion) -> bool:
    """The same side and a level that both names share, subdivisions left out."""
    now, before = ({name.rstrip("ab") for name in level_names(words)} for words in (lesion.level, old.level))
    return lesion.side == old.side and bool(now & before)


def _level_unknown(lesion: Lesion, old: Lesion) -> bool:
    """The same side, where one of the levels is not known."""
    return lesion.side == old.side and not (level_names(lesion.level) and level_names(old.level))


def _maybe(lesion: Lesion, others: Sequence[Lesion]) -> str:
    """Name the lesions of the other date, of the same role and side, that have no counterpart either."""
    return " or ".join(
        other.name.lower() for other in others if other.role == lesion.role and other.side == lesion.side
    )


def _both(lesion: Lesion, old: Lesion) -> Change:
    percent, word = volume_change(old.volume_ml, lesion.volume_ml)
    if without_raised_uptake(lesion):
        word += f", {Category.VANISHED} (uptake not raised now)"
    name = lesion.name if lesion.role == "index lesion" else f"{lesion.name} ({_where(lesion)})"
    words = (
        f"{name} {word}: {old.volume_ml:.1f} to {lesion.volume_ml:.1f} ml ({percent:+.0f} %), axial "
        f"{cm(old.axial_long_mm)} x {cm(old.axial_short_mm)} to {cm(lesion.axial_long_mm)} x "
        f"{cm(lesion.axial_short_mm)} cm"
    )
    if old.axial_long_mm:
        words += f" (long axis {100 * (lesion.axial_long_mm / old.axial_long_mm - 1):+.0f} %)"
    if lesion.side != old.side:
        words += f"; before on another side ({old.side}), may be another lesion"
    return Change(
        lesion=lesion.name,
        prior=old.name,
        kind=lesion.kind,
        before_ml=old.volume_ml,
        after_ml=lesion.volume_ml,
        before_long_mm=old.axial_long_mm,
        after_long_mm=lesion.axial_long_mm,
        before_short_mm=old.axial_short_mm,
        after_short_mm=lesion.axial_short_mm,
        words=words,
    )


def _new(lesion: Lesion, maybe: str) -> Change:
    return Change(
        lesion=lesion.name,
        prior="",
        kind=lesion.kind,
        before_ml=None,
        after_ml=lesion.volume_ml,
        before_long_mm=None,
        after_long_mm=lesion.axial_long_mm,
        after_short_mm=lesion.axial_short_mm,
        words=f"{lesion.name} ({_where(lesion)}, {lesion.volume_ml:.1f} ml): no counterpart outlined before"
        + (f", unless earlier {maybe} is the same" if maybe else ""),
    )


def _gone(lesion: Lesion, maybe: str) -> Change:
    return Change(
        lesion="",
        prior=lesion.name,
        kind=lesion.kind,
        before_ml=lesion.volume_ml,
        after_ml=None,
        before_long_mm=lesion.axial_long_mm,
        after_long_mm=None,
        before_short_mm=lesion.axial_short_mm,
        words=f"Earlier {lesion.name[0].lower()}{lesion.name[1:]} ({_where(lesion)}, {lesion.volume_ml:.1f} ml): not "
        f"outlined now, {Category.VANISHED}{f', unless {maybe} now is the same' if maybe else ''}",
    )


def _where(lesion: Lesion) -> str:
    return f"{lesion.side}, {lesion.level}" if lesion.level else lesion.side
