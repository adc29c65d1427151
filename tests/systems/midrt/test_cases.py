import numpy as np
import pytest

from hyoid.errors import InputRefusedError
from hyoid.io.cohorts.hntsmrg import find_hntsmrg_cases
from hyoid.systems.midrt.cases import altered_outlines, load_midrt_cases
from hyoid.training.recipe import OutlineChanges, load_recipe

ISO = (2.0, 1.0, 1.0)


def test_a_patient_gives_two_cases_and_only_one_when_not_doubled(make_midrt_case, tmp_path):
    make_midrt_case(tmp_path, "a")
    recipe = load_recipe("midrt", "smoke")
    mid, pre = load_midrt_cases(find_hntsmrg_cases(tmp_path), recipe)
    assert (mid.name, mid.patient, pre.name, pre.patient) == ("a-mid", "a", "a-pre", "a")
    # Before treatment the outlines are the truth itself; at mid they are larger than what is left.
    assert np.array_equal(pre.outlines[0], pre.target)
    assert 0 < (mid.target > 0).sum() < (mid.outlines[0] > 0).sum()
    assert mid.maps.shape == mid.outlines.shape == (2, *mid.t2.shape) and mid.maps.max() > 200
    # The map reaches beyond the outline by its margin, not over the image.
    assert 0 < (mid.maps[0] > 0).mean() < 0.3
    assert abs(float(mid.t2.astype(float)[mid.t2 > -1].mean())) < 0.5
    single = load_midrt_cases(find_hntsmrg_cases(tmp_path), recipe.model_copy(update={"doubled": False}))
    assert [c.name for c in single] == ["a-mid"]


def test_without_a_gradient_channel_no_map_is_kept(make_midrt_case, tmp_path):
    make_midrt_case(tmp_path, "a")
    recipe = load_recipe("midrt", "smoke").model_copy(update={"channels": ("t2",)})
    assert load_midrt_cases(find_hntsmrg_cases(tmp_path), recipe)[0].maps.size == 0


def test_a_case_without_registered_mask_cannot_be_learned_from(make_midrt_case, tmp_path):
    make_midrt_case(tmp_path, "a", registered=False)
    with pytest.raises(InputRefusedError, match="no registered pre-treatment mask"):
        load_midrt_cases(find_hntsmrg_cases(tmp_path), load_recipe("midrt", "smoke"))


def test_outlines_shift_by_at_most_the_given_distance_and_keep_their_size():
    labels = np.zeros((20, 40, 40), np.uint8)
    labels[8:11, 18:23, 18:23] = 2
    only_shift = OutlineChanges(draws=1, shift_mm=4.0, cut=0.0, lost=0.0)
    centres = []
    for seed in range(30):
        moved = altered_outlines(labels, ISO, only_shift, np.random.default_rng(seed))
        assert (moved == 2).sum() == (labels == 2).sum()
        centres.append(np.argwhere(moved).mean(axis=0) - np.argwhere(labels).mean(axis=0))
    assert (np.abs(centres).max(axis=0) <= (2, 4, 4)).all() and np.abs(centres).max() >= 3


def test_a_cut_outline_leaves_tumour_outside_and_a_lost_one_is_gone():
    labels = np.zeros((20, 40, 40), np.uint8)
    labels[5:15, 10:30, 10:30] = 1
    cut = altered_outlines(labels, ISO, OutlineChanges(draws=1, shift_mm=0, cut=1, lost=0), np.random.default_rng(0))
    assert 0 < (cut > 0).sum() < 0.6 * (labels > 0).sum() and not cut[labels == 0].any()
    lost = altered_outlines(labels, ISO, OutlineChanges(draws=1, shift_mm=0, cut=0, lost=1), np.random.default_rng(0))
    assert not lost.any()
    assert np.array_equal(
        altered_outlines(labels, ISO, OutlineChanges(draws=1, shift_mm=0, cut=0, lost=0), np.random.default_rng(0)),
        labels,
    )
