"""One virtual patient as a DICOM series, made once for the folder's tests."""

import shutil

import numpy as np
import pytest
from tests.interfaces.planted import NAME, plant

from hyoid.io.dicom.ct import write_ct_series
from hyoid.phantom.patient import PhantomOptions, virtual_patient


@pytest.fixture(scope="session")
def patient():
    options = PhantomOptions(nodes=(2, 2), diameter_mm=(30, 40), wide_hu=False)
    return virtual_patient(np.random.default_rng(11), spacing_mm=(3.0, 2.0, 2.0), options=options)


@pytest.fixture(scope="session")
def made_series(patient, tmp_path_factory):
    """A CT series with a name in every header and path, so that every run on the series shows where names go."""
    folder = tmp_path_factory.mktemp(NAME) / "ct"
    write_ct_series(folder, patient.ct, seed="test")
    return plant(folder)


@pytest.fixture
def series(made_series, tmp_path):
    """A copy that a test may break."""
    return shutil.copytree(made_series, tmp_path / "ct")
