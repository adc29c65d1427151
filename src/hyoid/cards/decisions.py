"""What a package may answer, decided from what was measured of it; no network runs here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

LOWEST_DICE = 0.3
"""Mean Dice below which a structure counts as not learned."""
LOWEST_PRECISION = 0.5
"""Average precision out of fold below which a sub-site counts as not learned."""


def learned_structures(dice: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """List the structures whose mean Dice on contours of real patients is high enough to be outlined.

    Parameters
    ----------
    dice : mapping of str to mapping
        Structure to its row, whose `dice` is the mean over patients, 0 to 1.

    Examples
    --------
    >>> learned_structures({"larynx": {"dice": 0.3}, "oesophagus": {"dice": 0.29}})
    ('larynx',)
    """
    return tuple(name for name, row in dice.items() if row["dice"] >= LOWEST_DICE)


def transfers(row: Mapping[str, Any]) -> bool:
    """Say whether a structure that virtual patients alone taught is good enough to be outlined on real scans.

    Parameters
    ----------
    row : mapping
        `dice`, its mean Dice on virtual patients held out of training, and `plausible`, whether its volume on real
        scans is that of a patient.

    Examples
    --------
    >>> transfers({"dice": 0.6, "plausible": True}), transfers({"dice": 0.6, "plausible": False})
    (True, False)
    """
    return bool(row["plausible"]) and row["dice"] >= LOWEST_DICE


def learned_fields(precision: Mapping[str, float | None], candidates: Sequence[str]) -> tuple[str, ...]:
    """List the fields whose average precision on patients held out of training is high enough to be answered.

    Parameters
    ----------
    precision : mapping of str to float or None
        Field to average precision, 0 to 1; None where no held-out patient has it.
    candidates : sequence of str
        Fields that had enough examples in training.

    Examples
    --------
    >>> learned_fields({"tonsil": 0.7, "lip": 0.2, "uvula": None}, ("tonsil", "lip", "uvula"))
    ('tonsil',)
    """
    return tuple(name for name in candidates if (precision[name] or 0) >= LOWEST_PRECISION)


def beats_the_most_frequent_class(score: Mapping[str, Any] | None) -> bool:
    """Say whether an attribute is told better than by its most frequent class, by more than chance.

    Parameters
    ----------
    score : mapping, optional
        `low`, the lower limit of the 95 % interval of the accuracy (None with one patient), and `majority`, the share
        of the most frequent class; None where nothing was measured.

    Examples
    --------
    >>> beats_the_most_frequent_class({"low": 0.7, "majority": 0.6}), beats_the_most_frequent_class(None)
    (True, False)
    """
    return score is not None and score["low"] is not None and score["low"] > score["majority"]


def learned_attributes(attributes: Iterable[str], scores: Iterable[Mapping[str, Mapping[str, Any]]]) -> tuple[str, ...]:
    """List the attributes that beat their most frequent class with every mask that was measured.

    A report is shown after every click, so an attribute must hold with the true masks and after every number of clicks.

    Parameters
    ----------
    attributes : iterable of str
        Names of the attributes, in the order of the result.
    scores : iterable of mapping
        One per kind of mask: attribute to its score, as `beats_the_most_frequent_class` takes it.
    """
    rows = list(scores)
    return tuple(name for name in attributes if rows and all(beats_the_most_frequent_class(r.get(name)) for r in rows))


def lowest(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Find the lowest value of every name over several rows, for example the worst agreement of two arithmetics.

    Parameters
    ----------
    rows : iterable of mapping of str to float
        One per scan; names may be missing from some.

    Examples
    --------
    >>> lowest([{"larynx": 0.9, "tongue": 1.0}, {"larynx": 0.8}])
    {'larynx': 0.8, 'tongue': 1.0}
    """
    worst: dict[str, float] = {}
    for row in rows:
        for name, value in row.items():
            worst[name] = min(worst.get(name, value), value)
    return worst
