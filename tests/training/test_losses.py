import math

import numpy as np
import pytest
import torch

from hyoid.training.losses import asymmetric_loss, deep_dice_bce, deep_dice_ce, heaviest_at, partial_dice_bce


def test_a_perfect_answer_costs_nothing():
    target = (torch.rand(1, 2, 4, 4, 4) > 0.5).float()
    assert partial_dice_bce((target * 2 - 1) * 50, target) < 1e-3


def test_what_is_not_known_does_not_count():
    target = torch.zeros(1, 2, 4, 4, 4)
    target[:, 1] = -1
    logits = torch.randn(1, 2, 4, 4, 4)
    changed = logits.clone()
    changed[:, 1] += 7
    assert partial_dice_bce(logits, target) == partial_dice_bce(changed, target)


def test_known_negatives_push_down_only_there():
    logits = torch.zeros(1, 1, 2, 2, 2, requires_grad=True)
    target = torch.full((1, 1, 2, 2, 2), -1.0)
    target[0, 0, 0, 0, 0] = 0
    partial_dice_bce(logits, target).backward()
    assert logits.grad[0, 0, 0, 0, 0] > 0
    assert logits.grad.count_nonzero() == 1


def test_nothing_known_gives_zero_and_a_gradient_of_zero():
    logits = torch.randn(1, 1, 2, 2, 2, requires_grad=True)
    loss = partial_dice_bce(logits, torch.full((1, 1, 2, 2, 2), -1.0))
    loss.backward()
    assert loss == 0
    assert not logits.grad.any()


def test_dice_by_hand():
    # One voxel predicted with p = 0.5 everywhere (logit 0), one of eight voxels true: Dice (2 * 0.5 + 1) / (4 + 1 + 1).
    target = torch.zeros(1, 1, 2, 2, 2)
    target[0, 0, 0, 0, 0] = 1
    wanted = math.log(2) + 1 - 2 / 6
    assert partial_dice_bce(torch.zeros(1, 1, 2, 2, 2), target).item() == pytest.approx(wanted)


def test_asymmetric_loss_by_hand():
    # p = 0.5: positive 0.5 ln 2, negative 0.25 ln 2.
    logits, target = torch.zeros(1, 3), torch.tensor([[1.0, 0.0, -1.0]])
    assert asymmetric_loss(logits, target).item() == pytest.approx((0.5 + 0.25) * math.log(2) / 2)


def test_asymmetric_loss_without_focus_is_cross_entropy():
    logits, target = torch.randn(4, 3), (torch.rand(4, 3) > 0.5).float()
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
    assert asymmetric_loss(logits, target, gamma_positive=0, gamma_negative=0).item() == pytest.approx(
        wanted.item(), rel=1e-5
    )


def test_a_rare_structure_counts_more_up_to_a_limit():
    # One of 1000 voxels is true: weight 0.05 * 1000 / 1 = 50, or the limit; p = 0.5 everywhere costs ln 2 a voxel.
    target = torch.zeros(1, 1, 10, 10, 10)
    target[0, 0, 0, 0, 0] = 1
    logits = torch.zeros_like(target)
    dice = 1 - 2 / (500 + 1 + 1)
    for heaviest, weight in ((1.0, 1), (20.0, 20), (80.0, 50)):
        wanted = math.log(2) * (999 + weight) / 1000 + dice
        assert partial_dice_bce(logits, target, heaviest=heaviest).item() == pytest.approx(wanted, rel=1e-5)


def test_a_structure_that_is_not_in_the_patch_is_left_to_cross_entropy():
    target = torch.zeros(1, 1, 4, 4, 4)
    assert partial_dice_bce(torch.zeros_like(target), target).item() == pytest.approx(math.log(2))


def test_weights_of_rare_structures_end_at_one():
    assert heaviest_at(0, 50) == 50
    assert heaviest_at(0.5, 50) == pytest.approx(50**0.5)
    assert heaviest_at(1, 50) == heaviest_at(1.1, 50) == 1


def test_one_supervised_stage_is_the_plain_loss():
    logits, target = torch.randn(1, 2, 4, 4, 4), (torch.rand(1, 2, 4, 4, 4) > 0.5).float()
    assert deep_dice_bce([logits], target) == partial_dice_bce(logits, target)


