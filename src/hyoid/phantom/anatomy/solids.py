"""Simple solids as depth functions: mm below the surface at points (z, y, x), positive inside.

A solid is a function of three coordinate arrays, with a box (low, high) outside of which it is surely empty. Thin or
long solids give true distances; ellipsoids give a close lower estimate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from hyoid.phantom.anatomy.shape_model import Organ

Array = NDArray[np.float32]
Depth = Callable[[Array, Array, Array], Array]
Floats = Sequence[float] | NDArray[np.floating]
Point = Floats


@dataclass(frozen=True)
class Solid:
    """A depth function and the box that holds it, in mm of the common frame."""

    depth: Depth
    low: tuple[float, float, float]
    high: tuple[float, float, float]

    def mirrored(self) -> Solid:
        """Mirror the solid to the patient's other side."""
        return Solid(
            lambda z, y, x: self.depth(z, y, -x),
            (self.low[0], self.low[1], -self.high[2]),
            (self.high[0], self.high[1], -self.low[2]),
        )

    def moved(self, about: Point, scale: float, by: Point) -> Solid:
        """Scale the solid about a point, then shift the result (both mm)."""
        centre, shift = np.array(about, np.float32), np.array(by, np.float32)

        def depth(z: Array, y: Array, x: Array) -> Array:
            local = [(c - k - s) / scale + k for c, k, s in zip((z, y, x), centre, shift, strict=True)]
            return self.depth(*local) * np.float32(scale)

        low, high = ((np.array(corner) - centre) * scale + centre + shift for corner in (self.low, self.high))
        return Solid(depth, _triple(low), _triple(high))

    def minus(self, other: Solid) -> Solid:
        """Subtract another solid from this one."""
        return Solid(lambda z, y, x: np.minimum(self.depth(z, y, x), -other.depth(z, y, x)), self.low, self.high)

    def within(self, other: Solid) -> Solid:
        """Intersect this solid with another."""
        return Solid(lambda z, y, x: np.minimum(self.depth(z, y, x), other.depth(z, y, x)), self.low, self.high)

    def grown(self, mm: float) -> Solid:
        """Thicken the solid by `mm` everywhere."""
        return Solid(
            lambda z, y, x: self.depth(z, y, x) + np.float32(mm),
            _triple(np.array(self.low) - mm),
            _triple(np.array(self.high) + mm),
        )


def ellipsoid(centre: Point, radii: Point) -> Solid:
    """Make an ellipsoid along the axes."""
    c, r = np.array(centre, np.float32), np.array(radii, np.float32)

    def depth(z: Array, y: Array, x: Array) -> Array:
        q = np.sqrt(((z - c[0]) / r[0]) ** 2 + ((y - c[1]) / r[1]) ** 2 + ((x - c[2]) / r[2]) ** 2)
        return (1 - q) * r.min()

    return Solid(depth, _triple(c - r), _triple(c + r))


def box(low: Point, high: Point) -> Solid:
    """Make a box along the axes."""
    a, b = np.array(low, np.float32), np.array(high, np.float32)

    def depth(z: Array, y: Array, x: Array) -> Array:
        sides = [np.minimum(q - lo, hi - q) for q, lo, hi in zip((z, y, x), a, b, strict=True)]
        return np.minimum(np.minimum(sides[0], sides[1]), sides[2])

    return Solid(depth, _triple(a), _triple(b))


