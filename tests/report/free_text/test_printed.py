from hypothesis import given, settings
from hypothesis import strategies as st

from hyoid.report.content.schema import Evidence, Report
from hyoid.report.content.template import FIELDS, Kind
from hyoid.report.free_text.answers import answerable, blank, is_answer, state_words
from hyoid.report.free_text.assertions import State
from hyoid.report.free_text.printed import is_template
from hyoid.report.free_text.structure import structure_text
from hyoid.report.free_text.vocabulary import sides_in
from hyoid.report.pages.text import template_text

SIDES = st.sampled_from(["", "right", "left", "both"]).map(sides_in)
FREE = {
    Kind.LOCATION: ["Oropharynx", "Tonsil, right side", "No mass seen"],
    Kind.SIZE: ["2.7 cm", "2 x 2.4 cm", "Not applicable, no mass"],
    Kind.COUNT: ["0", "3 (2 right level IIa; 1 left level III)", "Multiple (both sides level II, III)"],
    Kind.SIDE: ["Bi", "Ipsi (right)", "Left, side of the primary not stated"],
}
FLAGS = st.lists(st.sampled_from(["Said of the region as a whole", "Side not stated"]), max_size=2, unique=True)


@st.composite
def reports(draw):
    lines = []
    for row in FIELDS:
        line = blank(row)
        if row in answerable() and draw(st.booleans()):
            if row.kind in FREE:
                value = draw(st.sampled_from(FREE[row.kind]))
            else:
                value = state_words(row, draw(st.sampled_from(list(State))), draw(SIDES))
            assert is_answer(row, value)
            evidence = (Evidence(status="text", source="A sentence."),)
            line = line.model_copy(
                update={"value": value, "status": "text", "evidence": evidence, "flags": tuple(draw(FLAGS))}
            )
        lines.append(line)
    return Report(impression=(), study=None, models=(), lines=tuple(lines), lesions=(), organs=(), missing_organs=(),
                  warnings=(), empty=False)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(reports())
def test_template_to_text_to_template_is_the_identity(report):
    again = structure_text(template_text(report))
    assert [(x.key, x.value, x.status, x.flags) for x in again.lines] == [
        (x.key, x.value, x.status, x.flags) for x in report.lines
    ]


def test_a_template_filled_by_hand_is_read_and_quotes_its_own_lines():
    text = "\n".join(f"{row.words}: {'Involved' if row.key == 'lip' else 'Missing'}" for row in FIELDS)
    report = structure_text(text)
    assert report.line("lip").value == "Involved"
    assert report.line("lip").evidence[0].source == "Lip: Involved"
    assert [line.key for line in report.lines if line.status == "text"] == ["lip"]


def test_a_patient_named_in_a_template_is_dropped():
    text = "\n".join(f"{row.words}: {'Jane Roe' if row.key == 'patient' else 'Missing'}" for row in FIELDS)
    assert "Roe" not in structure_text(text).model_dump_json()


def test_a_free_report_with_headings_is_no_template():
    assert not is_template("Lip: normal\nEpiglottis: involved\nOrbit: normal")
