import pytest
import torch

from hyoid.models.unet import InstanceNorm, UNet, UNetShape, canonical_state


def small(encoder, **changes):
    arguments = {
        "encoder": encoder,
        "in_channels": 2,
        "out_channels": 3,
        "features": (4, 6, 8),
        "encoder_blocks": (1, 2, 2),
        "decoder_convs": (1, 1),
    }
    return UNetShape.cubic(**(arguments | changes))


@pytest.mark.parametrize("encoder", ["plain", "residual"])
def test_logits_have_the_size_of_the_input(encoder):
    network = UNet(small(encoder)).eval()
    assert network(torch.zeros(1, 2, 8, 12, 16)).shape == (1, 3, 8, 12, 16)
    assert network.shape.divisor == (4, 4, 4)


def test_deep_supervision_gives_every_stage_finest_first():
    outputs = UNet(small("plain")).deep(torch.zeros(1, 2, 8, 8, 8))
    assert [tuple(o.shape[2:]) for o in outputs] == [(8, 8, 8), (4, 4, 4)]


@pytest.mark.parametrize(
    ("encoder", "names"),
    [
        ("plain", ["encoder.stages.0.0.convs.0.conv.weight", "encoder.stages.2.0.convs.1.norm.bias"]),
        ("residual", ["encoder.stem.convs.0.conv.weight", "encoder.stages.1.blocks.0.skip.1.conv.weight"]),
    ],
)
def test_parameters_have_nnunets_names(encoder, names):
    state = UNet(small(encoder)).state_dict()
    assert set(names) <= set(state)
    assert {"decoder.transpconvs.0.weight", "decoder.stages.0.convs.0.conv.bias", "decoder.seg_layers.1.bias"} <= set(
        state
    )


def test_aliases_of_published_weights_are_dropped():
    network = UNet(small("residual"))
    published = {}
    for name, value in network.state_dict().items():
        published[f"module.{name}"] = value
        if name.endswith("conv.weight"):
            published["module." + name.replace("conv.weight", "all_modules.0.weight")] = value
        if name.startswith("encoder."):
            published[f"module.decoder.{name}"] = value
    assert len(published) > len(network.state_dict())
    UNet(small("residual")).load_state_dict(canonical_state(published))


def test_instance_norm_is_the_same_in_training_and_use():
    norm = InstanceNorm(3)
    torch.nn.init.normal_(norm.weight)
    x = torch.randn(1, 3, 4, 5, 6)
    oracle = torch.nn.functional.instance_norm(x, weight=norm.weight, bias=norm.bias)
    assert torch.allclose(norm.train()(x), oracle, atol=1e-5)
    assert torch.allclose(norm.eval()(x), oracle, atol=1e-6)


def test_two_dimensional_networks_work_too():
    shape = UNetShape("plain", 1, 2, (4, 8), ((3, 3), (3, 3)), ((1, 1), (2, 2)), (1, 1), (1,))
    assert UNet(shape)(torch.zeros(2, 1, 8, 8)).shape == (2, 2, 8, 8)


def test_a_shape_whose_lists_differ_in_length_is_refused():
    with pytest.raises(ValueError, match="3 feature counts"):
        small("plain", decoder_convs=(1,))
