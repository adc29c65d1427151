"""Small scatter plots as SVG, without a plotting library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, EDGE = 380, 300, 48


@dataclass(frozen=True)
class Dot:
    """Point of a plot; `size` sets the area of the dot, a crossed point is drawn as a red cross."""

    x: float
    y: float
    size: float = 1.0
    crossed: bool = False


@dataclass(frozen=True)
class Plot:
    """Panel of a scatter plot; y runs from 0 to 1."""

    title: str
    x_words: str
    y_words: str
    dots: tuple[Dot, ...]


def scatter_svg(plots: Sequence[Plot]) -> str:
    """Draw panels side by side.

    Examples
    --------
    >>> scatter_svg([Plot("a < b", "x", "y", (Dot(1, 0.5), Dot(2, 0, crossed=True)))]).count("<circle")
    1
    """
    panels = "".join(f'<g transform="translate({k * WIDTH},0)">{_panel(plot)}</g>' for k, plot in enumerate(plots))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH * len(plots)} {HEIGHT}" '
        f'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#fff"/>{panels}</svg>\n'
    )


def _panel(plot: Plot) -> str:
    low = min([0.0, *(dot.x for dot in plot.dots)])
    high = max([1e-6, *(dot.x for dot in plot.dots)])
    largest = max([1e-6, *(dot.size for dot in plot.dots)])
    inner_w, inner_h = WIDTH - 2 * EDGE, HEIGHT - 2 * EDGE

    def at(x: float, y: float) -> tuple[float, float]:
        return EDGE + (x - low) / (high - low) * inner_w, HEIGHT - EDGE - y * inner_h

    parts = [
        f'<text x="{WIDTH / 2}" y="22" text-anchor="middle" font-size="13">{escape(plot.title)}</text>',
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 10}" text-anchor="middle">{escape(plot.x_words)}</text>',
        f'<text transform="translate(14,{HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escape(plot.y_words)}</text>',
        f'<path d="M{EDGE} {EDGE}V{HEIGHT - EDGE}H{WIDTH - EDGE}" fill="none" stroke="#333"/>',
    ]
    for y in (0.0, 0.5, 1.0):
        parts.append(f'<text x="{EDGE - 6}" y="{at(low, y)[1] + 4:.1f}" text-anchor="end">{y:g}</text>')
    for x in (low, (low + high) / 2, high):
        parts.append(f'<text x="{at(x, 0)[0]:.1f}" y="{HEIGHT - EDGE + 16}" text-anchor="middle">{x:.3g}</text>')
    for dot in plot.dots:
        x, y = at(dot.x, dot.y)
        if dot.crossed:
            parts.append(f'<path d="M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8" stroke="#c22" stroke-width="1.6"/>')
        else:
            radius = 2.5 + 7 * (dot.size / largest) ** 0.5
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="#0b6b80" fill-opacity=".5"/>')
    return "".join(parts)
