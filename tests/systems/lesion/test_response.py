import numpy as np
import pytest

from hyoid.geometry.boxes import bounding_box
from hyoid.systems.lesion.pipeline import Outline
from hyoid.systems.lesion.response import SECTION, EarlierLesion, Followed, response_conclusion, response_lines
from hyoid.systems.lesion.session import LesionState
from hyoid.systems.lesion.strokes import NOTHING, whole_of
from hyoid.volume import Geometry

GRID = Geometry.axial((10, 60, 60), (2.0, 1.0, 1.0))  # 2 mm3 a voxel


def cube(start, size):
    mask = np.zeros(GRID.shape, bool)
    mask[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))] = True
    return mask


def lesion(target, mask):
    box = bounding_box(mask)
    return LesionState(number=1, target=target), Outline(mask[box.slices], box)


EARLIER = (
    EarlierLesion("GTVp", whole_of(cube((2, 10, 10), (5, 10, 10))), 1.0, 14.1),
    EarlierLesion("GTVn", whole_of(cube((2, 40, 40), (2, 5, 5))), 0.1),
    EarlierLesion("GTVn", NOTHING, 0.7),
)


def test_lesions_are_followed_and_the_new_one_is_named_after_these():
    followed = Followed()
    now = [
        lesion("GTVp", cube((2, 12, 12), (5, 5, 6))),  # 150 voxels, 0.3 ml
        lesion("GTVn", cube((6, 5, 50), (2, 5, 5))),  # 25 mm and more from where the node was
    ]
    rows = followed.rows(EARLIER, now, GRID)
    assert [(row.row.name, round(row.row.after_ml, 3)) for row in rows] == [
        ("GTVp 1", 0.3), ("GTVn 1", 0.0), ("GTVn 2", 0.0), ("GTVn 3", 0.1),
    ]  # fmt: skip
    lines = {line.key: line for line in response_lines(rows, GRID, "model")}
    assert lines["response_gtvp_1"].value == (
        "much smaller: 1.0 to 0.3 ml, -70 %; longest axial diameter 1.4 to 0.8 cm"
    )
    assert (lines["response_gtvp_1"].section, lines["response_gtvp_1"].status) == (SECTION, "model, measured")
    assert lines["response_gtvn_1"].value == "may have vanished: 0.1 ml before"
    assert lines["response_gtvn_1"].region.slice_index in (2, 3)  # where it was
    assert lines["response_gtvn_2"].value == "not in the field of view: 0.7 ml before"
    assert lines["response_gtvn_2"].region is None
    assert lines["response_gtvn_3"].value == "new: 0.1 ml now"
    words = response_conclusion(rows).words
    assert words.startswith("Since the earlier scan: GTVp 1 much smaller (1.0 to 0.3 ml, -70 %); GTVn 1 may have")
    assert {line.status for line in response_lines(rows, GRID, "reader")} == {"measured"}


def test_the_same_outlines_are_not_followed_again_and_others_are(monkeypatch):
    followed = Followed()
    now = [lesion("GTVp", cube((2, 12, 12), (5, 5, 6)))]
    rows = followed.rows(EARLIER, now, GRID)
    assert followed.rows(EARLIER, list(now), GRID) is rows
    # The distances to the earlier lesions are kept while the same part of the grid is looked at.
    monkeypatch.setattr("hyoid.systems.lesion.response.nearest_lesions", None)
    grown = followed.rows(EARLIER, [lesion("GTVp", cube((2, 10, 10), (5, 10, 10)))], GRID)
    assert grown[0].row.after_ml == pytest.approx(1.0)
    assert str(grown[0].row.change) == "similar"


def test_nothing_outlined_anywhere():
    (row,) = Followed().rows((EarlierLesion("GTVn", NOTHING, 0.7),), [], GRID)
    assert row.patch is None
    assert response_conclusion(()) is None
    assert Followed().rows((), [], GRID) == ()
