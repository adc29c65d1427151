"""Larynx, hypopharynx and the soft parts of the neck, placed around the learned airway and spine.

Levels in the common frame (mean of the real scans): hyoid bone -35, vocal cords -62, lower edge of the cricoid -84.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hyoid.phantom.canvas import HARD, Canvas, Tissue
from hyoid.phantom.head import SIDES, Rng, label, on_side, subsite, varied
from hyoid.phantom.solids import Solid, box, column, ellipsoid, tube, union

# Centre line (z, y) of the airway below the vocal cords in the mean of the real scans.
AIRWAY_Z = (-240.0, -180.0, -156.0, -140.0, -124.0, -116.0, -108.0, -100.0, -92.0, -84.0)
AIRWAY_Y = (80.0, 75.0, 72.0, 69.0, 62.0, 56.5, 50.5, 45.0, 41.0, 37.5)
_LARYNX_CENTRE = (-62.0, 33.0, 0.0)


@dataclass(frozen=True)
class Neck:
    """Choices that belong to one patient.

    Parameters
    ----------
    larynx_scale : float
        1 for the mean of all adults; women about 0.9, men about 1.06.
    larynx_shift_mm : tuple of float
        (z, y, x) beyond what the pose says.
    cord_gap : float
        Half width of the glottis over its width in quiet breathing.
    """

    larynx_scale: float
    larynx_shift_mm: tuple[float, float, float]
    cord_gap: float


def draw_neck(rng: Rng, female: bool) -> Neck:
    """Size and place of the larynx."""
    scale = float(np.clip(rng.normal(0.91 if female else 1.06, 0.05), 0.8, 1.18))
    z, y, x = np.clip(rng.standard_normal(3), -2, 2) * (2.5, 2.0, 1.0)
    return Neck(scale, (float(z), float(y), float(x)), float(rng.uniform(0.4, 1.3)))


def paint_neck(canvas: Canvas, neck: Neck, rng: Rng) -> None:
    """Everything of the neck; the pharynx above the hyoid bone must be there already."""
    _vessels(canvas, rng)
    _gullet(canvas, rng)
    _thyroid_gland(canvas, rng)
    _trachea(canvas, neck, rng)
    _pharynx_behind_larynx(canvas, neck, rng)
    _larynx(canvas, neck, rng)
    _straps(canvas, neck, rng)


def _pair(
    canvas: Canvas, name: str, solid: Solid, tissue: Tissue, rng: Rng, mm: float = 1.0, size: float = 0.08
) -> None:
    for suffix, side in SIDES:
        organ = label(name + suffix) if name else 0
        canvas.paint(varied(on_side(solid, side), rng, mm, size), tissue, organ=organ, spare=HARD)


def paint_neck_muscles(canvas: Canvas, rng: Rng) -> None:
    """Muscles beside and behind the pharynx, and the fat around the vessels; glands come later."""
    line = [(20, 66, 55), (-10, 61, 53), (-40, 50, 45), (-66, 40, 36), (-92, 30, 24), (-118, 24, 12)]
    fascia = tube(line, [7, 13, 17, 17, 13, 8], 1.9, (0, 0.45, 0.9))
    for suffix, side in SIDES:
        del suffix
        sternomastoid = varied(on_side(fascia, side), rng, 1.2, 0.08)
        canvas.paint(sternomastoid.grown(2.0), Tissue.FAT, only=(Tissue.MUSCLE,))
        canvas.paint(sternomastoid, Tissue.MUSCLE, spare=HARD)
    sheath = tube([(18, 55, 28), (-20, 52, 31), (-60, 49, 31), (-100, 45, 25)], [8, 10, 11, 9])
    _pair(canvas, "", sheath, Tissue.FAT, rng)
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
    size = rng.uniform(0.85, 1.15)
    gullet = tube(line, 8.5 * size, rng.uniform(1.3, 1.8))
    canvas.paint(gullet.grown(2), Tissue.FAT, only=(Tissue.MUSCLE,))
    canvas.paint(gullet, Tissue.MUCOSA, organ=label("oesophagus"), spare=HARD)
    if rng.random() < 0.4:
        z = float(rng.uniform(-150, -100))
        canvas.paint(ellipsoid((z, _airway_y(z, 14.5), shift), (10, 2.2, 3)), Tissue.AIR, only=(Tissue.MUCOSA,))


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


def _placed(neck: Neck, solid: Solid) -> Solid:
    return solid.moved(_LARYNX_CENTRE, neck.larynx_scale, neck.larynx_shift_mm)


def _pharynx_behind_larynx(canvas: Canvas, neck: Neck, rng: Rng) -> None:
    body = column(
        [-88, -80, -66, -50, -40, -30], [46, 47, 45, 43, 42, 41], [6, 6.5, 9, 10, 10, 9], [12, 15, 20, 21, 19, 16]
    )
    canvas.paint(_placed(neck, body), Tissue.MUCOSA, organ=label("hypopharynx"), spare=(*HARD, Tissue.ARTERY))
    air = column([-56, -48, -40, -28], [44, 43, 41, 38], [1.5, 5, 7.5, 9], [4, 9, 12, 12.0])
    canvas.paint(_placed(neck, air), Tissue.AIR, organ=label("hypopharynx"), spare=HARD)
    behind_cricoid = box((-86, 44, -13), (-62, 56, 13))
    canvas.paint(_placed(neck, body.within(behind_cricoid)), None, subsite=subsite("post_cricoid_region"), spare=HARD)
    for suffix, side in SIDES:
        sinus = tube([(-40, 41, 15), (-56, 41, 16), (-68, 40, 13)], [5.5, 5, 2.5], 1.2, (0, 0, 1))
        canvas.paint(
            _placed(neck, on_side(sinus.grown(1.5), side)), Tissue.MUCOSA, organ=label("hypopharynx"),
            subsite=subsite(f"pyriform_sinus{suffix}"), spare=HARD,
        )  # fmt: skip
        opening = rng.uniform(-3.5, -0.2)
        canvas.paint(_placed(neck, on_side(sinus.grown(opening), side)), Tissue.AIR, organ=label("hypopharynx"))


def _larynx(canvas: Canvas, neck: Neck, rng: Rng) -> None:
    gap = neck.cord_gap

    def paint(
        solid: Solid, tissue: Tissue | None, organ: int = 0, name: str = "", spare: tuple[Tissue, ...] = HARD
    ) -> None:
        canvas.paint(_placed(neck, solid), tissue, organ=organ, subsite=subsite(name) if name else 0, spare=spare)

    envelope = column(
        [-84, -76, -62, -50, -44, -36], [36, 34.5, 30, 30, 29, 28], [13, 14, 18, 17, 14, 9], [13, 16, 20, 18, 14, 10]
    )
    paint(envelope, Tissue.MUCOSA, label("larynx"))
    paint(ellipsoid((-47, 19, 0), (11, 6, 11)), Tissue.FAT, label("larynx"), "preepiglottic_space")
    for _, side in SIDES:
        paint(on_side(ellipsoid((-58, 26, 12), (9, 9, 3.2)), side), Tissue.FAT, label("larynx"), "paraglottic_space")
    fold = tube([(-38, 28, 9), (-46, 35, 10), (-57, 42, 7)], [4, 4.5, 4], 1.4, (0, 0, 1))
    levels = [-86, -78, -70, -66, -63, -61, -58, -54, -48, -40, -34]
    width = np.array([8.2, 8, 6.5, 4.2, 1.8 * gap, 2.4 * gap, 4.0, 5.5, 8.0, 9.0, 9.0])
    deep = np.array([8.6, 9, 9.5, 10, 10, 10, 9.0, 9.0, 9.0, 8.0, 7.0])
    middle = np.array([37.5, 36, 34, 32, 31, 31, 31, 32, 33, 34, 34])
    air = column(levels, middle, deep, width)
    walls = {
        "subglottis": (-82, -66), "true_vocal_cords": (-66.5, -60), "false_cords": (-60, -54), "vestibule": (-54, -40),
    }  # fmt: skip
    for name, (low, high) in walls.items():
        reach = 3.0 if name in ("subglottis", "vestibule") else 8.0
        wall = column(levels, middle, deep + 1.5, width + reach).within(box((low, 0, -30), (high, 70, 30)))
        paint(wall, Tissue.MUCOSA, label("larynx"), name)
    paint(ellipsoid((-63, 20, 0), (3.5, 3, 3.5)), Tissue.MUCOSA, label("larynx"), "anterior_commissure")
    paint(ellipsoid((-62, 42, 0), (4, 2.5, 4)), Tissue.MUCOSA, label("larynx"), "posterior_commissure")
    for _, side in SIDES:
        paint(on_side(fold, side), Tissue.MUCOSA, label("larynx"), "aryepiglottic_folds")
        paint(
            on_side(ellipsoid((-61, 40.5, 5.5), (5, 3.2, 3)), side),
            Tissue.CARTILAGE,
            label("larynx"),
            "arytenoid_cartilages",
        )
    ring_out = column([-86, -79, -70, -66], [37, 37, 38, 40], [12.5, 12.8, 12, 9], [12.2, 12.6, 12, 9])
    ring_in = column([-88, -79, -70, -64], [36.5, 36.2, 35, 34.5], [8.8, 9, 9.5, 10], [8.4, 8.6, 8.6, 9])
    slope = Solid(
        lambda z, y, x: (np.float32(-80) + np.maximum(y - 26, 0) * np.float32(0.65) - z) + 0 * x,
        ring_out.low,
        ring_out.high,
    )
    paint(ring_out.minus(ring_in).within(slope), Tissue.CARTILAGE, label("cricoid_cartilage"))
    for _, side in SIDES:
        plate = _lamina()
        paint(on_side(plate, side), Tissue.CARTILAGE, label("thyroid_cartilage"), spare=())
    paint(air, Tissue.AIR, label("larynx_air"), spare=HARD)
    top = column([-50, -40, -31], [33, 35, 36], [9, 9, 8], [9, 10, 10])
    canvas.paint(_placed(neck, top), Tissue.AIR, only=(Tissue.MUCOSA,), organ=label("larynx_air"))
    leaf = tube([(-60, 19, 0), (-46, 25, 0), (-31, 25, 0)], [3, 8, 9], 4.2, (0.3, 0.95, 0))
    paint(leaf, Tissue.MUCOSA, label("larynx"), "epiglottis", spare=())
    for _, side in SIDES:
        pocket = on_side(ellipsoid((-31, 19, 6), (5, 4, 5)), side)
        tissue = Tissue.AIR if rng.random() < 0.75 else Tissue.MUCOSA
        paint(pocket.grown(1.5), None, label("oropharynx"), "valleculae", spare=(*HARD, Tissue.TONGUE))
        paint(pocket, tissue, label("oropharynx"), "valleculae")
    hyoid = tube([(-35, 5, 0), (-35, 6.5, 9), (-34, 16, 17), (-32, 34, 21)], [4.0, 3.6, 2.6, 2.0])
    for _, side in SIDES:
        paint(on_side(hyoid, side), Tissue.DENSE_BONE, label("hyoid_bone"), spare=())
        paint(on_side(hyoid.grown(-1.7), side), Tissue.BONE, spare=())


def _lamina() -> Solid:
    """Left plate of the thyroid cartilage with its horns: a sheet from the midline in front to behind."""
    a, b = np.array([13.5, 0.0], np.float32), np.array([43.0, 20.0], np.float32)
    length = np.float32(np.linalg.norm(b - a))
    along = (b - a) / length

    def depth(z, y, x):  # type: ignore[no-untyped-def]
        t = (y - a[0]) * along[0] + (x - a[1]) * along[1]
        off = (y - a[0]) * -along[1] + (x - a[1]) * along[0] - 3.0 * np.sin(np.pi * np.clip(t / length, 0, 1))
        top = -52 + 9 * np.clip(t / 10, 0, 1)
        bottom = -71 - 2 * np.clip(t / length, 0, 1)
        sheet = np.minimum(1.9 - np.abs(off), np.minimum(top - z, z - bottom))
        return np.minimum(sheet, np.minimum(t + 1.5, length - t)).astype(np.float32)

    sheet = Solid(depth, (-74, 10, -3), (-42, 46, 26))
    upper = tube([(-46, 42, 19.5), (-36, 44, 20)], [2.0, 1.5])
    lower = tube([(-70, 42, 19), (-79, 43, 16)], [2.2, 1.8])
    return union(sheet, upper, lower)


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
                _placed(neck, on_side(solid, side))
                if name == "thyrohyoid"
                else varied(on_side(solid, side), rng, 0.8, thick)
            )
            canvas.paint(moved.grown(1.2), Tissue.FAT, only=(Tissue.MUSCLE,)) if not name else None
            canvas.paint(moved, Tissue.MUSCLE, organ=label(f"{name}{suffix}") if name else 0, only=soft)
