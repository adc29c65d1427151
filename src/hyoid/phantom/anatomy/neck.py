"""Larynx, hypopharynx and the soft parts of the neck, placed around the learned airway and spine.

Levels in the common frame (mean of the real scans): hyoid bone -35, vocal cords -62, lower edge of the cricoid -84.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hyoid.phantom.anatomy.canvas import HARD, Canvas, Tissue
from hyoid.phantom.anatomy.head import SIDES, Rng, label, on_side, subsite, varied
from hyoid.phantom.anatomy.larynx import Neck, paint_larynx, placed
from hyoid.phantom.anatomy.solids import Solid, box, column, ellipsoid, tube, union

# Centre line (z, y) of the airway below the vocal cords in the mean of the real scans.
AIRWAY_Z = (-240.0, -180.0, -156.0, -140.0, -124.0, -116.0, -108.0, -100.0, -92.0, -84.0)
AIRWAY_Y = (80.0, 75.0, 72.0, 69.0, 62.0, 56.5, 50.5, 45.0, 41.0, 37.5)


def paint_neck(canvas: Canvas, neck: Neck, rng: Rng) -> None:
    """Paint the whole neck; the pharynx above the hyoid bone must be painted already."""
    _vessels(canvas, rng)
    _gullet(canvas, rng)
    _thyroid_gland(canvas, rng)
    _trachea(canvas, neck, rng)
    paint_larynx(canvas, neck, rng)
    _straps(canvas, neck, rng)


def _pair(
    canvas: Canvas, name: str, solid: Solid, tissue: Tissue, rng: Rng, mm: float = 1.0, size: float = 0.08
) -> None:
    for suffix, side in SIDES:
        organ = label(name + suffix) if name else 0
        canvas.paint(varied(on_side(solid, side), rng, mm, size), tissue, organ=organ, spare=HARD)


def paint_neck_muscles(canvas: Canvas, rng: Rng, fat: float) -> None:
    """Paint muscles beside and behind the pharynx, and the fat around the vessels; glands come later.

    Parameters
    ----------
    fat : float
        Standard deviations more fat than usual: in lean patients muscles touch each other.
    """
    halo_mm = float(np.clip(rng.normal(0.7 + 0.6 * fat, 0.6), -0.5, 3))
    line = [(20, 66, 55), (-10, 61, 53), (-40, 50, 45), (-66, 40, 36), (-92, 30, 24), (-118, 24, 12)]
    fascia = tube(line, [7, 13, 17, 17, 13, 8], 1.9, (0, 0.45, 0.9))
    for suffix, side in SIDES:
        sternomastoid = varied(on_side(fascia, side), rng, 1.2, 0.08)
        canvas.paint(sternomastoid.grown(halo_mm), Tissue.FAT, only=(Tissue.MUSCLE,))
        name = label("sternocleidomastoid" + suffix)
        canvas.paint(sternomastoid, Tissue.MUSCLE, organ=name, spare=HARD)
    sheath = tube([(18, 55, 28), (-20, 52, 31), (-60, 49, 31), (-100, 45, 25)], [8, 10, 11, 9])
    _pair(canvas, "", sheath.grown(2 * min(halo_mm, 1.5) - 3), Tissue.FAT, rng)
    longus = tube([(10, 50, 8), (-20, 48, 8), (-60, 54, 9), (-90, 62, 9), (-120, 74, 9)], [4, 5, 6, 6, 4], 1.5)
    for _, side in SIDES:
        canvas.paint(on_side(longus, side), Tissue.MUSCLE, subsite=subsite("prevertebral_space"), spare=HARD)
    behind = tube([(16, 47, 0), (-20, 45.5, 0), (-60, 50, 0), (-90, 57, 0)], 10, 3.0)
    canvas.paint(behind, None, subsite=subsite("prevertebral_space"), spare=HARD)
    scalene = tube([(-50, 68, 30), (-76, 66, 36), (-100, 62, 44)], [8, 10, 8])
    _pair(canvas, "", scalene, Tissue.MUSCLE, rng)
    mylohyoid = tube([(-12, -8, 27), (-22, -6, 14), (-25, -6, 0)], [16, 18, 18], 6.0, (0.85, 0, -0.52))
    _pair(canvas, "", mylohyoid, Tissue.MUSCLE, rng, 0.5, 0.03)
    front = tube([(-27, -32, 6), (-32, -14, 9), (-36, 3, 13)], [3.5, 5, 3], 1.3, (1, 0, 0))
    rear = tube([(-36, 5, 15), (-26, 26, 27), (-4, 48, 38), (20, 64, 48)], [2.6, 3.5, 4.2, 4.2])
    _pair(canvas, "digastric", union(front, rear), Tissue.MUSCLE, rng, 0.8, 0.08)


def _vessels(canvas: Canvas, rng: Rng) -> None:
    for suffix, side in SIDES:
        wander = np.clip(rng.standard_normal((3, 2)), -2, 2) * (1.2, 1.5)
        bulb = -46 + 5 * rng.standard_normal()
        size = float(np.clip(rng.normal(1, 0.12), 0.75, 1.25))

        def line(
            points: Sequence[tuple[float, float, float]], wander: np.ndarray = wander
        ) -> list[tuple[float, float, float]]:
            z = np.array([p[0] for p in points])
            dy, dx = (np.interp(z, (-120, -50, 20), column) for column in wander.T)
            return [(p[0], p[1] + a, p[2] + b) for p, a, b in zip(points, dy, dx, strict=True)]

        common = [(-150, 60, 16), (-128, 56, 17), (-106, 51, 18), (-84, 47, 21), (-62, 47, 24), (bulb, 46, 26)]
        internal = [(bulb, 47, 27), (-28, 47.5, 28), (0, 48, 27), (20, 52, 26), (34, 56, 25), (42, 51, 19)]
        external = [(bulb, 45, 25), (-26, 37, 27), (-4, 38, 36), (16, 42, 46)]
        canvas.paint(on_side(tube(line(common), np.array([3.6, 3.6, 3.6, 3.5, 3.5, 4.2]) * size), side), Tissue.ARTERY)
        canvas.paint(on_side(tube(line(external), [2.6, 2.3, 2.0, 1.6]), side), Tissue.ARTERY, spare=HARD)
        width = size * float(np.clip(rng.normal(1.05 if side < 0 else 0.92, 0.2), 0.55, 1.5))
        vein = [(36, 61, 28), (18, 59, 32), (-8, 56, 34), (-36, 52, 36), (-62, 49, 34), (-88, 44, 30), (-108, 40, 27),
                (-130, 36, 24)]  # fmt: skip
        jugular = tube(line(vein), np.array([3.6, 4.0, 4.6, 5.4, 5.8, 6, 5.6, 5]) * width, rng.uniform(1, 1.5))
        canvas.paint(on_side(jugular, side), Tissue.VEIN, organ=label(f"jugular{suffix}"), spare=HARD)
        inner = tube(line(internal), np.array([3.6, 2.9, 2.7, 2.6, 2.5, 2.4]) * size)
        canvas.paint(on_side(inner, side), Tissue.ARTERY, organ=label(f"carotid{suffix}"), spare=(Tissue.BRAIN,))
        facial = tube([(-60, 45, 32), (-40, 30, 34), (-22, 14, 37)], 1.8)
        canvas.paint(varied(on_side(facial, side), rng, 2), Tissue.VEIN, only=(Tissue.FAT,))
    great = tube([(-124, 30, -26), (-140, 32, -24), (-180, 40, -26)], [6, 8, 9])
    arch = union(tube([(-128, 32, 28), (-142, 30, 0), (-146, 32, -18)], 6.5), tube([(-146, 52, 8), (-190, 60, 14)], 9))
    canvas.paint(varied(great, rng), Tissue.VEIN, only=(Tissue.FAT, Tissue.MUSCLE))
    canvas.paint(varied(arch, rng), Tissue.ARTERY, only=(Tissue.FAT, Tissue.MUSCLE))


def _airway_y(z: float, behind: float = 0.0) -> float:
    return float(np.interp(z, AIRWAY_Z, AIRWAY_Y)) + behind


def _gullet(canvas: Canvas, rng: Rng) -> None:
    levels = np.arange(-240.0, -80.0, 12.0)
    shift = rng.uniform(0, 5)
    line = [(z, _airway_y(z, 14.5), shift * min(1, (-82 - z) / 20)) for z in levels]
    size = rng.uniform(0.9, 1.25)
    gullet = tube(line, 8.5 * size, rng.uniform(1.3, 1.8))
    canvas.paint(gullet.grown(2), Tissue.FAT, only=(Tissue.MUSCLE,))
    canvas.paint(gullet, Tissue.MUSCLE, organ=label("oesophagus"), spare=HARD)
    if rng.random() < 0.5:
        z = float(rng.uniform(-150, -100))
        canvas.paint(ellipsoid((z, _airway_y(z, 14.5), shift), (10, 2.2, 3)), Tissue.AIR, only=(Tissue.MUSCLE,))


def _thyroid_gland(canvas: Canvas, rng: Rng) -> None:
    size = float(np.exp(0.12 * np.clip(rng.standard_normal(), -2, 2)))
    parts = [ellipsoid((-94, 31.5, 0), (7, 3, 13))]
    for side in (1, -1):
        lobe = tube([(-72, 41, 17), (-88, 43, 17.5), (-106, 48, 17)], np.array([3.5, 9.0, 6.5]) * size, 1.25, (0, 0, 1))
        parts.append(varied(on_side(lobe, side), rng, 1.2, 0.06))
    canvas.paint(union(*parts), Tissue.THYROID, organ=label("thyroid_gland"), spare=(*HARD, Tissue.ARTERY))


def _trachea(canvas: Canvas, neck: Neck, rng: Rng) -> None:
    levels = np.array([-240.0, -180, -156, -140, -124, -116, -108, -100, -92, -82])
    y = np.array([_airway_y(z) for z in levels])
    size = neck.larynx_scale * rng.uniform(0.92, 1.08)
    ry, rx = np.full(len(levels), 8.8 * size), np.full(len(levels), 8.4 * size)
    y[-1] += neck.larynx_shift_mm[1]
    lumen, wall = column(levels, y, ry, rx), column(levels, y, ry + 2.2, rx + 2.2)
    canvas.paint(wall.grown(2), Tissue.FAT, only=(Tissue.MUSCLE,))
    canvas.paint(wall, Tissue.MUCOSA, subsite=subsite("tracheal_cartilages"))
    for z in np.arange(-180.0, -84.0, 5.0):
        ring = wall.within(box((z - 1.5, -50, -60), (z + 1.5, 120, 60)))
        canvas.paint(ring, Tissue.CARTILAGE, only=(Tissue.MUCOSA,))
    canvas.paint(lumen, Tissue.AIR, organ=label("trachea"))


def _straps(canvas: Canvas, neck: Neck, rng: Rng) -> None:
    """Muscles in front of larynx and thyroid gland."""
    soft = (Tissue.FAT, Tissue.MUSCLE)
    sternohyoid = tube([(-38, 4, 7), (-56, 9, 9), (-78, 18, 10), (-100, 26, 10), (-122, 32, 14)], [5, 7, 8, 8, 8], 2.6)
    sternothyroid = tube(
        [(-66, 22, 17), (-82, 29, 15), (-98, 33, 13), (-120, 40, 11)], [5, 7.5, 8, 7], 2.3, (0, 0.8, 0.6)
    )
    thyrohyoid = tube([(-38, 10, 14), (-48, 17, 15), (-62, 24, 17)], [4.5, 6, 5.5], 2.2, (0, 0.6, 0.8))
    for suffix, side in SIDES:
        for name, solid, thick in (
            ("sternothyroid", sternothyroid, 0.1),
            ("thyrohyoid", thyrohyoid, 0.1),
            ("", sternohyoid, 0.1),
        ):
            moved = (
                placed(neck, on_side(solid, side))
                if name == "thyrohyoid"
                else varied(on_side(solid, side), rng, 0.8, thick)
            )
            canvas.paint(moved.grown(1.2), Tissue.FAT, only=(Tissue.MUSCLE,)) if not name else None
            canvas.paint(moved, Tissue.MUSCLE, organ=label(f"{name}{suffix}") if name else 0, only=soft)
