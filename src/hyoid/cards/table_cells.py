"""Numbers as cells of a Markdown table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def number(value: float | None, digits: int = 3) -> str:
    """Write a number, or a dash where it is not defined.

    Examples
    --------
    >>> number(0.25), number(12.34, 1), number(None)
    ('0.250', '12.3', '-')
    """
    return "-" if value is None else f"{value:.{digits}f}"


def p_value(p: float | None) -> str:
    """Write a p value, never rounded to nothing.

    Examples
    --------
    >>> p_value(0.0213), p_value(0.00002), p_value(None)
    ('0.021', '< 0.001', '-')
    """
    return "< 0.001" if p is not None and p < 0.001 else number(p)


def with_limits(value: float | None, low: float | None, high: float | None, *, sign: str = "") -> str:
    """Write a number with the limits of its interval, where there are any; a dash where it is not defined.

    Parameters
    ----------
    value, low, high : float or None
        Number, and the limits of its interval; None where not defined.
    sign : {"", "+"}
        "+" writes the sign of positive numbers too, as differences have it.

    Examples
    --------
    >>> with_limits(0.5, 0.25, 0.75), with_limits(0.5, 0.25, 0.75, sign="+")
    ('0.500 (0.250 to 0.750)', '+0.500 (+0.250 to +0.750)')
    >>> with_limits(0.5, None, None), with_limits(None, None, None)
    ('0.500', '-')
    """
    if value is None:
        return "-"
    limits = "" if low is None or high is None else f" ({low:{sign}.3f} to {high:{sign}.3f})"
    return f"{value:{sign}.3f}{limits}"


def summary_cell(summary: Mapping[str, Any], key: str, *, sign: str = "") -> str:
    """Write a number of a summary with the limits that stand beside it.

    Parameters
    ----------
    summary : mapping
        As of `hyoid.evaluation.summaries.summarise`, or `hyoid.evaluation.comparison.compare_systems`.
    key : str
        Key of the number in the summary.
    sign : {"", "+"}
        As of `with_limits`.

    Examples
    --------
    >>> summary_cell({"dsc": 0.5, "dsc.ci95_low": 0.25, "dsc.ci95_high": 0.75}, "dsc")
    '0.500 (0.250 to 0.750)'
    """
    limits = summary.get(f"{key}.ci95_low"), summary.get(f"{key}.ci95_high")
    return with_limits(summary.get(key), *limits, sign=sign)
