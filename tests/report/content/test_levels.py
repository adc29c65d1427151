import numpy as np
import pytest

from hyoid.anatomy.levels import LEVELS
from hyoid.anatomy.structures import opposite
from hyoid.geometry.boxes import bounding_box
from hyoid.report.content.levels import LANDMARKS, find_landmarks, level_map, level_names, level_of_node, levels_at
from hyoid.report.content.patches import Patch
from hyoid.volume import Geometry

SHAPE = (80, 60, 60)
# LPS x = 2 i - 59, so that the grid is its own mirror image about x = 0; y from -60, z from 0 to 158.
GRID = Geometry(SHAPE, np.array([[0, 0, 2, -59.0], [0, 2, 0, -60.0], [2, 0, 0, 0.0], [0, 0, 0, 1.0]]), "1.2")
Z, Y, X = (GRID.to_lps(np.indices(SHAPE).transpose(1, 2, 3, 0))[..., a] for a in (2, 1, 0))


def block(z, y, x):
    """Patch of the voxels within (low, high) of every axis, mm."""
    mask = (z[0] <= Z) & (z[1] >= Z) & (y[0] <= Y) & (y[1] >= Y) & (x[0] <= X) & (x[1] >= X)
    box = bounding_box(mask)
    return Patch("", mask[box.slices], box)


LEFT = {
    "jugular_left": block((0, 158), (20, 30), (29, 37)),
    "carotid_left": block((0, 158), (14, 24), (21, 27)),
    "sternocleidomastoid_left": block((0, 158), (10, 44), (37, 49)),
    "submandibular_left": block((90, 130), (-20, 0), (20, 40)),
    "digastric_left": block((96, 104), (-50, -24), (9, 15)),
}
RIGHT = {
    opposite(name): block(
        *[(GRID.to_lps(p.box.start)[a] - 0.5, GRID.to_lps(np.array(p.box.stop) - 1)[a] + 0.5) for a in (2, 1)],
        (-GRID.to_lps(np.array(p.box.stop) - 1)[0] - 0.5, -GRID.to_lps(p.box.start)[0] + 0.5),
    )
    for name, p in LEFT.items()
}
ORGANS = {
    "hyoid_bone": block((100, 108), (-20, -10), (-15, 15)),
    "cricoid_cartilage": block((60, 76), (0, 20), (-12, 12)),
    "brainstem": block((150, 158), (20, 40), (-15, 15)),
    **LEFT,
    **RIGHT,
}


def without(*names):
    return find_landmarks({k: v for k, v in ORGANS.items() if k not in names}, GRID, 0.0)


def node(z, y, x):
    return block((z - 3, z + 3), (y - 3, y + 3), (x - 3, x + 3))


PLACES = {
    "Ia": (110, -40, 5), "Ib": (110, -14, 30), "IIa": (120, 14, 33), "IIb": (120, 38, 35), "III": (90, 25, 33),
    "IV": (40, 25, 33), "Va": (90, 51, 45), "Vb": (40, 51, 45), "VI": (50, 0, 10), "VIIa": (125, 24, 10),
}  # fmt: skip


@pytest.mark.parametrize(("level", "place"), PLACES.items())
def test_every_level_lies_between_its_borders_on_both_sides(level, place):
    landmarks = find_landmarks(ORGANS, GRID, 0.0)
    z, y, x = place
    assert level_of_node(node(z, y, x), landmarks).names == (level,)
    assert level_of_node(node(z, y, -x), landmarks).names == (level,)


def test_a_node_across_a_border_names_both_levels():
    both = level_of_node(node(99, 25, 33), find_landmarks(ORGANS, GRID, 0.0))
    assert set(both.names) == {"IIa", "III"}
    assert both.words.startswith("levels ")
    rough = level_of_node(node(99, 25, 33), find_landmarks(ORGANS, GRID, 0.0, error_mm=5.0))
    assert rough.words in ("level IIa or III", "level III or IIa")


def test_a_level_whose_landmark_is_absent_is_coarse_or_not_told_and_says_why():
    untold = level_of_node(node(90, 25, 33), without("hyoid_bone"))
    assert (untold.words, untold.missing) == ("level not determined", ("hyoid_bone",))
    assert level_of_node(node(90, 25, 33), without("cricoid_cartilage")).names == ("III or IV",)
    assert level_of_node(node(120, 14, 33), without("submandibular_left")).names == ("I or II",)
    assert level_of_node(node(120, 14, 33), without("jugular_left", "sternocleidomastoid_left")).names == ("II",)
    found = level_of_node(node(120, 14, 33), without("jugular_left", "jugular_right"))
    assert found.missing == ("jugular_left",)


