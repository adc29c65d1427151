import numpy as np

from hyoid.geometry.boxes import Box
from hyoid.report.content.patches import Patch
from hyoid.report.content.quality import measure_quality, vessel_enhancement
from hyoid.volume import Geometry

SHAPE = (12, 60, 60)
GRID = Geometry.axial(SHAPE, (3.0, 2.0, 2.0))


def body():
    hu = np.full(SHAPE, -1000.0, np.float32)
    hu[:, 10:50, 10:50] = 40.0
    return hu


def organ(words, slices=(3, 6)):
    mask = np.ones((slices[1] - slices[0], 4, 4), bool)
    return Patch(words, mask, Box((slices[0], 20, 20), (slices[1], 24, 24)))


def facts(hu, organs=None, index=None):
    return {fact.words: fact for fact in measure_quality(hu, GRID, organs or {}).facts(index)}


def test_a_clean_scan_has_nothing_to_say_but_its_coverage():
    organs = {"brainstem": organ("Brainstem", (8, 10)), "thyroid_gland": organ("Thyroid gland", (1, 3))}
    found = facts(body(), organs)
    assert (found["Metal"].value, found["Motion"].value) == ("none seen", "no step between slices")
    assert found["Coverage"].value == "brainstem to thyroid gland, 4 cm"
    assert found["Field of view"].value == "the whole neck"
    assert not any(fact.caution for fact in found.values())


def test_metal_is_told_by_slice_and_where_it_crosses_the_lesion():
    hu = body()
    hu[4:6, 20:23, 20:23] = 3000.0  # 18 voxels of 0.012 ml
    assert facts(hu)["Metal"].value == "0.2 ml in slices 5 to 6, expect streaks"
    assert facts(hu, index=organ("t", (5, 8)))["Metal"].value.endswith("; through the index lesion")
    assert not facts(hu, index=organ("t", (8, 9)))["Metal"].value.endswith("lesion")
    hu[4:6] = 40.0
    hu[4, 20, 20] = 3000.0  # a single voxel is no metal
    assert facts(hu)["Metal"].value == "none seen"


def test_a_step_of_the_skin_between_two_slices_is_motion():
    hu = body()
    hu[7:] = np.roll(hu[7:], 8, axis=1)
    found = facts(hu)["Motion"]
    assert (found.value, found.caution) == ("step of the skin after slice 7", True)
    growing = np.full(SHAPE, -1000.0, np.float32)
    for k in range(SHAPE[0]):  # shoulders: wider with every slice, no step
        growing[k, 10:50, 28 - k : 32 + k] = 40.0
    assert not facts(growing)["Motion"].caution
    chin = body()
    chin[:7, :30] = -1000.0  # what comes in with one slice on one side alone is anatomy
    assert not facts(chin)["Motion"].caution
    assert facts(body()[:3])["Motion"].source == "not known"


def test_what_the_scan_or_its_field_of_view_cuts_is_named():
    found = facts(body(), {"hyoid_bone": organ("Hyoid bone", (0, 2))})["Coverage"]
    assert found.value == "below the mandible to hyoid, 4 cm; cut by the end of the scan: Hyoid bone"
    assert found.caution
    assert facts(body())["Coverage"].source == "not known"
    wide = np.full(SHAPE, 40.0, np.float32)
    field = facts(wide)["Field of view"]
    assert (field.value, field.caution) == ("body or table reaches the edge in 12 of 12 slices", True)


def test_vessels_tell_contrast():
    vessel = {"jugular_left": organ("v")}
    assert vessel_enhancement(body(), vessel).value == "median 40 HU inside the outlines, not enhanced"
    bright = body()
    bright[3:6, 20:24, 20:24] = 170.0
    found = vessel_enhancement(bright, vessel)
    assert (found.value, found.caution) == ("median 170 HU inside the outlines, enhanced", False)
    assert vessel_enhancement(body(), {}) is None
    # Outlines that hold fat, or fat and contrast, are no blood.
    fatty, mixed = np.full(SHAPE, -20.0, np.float32), body()
    mixed[3:6, 20:22, 20:24] = 200.0
    for hu in (fatty, mixed):
        assert vessel_enhancement(hu, vessel).value.endswith("not blood alone")
