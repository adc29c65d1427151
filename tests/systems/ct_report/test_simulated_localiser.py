"""True lesions of a virtual patient, boxed or as they are, displaced at random, the same at every call."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hyoid.errors import UsageError
from hyoid.io.cohorts.case_files import CaseFiles
from hyoid.io.files.volumes import write_nifti
from hyoid.systems.ct_report.simulated_localiser import SimulatedLocaliser, SimulatedReader
from hyoid.volume import Geometry, Quantity, Volume

GEOMETRY = Geometry.axial((30, 40, 40), (4, 4, 4))


@pytest.fixture
def patient(tmp_path):
    lesions = np.zeros((30, 40, 40), np.uint8)
    lesions[10:16, 12:20, 12] = lesions[10, 12, 12:18] = 1  # a primary that fills little of its box
    lesions[18:22, 24:28, 24:28] = 2  # a node
    write_nifti(Volume(lesions, GEOMETRY, Quantity.LABEL), tmp_path / "lesions.nii.gz")
    return CaseFiles("phantom_7_0001", Path("ct.nii.gz"), None, tmp_path / "lesions.nii.gz", virtual=True, lesions=True)


@pytest.fixture
def ct():
    # Soft tissue everywhere: the network's grid is then the scan's own.
    return Volume(np.full((30, 40, 40), 40.0, np.float32), GEOMETRY, Quantity.HU)


def test_without_displacement_it_gives_the_boxes_of_primary_and_node(patient, ct):
    found = SimulatedLocaliser(0.0).logits(patient, ct)
    assert found.labels == ("target_region",)
    probability = found.probability("target_region")
    inside = np.argwhere(probability > 0.5)
    assert len(inside) == 6 * 8 * 6 + 4**3
    where = found.geometry.to_lps(inside.mean(axis=0))
    expected = (6 * 8 * 6 * np.array([12.5, 15.5, 14.5]) + 64 * np.array([19.5, 25.5, 25.5])) / (6 * 8 * 6 + 64)
    assert where == pytest.approx(GEOMETRY.to_lps(expected))


def test_the_displacement_is_of_the_patient_and_has_the_spread_that_is_asked_for(patient, ct):
    localiser = SimulatedLocaliser(8.0)
    first = localiser.logits(patient, ct).array
    assert np.array_equal(first, localiser.logits(patient, ct).array)
    assert not np.array_equal(first, localiser.logits(replace(patient, name="phantom_7_0002"), ct).array)
    still = np.argwhere(SimulatedLocaliser(0.0).logits(patient, ct).array[0] > 0).mean(axis=0)
    moved = [
        np.argwhere(localiser.logits(replace(patient, name=f"p{k}"), ct).array[0] > 0).mean(axis=0) - still
        for k in range(40)
    ]
    assert np.std(moved) * 4 == pytest.approx(8.0, rel=0.2)
    assert abs(np.mean(moved)) * 4 < 2.5


def test_the_reader_outlines_the_primary_alone(patient):
    outline = SimulatedReader(0.0).outline(patient)
    assert outline.geometry.same_grid(GEOMETRY)
    assert int((outline.array == 1).sum()) == 6 * 8 + 6 - 1
    assert outline.array.max() == 1


def test_the_reader_moves_the_outline_as_a_whole_and_always_alike(patient):
    reader, true = SimulatedReader(8.0), SimulatedReader(0.0).outline(patient).array
    once = reader.outline(patient).array
    assert np.array_equal(once, reader.outline(patient).array)
    assert once.sum() == true.sum()
    assert not np.array_equal(once, true)


@pytest.mark.parametrize(
    "simulate", [lambda p, ct: SimulatedLocaliser().logits(p, ct), lambda p, _: SimulatedReader().outline(p)]
)
def test_a_real_patient_is_refused(patient, ct, simulate):
    with pytest.raises(UsageError, match="no virtual patient"):
        simulate(replace(patient, virtual=False), ct)
