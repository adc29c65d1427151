"""Where the mass is and how large: from the tumour outline, else from the predicted target region, and worded so."""

from __future__ import annotations

from hyoid.anatomy.structures import Side
from hyoid.anatomy.subsites import SUBSITE_BY_NAME
from hyoid.report.content.patches import Patch, distance_mm, region, shared_part, sides_of
from hyoid.report.content.scene import Scene
from hyoid.report.content.schema import Evidence, Line, ModelUse, Status
from hyoid.report.content.template import BY_KEY

_LEAST_SHARE = 0.05  # below it a structure only borders the mass
_NEAR_MM = 20.0
TARGET_WORDS = "predicted high-dose target region; includes margins, not a tumour measurement"

# Structures that stand for the site a tumour starts in; vessels, nodes, muscles and bones of the neck do not.
_SITES: dict[str, tuple[str, ...]] = {
    "Tongue": ("tongue",),
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
_MUCOSAL_REGIONS = ("Oral Cavity", "Oropharynx", "Larynx", "Glottis")
_MUCOSAL_FIELDS = ("pyriform_sinus", "post_cricoid_region")


def location_line(scene: Scene, tumour: tuple[Status, str], target_source: ModelUse | None) -> Line:
    """Primary location: the sub-site, else the organ, with the largest share of the mass; else the nearest organ.

    Parameters
    ----------
    scene : Scene
    tumour : (status, source) of the tumour outline
    target_source : ModelUse or None
    """
    row = BY_KEY["primary_location_of_the_mass"]
    line = Line(key=row.key, words=row.words, section=row.section)
    mass = scene.primary or scene.target
    if mass is None:
        return line
    where, share, note = _place(scene, mass)
    side, *other = sides_of(mass, scene.geometry, scene.midline_x_mm)
    sided = "both sides" if other else "midline" if side is Side.MIDLINE else f"{side.value} side"
    look = region(mass, scene.geometry)
    if scene.primary is not None:
        value = f"{where}, {sided}" if where else f"Site not determined, {sided}"
        evidence = Evidence(status=tumour[0], source=tumour[1], region=look, note=note)
        return line.model_copy(update={"value": value, "status": "measured", "evidence": (evidence,)})
    source = target_source.words if target_source else "target region"
    found = _found_words(where, share)
    value = f"Predicted high-dose target region, {found}, {sided}"
    evidence = Evidence(status="model", source=source, region=look, note=note)
    flags = ("A treatment target with margins, often around nodes as well; not a tumour outline",)
    return line.model_copy(update={"value": value, "status": "model", "evidence": (evidence,), "flags": flags})


def size_line(scene: Scene, tumour: tuple[Status, str], target_source: ModelUse | None) -> Line:
    """Size of the largest part of the mass: longest diameter and the three axes of the body, in cm.

    Parameters
    ----------
    scene : Scene
    tumour : (status, source) of the tumour outline
    target_source : ModelUse or None
    """
    row = BY_KEY["size_of_the_mass"]
    line = Line(key=row.key, words=row.words, section=row.section)
    if scene.primary is not None:
        parts = scene.masses["GTVp"]
        look = region(parts[0].patch, scene.geometry)
        value = (
            f"{cm(parts[0].row.longest_diameter_mm)} cm in longest dimension; "
            f"{axes_cm(look.box_mm)} cm (anteroposterior x transverse x craniocaudal)"
        )
        note = f"Volume {parts[0].row.volume_ml:.2f} ml; axial {cm(parts[0].row.axial_long_mm)} x "
        note += f"{cm(parts[0].row.axial_short_mm)} cm"
        cautions = [f"Outlined in {len(parts)} separate parts; the largest is measured"] if len(parts) > 1 else []
        if tumour[0] == "model":
            cautions.append("Measured on a predicted tumour outline")
        evidence = Evidence(status=tumour[0], source=tumour[1], region=look, note=note)
        return line.model_copy(
            update={"value": value, "status": "measured", "evidence": (evidence,), "flags": tuple(cautions)}
        )
    if scene.target is None:
        return line
    parts = scene.masses["target region"]
    part = parts[0]
    look = region(part.patch, scene.geometry)
    source = target_source.words if target_source else "target region"
    evidence = Evidence(status="model", source=source, region=look, note=f"Volume {part.row.volume_ml:.1f} ml")
    value = f"about {axes_cm(look.box_mm)} cm ({TARGET_WORDS})"
    flags = (f"Predicted in {len(parts)} separate parts; the largest is measured",) if len(parts) > 1 else ()
    return line.model_copy(update={"value": value, "status": "model", "evidence": (evidence,), "flags": flags})


def cm(length_mm: float) -> str:
    """Centimetres with one decimal, as reports give them.

    Examples
    --------
    >>> cm(23.6)
    '2.4'
    """
    return f"{length_mm / 10:.1f}"


def axes_cm(box_mm: tuple[float, float, float]) -> str:
    """Anteroposterior x transverse x craniocaudal in cm, from the extents along x, y, z in mm.

    Examples
    --------
    >>> axes_cm((40.0, 61.0, 52.0))
    '6.1 x 4.0 x 5.2'
    """
    return f"{cm(box_mm[1])} x {cm(box_mm[0])} x {cm(box_mm[2])}"


def _found_words(where: str, share: float | None) -> str:
    if not where:
        return "site not determined"
    # 6 % in the mandible is not a mandibular site: the reader sees how much it is.
    return where.lower() if share is None else f"largest share in: {where.lower()} ({100 * share:.0f} %)"


def _place(scene: Scene, mass: Patch) -> tuple[str, float | None, str]:
    """Words for the site of the mass, the share of it there, and why; empty words when nothing outlined is near."""
    for shares in (_subsite_shares(scene, mass), _organ_shares(scene, mass)):
        if shares and shares[0][1] >= _LEAST_SHARE:
            listed = ", ".join(f"{words} {100 * share:.0f} %" for words, share in shares if share >= _LEAST_SHARE)
            return *shares[0], f"Share of the mass: {listed}"
        if shares:
            words = shares[0][0]
            return f"Next to: {words.lower()}", None, f"No structure holds 5 % of the mass; the most is held by {words}"
    nearest = sorted(
        (distance_mm(mass, scene.organs[name], scene.geometry), words)
        for words, names in _SITES.items()
        for name in names
        if name in scene.organs
    )
    if nearest and nearest[0][0] <= _NEAR_MM:
        gap, words = nearest[0]
        return f"Next to: {words.lower()}", None, f"No structure holds 5 % of the mass; nearest {words}, {gap:.0f} mm"
    return "", None, "No structure holds 5 % of the mass, and none that could be its site is within 20 mm"


def _subsite_shares(scene: Scene, mass: Patch) -> list[tuple[str, float]]:
    shares: dict[str, float] = {}
    for name, patch in scene.subsites.items():
        row = SUBSITE_BY_NAME[name]
        if row.region in _MUCOSAL_REGIONS or row.field in _MUCOSAL_FIELDS:
            field = BY_KEY[row.field]
            site = "Larynx" if row.region == "Glottis" else row.region
            words = field.words.partition(" (")[0]
            words = words if row.field in _MUCOSAL_FIELDS else f"{words} ({site.lower()})"
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
