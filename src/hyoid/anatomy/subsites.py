"""Sub-sites whose involvement a report states: the fields of SGRNet's template and where each lies in the body.

The rows follow Appendix C of SGRNet (Gupta et al.), in its order. A field is looked up in a scan in one of two ways: in
the sub-site label map (rows of `SUBSITES`, labels 1-36), or in organs that are outlined anyway (`Field.organs`, names
of `hyoid.anatomy.structures`). Fields without either (ET tube, cranial nerves) are not a place in the body.
"""

from __future__ import annotations

from dataclasses import dataclass

from hyoid.anatomy.structures import Side


@dataclass(frozen=True)
class Field:
    """One line of the template's involvement part.

    Parameters
    ----------
    key : str
        The template's words in snake_case.
    words : str
        As printed in Appendix C.
    region : str
        Heading it stands under.
    organs : tuple of str
        Structures whose involvement is this field's, when it is not a sub-site of its own.
    """

    key: str
    words: str
    region: str
    organs: tuple[str, ...] = ()


@dataclass(frozen=True)
class SubSite:
    """One labelled sub-site.

    Parameters
    ----------
    label : int
        Value in sub-site label maps.
    name : str
        Key; ends in `_left` or `_right` where the two sides are told apart.
    field : str
        `Field.key` that its involvement fills.
    region : str
        Heading of that field.
    """

    label: int
    name: str
    field: str
    region: str

    @property
    def side(self) -> Side:
        """The patient's side; midline for sub-sites that cross it or are not told apart."""
        if self.name.endswith("_left"):
            return Side.LEFT
        return Side.RIGHT if self.name.endswith("_right") else Side.MIDLINE


_ORAL, _OROPHARYNX, _LARYNX, _GLOTTIS, _OTHER = "Oral Cavity", "Oropharynx", "Larynx", "Glottis", "Other Structures"


def _pair(name: str) -> tuple[str, str]:
    return f"{name}_left", f"{name}_right"


FIELDS: tuple[Field, ...] = (
    Field("lip", "Lip", _ORAL),
    Field("buccal_mucosa_and_gingiva", "Buccal mucosa and gingiva", _ORAL),
    Field("retromolar_trigone", "Retromolar trigone", _ORAL),
    Field("floor_of_mouth", "Floor of mouth", _ORAL),
    Field("oral_tongue", "Oral tongue", _ORAL),
    Field("base_of_tongue", "Base of tongue", _OROPHARYNX),
    Field("tonsil", "Tonsil (R/L/Both)", _OROPHARYNX),
    Field("valleculae", "Valleculae", _OROPHARYNX),
    Field("soft_palate", "Soft palate", _OROPHARYNX),
    Field("epiglottis", "Epiglottis", _LARYNX),
    Field("false_cords", "False cords", _LARYNX),
    Field("aryepiglottic_folds", "Aryepiglottic folds", _LARYNX),
    Field("arytenoid_cartilages", "Arytenoid cartilages", _LARYNX),
    Field("preepiglottic_space", "Preepiglottic space", _LARYNX),
    Field("paraglottic_space", "Paraglottic space", _LARYNX),
    Field("vestibule", "Vestibule", _LARYNX),
    Field("true_vocal_cords", "True vocal cords", _GLOTTIS),
    Field("anterior_commissure", "Anterior commissure", _GLOTTIS),
    Field("posterior_commissure", "Posterior commissure", _GLOTTIS),
    Field("subglottis", "Subglottis", _GLOTTIS),
    Field("airway_compromise", "Airway compromise", _OTHER, ("larynx_air", "trachea", "oropharynx", "hypopharynx")),
    Field("et_tube_in_situ", "ET tube in-situ (Y/N)", _OTHER),
    Field("thyroid_cartilage", "Thyroid cartilage", _OTHER, ("thyroid_cartilage",)),
    Field("cricoid_cartilage", "Cricoid cartilage", _OTHER, ("cricoid_cartilage",)),
    Field("esophagus", "Esophagus", _OTHER, ("oesophagus",)),
    Field("prevertebral_space", "Prevertebral space", _OTHER),
    Field("pyriform_sinus", "Pyriform sinus", _OTHER),
    Field("post_cricoid_region", "Post-cricoid region", _OTHER),
    Field("tracheal_cartilages", "Tracheal cartilages", _OTHER),
    Field(
        "strap_muscles_thyroid_gland",
        "Strap muscles/thyroid gland",
        _OTHER,
        (*_pair("sternothyroid"), *_pair("thyrohyoid"), "thyroid_gland"),
    ),
    Field("carotid_arteries_ijv", "Carotid arteries/ IJV", _OTHER, (*_pair("carotid"), *_pair("jugular"))),
    Field("parapharyngeal_space", "Parapharyngeal space", _OTHER),
    Field("pterygoid_muscles", "Pterygoid muscles", _OTHER),
    Field("skull_base", "Skull base", _OTHER),
    Field("orbit", "Orbit", _OTHER),
    Field("parotid_gland", "Parotid gland", _OTHER, _pair("parotid")),
    Field("submandibular_gland", "Submandibular gland", _OTHER, _pair("submandibular")),
    Field("cranial_nerves", "Cranial nerves", _OTHER),
    Field("intracranial_extension", "Intracranial extension", _OTHER),
)

