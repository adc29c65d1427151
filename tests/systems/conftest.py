"""A scan with two balls in it, a network that outlines balls, and a run that is finished."""

import numpy as np
import pytest

from hyoid.anatomy.lesion_attributes import ATTRIBUTES
from hyoid.inference.click_network import ClickAnswer
from hyoid.io.packages.model_package import LearnedFrom, Manifest, write_package
from hyoid.io.study import Study
from hyoid.models.prompts import PointKind
from hyoid.preprocess.click_region import Region
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


class BallNetwork:
    """Stands in for the network: a ball around every click, so that answers are known and weights do not matter."""

    spacings_mm = (1.25, 2.5, 5.0)
    radius_mm = 10.0

    def __init__(self):
        self.manifest = Manifest(
            name="balls", version="1", words="", task="lesion", network={}, labels=("lesion",), supported=("lesion",),
            spacing_mm=(2.5, 2.5, 2.5), patch=(48, 48, 48), preprocessing={}, training_data="", licence="", sha256="0",
            learned_from=LearnedFrom(virtual=("lesion", *ATTRIBUTES)),
        )  # fmt: skip
        self.encoded = []

    def region(self, centre_lps_mm, spacing_mm):
        return Region(tuple(round(float(v), 3) for v in centre_lps_mm), spacing_mm, self.manifest.patch)

    def encode(self, volume, fingerprint, region):
        self.encoded.append((fingerprint, region))
        return region

    def decode(self, region, points, kinds, previous):
        index = (np.indices((24, 24, 24)).transpose(1, 2, 3, 0) + 0.5) * 2 - 0.5
        logits = np.full((24, 24, 24), -5.0, np.float32)
        for point, kind in zip(points, kinds, strict=True):
            near = self.radius_mm - np.linalg.norm((index - point) * region.spacing_mm, axis=-1)
            logits = np.minimum(logits, -near) if kind == PointKind.REMOVE else np.maximum(logits, near)
        attributes = {"shape": {"round_like": 0.7, "irregular": 0.1, "wall_thickening": 0.1, "punctate_nodular": 0.1}}
        return ClickAnswer(logits.astype(np.float32), 0.9, attributes)


@pytest.fixture
def click_network():
    return BallNetwork()


@pytest.fixture
def leave_package():
    """Write the package of a run as if a recipe had made it; `leave_package(folder, recipe)`."""
    return package_of_recipe


def package_of_recipe(folder, recipe):
    manifest = {
        "name": "n", "version": "1", "words": "", "task": "segmentation", "network": {}, "labels": ("larynx",),
        "supported": ("larynx",), "spacing_mm": (1, 1, 1), "patch": (8, 8, 8), "preprocessing": {},
        "training_data": "", "licence": "", "recipe": recipe.model_dump(mode="json"),
    }  # fmt: skip
    write_package(folder / "package", manifest, {"w": np.zeros(1, np.float32)}, licence="", card="")
