from dataclasses import replace

import numpy as np
import pytest

from hyoid.anatomy.structures import BY_NAME, GTVN, GTVP, TARGET_REGION
from hyoid.provenance import network
from hyoid.systems.outlines import Outlines, foreign_outlines, outlines_on, without_impossible
from hyoid.volume import Geometry, Quantity, Volume

LARYNX, AIR, MANDIBLE = (BY_NAME[name].label for name in ("larynx", "larynx_air", "mandible"))
# Slices run downward and rows to the front: the canonical grid is another one.
GRID = Geometry((4, 6, 6), np.array([[0, 0, 1.0, 0], [0, -1.0, 0, 5], [-2.0, 0, 0, 6], [0, 0, 0, 1]]), "1.2.3")


def canonical(values):
    from hyoid.geometry.orientation import canonical_geometry

    geometry = canonical_geometry(GRID)
    array = np.zeros(geometry.shape, np.uint8)
    for where, value in values:
        array[where] = value
    return Volume(array, geometry, Quantity.LABEL)


@pytest.fixture
def outlines():
    organs = canonical([(np.s_[0:2], LARYNX), (np.s_[0, 2:4, 2:4], AIR), (np.s_[3], MANDIBLE)])
    targets = canonical([(np.s_[0:3, 0:3, 0:3], 1), (np.s_[3, 5, 5], 2)])
    region = canonical([(np.s_[0:4, 0:4], 1)])
    return outlines_on(
        GRID, organs=organs, targets=targets, region=region, outlined_by={LARYNX: network("organs", "1")}
    )


def voxels(structures):
    return {label: int(mask.array.sum()) for label, mask in structures.items()}


def test_every_structure_is_whole_whatever_lies_over_it(outlines):
    found = voxels(outlines.structures())
    assert found == {LARYNX: 72, AIR: 4, MANDIBLE: 36, GTVP: 27, GTVN: 1, TARGET_REGION: 96}


def test_every_structure_leaves_with_its_maker_and_its_note(outlines):
    leaving = {outline.structure.name: outline for outline in outlines.leaving()}
    assert str(leaving["larynx"].provenance) == "network organs 1"
    assert leaving["gtvp"].note == ""


def test_what_the_report_holds_against_a_target_leaves_with_it(outlines):
    doubted = replace(outlines, target_doubts={TARGET_REGION: ("Not plausible: volume 3 ml", "Do not use this target")})
    notes = {outline.structure.name: outline.note for outline in doubted.leaving()}
    assert notes["target_region"] == "Not plausible: volume 3 ml; Do not use this target"
    assert notes["gtvp"] == notes["gtvn"] == ""


def test_an_organ_that_no_patient_has_leaves_with_a_doubt_unless_the_scan_ends_there():
    grid = Geometry.axial((9, 20, 20), (3, 2, 2))
    array = np.zeros(grid.shape, np.uint8)
    array[4, 5:7, 5:7] = MANDIBLE
    array[0, 5:7, 5:7] = LARYNX
    array[4, 10, 10] = AIR
    whole = Outlines(grid, Volume(array, grid, Quantity.LABEL))
    notes = {outline.structure.name: outline.note for outline in whole.leaving()}
    assert notes["mandible"].startswith("volume 0.0 ml, plausible are") and "shape" in notes["mandible"]
    assert notes["larynx"] == "" and notes["larynx_air"].startswith("volume 0.0")


def test_the_larynx_of_the_organ_map_holds_its_air_and_no_target_lies_on_it(outlines):
    array = outlines.organ_map().array
    assert {int(v): int((array == v).sum()) for v in np.unique(array)} == {0: 36, LARYNX: 72, MANDIBLE: 36}


def test_targets_have_the_numbers_of_the_challenges(outlines):
    array = outlines.target_map().array
    assert [(array == v).sum() for v in (1, 2)] == [27, 1]
    assert outlines.region_map().array.sum() == 96


def test_the_picture_shows_targets_over_organs_and_changes_nothing(outlines):
    before = outlines.organs.array.copy()
    picture = outlines.picture()
    assert (picture.array == GTVP).sum() == 27 and (picture.array == GTVN).sum() == 1
    assert (picture.array == TARGET_REGION).sum() == 96 - 27
    assert np.array_equal(outlines.organs.array, before)
    assert picture.geometry.same_grid(GRID)


def test_masks_lie_where_they_were_drawn(outlines):
    node = outlines.structures()[GTVN]
    assert node.array.shape == (1, 1, 1)
    # Canonical slice 3, row 5, column 5 is the first slice and the first row of a grid that runs the other way.
    assert GRID.to_ijk(node.geometry.origin_lps_mm).round().tolist() == [0, 0, 5]


def test_nothing_outlined_is_an_empty_map_of_targets_and_no_map_of_organs():
    nothing = outlines_on(GRID)
    assert nothing.organ_map() is None and nothing.region_map() is None
    assert not nothing.target_map().array.any() and not nothing.picture().array.any()
    assert nothing.structures() == {}


def test_names_of_a_foreign_model_that_hyoid_knows():
    labels = Volume(np.array([[[0, 1, 2, 3, 4]]], np.uint8), Geometry.axial((1, 1, 5), (1, 1, 1)), Quantity.LABEL)
    found = foreign_outlines(labels, {"GTVp": 2, "GTVn": (3, 4), "Mandible": 1, "spleen": 4}, network("model"))
    assert found.organ_map().array.ravel().tolist() == [0, MANDIBLE, 0, 0, 0]
    assert found.target_map().array.ravel().tolist() == [0, 0, 1, 2, 2]
    assert found.outlined_by == dict.fromkeys((GTVP, GTVN, MANDIBLE), network("model"))


def test_an_outline_that_cannot_be_its_organ_is_left_out_with_the_reason():
    grid = Geometry.axial((40, 60, 60), (3, 2, 2))
    array = np.zeros(grid.shape, np.uint8)
    array[10:20, 10:40, 10:40] = MANDIBLE  # 108 ml, at a mandible's size
    array[5, 30, 30] = LARYNX  # 0.012 ml
    array[5, 31, 30] = AIR
    organs = Volume(array, grid, Quantity.LABEL)
    kept, left_out = without_impossible(organs)
    assert np.unique(kept.array).tolist() == [0, MANDIBLE]
    assert left_out[LARYNX].volume_ml == pytest.approx(0.024)
    assert left_out[LARYNX].why.startswith("no such structure can be: volume 0.0 ml, possible are")
    assert without_impossible(kept)[0] is kept and without_impossible(kept)[1] == {}


def test_an_outline_that_ends_with_the_scan_is_never_left_out():
    grid = Geometry.axial((5, 60, 60), (3, 2, 2))
    array = np.zeros(grid.shape, np.uint8)
    array[0, 30, 30] = LARYNX
    assert without_impossible(Volume(array, grid, Quantity.LABEL))[1] == {}
