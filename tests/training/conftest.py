"""A tiny folder in OpenKBP's layout, drawn by hand: boxes for organs, a ball for the target."""

import numpy as np
import pytest

from hyoid.io.files.volumes import write_nifti
from hyoid.volume import Geometry, Quantity, Volume

SHAPE = (40, 40, 44)


def write_case(folder, number, *, organs=True, target=True):
    rng = np.random.default_rng(number)
    geometry = Geometry.axial(SHAPE, (3.0, 4.0, 4.0), (-80, -70, 0))
    hu = np.full(SHAPE, -1024.0)
    hu[:, 5:35, 5:39] = rng.normal(40, 10, (40, 30, 34))
    labels = np.zeros(SHAPE, np.uint8)
    labels[10:20, 20:26, 10:14] = 3  # parotid right: smaller x
    labels[10:20, 20:26, 30:34] = 4  # parotid left
    labels[5:35, 28:31, 20:23] = 2  # cord
    hu[labels == 3] = -50
    hu[labels == 4] = -60
    ptv = np.zeros(SHAPE, np.uint8)
    ptv[12:22, 12:24, 26:36] = 3
    for name, array, quantity in (
        ("ct", hu, Quantity.HU),
        ("oar", labels, Quantity.LABEL),
        ("ptv", ptv, Quantity.LABEL),
    ):
        if (name == "oar" and not organs) or (name == "ptv" and not target):
            continue
        kind = np.int16 if name == "ct" else np.uint8
        write_nifti(Volume(array.astype(kind), geometry, quantity), folder / f"pt_{number}_{name}.nii.gz")


@pytest.fixture
def openkbp(tmp_path):
    folder = tmp_path / "openkbp"
    folder.mkdir()
    for number in (1, 2, 3):
        write_case(folder, number)
    return folder
