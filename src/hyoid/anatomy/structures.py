"""Structures that hyoid outlines: one row each, with label, words, code and colour.

Labels 1-21 are Appendix E of SGRNet (Gupta et al.); 22-28 are the organs at risk with real contours in OpenKBP;
29-30 are landmarks of nodal levels; 101-103 are targets. Codes are SNOMED CT where DICOM's own context groups or HL7's
map of TG-263 to SNOMED CT (CodeX Radiation Therapy, `TG263ToSNOMEDConceptMap`) hold one; otherwise a private code of
scheme `99HYOID`, because a guessed clinical code is worse than none.

Names for planning systems are those of AAPM TG-263 (Mayo et al., Int J Radiat Oncol Biol Phys 2018,
10.1016/j.ijrobp.2017.12.013). Sternothyroid and thyrohyoid muscles and the larynx's air, which its list lacks, are
named by its rules; `z` marks a structure that is not for dose evaluation.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from hyoid.characters import one_line


class Side(StrEnum):
    """The patient's side."""

    LEFT = "left"
    RIGHT = "right"
    MIDLINE = "midline"


@dataclass(frozen=True)
class Structure:
    """One outlined structure.

    Parameters
    ----------
    label : int
        Value in hyoid's label maps.
    name : str
        Key in manifests and files.
    words : str
        As a reader writes it.
    side : Side
        Left, right, or neither.
    rgb : tuple of int
        Overlay colour, 0-255.
    code : tuple of str
        (value, scheme, meaning) of the structure without its side.
    tg263 : str
        Name by AAPM TG-263, at most 16 characters; a foreign structure keeps its own name.
    """

    label: int
    name: str
    words: str
    side: Side
    rgb: tuple[int, int, int]
    code: tuple[str, str, str]
    tg263: str = ""


def _row(
    label: int, name: str, tg263: str, words: str, rgb: tuple[int, int, int], code: str, meaning: str
) -> Structure:
    side = Side.LEFT if name.endswith("_left") else Side.RIGHT if name.endswith("_right") else Side.MIDLINE
    scheme = "SCT" if code else "99HYOID"
    return Structure(label, name, words, side, rgb, (code or name.upper()[:16], scheme, meaning), tg263)


_STERNOMASTOID = "Sternocleidomastoid muscle"