def test_a_coarser_stage_counts_half_and_sees_shares_of_voxels():
    target = torch.zeros(1, 1, 4, 4, 4)
    target[..., :2] = 1
    target[..., 0] = 0  # of each block of 2 x 2 x 2 along the last axis: one half, nothing
    fine, coarse = torch.randn(1, 1, 4, 4, 4), torch.randn(1, 1, 2, 2, 2)
    halves = torch.zeros(1, 1, 2, 2, 2)
    halves[..., 0] = 0.5
    wanted = (partial_dice_bce(fine, target) + 0.5 * partial_dice_bce(coarse, halves)) / 1.5
    assert deep_dice_bce([fine, coarse], target) == pytest.approx(float(wanted))


def test_a_block_with_an_unknown_voxel_is_unknown():
    target = torch.zeros(1, 1, 4, 4, 4)
    target[0, 0, 0, 0, 0] = -1
    coarse = torch.zeros(1, 1, 2, 2, 2, requires_grad=True)
    deep_dice_bce([torch.zeros(1, 1, 4, 4, 4), coarse], target).backward()
    assert coarse.grad[0, 0, 0, 0, 0] == 0
    assert coarse.grad.count_nonzero() == 7


def loss_of(logits, labels, **options):
    return deep_dice_ce([logits], labels, **options)


def less_dice(logits, labels):
    """Cross-entropy less Dice of a batch, as nnU-Net combines them: the constant 1 of the loss is left out."""
    return deep_dice_ce([logits], labels, batch=True, smooth=1.0) - 1


def test_a_perfect_prediction_costs_nothing_and_a_wrong_one_does():
    labels = torch.zeros(1, 4, 4, 4, dtype=torch.long)
    labels[:, 1:3] = 1
    sure = 40.0 * torch.nn.functional.one_hot(labels, 3).movedim(-1, 1).float()
    for squared in (False, True):
        for background in (False, True):
            options = {"squared": squared, "background": background}
            assert float(loss_of(sure, labels, **options)) == pytest.approx(0, abs=1e-4)
            assert float(loss_of(sure, (labels + 1) % 3, **options)) > 10


def test_dice_by_softmax_by_hand():
    # Two voxels, two classes, probabilities one half everywhere; class 1 is true in one voxel.
    logits, labels = torch.zeros(1, 2, 1, 1, 2), torch.tensor([[[[0, 1]]]])
    plain = float(loss_of(logits, labels, squared=False, background=False))
    assert plain == pytest.approx(np.log(2) + 1 - 2 * 0.5 / (1 + 1), rel=1e-4)
    squares = float(loss_of(logits, labels, squared=True, background=False))
    assert squares == pytest.approx(np.log(2) + 1 - 2 * 0.5 / (0.5 + 1), rel=1e-4)


def test_deep_supervision_weighs_depths_by_halves():
    labels = torch.zeros(1, 4, 4, 4, dtype=torch.long)
    outputs = [torch.zeros(1, 2, 4, 4, 4), torch.zeros(1, 2, 2, 2, 2)]
    options = {"squared": True, "background": True}
    each = [float(loss_of(outputs[0], labels, **options))] * 2
    assert float(deep_dice_ce(outputs, labels, drop_coarsest=False, **options)) == pytest.approx(
        2 / 3 * each[0] + 1 / 3 * each[1], rel=1e-3
    )
    assert float(deep_dice_ce(outputs, labels, drop_coarsest=True, **options)) == pytest.approx(each[0], rel=1e-5)


def test_loss_of_a_sure_and_right_answer_is_minus_one_and_an_empty_patch_can_be_right():
    labels = torch.zeros((1, 4, 4, 4), dtype=torch.long)
    labels[0, :2] = 1
    labels[0, 3, 0] = 2

    def sure(of):
        return 40 * torch.nn.functional.one_hot(of, 3).movedim(-1, 1).float()

    assert less_dice(sure(labels), labels).item() == pytest.approx(-1, abs=1e-4)
    empty = torch.zeros_like(labels)
    assert less_dice(sure(empty), empty).item() == pytest.approx(-1, abs=1e-4)
    # Tumour where there is none: cross-entropy of 32 wrong voxels at 40, and a Dice of GTVp near zero.
    wrong = less_dice(sure(torch.where(labels == 1, 1, 0)), empty).item()
    assert wrong == pytest.approx(40 * 32 / 64 - (1 / 33 + 1) / 2, abs=0.01)
