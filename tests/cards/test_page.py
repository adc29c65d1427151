from hyoid.cards.page import card_page, made_by, teachers, written_sections
from hyoid.io.packages.model_package import VIRTUAL_ONLY


def test_a_card_has_every_section_in_order(manifest):
    text = card_page(manifest(), ["0.9 on two patients."], ["At night."])
    titles = [line for line in text.splitlines() if line.startswith("#")]
    assert titles == ["# tiny 2", "## Training data", "## Measured", "## Where it fails", "## Made by"]
    assert "Research use only. Not a medical device." in text
    assert "Two patients. Licence of the weights: MIT." in text
    assert "- At night.\n" in text
    assert "(seed 7)" in text
    assert text.endswith("\n") and not text.endswith("\n\n")


def test_what_a_person_wrote_is_kept_and_what_was_measured_is_not(manifest):
    first = card_page(manifest(), ["0.9"], ["At night."])
    by_hand = (
        first.replace("- At night.", "- On Sundays.") + "\n## Beside others\n\nBetter.\n\n### In detail\n\nMuch.\n"
    )
    kept = written_sections(by_hand)
    assert list(kept) == ["Where it fails", "Made by", "Beside others"]
    again = card_page(manifest(), ["0.7"], ["At night."], kept)
    assert "0.9" not in again and "0.7" in again
    assert "- On Sundays." in again and "At night" not in again
    assert "Better.\n\n### In detail\n\nMuch." in again
    assert written_sections(again) == kept


def test_a_card_without_sections_keeps_nothing():
    assert written_sections("# tiny 2\n\nNot yet measured.\n") == {}
    assert written_sections("") == {}


def test_virtual_teachers_are_said_only_where_no_real_patient_taught(manifest):
    assert teachers(manifest()) == ""
    assert teachers(manifest(learned_from={})) == ""
    only = manifest(learned_from={"virtual": ("tongue",)})
    assert teachers(only) == f"Taught by {VIRTUAL_ONLY}. "
    assert VIRTUAL_ONLY in card_page(only, [], [])
    assert "seed None" in made_by(manifest(recipe={}))
