import json

import pytest
from pydicom.sr._concepts_dict import concepts

from hyoid.anatomy import codes
from hyoid.anatomy.codes import Code
from hyoid.anatomy.levels import LEVELS
from hyoid.anatomy.subsites import FIELDS

# In LOINC, UCUM or SNOMED CT, and not among the codes of DICOM's context groups; TG-263's map holds the cartilages.
ELSEWHERE = {"21905-5", "21906-3", "ml", "g", "52940008", "8600008"}


def public():
    found = [value for value in vars(codes).values() if isinstance(value, Code)]
    found += [code for table in (codes.PROCEDURES, codes.FIELD_CODES, codes.SIDES) for code in table.values()]
    found += [codes.site_of_level(level.name) for level in LEVELS]
    return sorted({code for code in found if not code.scheme.startswith("99") and code.value not in ELSEWHERE})


@pytest.mark.parametrize("code", public(), ids=lambda code: code.value)
def test_public_codes_are_those_of_dicoms_context_groups(code):
    meanings = [m for row in concepts[code.scheme].values() for v, (m, _) in row.items() if v == code.value]
    assert code.meaning.lower() in {meaning.partition(" (")[0].lower() for meaning in meanings}


def test_every_field_has_a_code_of_its_own():
    values = [codes.FIELD_CODES[field.key] for field in FIELDS]
    assert len(set(values)) == len(values)
    assert all(len(code.value) <= 16 for code in values)
    assert codes.FIELD_CODES["true_vocal_cords"].scheme == "99HYOID"


def test_levels():
    assert [codes.site_of_level(name).value for name in ("Ia", "Ib")] == ["46055009", "59503006"]
    assert codes.site_of_level("VIIb") == codes.CERVICAL_NODE
    assert codes.element_of_level("V") is None  # the element asks for Va or Vb


@pytest.mark.shared
def test_reporting_elements_are_those_of_their_source(shared_data):
    known = {}
    for file in (shared_data / "reporting_elements").glob("*.fm.json"):
        for attribute in json.loads(file.read_text())["attributes"]:
            answers = {v["name"]: v["value_code"] for v in attribute.get("values", ())}
            known[attribute["oifma_id"]] = (attribute["name"].strip(), answers)
    for element in codes.ELEMENTS.values():
        name, answers = known[element.question.value]
        assert name == element.question.meaning
        assert {word: code.value for word, code in element.answers.items()} == answers