def tube(points: Sequence[Point], radii: Floats | float, flat: float = 1.0, normal: Point = (0, 1, 0)) -> Solid:
    """Make a tube along a polyline, round or flattened.

    Parameters
    ----------
    points : (z, y, x) of the corners, mm
        In the common frame, from one end to the other.
    radii : mm at the corners
        Half the width across; one number holds for all corners.
    flat : how many times thinner it is along `normal` than across
        1 is round.
    normal : direction of flattening
        Direction (z, y, x) in the common frame, of any length.
    """
    line = np.array(points, np.float32)
    radius = np.broadcast_to(np.array(radii, np.float32), len(line))
    n = np.array(normal, np.float32) / np.float32(np.linalg.norm(normal))
    stretch = np.float32(flat - 1)
    bent = line + stretch * (line @ n)[:, None] * n

    def depth(z: Array, y: Array, x: Array) -> Array:
        if stretch:
            along = (z * n[0] + y * n[1] + x * n[2]) * stretch
            z, y, x = z + along * n[0], y + along * n[1], x + along * n[2]
        best = np.full(np.broadcast(z, y, x).shape, -1e3, np.float32)
        for a, b, ra, rb in zip(bent, bent[1:], radius, radius[1:], strict=False):
            d = b - a
            t = np.clip(((z - a[0]) * d[0] + (y - a[1]) * d[1] + (x - a[2]) * d[2]) / (d @ d), 0, 1)
            gap = (z - a[0] - t * d[0]) ** 2 + (y - a[1] - t * d[1]) ** 2 + (x - a[2] - t * d[2]) ** 2
            np.maximum(best, ra + t * (rb - ra) - np.sqrt(gap), out=best)
        return best / np.float32(flat)

    return Solid(depth, _triple(line.min(0) - radius.max()), _triple(line.max(0) + radius.max()))


def column(levels: Floats, y: Floats, ry: Floats, rx: Floats, x: float = 0) -> Solid:
    """Make an upright tube with an elliptic cross-section that changes with height.

    Parameters
    ----------
    levels : z of the given cross-sections, ascending, mm
        Height in the common frame; the column ends at the first and the last.
    y : centres, mm
        Front-to-back position of the axis at each level.
    ry, rx : half axes, mm
        Front-to-back and sideways, at each level.
    """
    table = [np.array(v, np.float32) for v in (levels, y, ry, rx)]

    def depth(z: Array, yy: Array, xx: Array) -> Array:
        centre, half_y, half_x = (np.interp(z, table[0], v).astype(np.float32) for v in table[1:])
        q = np.sqrt(((yy - centre) / half_y) ** 2 + ((xx - np.float32(x)) / half_x) ** 2)
        inside = (1 - q) * np.minimum(half_y, half_x)
        return np.minimum(inside, np.minimum(z - table[0][0], table[0][-1] - z))

    reach_y, reach_x = float(table[2].max()), float(table[3].max())
    return Solid(
        depth,
        (float(table[0][0]), float(table[1].min()) - reach_y, x - reach_x),
        (float(table[0][-1]), float(table[1].max()) + reach_y, x + reach_x),
    )


def union(*solids: Solid) -> Solid:
    """Join solids: a point is inside when it lies in at least one."""

    def depth(z: Array, y: Array, x: Array) -> Array:
        out = solids[0].depth(z, y, x)
        for solid in solids[1:]:
            out = np.maximum(out, solid.depth(z, y, x))
        return out

    return Solid(
        depth, _triple(np.min([s.low for s in solids], axis=0)), _triple(np.max([s.high for s in solids], axis=0))
    )


def from_organ(organ: Organ) -> Solid:
    """Make the solid of a learned organ."""
    half = (np.array(organ.distance_mm.shape) - 1) / 2
    centre = organ.centre_mm
    steps_mm = organ.grid_mm * np.array([organ.stretch, 1.0, 1.0])
    reach = half * steps_mm

    def depth(z: Array, y: Array, x: Array) -> Array:
        index = [(z - centre[0]) / float(steps_mm[0]) + half[0], (y - centre[1]) / organ.grid_mm + half[1]]
        index.append((x - centre[2]) * organ.side / organ.grid_mm + half[2])
        at = np.array(np.broadcast_arrays(*index), np.float32)
        return ndi.map_coordinates(organ.distance_mm, at, order=1, mode="constant", cval=-40.0)

    return Solid(depth, _triple(centre - reach), _triple(centre + reach))


def _triple(values: NDArray) -> tuple[float, float, float]:
    z, y, x = (float(v) for v in values)
    return z, y, x
