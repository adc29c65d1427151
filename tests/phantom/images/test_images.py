"""PET and MR of virtual patients: in register, reproducible, true to their fields, and without effect on the CT."""

import numpy as np
import pytest

from hyoid.errors import UsageError
from hyoid.geometry.resample import resample
from hyoid.phantom.anatomy.motion import Field
from hyoid.phantom.disease.followup import draw_ratio
from hyoid.phantom.patient import PhantomOptions, virtual_patient
from hyoid.volume import Geometry, Quantity

SPACING_MM = (4.0, 4.0, 4.0)
OPTIONS = PhantomOptions(
    modalities=("ct", "pet", "mr"), mr_spacing_mm=(4.0, 2.0, 2.0), diameter_mm=(25, 40), nodes=(2, 3)
)


@pytest.fixture(scope="module")
def patients():
    return [virtual_patient(np.random.default_rng([5, k]), spacing_mm=SPACING_MM, options=OPTIONS) for k in range(2)]


def test_the_ct_is_the_same_with_and_without_other_images(patients):
    options = PhantomOptions(diameter_mm=(25, 40), nodes=(2, 3))
    alone = virtual_patient(np.random.default_rng([5, 0]), spacing_mm=SPACING_MM, options=options)
    for name in ("ct", "organs", "lesions", "lesion_ids"):
        assert getattr(alone, name).array.tobytes() == getattr(patients[0], name).array.tobytes()
    assert alone.pet is None
    assert alone.mr is None


def test_same_seed_same_images(patients):
    again = virtual_patient(np.random.default_rng([5, 0]), spacing_mm=SPACING_MM, options=OPTIONS)
    assert again.pet.array.tobytes() == patients[0].pet.array.tobytes()
    assert again.mr.mid.array.tobytes() == patients[0].mr.mid.array.tobytes()
    assert again.truth == patients[0].truth
    assert again.mr.changes == patients[0].mr.changes


def test_pet_is_suv_and_lies_on_the_ct(patients):
    for patient in patients:
        assert patient.pet.quantity is Quantity.SUV
        assert patient.pet.array.min() >= 0
        suv = resample(patient.pet, patient.ct.geometry).array
        brain = np.median(suv[patient.subsites.array == 36])
        cord = np.median(suv[patient.organs.array == 26])
        tumour = np.median(suv[patient.lesions.array == 1])
        parotid = np.median(suv[np.isin(patient.organs.array, (23, 24))])
        assert 3 < brain < 14
        assert 0.5 < cord < 3.5
        assert 0.4 < parotid < 4.5
        assert tumour > 1.5 * cord
        assert suv[patient.ct.array < -900].mean() < 0.5


def test_suv_max_is_read_in_the_lesion(patients):
    for patient in patients:
        assert len(patient.truth.lesions) == 1 + len(patient.truth.nodes)
        assert patient.truth.lesions[0].suv_max <= patient.pet.array.max() + 0.005  # two decimals
        assert all(lesion.suv_max > 0.3 for lesion in patient.truth.lesions)


def test_the_field_carries_the_image_before_onto_the_later_one(patients):
    for patient in patients:
        pair = patient.mr
        assert pair.pre_registered.geometry.same_grid(pair.mid.geometry)
        inner = pair.pre_registered.array > 0
        carried = np.corrcoef(pair.pre_registered.array[inner], pair.mid.array[inner])[0, 1]
        assert carried > 0.5
        for change in pair.changes:
            later, before = pair.mid_ids.array == change.number, pair.pre_ids_registered.array == change.number
            if change.response != "grown" and later.sum() > 200:  # in smaller ones half the voxels are at the border
                assert (later & before).sum() / later.sum() > 0.8


def test_changes_are_what_the_masks_say(patients):
    for patient in patients:
        pair = patient.mr
        assert len(pair.changes) == len(patient.truth.lesions)
        for change in pair.changes:
            volume = (pair.mid_ids.array == change.number).sum() * pair.mid.geometry.voxel_ml
            assert change.after_ml == pytest.approx(volume, abs=1e-3)
            assert change.before_ml > 0
            assert (change.response == "vanished") == (change.after_ml == 0)
        assert set(np.unique(pair.mid_lesions.array)) <= {0, 1, 2}


def test_fields_do_not_fold(patients):
    for patient in patients:
        field = patient.mr.field
        z, y, x = field.geometry.spacing_mm
        gradient = [np.gradient(c, z, y, x) for c in field.vectors_mm]
        jacobian = np.stack([np.stack([g[2], g[1], g[0]], -1) for g in gradient], -2) + np.eye(3)
        assert np.linalg.det(jacobian).min() > 0.1


def test_a_field_is_linear_in_between():
    grid = Geometry.axial((2, 2, 3), (4.0, 4.0, 4.0), (0.0, 0.0, 0.0))
    vectors = np.zeros((3, 2, 2, 3), np.float32)
    vectors[0] = [0, 1, 2]
    vectors[2, 1] = 8
    at = Field(vectors, grid).at(Geometry.axial((1, 1, 2), (1.0, 1.0, 3.0), (1.0, 0.0, 2.0)))
    assert at[:, 0, 0].T.tolist() == [[0.25, 0, 4], [1, 0, 4]]
    outside = Field(vectors, grid).at(Geometry.axial((1, 1, 1), (1.0, 1.0, 1.0), (99.0, 0.0, -50.0)))
    assert outside.ravel().tolist() == [2, 0, 0]


@pytest.mark.parametrize(
    ("target", "vanish", "quantiles", "grow"),
    [
        ("gtvp", 21 / 135, (0.135, 0.301, 0.505, 0.744, 0.787), 2 / 135),
        ("gtvn", 1 / 130, (0.555, 0.779, 0.946, 1.080, 1.153), 11 / 130),
    ],
)
def test_ratios_are_those_of_real_patients(target, vanish, quantiles, grow):
    rng = np.random.default_rng(0)
    ratios = np.array([draw_ratio(target, rng) for _ in range(20_000)])
    assert (ratios == 0).mean() == pytest.approx(vanish, abs=0.01)
    assert np.quantile(ratios, (0.25, 0.5, 0.75, 0.9, 0.95)) == pytest.approx(quantiles, abs=0.025)
    assert (ratios > 1.1).mean() == pytest.approx(grow, abs=0.01)
    assert ratios[ratios > 0].min() >= 0.02
    assert ratios.max() <= 1.5


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"modalities": ("us",)}, "no modality 'us'"),
        ({"centre": "z"}, "no centre 'z'"),
        ({"pet_spacing_mm": (12.0, 12.0, 12.0)}, "cannot hold a node"),
        ({"mr_spacing_mm": (0.1, 1.0, 1.0)}, "cannot hold a node"),
        ({"lesion_kinds": ("wart",)}, "no lesion type 'wart'"),
        ({"lesion_kinds": ("lipoma",), "primary": "lip"}, "in place of a primary"),
        ({"nodes": (3, 1)}, "not low to high"),
    ],
)
def test_impossible_requests_are_refused(given, words):
    with pytest.raises(UsageError, match=words):
        PhantomOptions(**given)
