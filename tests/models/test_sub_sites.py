"""Sub-sites from the priors alone: where they lie, and what an outline shares with them."""

import math

import pytest
import torch

from hyoid.models.sub_sites import ExplainedSubSites, SubSites


def network(kind=SubSites):
    torch.manual_seed(0)
    return kind(2, 4, embedding=3, channels=8).eval()


def drawn_where(*boxes):
    """Sure logits of two sub-sites in boxes of a small volume."""
    drawn = torch.zeros(1, 3, 8, 8, 8)
    drawn[:, 0] = 30
    for number, box in enumerate(boxes, start=1):
        drawn[0, number][box] = 60
    return drawn


def test_the_logit_grows_with_the_shared_volume_and_with_the_share_of_the_sub_site():
    net = network()
    drawn = drawn_where(slice(0, 2), slice(4, 8))  # 128 and 256 voxels
    heat = torch.zeros(1, 1, 8, 8, 8)
    heat[..., :1, :, :] = 1  # half of the first, 64 voxels; nothing of the second
    found = net.involved(net.place(drawn), heat)[0].tolist()
    first = 0.5 * math.log(64.1) + 0.5 * math.log(64 / 129 + 0.01) + 1
    assert found == pytest.approx([first, 0.5 * math.log(0.1) + 0.5 * math.log(0.01) + 1], abs=1e-3)
    heat[..., :2, :, :] = 1
    assert net.involved(net.place(drawn), heat)[0, 0] > found[0]


def test_no_place_belongs_to_two_sub_sites():
    place = network().place(torch.randn(1, 3, 8, 8, 8))
    assert place.shape == (1, 2, 8, 8, 8)
    assert (place.sum(dim=1) <= 1).all()


def test_the_ct_is_not_looked_at():
    net = network()
    organs, heat = torch.randint(0, 5, (1, 1, 8, 8, 8)).float(), torch.rand(1, 1, 8, 8, 8)
    assert torch.equal(net(torch.rand(1, 1, 8, 8, 8), organs, heat), net(torch.rand(1, 1, 8, 8, 8), organs, heat))


def test_the_map_is_brightest_where_the_outline_meets_the_sub_site():
    net = network(ExplainedSubSites)
    organs, heat = torch.zeros(1, 1, 8, 8, 8), torch.zeros(1, 1, 8, 8, 8)
    heat[..., :4] = 1
    _, maps = net(organs, organs, heat)
    place = net.place(net.drawn(organs))
    assert torch.allclose(maps[..., :4], place[..., :4])
    assert torch.allclose(maps[..., 4:], 0.2 * place[..., 4:])
