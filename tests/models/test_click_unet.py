import pytest
import torch

from hyoid.models.build import build_network
from hyoid.models.prompts import PointKind

DESCRIPTION = {
    "kind": "click_unet", "image": (32, 32, 32), "in_channels": 2, "channels": (4, 8, 16), "groups": (4, 2, 3, 2, 2),
}  # fmt: skip


@torch.no_grad()
def test_the_baseline_answers_as_the_network_does():
    torch.manual_seed(0)
    network = build_network(DESCRIPTION).eval()
    image, points = torch.randn(1, 2, 32, 32, 32), torch.tensor([[[16.0, 16, 16]]])
    features, finer = network.encode(image)
    assert torch.equal(features, image)
    add, remove = (
        network.decode(features, finer, points, torch.tensor([[int(kind)]]), None)
        for kind in (PointKind.ADD, PointKind.REMOVE)
    )
    assert add.mask.shape == (1, 1, 16, 16, 16)
    assert add.attributes.shape == (1, 13)
    assert 0 < float(add.iou) < 1
    assert not torch.allclose(add.mask, remove.mask)
    again = network.decode(features, finer, points, torch.tensor([[int(PointKind.ADD)]]), add.mask)
    assert not torch.allclose(again.mask, add.mask)


def test_one_level_is_no_unet():
    with pytest.raises(ValueError, match="two levels"):
        build_network(DESCRIPTION | {"channels": (4,)})
