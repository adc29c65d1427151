from hyoid.anatomy.levels import LEVELS
from hyoid.anatomy.subsites import FIELD_BY_KEY, FIELDS
from hyoid.report.content.template import BY_KEY
from hyoid.report.free_text.node_levels import levels_in
from hyoid.report.free_text.vocabulary import TERMS, mentions_in, sides_in


def test_every_field_of_the_anatomy_has_words_and_every_key_is_a_line():
    keys = {key for term in TERMS for key in term.keys}
    assert {field.key for field in FIELDS} <= keys
    assert all(key in BY_KEY for key in keys)
    assert keys - set(FIELD_BY_KEY) == {"extranodal_extension"}


def test_the_anatomys_own_words_are_read_as_their_field():
    for field in FIELDS:
        words = field.words.lower().partition(" (")[0].split("/")[0]
        assert field.key in {key for mention in mentions_in(words) for key in mention.term.keys}, field.words


def test_every_level_of_the_anatomy_is_read():
    for level in LEVELS:
        assert levels_in(f"nodes at level {level.name.lower()}")[0][2] == (level.name,)


def test_of_overlapping_words_the_longer_count():
    assert [m.term.keys for m in mentions_in("thyroid cartilage")] == [("thyroid_cartilage",)]
    assert [m.term.keys for m in mentions_in("base of the tongue")] == [("base_of_tongue",)]


def test_both_is_two_sides():
    assert len(sides_in("both")) == len(sides_in("right and left")) == 2
    assert sides_in("the lip") == frozenset()
