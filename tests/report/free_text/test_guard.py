import pytest

from hyoid.report.content.template import BY_KEY
from hyoid.report.free_text.guard import state_in, why_refused
from hyoid.report.free_text.sentences import Part, read_sentences


def reason(key, value, text):
    return why_refused(BY_KEY[key], value, read_sentences(text)[-1])


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("lip", "Involved", "The lip is infiltrated."),
        ("lip", "Not involved", "The lip is spared."),
        ("tonsil", "R - involved", "Mass of the right tonsil."),
        ("epiglottis", "Not involved", "The larynx is normal."),
        ("orbit", "Equivocal, left", "Invasion of the left orbit is possible."),
        ("size_of_the_mass", "2 x 3 cm", "The mass measures 20 x 30 mm."),
        ("number_of_nodes", "2 (right level II)", "Two nodes at right level II."),
        ("number_of_nodes", "0", "No enlarged nodes."),
        ("side", "Bi", "Nodes on both sides."),
        ("primary_location_of_the_mass", "Tonsil, right side", "Mass of the right tonsil."),
        ("primary_location_of_the_mass", "Tonsil", "History: Carcinoma of the tonsil."),
        ("extranodal_extension", "Present", "There is extranodal extension."),
        ("et_tube_in_situ", "Y", "An endotracheal tube is in place."),
    ],
)
def test_what_the_sentence_says_is_let_through(key, value, text):
    assert reason(key, value, text) == ""


@pytest.mark.parametrize(
    ("key", "value", "text", "why"),
    [
        ("lip", "Not involved", "The lip is infiltrated.", "says involved"),
        ("lip", "Involved", "The lip is spared.", "says not involved"),
        ("lip", "Involved", "Invasion of the lip cannot be excluded.", "says equivocal"),
        ("lip", "Not involved", "Invasion of the lip cannot be excluded.", "says equivocal"),
        ("lip", "Involved", "The tonsil is infiltrated.", "does not name"),
        ("tonsil", "L - involved", "Mass of the right tonsil.", "another side"),
        ("lip", "Involved", "History: The lip is infiltrated.", "clinical background"),
        ("submandibular_gland", "Not involved", "The submandibular gland is not seen.", "does not assess"),
        ("tonsil", "Fine", "Mass of the tonsil.", "no answer"),
        ("size_of_the_mass", "9 cm", "The mass measures 3 cm.", "does not stand"),
        ("number_of_nodes", "4", "Two nodes at right level II.", "number"),
        ("number_of_nodes", "2 (left level IV)", "Two nodes at right level II.", "levels"),
        ("number_of_nodes", "0", "Two nodes at right level II.", "denies nothing"),
        ("primary_location_of_the_mass", "Larynx", "Mass of the right tonsil.", "does not name"),
        ("lip", "Involved; Not involved", "The lip is spared.", "several states"),
    ],
)
def test_what_the_sentence_does_not_say_is_refused(key, value, text, why):
    assert why in reason(key, value, text)


def test_every_answer_of_the_rules_passes():
    from hyoid.report.free_text.structure import structure_text

    text = (
        "CT neck. Mass of the right tonsil, 3 x 2 cm, infiltrating the soft palate. The epiglottis is spared. Invasion of the left "
        "orbit cannot be excluded. Two nodes at right level II, the largest 18 mm, no extranodal extension."
    )
    sentences = {s.text: s for s in read_sentences(text)}
    assert all(s.part in (Part.FINDINGS, Part.TECHNIQUE) for s in sentences.values())
    lines = [line for line in structure_text(text).lines if line.status == "text"]
    assert len(lines) == 10
    for line in lines:
        assert any(why_refused(BY_KEY[line.key], line.value, sentences[e.source]) == "" for e in line.evidence), (
            line.key
        )


@pytest.mark.parametrize(
    ("value", "state", "sides"),
    [
        ("Both - not involved", "not involved", {"left", "right"}),
        ("Changed, likely by treatment, left", "treated", {"left"}),
        ("Equivocal", "equivocal", set()),
    ],
)
def test_answers_are_read_back(value, state, sides):
    found = state_in(value)
    assert (found[0].value, {side.value for side in found[1]}) == (state, sides)
    assert state_in("Multiple (right level II)") == (None, frozenset())