STRUCTURES: tuple[Structure, ...] = (
    _row(1, "larynx_air", "Larynx_Air", "Larynx, air", (120, 190, 255), "", "Air of larynx"),
    _row(
        2, "thyroid_cartilage", "Cartlg_Thyroid", "Thyroid cartilage", (240, 210, 120), "52940008", "Thyroid cartilage"
    ),
    _row(3, "cricoid_cartilage", "Cricoid", "Cricoid cartilage", (220, 180, 90), "8600008", "Cricoid cartilage"),
    _row(4, "hyoid_bone", "Bone_Hyoid", "Hyoid bone", (250, 240, 200), "21387005", "Hyoid bone"),
    _row(5, "tongue", "Tongue", "Tongue", (225, 110, 110), "21974007", "Tongue"),
    _row(
        6, "digastric_left", "Musc_Digastric_L", "Digastric muscle, left", (170, 80, 70), "52410001", "Digastric muscle"
    ),
    _row(
        7,
        "digastric_right",
        "Musc_Digastric_R",
        "Digastric muscle, right",
        (190, 95, 80),
        "52410001",
        "Digastric muscle",
    ),
    _row(
        8,
        "sternothyroid_left",
        "Musc_Sternothy_L",
        "Sternothyroid muscle, left",
        (150, 70, 90),
        "",
        "Sternothyroid muscle",
    ),
    _row(
        9,
        "sternothyroid_right",
        "Musc_Sternothy_R",
        "Sternothyroid muscle, right",
        (170, 85, 105),
        "",
        "Sternothyroid muscle",
    ),
    _row(10, "thyrohyoid_left", "Musc_Thyrohyd_L", "Thyrohyoid muscle, left", (130, 60, 110), "", "Thyrohyoid muscle"),
    _row(
        11, "thyrohyoid_right", "Musc_Thyrohyd_R", "Thyrohyoid muscle, right", (150, 75, 125), "", "Thyrohyoid muscle"
    ),
    _row(
        12,
        "submandibular_left",
        "Glnd_Submand_L",
        "Submandibular gland, left",
        (90, 200, 160),
        "54019009",
        "Submandibular gland",
    ),
    _row(
        13,
        "submandibular_right",
        "Glnd_Submand_R",
        "Submandibular gland, right",
        (70, 180, 140),
        "54019009",
        "Submandibular gland",
    ),
    _row(14, "thyroid_gland", "Glnd_Thyroid", "Thyroid gland", (200, 120, 200), "69748006", "Thyroid"),
    _row(
        15,
        "carotid_left",
        "A_Carotid_L",
        "Internal carotid artery, left",
        (230, 40, 40),
        "86117002",
        "Internal carotid artery",
    ),
    _row(
        16,
        "carotid_right",
        "A_Carotid_R",
        "Internal carotid artery, right",
        (250, 70, 60),
        "86117002",
        "Internal carotid artery",
    ),
    _row(
        17,
        "jugular_left",
        "V_Jugular_Int_L",
        "Internal jugular vein, left",
        (60, 90, 230),
        "12123001",
        "Internal jugular vein",
    ),
    _row(
        18,
        "jugular_right",
        "V_Jugular_Int_R",
        "Internal jugular vein, right",
        (80, 110, 250),
        "12123001",
        "Internal jugular vein",
    ),
    _row(19, "trachea", "Trachea", "Trachea", (150, 220, 250), "44567001", "Trachea"),
    _row(20, "oropharynx", "Oropharynx", "Oropharynx", (250, 160, 90), "31389004", "Oropharyngeal structure"),
    _row(21, "hypopharynx", "Laryngl_Pharynx", "Hypopharynx", (230, 130, 60), "81502006", "Hypopharynx"),
    _row(22, "mandible", "Bone_Mandible", "Mandible", (235, 225, 170), "91609006", "Mandible"),
    _row(23, "parotid_left", "Parotid_L", "Parotid gland, left", (110, 220, 110), "45289007", "Parotid gland"),
    _row(24, "parotid_right", "Parotid_R", "Parotid gland, right", (80, 190, 80), "45289007", "Parotid gland"),
    _row(25, "brainstem", "Brainstem", "Brainstem", (180, 140, 230), "119238007", "Brain Stem"),
    _row(26, "spinal_cord", "SpinalCord", "Spinal cord", (240, 230, 70), "2748008", "Spinal cord"),
    _row(27, "oesophagus", "Esophagus", "Oesophagus", (200, 150, 100), "32849002", "Esophagus"),
    _row(28, "larynx", "Larynx", "Larynx", (255, 190, 140), "4596009", "Larynx"),
    _row(
        29,
        "sternocleidomastoid_left",
        "Musc_Sclmast_L",
        "Sternomastoid muscle, left",
        (140, 90, 60),
        "22823000",
        _STERNOMASTOID,
    ),
    _row(
        30,
        "sternocleidomastoid_right",
        "Musc_Sclmast_R",
        "Sternomastoid muscle, right",
        (160, 105, 75),
        "22823000",
        _STERNOMASTOID,
    ),
    _row(101, "gtvp", "GTVp", "Primary tumour (GTVp)", (255, 40, 160), "86049000", "Malignant neoplasm, primary"),
    _row(102, "gtvn", "GTVn", "Involved node (GTVn)", (255, 140, 0), "14799000", "Neoplasm, metastatic"),
    _row(
        103,
        "target_region",
        "zTargetRegion",
        "Predicted high-dose target region",
        (255, 80, 80),
        "",
        "Predicted high-dose target",
    ),
)

