"""T and N categories of head and neck cancers, 7th and 8th edition, as tables.

Sources: TNM Classification of Malignant Tumours, 7th edition (UICC 2009) and 8th edition (UICC 2017, with the
corrections of 2020), chapters lip and oral cavity, pharynx, larynx; clinical categories. Wording is ours. The tables
hold what imaging can support; categories that rest on examination alone (vocal cord mobility, depth of invasion on the
specimen) stand as criteria that stay unknown until a reader answers them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Edition(StrEnum):
    """Edition of the TNM classification."""

    SEVENTH = "7"
    EIGHTH = "8"


class Site(StrEnum):
    """Primary site with a table of its own."""

    ORAL_CAVITY = "oral cavity"
    OROPHARYNX_P16_NEGATIVE = "oropharynx, p16-negative"
    OROPHARYNX_P16_POSITIVE = "oropharynx, p16-positive"
    SUPRAGLOTTIS = "larynx, supraglottis"
    GLOTTIS = "larynx, glottis"
    SUBGLOTTIS = "larynx, subglottis"
    HYPOPHARYNX = "hypopharynx"
    NASOPHARYNX = "nasopharynx"


@dataclass(frozen=True)
class Category:
    """One row of a table.

    Parameters
    ----------
    name : str
        E.g. "T4a".
    any_of : tuple of tuple of str
        The category is reached when every criterion of one of these groups is met. Criteria are keys of `CRITERIA`.
    """

    name: str
    any_of: tuple[tuple[str, ...], ...]


CRITERIA: dict[str, str] = {
    "size>2": "larger than 2 cm",
    "size>4": "larger than 4 cm",
    "depth>5": "depth of invasion over 5 mm",
    "depth>10": "depth of invasion over 10 mm",
    "mandible_cortex": "through cortical bone of mandible or maxilla",
    "maxillary_sinus": "into the maxillary sinus",
    "skin": "into the skin of the face",
    "extrinsic_tongue": "into extrinsic muscles of the tongue",
    "masticator_space": "into the masticator space",
    "pterygoid_plates": "into the pterygoid plates",
    "skull_base": "into the skull base",
    "carotid_encased": "encases the internal carotid artery",
    "epiglottis_lingual": "onto the lingual surface of the epiglottis",
    "larynx": "into the larynx",
    "medial_pterygoid": "into the medial pterygoid muscle",
    "lateral_pterygoid": "into the lateral pterygoid muscle",
    "hard_palate": "into the hard palate",
    "mandible": "into the mandible",
    "lateral_nasopharynx": "into the lateral nasopharynx",
    "second_subsite": "more than one sub-site",
    "beyond_site": "beyond the site of origin",
    "cord_fixed": "fixed vocal cord or hemilarynx",
    "cord_impaired": "impaired mobility of a vocal cord",
    "both_cords": "both vocal cords",
    "postcricoid": "into the post-cricoid area",
    "preepiglottic": "into the pre-epiglottic space",
    "paraglottic": "into the paraglottic space",
    "thyroid_inner_cortex": "into the inner cortex of the thyroid cartilage",
    "thyroid_through": "through the thyroid cartilage",
    "cricoid": "into the cricoid cartilage",
    "hyoid": "into the hyoid bone",
    "beyond_larynx": "into tissues beyond the larynx (trachea, strap muscles, thyroid gland, oesophagus)",
    "thyroid_gland": "into the thyroid gland",
    "central_soft_tissue": "into the central compartment's soft tissue (strap muscles, fat)",
    "oesophagus": "into the oesophagus",
    "prevertebral": "into the prevertebral space",
    "mediastinum": "into the mediastinum",
    "parapharyngeal": "into the parapharyngeal space",
    "pterygoid_muscles": "into a pterygoid muscle",
    "prevertebral_muscles": "into the prevertebral muscles",
    "skull_base_bone": "into bone of the skull base, a cervical vertebra or a pterygoid structure",
    "paranasal_sinus": "into a paranasal sinus",
    "intracranial": "intracranial",
    "cranial_nerve": "along a cranial nerve",
    "hypopharynx": "into the hypopharynx",
    "orbit": "into the orbit",
    "parotid": "into the parotid gland",
    "beyond_lateral_pterygoid": "beyond the lateral surface of the lateral pterygoid muscle",
    "infratemporal": "into the infratemporal fossa or masticator space",
}
"""Criterion -> words that end the sentence "the tumour extends ..."."""


def _rows(*rows: tuple[str, str]) -> tuple[Category, ...]:
    """Categories from the least to the greatest; criteria of a group are joined by `+`, groups by `|`."""
    return tuple(
        Category(name, tuple(tuple(part.split("+")) for part in text.split("|")) if text else ((),))
        for name, text in rows
    )


_VERY_ADVANCED = "prevertebral|carotid_encased|mediastinum"
_ORAL_T4 = (
    ("T4a", "mandible_cortex|maxillary_sinus|skin|extrinsic_tongue"),
    ("T4b", "masticator_space|pterygoid_plates|skull_base|carotid_encased"),
)
_OROPHARYNX_T = (("T1", ""), ("T2", "size>2"), ("T3", "size>4|epiglottis_lingual"))
_OROPHARYNX_T4A = "larynx|extrinsic_tongue|medial_pterygoid|hard_palate|mandible"
_OROPHARYNX_T4B = "lateral_pterygoid|pterygoid_plates|lateral_nasopharynx|skull_base|carotid_encased"
_LARYNX_T4 = (("T4a", "thyroid_through|cricoid|beyond_larynx"), ("T4b", _VERY_ADVANCED))
_SUPRAGLOTTIS = _rows(
    ("T1", ""),
    ("T2", "second_subsite|beyond_site"),
    ("T3", "cord_fixed|postcricoid|preepiglottic|paraglottic|thyroid_inner_cortex"),
    ("T4a", "thyroid_through|beyond_larynx|extrinsic_tongue"),
    ("T4b", _VERY_ADVANCED),
)
_GLOTTIS = _rows(
    ("T1a", ""),
    ("T1b", "both_cords"),
    ("T2", "beyond_site|cord_impaired"),
    ("T3", "cord_fixed|paraglottic|thyroid_inner_cortex"),
    *_LARYNX_T4,
)

T_TABLES: dict[tuple[Site, Edition], tuple[Category, ...]] = {
    (Site.ORAL_CAVITY, Edition.SEVENTH): _rows(("T1", ""), ("T2", "size>2"), ("T3", "size>4"), *_ORAL_T4),
    (Site.ORAL_CAVITY, Edition.EIGHTH): _rows(
        ("T1", ""),
        ("T2", "size>2|depth>5"),
        ("T3", "size>4|depth>10"),
        ("T4a", "mandible_cortex|maxillary_sinus|skin"),
        _ORAL_T4[1],
    ),
    (Site.OROPHARYNX_P16_NEGATIVE, Edition.SEVENTH): _rows(
        *_OROPHARYNX_T, ("T4a", _OROPHARYNX_T4A), ("T4b", _OROPHARYNX_T4B)
    ),
    (Site.OROPHARYNX_P16_NEGATIVE, Edition.EIGHTH): _rows(
        *_OROPHARYNX_T, ("T4a", _OROPHARYNX_T4A), ("T4b", _OROPHARYNX_T4B)
    ),
    # The 7th edition does not ask for p16.
    (Site.OROPHARYNX_P16_POSITIVE, Edition.SEVENTH): _rows(
        *_OROPHARYNX_T, ("T4a", _OROPHARYNX_T4A), ("T4b", _OROPHARYNX_T4B)
    ),
    (Site.OROPHARYNX_P16_POSITIVE, Edition.EIGHTH): _rows(
        *_OROPHARYNX_T, ("T4", f"{_OROPHARYNX_T4A}|{_OROPHARYNX_T4B}")
    ),
    (Site.SUPRAGLOTTIS, Edition.SEVENTH): _SUPRAGLOTTIS,
    (Site.SUPRAGLOTTIS, Edition.EIGHTH): _SUPRAGLOTTIS,
    (Site.GLOTTIS, Edition.SEVENTH): _GLOTTIS,
    (Site.GLOTTIS, Edition.EIGHTH): _GLOTTIS,
    (Site.SUBGLOTTIS, Edition.SEVENTH): _rows(("T1", ""), ("T2", "beyond_site"), ("T3", "cord_fixed"), *_LARYNX_T4),
    (Site.SUBGLOTTIS, Edition.EIGHTH): _rows(
        ("T1", ""),
        ("T2", "beyond_site"),
        ("T3", "cord_fixed|paraglottic|thyroid_inner_cortex"),
        *_LARYNX_T4,
    ),
    (Site.HYPOPHARYNX, Edition.SEVENTH): _rows(
        ("T1", ""),
        ("T2", "size>2|second_subsite|beyond_site"),
        ("T3", "size>4|cord_fixed|oesophagus"),
        ("T4a", "thyroid_through|cricoid|hyoid|thyroid_gland|central_soft_tissue"),
        ("T4b", _VERY_ADVANCED),
    ),
    (Site.HYPOPHARYNX, Edition.EIGHTH): _rows(
        ("T1", ""),
        ("T2", "size>2|second_subsite|beyond_site"),
        ("T3", "size>4|cord_fixed|oesophagus"),
        ("T4a", "thyroid_through|cricoid|hyoid|thyroid_gland|central_soft_tissue"),
        ("T4b", _VERY_ADVANCED),
    ),
    (Site.NASOPHARYNX, Edition.SEVENTH): _rows(
        ("T1", ""),
        ("T2", "parapharyngeal"),
        ("T3", "skull_base_bone|paranasal_sinus"),
        ("T4", "intracranial|cranial_nerve|hypopharynx|orbit|infratemporal"),
    ),
    (Site.NASOPHARYNX, Edition.EIGHTH): _rows(
        ("T1", ""),
        ("T2", "parapharyngeal|pterygoid_muscles|prevertebral_muscles"),
        ("T3", "skull_base_bone|paranasal_sinus"),
        ("T4", "intracranial|cranial_nerve|hypopharynx|orbit|parotid|beyond_lateral_pterygoid"),
    ),
}

_N_GENERAL = _rows(
    ("N0", ""),
    ("N1", "node"),
    ("N2a", "node>3"),
    ("N2b", "several"),
    ("N2c", "other_side"),
)
N_CRITERIA: dict[str, str] = {
    "node": "an involved node",
    "node>3": "a node larger than 3 cm",
    "node>6": "a node larger than 6 cm",
    "several": "several nodes on the side of the primary",
    "other_side": "a node on the other side",
    "both_sides": "cervical nodes on both sides",
    "extranodal": "clinical extranodal extension",
    "below_cricoid": "a node below the lower edge of the cricoid cartilage",
    "supraclavicular": "a node in the supraclavicular fossa",
}
"""Criterion -> words."""

N_TABLES: dict[tuple[Site, Edition], tuple[Category, ...]] = {
    **{(site, Edition.SEVENTH): (*_N_GENERAL, *_rows(("N3", "node>6"))) for site in Site},
    **{(site, Edition.EIGHTH): (*_N_GENERAL, *_rows(("N3a", "node>6"), ("N3b", "extranodal"))) for site in Site},
    (Site.OROPHARYNX_P16_POSITIVE, Edition.EIGHTH): _rows(
        ("N0", ""), ("N1", "node"), ("N2", "other_side"), ("N3", "node>6")
    ),
    (Site.NASOPHARYNX, Edition.SEVENTH): _rows(
        ("N0", ""), ("N1", "node"), ("N2", "both_sides"), ("N3a", "node>6"), ("N3b", "supraclavicular")
    ),
    (Site.NASOPHARYNX, Edition.EIGHTH): _rows(
        ("N0", ""), ("N1", "node"), ("N2", "both_sides"), ("N3", "node>6|below_cricoid")
    ),
}
