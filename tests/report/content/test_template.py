import re

import pytest

from hyoid.anatomy import subsites
from hyoid.report.content import template


def printed_lines(text):
    """Lines of Appendix C as the paper prints them."""
    part = text.partition("Appendix C. Structured template")[2].partition("Appendix D.")[0]
    return [line.strip() for line in part.splitlines()[1:] if line.strip()]


@pytest.mark.shared
def test_words_and_order_are_those_of_the_paper(shared_data):
    paper = (shared_data.parent / "papers" / "000_5280437d053a39a7.txt").read_text(encoding="utf-8")
    printed = [line.rstrip(":").strip() for line in printed_lines(paper)]
    assert [row.words for row in template.TEMPLATE] == printed


@pytest.mark.shared
def test_lines_to_answer_are_those_printed_with_a_colon(shared_data):
    paper = (shared_data.parent / "papers" / "000_5280437d053a39a7.txt").read_text(encoding="utf-8")
    with_colon = {line.rstrip(":").strip() for line in printed_lines(paper) if line.endswith(":")}
    assert {row.words for row in template.FIELDS} - with_colon == {"Subglottis"}
    assert not with_colon - {row.words for row in template.FIELDS}


def test_keys_are_the_words_in_snake_case():
    for row in template.TEMPLATE:
        words = row.words.partition(" (")[0].replace("&", "and").lower()
        key = re.sub(r"[^a-z]+", "_", words).strip("_")
        assert row.key == {"floor_of_the_mouth": "floor_of_mouth"}.get(key, key)
    assert len(template.BY_KEY) == len(template.TEMPLATE)


def test_involvement_keys_are_those_of_the_subsites_in_the_same_order():
    front_and_nodes = ("patient", "primary_location_of_the_mass", "size_of_the_mass")
    keys = [row.key for row in template.FIELDS if row.section != "Lymph Node Metastases"]
    assert [key for key in keys if key not in front_and_nodes] == [field.key for field in subsites.FIELDS]
    for field in subsites.FIELDS:
        assert template.BY_KEY[field.key].section == field.region
        assert template.BY_KEY[field.key].words.replace("of the mouth", "of mouth") == field.words.replace(
            "of the mouth", "of mouth"
        )


def test_every_section_is_a_heading_before_its_fields():
    seen = set()
    for row in template.TEMPLATE:
        if row.is_heading:
            seen.add(row.words)
        else:
            assert row.section in seen
