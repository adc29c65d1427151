"""Codes under which a report leaves hyoid: of sites, nodal levels, questions, answers and units.

SNOMED CT, LOINC, UCUM and DICOM's own codes are those of DICOM's context groups (PS3.16) as pydicom carries them, which
a test compares; a concept that they lack has a private code of scheme `99HYOID`, because a guessed clinical code is
worse than none.

Reporting elements (scheme `99OIFM`) are ACR/RSNA common data elements of cervical lymph nodes (RDES24) and of laryngeal
cancer on CT (RDES235), and the Radiology Gamuts Ontology's "change from prior", in the form of the Open Imaging Finding
Model, whose identifiers they keep. Copyright 2025 Open Imaging Data Model Initiative, MIT licence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from hyoid.anatomy.levels import LEVELS
from hyoid.anatomy.structures import BY_NAME, Side
from hyoid.anatomy.subsites import FIELDS, Field


class Code(NamedTuple):
    """Coded concept: value, coding scheme, meaning in words."""

    value: str
    scheme: str
    meaning: str


def private(value: str, meaning: str) -> Code:
    """Make a code of hyoid's own scheme, of at most 16 characters."""
    return Code(value.upper()[:16], "99HYOID", meaning)


SCHEMES: Mapping[str, tuple[str, str]] = {
    "99HYOID": ("hyoid's own concepts, where no public scheme holds one", ""),
    "99OIFM": ("Open Imaging Finding Model; ACR/RSNA common data elements", "https://radelement.org/"),
}
"""Private scheme -> its name in words, and a page about the scheme."""

# Questions that groups of findings answer, and measurements.
SITE_INVOLVEMENT = Code("112008", "DCM", "Site involvement")
INVOLVED, UNINVOLVED = Code("111471", "DCM", "Involved"), Code("111470", "DCM", "Uninvolved")
CONTACT = private("CONTACT", "In contact, invasion not told")
LIKELIHOODS = {word: private(word, f"Involvement {word}") for word in ("likely", "possible", "unlikely")}
VOLUME = Code("118565006", "SCT", "Volume")
DIAMETER = Code("81827009", "SCT", "Diameter")
LONG_AXIS, SHORT_AXIS = Code("103339001", "SCT", "Long axis"), Code("103340004", "SCT", "Short axis")
SUV = Code("126401", "DCM", "SUVbw")
METABOLIC_VOLUME = Code("126032", "DCM", "Metabolic Volume")
GLYCOLYSIS = Code("126033", "DCM", "Total Lesion Glycolysis")
MAXIMUM, MEAN = Code("56851009", "SCT", "Maximum"), Code("373098007", "SCT", "Mean")
NUMBER_OF_LESIONS = Code("246206008", "SCT", "Number of lesions")
VOLUME_BEFORE = private("VOLUME_BEFORE", "Volume in the earlier examination")
VOLUME_CHANGE = private("VOLUME_CHANGE", "Change of volume since the earlier examination")
SUM_BEFORE = private("SUM_BEFORE", "Sum of diameters in the earlier examination")
SUM_NOW = private("SUM_NOW", "Sum of diameters")
SUM_CHANGE = private("SUM_CHANGE", "Change of the sum of diameters")
CURRENT_RESPONSE = Code("112048", "DCM", "Current Response")
PARTIAL_RESPONSE = Code("112042", "DCM", "Target Lesion Partial Response")
PROGRESSIVE_DISEASE = Code("112043", "DCM", "Target Lesion Progressive Disease")
STABLE_DISEASE = Code("112044", "DCM", "Target Lesion Stable Disease")
PRESENCE = private("PRESENCE", "Probability that tumour is left at this place")
ML, MM, GRAM = Code("ml", "UCUM", "milliliter"), Code("mm", "UCUM", "mm"), Code("g", "UCUM", "gram")
SUV_UNIT = Code("g/ml{SUVbw}", "UCUM", "Standardized Uptake Value body weight")
ONE, PERCENT = Code("1", "UCUM", "no units"), Code("%", "UCUM", "percent")

COMMENT = Code("121106", "DCM", "Comment")
IMPRESSION = Code("121073", "DCM", "Impression")
CLINICAL_T = Code("21905-5", "LN", "Primary tumor.clinical [Class] Cancer")
CLINICAL_N = Code("21906-3", "LN", "Regional lymph nodes.clinical [Class] Cancer")
PROCEDURES: Mapping[str, Code] = {
    "CT": Code("25045-6", "LN", "CT unspecified body region"),
    "MR": Code("25056-3", "LN", "MRI unspecified body region"),
    "PT": Code("44136-0", "LN", "PET unspecified body region"),
}
NECK = Code("774007", "SCT", "Head and Neck")
# CID 244 Laterality.
SIDES: Mapping[str, Code] = {
    Side.LEFT.value: Code("7771000", "SCT", "Left"),
    Side.RIGHT.value: Code("24028007", "SCT", "Right"),
}

