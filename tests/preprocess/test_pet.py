import numpy as np
import pytest

from hyoid.errors import GeometryError, UnsuitableScanError, WrongQuantityError
from hyoid.preprocess.pet import alignment, covered, on_ct, require_cover, require_suv
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((20, 40, 40), (4.0, 4.0, 4.0))


def neck(grid=GRID, centre=(0, 78, 78)):
    """A cylinder of tissue along the slices."""
    d, h, w = np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij")
    y, x = h * grid.spacing_mm[1] - centre[1], w * grid.spacing_mm[2] - centre[2]
    return (y**2 + x**2 < 50**2) & (d >= 0)


def ct_and_pet(shift=(0, 0, 0)):
    body = neck()
    ct = Volume(np.where(body, 40, -1000).astype(np.int16), GRID, Quantity.HU)
    suv = np.roll(np.where(body, 1.0, 0.0), shift, axis=(0, 1, 2)).astype(np.float32)
    suv[10, 20, 20] = 9.0
    return ct, Volume(suv, GRID, Quantity.SUV)


def test_suv_pass_and_everything_else_is_named():
    _, pet = ct_and_pet()
    assert require_suv(pet) is pet
    for factor, words in ((5000.0, "impossible SUV"), (0.02, "impossible SUV")):
        with pytest.raises(UnsuitableScanError, match=words):
            require_suv(pet.with_array(pet.array * factor))
    with pytest.raises(UnsuitableScanError, match="not negative"):
        require_suv(pet.with_array(pet.array - 5))
    with pytest.raises(WrongQuantityError):
        require_suv(pet.with_array(pet.array, Quantity.BQ_PER_ML))
    with pytest.raises(UnsuitableScanError):
        require_suv(pet.with_array(np.zeros_like(pet.array)))


def test_outlines_in_place_agree_and_are_not_moved():
    found = alignment(*ct_and_pet())
    assert found.score > 0.98
    assert found.shift_mm == (0, 0, 0)
    assert found.warnings == ()


def test_a_shifted_pet_is_noticed_with_the_way_back():
    found = alignment(*ct_and_pet(shift=(0, 0, 4)))
    assert found.score < found.best_score
    assert found.shift_mm == (0.0, 0.0, -16.0)
    assert any("-16 mm to the left" in words and "Not moved" in words for words in found.warnings)


def test_pet_keeps_its_place_when_resampled():
    _, pet = ct_and_pet()
    fine = Geometry.axial((40, 80, 80), (2.0, 2.0, 2.0), (-1.0, -1.0, -1.0))
    moved = on_ct(pet, fine, interpolation="linear")
    assert np.unravel_index(int(moved.array.argmax()), fine.shape)[0] in (20, 21)
    assert moved.array.min() >= 0


def test_pet_elsewhere_is_refused():
    _, pet = ct_and_pet()
    with pytest.raises(GeometryError, match="do not overlap"):
        on_ct(pet, Geometry.axial((4, 4, 4), (4, 4, 4), (900.0, 0.0, 0.0)))
    other = Geometry(GRID.shape, GRID.ijk_to_lps, "1.2")
    with pytest.raises(GeometryError, match="frames of reference"):
        on_ct(Volume(pet.array, other, Quantity.SUV), Geometry(GRID.shape, GRID.ijk_to_lps * 1.0, "3.4"))


def test_cover_is_a_share_of_the_patient():
    ct, _ = ct_and_pet()
    assert require_cover(GRID, ct) == (1.0, ())
    half = Geometry.axial((10, 40, 40), (4.0, 4.0, 4.0))
    with pytest.raises(UnsuitableScanError, match="covers 50%"):
        require_cover(half, ct)
    most = Geometry.axial((19, 40, 40), (4.0, 4.0, 4.0))
    share, words = require_cover(most, ct)
    assert share == pytest.approx(0.95)
    assert "95.0%" in words[0]


def test_covered_counts_half_a_voxel_around_the_outermost_centres():
    source = Geometry.axial((1, 1, 2), (1.0, 1.0, 1.0))
    target = Geometry.axial((1, 1, 4), (1.0, 1.0, 1.0), (-1.2, 0.0, 0.0))
    # Centres at -1.2, -0.2, 0.8 and 1.8 mm; the source reaches from -0.5 to 1.5 mm.
    assert covered(source, target)[0, 0].tolist() == [False, True, True, False]
