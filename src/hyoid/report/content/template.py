"""The structured template for head and neck cancers, line by line.

Appendix C of SGRNet (Gupta et al.), in its order and wording; its colons are left out. Keys of involvement fields are
those of `hyoid.anatomy.subsites.FIELDS`, so that sub-sites, classifiers and reports speak of the same thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Kind of content that a line of the template holds."""

    TITLE = "title"
    HEADING = "heading"
    SUBHEADING = "subheading"
    IDENTITY = "identity"
    LOCATION = "location"
    SIZE = "size"
    INVOLVEMENT = "involvement"
    SIDED_INVOLVEMENT = "sided_involvement"
    FINDING = "finding"
    YES_NO = "yes_no"
    COUNT = "count"
    SIDE = "side"


_HEADINGS = (Kind.TITLE, Kind.HEADING, Kind.SUBHEADING)


@dataclass(frozen=True)
class Field:
    """Line of the template.

    Parameters
    ----------
    key : str
        Its words in snake_case, without what stands in brackets.
    words : str
        Words of the line, as printed in the paper.
    section : str
        The heading it stands under; for a heading, its own words.
    kind : Kind
        What the line holds, such as a size or an involvement.
    """

    key: str
    words: str
    section: str
    kind: Kind

    @property
    def is_heading(self) -> bool:
        """Whether the line is a title or heading, which needs no answer."""
        return self.kind in _HEADINGS


def _heading(words: str, kind: Kind) -> Field:
    return Field(words.lower().replace("&", "and").replace(" ", "_").replace("-", "_"), words, words, kind)


FRONT = "CECT for Head & Neck Cancers"
"""Heading of the first section; reports of other scans are titled otherwise."""

_ORAL, _OROPHARYNX, _LARYNX, _GLOTTIS = "Oral Cavity", "Oropharynx", "Larynx", "Glottis"
_OTHER, _NODES = "Other Structures", "Lymph Node Metastases"

