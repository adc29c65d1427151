import numpy as np
import pytest

from hyoid.geometry.boxes import Box
from hyoid.report.content.airway import airway_lines, measure_airway, missing_landmarks
from hyoid.report.content.patches import Patch
from hyoid.volume import Geometry, Quantity, Volume

SPACING = (2.0, 0.8, 0.8)
SHAPE = (60, 64, 64)


def scan(radius_mm, *, add=()):
    """A neck of 40 HU with a round airway whose radius (mm) is a function of the slice."""
    affine = np.array([[0, 0, SPACING[2], 0], [0, SPACING[1], 0, 0], [SPACING[0], 0, 0, 0], [0, 0, 0, 1.0]])
    hu = np.full(SHAPE, 40.0, np.float32)
    rows, columns = np.indices(SHAPE[1:]) - 31.5
    # Eight sub-positions per axis make voxels that the wall cuts partly air.
    fine = (np.arange(8) - 3.5) / 8
    for k in range(SHAPE[0]):
        share = np.mean(
            [((rows + a) * SPACING[1]) ** 2 + ((columns + b) * SPACING[2]) ** 2 < radius_mm(k) ** 2
             for a in fine for b in fine], axis=0)  # fmt: skip
        hu[k] -= 1040 * share.astype(np.float32)
    for where, value in add:
        hu[where] = value
    return Volume(hu, Geometry(SHAPE, affine, "1.2"), Quantity.HU)


def organ(first, last):
    shape = (last - first + 1, 24, 24)
    return Patch("airway", np.ones(shape, bool), Box((first, 20, 20), (last + 1, 44, 44)))


ORGANS = {"trachea": organ(2, 24), "hypopharynx": organ(25, 39), "oropharynx": organ(40, 55)}


def narrowing(k):
    return 4.0 if k == 30 else 8.0


def test_the_narrowest_place_and_its_area_are_found():
    found = measure_airway(scan(narrowing), ORGANS)
    assert found.narrowest_slice == 30
    assert found.narrowest_mm2 == pytest.approx(np.pi * 16, rel=0.03)
    assert np.median(found.areas_mm2) == pytest.approx(np.pi * 64, rel=0.03)
    assert found.point_lps_mm == pytest.approx((31.5 * 0.8, 31.5 * 0.8, 60.0), abs=0.5)


@pytest.mark.parametrize("radius_mm", [2.5, 5.0, 9.0])
def test_areas_follow_the_radius(radius_mm):
    found = measure_airway(scan(lambda k: radius_mm), ORGANS)
    assert found.areas_mm2 == pytest.approx(np.pi * radius_mm**2, rel=0.05)


def test_the_measured_part_ends_two_centimetres_below_the_trachea_and_in_the_middle_of_the_oropharynx():
    found = measure_airway(scan(lambda k: 6.0), ORGANS)
    assert (found.first_slice, found.first_slice + len(found.areas_mm2) - 1) == (24 - 10, (40 + 56) // 2)


def test_a_closed_airway_has_no_area_where_it_is_closed():
    found = measure_airway(scan(lambda k: 0.0 if k in (30, 31) else 6.0), ORGANS)
    assert found.narrowest_mm2 == 0
    assert found.narrowest_slice in (30, 31)
    assert found.tube == "no"


def test_a_tube_with_a_dense_stripe_is_told_and_one_without_is_doubtful():
    columns = (slice(10, 50), slice(30, 33), slice(30, 33))
    assert measure_airway(scan(lambda k: 8.0, add=[(columns, 600.0)]), ORGANS).tube == "yes"
    soft = measure_airway(scan(lambda k: 8.0, add=[(columns, 60.0)]), ORGANS)
    assert soft.tube == "uncertain"
    assert "without a dense stripe" in soft.tube_seen


def test_a_short_calcification_is_no_tube():
    spot = (slice(20, 24), slice(30, 33), slice(30, 33))
    assert measure_airway(scan(lambda k: 8.0, add=[(spot, 600.0)]), ORGANS).tube == "no"


def test_nothing_is_said_without_landmarks_or_air():
    assert missing_landmarks({"trachea": ORGANS["trachea"]}) == ("oropharynx",)
    assert measure_airway(scan(narrowing), {"trachea": ORGANS["trachea"]}) is None
    assert measure_airway(scan(lambda k: 0.0), ORGANS) is None


def test_a_shifted_window_of_soft_tissue_changes_little():
    scanned = scan(narrowing)
    noisy = scanned.array + np.random.default_rng(0).normal(0, 30, SHAPE).astype(np.float32)
    assert measure_airway(scanned.with_array(noisy), ORGANS).narrowest_mm2 == pytest.approx(np.pi * 16, rel=0.1)


def test_the_lines_say_the_area_its_slice_and_who_outlined_the_landmarks():
    lines = airway_lines(scan(narrowing), ORGANS, outlined_by="neck 1", by_model=True)
    airway, tube = lines["airway_compromise"], lines["et_tube_in_situ"]
    assert airway.value == "Narrowest axial cross-section 50 mm2"
    assert (airway.status, airway.region.slice_index) == ("model, measured", 30)
    assert "neck 1" in airway.evidence[0].source
    assert (tube.value, tube.evidence[0].note) == ("N", "no dense material inside the lumen")
    assert (
        airway_lines(scan(narrowing), ORGANS, outlined_by="r", by_model=False)["airway_compromise"].status == "measured"
    )


def test_lines_without_a_landmark_or_without_air_say_what_is_missing():
    lines = airway_lines(scan(narrowing), {"trachea": ORGANS["trachea"]}, outlined_by="r", by_model=False)
    assert {line.value for line in lines.values()} == {"Not assessed: oropharynx not outlined"}
    lines = airway_lines(scan(lambda k: 0.0), ORGANS, outlined_by="r", by_model=False)
    assert lines["airway_compromise"].value == "Not assessed: no air is seen at the trachea"


def test_a_closed_airway_is_said_as_such():
    closed = airway_lines(scan(lambda k: 0.0 if k == 30 else 6.0), ORGANS, outlined_by="r", by_model=False)
    assert closed["airway_compromise"].value == "No air in the narrowest slice"
    doubtful = airway_lines(scan(lambda k: 0.0 if k == 30 else 6.0), ORGANS, outlined_by="neck 1", by_model=True)
    assert doubtful["airway_compromise"].status == doubtful["et_tube_in_situ"].status == "Missing"
    assert "look there" in doubtful["airway_compromise"].value
