"""A cohort of tiny label maps, and an executor that works in this process."""

from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from hyoid.interfaces.cohorts.worker import CaseWork
from hyoid.io.files.volumes import write_nifti
from hyoid.volume import Geometry, Quantity, Volume


class Here:
    """One worker in this process; `kill` names cases whose first worker is lost."""

    workers = 1

    def __init__(self):
        self.work, self.ran = CaseWork(), []

    def worker(self):
        return self

    def start(self):
        return self._ended(None)

    def submit(self, job):
        self.ran.append(job.case)
        return self._ended(self.work(job))

    def stop(self):
        pass

    @staticmethod
    def _ended(result):
        future = Future()
        future.set_result(result)
        return future


@pytest.fixture
def here():
    return Here()


def write_map(path: Path, voxels: int):
    """Label map with one node of so many voxels."""
    labels = np.zeros((4, 6, 8), np.uint8)
    labels[1, 1, 1 : 1 + voxels] = 2
    write_nifti(Volume(labels, Geometry.axial((4, 6, 8), (3, 2, 2)), Quantity.LABEL), path)
    return path


@pytest.fixture
def maps(tmp_path):
    """Folder with three label maps a, b, c of 1, 2 and 3 voxels."""
    for k, name in enumerate("abc", start=1):
        write_map(tmp_path / "maps" / f"{name}.nii.gz", k)
    return tmp_path / "maps"
