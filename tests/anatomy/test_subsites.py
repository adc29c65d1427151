"""The sub-site table is complete, in the template's order, and joined to the structure table."""

from hyoid.anatomy.structures import BY_NAME, Side
from hyoid.anatomy.subsites import FIELD_BY_KEY, FIELDS, SUBSITE_BY_NAME, SUBSITES


def test_labels_and_names_are_unique_and_labels_have_no_gap():
    assert [row.label for row in SUBSITES] == list(range(1, len(SUBSITES) + 1))
    assert len({row.name for row in SUBSITES}) == len(SUBSITES)


def test_keys_are_the_printed_words():
    def key(words):
        return words.lower().split(" (")[0].replace("/ ", " ").replace("/", " ").replace("-", " ").replace(" ", "_")

    assert [field.key for field in FIELDS] == [key(field.words) for field in FIELDS]


def test_every_row_fills_a_field_and_rows_keep_the_order_of_the_fields():
    keys = [field.key for field in FIELDS]
    positions = [keys.index(row.field) for row in SUBSITES]
    assert positions == sorted(positions)
    assert all(row.region == FIELD_BY_KEY[row.field].region for row in SUBSITES)


def test_a_field_is_found_in_one_way_only():
    with_rows = {row.field for row in SUBSITES}
    nowhere = {field.key for field in FIELDS if field.key not in with_rows and not field.organs}
    assert nowhere == {"et_tube_in_situ", "cranial_nerves"}
    assert not [field.key for field in FIELDS if field.key in with_rows and field.organs]


def test_organs_of_fields_exist():
    assert all(name in BY_NAME for field in FIELDS for name in field.organs)


def test_sides():
    assert SUBSITE_BY_NAME["tonsil_left"].side is Side.LEFT
    assert SUBSITE_BY_NAME["tonsil_right"].side is Side.RIGHT
    assert SUBSITE_BY_NAME["epiglottis"].side is Side.MIDLINE
    left = {row.name.removesuffix("_left") for row in SUBSITES if row.side is Side.LEFT}
    assert left == {row.name.removesuffix("_right") for row in SUBSITES if row.side is Side.RIGHT}
