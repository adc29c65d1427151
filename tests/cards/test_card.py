"""Cards made again from the manifests that came with hyoid: the same tables, to the letter."""

import pytest

from hyoid.cards.card import PARTS, compose_card
from hyoid.cards.kinds import Kind, kind_of
from hyoid.cards.page import written_sections


def tables(text):
    return [line for line in text.splitlines() if line.startswith("|")]


@pytest.mark.parametrize(
    "name", ["neck", "sgrnet", "sgrnet-template", "midrt", "petct-head", "petct-coarse", "petct-resenc", "isrg"]
)
def test_tables_of_shipped_cards_follow_from_their_manifests(shipped, name):
    folder, manifest = shipped[name]
    old = (folder / "CARD.md").read_text(encoding="utf-8")
    new = compose_card(manifest, written_sections(old))
    found = [row for row in tables(new) if not row.startswith(("| validation", "| test"))]
    assert len(found) > 3
    assert set(found) <= set(tables(old))
    # What a person wrote stands there word for word.
    assert all(text in new for text in written_sections(old).values())


@pytest.mark.parametrize("name", ["organs", "tumour"])
def test_every_structure_of_a_shipped_card_has_its_dice(shipped, name):
    folder, manifest = shipped[name]
    new = compose_card(manifest, {})
    old = tables((folder / "CARD.md").read_text(encoding="utf-8"))
    assert len(tables(new)) == len(old)
    assert all(any(line.startswith(row.rstrip("|").rstrip()) for line in old) for row in tables(new)[2:])


def test_every_kind_has_its_card(shipped):
    assert set(PARTS) == set(Kind)
    for _, manifest in shipped.values():
        text = compose_card(manifest, {})
        assert "## Where it fails\n\n- " in text
        assert kind_of(manifest) in PARTS
