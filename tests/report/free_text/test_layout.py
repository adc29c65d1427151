import pytest

from hyoid.report.free_text.layout import Row, pieces_of


def said(*lines):
    return [piece.words if isinstance(piece, Row) else piece for piece in pieces_of("\n".join(lines))]


@pytest.mark.parametrize("gap", ["   ", "\t", " | "])
def test_a_column_a_side_however_it_is_parted(gap):
    rows = said(gap.join(("Structure", "Left", "Right")), gap.join(("Tonsil", "tumour, 18 mm", "normal")))
    assert rows == ["left Tonsil: tumour, 18 mm.", "right Tonsil: normal."]


def test_signs_of_a_table_are_states_and_its_legend_is_no_finding():
    rows = said(
        "        R      L", "Tonsil    +     -", "Parotid    +/-    -", "(+ involved, - free)", "Larynx normal."
    )
    assert rows == [
        "right Tonsil: involved.", "left Tonsil: not involved.", "right Parotid: equivocal.",
        "left Parotid: not involved.", "Larynx normal.",
    ]  # fmt: skip


def test_nodes_of_a_table_are_one_sentence_with_their_lines():
    (row,) = pieces_of("Level   Right   Left\nII   2 (14 mm)   none\nIII   one, 8 mm   0")
    assert row.words == "two nodes in right level II (14 mm), one node in right level III, 8 mm; no nodes on the left."
    assert row.source == "II 2 (14 mm) none III one, 8 mm 0"
    assert said("Level   R   L", "II   0   0", "III   nil   none") == ["no enlarged nodes."]


def test_a_table_of_other_columns_stays_as_it_is():
    lines = ("Structure   Finding   Size", "Tonsil   tumour   18 mm")
    assert said(*lines) == list(lines)


FORM = (
    "Primary site: Floor of mouth", "Laterality: left", "Greatest dimension: 2.7 cm", "Oral tongue: Yes",
    "Gingiva: No", "Tonsil: cannot be excluded", "Number of nodes, left: 2", "Levels: IA, IB",
    "Size of largest node: 14 mm", "Extranodal extension: not seen",
)  # fmt: skip


def test_a_form_is_read_field_by_field_and_its_nodes_together():
    assert said(*FORM) == [
        "Tumour of the left floor of mouth.", "The mass measures 2.7 cm.", "oral tongue: involved.",
        "gingiva: not involved.", "Tonsil: cannot be excluded",
        "two nodes on the left in level IA, IB, the largest 14 mm.", "Extranodal extension: absent.",
    ]  # fmt: skip


def test_three_fields_are_no_form():
    assert said(*FORM[:3]) == list(FORM[:3])


def test_dots_lead_from_label_to_value():
    rows = said("Tumour ..... epiglottis", "Cricoid ..... intact", "N, number ..... 4", "N, side ..... both")
    assert rows == ["Tumour of the epiglottis.", "Cricoid: intact.", "four nodes on both sides."]


@pytest.mark.parametrize(("value", "words"), [("3, bilateral", "both sides"), ("3, left", "the left")])
def test_the_side_of_a_count_is_that_of_its_words(value, words):
    rows = said("Tumour ..... epiglottis", "Cricoid ..... intact", "Hyoid ..... intact", f"Nodes, number ..... {value}")
    assert rows[-1] == f"three nodes on {words}."


def test_boxes_that_are_ticked_hold_tumour_and_others_do_not():
    assert said("[x] left vocal cord  [ ] epiglottis") == ["left vocal cord: tumour.", "epiglottis: not involved."]
    # A whole region is not called free by a box.
    assert said("[x] glottis  [ ] supraglottis") == ["glottis: tumour."]


def test_questions_with_answers_are_statements():
    rows = said("1. Where is the mass? Right tonsil.", "2. Is the epiglottis involved? No.", "3. How many nodes? Two.")
    assert rows == ["Where is the mass: Right tonsil.", "epiglottis: not involved.", "two nodes."]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("false cords R/L  +/-", ["right false cords: involved.", "left false cords: not involved."]),
        ("Paraglottic fat: right yes, left no", ["right Paraglottic fat: involved.", "left Paraglottic fat: not involved."]),
        ("- Subglottis: yes, 9 mm below the cords, right", ["right subglottis: involved."]),
        ("vallecula   ?", ["vallecula: equivocal."]),
    ],
)  # fmt: skip
def test_marks_answer_for_the_place_in_front(line, words):
    assert [piece.words for piece in pieces_of(line)] == words


def test_a_numbered_row_is_quoted_as_it_stands():
    (row,) = pieces_of("9 | Tonsil | free on both sides")
    assert (row.source, row.words) == ("9 | Tonsil | free on both sides", "Tonsil: free on both sides")


def test_an_answer_on_an_earlier_scan_keeps_its_words():
    text = "Site: larynx\nSize: 2 cm\nTonsil: normal\nTongue base: involved on prior imaging"
    assert pieces_of(text)[-1].words == "Tongue base: involved on prior imaging."
