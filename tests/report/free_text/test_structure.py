import pytest

from hyoid.errors import InputRefusedError
from hyoid.report.content.template import FIELDS, Kind
from hyoid.report.free_text.structure import structure_text
from hyoid.report.pages.text import template_text

MASS = "There is ill-defined enhancing soft tissue thickening in oropharynx measuring approx. 2.7cm"
OEDEMA = "Non-enhancing edematous thickening of bilateral aryepiglottic fold and vocal cords is noted"
NODES = "Enlarged multiple conglomerated necrotic lymph nodes in bilateral level II, III regions"
# Appendix B of SGRNet, field by field: value and how the sentence it rests on begins. All other lines are Missing: thrombus
# in the jugular foramen and the sigmoid sinus is not tumour in the skull base, and necrosis is not extranodal extension.
APPENDIX_B = {
    "primary_location_of_the_mass": ("Oropharynx", MASS),
    "size_of_the_mass": ("2.7 cm", MASS),
    "base_of_tongue": ("Involved, right", MASS),
    "valleculae": ("Involved, right", MASS),
    "epiglottis": ("Involved", MASS),
    "aryepiglottic_folds": ("Changed, likely by treatment, both sides", OEDEMA),
    "true_vocal_cords": ("Changed, likely by treatment, both sides", OEDEMA),
    "prevertebral_space": ("Not involved", "The prevertebral fat space is maintained."),
    "carotid_arteries_ijv": ("Involved, right", "There is encasement of vessels on the right side with thrombosis"),
    "number_of_nodes": ("Multiple (both sides level II, III)", NODES),
    "side": ("Bi", NODES),
    "max_size": ("2 x 2.4 cm", NODES),
}


def values(text):
    return {line.key: line.value for line in structure_text(text).lines if line.status == "text"}


@pytest.fixture
def appendix_b(shared_data):
    paper = (shared_data.parent / "papers" / "000_5280437d053a39a7.txt").read_text(encoding="utf-8")
    return paper.partition("Appendix B. Example of a free text report")[2].partition("Appendix C.")[0]


@pytest.mark.shared
def test_the_papers_report_is_filled_field_by_field(appendix_b):
    report = structure_text(appendix_b)
    assert {line.key: line.value for line in report.lines if line.status != "Missing"} == {
        key: value for key, (value, _) in APPENDIX_B.items()
    }
    collapsed = " ".join(appendix_b.split())
    for key, (_, begins) in APPENDIX_B.items():
        assert report.line(key).evidence[0].source.startswith(begins)
        assert all(evidence.source in collapsed for evidence in report.line(key).evidence)
    assert report.warnings == ()


@pytest.mark.shared
def test_the_papers_report_survives_printing(appendix_b):
    report = structure_text(appendix_b)
    again = structure_text(template_text(report))
    assert [(x.key, x.value, x.status, x.flags) for x in again.lines] == [
        (x.key, x.value, x.status, x.flags) for x in report.lines
    ]


def test_every_line_of_the_template_is_there_in_its_order():
    report = structure_text("CT neck. The epiglottis is normal.")
    assert [line.key for line in report.lines] == [row.key for row in FIELDS]
    assert {line.value for line in report.lines if line.key != "epiglottis"} == {"Missing"}
    assert report.study is None


def test_contradictory_sentences_are_both_kept_and_flagged():
    report = structure_text("Mass in the left tonsil. The tumour involves the epiglottis. The epiglottis is normal.")
    line = report.line("epiglottis")
    assert line.value == "Involved; Not involved"
    assert [e.source for e in line.evidence] == ["The tumour involves the epiglottis.", "The epiglottis is normal."]
    assert line.flags == ("Contradictory sentences, both kept",)
    assert "Epiglottis" in report.warnings[0]


def test_two_sides_do_not_contradict_each_other():
    found = values("The right tonsil is infiltrated by the mass. The left tonsil is normal.")
    assert found["tonsil"] == "R - involved"


def test_a_region_called_normal_speaks_for_its_lines_and_a_mass_in_it_does_not():
    report = structure_text("Larynx: Normal. Mass in the oropharynx.")
    assert report.line("epiglottis").value == "Not involved"
    assert report.line("epiglottis").flags == ("Said of the region as a whole",)
    assert report.line("tonsil").status == "Missing"


def test_a_report_without_a_mass():
    found = values("No residual or recurrent mass. No cervical lymphadenopathy. The neck is otherwise unremarkable.")
    assert found["primary_location_of_the_mass"] == "No mass seen"
    assert found["size_of_the_mass"] == "Not applicable, no mass"
    assert (found["number_of_nodes"], found["side"], found["max_size"]) == (
        "0", "Not applicable, no node", "Not applicable, no node",
    )  # fmt: skip


def test_the_background_gives_the_site_only_and_is_flagged():
    report = structure_text("Clinical background: Carcinoma of the right tonsil, 3 cm.\n\nThe epiglottis is normal.")
    assert report.line("primary_location_of_the_mass").value == "Tonsil, right side"
    assert report.line("primary_location_of_the_mass").flags == ("From the clinical background",)
    assert report.line("tonsil").status == report.line("size_of_the_mass").status == "Missing"


@pytest.mark.parametrize("text", ["", "  \n\n ", "....", "CT 12"])
def test_an_empty_text_is_refused(text):
    with pytest.raises(InputRefusedError, match="empty"):
        structure_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "Procedure: CT abdomen and pelvis.\n\nThe liver, spleen and kidneys are normal. No lymphadenopathy.",
        "MRI of the right knee. The anterior cruciate ligament is intact. Medial meniscus tear.",
        "Chest radiograph: lungs are clear, heart size is normal, no pleural effusion.",
    ],
)
def test_a_report_of_another_part_of_the_body_is_refused(text):
    with pytest.raises(InputRefusedError, match="head and neck"):
        structure_text(text)


def test_a_neck_report_that_mentions_the_chest_is_read():
    assert values("CT neck and thorax. The epiglottis is normal. Lungs are clear.")["epiglottis"] == "Not involved"


def test_text_that_answers_nothing_is_empty_and_says_so():
    report = structure_text("CT of the neck was performed without complications.")
    assert report.empty
    assert report.warnings == ("No line of the template is answered by the text.",)


def test_identity_is_never_answered():
    identity = [row.key for row in FIELDS if row.kind is Kind.IDENTITY]
    report = structure_text("Patient: Jane Roe\n\nMass in the right tonsil.")
    assert [report.line(key).value for key in identity] == ["Missing"]
    assert "Roe" not in report.model_dump_json()
