import re

import pytest

from hyoid.anatomy.structures import Side
from hyoid.report.free_text.neighbours import Sides, with_side


def read(*sentences, headed=None):
    sides = Sides()
    return [sides.read(words, headed=headed) for words in sentences][-1]


def mirrored(text):
    swapped = {"right": "left", "left": "right"}
    return re.sub(r"right|left", lambda match: swapped[match.group()], text)


@pytest.mark.parametrize(
    ("before", "words", "said"),
    [
        ("there is a tumour on the right.", "it reaches the tonsil.", "it reaches the right tonsil."),
        ("mass of the left tonsil.", "two nodes on the same side.", "two nodes on the left."),
        ("mass of the left tonsil.", "the opposite side is free.", "on the right is free."),
        ("left-sided process.", "the gingiva is infiltrated.", "the left gingiva is infiltrated."),
        # A side that is said of one place is not that of others.
        ("mass of the left tonsil.", "it reaches the base of tongue.", "it reaches the base of tongue."),
        ("there is a tumour on the right.", "both tonsils are normal.", "both tonsils are normal."),
        ("there is a tumour on the right.", "the epiglottis is free.", "the epiglottis is free."),
    ],
)
def test_a_side_comes_from_the_sentence_before_where_that_gives_it_to_the_process(before, words, said):
    assert read(before, words) == said
    if "-sided" not in before:
        assert read(mirrored(before), mirrored(words)) == mirrored(said)


def test_the_same_side_is_still_that_of_before_an_aside():
    said = read("there is a tumour on the right.", "the other side is normal.", "a node on the same side.")
    assert said == "a node on the right."


def test_a_heading_gives_its_side_and_a_paragraph_ends_what_held_before():
    assert read("nodes : level ii and level iii.", headed=Side.LEFT) == "nodes : left level ii and level iii."
    sides = Sides()
    sides.read("there is a tumour on the right.")
    assert sides.read("the tonsil is infiltrated.", starts=True) == "the tonsil is infiltrated."


def test_places_without_a_side_of_their_own_get_none():
    assert with_side("the cricoid and the parotid gland", Side.LEFT) == "the cricoid and the left parotid gland"
