"""Bone as real scans have it: vertebrae apart from each other, spongy inside; air in the base of the skull."""

import numpy as np
import pytest

from hyoid.anatomy.structures import BY_NAME
from hyoid.phantom.patient import PhantomOptions, iter_patients

SPACING_MM = (3.0, 4.0, 4.0)


@pytest.fixture(scope="module")
def patients():
    return list(iter_patients(5, 3, spacing_mm=SPACING_MM, options=PhantomOptions(disease=False)))


def around_cord(patient):
    """HU with distance to the back and to the side of the cord's centre (mm), in slices of the neck."""
    cord = patient.organs.array == BY_NAME["spinal_cord"].label
    jaw = np.argwhere(patient.organs.array == BY_NAME["mandible"].label)[:, 0].mean()
    for k in np.flatnonzero(cord.any((1, 2))):
        if k < jaw - 8:
            row, column = np.argwhere(cord[k]).mean(0)
            rows, columns = np.mgrid[: cord.shape[1], : cord.shape[2]]
            yield patient.ct.array[k], 4 * (rows - row), 4 * (columns - column)


def test_vertebrae_are_a_shell_around_spongy_bone(patients):
    shares = []
    for patient in patients:
        ring = [
            hu[(np.hypot(back, side) > 12) & (np.hypot(back, side) < 20)] for hu, back, side in around_cord(patient)
        ]
        shares.append([(np.concatenate(ring) > limit).mean() for limit in (150, 400)])
    over_150, over_400 = np.mean(shares, axis=0)
    # Median (10-90 %) of 28 real planning CTs: 53 % (40-78) above 150 HU, 19 % (7-35) above 400.
    assert 0.4 < over_150 < 0.78
    assert over_400 < 0.35


def test_spinous_processes_are_apart(patients):
    for patient in patients:
        column = np.array(
            [hu[(back > 14) & (back < 26) & (np.abs(side) < 5)].max() > 200 for hu, back, side in around_cord(patient)]
        )
        assert np.abs(np.diff(column.astype(int))).sum() >= 4


def test_air_of_the_larynx_ends_with_the_larynx(patients):
    for patient in patients:
        levels = {
            name: np.flatnonzero((patient.organs.array == BY_NAME[name].label).any((1, 2)))
            for name in ("larynx", "larynx_air")
        }
        assert abs(levels["larynx"][0] - levels["larynx_air"][0]) * SPACING_MM[0] <= 9
        assert abs(levels["larynx"][-1] - levels["larynx_air"][-1]) * SPACING_MM[0] <= 9
