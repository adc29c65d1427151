"""Fifteen lesion types of head and neck: where they arise, how large they are, what they look like.

Shares of attributes are judgement from radiology textbooks, chosen so that every attribute varies within most types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hyoid.anatomy.lesion_attributes import ATTRIBUTES
from hyoid.phantom.disease.attributes import Attributes

Shares = Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class LesionType:
    """Type of lesion: where it arises and how it looks.

    Parameters
    ----------
    name, words : str
        Key of the type, and its name as a reader writes it.
    places : tuple of str
        Where it arises: `subsite:<name>`, `organ:<name>`, `node:<level>`, `tissue:<name>`, or `point:<z>,<y>,<x>` of
        the common frame (mm; mirrored to either side).
    diameter_mm : (low, high)
        Range of the longest extent.
    shares : mapping
        Share of each word of every attribute, in the order of `ATTRIBUTES`.
    offset_hu : dict of (low, high)
        Attenuation above muscle in this image, per density.
    suv, t2
        Median and spread of uptake; range of T2 signal (muscle 0.25).
    zero_shot : bool
        Reserved: never in training.
    target : {"gtvp", "gtvn"}
        Gross tumour volume that such a lesion belongs to: primary or node.
    cored : bool
        Has a core of fluid or necrosis within an enhancing rim, when heterogeneous or hypodense.
    in_bone : bool
        Whether the lesion may occupy bone as well as soft tissue.
    """

    name: str
    words: str
    places: tuple[str, ...]
    diameter_mm: tuple[float, float]
    shares: Shares
    offset_hu: Mapping[str, tuple[float, float]]
    suv: tuple[float, float] = (5.0, 0.5)
    t2: tuple[float, float] = (0.5, 0.95)
    zero_shot: bool = False
    target: str = "gtvp"
    cored: bool = False
    in_bone: bool = False


_SOLID = {"hypodense": (-45.0, -24.0), "isodense": (-7.0, 7.0), "hyperdense": (24.0, 60.0)}
_FLUID = {"hypodense": (-65.0, -30.0), "isodense": (-7.0, 7.0), "hyperdense": (24.0, 40.0)}
_FAT = {"hypodense": (-180.0, -130.0), "isodense": (-7.0, 7.0), "hyperdense": (24.0, 40.0)}
_BRIGHT = {"hypodense": (-40.0, -24.0), "isodense": (-7.0, 7.0), "hyperdense": (30.0, 110.0)}


def _shares(shape: str, invasion: float, density: str, heterogeneity: float, ill: float) -> Shares:
    """Shares from short forms: four, two, three, two, two numbers."""
    return {
        "shape": tuple(float(v) for v in shape.split()),
        "invasion": (1 - invasion, invasion),
        "density": tuple(float(v) for v in density.split()),
        "heterogeneity": (1 - heterogeneity, heterogeneity),
        "surface": (1 - ill, ill),
    }


def _sub(*names: str) -> tuple[str, ...]:
    return tuple(f"subsite:{name}" for name in names)


_NODES = tuple(f"node:{level}" for level in ("Ib", "IIa", "IIa", "IIb", "III", "IV", "Va", "Vb"))

_ROWS = (
    LesionType(
        "scc_oral", "squamous cell carcinoma of the oral cavity",
        _sub("oral_tongue", "floor_of_mouth", "buccal_mucosa_and_gingiva_left", "buccal_mucosa_and_gingiva_right",
             "retromolar_trigone_left", "retromolar_trigone_right", "lip"),
        (8, 50), _shares("0.25 0.45 0.1 0.2", 0.6, "0.15 0.35 0.5", 0.5, 0.6), _SOLID, (12, 0.5),
    ),
    LesionType(
        "scc_oropharynx", "squamous cell carcinoma of the oropharynx",
        _sub("tonsil_left", "tonsil_right", "base_of_tongue", "soft_palate", "valleculae"),
        (8, 50), _shares("0.3 0.4 0.15 0.15", 0.55, "0.15 0.35 0.5", 0.45, 0.5), _SOLID, (13, 0.5),
    ),
    LesionType(
        "scc_larynx", "squamous cell carcinoma of larynx or hypopharynx",
        _sub("epiglottis", "false_cords", "aryepiglottic_folds", "true_vocal_cords", "pyriform_sinus_left",
             "pyriform_sinus_right", "post_cricoid_region", "subglottis"),
        (7, 45), _shares("0.15 0.4 0.25 0.2", 0.75, "0.1 0.4 0.5", 0.4, 0.55), _SOLID, (11, 0.5),
    ),
    LesionType(
        "solid_node", "solid metastatic node", _NODES, (8, 35),
        _shares("0.6 0.15 0 0.25", 0.35, "0.1 0.5 0.4", 0.25, 0.3), _SOLID, (8.5, 0.55), target="gtvn",
    ),
    LesionType(
        "necrotic_node", "necrotic metastatic node", _NODES, (14, 45),
        _shares("0.6 0.4 0 0", 0.5, "0.9 0.1 0", 1.0, 0.5), _FLUID, (8, 0.5), target="gtvn", cored=True,
    ),
    LesionType(
        "cystic_node", "cystic metastatic node", ("node:IIa", "node:IIb", "node:III"), (14, 45),
        _shares("0.85 0.15 0 0", 0.35, "1 0 0", 0.1, 0.15), _FLUID, (4, 0.4), (0.9, 1.4), target="gtvn",
    ),
    LesionType(
        "salivary_tumour", "salivary gland tumour",
        ("organ:parotid_left", "organ:parotid_right", "organ:submandibular_left", "organ:submandibular_right"),
        (8, 40), _shares("0.6 0.25 0 0.15", 0.4, "0.15 0.45 0.4", 0.4, 0.35), _SOLID, (5, 0.6), (0.7, 1.2),
    ),
    LesionType(
        "thyroid_nodule", "thyroid nodule", ("organ:thyroid_gland",), (6, 32),
        _shares("0.65 0.15 0 0.2", 0.3, "0.6 0.25 0.15", 0.45, 0.3), _SOLID, (2.5, 0.7),
    ),
    LesionType(
        "abscess", "abscess",
        ("subsite:parapharyngeal_space_left", "subsite:parapharyngeal_space_right", "subsite:floor_of_mouth",
         "subsite:prevertebral_space", "node:IIa", "node:Va"),
        (12, 45), _shares("0.35 0.65 0 0", 0.65, "0.9 0.1 0", 0.4, 0.75), _FLUID, (6, 0.4), (0.9, 1.4), cored=True,
    ),
    LesionType(
        "branchial_cyst", "second branchial cleft cyst", ("point:-14,34,40", "point:-26,36,42"), (18, 50),
        _shares("0.95 0.05 0 0", 0.35, "1 0 0", 0.05, 0.05), _FLUID, (1.2, 0.3), (1.1, 1.5),
    ),
    LesionType(
        "thyroglossal_cyst", "thyroglossal duct cyst", ("point:-42,2,0", "point:-50,6,3", "point:-58,10,2"), (10, 32),
        _shares("0.9 0.05 0 0.05", 0.5, "0.95 0.05 0", 0.1, 0.1), _FLUID, (1.2, 0.3), (1.1, 1.5), zero_shot=True,
    ),
    LesionType(
        "lipoma", "lipoma", ("point:-60,84,58", "point:-40,92,40", "point:-70,60,58", "point:-20,80,60"), (15, 60),
        _shares("0.75 0.25 0 0", 0.1, "1 0 0", 0.1, 0.1), _FAT, (0.35, 0.2), (0.1, 0.2),
    ),
    LesionType(
        "haemangioma", "haemangioma",
        ("subsite:buccal_mucosa_and_gingiva_left", "subsite:buccal_mucosa_and_gingiva_right", "subsite:oral_tongue",
         "organ:parotid_left", "organ:parotid_right", "tissue:MUSCLE"),
        (8, 45), _shares("0.35 0.5 0 0.15", 0.45, "0 0.25 0.75", 0.55, 0.35), _BRIGHT, (1.6, 0.3), (1.0, 1.5),
    ),
    LesionType(
        "nerve_sheath_tumour", "nerve sheath tumour",
        ("point:-20,54,30", "point:-50,54,32", "subsite:parapharyngeal_space_left",
         "subsite:parapharyngeal_space_right"),
        (12, 45), _shares("0.85 0.15 0 0", 0.5, "0.35 0.3 0.35", 0.5, 0.05), _SOLID, (4, 0.4), (0.8, 1.2),
        zero_shot=True,
    ),
    LesionType(
        "bone_metastasis", "bone metastasis", ("tissue:BONE", "organ:mandible"), (8, 35),
        _shares("0.4 0.45 0 0.15", 1.0, "0.1 0.5 0.4", 0.4, 0.5), _SOLID, (7, 0.5), in_bone=True,
    ),
)  # fmt: skip

LESION_TYPES: dict[str, LesionType] = {row.name: row for row in _ROWS}


def draw_attributes(kind: LesionType, rng: np.random.Generator) -> Attributes:
    """Draw the attributes of a new lesion of a type."""
    words = {name: str(rng.choice(ATTRIBUTES[name], p=kind.shares[name])) for name in ATTRIBUTES}
    return Attributes(**words)


def kind_of_primary(region: str) -> str:
    """Name the type of a primary by the heading of its sub-site.

    Examples
    --------
    >>> kind_of_primary("Oral Cavity"), kind_of_primary("Glottis")
    ('scc_oral', 'scc_larynx')
    """
    return {"Oral Cavity": "scc_oral", "Oropharynx": "scc_oropharynx"}.get(region, "scc_larynx")
