import pytest

from hyoid.report.free_text.numerals import number_in, value_of, with_digits


@pytest.mark.parametrize(
    ("words", "digits"),
    [
        ("thirty-five by twenty millimetres", "35 x 20 millimetres"),
        ("three point two by two point five centimetres", "3.2 x 2.5 centimetres"),
        ("a mass of two and a half centimetres", "a mass of 2.5 centimetres"),
        ("two nodes, the largest fourteen mm", "two nodes, the largest 14 mm"),
        ("nodes in level two and three on the left", "nodes in level ii and iii on the left"),
        # Numbers that no unit follows stay words: they count.
        ("one of four nodes", "one of four nodes"),
        ("level two nodes, one enlarged", "level ii nodes, one enlarged"),
    ],
)
def test_lengths_and_levels_in_words_become_digits(words, digits):
    assert with_digits(words) == digits
    assert with_digits(digits) == digits


def test_every_number_to_ninety_nine_has_its_value():
    tens = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
    ones = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    values = [value_of(f"{ten}-{one}") for ten in tens for one in ones]
    assert values == [float(ten + one) for ten in range(20, 100, 10) for one in range(1, 10)]


def test_a_value_begins_with_its_number_or_with_none():
    assert number_in("2, level III") == (2, ", level III") and number_in("twenty-one") == (21, "")
    assert number_in("1.4 cm") == (None, "1.4 cm") and number_in("multiple") == (None, "multiple")
