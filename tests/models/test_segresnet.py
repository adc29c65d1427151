import torch
from monai.networks.nets import SegResNetDS

from hyoid.models.build import build_network

SHAPE = {"kind": "segresnet_ds", "in_channels": 2, "out_channels": 3, "init_filters": 4, "blocks_down": [1, 1, 1]}


def test_weights_of_monai_load_under_their_own_names_and_give_the_same_numbers():
    theirs = SegResNetDS(
        init_filters=4, in_channels=2, out_channels=3, norm="INSTANCE", blocks_down=(1, 1, 1), dsdepth=2
    ).eval()
    ours = build_network(SHAPE | {"dsdepth": 2}).eval()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(1, 2, 8, 8, 8)
    with torch.inference_mode():
        assert torch.equal(ours(x), theirs(x))


def test_in_training_every_depth_has_logits_finest_first():
    network = build_network(SHAPE | {"dsdepth": 2}).train()
    outputs = network.deep(torch.randn(1, 2, 8, 8, 8))
    assert [tuple(o.shape) for o in outputs] == [(1, 3, 8, 8, 8), (1, 3, 4, 4, 4)]
    assert network(torch.randn(1, 2, 8, 8, 8)).shape == (1, 3, 8, 8, 8)
    assert network.shape.divisor == (4, 4, 4)
