"""Words of the mid-treatment report that follow from the package, not from its prose."""

from types import SimpleNamespace

import numpy as np
import pytest

from hyoid.io.packages.model_package import LearnedFrom
from hyoid.metrics.response import LesionResponse, change_of
from hyoid.systems.midrt.report import doubts, response_line
from hyoid.volume import Geometry, Quantity, Volume

LABELS = ("gtvp", "gtvn")


def package(learned_from, words):
    return SimpleNamespace(manifest=SimpleNamespace(learned_from=learned_from, supported=LABELS, training_data=words))


@pytest.mark.parametrize(
    ("learned_from", "words", "said"),
    [
        (LearnedFrom(virtual=LABELS), "anything", ["virtual patients only"]),
        (LearnedFrom(real=LABELS), "virtual and real patients", []),
        (LearnedFrom(real=LABELS, virtual=LABELS), "both", []),
        (LearnedFrom(real=("gtvp",)), "real", ["does not state"]),
    ],
)
def test_who_taught_the_network_is_said_from_its_manifest(learned_from, words, said):
    found = doubts([], [], object(), [package(learned_from, words)], empty=False)
    assert len(found) == len(said)
    assert all(part in line for part, line in zip(said, found, strict=True))


@pytest.mark.parametrize(("present", "change"), [(0.69, "smaller, may have vanished"), (0.7, "smaller")])
def test_an_outline_where_tumour_is_doubtful_may_be_of_a_lesion_that_has_vanished(present, change):
    grid = Geometry.axial((3, 6, 6), (4.0, 2.0, 2.0))
    followed = np.zeros(grid.shape, np.uint16)
    followed[1, 2, 1:4] = 1
    mid = Volume(np.zeros(grid.shape, np.float32), grid, Quantity.MR)
    row = LesionResponse(1, 1, 21.3, 11.2, change_of(21.3, 11.2))
    line = response_line(1, row, followed, followed, mid, {1: present}, (), before_long_mm=40.0)
    assert (line.change, line.before_long_mm, line.after_long_mm) == (change, 40.0, 6.0)
    said = doubts([row], [line], object(), [], empty=False)
    assert any("response understated" in words for words in said) == change.endswith("vanished")
