import pytest

from hyoid.cards.decisions import (
    LOWEST_DICE,
    LOWEST_PRECISION,
    beats_the_most_frequent_class,
    learned_attributes,
    learned_fields,
    learned_structures,
    lowest,
    transfers,
)


def test_a_structure_is_learned_from_the_limit_upwards():
    rows = {"a": {"dice": LOWEST_DICE}, "b": {"dice": LOWEST_DICE - 1e-4}, "c": {"dice": 0.9}}
    assert learned_structures(rows) == ("a", "c")
    assert learned_structures({}) == ()


@pytest.mark.parametrize(
    ("plausible", "dice", "answer"), [(True, 0.31, True), (True, 0.29, False), (False, 0.9, False), (True, 0.3, True)]
)
def test_a_virtual_structure_must_look_right_on_real_scans_too(plausible, dice, answer):
    assert transfers({"plausible": plausible, "dice": dice}) is answer


def test_a_field_without_a_positive_or_without_examples_is_not_answered():
    precision = {"tonsil": LOWEST_PRECISION, "lip": 0.49, "uvula": None, "tongue": 1.0}
    assert learned_fields(precision, ("tonsil", "lip", "uvula")) == ("tonsil",)


def score(low, majority=0.6):
    return {"low": low, "majority": majority}


def test_better_than_the_most_frequent_class_means_beyond_chance():
    assert beats_the_most_frequent_class(score(0.61))
    assert not beats_the_most_frequent_class(score(0.6))
    assert not beats_the_most_frequent_class(score(None))
    assert not beats_the_most_frequent_class(None)


def test_an_attribute_must_hold_with_every_mask():
    rows = [{"density": score(0.7), "shape": score(0.7)}, {"density": score(0.65), "shape": score(0.5)}, {}]
    assert learned_attributes(("shape", "density"), rows[:1]) == ("shape", "density")
    assert learned_attributes(("shape", "density"), rows[:2]) == ("density",)
    # What was not scored with one of the masks is not known.
    assert learned_attributes(("shape", "density"), rows) == ()
    assert learned_attributes(("shape", "density"), []) == ()


def test_the_worst_of_several_scans_counts():
    assert lowest([{"a": 0.9}, {"a": 1.0, "b": 0.5}, {"b": 0.7}]) == {"a": 0.9, "b": 0.5}
    assert lowest([]) == {}
