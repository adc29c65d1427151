"""Counts and volumes of a card of the mid-treatment system, on answers made by hand."""

import numpy as np
import pytest

from hyoid.systems.midrt.measure import (
    Answer,
    LesionEvidence,
    compare_volumes,
    count_vanished,
    fitted_curve,
    label_agreement,
    outside_recall,
    remove_cross_fitted,
    without_vanished,
)


def answer(case, lesions, new_evidence=(), voxel_ml=1.0, outside=(0, 0)):
    """Lesions are (label, mL before, evidence, true mL now, mL that is outlined); one column of voxels for each."""
    rows, columns = [], [row[4] for row in lesions] + [2] * len(new_evidence)
    followed = np.zeros((1, 8, max(len(columns), 1)), np.uint16)
    for number, filled in enumerate(columns, start=1):
        followed[0, :filled, number - 1] = number
    kinds = [row[0] for row in lesions] + [2] * len(new_evidence)
    labels = np.array([0, *kinds], np.uint8)[followed]
    for number, (label, before_ml, evidence, true_ml, _) in enumerate(lesions, start=1):
        rows.append(LesionEvidence(number, label, before_ml, evidence, true_ml))
    return Answer(case, labels, followed, tuple(rows), tuple(new_evidence), voxel_ml, *outside)


@pytest.fixture
def answers():
    """Eight patients: a lesion that stays is sure, one that vanished is not; both are outlined."""
    return tuple(answer(f"p{k}", [(1, 8.0, 0.95, 4.0, 4), (2, 4.0, 0.02, 0.0, 1)]) for k in range(8))


def test_vanished_lesions_are_removed_by_the_curve_of_the_others(answers):
    shipped = remove_cross_fitted(answers)
    for before, after in zip(answers, shipped, strict=True):
        assert (after.labels == 1).sum() == (before.labels == 1).sum() == 4
        assert not (after.labels == 2).any()
        assert not (after.followed == 2).any()
    # The answers themselves stay as they were.
    assert all((a.labels == 2).any() for a in answers)


def test_what_vanished_and_what_was_left_is_counted(answers):
    raw, shipped = count_vanished(answers, answers), count_vanished(answers, remove_cross_fitted(answers))
    assert raw == {"vanished": 8, "vanished_called_empty": 0, "left": 8, "left_called_empty": 0}
    assert shipped == raw | {"vanished_called_empty": 8}


def test_a_new_lesion_needs_evidence_and_size():
    curve = fitted_curve([answer("p", [(1, 8.0, 0.9, 4.0, 4), (1, 8.0, 0.1, 0.0, 1)])], new_at_least=0.9)
    for evidence, voxel_ml, kept in ((0.95, 1.0, True), (0.5, 1.0, False), (0.95, 1e-4, False)):
        found = answer("q", [(1, 8.0, 0.9, 4.0, 4)], new_evidence=(evidence,), voxel_ml=voxel_ml)
        assert bool((without_vanished(found, curve) == 2).any()) is kept


def test_volumes_by_hand():
    rows = [(1, 8.0, 0.9, 4.0, 4), (1, 8.0, 0.9, 1.0, 3), (2, 4.0, 0.1, 0.0, 1)]
    found = compare_volumes([answer("p", rows)])
    # Off by 0, 2 of 8 and 1 of 4: the median is a quarter.
    assert found["lesions"] == 3
    assert found["median_error"] == 0.25
    # 1 of 8 is left where 3 are outlined.
    assert (found["shrunk_to_a_quarter"], found["found_over_true_of_these"]) == (1, 3.0)
    assert found["category_right"] == 1


def test_no_lesion_gives_no_error():
    found = compare_volumes([answer("p", [])])
    assert found == {
        "lesions": 0, "median_error": 0.0, "category_right": 0, "shrunk_to_a_quarter": 0,
        "found_over_true_of_these": 0.0,
    }  # fmt: skip


def test_the_worst_agreement_of_two_arithmetics_counts():
    exact = answer("p", [(1, 8.0, 0.9, 4.0, 4), (2, 4.0, 0.9, 2.0, 2)])
    short = answer("p", [(1, 8.0, 0.9, 4.0, 2), (2, 4.0, 0.9, 2.0, 2)])
    assert label_agreement([exact, exact], [exact, short]) == {"gtvp": pytest.approx(2 * 2 / 6, abs=1e-5), "gtvn": 1.0}


def test_tumour_outside_the_boxes_is_shared_out_over_patients():
    answers = [answer("p", [], outside=(10, 5)), answer("q", [], outside=(30, 5))]
    assert outside_recall(answers) == {"voxels": 40, "found": 0.25}
    assert outside_recall([answer("p", [])]) == {"voxels": 0, "found": None}
