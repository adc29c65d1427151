import pytest

from hyoid.report.free_text.sentences import Part, plain, present, read_sentences


def test_parts_follow_headings_and_end_with_their_paragraph():
    text = "Clinical background: Ca tongue.\n\nThe lip is normal.\n\nComparison: Smaller.\n\nIMPRESSION:\n1. Mass.\n2. Nodes."
    assert [(s.part, s.text) for s in read_sentences(text)] == [
        (Part.HISTORY, "Ca tongue."),
        (Part.FINDINGS, "The lip is normal."),
        (Part.COMPARISON, "Smaller."),
        (Part.IMPRESSION, "Mass."),
        (Part.IMPRESSION, "Nodes."),
    ]


def test_headings_without_a_colon_count_when_they_stand_alone():
    assert [s.part for s in read_sentences("Clinical information\nHoarse.\n\nFindings\nThe lip is normal.")] == [
        Part.HISTORY, Part.FINDINGS,
    ]  # fmt: skip


def test_wrapped_lines_are_one_sentence():
    text = "Enlarged multiple conglomerated necrotic lymph nodes in bilateral level\nII, III regions. Second."
    assert [s.text for s in read_sentences(text)] == [text.splitlines()[0] + " II, III regions.", "Second."]


def test_stops_of_numbers_and_abbreviations_end_nothing():
    assert len(read_sentences("The mass is approx. 2.7 cm vs. Level II nodes.")) == 1


def test_short_lines_are_sentences_of_their_own():
    assert [s.text for s in read_sentences("Lip: normal\nEpiglottis: involved")] == [
        "Lip: normal",
        "Epiglottis: involved",
    ]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("The mass measures 2 cm, previously 3 cm.", "the mass measures 2 cm,"),
        ("The mass decreased from 3.4 to 2.2 cm.", "the mass decreased to 2.2 cm."),
        ("On the previous CT the lip was involved.", ""),
        ("Previously seen nodes have resolved.", "nodes have resolved."),
        ("Compared to the scan dated 17 June 2022, the mass is smaller.", ", the mass is smaller."),
        ("The earlier examination showed invasion of the lip; now normal.", "; now normal."),
        ("The mass was 3 cm and is now 2 cm.", "the mass and is now 2 cm."),
    ],
)
def test_earlier_scans_are_cut_out(text, kept):
    assert present(plain(text)) == kept
