import numpy as np
from tests.io.dicom.petct_study import write_petct_study

from hyoid.io.petct import read_petct
from hyoid.volume import Geometry, Quantity, Volume


def test_a_written_study_reads_back_as_it_was(tmp_path):
    ct_grid = Geometry.axial((4, 5, 6), (3.0, 1.0, 1.0), (-3.0, -2.0, 10.0))
    pet_grid = Geometry.axial((3, 3, 3), (4.0, 4.0, 4.0), (-3.0, -2.0, 10.0))
    rng = np.random.default_rng(0)
    ct = Volume(rng.integers(-1000, 1000, ct_grid.shape).astype(np.int16), ct_grid, Quantity.HU)
    pet = Volume(rng.uniform(0, 20, pet_grid.shape).astype(np.float32), pet_grid, Quantity.SUV)
    write_petct_study(tmp_path / "study", ct, pet, seed="a")
    study = read_petct(tmp_path / "study")
    assert np.array_equal(study.ct.volume.array, ct.array)
    assert study.ct.volume.geometry.same_grid(ct_grid) and study.pet.volume.geometry.same_grid(pet_grid)
    # Sixteen bits per slice.
    assert np.abs(study.pet.volume.array - pet.array).max() < 20 / 65535
    assert study.ct.headers[0].StudyInstanceUID == study.pet.headers[0].StudyInstanceUID
    assert study.ct.headers[0].SeriesInstanceUID != study.pet.headers[0].SeriesInstanceUID
