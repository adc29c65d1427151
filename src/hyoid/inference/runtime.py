"""`Runtime`: a compiled network. OpenVINO on a CPU, torch on CUDA; arrays in, arrays out.

A graph is traced once (this imports torch) and kept in the cache folder under a hash of the weights, the input shapes
and the versions; later processes load the compiled graph and never import torch.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import openvino
from numpy.typing import NDArray

from hyoid.errors import ModelUnusableError
from hyoid.inference.kept import kept_networks
from hyoid.io.packages.model_package import Manifest

Device = Literal["cpu", "cuda"]
Precision = Literal["f32", "bf16"]
BF16_AGREEMENT = 0.999
"""Dice of bfloat16 against float32 labels from which bfloat16 is used where no reference tells what it costs."""
HARMLESS_LOSS = 0.002
"""Fall of a structure's mean Dice against the reference from which a faster way of computing is not taken."""


class Compilable(Protocol):
    """What can be compiled: a model package, or a checkpoint in its shape."""

    @property
    def manifest(self) -> Manifest:
        """Description; `sha256` names the compiled graph."""

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Read the weights by parameter name; asked for only when the graph is not compiled yet."""


@dataclass(frozen=True, eq=False)
class Runtime:
    """A network that is ready to run.

    Parameters
    ----------
    run : callable
        Arrays with a batch axis in, one float32 array out.
    device, precision : str
        Where and in which arithmetic it runs.
    compiled_now : bool
        Whether this call had to trace the graph (slow, once per machine).
    run_all : callable, optional
        As `run`, with every output of a network that has several.
    """

    run: Callable[..., NDArray[np.float32]]
    device: Device
    precision: Precision
    compiled_now: bool
    run_all: Callable[..., tuple[NDArray[np.float32], ...]] | None = None


def load_runtime(
    package: Compilable,
    input_shapes: Sequence[tuple[int, ...]],
    *,
    device: Device = "cpu",
    precision: Precision | None = None,
    cache: Path,
    threads: int = 0,
) -> Runtime:
    """Compile the network of a package, or load the compiled one.

    Parameters
    ----------
    package : Compilable
        Package, or fold of an nnU-Net folder, whose network is compiled.
    input_shapes : sequence of tuple
        One per input, batch axis included.
    device : {"cpu", "cuda"}
        Where the network runs.
    precision : {"f32", "bf16"}, optional
        By default bfloat16 where the CPU computes in it and the package records that it costs no accuracy, else
        float32. It is always set explicitly: OpenVINO would choose bfloat16 by itself.
    cache : Path
        Folder for compiled graphs.
    threads : int
        0 uses every core.

    Raises
    ------
    ModelUnusableError
        When the weights do not fit the network that the manifest describes.
    """
    kept = kept_networks()
    if kept is None:
        return _load(package, input_shapes, device, precision, cache, threads)
    key = (_graph_key(package, input_shapes), device, precision, threads)
    if key not in kept.loaded:
        kept.loaded[key] = _load(package, input_shapes, device, precision, cache, threads or kept.threads)
    found: Runtime = kept.loaded[key]
    return found


def _load(
    package: Compilable,
    input_shapes: Sequence[tuple[int, ...]],
    device: Device,
    precision: Precision | None,
    cache: Path,
    threads: int,
) -> Runtime:
    if device == "cuda":
        return _torch_runtime(package)
    precision = precision or best_precision(package)
    core = openvino.Core()
    cache.mkdir(parents=True, exist_ok=True)
    graph = cache / f"{_graph_key(package, input_shapes)}.xml"
    traced = not graph.is_file()
    if traced:
        _trace(package, input_shapes, graph)
    options: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",
        "CACHE_DIR": str(cache / "compiled"),
    }
    if threads:
        options["INFERENCE_NUM_THREADS"] = threads
    compiled = core.compile_model(graph, "CPU", options)
    request = compiled.create_infer_request()

    def run(*arrays: NDArray) -> NDArray[np.float32]:
        return request.infer(list(arrays), share_inputs=True)[0].astype(np.float32)

    def run_all(*arrays: NDArray) -> tuple[NDArray[np.float32], ...]:
        results = request.infer(list(arrays), share_inputs=True)
        return tuple(results[k].astype(np.float32) for k in range(len(compiled.outputs)))

    return Runtime(run, "cpu", precision, traced, run_all)


def best_precision(package: Compilable) -> Precision:
    """Choose bfloat16 where the CPU has it and the card says that it costs no accuracy; else float32.

    A card that measured both against the reference decides by the loss (`HARMLESS_LOSS`, every structure below); one
    that compared the labels alone by their agreement (`BF16_AGREEMENT`, every structure).
    """
    losses, agreement = package.manifest.bf16_loss, package.manifest.bf16_agreement
    if losses:
        harmless = max(losses.values()) < HARMLESS_LOSS
    else:
        harmless = bool(agreement) and min(agreement.values()) >= BF16_AGREEMENT
    return "bf16" if harmless and computes_bf16() else "f32"


def computes_bf16() -> bool:
    """Ask OpenVINO whether this CPU computes in bfloat16."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _graph_key(package: Compilable, input_shapes: Sequence[tuple[int, ...]]) -> str:
    content = json.dumps([package.manifest.sha256, package.manifest.network, input_shapes, openvino.__version__, 2])
    return f"{package.manifest.name}-{hashlib.sha256(content.encode()).hexdigest()[:24]}"


