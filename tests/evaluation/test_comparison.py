import numpy as np
import pytest

from hyoid.errors import InputRefusedError
from hyoid.evaluation.case_results import measure_case
from hyoid.evaluation.comparison import compare_systems
from hyoid.evaluation.masks import CaseMasks
from hyoid.evaluation.protocols import HNTSMRG_2024
from hyoid.volume import Geometry

GRID = Geometry.axial((3, 4, 20), (1.0, 1.0, 1.0))


def masks(stop: int) -> CaseMasks:
    array = np.zeros(GRID.shape, np.uint8)
    array[1, 1:3, :stop] = 1
    return CaseMasks(GRID, labels=array)


def system(*stops: int):
    return [measure_case(f"case{i}", masks(10), masks(stop), HNTSMRG_2024) for i, stop in enumerate(stops)]


def test_difference_and_which_cases_changed():
    comparison = compare_systems(system(10, 10, 5), system(10, 0, 4), HNTSMRG_2024)
    summary = comparison.summary
    assert summary["GTVp.dsc_mean.a"] == pytest.approx((1 + 1 + 2 / 3) / 3)
    assert summary["GTVp.dsc_mean.b"] == pytest.approx((1 + 0 + 4 / 7) / 3)
    assert summary["GTVp.dsc_mean.difference"] == pytest.approx((1 + 2 / 3 - 4 / 7) / 3)
    assert summary["n_changed"] == 2
    changed = comparison.tables[1].rows
    assert [row[0] for row in changed] == ["case1", "case2"]
    assert changed[0][-1] == "missed"


def test_a_system_equals_itself():
    comparison = compare_systems(system(10, 5, 0), system(10, 5, 0), HNTSMRG_2024)
    assert comparison.summary["GTVp.dsc_agg.difference"] == 0
    assert comparison.summary["GTVp.dsc_agg.p_bootstrap"] == 1.0
    assert comparison.summary["GTVp.dsc_mean.p_wilcoxon"] == 1.0
    assert comparison.summary["n_changed"] == 0


def test_distances_are_compared_with_missed_structures_charged():
    summary = compare_systems(system(10, 10), system(10, 0), HNTSMRG_2024).summary
    assert summary["GTVp.hd95_medpy_mm_with_missed.difference"] < 0
    assert "GTVp.hd95_medpy_mm.difference" not in summary


def test_swapping_turns_the_sign_and_order_of_cases_does_not_matter():
    a, b = system(10, 6, 5, 8), system(9, 7, 4, 8)
    forth = compare_systems(a, b, HNTSMRG_2024).summary
    back = compare_systems(b[::-1], a, HNTSMRG_2024).summary
    assert forth["GTVp.dsc_agg.difference"] == pytest.approx(-back["GTVp.dsc_agg.difference"])
    assert forth["GTVp.dsc_agg.p_bootstrap"] == back["GTVp.dsc_agg.p_bootstrap"]


def test_a_patient_seen_twice_is_no_second_patient():
    a, b = system(10, 6, 5, 8), system(9, 7, 3, 2)
    once, twice = (compare_systems(a * n, b * n, HNTSMRG_2024).summary for n in (1, 2))
    for key in ("difference", "difference.ci95_low", "difference.ci95_high", "p_bootstrap", "p_wilcoxon", "n_pairs"):
        assert twice[f"GTVp.dsc_mean.{key}"] == pytest.approx(once[f"GTVp.dsc_mean.{key}"]), key


def test_different_cases_are_refused():
    with pytest.raises(InputRefusedError, match="different cases"):
        compare_systems(system(10, 5), system(10), HNTSMRG_2024)
