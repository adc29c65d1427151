"""Virtual patients: complete, sided, reproducible, and true to their own truth."""

import cc3d
import numpy as np
import pytest

from hyoid.anatomy.structures import BY_NAME, ORGANS, Side, opposite
from hyoid.anatomy.subsites import SUBSITES
from hyoid.errors import UsageError
from hyoid.geometry.orientation import axis_codes
from hyoid.phantom.patient import (
    GTVN,
    GTVP,
    PhantomOptions,
    block_mode,
    iter_patients,
    virtual_patient,
)
from hyoid.volume import Quantity

SPACING_MM = (4.0, 4.0, 4.0)


def components(mask):
    return int(cc3d.connected_components(mask.astype(np.uint8), connectivity=26).max())


@pytest.fixture(scope="module")
def patients():
    return list(iter_patients(11, 4, spacing_mm=SPACING_MM))


def test_every_organ_and_subsite_is_there(patients):
    for patient in patients:
        assert set(np.unique(patient.organs.array)) == {0, *(s.label for s in ORGANS)}
        missing = {row.label for row in SUBSITES} - set(np.unique(patient.subsites.array))
        assert len(missing) <= 2  # commissures are smaller than a voxel of 4 mm


def test_left_lies_at_larger_x_than_right(patients):
    for patient in patients:
        for volume, rows in ((patient.organs, ORGANS), (patient.subsites, SUBSITES)):
            centre = {
                row.name: volume.geometry.to_lps(np.argwhere(volume.array == row.label).mean(0))[0]
                for row in rows
                if row.side is not Side.MIDLINE
            }
            left = [name for name in centre if name.endswith("_left")]
            assert left
            assert all(centre[name] > centre[opposite(name)] + 5 for name in left)


def test_order_from_feet_to_head_and_front_to_back(patients):
    names = {s.name: s.label for s in ORGANS}
    for patient in patients:

        def centre(name, patient=patient):
            return patient.organs.geometry.to_lps(np.argwhere(patient.organs.array == names[name]).mean(0))

        assert axis_codes(patient.ct.geometry) == "SPL"
        order = ["thyroid_gland", "cricoid_cartilage", "thyroid_cartilage", "hyoid_bone", "tongue", "brainstem"]
        assert np.all(np.diff([centre(name)[2] for name in order]) > 0)
        assert centre("thyroid_cartilage")[1] < centre("hypopharynx")[1] < centre("spinal_cord")[1]
        assert centre("tongue")[1] < centre("oropharynx")[1] < centre("spinal_cord")[1]


def test_grids_and_quantities_agree(patients):
    for patient in patients:
        assert patient.ct.quantity is Quantity.HU
        assert patient.ct.array.dtype == np.int16
        for volume in (patient.organs, patient.subsites, patient.lesions):
            assert volume.quantity is Quantity.LABEL
            assert volume.geometry.same_grid(patient.ct.geometry)
        assert patient.ct.geometry.spacing_mm == SPACING_MM


def test_tissues_have_their_attenuation(patients):
    for patient in patients:

        def median(label, patient=patient):
            return np.median(patient.ct.array[patient.organs.array == label])

        assert median(22) > 300
        assert median(19) < -400
        assert -110 < median(23) < 120
        assert 0 < median(5) < 130
        assert -1024 <= patient.ct.array.min() < -900


def test_vertebrae_are_spongy_within_a_dense_shell(patients):
    shares = []
    for patient in patients:
        cord = np.argwhere(patient.organs.array == 26)
        rows, columns = np.mgrid[: cord.max(0)[1] + 20, : patient.ct.array.shape[2]]
        around = []
        for level in np.unique(cord[:, 0]):
            middle = cord[cord[:, 0] == level].mean(0)
            away_mm = 4 * np.hypot(rows - middle[1], columns - middle[2])
            slab = patient.ct.array[level, : rows.shape[0]]
            around.append(slab[((away_mm > 12) & (away_mm < 20))[: slab.shape[0]]])
        values = np.concatenate(around)
        shares.append([(values > hu).mean() for hu in (150, 400)])
    # 24 real scans, whose slices are thinner: 0.56, 0.23.
    some, dense = np.mean(shares, axis=0)
    assert 0.4 < some < 0.75
    assert 0.12 < dense < 0.4


