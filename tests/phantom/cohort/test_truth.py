"""Measurements of the truth, by hand."""

import numpy as np
import pytest

from hyoid.phantom.anatomy.head import label, subsite
from hyoid.phantom.cohort.truth import axial_short_mm, longest_diameter_mm, measure_truth
from hyoid.phantom.disease.growth import DrawnNode
from hyoid.volume import Geometry


def test_truth_of_a_painted_box():
    shape = (10, 20, 40)
    geometry = Geometry.axial(shape, (2.0, 2.0, 2.0))
    organs, subsites, ids = (np.zeros(shape, np.uint8) for _ in range(3))
    organs[:, :, :3], organs[:, :, -3:] = label("parotid_right"), label("parotid_left")
    organs[2:5, 5:10, 28:32] = label("carotid_left")
    subsites[2:6, 5:10, 20:30] = subsite("tonsil_left")
    ids[2:5, 5:8, 25:31] = 1
    ids[8, 15, 5:9] = 2
    truth = measure_truth(organs, subsites, ids, geometry, "tonsil_left", [DrawnNode("IIa", "right", True)], "F", 0.5)
    assert truth.side == "left"
    assert truth.size_cm == pytest.approx(longest_diameter_mm(ids == 1, geometry) / 10, abs=0.006)
    assert {key for key, value in truth.involved.items() if value} == {"tonsil", "carotid_arteries_ijv"}
    assert truth.involved_subsites == ("tonsil_left",)
    assert not {"et_tube_in_situ", "cranial_nerves", "airway_compromise"} & set(truth.involved)
    (node,) = truth.nodes
    assert (node.level, node.side, node.necrotic, node.longest_mm, node.axial_short_mm) == ("IIa", "right", True, 8, 2)


def test_without_disease_nothing_is_involved():
    empty = np.zeros((3, 3, 3), np.uint8)
    truth = measure_truth(empty, empty, empty, Geometry.axial((3, 3, 3), (1, 1, 1)), "", [], "M", 0.0)
    assert (truth.primary, truth.size_cm, truth.involved, truth.nodes) == ("", 0.0, {}, ())


def test_diameters_of_a_box():
    mask = np.zeros((6, 8, 8), bool)
    mask[1:3, 2:4, 1:7] = True
    geometry = Geometry.axial(mask.shape, (2.0, 1.0, 1.0))
    expected = np.linalg.norm((2, 1, 5))
    direction = np.array((2, 1, 5)) / expected
    assert longest_diameter_mm(mask, geometry) == pytest.approx(expected + 1 / np.max(direction / (2, 1, 1)))
    assert axial_short_mm(mask, geometry) == pytest.approx(2.0)


def test_diameter_of_one_voxel_is_its_longest_edge():
    mask = np.zeros((3, 3, 3), bool)
    mask[1, 1, 1] = True
    assert longest_diameter_mm(mask, Geometry.axial(mask.shape, (3.0, 1.0, 1.0))) == 3.0
