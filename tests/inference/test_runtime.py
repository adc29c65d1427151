import numpy as np
import pytest
import torch

from hyoid.errors import ModelUnusableError
from hyoid.inference import runtime
from hyoid.inference.kept import KeptNetworks, keep_networks
from hyoid.io.packages.model_package import read_package, write_package
from hyoid.models.build import build_network

NETWORK = {
    "kind": "unet",
    "encoder": "residual",
    "in_channels": 1,
    "out_channels": 2,
    "features": [4, 8],
    "encoder_blocks": [1, 1],
    "decoder_convs": [1],
}
SHAPE = (1, 1, 8, 8, 8)


def manifest(network=NETWORK):
    return {
        "name": "tiny",
        "version": "1",
        "words": "A network for tests.",
        "task": "segmentation",
        "network": network,
        "labels": ("tongue", "larynx"),
        "supported": ("tongue", "larynx"),
        "spacing_mm": (3, 3, 3),
        "patch": SHAPE[2:],
        "preprocessing": {"windows_hu": [[-160, 240]]},
        "training_data": "none",
        "licence": "Apache-2.0",
    }


@pytest.fixture
def package(tmp_path):
    torch.manual_seed(0)
    weights = {name: t.numpy() for name, t in build_network(NETWORK).state_dict().items()}
    write_package(tmp_path / "tiny", manifest(), weights, licence="x", card="x")
    return read_package(tmp_path / "tiny")


def test_the_compiled_network_agrees_with_torch(package, tmp_path):
    network = build_network(NETWORK).eval()
    network.load_state_dict({n: torch.from_numpy(a) for n, a in package.arrays().items()})
    x = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    with torch.inference_mode():
        wanted = network(torch.from_numpy(x)).numpy()
    compiled = runtime.load_runtime(package, [SHAPE], cache=tmp_path / "cache", precision="f32")
    assert np.allclose(compiled.run(x), wanted, atol=1e-4)


def test_every_output_of_a_network_is_there(tmp_path):
    network = {"kind": "sgrnet", "variant": "organ_modulation", "backbone": "efficientnet-b0", "outputs": 2}
    network |= {"organ_labels": 4, "channels": 8}
    torch.manual_seed(0)
    plain = build_network(network).eval()
    described = manifest(network | {"kind": "sgrnet_explained"})
    weights = {name: t.numpy() for name, t in plain.state_dict().items()}
    write_package(tmp_path / "two", described, weights, licence="x", card="x")
    package = read_package(tmp_path / "two")
    shape = (1, 1, 32, 32, 32)
    inputs = [np.random.default_rng(k).random(shape, np.float32).round(k % 2) for k in range(3)]
    compiled = runtime.load_runtime(package, [shape] * 3, cache=tmp_path / "cache", precision="f32")
    logits, attention = compiled.run_all(*inputs)
    assert attention.shape == (1, 1, 8, 8, 8)
    assert np.array_equal(compiled.run(*inputs), logits)
    stored = build_network(network).eval()
    stored.load_state_dict({n: torch.from_numpy(a) for n, a in package.arrays().items()})
    with torch.inference_mode():
        wanted = stored.explained(*[torch.from_numpy(a) for a in inputs])
    assert np.allclose(logits, wanted[0].numpy(), atol=1e-4)
    assert np.allclose(attention, wanted[1].numpy(), atol=1e-4)


def test_the_second_load_does_not_trace(package, tmp_path):
    first = runtime.load_runtime(package, [SHAPE], cache=tmp_path / "cache")
    second = runtime.load_runtime(package, [SHAPE], cache=tmp_path / "cache")
    assert (first.compiled_now, second.compiled_now) == (True, False)
    x = np.ones(SHAPE, np.float32)
    assert np.array_equal(first.run(x), second.run(x))


def test_without_a_record_of_agreement_it_is_float32(package, tmp_path):
    assert runtime.load_runtime(package, [SHAPE], cache=tmp_path / "cache").precision == "f32"
    poor = package.manifest.model_copy(update={"bf16_agreement": {"tongue": 0.9999, "larynx": 0.99}})
    assert runtime.best_precision(type(package)(poor, package.weights)) == "f32"


@pytest.mark.parametrize(
    ("losses", "wanted"),
    [({"tongue": 0.0019, "larynx": -0.01}, "bf16"), ({"tongue": 0.002, "larynx": 0.0}, "f32")],
)
def test_a_loss_against_the_reference_decides_before_agreement(package, monkeypatch, losses, wanted):
    monkeypatch.setattr(runtime, "computes_bf16", lambda: True)
    agreement = {"tongue": 0.9 if wanted == "bf16" else 1.0}
    manifest = package.manifest.model_copy(update={"bf16_loss": losses, "bf16_agreement": agreement})
    assert runtime.best_precision(type(package)(manifest, package.weights)) == wanted
    monkeypatch.setattr(runtime, "computes_bf16", lambda: False)
    assert runtime.best_precision(type(package)(manifest, package.weights)) == "f32"


def test_weights_of_another_network_are_refused(package, tmp_path):
    other = package.manifest.model_copy(update={"network": NETWORK | {"features": [4, 12]}})
    with pytest.raises(ModelUnusableError, match="do not fit its network"):
        runtime.load_runtime(type(package)(other, package.weights), [SHAPE], cache=tmp_path / "cache")


def test_a_network_is_loaded_once_while_networks_are_kept_and_again_afterwards(package, tmp_path, monkeypatch):
    loaded = []
    monkeypatch.setattr(runtime, "_load", lambda *given: loaded.append(given) or len(loaded))
    load = lambda shape=SHAPE, **more: runtime.load_runtime(package, [shape], cache=tmp_path, **more)  # noqa: E731
    with keep_networks(KeptNetworks(threads=3)):
        first = [load(), load(), load(precision="f32"), load((1, 1, 4, 4, 4)), load(threads=1), load()]
    assert first == [1, 1, 2, 3, 4, 1]
    assert load() == 5
    assert [given[-1] for given in loaded] == [3, 3, 3, 1, 0]


def test_openvino_reports_to_nobody():
    from openvino.tools.ovc import convert_impl, telemetry_utils

    assert {telemetry_utils.tm.__name__, convert_impl.tm.__name__} == {"openvino.tools.ovc.telemetry_stub"}