def test_lesions_are_counted_exactly(patients):
    for patient in patients:
        assert components(patient.lesions.array == GTVP) == 1
        assert components(patient.lesions.array == GTVN) == len(patient.truth.nodes)
        together = cc3d.connected_components((patient.lesions.array > 0).astype(np.uint8), connectivity=26).max()
        assert together == 1 + len(patient.truth.nodes)


def test_truth_is_what_the_masks_say():
    options = PhantomOptions(primary="tonsil_left", diameter_mm=(30, 30), nodes=(2, 2))
    patient = virtual_patient(np.random.default_rng(3), spacing_mm=SPACING_MM, options=options)
    truth = patient.truth
    assert truth.primary == "tonsil_left"
    assert truth.side == "left"
    assert truth.involved["tonsil"]
    assert "tonsil_left" in truth.involved_subsites
    assert "tonsil_right" not in truth.involved_subsites
    assert 2.0 <= truth.size_cm <= 4.2
    assert "et_tube_in_situ" not in truth.involved
    assert all(0 < node.axial_short_mm <= node.longest_mm + 4 for node in truth.nodes)


def test_the_subsite_of_the_primary_is_always_involved():
    options = PhantomOptions(primary="true_vocal_cords", diameter_mm=(5, 5), nodes=(0, 0))
    for seed in range(2):
        patient = virtual_patient(np.random.default_rng(seed), spacing_mm=(5.0, 5.0, 5.0), options=options)
        assert patient.truth.involved["true_vocal_cords"]
        assert patient.truth.nodes == ()


def test_the_primary_does_not_grow_into_air(patients):
    for patient in patients:
        in_tumour = patient.ct.array[patient.lesions.array == GTVP]
        assert np.median(in_tumour) > -50


def test_no_disease():
    patient = virtual_patient(
        np.random.default_rng(1), spacing_mm=(5.0, 5.0, 5.0), options=PhantomOptions(disease=False)
    )
    assert not patient.lesions.array.any()
    assert patient.truth.primary == ""
    assert patient.truth.involved == {}


def test_same_seed_same_bytes_whatever_the_number_of_patients(patients):
    first, other = patients[2], patients[3]
    second = virtual_patient(np.random.default_rng([11, 2]), spacing_mm=SPACING_MM)
    for name in ("ct", "organs", "subsites", "lesions"):
        assert getattr(first, name).array.tobytes() == getattr(second, name).array.tobytes()
    assert first.truth == second.truth
    assert np.array_equal(first.ct.geometry.ijk_to_lps, second.ct.geometry.ijk_to_lps)
    assert first.ct.array.tobytes() != other.ct.array.tobytes()


def test_refusals():
    with pytest.raises(UsageError, match="no sub-site 'kidney'"):
        PhantomOptions(primary="kidney")
    with pytest.raises(UsageError, match="low to high"):
        PhantomOptions(nodes=(3, 1))
    for spacing in ((6.0, 4.0, 4.0), (1.0, 0.1, 1.0)):
        with pytest.raises(UsageError, match="cannot hold a neck"):
            virtual_patient(np.random.default_rng(0), spacing_mm=spacing)


def test_larynx_parts_are_one_component(patients):
    parts = [BY_NAME[name].label for name in ("larynx_air", "thyroid_cartilage", "cricoid_cartilage", "larynx")]
    for patient in patients:
        larynx = np.isin(patient.organs.array, parts).astype(np.uint8)
        labels = cc3d.connected_components(larynx, connectivity=26)
        assert np.bincount(labels.ravel())[1:].max() > 0.95 * larynx.sum()


def test_block_mode_of_single_voxels_changes_nothing():
    labels = np.random.default_rng(0).integers(0, 5, (4, 4, 4)).astype(np.uint8)
    assert np.array_equal(block_mode(labels, (1, 1, 1)), labels)
