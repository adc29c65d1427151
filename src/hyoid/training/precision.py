"""Which number format a training computes in, asked of the machine it runs on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

LARGEST_ERROR = 0.02
"""Of bfloat16 against float32: relative error of any output or gradient of a convolution."""
_TRIES = 2  # the first one also prepares the kernels
_CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True)
class Bfloat16Probe:
    """What a machine's bfloat16 is worth for the convolutions of one network.

    Parameters
    ----------
    shapes : int
        Convolutions that were tried, each shape once.
    error : float
        Largest relative error of an output, an input gradient or a weight gradient against float32; infinite where one
        of them is not a number.
    seconds_float32, seconds_bfloat16 : float
        Time of all convolutions, forward and backward.
    """

    shapes: int
    error: float
    seconds_float32: float
    seconds_bfloat16: float

    @property
    def worth_it(self) -> bool:
        """Whether bfloat16 gives the same gradients in less time."""
        return self.error <= LARGEST_ERROR and self.seconds_bfloat16 < self.seconds_float32

    @property
    def words(self) -> str:
        """The finding in a few words.

        Examples
        --------
        >>> Bfloat16Probe(9, 0.004, 2.0, 1.0).words
        'bfloat16: error 0.40% on 9 convolutions, 2.0 times the speed of float32'
        """
        faster = self.seconds_float32 / max(self.seconds_bfloat16, 1e-9)
        return (
            f"bfloat16: error {self.error:.2%} on {self.shapes} convolutions, {faster:.1f} times the speed of float32"
        )


def precision_of(precision: str, device: str, probe: Callable[[], Bfloat16Probe]) -> str:
    """Decide what a recipe's precision becomes on this machine.

    On a CPU, bfloat16 is taken where the CPU multiplies in it and a probe of the network agrees with float32; torch
    2.13 gave gradients of one convolution that were no numbers on one CPU with AVX512-BF16, and right ones on others.

    Parameters
    ----------
    precision : {"bf16-mixed", "16-mixed", "32-true"}
        Precision that the recipe asks for.
    device : {"auto", "cpu", "cuda"}
        Where training runs; "auto" means CUDA where there is a GPU.
    probe : callable
        Tries the network's convolutions; called only where the answer depends on it.

    Returns
    -------
    str
        Lightning's word for the precision.
    """
    on_cpu = device == "cpu" or (device == "auto" and not torch.cuda.is_available())
    if precision != "bf16-mixed" or not on_cpu:
        return precision
    # torch older than 2.13 does not tell what the CPU can do.
    can: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    if not (can.get("amx_bf16") or can.get("avx512_bf16")):
        return "32-true"
    return precision if probe().worth_it else "32-true"


def probe_bfloat16(network: nn.Module, run: Callable[[], object]) -> Bfloat16Probe:
    """Compare the convolutions of a network in bfloat16 with float32: outputs, gradients and time.

    Parameters
    ----------
    network : Module
        Network on the CPU; its weights stay as they are.
    run : callable
        Sends one real batch through the network, so that the shapes are those of the training.
    """
    seen: dict[tuple[Any, ...], tuple[nn.Module, tuple[int, ...]]] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...], _: object) -> None:
        shape = tuple(inputs[0].shape)
        key = (type(module), shape, module.weight.shape, module.stride, module.padding, module.groups)
        seen.setdefault(key, (module, shape))

    hooks = [m.register_forward_hook(note) for m in network.modules() if isinstance(m, _CONVOLUTIONS)]
    try:
        with torch.no_grad():
            run()
    finally:
        for hook in hooks:
            hook.remove()
    error, seconds = 0.0, {False: 0.0, True: 0.0}
    draw = torch.Generator().manual_seed(0)
    for module, shape in seen.values():
        x = torch.randn(shape, generator=draw)
        exact, seconds_exact = _passes(module, x, short=False)
        short, seconds_short = _passes(module, x, short=True)
        error = max([error, *(relative_error(s, e) for s, e in zip(short, exact, strict=True))])
        seconds[False] += seconds_exact
        seconds[True] += seconds_short
    return Bfloat16Probe(len(seen), error, seconds[False], seconds[True])


def relative_error(found: Tensor, wanted: Tensor) -> float:
    """Divide the length of the difference by that of `wanted`; infinite where `found` is not finite.

    Examples
    --------
    >>> relative_error(torch.tensor([3.0, 4.5]), torch.tensor([3.0, 4.0]))
    0.1
    >>> relative_error(torch.tensor([float("nan")]), torch.tensor([1.0]))
    inf
    """
    if not torch.isfinite(found).all():
        return float("inf")
    return float((found.double() - wanted.double()).norm() / wanted.double().norm().clamp(min=1e-30))


def _passes(module: nn.Module, x: Tensor, *, short: bool) -> tuple[tuple[Tensor, ...], float]:
    """Output, input gradient and weight gradient of a convolution, and the time of the faster try in seconds."""
    layout = torch.channels_last_3d if x.ndim == 5 else torch.channels_last
    x = x.to(memory_format=layout).requires_grad_()
    best = float("inf")
    for _ in range(_TRIES):
        began = time.perf_counter()
        with torch.enable_grad(), torch.autocast("cpu", torch.bfloat16, enabled=short):
            y = module(x)
        forward = time.perf_counter() - began
        above = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y)
        began = time.perf_counter()
        gradients = torch.autograd.grad(y, (x, module.weight), above)
        best = min(best, forward + time.perf_counter() - began)
    return (y.detach().float(), *(g.float() for g in gradients)), best