ORGANS = tuple(s for s in STRUCTURES if s.label < 100)
TARGETS = tuple(s for s in STRUCTURES if s.label >= 100)
BY_NAME = {s.name: s for s in STRUCTURES}
BY_LABEL = {s.label: s for s in STRUCTURES}

GTVP, GTVN, TARGET_REGION = (BY_NAME[name].label for name in ("gtvp", "gtvn", "target_region"))
PRIMARY, NODE = 1, 2
"""Values of GTVp and GTVn in a label map of targets, as the HECKTOR and HNTS-MRG challenges number them."""

# Contours of the larynx hold its air, not its cartilages; in a label map the air is painted over it.
INSIDE_LARYNX = ("larynx_air",)


def labels_of(name: str) -> tuple[int, ...]:
    """Find the labels under which a structure lies in a label map; the larynx includes what is painted over it.

    Examples
    --------
    >>> labels_of("mandible"), labels_of("larynx")
    ((22,), (28, 1))
    """
    return tuple(BY_NAME[n].label for n in ((name, *INSIDE_LARYNX) if name == "larynx" else (name,)))


def structure_mask(labels: NDArray, name: str) -> NDArray[np.bool_]:
    """Find where a structure is in a label map of any shape."""
    return np.isin(labels, labels_of(name))


def foreign_structure(label: int, name: str) -> Structure:
    """Make a row for a structure of somebody else's label map; take hyoid's own row, with that label, when it knows
    the name.

    Examples
    --------
    >>> foreign_structure(4, "parotid_left").words, foreign_structure(9, "GTVp").code
    ('Parotid gland, left', ('86049000', 'SCT', 'Malignant neoplasm, primary'))
    >>> foreign_structure(2, "femur_right").side.value, foreign_structure(2, "femur_right").code[1]
    ('right', '99HYOID')
    """
    if known := BY_NAME.get(name.lower()):
        return replace(known, label=label)
    name = one_line(name)[:64].rstrip() or f"label {label}"  # as DICOM takes names
    hue = (label * 0.618034) % 1.0  # golden ratio: neighbouring labels get distant hues
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.65, 0.95))
    words = name.replace("_", " ")
    return _row(label, name, name, words, (red, green, blue), "", words[:64])


def is_target(structure: Structure) -> bool:
    """Say whether a structure is a tumour, an involved node or a predicted target, by its code."""
    return structure.code in {target.code for target in TARGETS}


def is_tumour(structure: Structure) -> bool:
    """Say whether a structure is a primary tumour or an involved node, by its code."""
    return structure.code in {BY_NAME["gtvp"].code, BY_NAME["gtvn"].code}


TG263_NAMES = {s.name: s.tg263 for s in STRUCTURES}
HYOID_NAMES = {s.name: s.name for s in STRUCTURES}


def exported_name(structure: Structure, names: Mapping[str, str] | None) -> str:
    """Name under which a structure leaves hyoid.

    Parameters
    ----------
    structure : Structure
        A row of the table.
    names : mapping of str to str, or None
        Exported name by the structure's own name (`TG263_NAMES`, say); a name that it lacks stays, and without a
        mapping the structure's words are the name.

    Examples
    --------
    >>> exported_name(BY_NAME["parotid_left"], TG263_NAMES), exported_name(BY_NAME["parotid_left"], None)
    ('Parotid_L', 'Parotid gland, left')
    """
    return structure.words if names is None else names.get(structure.name, structure.name)


def opposite(name: str) -> str:
    """Name of the structure on the other side; midline structures are their own opposite.

    Examples
    --------
    >>> opposite("parotid_left"), opposite("mandible")
    ('parotid_right', 'mandible')
    """
    if name.endswith("_left"):
        return name[: -len("left")] + "right"
    if name.endswith("_right"):
        return name[: -len("right")] + "left"
    return name
