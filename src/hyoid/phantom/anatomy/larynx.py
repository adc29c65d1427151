"""Larynx, hyoid bone and hypopharynx.

Levels in the common frame (mean of the real scans): hyoid bone -35, vocal cords -62, lower edge of the cricoid -84.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hyoid.phantom.anatomy.canvas import HARD, Canvas, Tissue
from hyoid.phantom.anatomy.head import SIDES, Rng, label, on_side, subsite
from hyoid.phantom.anatomy.solids import Array, Solid, box, column, ellipsoid, tube, union

_CENTRE = (-62.0, 33.0, 0.0)
# Airway from cricoid to hyoid bone: level, half width (at the cords times the gap), half depth, centre.
_LEVELS = (-86, -78, -70, -66, -63, -61, -58, -54, -48, -40, -34)
_HALF_X = (8.2, 8.0, 6.5, 4.2, 1.8, 2.4, 4.0, 5.5, 8.0, 9.0, 9.0)
_HALF_Y = (8.6, 9.0, 9.5, 10.0, 10.0, 10.0, 9.0, 9.0, 9.0, 8.0, 7.0)
_MIDDLE_Y = (37.5, 36.0, 34.0, 32.0, 31.0, 31.0, 31.0, 32.0, 33.0, 34.0, 34.0)
# Levels between which the wall of the airway is each sub-site, and how far it reaches sideways, mm.
_WALLS = {
    "subglottis": (-82, -66, 3.0), "true_vocal_cords": (-66.5, -60, 8.0), "false_cords": (-60, -54, 8.0),
    "vestibule": (-54, -40, 3.0),
}  # fmt: skip


@dataclass(frozen=True)
class Neck:
    """Choices that belong to one patient.

    Parameters
    ----------
    larynx_scale : float
        1 for the mean of all adults; women about 0.91, men about 1.02.
    larynx_shift_mm : tuple of float
        (z, y, x) beyond what the pose says.
    cord_gap : float
        Half width of the glottis over its width in quiet breathing.
    """

    larynx_scale: float
    larynx_shift_mm: tuple[float, float, float]
    cord_gap: float


def draw_neck(rng: Rng, female: bool) -> Neck:
    """Draw size and place of a patient's larynx."""
    scale = float(np.clip(rng.normal(0.91 if female else 1.02, 0.05), 0.8, 1.18))
    z, y, x = np.clip(rng.standard_normal(3), -2, 2) * (2.5, 2.0, 1.0)
    return Neck(scale, (float(z), float(y), float(x)), float(rng.uniform(0.4, 1.3)))


def placed(neck: Neck, solid: Solid) -> Solid:
    """Scale and move a part of the larynx as a patient has it."""
    return solid.moved(_CENTRE, neck.larynx_scale, neck.larynx_shift_mm)


def paint_larynx(canvas: Canvas, neck: Neck, rng: Rng) -> None:
    """Paint hypopharynx, larynx, valleculae and hyoid bone; their neighbours must be painted already."""
    _pharynx_behind_larynx(canvas, neck, rng)
    # Mean outline of the contours of larynges in the real scans: from below the cords to below the hyoid bone.
    outline = column(
        [-81, -76, -70, -62, -54, -47, -43], [36, 34.5, 33.5, 31, 30, 30, 31], [8.5, 12, 14, 15, 14.5, 12, 8],
        [9, 12, 13, 14.5, 15.5, 15, 11],
    )  # fmt: skip
    _stroke(canvas, neck, outline, Tissue.MUCOSA, "larynx")
    _soft_parts(canvas, neck)
    _cartilages(canvas, neck)
    _air(canvas, neck)
    leaf = tube([(-60, 19, 0), (-46, 25, 0), (-31, 25, 0)], [3, 8, 9], 4.2, (0.3, 0.95, 0))
    _stroke(canvas, neck, leaf, Tissue.MUCOSA, "larynx", "epiglottis")
    canvas.clear_organ(label("larynx"), outside=placed(neck, outline))
    # Contours of the larynx (and their air) end a little above the outline; what is above is the throat's.
    for (low, high), name in (((-120.0, -41.0), "oropharynx"), ((-83.0, 20.0), "trachea")):
        levels = box((low, -20, -50), (high, 100, 50))
        canvas.clear_organ(label("larynx_air"), outside=placed(neck, levels), becomes=label(name))
    _hyoid_bone(canvas, neck, rng)


