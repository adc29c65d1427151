import pytest

from hyoid.report.free_text.lexicon import PATTERNS
from hyoid.report.free_text.spelling import known_words, mended, plain


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("leison", "lesion"), ("tounge", "tongue"), ("suspcious", "suspicious"), ("extention", "extension"),
        ("epiglotis", "epiglottis"), ("supraglotic", "supraglottic"), ("infiltraion", "infiltration"), ("parotd", "parotid"),
    ],
)  # fmt: skip
def test_slips_are_mended(slip, meant):
    assert mended(slip) == meant


@pytest.mark.parametrize(
    "word", ["spread", "chest", "evades", "contact", "ventral", "lesion", "perineural", "ene", "nodule", "invade"]
)
def test_other_words_are_left_as_they_are(word):
    assert mended(word) == word


def test_no_word_of_the_lexicon_is_mended_into_another():
    words = {word for word in known_words() if len(word) > 4}
    assert PATTERNS
    assert all(mended(word) == word for word in words)


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("AC/PC free", "anterior commissure / posterior commissure free"),
        ("RMT - N.", "retromolar trigone - normal."),
        ("Lt SMG", "left submandibular gland"),
        ("TC & CC - no erosion", "thyroid cartilage & cricoid cartilage - no erosion"),
        ("3.8 x 2.1 x 3.0 cm (AP x TR x CC)", "3.8 x 2.1 x 3.0 cm"),
        ("3X2 cm", "3 x 2 cm"),
        ("R glottis", "right glottis"),
    ],
)
def test_abbreviations_are_spelled_out(text, spelled):
    assert plain(text) == spelled