TEMPLATE: tuple[Field, ...] = (
    _heading("Radiology Report Template", Kind.TITLE),
    Field("patient", "Patient", "Radiology Report Template", Kind.IDENTITY),
    _heading(FRONT, Kind.HEADING),
    Field("primary_location_of_the_mass", "Primary location of the mass", FRONT, Kind.LOCATION),
    Field("size_of_the_mass", "Size of the mass", FRONT, Kind.SIZE),
    _heading("Involvement of Sub-sites", Kind.HEADING),
    _heading(_ORAL, Kind.SUBHEADING),
    Field("lip", "Lip", _ORAL, Kind.INVOLVEMENT),
    Field("buccal_mucosa_and_gingiva", "Buccal mucosa and gingiva", _ORAL, Kind.INVOLVEMENT),
    Field("retromolar_trigone", "Retromolar trigone", _ORAL, Kind.INVOLVEMENT),
    Field("floor_of_mouth", "Floor of the mouth", _ORAL, Kind.INVOLVEMENT),
    Field("oral_tongue", "Oral tongue", _ORAL, Kind.INVOLVEMENT),
    _heading(_OROPHARYNX, Kind.SUBHEADING),
    Field("base_of_tongue", "Base of tongue", _OROPHARYNX, Kind.INVOLVEMENT),
    Field("tonsil", "Tonsil (R/L/Both)", _OROPHARYNX, Kind.SIDED_INVOLVEMENT),
    Field("valleculae", "Valleculae", _OROPHARYNX, Kind.INVOLVEMENT),
    Field("soft_palate", "Soft palate", _OROPHARYNX, Kind.INVOLVEMENT),
    _heading(_LARYNX, Kind.SUBHEADING),
    Field("epiglottis", "Epiglottis", _LARYNX, Kind.INVOLVEMENT),
    Field("false_cords", "False cords", _LARYNX, Kind.INVOLVEMENT),
    Field("aryepiglottic_folds", "Aryepiglottic folds", _LARYNX, Kind.INVOLVEMENT),
    Field("arytenoid_cartilages", "Arytenoid cartilages", _LARYNX, Kind.INVOLVEMENT),
    Field("preepiglottic_space", "Preepiglottic space", _LARYNX, Kind.INVOLVEMENT),
    Field("paraglottic_space", "Paraglottic space", _LARYNX, Kind.INVOLVEMENT),
    Field("vestibule", "Vestibule", _LARYNX, Kind.INVOLVEMENT),
    _heading(_GLOTTIS, Kind.SUBHEADING),
    Field("true_vocal_cords", "True vocal cords", _GLOTTIS, Kind.INVOLVEMENT),
    Field("anterior_commissure", "Anterior commissure", _GLOTTIS, Kind.INVOLVEMENT),
    Field("posterior_commissure", "Posterior commissure", _GLOTTIS, Kind.INVOLVEMENT),
    # Printed without a colon, like a heading; nothing stands under it, so it is a line to answer.
    Field("subglottis", "Subglottis", _GLOTTIS, Kind.INVOLVEMENT),
    _heading(_OTHER, Kind.HEADING),
    Field("airway_compromise", "Airway compromise", _OTHER, Kind.FINDING),
    Field("et_tube_in_situ", "ET tube in-situ (Y/N)", _OTHER, Kind.YES_NO),
    Field("thyroid_cartilage", "Thyroid cartilage", _OTHER, Kind.INVOLVEMENT),
    Field("cricoid_cartilage", "Cricoid cartilage", _OTHER, Kind.INVOLVEMENT),
    Field("esophagus", "Esophagus", _OTHER, Kind.INVOLVEMENT),
    Field("prevertebral_space", "Prevertebral space", _OTHER, Kind.INVOLVEMENT),
    Field("pyriform_sinus", "Pyriform sinus", _OTHER, Kind.INVOLVEMENT),
    Field("post_cricoid_region", "Post-cricoid region", _OTHER, Kind.INVOLVEMENT),
    Field("tracheal_cartilages", "Tracheal cartilages", _OTHER, Kind.INVOLVEMENT),
    Field("strap_muscles_thyroid_gland", "Strap muscles/thyroid gland", _OTHER, Kind.INVOLVEMENT),
    Field("carotid_arteries_ijv", "Carotid arteries/ IJV", _OTHER, Kind.INVOLVEMENT),
    Field("parapharyngeal_space", "Parapharyngeal space", _OTHER, Kind.INVOLVEMENT),
    Field("pterygoid_muscles", "Pterygoid muscles", _OTHER, Kind.INVOLVEMENT),
    Field("skull_base", "Skull base", _OTHER, Kind.INVOLVEMENT),
    Field("orbit", "Orbit", _OTHER, Kind.INVOLVEMENT),
    Field("parotid_gland", "Parotid gland", _OTHER, Kind.INVOLVEMENT),
    Field("submandibular_gland", "Submandibular gland", _OTHER, Kind.INVOLVEMENT),
    Field("cranial_nerves", "Cranial nerves", _OTHER, Kind.INVOLVEMENT),
    Field("intracranial_extension", "Intracranial extension", _OTHER, Kind.INVOLVEMENT),
    _heading(_NODES, Kind.HEADING),
    Field("number_of_nodes", "Number of nodes", _NODES, Kind.COUNT),
    Field("side", "Side (Ipsi/Bi/Contra)", _NODES, Kind.SIDE),
    Field("max_size", "Max size", _NODES, Kind.SIZE),
    Field("extranodal_extension", "Extranodal extension", _NODES, Kind.FINDING),
    Field("loss_of_fat_planes", "Loss of fat planes", _NODES, Kind.FINDING),
)

FIELDS = tuple(row for row in TEMPLATE if not row.is_heading)
BY_KEY = {row.key: row for row in TEMPLATE}

UPTAKE = "Further foci and uptake"
TARGET = "Radiotherapy target, predicted"
AIRWAY = "Airway"
STAGING = "Staging for confirmation"
ADDENDUM = "Addendum: not in the template"
"""Structures that the template does not ask for and radiologists report."""

SECTIONS = (UPTAKE, AIRWAY, STAGING, ADDENDUM, TARGET)
"""Sections after the template, in their order; a section without lines is left out."""
