"""Organs of head and mouth, placed around the learned mandible, glands, eyes and brain."""

from __future__ import annotations

import numpy as np

from hyoid.anatomy.structures import BY_NAME
from hyoid.anatomy.subsites import SUBSITE_BY_NAME
from hyoid.phantom.anatomy.canvas import HARD, Canvas, Tissue
from hyoid.phantom.anatomy.shape_model import Organ, ShapeModel
from hyoid.phantom.anatomy.solids import Solid, box, column, ellipsoid, from_organ, tube, union

Rng = np.random.Generator
SIDES = (("_left", 1), ("_right", -1))


def label(name: str) -> int:
    """Look up the label of a structure by name."""
    return BY_NAME[name].label


def subsite(name: str) -> int:
    """Look up the label of a sub-site by name."""
    return SUBSITE_BY_NAME[name].label


def varied(solid: Solid, rng: Rng, mm: float = 1.0, size: float = 0.06) -> Solid:
    """Vary size and place of a solid at random: `mm` and `size` are one standard deviation of shift and log size."""
    centre = (np.array(solid.low) + np.array(solid.high)) / 2
    scale = float(np.exp(size * np.clip(rng.standard_normal(), -2, 2)))
    return solid.moved(centre, scale, mm * np.clip(rng.standard_normal(3), -2, 2))


def on_side(solid: Solid, side: int) -> Solid:
    """Return a left solid as it is for the left side (1), mirrored for the right (-1)."""
    return solid if side > 0 else solid.mirrored()


def paint_head(canvas: Canvas, model: ShapeModel, organs: dict[str, Organ], rng: Rng) -> None:
    """Paint brain, cord, eyes, glands, chewing muscles, mandible, teeth, tongue and palate."""
    _nervous_system(canvas, model, organs, rng)
    _eyes(canvas, organs, rng)
    _muscles(canvas, rng)
    for suffix, _ in SIDES:
        parotid = from_organ(organs[f"parotid{suffix}"])
        canvas.paint(parotid, Tissue.PAROTID, organ=label(f"parotid{suffix}"), spare=HARD)
    _mouth(canvas, organs, rng)
    for suffix, _ in SIDES:
        gland = from_organ(organs[f"submandibular{suffix}"])
        canvas.paint(gland, Tissue.SUBMANDIBULAR, organ=label(f"submandibular{suffix}"), spare=HARD)
    mandible = from_organ(organs["mandible"])
    canvas.paint(mandible, Tissue.DENSE_BONE, organ=label("mandible"))
    canvas.paint(mandible.grown(-rng.uniform(1.8, 3.0)), Tissue.BONE)


def _nervous_system(canvas: Canvas, model: ShapeModel, organs: dict[str, Organ], rng: Rng) -> None:
    brain = from_organ(organs["brain"])
    canvas.paint(brain.grown(2.5), Tissue.FLUID, spare=HARD)
    canvas.paint(brain, Tissue.BRAIN, spare=HARD, subsite=subsite("intracranial"))
    stem = from_organ(organs["brainstem"])
    canvas.paint(stem.grown(3), Tissue.FLUID, spare=(Tissue.BRAIN,))
    levels = np.arange(-240.0, 36.0, 12.0)
    y = np.interp(levels, model.cord_z, model.cord_y)
    line = [(z, yy, 0.0) for z, yy in zip(levels, y, strict=True)]
    thick = rng.uniform(0.92, 1.2)
    canvas.paint(tube(line, 8.4 * thick, flat=1.3), Tissue.FLUID)
    canvas.paint(tube(line, 5.8 * thick, flat=1.25), Tissue.CORD, organ=label("spinal_cord"))
    canvas.paint(stem, Tissue.BRAIN, organ=label("brainstem"))


