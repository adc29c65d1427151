import math
import random

import numpy as np
import pytest

from hyoid.evaluation.case_results import measure_case
from hyoid.evaluation.masks import CaseMasks
from hyoid.evaluation.protocols import AARHUS_2024, HECKTOR_2025_STYLE, HNTSMRG_2024
from hyoid.evaluation.summaries import empty_rule_table, sensitivity_tables, sentences, summarise
from hyoid.volume import Geometry

PROTOCOLS = (HNTSMRG_2024, HECKTOR_2025_STYLE, AARHUS_2024)


def masks(columns: slice | None, spacing_mm: float) -> CaseMasks:
    geometry = Geometry.axial((3, 4, 20), (spacing_mm, 1.0, 1.0))
    array = np.zeros(geometry.shape, np.uint8)
    if columns is not None:
        array[1, 1:3, columns] = 1
    return CaseMasks(geometry, labels=array)


def cases(protocol=HNTSMRG_2024):
    """Half right in small voxels, right in large ones, missed, invented, nothing."""
    pairs = {
        "half": (slice(0, 4), slice(2, 6), 1.0),
        "right": (slice(0, 4), slice(0, 4), 3.0),
        "missed": (slice(0, 4), None, 1.0),
        "invented": (None, slice(0, 2), 1.0),
        "nothing": (None, None, 1.0),
    }
    return [measure_case(name, masks(r, mm), masks(p, mm), protocol) for name, (r, p, mm) in pairs.items()]


def test_pooled_numbers_by_hand():
    summary = summarise(cases(), HNTSMRG_2024)
    # 8 voxels per mask: 2 TP in mm^3 = 8 + 48; volumes 16 + 48 + 8 + 4.
    assert summary["GTVp.dsc_agg"] == pytest.approx(56 / 76)
    assert summary["GTVp.dsc_mean"] == pytest.approx((0.5 + 1 + 0 + 0 + 0) / 5)
    assert summary["GTVp.dsc_sd"] == pytest.approx(np.std([0.5, 1, 0, 0, 0]))
    # "half" has IoU 1/3, above 0.3; one lesion missed, one invented.
    assert summary["GTVp.f1"] == pytest.approx(4 / 6)
    assert summary["GTVp.f1.true_positive"] == 2


def test_counts_stand_beside_every_number():
    summary = summarise(cases(), HNTSMRG_2024)
    for metric in ("dsc_agg", "dsc_mean", "f1", "hd95_medpy_mm", "hd95_surfel_mm", "surface_dice"):
        assert summary[f"GTVp.{metric}.n_missed"] == 1
        assert summary[f"GTVp.{metric}.n_false_positive"] == 1
        assert summary[f"GTVp.{metric}.prevalence"] == pytest.approx(3 / 5)
    assert summary["GTVp.hd95_medpy_mm.n"] == 2
    assert summary["GTVp.hd95_medpy_mm.n_excluded"] == 1  # both empty; missed and invented are counted apart
    assert summary["GTVp.f1.connectivity"] == 26
    assert summary["GTVp.f1.matcher"] == "one_to_one"


def test_missing_a_tumour_cannot_improve_a_charged_distance():
    diagonal_mm = math.sqrt(3**2 + 4**2 + 20**2)
    summary = summarise(cases(), HNTSMRG_2024)
    assert summary["GTVp.hd95_medpy_mm"] == pytest.approx((2 + 0) / 2)
    assert summary["GTVp.hd95_medpy_mm_with_missed"] == pytest.approx((2 + 0 + 2 * diagonal_mm) / 4)


def test_a_class_that_never_occurs_is_undefined_and_not_zero():
    summary = summarise(cases(), AARHUS_2024)
    assert summary["GTVn.dsc_agg"] is summary["GTVn.f1"] is summary["GTVn.hd95_medpy_mm"] is None
    assert summary["GTVn.dsc_agg.ci95_low"] is None
    # The mean over classes is over those that are defined.
    assert summary["mean.dsc_agg"] == summary["GTVp.dsc_agg"]


def test_protocols_differ_where_they_say_they_do():
    means = [summarise(cases(protocol), protocol)["GTVp.dsc_mean"] for protocol in PROTOCOLS]
    assert means == pytest.approx([1.5 / 5, 2.5 / 5, 1.5 / 2])


def test_order_of_cases_does_not_matter_even_to_the_intervals():
    shuffled = cases()
    random.Random(4).shuffle(shuffled)
    assert summarise(shuffled, HNTSMRG_2024) == summarise(cases(), HNTSMRG_2024)


def test_intervals_contain_the_number_and_follow_the_seed():
    summary = summarise(cases(), HNTSMRG_2024)
    for key in ("GTVp.dsc_agg", "GTVp.f1", "GTVp.dsc_mean"):
        assert summary[f"{key}.ci95_low"] <= summary[key] <= summary[f"{key}.ci95_high"]
    assert summarise(cases(), HNTSMRG_2024, seed=1) != summary


def test_sensitivity_tables_hold_every_choice_and_mark_ours():
    rules, gtvp, _gtvn = sensitivity_tables(cases(), HNTSMRG_2024)
    assert len(rules.rows) == 5
    assert [row[0] for row in rules.rows if "(this protocol)" in row[0]] == ["empty is zero (this protocol)"]
    assert len(gtvp.rows) == 6
    assert [row[0] for row in gtvp.rows if "(this protocol)" in row[0]] == [
        "26-connectivity, one to one (this protocol)"
    ]
    values = {row[0].removesuffix(" (this protocol)"): row[1] for row in empty_rule_table(cases(), HNTSMRG_2024).rows}
    assert values["both empty is one"] == pytest.approx(2.5 / 5)
    assert values["any empty excluded"] == pytest.approx(1.5 / 2)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_sentences_say_the_choices(protocol):
    summary = summarise(cases(protocol), protocol)
    text = " ".join(sentences(summary, protocol))
    assert "cubic millimetres" in text
    assert f"{protocol.connectivity}-connectivity" in text
    assert "image diagonal" in text
    named = {key.split(".")[1] for key in summary if f"{key}.ci95_low" in summary}
    unexplained = {name for name in named if not name.endswith("_with_missed") and name not in text}
    assert unexplained <= {"reference_ml", "prediction_ml", "volume_absolute_difference_ml"}


def test_missing_predictions_are_said():
    result = measure_case("a", masks(slice(0, 4), 1.0), None, HNTSMRG_2024)
    summary = summarise([result], HNTSMRG_2024)
    assert summary["n_predictions_missing"] == 1
    assert "1 of 1 cases have no prediction" in " ".join(sentences(summary, HNTSMRG_2024))
