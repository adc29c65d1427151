import dataclasses

import pytest
import torch
from torch import nn

from hyoid.training.precision import Bfloat16Probe, precision_of, probe_bfloat16, relative_error

GOOD = Bfloat16Probe(3, 0.004, 2.0, 1.0)


def asked(monkeypatch, found, **can):
    """What bf16-mixed becomes on a CPU that can do this, and how often the probe was asked."""
    calls = []
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: can, raising=False)
    answer = precision_of("bf16-mixed", "cpu", lambda: calls.append(1) or found)
    return answer, len(calls)


@pytest.mark.parametrize("can", ["amx_bf16", "avx512_bf16"])
def test_a_cpu_that_multiplies_in_bfloat16_and_agrees_trains_in_it(monkeypatch, can):
    assert asked(monkeypatch, GOOD, **{can: True}) == ("bf16-mixed", 1)


@pytest.mark.parametrize(
    "changes",
    [{"error": 0.021}, {"error": float("inf")}, {"error": float("nan")}, {"seconds_bfloat16": 2.0}],
    ids=["far off", "no number", "no answer", "no faster"],
)
def test_where_the_probe_finds_something_wrong_float32_is_taken(monkeypatch, changes):
    assert asked(monkeypatch, dataclasses.replace(GOOD, **changes), avx512_bf16=True) == ("32-true", 1)


def test_a_cpu_without_bfloat16_is_not_asked(monkeypatch):
    assert asked(monkeypatch, GOOD, avx512_bf16=False) == ("32-true", 0)


def test_other_devices_and_precisions_stay():
    def never():
        raise AssertionError

    assert precision_of("bf16-mixed", "cuda", never) == "bf16-mixed"
    assert precision_of("16-mixed", "cpu", never) == "16-mixed"
    assert precision_of("32-true", "cpu", never) == "32-true"


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Conv3d(2, 16, 3, 2, 1)
        self.same = nn.Conv3d(16, 16, 3, 1, 1)
        self.again = nn.Conv3d(16, 16, 3, 1, 1)
        self.up = nn.ConvTranspose3d(16, 8, 2, 2)

    def forward(self, x):
        return self.up(self.again(self.same(self.down(x))))


def test_each_shape_of_a_network_is_tried_once_and_its_weights_stay():
    torch.manual_seed(0)
    network = Small()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    probe = probe_bfloat16(network, lambda: network(torch.randn(1, 2, 8, 8, 8)))
    assert probe.shapes == 3
    # bfloat16 keeps 8 bits: a relative rounding error of up to 2^-9 per factor.
    assert 2**-12 < probe.error < 0.02
    assert min(probe.seconds_float32, probe.seconds_bfloat16) > 0
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())
    assert not any(m._forward_hooks for m in network.modules())


def test_a_convolution_that_gives_no_number_in_bfloat16_is_found():
    class Spoilt(nn.Conv3d):
        def forward(self, x):
            y = super().forward(x)
            return y / 0 if y.dtype == torch.bfloat16 else y

    network = Spoilt(2, 4, 3)
    assert probe_bfloat16(network, lambda: network(torch.ones(1, 2, 5, 5, 5))).error == float("inf")


def test_the_error_is_relative_to_what_is_wanted():
    assert relative_error(torch.tensor([3.0, 4.5]), torch.tensor([3.0, 4.0])) == pytest.approx(0.1)
    assert relative_error(torch.zeros(2), torch.zeros(2)) == 0
    assert relative_error(torch.tensor([float("inf"), 1.0]), torch.ones(2)) == float("inf")