def _eyes(canvas: Canvas, organs: dict[str, Organ], rng: Rng) -> None:
    for suffix, side in SIDES:
        globe = from_organ(organs[f"orbit{suffix}"])
        z, y, x = organs[f"orbit{suffix}"].centre_mm
        cone = tube([(z, y + 2, x), (z - 2, y + 32, x - 9 * side)], [15, 5])
        nerve = tube([(z, y + 11, x - 2 * side), (z - 3, y + 36, x - 10 * side)], 2.0)
        canvas.paint(cone, Tissue.FAT, subsite=subsite(f"orbit{suffix}"), spare=(Tissue.BRAIN, Tissue.AIR))
        for dz, dx in ((8, 0), (-8, 0), (0, 8), (0, -8)):
            muscle = tube([(z + dz, y + 6, x + dx), (z - 2, y + 32, x - 9 * side)], 1.6)
            canvas.paint(muscle, Tissue.MUSCLE, only=(Tissue.FAT,))
        canvas.paint(nerve, Tissue.MUSCLE, only=(Tissue.FAT,))
        canvas.paint(globe, Tissue.EYE, subsite=subsite(f"orbit{suffix}"))
        canvas.paint(varied(ellipsoid((z, y - 8, x), (4.5, 2, 4.5)), rng, 0.5), Tissue.LENS)


def _muscles(canvas: Canvas, rng: Rng) -> None:
    """Chewing muscles and the fat between them."""
    for suffix, side in SIDES:
        spaces = varied(ellipsoid((14, 40, 25), (18, 8, 5.5)), rng)
        canvas.paint(on_side(spaces, side), Tissue.FAT, subsite=subsite(f"parapharyngeal_space{suffix}"), spare=HARD)
        masseter = varied(tube([(-18, 14, 47), (8, 18, 54), (36, 8, 55)], [8, 11, 7], 1.7, (0, 0, 1)), rng)
        canvas.paint(on_side(masseter, side), Tissue.MUSCLE, spare=HARD)
        medial = varied(tube([(-16, 24, 38), (8, 26, 34), (28, 22, 24)], [6, 9, 7], 1.7, (0, 0, 1)), rng)
        lateral = varied(tube([(34, 16, 24), (36, 34, 42)], [8, 6], 1.3, (0, 0, 1)), rng)
        for muscle in (medial, lateral):
            canvas.paint(
                on_side(muscle, side), Tissue.MUSCLE, subsite=subsite(f"pterygoid_muscles{suffix}"), spare=HARD
            )
    canvas.paint(box((28, 26, -46), (60, 74, 46)), None, subsite=subsite("skull_base"), only=(Tissue.BONE,))


def _mouth(canvas: Canvas, organs: dict[str, Organ], rng: Rng) -> None:
    """Tongue, floor of mouth, palate, lips, cheeks, teeth, and what air the mouth holds."""
    mandible = from_organ(organs["mandible"])
    mouth = union(ellipsoid((4, -8, 0), (22, 36, 25)), ellipsoid((-10, -4, 0), (14, 32, 24)))
    floor = ellipsoid((-15, -8, 0), (10, 28, 25))
    soft = (Tissue.FAT, Tissue.MUSCLE, Tissue.AIR)
    canvas.paint(mouth, Tissue.MUSCLE, only=soft)
    if rng.random() < 0.5:
        canvas.paint(varied(ellipsoid((22, -6, 0), (rng.uniform(1.5, 6), 26, 17)), rng), Tissue.AIR, only=soft)
    canvas.paint(floor, Tissue.MUSCLE, subsite=subsite("floor_of_mouth"), only=soft)
    for side in (1, -1):
        gland = varied(tube([(-12, -22, 9), (-14, 2, 20)], 5.0, 1.4, (0, 0, 1)), rng)
        canvas.paint(on_side(gland, side), Tissue.SUBMANDIBULAR, subsite=subsite("floor_of_mouth"), only=soft)
    for name, x in (("_left", 1), ("_right", -1)):
        cheek = on_side(tube([(6, -30, 33), (8, -8, 40), (10, 10, 42)], [5, 5, 4], 1.3, (0, 0, 1)), x)
        canvas.paint(cheek, None, subsite=subsite(f"buccal_mucosa_and_gingiva{name}"), only=soft)
        trigone = on_side(ellipsoid((10, 8, 31), (9, 6, 6)), x)
        canvas.paint(trigone, Tissue.MUCOSA, subsite=subsite(f"retromolar_trigone{name}"), only=soft)
    canvas.paint(ellipsoid((12, -48, 0), (12, 6, 22)), None, subsite=subsite("lip"), only=(*soft, Tissue.SKIN))
    tongue = varied(
        union(
            ellipsoid((6, -4, 0), (16, 30, 23)), ellipsoid((-8, 12, 0), (19, 14, 19)),
            ellipsoid((-11, -12, 0), (15, 21, 12)),
        ),
        rng, 1.2, 0.05,
    )  # fmt: skip
    tongue = tongue.minus(mandible)
    base = box((-40, 10, -40), (14, 60, 40))
    canvas.paint(tongue, Tissue.TONGUE, organ=label("tongue"), subsite=subsite("oral_tongue"), spare=HARD)
    canvas.paint(tongue.within(base), None, subsite=subsite("base_of_tongue"), spare=HARD)
    canvas.paint(
        tube([(4, -24, 0), (-14, -18, 0), (-18, 6, 0)], 2.0, 2.0, (0, 0, 1)), Tissue.FAT, only=(Tissue.TONGUE,)
    )
    _teeth(canvas, rng)


