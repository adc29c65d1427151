"""Where the index lesion is and how large, and every further focus on its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hyoid.anatomy.structures import Side
from hyoid.anatomy.subsites import SUBSITE_BY_NAME
from hyoid.report.content.involvement import MUCOSA, MUCOSAL_FIELDS, NO_OUTLINE, NO_PRIMARY, Sources
from hyoid.report.content.patches import (
    Patch,
    distance_mm,
    extremes_lps_mm,
    places_lps_mm,
    region,
    shared_part,
    sides_of,
)
from hyoid.report.content.scale import measured_status
from hyoid.report.content.scene import Scene
from hyoid.report.content.schema import NOT_ASSESSED, Evidence, Lesion, Line, unanswered_line
from hyoid.report.content.template import BY_KEY, UPTAKE

HOW_TO_OUTLINE = (
    "To have a tumour reported, outline it: click on it (hyoid serve, hyoid lesion), give a reader's masks "
    "(--reader-masks), or a PET/CT (hyoid petct)."
)
ON_A_MODELS_OUTLINE = "Measured on a network's outline that no reader confirmed"
ORGAN_ONLY = "The organ outline that holds most of the lesion; sub-sites are not outlined"
PHYSIOLOGICAL = "May be physiological uptake, as of tonsils and tongue base: look there"
NOT_RAISED = "Uptake not raised (SUVmax below 2.5): perhaps an error of the network"
# Blood pool and muscle stay below; the same number is a usual threshold of malignant uptake.
RAISED_SUV = 2.5
_LEAST_SHARE = 0.05  # below it a structure only borders the mass
_SECOND_SHARE = 0.1  # of the mass; a site that holds less is not named beside the one that holds most
_NEAR_MM = 20.0

TONGUE, TONGUE_OR_FLOOR = "Tongue", "Tongue or floor of the mouth"
# Lined by mucosa, where tumours start: of a mass that none of these holds half of, the two that hold most are named.
_LINED = ("Tongue", "Oropharynx", "Hypopharynx", "Larynx")
# Structures that stand for the site a tumour starts in; vessels, nodes, muscles and bones of the neck do not.
_SITES: dict[str, tuple[str, ...]] = {
    TONGUE: ("tongue",),
    "Oropharynx": ("oropharynx",),
    "Hypopharynx": ("hypopharynx",),
    "Larynx": ("larynx", "larynx_air", "thyroid_cartilage", "cricoid_cartilage"),
    "Trachea": ("trachea",),
    "Esophagus": ("oesophagus",),
    "Thyroid gland": ("thyroid_gland",),
    "Parotid gland": ("parotid_left", "parotid_right"),
    "Submandibular gland": ("submandibular_left", "submandibular_right"),
    "Mandible": ("mandible",),
}


def location_line(scene: Scene, sources: Sources) -> Line:
    """Write the location: the sub-site, else the organ, with most of the index lesion; else the nearest.

    Parameters
    ----------
    scene : Scene
        Organs and lesions on the canonical grid.
    sources : Sources
        Who stands behind the outlines.
    """
    line = unanswered_line("primary_location_of_the_mass")
    if scene.index is None:
        return line.model_copy(update={"value": _unknown(scene, sources)})
    mass = scene.index.patch
    where, note = place_of(scene, mass)
    sided = side_words(sides_of(mass, scene.geometry, scene.midline_x_mm))
    evidence = Evidence(status=sources.status, source=sources.tumour, region=region(mass, scene.geometry), note=note)
    return line.model_copy(
        update={
            "value": f"{where}, {sided}" if where else f"Site not determined, {sided}",
            "status": sources.against_organs,
            "evidence": (evidence,),
            "flags": () if scene.subsites or not where else (ORGAN_ONLY,),
        }
    )


def size_line(scene: Scene, sources: Sources) -> Line:
    """Write the size of the index lesion: longest diameter and the three axes of the body, in cm.

    Parameters
    ----------
    scene : Scene
        Organs and lesions on the canonical grid.
    sources : Sources
        Who stands behind the outlines.
    """
    line = unanswered_line("size_of_the_mass")
    if scene.index is None:
        return line.model_copy(update={"value": _unknown(scene, sources)})
    found = scene.index.row
    look = region(scene.index.patch, scene.geometry)
    value = (
        f"{cm(found.longest_diameter_mm)} cm in longest dimension; "
        f"{axes_cm(look.box_mm)} cm (anteroposterior x transverse x craniocaudal)"
    )
    note = f"Volume {found.volume_ml:.2f} ml; axial {cm(found.axial_long_mm)} x {cm(found.axial_short_mm)} cm"
    flags = (ON_A_MODELS_OUTLINE,) if sources.outlines == "model" else ()
    evidence = Evidence(status=sources.status, source=sources.tumour, region=look, note=note)
    return line.model_copy(
        update={
            "value": value,
            "status": measured_status(sources.outlines),
            "evidence": (evidence,),
            "flags": flags,
        }
    )


def foci_lines(scene: Scene, lesions: Sequence[Lesion], sources: Sources) -> tuple[Line, ...]:
    """Write one line for every further primary focus and every focus outside the neck; nothing is pooled.

    Parameters
    ----------
    scene : Scene
        Organs and lesions on the canonical grid.
    lesions : sequence of Lesion
        Lesions as the report lists them.
    sources : Sources
        Who stands behind the outlines.
    """
    rows = {lesion.name: lesion for lesion in lesions}
    lines = []
    for mass in (*scene.of("further focus"), *scene.of("focus outside the neck")):
        lesion = rows[mass.name]
        told = [f"{cm(lesion.longest_diameter_mm)} cm", f"{lesion.volume_ml:.2f} ml"]
        if lesion.uptake is not None:
            told.append(f"SUVmax {lesion.uptake.suv_max:.1f}")
        if mass.role == "further focus" and scene.index is not None:
            gap = distance_mm(mass.patch, scene.index.patch, scene.geometry)
            told.append(f"{gap:.0f} mm from the primary tumour")
        where = mass.place or lesion.site or "site not determined"
        outlined = {"GTVp": "primary tumour", "GTVn": "node"}[mass.kind]
        note = f"Outlined as {outlined}" if mass.role == "focus outside the neck" else ""
        lines.append(
            Line(
                key=mass.name.lower().replace(" ", "_"),
                words=mass.name,
                section=UPTAKE,
                value=f"{where[0].upper()}{where[1:]}, {lesion.side}; {', '.join(told)}",
                status=measured_status(sources.outlines),
                evidence=(
                    Evidence(
                        status=sources.status,
                        source=sources.tumour,
                        region=region(mass.patch, scene.geometry),
                        note=note,
                    ),
                ),
                flags=_cautions(lesion, sources),
            )
        )
    return tuple(lines)


def _cautions(lesion: Lesion, sources: Sources) -> tuple[str, ...]:
    outside = ("Not counted as primary tumour or node of the neck",) * (lesion.role == "focus outside the neck")
    if without_raised_uptake(lesion):
        return (*outside, NOT_RAISED)
    if not outside and sources.outlines == "model" and lesion.uptake is not None:
        return (PHYSIOLOGICAL,)
    return outside


def without_raised_uptake(lesion: Lesion) -> bool:
    """Tell whether a network outlined a focus whose uptake is that of blood or muscle.

    Parameters
    ----------
    lesion : Lesion
        Lesion of the report; without a PET nothing is said of its uptake.
    """
    return lesion.status == "model" and lesion.uptake is not None and lesion.uptake.suv_max < RAISED_SUV


def side_words(sides: Sequence[Side]) -> str:
    """Write a side as a location names it.

    Examples
    --------
    >>> side_words((Side.LEFT,)), side_words((Side.MIDLINE,)), side_words((Side.RIGHT, Side.LEFT))
    ('left side', 'midline', 'both sides')
    """
    first, *other = sides
    return "both sides" if other else "midline" if first is Side.MIDLINE else f"{first.value} side"


def cm(length_mm: float) -> str:
    """Write a length in centimetres with one decimal, as reports do.

    Examples
    --------
    >>> cm(23.6)
    '2.4'
    """
    return f"{length_mm / 10:.1f}"


def axes_cm(box_mm: tuple[float, float, float]) -> str:
    """Write anteroposterior x transverse x craniocaudal in cm, from the extents along x, y, z in mm.

    Examples
    --------
    >>> axes_cm((40.0, 61.0, 52.0))
    '6.1 x 4.0 x 5.2'
    """
    return f"{cm(box_mm[1])} x {cm(box_mm[0])} x {cm(box_mm[2])}"


def place_of(scene: Scene, mass: Patch) -> tuple[str, str]:
    """Name the site of a mass, and why; empty words when nothing outlined is near.

    Parameters
    ----------
    scene : Scene
        Sub-sites and organs on the canonical grid.
    mass : Patch
        Outline of the mass.
    """
    for shares in (_subsite_shares(scene, mass), _organ_shares(scene, mass)):
        if shares and shares[0][1] >= _LEAST_SHARE:
            listed = ", ".join(f"{words} {100 * share:.0f} %" for words, share in shares if share >= _LEAST_SHARE)
            where = TONGUE_OR_FLOOR if shares[0][0] == TONGUE and _over_the_floor(scene, mass) else shares[0][0]
            second = next((row for row in shares[1:] if row[0] in _LINED), None)
            least = max(_SECOND_SHARE, shares[0][1] / 4)
            if where in _LINED and second is not None and shares[0][1] < 0.5 and second[1] >= least:
                where = f"{where} and {second[0].lower()}"
            return where, f"Share of the mass: {listed}"
        if shares:
            words = shares[0][0]
            return f"Next to: {words.lower()}", f"No structure holds 5 % of the mass; the most is held by {words}"
    nearest = sorted(
        (distance_mm(mass, scene.organs[name], scene.geometry), words)
        for words, names in _SITES.items()
        for name in names
        if name in scene.organs
    )
    if nearest and nearest[0][0] <= _NEAR_MM:
        gap, words = nearest[0]
        return f"Next to: {words.lower()}", f"No structure holds 5 % of the mass; nearest {words}, {gap:.0f} mm"
    return "", "No structure holds 5 % of the mass, and none that could be its site is within 20 mm"


def _over_the_floor(scene: Scene, mass: Patch) -> bool:
    """Whether most of a mass lies in the lower half of the outlined tongue, over the floor of the mouth, not behind it.

    The posterior third of the tongue is its base, under which there is no floor of the mouth.
    """
    low, high = extremes_lps_mm(scene.organs["tongue"], scene.geometry)
    _, y, z = np.median(places_lps_mm(mass, scene.geometry), axis=0)
    return bool(z <= (low[2] + high[2]) / 2 and y <= low[1] + (high[1] - low[1]) * 2 / 3)


def _unknown(scene: Scene, sources: Sources) -> str:
    if not sources.outlined:
        return NO_OUTLINE
    if any(m.kind == "GTVp" for m in scene.of("focus outside the neck")):
        return f"{NOT_ASSESSED}: the outlined primary tumour lies outside the neck"
    return NO_PRIMARY


def _subsite_shares(scene: Scene, mass: Patch) -> list[tuple[str, float]]:
    shares: dict[str, float] = {}
    for name, patch in scene.subsites.items():
        row = SUBSITE_BY_NAME[name]
        if row.region in MUCOSA or row.field in MUCOSAL_FIELDS:
            field = BY_KEY[row.field]
            site = "Larynx" if row.region == "Glottis" else row.region
            words = field.words.partition(" (")[0]
            words = words if row.field in MUCOSAL_FIELDS else f"{words} ({site.lower()})"
            shares[words] = shares.get(words, 0.0) + _share(patch, mass)
    return _ranked(shares)


def _organ_shares(scene: Scene, mass: Patch) -> list[tuple[str, float]]:
    return _ranked(
        {
            words: sum(_share(scene.organs[name], mass) for name in names if name in scene.organs)
            for words, names in _SITES.items()
        }
    )


def _share(structure: Patch, mass: Patch) -> float:
    overlap = shared_part(structure, mass)
    return overlap.voxels / mass.voxels if overlap else 0.0


def _ranked(shares: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(((words, share) for words, share in shares.items() if share > 0), key=lambda row: (-row[1], row[0]))
