import numpy as np
import pytest
from benchmarks.written.composed import compose_report
from benchmarks.written.styles import GERMAN
from benchmarks.written.truths import draw_truth

from hyoid.report.free_text.guard import state_in
from hyoid.report.free_text.language import in_english, language_of
from hyoid.report.free_text.structure import structure_text

REPORT = """CT Hals mit Kontrastmittel

Klinische Angaben: Bekanntes Oropharynxkarzinom.

Befund: Raumforderung der linken Tonsille, 3,4 x 2,1 cm. Der Tumor infiltriert den Zungengrund links. Der weiche Gaumen ist nicht
infiltriert. Eine Infiltration des parapharyngealen Fettes links ist nicht auszuschließen. Kein Anhalt für eine Infiltration des
Larynx. Die Glandula submandibularis rechts ist reseziert. V.a. Infiltration der Vallecula links. Zwei vergrößerte Lymphknoten in
Level II links, der größte 18 mm. Kein Nachweis einer extranodalen Ausbreitung. Unterkiefer intakt.

Beurteilung: Tonsillenkarzinom links, cT2 cN1.
"""


def test_a_german_report_is_read_line_by_line():
    report = structure_text(REPORT)
    found = {line.key: line.value for line in report.lines if line.status == "text" and not line.flags}
    assert found == {
        "primary_location_of_the_mass": "Tonsil, left side", "size_of_the_mass": "3.4 x 2.1 cm", "tonsil": "L - involved",
        "base_of_tongue": "Involved, left", "soft_palate": "Not involved", "parapharyngeal_space": "Equivocal, left",
        "valleculae": "Equivocal, left", "number_of_nodes": "2 (left level II)", "side": "Ipsi (left)", "max_size": "1.8 cm",
        "extranodal_extension": "Absent",
    }  # fmt: skip
    assert report.line("epiglottis").value == "Not involved"
    assert report.line("submandibular_gland").status == "Missing"
    assert report.line("soft_palate").evidence[0].source == "Der weiche Gaumen ist nicht infiltriert."
    assert {line.words: line.value for line in report.addendum} == {
        "Mandible": "Not involved",
        "Stage as written": "cT2 cN1",
    }


def test_composed_german_reports_are_never_inverted():
    right = stated = 0
    for seed in range(15):
        rng = np.random.default_rng([31, seed])
        written = compose_report(draw_truth(rng), GERMAN, rng)
        report = structure_text(written.text)
        for key, told in written.stated.items():
            state = state_in(report.line(key).value)[0]
            stated += 1
            right += state is not None and state.value == told.state
            assert {state and state.value, told.state} != {"involved", "not involved"}, written.sentences[key]
    assert right >= 0.95 * stated


@pytest.mark.parametrize(
    ("text", "language"),
    [(REPORT, "de"), ("CT neck. Mass of the left tonsil. The epiglottis is normal.", "en"), ("Die", "en"), ("", "en")],
)
def test_the_language_is_told_by_its_own_words(text, language):
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("german", "english"),
    [
        ("Die Epiglottis ist nicht infiltriert.", "the epiglottis is not infiltrated."),
        ("Kein Anhalt für Infiltration der Tonsille", "no evidence of infiltration of the tonsil"),
        ("3,4 x 2,1 cm", "3.4 x 2.1 cm"),
        ("Z.n. Resektion", "status post resektion"),
    ],
)
def test_phrases_become_those_of_the_rules(german, english):
    assert in_english(german, "de") == english


def test_english_is_left_alone():
    assert in_english("The DIE is cast, 3,4", "en") == "The DIE is cast, 3,4"
