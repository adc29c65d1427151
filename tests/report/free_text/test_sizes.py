import pytest

from hyoid.report.free_text.sentences import plain
from hyoid.report.free_text.sizes import Size, sizes_in


@pytest.mark.parametrize(
    ("text", "axes"),
    [
        ("2 x 2.4 cm", (2.0, 2.4)),
        (r"$\sim 2 \times 2.4$ cm", (2.0, 2.4)),
        ("24 mm", (2.4,)),
        ("24-mm", (2.4,)),
        ("2.7cm", (2.7,)),
        ("13 x 9 x 8 mm", (1.3, 0.9, 0.8)),
        ("2 cm x 2.4 cm", (2.0, 2.4)),
        ("2,4 cm", (2.4,)),
        ("4.1 cm (AP) x 2.7 cm (TR)", (4.1, 2.7)),
        ("2.7 cm in AP and 2.5 cm in craniocaudal dimension", (2.7, 2.5)),
        ("2 cm by 14 mm", (2.0, 1.4)),
        ("3*1.8 cm", (3.0, 1.8)),
    ],
)
def test_sizes_in_centimetres(text, axes):
    assert [size.axes_cm for size in sizes_in(plain(text))] == [axes]


@pytest.mark.parametrize(
    "text", ["17 June 2022", "level 2 x nodes", "larger than 1 cm", "less than 10 mm", "5 mm from the midline", "3 mm slices",
             "depth of 12 mm", "45 cm", "T4 N2"],
)  # fmt: skip
def test_dates_limits_and_distances_are_no_sizes(text):
    assert sizes_in(plain(text)) == ()


def test_words_keep_the_order_and_the_longest_is_the_greatest():
    size = Size((2.0, 2.4), 0, 1)
    assert (size.words, size.longest_cm) == ("2 x 2.4 cm", 2.4)
