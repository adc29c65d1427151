"""Fields that a classifier of involvement can answer, and which organs each is about.

A field is an organ (name in `hyoid.anatomy.structures`) or a line of the template (key in `hyoid.anatomy.subsites`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from hyoid.anatomy.structures import BY_NAME, labels_of
from hyoid.anatomy.subsites import FIELD_BY_KEY, FIELDS

FIELDS_OF_NODES = (
    "strap_muscles_thyroid_gland",
    "carotid_arteries_ijv",
    "parotid_gland",
    "submandibular_gland",
    "esophagus",
)
"""Nodes lie against these; for the rest of the template only the primary tumour counts."""

INVOLVED_ML, INVOLVED_SHARE = 0.05, 0.1
"""A structure is involved from this overlap on, or from this share of itself when it is smaller."""

# Organs in or beside which a sub-site lies: no network outlines the sub-sites themselves.
_AROUND: Mapping[str, tuple[str, ...]] = {
    "lip": ("mandible",),
    "buccal_mucosa_and_gingiva": ("mandible",),
    "retromolar_trigone": ("mandible",),
    "floor_of_mouth": ("tongue",),
    "oral_tongue": ("tongue",),
    "base_of_tongue": ("tongue",),
    "tonsil": ("oropharynx",),
    "valleculae": ("oropharynx",),
    "soft_palate": ("oropharynx",),
    "subglottis": ("cricoid_cartilage",),
    "prevertebral_space": ("hypopharynx",),
    "pyriform_sinus": ("hypopharynx",),
    "post_cricoid_region": ("hypopharynx",),
    "tracheal_cartilages": ("trachea",),
    "parapharyngeal_space": ("oropharynx",),
    "pterygoid_muscles": ("mandible",),
    "intracranial_extension": ("brainstem",),
} | {field.key: ("larynx",) for field in FIELDS if field.region in ("Larynx", "Glottis") and field.key != "subglottis"}
OrganRule = Literal["target", "tumour", "report"]
"""What involvement of an organ means: the high-dose target covers a share of it, the tumour overlaps it, or a
radiologist's report calls it involved."""


def is_organ(field: str) -> bool:
    """Say whether a field is an organ of its own, not a line of the template; thyroid and cricoid cartilage are lines.

    Examples
    --------
    >>> is_organ("parotid_left"), is_organ("parotid_gland"), is_organ("thyroid_cartilage")
    (True, False, False)
    """
    return field in BY_NAME and field not in FIELD_BY_KEY


def organs_of_field(field: str) -> tuple[str, ...]:
    """Find the organs that a field asks about, or beside which its sub-site lies; empty where no organ helps.

    Raises
    ------
    KeyError
        When there is no such field.

    Examples
    --------
    >>> organs_of_field("mandible"), organs_of_field("parotid_gland"), organs_of_field("true_vocal_cords")
    (('mandible',), ('parotid_left', 'parotid_right'), ('larynx',))
    """
    if field in BY_NAME:
        return (field,)
    return FIELD_BY_KEY[field].organs or _AROUND.get(field, ())


def labels_of_field(field: str) -> tuple[int, ...]:
    """Find the labels of the organs of a field in a label map.

    Examples
    --------
    >>> labels_of_field("larynx"), labels_of_field("esophagus")
    ((28, 1), (27,))
    """
    return tuple(dict.fromkeys(label for organ in organs_of_field(field) for label in labels_of(organ)))


def words_of_field(field: str) -> str:
    """Put a field into words.

    Examples
    --------
    >>> words_of_field("parotid_left"), words_of_field("tonsil")
    ('Parotid gland, left', 'Tonsil (R/L/Both)')
    """
    return BY_NAME[field].words if field in BY_NAME else FIELD_BY_KEY[field].words


def overlap_fields(fields: Sequence[str], rule: OrganRule) -> tuple[str, ...]:
    """List the fields whose label is overlap with the tumour itself, which only virtual patients tell.

    Parameters
    ----------
    fields : sequence of str
        Organ names, and keys of the template.
    rule : {"target", "tumour", "report"}
        Whether an organ's label is coverage by the high-dose target, or overlap with the tumour, or a report's word.

    Examples
    --------
    >>> overlap_fields(("larynx", "lip"), "target")
    ('lip',)
    """
    return tuple(name for name in fields if rule != "target" or not is_organ(name))
