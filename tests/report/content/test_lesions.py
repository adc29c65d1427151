import numpy as np
import pytest

from hyoid.geometry.boxes import Box
from hyoid.report.content.lesions import attenuation_inside
from hyoid.report.content.patches import Patch
from hyoid.volume import Geometry

SHAPE = (20, 20, 20)
GRID = Geometry(SHAPE, np.diag([1.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]], "1.2")


def ball(radius):
    index = np.indices(SHAPE) - 9.5
    return (index**2).sum(axis=0) < radius**2


def said(hu, mask):
    return attenuation_inside(hu, Patch("", mask, Box((0, 0, 0), SHAPE)), GRID)


@pytest.mark.parametrize(("value", "share"), [(80.0, "0%"), (20.0, "100%")])
def test_a_uniform_node(value, share):
    hu = np.where(ball(8), value, -100.0)
    assert said(hu, ball(8)) == f"attenuation inside {value:.0f} HU, {share} below 40 HU"


def test_a_dark_core_is_a_share_and_fat_around_the_node_does_not_count():
    hu = np.where(ball(8), 90.0, -100.0)
    hu[ball(4)] = 10.0
    words = said(hu, ball(8))
    share = int(words.split(", ")[1].split("%")[0])
    core = (ball(3.4).sum() / ball(5.5).sum()) * 100
    assert share == pytest.approx(core, abs=20)


def test_a_node_too_small_to_look_inside_is_left_out():
    assert said(np.zeros(SHAPE), ball(3)) == ""
