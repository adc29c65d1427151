import pytest

from hyoid.report.free_text.structure import structure_text
from hyoid.report.pages.one_page import one_page
from hyoid.report.pages.text import template_text


def addendum(text):
    return {line.words: line.value for line in structure_text(text).addendum}


@pytest.mark.parametrize(
    ("sentence", "words", "value"),
    [
        ("Erosion of the buccal cortex of left hemimandible.", "Mandible", "Involved, left"),
        ("The masseter is spared.", "Masticator space", "Not involved"),
        ("The overlying skin is infiltrated.", "Skin", "Involved"),
        ("Invasion of the nasopharynx cannot be excluded.", "Nasopharynx", "Equivocal"),
        ("Stage pT4a N2b M0.", "Stage as written", "pT4a N2b M0"),
        ("NI-RADS 2b primary, NI-RADS 1 neck.", "NI-RADS as written", "NI-RADS 2b primary; NI-RADS 1 neck"),
        ("Uptake with SUVmax 14.2 in the lip.", "Uptake as written", "SUVmax 14.2"),
        ("The mass is smaller than before.", "Change since the prior scan", "The mass is smaller than before."),
        ("Small right pleural effusion.", "Incidental findings", "Small right pleural effusion."),
    ],
)
def test_what_the_template_lacks_is_kept(sentence, words, value):
    assert addendum(f"CT neck. Mass of the left tonsil. {sentence}")[words] == value


def test_every_line_quotes_its_sentence_and_is_text():
    report = structure_text("CT neck. Mass of the left tonsil. The mandible is intact.")
    assert [(line.section, line.status, line.evidence[0].source) for line in report.addendum] == [
        ("Addendum", "text", "The mandible is intact.")
    ]


def test_what_a_line_of_the_template_says_is_not_incidental():
    assert "Incidental findings" not in addendum("CT neck. The left thyroid lobe is infiltrated by the mass.")
    assert "Incidental findings" not in addendum(
        "CT neck. Mass of the left tonsil. Lungs are clear. No pleural effusion."
    )


def test_places_outside_the_template_fill_no_line():
    report = structure_text("CT neck. Mass of the left tonsil. The mandible is eroded and the skin is spared.")
    assert {line.key for line in report.lines if line.status == "text"} == {"primary_location_of_the_mass", "tonsil"}


@pytest.mark.parametrize(
    ("first", "title"),
    [
        ("MRI of the neck", "MRI for Head & Neck Cancers"),
        ("FDG PET/CT head and neck", "PET/CT for Head & Neck Cancers"),
        ("CT and MRI face and neck", "CT and MRI for Head & Neck Cancers"),
        ("CT neck without contrast", "CT without contrast for Head & Neck Cancers"),
        ("CT neck with contrast", ""),
    ],
)
def test_the_report_is_titled_as_the_scan_was(first, title):
    report = structure_text(f"{first}\n\nMass of the left tonsil. The mandible is eroded.")
    assert report.title == title
    written = template_text(report)
    assert (title or "CECT for Head & Neck Cancers") in written
    assert "Addendum\nMandible: Involved [text]" in written
    assert "mandible: involved" in one_page(report)
