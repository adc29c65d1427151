import pytest

from hyoid.errors import InputRefusedError
from hyoid.report.free_text.identity import refuse_two_patients, without_identifiers
from hyoid.report.free_text.structure import structure_text

HEADER = """Name: Jane Roe    Age/Sex: 64/F
MRN: AB4711        DOB: 01/02/1960
Referring Physician: Dr. Quincy Adams
Accession No: 99887766

Findings: Jane has a mass in the right tonsil. MRN AB4711. Mrs. Roe was scanned. The epiglottis is normal.
Electronically signed by: Dr. Able Baker
"""


def test_nothing_that_identifies_is_left():
    clean = without_identifiers(HEADER)
    for secret in ("Jane", "Roe", "AB4711", "1960", "Quincy", "Adams", "99887766", "Baker", "64/F"):
        assert secret not in clean
    assert "mass in the right tonsil" in clean


def test_nothing_that_identifies_reaches_the_report():
    report = structure_text(HEADER)
    assert report.line("tonsil").value == "R - involved"
    assert report.line("tonsil").evidence[0].source == "[removed] has a mass in the right tonsil."
    written = report.model_dump_json()
    for secret in ("Jane", "Roe", "AB4711", "Quincy", "Baker"):
        assert secret not in written


def test_a_label_alone_takes_the_next_line():
    clean = without_identifiers("Patient Name:\nJohn Smith\nFindings: Smith has a mass.")
    assert "Smith" not in clean
    assert "John" not in clean


def test_findings_on_the_header_line_are_kept():
    assert without_identifiers("Name: Jane Roe  Findings: Normal neck.").endswith("Findings: Normal neck.")


@pytest.mark.parametrize(
    "text",
    [
        "Name: Jane Roe\nNeck normal.\nName: John Doe\nNeck normal.",
        "MRN: 123\nNeck normal.\nMRN: 456\nNeck normal.",
        "Patient 1\nNeck normal.\n\nPatient 2\nNeck normal.",
        "Procedure: CT neck\nMass.\nImpression: Mass.\n\nProcedure: CT neck\nNo mass.\nImpression: None.",
    ],
)
def test_two_patients_are_refused(text):
    with pytest.raises(InputRefusedError, match="more than one patient"):
        refuse_two_patients(text)


def test_the_same_patient_named_twice_is_one():
    refuse_two_patients("Name: Jane Roe\nMRN: 1\n\nName: JANE ROE\nNeck normal.")