def _teeth(canvas: Canvas, rng: Rng) -> None:
    """Two arches; some patients have none, some have metal."""
    if rng.random() < 0.3:
        return
    metal = rng.random() < 0.5
    for z, narrow in ((11.0, 1.0), (20.0, 0.95)):
        for x in np.arange(-25.0, 26.0, 5.5):
            if rng.random() < 0.12:
                continue
            y = -38 + 0.062 * x * x
            tissue = Tissue.METAL if metal and abs(x) > 12 and rng.random() < 0.2 else Tissue.TOOTH
            canvas.paint(ellipsoid((z, y, x * narrow), (7, 3.6, 3.0)), tissue)
    canvas.paint(ellipsoid((27, -20, 0), (3.5, 20, 24)), Tissue.BONE, spare=(Tissue.AIR,))


def paint_pharynx(canvas: Canvas, rng: Rng) -> None:
    """Paint the oropharynx with palate and tonsils, from the palate to the hyoid bone."""
    wall = column([-30, -20, 0, 12, 19], [35, 35, 34.5, 34, 33], [11.5, 11, 10.5, 10.5, 9], [15, 15, 15, 15, 14])
    open_y, open_x = rng.uniform(0.35, 1.0), rng.uniform(0.5, 1.0)
    lumen = column(
        [-34, -20, 0, 12, 22], [36, 35.5, 35.5, 36, 34], np.array([9, 8.5, 7, 6, 7.0]) * open_y,
        np.array([12, 12, 10, 10, 11.0]) * open_x,
    )  # fmt: skip
    tongue_and_bone = (*HARD, Tissue.TONGUE)
    canvas.paint(wall, Tissue.MUCOSA, organ=label("oropharynx"), spare=tongue_and_bone)
    for suffix, side in SIDES:
        tonsil = varied(ellipsoid((4, 31, 15), (12, 8, 5.5)), rng, 0.8, 0.12)
        canvas.paint(
            on_side(tonsil, side), Tissue.LYMPHOID, organ=label("oropharynx"), subsite=subsite(f"tonsil{suffix}"),
            spare=HARD,
        )  # fmt: skip
    canvas.paint(ellipsoid((-12, 23, 0), (14, 4, 15)), Tissue.LYMPHOID, subsite=subsite("base_of_tongue"), spare=HARD)
    palate = tube([(25, 8, 0), (21, 22, 0), (8, 30, 0)], [11, 11, 5], 2.4, (0.55, 0.83, 0))
    canvas.paint(lumen, Tissue.AIR, organ=label("oropharynx"), spare=HARD)
    canvas.paint(varied(palate, rng, 1.0), Tissue.MUCOSA, subsite=subsite("soft_palate"), spare=HARD)
    cushion = (Tissue.FAT, Tissue.MUSCLE)
    canvas.paint(tube([(30, 30, 0), (36, 28, 0)], 9.0), Tissue.AIR, only=(*cushion, Tissue.MUCOSA))
