"""Each lesion in an earlier report and in this one: numbers side by side, and one word by a printed definition."""

from __future__ import annotations

from collections.abc import Sequence

from hyoid.report.content.levels import level_names
from hyoid.report.content.primary import cm
from hyoid.report.content.schema import Change, Lesion

SMALLER_PERCENT, LARGER_PERCENT = -20.0, 20.0  # of volume; two observers differ by this much
CHANGE_DEFINITION = (
    "larger or smaller: volume changed by 20 % or more; unchanged: less. Lesions are paired by kind, side and level, "
    "the largest first, not by registration"
)


def changes_between(now: Sequence[Lesion], before: Sequence[Lesion]) -> tuple[Change, ...]:
    """Find the change of every lesion of the neck; a lesion without a counterpart is named as such.

    Parameters
    ----------
    now, before : sequence of Lesion
        Lesions of this report and of the earlier one.
    """
    found: list[Change] = []
    left = [lesion for lesion in before if lesion.role in ("index lesion", "further focus", "node")]
    for lesion in now:
        if lesion.role not in ("index lesion", "further focus", "node"):
            continue
        match = next((old for old in left if _alike(lesion, old, exactly=True)), None) or next(
            (old for old in left if _alike(lesion, old, exactly=False)), None
        )
        if match is None:
            found.append(_new(lesion))
        else:
            left.remove(match)
            found.append(_both(lesion, match))
    return (*found, *(_gone(lesion) for lesion in left))


def volume_change(before_ml: float, after_ml: float) -> tuple[float, str]:
    """Compute the change of a volume in percent, and name it by `CHANGE_DEFINITION`.

    Parameters
    ----------
    before_ml, after_ml : float
        Volume before and now; the first is above 0.

    Examples
    --------
    >>> volume_change(10.0, 8.0), volume_change(10.0, 11.9), volume_change(10.0, 12.0)
    ((-20.0, 'smaller'), (19.0, 'unchanged'), (20.0, 'larger'))
    """
    percent = round(100 * (after_ml / before_ml - 1), 6)
    word = "smaller" if percent <= SMALLER_PERCENT else "larger" if percent >= LARGER_PERCENT else "unchanged"
    return percent, word


def _alike(lesion: Lesion, old: Lesion, *, exactly: bool) -> bool:
    """Same role and side, and for nodes the same level, or one that contains the other."""
    if lesion.role != old.role:
        return False
    if lesion.role == "index lesion":
        return True
    if lesion.side != old.side:
        return False
    if exactly or not (lesion.level and old.level):
        return lesion.level == old.level
    now, before = ({name.rstrip("ab") for name in level_names(words)} for words in (lesion.level, old.level))
    return bool(now & before) or now == before


def _both(lesion: Lesion, old: Lesion) -> Change:
    percent, word = volume_change(old.volume_ml, lesion.volume_ml)
    name = lesion.name if lesion.role == "index lesion" else f"{lesion.name} ({_where(lesion)})"
    words = (
        f"{name} {word}: {old.volume_ml:.1f} to {lesion.volume_ml:.1f} ml ({percent:+.0f} %), axial "
        f"{cm(old.axial_long_mm)} x {cm(old.axial_short_mm)} to {cm(lesion.axial_long_mm)} x "
        f"{cm(lesion.axial_short_mm)} cm"
    )
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


def _new(lesion: Lesion) -> Change:
    return Change(
        lesion=lesion.name,
        prior="",
        kind=lesion.kind,
        before_ml=None,
        after_ml=lesion.volume_ml,
        before_long_mm=None,
        after_long_mm=lesion.axial_long_mm,
        after_short_mm=lesion.axial_short_mm,
        words=f"{lesion.name} ({_where(lesion)}): no counterpart outlined before",
    )


def _gone(lesion: Lesion) -> Change:
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
        "outlined now, may have vanished",
    )


def _where(lesion: Lesion) -> str:
    return f"{lesion.side}, {lesion.level}" if lesion.level else lesion.side
