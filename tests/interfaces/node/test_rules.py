"""Rules: conditions on series, and the first rule that fits."""

import pytest

from hyoid.interfaces.node.config import Rule, When
from hyoid.interfaces.node.rules import SeriesFacts, choose_rule, fits, series_facts
from hyoid.io.dicom import headers

NECK = SeriesFacts("a", "CT", "HEADNECK", ("Neck CE 1.5", "Staging"), frozenset({"CT1"}), 120)


def rule(name, **when):
    return Rule(name=name, when=when, job="report", to=("out",))


@pytest.mark.parametrize(
    ("when", "answer"),
    [
        ({}, True),
        ({"modality": "MR"}, False),
        ({"body_part": "neck"}, True),
        ({"body_part": "^neck"}, False),
        ({"description": r"\bce\b"}, True),
        ({"description": "staging"}, True),
        ({"description": "lung"}, False),
        ({"source": ["CT1", "CT2"]}, True),
        ({"source": "CT2"}, False),
        ({"images": 120}, True),
        ({"images": 121}, False),
        ({"body_part": "neck", "description": "lung"}, False),
    ],
)
def test_every_condition_that_is_given_must_hold(when, answer):
    assert fits(When.model_validate({"modality": "CT"} | when), NECK) is answer


def test_a_part_that_no_header_names_fits_no_pattern():
    unnamed = SeriesFacts("a", "CT", "", ("", ""), frozenset(), 1)
    assert not fits(When(modality=("CT",), body_part="neck"), unnamed)
    assert fits(When(modality=("CT",), body_part="^$"), unnamed)


def test_the_first_rule_with_a_series_for_each_modality_decides():
    pet = SeriesFacts("b", "PT", "", ("PET", ""), frozenset({"CT1"}), 90)
    rules = [rule("both", modality=["CT", "PT"]), rule("ct", modality=["CT"])]
    assert choose_rule(rules, [NECK, pet]) == (rules[0], (NECK, pet))
    assert choose_rule(rules, [NECK]) == (rules[1], (NECK,))
    assert choose_rule(rules, [pet]) is None and choose_rule(rules, []) is None


def test_facts_come_from_the_header(make_object):
    header = headers.parse(make_object(modality="MR"))
    facts = series_facts("x", header, frozenset({"MR1"}), 7)
    assert facts == SeriesFacts("x", "MR", "HEADNECK", ("MR neck", ""), frozenset({"MR1"}), 7)
