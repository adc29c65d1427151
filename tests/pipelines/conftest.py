"""A scan with two balls in it, and the interactive network that came with hyoid."""

from pathlib import Path

import numpy as np
import pytest

import hyoid
from hyoid.io.study import Study
from hyoid.volume import Geometry, Quantity, Volume

BALLS = {1: ((14, 30, 24), 12.0), 2: ((14, 30, 46), 8.0)}


def ball(shape, spacing_mm, centre, radius_mm):
    index = np.indices(shape).transpose(1, 2, 3, 0)
    return np.linalg.norm((index - np.array(centre)) * spacing_mm, axis=-1) <= radius_mm


def study_with_balls(fingerprint="balls"):
    shape, spacing = (28, 60, 70), (3.0, 2.0, 2.0)
    hu = np.full(shape, -1000.0, np.float32)
    hu[:, 6:54, 6:64] = -90
    for centre, radius in BALLS.values():
        hu[ball(shape, spacing, centre, radius)] = 70
    hu += np.random.default_rng(0).normal(0, 6, shape).astype(np.float32)
    return Study(Volume(hu, Geometry.axial(shape, spacing, (-70, -60, 0)), Quantity.HU), None, (), (), fingerprint)


@pytest.fixture(scope="session")
def ball_study():
    return study_with_balls()


@pytest.fixture(scope="session")
def ball_masks(ball_study):
    geometry = ball_study.volume.geometry
    return {number: ball(geometry.shape, geometry.spacing_mm, *row) for number, row in BALLS.items()}


@pytest.fixture(scope="session")
def click_network(tmp_path_factory):
    from hyoid.inference.click_network import ClickNetwork
    from hyoid.io.model_package import read_package

    package = read_package(Path(hyoid.__file__).parent / "weights" / "isrg")
    return ClickNetwork(package, cache=tmp_path_factory.mktemp("regions"))