def _trace(package: Compilable, input_shapes: Sequence[tuple[int, ...]], graph: Path) -> None:
    """Write the OpenVINO graph; other processes see it whole or not at all."""
    import torch

    network = torch_network(package)
    example = tuple(torch.zeros(shape) for shape in input_shapes)
    with warnings.catch_warnings(), torch.inference_mode():
        # OpenVINO reads TorchScript, of which torch warns. The graph of torch.export takes each normalisation to
        # pieces, which costs a third to three quarters more time (docs/decisions/0001). OpenVINO's own call of the
        # tracer runs the network several times more, to see whether it traces alike.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(network, example, check_trace=False, strict=False)
        model = openvino.convert_model(traced, example_input=example, input=[list(s) for s in input_shapes])
    with tempfile.TemporaryDirectory(dir=graph.parent) as folder:
        openvino.save_model(model, Path(folder) / "graph.xml", compress_to_fp16=False)
        (Path(folder) / "graph.bin").replace(graph.with_suffix(".bin"))
        (Path(folder) / "graph.xml").replace(graph)


def torch_network(package: Compilable) -> Any:
    """Make the network of a package with its weights, ready for evaluation.

    Raises
    ------
    ModelUnusableError
        When the weights do not fit.
    """
    import torch

    from hyoid.models.build import build_network

    try:
        network = build_network(package.manifest.network)
        network.load_state_dict({name: torch.from_numpy(a) for name, a in package.arrays().items()})
    except (ValueError, RuntimeError) as error:
        raise ModelUnusableError(
            f"The weights of model {package.manifest.name!r} do not fit its network.",
            "Install hyoid again, or make the package again with `hyoid train`.",
        ) from error
    return network.eval()


def _torch_runtime(package: Compilable) -> Runtime:
    import torch

    network = torch_network(package).cuda()

    def run_all(*arrays: NDArray) -> tuple[NDArray[np.float32], ...]:
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16):
            tensors = [torch.from_numpy(np.ascontiguousarray(a)).cuda(non_blocking=True) for a in arrays]
            results = network(*tensors)
            return tuple(r.float().cpu().numpy() for r in (results if isinstance(results, tuple) else (results,)))

    def run(*arrays: NDArray) -> NDArray[np.float32]:
        return run_all(*arrays)[0]

    return Runtime(run, "cuda", "bf16", False, run_all)
