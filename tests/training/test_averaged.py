import pytest
import torch

from hyoid.training.averaged import Skipped, clip_or_drop


def optimiser_of(*gradients):
    parameters = [torch.nn.Parameter(torch.ones(len(g))) for g in gradients]
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = torch.tensor(g)
    return torch.optim.AdamW(parameters, lr=0.1, fused=True), parameters


def test_long_gradients_are_shortened_together():
    optimiser, (a, b) = optimiser_of([3.0, 0.0], [4.0])
    assert clip_or_drop(optimiser, 1.0, Skipped(2, 2)) == Skipped(2, 0)
    assert a.grad.tolist() == pytest.approx([0.6, 0.0])
    assert b.grad.tolist() == pytest.approx([0.8])


def test_short_gradients_stay():
    optimiser, (a,) = optimiser_of([3.0, 4.0])
    clip_or_drop(optimiser, 6.0, Skipped())
    assert a.grad.tolist() == pytest.approx([3.0, 4.0])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_step_with_one_gradient_that_is_no_number_changes_nothing(bad):
    optimiser, (a, b) = optimiser_of([1.0], [1.0, 2.0])
    optimiser.step()  # so that there is momentum to carry on
    kept = a.detach().clone(), b.detach().clone()
    a.grad, b.grad = torch.tensor([1.0]), torch.tensor([bad, 1.0])
    assert clip_or_drop(optimiser, 1.0, Skipped(4, 1)) == Skipped(5, 2)
    optimiser.step()
    assert torch.equal(a, kept[0])
    assert torch.equal(b, kept[1])
