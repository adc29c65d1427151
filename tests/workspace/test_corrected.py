from dataclasses import replace

import numpy as np
import pytest

from hyoid.anatomy.structures import BY_NAME
from hyoid.errors import UsageError
from hyoid.provenance import network
from hyoid.report.content.scene import make_scene
from hyoid.report.content.schema import ModelUse
from hyoid.systems.lesion.report import anatomy_from, scan_inputs
from hyoid.systems.lesion.session import DrawOrgan
from hyoid.workspace.corrected import check_change, corrected

MANDIBLE, HYOID = BY_NAME["mandible"].label, BY_NAME["hyoid_bone"].label


@pytest.fixture
def base(ball_study):
    inputs = scan_inputs(ball_study, "CT")
    organs = inputs.organs.array.copy()
    organs[10:18, 10:14, 10:14] = MANDIBLE
    organs[10:18, 14:18, 10:14] = HYOID
    inputs = replace(
        inputs,
        organs=inputs.organs.with_array(organs),
        organ_sources=(ModelUse(name="organs", version="3"),),
        organs_doubted={"mandible": ("small",), "hyoid_bone": ("large",)},
    )
    return anatomy_from(inputs, {MANDIBLE: network("organs", "3")})


def stroke(kind="paint", label=MANDIBLE, at=(12, 15, 12), radius_mm=2.0):
    return DrawOrgan(label=label, kind=kind, axis=0, points_ijk=(at,), radius_mm=radius_mm)


def test_painting_takes_voxels_from_the_neighbour_and_the_scene_is_that_of_the_label_map(base):
    found = corrected(base, (stroke(),))
    organs = found.anatomy.inputs.organs
    assert organs.array[12, 15, 12] == MANDIBLE
    assert (organs.array == HYOID).sum() < (base.inputs.organs.array == HYOID).sum()
    assert base.inputs.organs.array[12, 15, 12] == HYOID  # the draft stays
    whole = make_scene(found.anatomy.inputs)
    assert found.anatomy.scene.midline_x_mm == whole.midline_x_mm
    for name, patch in whole.organs.items():
        own = found.anatomy.scene.organs[name]
        assert own.box == patch.box and np.array_equal(own.mask, patch.mask)
    assert str(found.anatomy.outlined_by[MANDIBLE]) == "reader edited organs 3"
    assert found.anatomy.inputs.organs_by == {MANDIBLE: "reader edited organs 3"}
    assert found.anatomy.inputs.organs_doubted == {"hyoid_bone": ("large",)}
    start, stop = np.array(found.box.start), np.array(found.box.stop)
    changed = np.argwhere(organs.array != base.inputs.organs.array)
    assert (changed >= start).all() and (changed < stop).all()


def test_erasing_all_of_an_organ_takes_it_out_and_undo_brings_it_back(base):
    strokes = (stroke("erase", HYOID, (14, 16, 12), 40.0).model_copy(update={"ball": True}), stroke())
    one = corrected(base, strokes[:1])
    two = corrected(base, strokes, one)
    assert "hyoid_bone" not in two.anatomy.scene.organs
    assert two.anatomy.inputs.organs.array[12, 15, 12] == MANDIBLE
    back = corrected(base, strokes[1:], two)  # another history is drawn from the draft again
    assert "hyoid_bone" in back.anatomy.scene.organs
    assert corrected(base, (), two).anatomy is base
    assert str(
        corrected(base, (stroke(label=BY_NAME["larynx"].label),)).anatomy.outlined_by[BY_NAME["larynx"].label]
    ) == ("reader")


def test_strokes_that_change_nothing_and_labels_that_are_no_organ(base):
    before = corrected(base, ())
    with pytest.raises(UsageError, match="changes nothing of"):
        check_change(before, corrected(base, (stroke("erase", at=(25, 50, 60)),)), MANDIBLE)
    check_change(before, corrected(base, (stroke("erase", at=(12, 12, 12)),)), MANDIBLE)
    with pytest.raises(UsageError, match="No organ has the label 102"):
        corrected(base, (stroke(label=102),))
    with pytest.raises(UsageError, match="leaves the scan"):
        corrected(base, (stroke(at=(99, 1, 1)),))
