import pytest

from hyoid.report.free_text.reservations import reserved_in


@pytest.mark.parametrize(
    ("words", "open_words"),
    [
        ("it is unclear whether the cricoid is invaded", ["whether the cricoid is invaded"]),
        ("the lip is normal; invasion of the cricoid is improbable", [" invasion of the cricoid is improbable"]),
        ("invasion was raised; this is not the case", ["invasion was raised; this is not the case"]),
        ("were the cricoid infiltrated", ["were the cricoid infiltrated"]),
    ],
)
def test_a_reservation_reaches_its_stretch(words, open_words):
    assert [words[start:end] for start, end in reserved_in(words)] == open_words


@pytest.mark.parametrize(
    "words",
    [
        "there is no doubt that the cricoid is invaded",
        "the airway remains open and wide",
        "it looks as if",
        "the lip is normal",
        "",
    ],
)
def test_plain_statements_stand_under_none(words):
    assert reserved_in(words) == ()
