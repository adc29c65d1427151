"""Two outlining networks of one trunk in one pass."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from hyoid.inference.runtime import torch_network
from hyoid.inference.segment import tile_step
from hyoid.inference.shared_trunk import joined
from hyoid.interfaces.installed import load_model


@pytest.fixture(scope="module")
def organs():
    return load_model("organs")


@pytest.fixture(scope="module")
def tumour():
    return load_model("tumour")


def test_the_default_networks_answer_together_as_alone(organs, tumour):
    both = joined(organs, tumour)
    assert both is not None
    assert both.manifest.labels == organs.manifest.labels + tumour.manifest.labels
    assert both.manifest.bf16_loss == organs.manifest.bf16_loss | tumour.manifest.bf16_loss
    image = torch.randn(1, 2, 32, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        alone = torch.cat([torch_network(organs)(image), torch_network(tumour)(image)], dim=1)
        assert torch.allclose(torch_network(both)(image), alone, atol=1e-5)


def test_the_order_is_that_of_the_arguments(organs, tumour):
    both = joined(tumour, organs)
    assert both is not None and both.manifest.labels[0] == "target_region"
    assert both.manifest.sha256 != joined(organs, tumour).manifest.sha256


def changed(package, **fields):
    return replace(package, manifest=package.manifest.model_copy(update=fields))


def test_networks_that_differ_run_apart(organs, tumour):
    assert joined(organs, organs) is None  # one channel would answer for two
    assert joined(organs, changed(tumour, patch=(16, 16, 16))) is None
    assert joined(organs, changed(tumour, preprocessing={"windows_hu": [[-100, 200]]})) is None
    assert joined(organs, changed(tumour, network=tumour.manifest.network | {"encoder": "residual"})) is None
    arrays = tumour.arrays()
    name = next(n for n in arrays if not n.startswith("decoder.seg_layers."))
    arrays[name] = arrays[name] + np.float32(0.01)
    assert joined(organs, replace(tumour, weights=save(arrays))) is None


@pytest.mark.parametrize(
    ("one", "two", "step"),
    [
        ({"larynx": 0.0}, {"target_region": 0.001}, 0.75),
        ({"larynx": 0.0}, {"target_region": 0.005}, 0.5),
        ({"larynx": 0.0}, {}, 0.5),
    ],
)
def test_tiles_lie_wide_only_where_that_harms_neither(organs, tumour, one, two, step):
    both = joined(changed(organs, step_loss=one), changed(tumour, step_loss=two))
    assert both is not None and tile_step(both.manifest) == step