FIELD_BY_KEY = {field.key: field for field in FIELDS}


def _rows(*rows: tuple[int, str, str]) -> tuple[SubSite, ...]:
    return tuple(SubSite(label, name, field, FIELD_BY_KEY[field].region) for label, name, field in rows)


SUBSITES: tuple[SubSite, ...] = _rows(
    (1, "lip", "lip"),
    (2, "buccal_mucosa_and_gingiva_left", "buccal_mucosa_and_gingiva"),
    (3, "buccal_mucosa_and_gingiva_right", "buccal_mucosa_and_gingiva"),
    (4, "retromolar_trigone_left", "retromolar_trigone"),
    (5, "retromolar_trigone_right", "retromolar_trigone"),
    (6, "floor_of_mouth", "floor_of_mouth"),
    (7, "oral_tongue", "oral_tongue"),
    (8, "base_of_tongue", "base_of_tongue"),
    (9, "tonsil_left", "tonsil"),
    (10, "tonsil_right", "tonsil"),
    (11, "valleculae", "valleculae"),
    (12, "soft_palate", "soft_palate"),
    (13, "epiglottis", "epiglottis"),
    (14, "false_cords", "false_cords"),
    (15, "aryepiglottic_folds", "aryepiglottic_folds"),
    (16, "arytenoid_cartilages", "arytenoid_cartilages"),
    (17, "preepiglottic_space", "preepiglottic_space"),
    (18, "paraglottic_space", "paraglottic_space"),
    (19, "vestibule", "vestibule"),
    (20, "true_vocal_cords", "true_vocal_cords"),
    (21, "anterior_commissure", "anterior_commissure"),
    (22, "posterior_commissure", "posterior_commissure"),
    (23, "subglottis", "subglottis"),
    (24, "prevertebral_space", "prevertebral_space"),
    (25, "pyriform_sinus_left", "pyriform_sinus"),
    (26, "pyriform_sinus_right", "pyriform_sinus"),
    (27, "post_cricoid_region", "post_cricoid_region"),
    (28, "tracheal_cartilages", "tracheal_cartilages"),
    (29, "parapharyngeal_space_left", "parapharyngeal_space"),
    (30, "parapharyngeal_space_right", "parapharyngeal_space"),
    (31, "pterygoid_muscles_left", "pterygoid_muscles"),
    (32, "pterygoid_muscles_right", "pterygoid_muscles"),
    (33, "skull_base", "skull_base"),
    (34, "orbit_left", "orbit"),
    (35, "orbit_right", "orbit"),
    (36, "intracranial", "intracranial_extension"),
)

SUBSITE_BY_NAME = {row.name: row for row in SUBSITES}
