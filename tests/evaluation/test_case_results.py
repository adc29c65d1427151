import math

import numpy as np
import pytest

from hyoid.errors import GeometryError
from hyoid.evaluation.case_results import LevelMap, case_record, lesion_records, measure_case
from hyoid.evaluation.masks import CaseMasks
from hyoid.evaluation.protocols import HECKTOR_2025_STYLE, HNTSMRG_2024
from hyoid.volume import Geometry

GRID = Geometry.axial((6, 10, 10), (3.0, 1.0, 1.0))


def blocks(**pieces: tuple[slice, slice, slice]) -> CaseMasks:
    array = np.zeros(GRID.shape, np.uint8)
    for name, where in pieces.items():
        array[where] = int(name[1:])
    return CaseMasks(GRID, labels=array)


BLOCK = np.s_[1:3, 2:6, 2:6]
SHIFTED = np.s_[1:3, 2:6, 3:7]


def test_one_case_by_hand():
    result = measure_case("a", blocks(v1=BLOCK), blocks(v1=SHIFTED), HNTSMRG_2024)
    record = case_record(result, HNTSMRG_2024)
    assert record["case"] == "a"
    assert record["GTVp.dsc"] == 0.75
    assert record["GTVp.reference_ml"] == pytest.approx(2 * 4 * 4 * 3 / 1000)
    assert record["GTVp.shared_ml"] == pytest.approx(2 * 4 * 3 * 3 / 1000)
    assert record["GTVp.hd95_medpy_mm"] == 1.0
    assert record["GTVp.true_positive"] == 1
    assert record["GTVp.status"] == "measured"
    assert record["GTVn.status"] == "both_empty"
    assert record["GTVn.hd95_medpy_mm"] is None
    assert result.diagonal_mm == pytest.approx(math.sqrt(18**2 + 10**2 + 10**2))


def test_spacing_is_taken_from_the_geometry_in_array_order():
    along_slices = measure_case("a", blocks(v1=BLOCK), blocks(v1=np.s_[2:4, 2:6, 2:6]), HNTSMRG_2024)
    assert along_slices.classes[0].distances_mm["hd95_medpy_mm"] == 3.0


def test_a_missing_prediction_is_missed():
    result = measure_case("a", blocks(v1=BLOCK, v2=np.s_[5:6, 8:10, 8:10]), None, HNTSMRG_2024)
    record = case_record(result, HNTSMRG_2024)
    assert record["prediction_missing"]
    for name in ("GTVp", "GTVn"):
        assert record[f"{name}.status"] == "missed"
        assert record[f"{name}.dsc"] == 0.0
        assert record[f"{name}.hd95_medpy_mm"] == math.inf
        assert record[f"{name}.false_negative"] == 1


def test_empty_single_voxel_and_whole_image():
    nothing, dot, everything = blocks(), blocks(v1=np.s_[0:1, 0:1, 0:1]), blocks(v1=np.s_[:, :, :])
    assert measure_case("a", nothing, nothing, HNTSMRG_2024).classes[0].status == "both_empty"
    assert measure_case("a", nothing, dot, HNTSMRG_2024).classes[0].status == "false_positive"
    assert case_record(measure_case("a", dot, dot, HNTSMRG_2024), HNTSMRG_2024)["GTVp.hd95_medpy_mm"] == 0.0
    assert case_record(measure_case("a", everything, everything, HNTSMRG_2024), HNTSMRG_2024)["GTVp.surface_dice"] == 1


def test_another_grid_is_resampled_or_refused_as_the_protocol_says():
    coarse = Geometry.axial((6, 5, 5), (3.0, 2.0, 2.0), (0.5, 0.5, 0.0))
    array = np.zeros(coarse.shape, np.uint8)
    array[1:3, 1:3, 1:3] = 1
    prediction = CaseMasks(coarse, labels=array)
    result = measure_case("a", blocks(v1=BLOCK), prediction, HNTSMRG_2024)
    assert result.resampled
    assert result.classes[0].overlap.shared_voxels == result.classes[0].overlap.reference_voxels == 32
    with pytest.raises(GeometryError, match=r"\(6, 5, 5\) voxels of 3 x 2 x 2 mm.*does not resample"):
        measure_case("a", blocks(v1=BLOCK), prediction, HECKTOR_2025_STYLE)


def test_lesions_are_placed_in_the_image_and_have_levels():
    reference = blocks(v2=np.s_[4:5, 6:9, 6:9])
    level_labels = np.zeros(GRID.shape, np.uint8)
    level_labels[4:] = 3
    levels = LevelMap(level_labels, {3: "IIa"})
    row = next(
        row
        for row in lesion_records(measure_case("a", reference, blocks(), HNTSMRG_2024, levels=levels))
        if row["class"] == "GTVn"
    )
    assert row["centroid_index"] == [4.0, 7.0, 7.0]
    assert row["centroid_lps_mm"] == [7.0, 7.0, 12.0]
    assert row["outcome"] == "missed"
    assert row["level"] == "IIa"
    assert row["size"] == "< 0.5 mL"


def test_the_same_grid_in_another_order_is_not_resampled():
    matrix = GRID.ijk_to_lps.copy()
    matrix[:3, 3] = GRID.to_lps((5, 0, 0))
    matrix[:3, 0] *= -1
    reference = blocks(v1=BLOCK)
    flipped = CaseMasks(Geometry(GRID.shape, matrix), labels=np.flip(blocks(v1=SHIFTED).labels, 0))
    result = measure_case("a", reference, flipped, HECKTOR_2025_STYLE)
    assert not result.resampled
    assert result.classes[0].overlap.shared_voxels == 24