def _pharynx_behind_larynx(canvas: Canvas, neck: Neck, rng: Rng) -> None:
    body = column(
        [-88, -80, -66, -50, -40, -30], [46, 47, 45, 43, 42, 41], [6, 6.5, 9, 10, 10, 9], [12, 15, 20, 21, 19, 16]
    )
    canvas.paint(placed(neck, body), Tissue.MUCOSA, organ=label("hypopharynx"), spare=(*HARD, Tissue.ARTERY))
    air = column([-56, -48, -40, -28], [44, 43, 41, 38], [1.5, 5, 7.5, 9], [4, 9, 12, 12.0])
    canvas.paint(placed(neck, air), Tissue.AIR, organ=label("hypopharynx"), spare=HARD)
    behind_cricoid = box((-86, 44, -13), (-62, 56, 13))
    canvas.paint(placed(neck, body.within(behind_cricoid)), None, subsite=subsite("post_cricoid_region"), spare=HARD)
    for suffix, side in SIDES:
        sinus = tube([(-40, 41, 15), (-56, 41, 16), (-68, 40, 13)], [5.5, 5, 2.5], 1.2, (0, 0, 1))
        canvas.paint(
            placed(neck, on_side(sinus.grown(1.5), side)), Tissue.MUCOSA, organ=label("hypopharynx"),
            subsite=subsite(f"pyriform_sinus{suffix}"), spare=HARD,
        )  # fmt: skip
        opening = rng.uniform(-3.5, -0.2)
        canvas.paint(placed(neck, on_side(sinus.grown(opening), side)), Tissue.AIR, organ=label("hypopharynx"))


def _stroke(
    canvas: Canvas, neck: Neck, solid: Solid, tissue: Tissue | None, organ: str, site: str = "",
    spare: tuple[Tissue, ...] = HARD,
) -> None:  # fmt: skip
    """Paint a part of the larynx by the names of organ and sub-site."""
    canvas.paint(placed(neck, solid), tissue, organ=label(organ), subsite=subsite(site) if site else 0, spare=spare)


def _soft_parts(canvas: Canvas, neck: Neck) -> None:
    """Spaces filled with fat, cords, folds, commissures."""
    _stroke(canvas, neck, ellipsoid((-47, 19, 0), (11, 6, 11)), Tissue.FAT, "larynx", "preepiglottic_space")
    for _, side in SIDES:
        space = on_side(ellipsoid((-58, 26, 12), (9, 9, 3.2)), side)
        _stroke(canvas, neck, space, Tissue.FAT, "larynx", "paraglottic_space")
    half_x, half_y = np.array(_HALF_X), np.array(_HALF_Y)
    for name, (low, high, reach) in _WALLS.items():
        wall = column(_LEVELS, _MIDDLE_Y, half_y + 1.5, half_x + reach).within(box((low, 0, -30), (high, 70, 30)))
        _stroke(canvas, neck, wall, Tissue.MUCOSA, "larynx", name)
    front, back = ellipsoid((-63, 20, 0), (3.5, 3, 3.5)), ellipsoid((-62, 42, 0), (4, 2.5, 4))
    _stroke(canvas, neck, front, Tissue.MUCOSA, "larynx", "anterior_commissure")
    _stroke(canvas, neck, back, Tissue.MUCOSA, "larynx", "posterior_commissure")
    fold = tube([(-38, 28, 9), (-46, 35, 10), (-57, 42, 7)], [4, 4.5, 4], 1.4, (0, 0, 1))
    arytenoid = ellipsoid((-61, 40.5, 5.5), (5, 3.2, 3))
    for _, side in SIDES:
        _stroke(canvas, neck, on_side(fold, side), Tissue.MUCOSA, "larynx", "aryepiglottic_folds")
        _stroke(canvas, neck, on_side(arytenoid, side), Tissue.CARTILAGE, "larynx", "arytenoid_cartilages")


