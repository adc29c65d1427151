"""Reliability diagram as SVG: promised probability against what was seen, with the number of answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from hyoid.metrics.calibration import ReliabilityBin

_PANEL, _EDGE, _TOP = 320, 46, 34
_INNER = _PANEL - 2 * _EDGE


@dataclass(frozen=True)
class Reliability:
    """Title and bins of one panel of a reliability diagram.

    Parameters
    ----------
    title : str
        Words above the panel.
    bins : tuple of ReliabilityBin
        Promised and observed share of positive answers, bin by bin.
    """

    title: str
    bins: tuple[ReliabilityBin, ...]


def reliability_svg(panels: Sequence[Reliability]) -> str:
    """Draw panels side by side; a dot per bin, its area the number of answers, a whisker of one standard error.

    Parameters
    ----------
    panels : sequence of Reliability
        Panels from left to right.

    Examples
    --------
    >>> bins = (ReliabilityBin(0.0, 0.5, 8, 0.2, 0.25), ReliabilityBin(0.5, 1.0, 2, 0.9, 0.5))
    >>> reliability_svg([Reliability("before", bins)]).count("<circle")
    2
    """
    drawn = "".join(f'<g transform="translate({k * _PANEL},0)">{_panel(p)}</g>' for k, p in enumerate(panels))
    width, height = _PANEL * max(len(panels), 1), _PANEL + 10
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="11"><rect width="100%" height="100%" fill="#fff"/>{drawn}</svg>\n'
    )


def _panel(panel: Reliability) -> str:
    def at(x: float, y: float) -> tuple[float, float]:
        return _EDGE + x * _INNER, _TOP + (1 - y) * _INNER

    (x0, y0), (x1, y1) = at(0, 0), at(1, 1)
    parts = [
        f'<text x="{_PANEL / 2}" y="20" text-anchor="middle" font-size="13">{escape(panel.title)}</text>',
        f'<path d="M{x0} {y1}V{y0}H{x1}" fill="none" stroke="#333"/>',
        f'<path d="M{x0} {y0}L{x1} {y1}" stroke="#999" stroke-dasharray="4 4"/>',
        f'<text x="{_PANEL / 2}" y="{y0 + 34:.1f}" text-anchor="middle">promised probability</text>',
        f'<text transform="translate(12,{(y0 + y1) / 2:.1f}) rotate(-90)" text-anchor="middle">share seen</text>',
    ]
    for tick in (0.0, 0.5, 1.0):
        x, y = at(tick, tick)
        parts.append(f'<text x="{x:.1f}" y="{y0 + 16:.1f}" text-anchor="middle">{tick:g}</text>')
        parts.append(f'<text x="{x0 - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    most = max([1, *(b.n for b in panel.bins)])
    for found in panel.bins:
        x, y = at(found.mean_probability, found.observed)
        error = (found.observed * (1 - found.observed) / found.n) ** 0.5
        low, high = at(0, max(0.0, found.observed - error))[1], at(0, min(1.0, found.observed + error))[1]
        radius = 3 + 8 * (found.n / most) ** 0.5
        parts.append(f'<path d="M{x:.1f} {low:.1f}V{high:.1f}" stroke="#0b6b80"/>')
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="#0b6b80" fill-opacity=".55"/>')
        parts.append(f'<text x="{x + radius + 2:.1f}" y="{y + 4:.1f}" fill="#555">{found.n}</text>')
    return "".join(parts)
