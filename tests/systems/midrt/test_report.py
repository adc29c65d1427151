"""Words of the mid-treatment report that follow from the package, not from its prose."""

from types import SimpleNamespace

import numpy as np
import pytest

from hyoid.io.packages.model_package import LearnedFrom
from hyoid.metrics.response import LesionResponse, change_of
from hyoid.systems.midrt.report import doubts, measured, response_line
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


@pytest.mark.parametrize(("present", "change"), [(0.94, "smaller, may have vanished"), (0.95, "smaller")])
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


def test_what_looks_similar_on_a_models_outline_may_have_shrunk():
    row = LesionResponse(2, 1, 2.0, 1.7, change_of(2.0, 1.7))
    grid = Geometry.axial((3, 6, 6), (4.0, 2.0, 2.0))
    followed = np.ones(grid.shape, np.uint16)
    line = response_line(1, row, followed, followed, Volume(followed * 0.0, grid, Quantity.MR), {1: 0.99}, ())
    assert any(
        words.startswith("GTVn 1: similar as a model") for words in doubts([row], [line], object(), [], empty=False)
    )


def test_sides_count_from_the_middle_of_the_body_not_of_the_grid():
    grid = Geometry.axial((10, 40, 80), (4.0, 4.0, 4.0))
    rng = np.random.default_rng(0)
    mr = rng.normal(5, 1, grid.shape).astype(np.float32).clip(0)
    mr[:, 5:35, 30:75] = rng.normal(200, 20, (10, 30, 45))  # body in columns 30 to 74, its middle right of column 60
    found = np.zeros(grid.shape, np.uint8)
    found[4:6, 15:18, 44:47] = 2
    (node,) = measured(Volume(found, grid, Quantity.LABEL), Volume(mr, grid, Quantity.MR))
    assert node.side == "right"  # column 45 lies left of the middle of the grid
