import numpy as np

from hyoid.geometry.boxes import bounding_box, crop
from hyoid.metrics.outline_facts import centroid_lps_mm, outline_facts
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((10, 12, 14), (3.0, 2.0, 2.0), (-10.0, 5.0, 100.0))


def ball():
    z, y, x = np.ogrid[:10, :12, :14]
    return Volume((z - 5) ** 2 + (y - 6) ** 2 + (x - 4) ** 2 <= 9, GRID, Quantity.LABEL)


def test_a_ball():
    facts = outline_facts(ball(), GRID, np.array([0.0, 0.0, 0.0]))
    assert facts.offset_mm == (-2.0, 17.0, 115.0)  # origin + index x spacing
    assert facts.volume_ml == round(123 * 0.012, 4) and facts.fill == 123 / 343 and not facts.cut


def test_a_box_of_the_grid_gives_the_same():
    whole = ball()
    centre = centroid_lps_mm(whole)
    assert outline_facts(crop(whole, bounding_box(whole.array)), GRID, centre) == outline_facts(whole, GRID, centre)


def test_an_outline_at_the_end_of_the_scan_is_cut_and_one_voxel_fills_its_box():
    for index in (0, 9):
        array = np.zeros(GRID.shape, bool)
        array[index, 3, 3] = True
        facts = outline_facts(Volume(array, GRID, Quantity.LABEL), GRID, None)
        assert facts.cut and facts.fill == 1.0 and facts.offset_mm is None


def test_nothing_outlined():
    assert outline_facts(Volume(np.zeros(GRID.shape, bool), GRID, Quantity.LABEL), GRID, None) is None