def _cartilages(canvas: Canvas, neck: Neck) -> None:
    """Signet ring of the cricoid, low in front and high behind, and both plates of the thyroid cartilage."""
    outer = column([-86, -79, -70, -66], [37, 37, 38, 40], [12.5, 12.8, 12, 9], [12.2, 12.6, 12, 9])
    inner = column([-88, -79, -70, -64], [36.5, 36.2, 35, 34.5], [8.8, 9, 9.5, 10], [8.4, 8.6, 8.6, 9])
    below_top = Solid(lambda z, y, x: -80 + np.maximum(y - 26, 0) * np.float32(0.65) - z + 0 * x, outer.low, outer.high)
    _stroke(canvas, neck, outer.minus(inner).within(below_top), Tissue.CARTILAGE, "cricoid_cartilage")
    for _, side in SIDES:
        _stroke(canvas, neck, on_side(_lamina(), side), Tissue.CARTILAGE, "thyroid_cartilage", spare=())


def _air(canvas: Canvas, neck: Neck) -> None:
    """Lumen from the cricoid to the tip of the epiglottis."""
    half_x = np.array(_HALF_X)
    half_x[4:6] *= neck.cord_gap
    _stroke(canvas, neck, column(_LEVELS, _MIDDLE_Y, _HALF_Y, half_x), Tissue.AIR, "larynx_air")
    top = column([-50, -40, -31], [33, 35, 36], [9, 9, 8], [9, 10, 10])
    canvas.paint(placed(neck, top), Tissue.AIR, only=(Tissue.MUCOSA,), organ=label("larynx_air"))


def _hyoid_bone(canvas: Canvas, neck: Neck, rng: Rng) -> None:
    for _, side in SIDES:
        pocket = on_side(ellipsoid((-31, 19, 6), (5, 4, 5)), side)
        tissue = Tissue.AIR if rng.random() < 0.75 else Tissue.MUCOSA
        _stroke(canvas, neck, pocket.grown(1.5), None, "oropharynx", "valleculae", spare=(*HARD, Tissue.TONGUE))
        _stroke(canvas, neck, pocket, tissue, "oropharynx", "valleculae")
    bone = tube([(-35, 5, 0), (-35, 6.5, 9), (-34, 16, 17), (-32, 34, 21)], [4.0, 3.6, 2.6, 2.0])
    for _, side in SIDES:
        _stroke(canvas, neck, on_side(bone, side), Tissue.DENSE_BONE, "hyoid_bone", spare=())
        _stroke(canvas, neck, on_side(bone.grown(-1.7), side), Tissue.BONE, "hyoid_bone", spare=())


def _lamina() -> Solid:
    """Left plate of the thyroid cartilage with its horns: a sheet from the midline in front to behind."""
    a, b = np.array([14.0, 0.0], np.float32), np.array([41.5, 17.8], np.float32)
    length = np.float32(np.linalg.norm(b - a))
    along = (b - a) / length

    def depth(z: Array, y: Array, x: Array) -> Array:
        t = (y - a[0]) * along[0] + (x - a[1]) * along[1]
        off = (y - a[0]) * -along[1] + (x - a[1]) * along[0] - 3.0 * np.sin(np.pi * np.clip(t / length, 0, 1))
        top = -52 + 9 * np.clip(t / 10, 0, 1)
        bottom = -71 - 2 * np.clip(t / length, 0, 1)
        sheet = np.minimum(1.75 - np.abs(off), np.minimum(top - z, z - bottom))
        return np.minimum(sheet, np.minimum(t + 1.5, length - t)).astype(np.float32)

    sheet = Solid(depth, (-74, 10, -3), (-42, 46, 26))
    upper = tube([(-46, 41, 18.2), (-36, 43, 19)], [1.9, 1.5])
    lower = tube([(-70, 41, 17.6), (-79, 43, 15)], [2.1, 1.8])
    return union(sheet, upper, lower)
