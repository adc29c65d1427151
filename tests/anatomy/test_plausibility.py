import json
from importlib.resources import files

import pytest

from hyoid.anatomy.plausibility import (
    REAL,
    OutlineFacts,
    PlausibleRange,
    doubts_about,
    impossible_about,
    plausible_ranges,
)
from hyoid.anatomy.structures import BY_NAME, ORGANS, opposite

ROW = {"x": PlausibleRange(50, (10.0, 40.0), ((-5.0, 5.0), (20.0, 60.0), (-80.0, -40.0)), (0.3, 0.6))}
GOOD = (20.0, (0.0, 40.0, -60.0), 0.4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ""),
        ({"volume_ml": 1.9}, "volume 1.9 ml, plausible are 6.7 to 60.0 ml"),
        ({"volume_ml": 61.0}, "volume 61.0 ml"),
        ({"volume_ml": 6.65}, "volume 6.65 ml, plausible are 6.67 to 60.00 ml"),
        ({"offset_mm": (21.0, 40.0, -60.0)}, "place 21 mm to the left of the mandible"),
        ({"offset_mm": (0.0, 0.0, -60.0)}, "place 0 mm backward of the mandible, plausible are 5 to 75 mm"),
        ({"offset_mm": None}, ""),
        ({"fill": 0.1}, "shape: fills 10% of its box, plausible are 20% to 90%"),
        ({"volume_ml": 1.9, "cut": True}, ""),
        ({"volume_ml": 61.0, "cut": True}, "volume 61.0 ml"),
    ],
)
def test_each_respect_is_judged_on_its_own(change, words):
    facts = OutlineFacts(**{"volume_ml": GOOD[0], "offset_mm": GOOD[1], "fill": GOOD[2]} | change)
    found = doubts_about("x", facts, ROW)
    assert len(found) == bool(words) and "".join(found).startswith(words)


def test_a_structure_without_ranges_is_never_doubted():
    assert doubts_about("gtvp", OutlineFacts(0.001, None, 0.01)) == ()


def test_every_organ_that_is_delivered_has_ranges_of_real_or_virtual_patients():
    ranges = plausible_ranges()
    assert set(ranges) == {row.name for row in ORGANS}
    assert sum(row.basis == REAL for row in ranges.values()) == 10
    # Virtual patients vary less than patients do: 3 times the greatest volume seen there is allowed, not half more.
    row = ranges["tongue"]
    assert doubts_about("tongue", OutlineFacts(2.9 * row.volume_ml[1], None, row.fill[0])) == ()
    assert doubts_about("tongue", OutlineFacts(3.1 * row.volume_ml[1], None, row.fill[0]))


def test_what_cannot_be_a_structure_at_all_takes_a_tenth_or_ten_times_or_60_mm():
    far = OutlineFacts(20.0, (0.0, 40.0, 25.0), 0.01)
    assert impossible_about("x", far, ROW)[0].startswith("place 25 mm upward of the mandible, possible are -140 to 20")
    assert impossible_about("x", OutlineFacts(0.9, None, 0.4), ROW)[0].startswith("volume 0.9 ml, possible are 1.0")
    assert impossible_about("x", OutlineFacts(0.9, None, 0.4, cut=True), ROW) == ()
    assert impossible_about("x", OutlineFacts(1.1, None, 0.001), ROW) == ()


def test_a_larynx_of_two_millilitres_is_doubted():
    assert doubts_about("larynx", OutlineFacts(1.9, None, 0.4))[0].startswith("volume 1.9 ml")


def test_the_table_names_structures_and_sides_are_alike():
    ranges = plausible_ranges()
    assert set(ranges) <= set(BY_NAME)
    for name, row in ranges.items():
        other = ranges[opposite(name)]
        assert row.volume_ml[0] < row.volume_ml[1] < 3 * other.volume_ml[1]
        # Mirrored sides lie at mirrored places.
        assert abs(sum(row.offset_mm[0]) + sum(other.offset_mm[0])) < 25


def test_the_table_says_where_it_comes_from():
    table = json.loads((files("hyoid.anatomy") / "plausible_ranges.json").read_text())
    assert "1809.04430" in table["source"] and "mp.14845" in table["source"]