STAND_INS = {
    "thyrohyoid_left": block((78, 100), (-12, -2), (8, 14)),
    "thyrohyoid_right": block((78, 100), (-12, -2), (-14, -8)),
    "trachea": block((0, 60), (0, 20), (-10, 10)),
    "larynx": block((62, 98), (-16, 20), (-20, 20)),
}


def with_stand_ins(**changed):
    absent = ("hyoid_bone", "cricoid_cartilage", "carotid_left", "carotid_right")
    organs = {k: v for k, v in ORGANS.items() if k not in absent} | STAND_INS | changed
    return find_landmarks({k: v for k, v in organs.items() if v is not None}, GRID, 0.0)


@pytest.mark.parametrize(("level", "place"), PLACES.items())
def test_structures_that_end_at_a_border_stand_in_for_its_landmark(level, place):
    z, y, x = place
    found = level_of_node(node(z, y, x), with_stand_ins())
    assert found.names == (level,)
    assert found.missing == ()
    assert found.stand_ins == {
        "hyoid_bone": "thyrohyoid", "cricoid_cartilage": "trachea", "carotid_left": "jugular_left",
    }  # fmt: skip


def test_a_level_near_a_border_that_was_stood_in_stays_open():
    assert level_of_node(node(96, 25, 33), with_stand_ins()).words == "level III or IIa"
    assert level_of_node(node(85, 25, 33), with_stand_ins()).words == "level III"
    assert with_stand_ins().error_mm == 5.0


def test_stand_ins_that_contradict_each_other_stand_in_for_nothing():
    apart = with_stand_ins(thyrohyoid_left=block((60, 80), (-12, -2), (8, 14)))
    assert "hyoid_bone" in apart.missing and "hyoid_bone" not in apart.stand_ins
    far = with_stand_ins(trachea=block((0, 30), (0, 20), (-10, 10)))
    assert level_of_node(node(90, 25, 33), far).names == ("III or IV",)
    assert with_stand_ins(larynx=None).stand_ins["cricoid_cartilage"] == "trachea"


def test_without_the_muscle_its_back_edge_is_placed_behind_the_vein():
    landmarks = without("sternocleidomastoid_left")
    assert level_of_node(node(90, 44, 45), landmarks).names == ("III",)
    assert level_of_node(node(90, 54, 45), landmarks).names == ("Va",)


def test_between_atlas_and_brainstem_retrostyloid_and_upper_jugular_are_not_told_apart():
    assert level_of_node(node(155, 14, 33), find_landmarks(ORGANS, GRID, 0.0)).names == ("II or VIIb",)


def test_a_point_without_any_landmark_has_no_level():
    landmarks = find_landmarks({}, GRID, 0.0)
    assert set(LANDMARKS) < set(landmarks.missing)
    assert levels_at(np.array([[10.0, 0, 50]]), landmarks).tolist() == [""]


def test_the_map_holds_the_numbers_of_the_table_inside_the_mask_alone():
    landmarks = find_landmarks(ORGANS, GRID, 0.0)
    inside = np.zeros(SHAPE, bool)
    inside[GRID_INDEX] = True
    drawn = level_map(inside, landmarks)
    assert LEVELS[drawn[GRID_INDEX] - 1].name == "III"
    assert np.count_nonzero(drawn) == 1


GRID_INDEX = (45, 42, 46)  # LPS (33, 24, 90)


def test_mirrored_patients_have_mirrored_levels():
    landmarks = find_landmarks(ORGANS, GRID, 0.0)
    drawn = level_map(np.ones(SHAPE, bool), landmarks)
    assert np.array_equal(drawn, drawn[:, :, ::-1])
    assert {LEVELS[n - 1].name for n in np.unique(drawn) if n} >= set(PLACES)


def test_landmarks_that_may_be_off_leave_open_what_lies_near_a_border():
    # 4 mm below the hyoid's lower edge, then 20 mm.
    near, far = node(93, 25, 33), node(80, 25, 33)
    exact, rough = (find_landmarks(ORGANS, GRID, 0.0, error_mm=mm) for mm in (0.0, 10.0))
    assert level_of_node(near, exact).words == "level III"
    assert level_of_node(near, rough).words == "level III or IIa"
    assert level_of_node(far, rough).words == "level III"
    assert level_names(level_of_node(near, rough).words) == ("III", "IIa")