_SITES: Mapping[str, tuple[str, str]] = {
    "lip": ("48477009", "Lip"),
    "buccal_mucosa_and_gingiva": ("16811007", "buccal mucosa"),
    "retromolar_trigone": ("85816001", "retromolar trigone"),
    "floor_of_mouth": ("36360002", "floor of mouth"),
    "base_of_tongue": ("47975008", "base of tongue"),
    "tonsil": ("75573002", "palatine tonsil"),
    "soft_palate": ("49460000", "Soft palate"),
    "airway_compromise": ("89187006", "Airway structure"),
    "et_tube_in_situ": ("26412008", "Endotracheal tube"),
    "pyriform_sinus": ("6217003", "pyriform sinus"),
    "orbit": ("363654007", "Orbit"),
    "cranial_nerves": ("25238003", "Cranial nerve"),
    "intracranial_extension": ("128319008", "Intracranial structure"),
}


def _code_of_field(field: Field) -> Code:
    """Code of a line of the template: its own, else the one that its organs share."""
    if field.key in _SITES:
        value, meaning = _SITES[field.key]
        return Code(value, "SCT", meaning)
    of_organs = {BY_NAME[organ].code for organ in field.organs}
    return Code(*of_organs.pop()) if len(of_organs) == 1 else private(field.key, field.words)


FIELD_CODES: Mapping[str, Code] = {field.key: _code_of_field(field) for field in FIELDS}
"""Field of the template -> code of the place that the field asks about."""

_NODES: Mapping[str, tuple[str, str]] = {
    "Ia": ("46055009", "submental lymph node"),
    "Ib": ("59503006", "submandibular lymph node"),
    "IIa": ("245321008", "upper jugular lymph node"),
    "IIb": ("245321008", "upper jugular lymph node"),
    "III": ("245322001", "middle jugular lymph node"),
    "IV": ("245323006", "lower jugular lymph node"),
    "Va": ("245324000", "posterior triangle cervical lymph node"),
    "Vb": ("245324000", "posterior triangle cervical lymph node"),
    "VI": ("5727003", "anterior cervical lymph node"),
    "VIIa": ("25683005", "retropharyngeal lymph node"),
}
CERVICAL_NODE = Code("81105003", "SCT", "cervical lymph node")


class Element(NamedTuple):
    """Reporting element: its question, and its answers by the words of the source."""

    question: Code
    answers: Mapping[str, Code]


def _element(identifier: str, name: str, *answers: str) -> Element:
    coded = {word: Code(f"{identifier}.{n}", "99OIFM", word) for n, word in enumerate(answers) if word}
    return Element(Code(identifier, "99OIFM", name), coded)


_PRESENCE = ("absent", "present", "indeterminate", "unknown")
ELEMENTS: Mapping[str, Element] = {
    "number_of_nodes": _element(
        "OIFMA_CDE_000185", "Number of nodes", "single", "multiple", "indeterminate", "unknown"
    ),
    "side_of_nodes": _element("OIFMA_CDE_000186", "Side", "left", "right", "bilateral"),
    "level": _element(
        "OIFMA_CDE_000188", "Levels involved", "I", "IIa", "IIb", "III", "IV", "Va", "Vb", "indeterminate", "unknown"
    ),
    "extranodal_extension": _element("OIFMA_CDE_000189", "ECS", *_PRESENCE),
    "prevertebral_space": _element("OIFMA_CDE_001932", "Pre-vertebral invasion", "absent", "present"),
    "change": _element(
        "OIFMA_GMTS_936852",
        "change from prior",
        *("unchanged", "stable", "new", "resolved", "increased", "decreased", "larger", "smaller"),
    ),
}
"""Elements that a report of hyoid can answer."""


def site_of_level(level: str) -> Code:
    """Find the code of the nodes of a level; of cervical nodes where the level has no code of its own.

    Parameters
    ----------
    level : str
        Name as in `hyoid.anatomy.levels`, or a coarser one.

    Examples
    --------
    >>> site_of_level("IIa").meaning, site_of_level("II").meaning, site_of_level("I").meaning
    ('upper jugular lymph node', 'upper jugular lymph node', 'cervical lymph node')
    """
    found = {_NODES[row.name] for row in LEVELS if level in (row.name, row.coarse) and row.name in _NODES}
    if len(found) != 1:
        return CERVICAL_NODE
    value, meaning = found.pop()
    return Code(value, "SCT", meaning)


def element_of_level(level: str) -> Code | None:
    """Find the answer of the element "Levels involved" that a level is; None where its list lacks the level.

    Examples
    --------
    >>> element_of_level("Ib").value, element_of_level("IIa").meaning, element_of_level("VI")
    ('OIFMA_CDE_000188.0', 'IIa', None)
    """
    answers = ELEMENTS["level"].answers
    coarse = next((row.coarse for row in LEVELS if row.name == level), level)
    return answers.get(level) or answers.get(coarse)


def site_of_words(words: str) -> Code | None:
    """Find the code of a site that a report names, such as "Base of tongue (oropharynx)"; None where it has none.

    Parameters
    ----------
    words : str
        Site of a lesion in a report's words; one that is only near by ("Next to: ...") is no site.

    Examples
    --------
    >>> site_of_words("Base of tongue (oropharynx)").value, site_of_words("Larynx").value
    ('47975008', '4596009')
    >>> site_of_words("Next to: larynx")
    """
    name = words.partition(" (")[0].lower()
    for field in FIELDS:
        if field.words.partition(" (")[0].lower() == name:
            return FIELD_CODES[field.key]
    whole = [row for row in BY_NAME.values() if row.words.lower() == name]
    sided = [row for row in BY_NAME.values() if row.words.lower() in (f"{name}, left", f"{name}, right")]
    return next((Code(*row.code) for row in (*whole, *sided)), None)
