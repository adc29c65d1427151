import numpy as np
import pytest
import torch
from scipy import ndimage as ndi

from hyoid.models.build import build_network
from hyoid.models.lesion_head import (
    BANDS,
    LesionHead,
    _bands,
    _form,
    _quantiles,
    feature_count,
    lesion_features,
    lesion_maps,
    signed_depth,
)
from hyoid.models.prompts import PointKind

SIZE = (12, 12, 12)


def ball(radius, size=SIZE, stretch=(1, 1, 1)):
    index = np.indices(size).transpose(1, 2, 3, 0)
    away = np.linalg.norm((index - (np.array(size) - 1) / 2) / stretch, axis=-1)
    return torch.from_numpy(away <= radius)[None, None]


def logits(mask):
    return torch.where(mask, 4.0, -4.0)


def test_maps_by_hand():
    image = torch.zeros(1, 2, 4, 4, 4)
    image[:, 0, :, :, 2:] = 1.0
    image[:, 1] = 0.5
    mean, wide, gradient, spread = lesion_maps(image, (2, 2, 2))[0]
    assert mean[0, 0].tolist() == [0.0, 1.0]
    assert bool((wide == 0.5).all())
    # The step between columns 1 and 2 is seen as half a step by the columns on either side.
    assert gradient[0, 0].tolist() == [0.25, 0.25]
    # A cell and half a cell on every side: three columns of one value and one of the other.
    assert spread[0, 0].tolist() == pytest.approx([np.sqrt(0.25 * 0.75)] * 2, abs=1e-6)


def test_depth_is_the_distance_from_the_surface():
    mask = ball(4)
    inside = mask[0, 0].numpy()
    expected = np.where(inside, ndi.distance_transform_edt(inside) - 0.5, 0.5 - ndi.distance_transform_edt(~inside))
    assert np.allclose(signed_depth(mask)[0, 0].numpy(), expected, atol=1e-5)
    # Without a surface everything is far.
    assert float(signed_depth(torch.zeros(1, 1, 3, 3, 3, dtype=torch.bool)).max()) == -2.5


def test_bands_share_no_cell_and_a_single_cell_has_all_it_needs():
    cell = torch.tensor([2.0])
    for mask in (ball(4), ball(0.9)):
        bands = _bands(2.0 * signed_depth(mask), cell)[0]
        of = dict(zip(BANDS, bands, strict=True))
        apart = torch.stack([of[name] for name in BANDS if name not in ("deep", "inner border")])
        assert float(apart.sum(0).max()) == 1
        assert all(float(band.sum()) > 0 for band in bands)
        assert torch.equal(of["inside"] > 0, mask[0, 0])
        assert bool((of["deep"] <= of["inside"]).all() and (of["inner border"] <= of["inside"]).all())


def test_form_of_a_ball():
    form = _form(ball(4).float(), 2.0 * signed_depth(ball(4)), torch.tensor([2.0]))[0]
    half_mm = 8 * form[1:4].exp()
    assert half_mm.tolist() == pytest.approx([8.0] * 3, rel=0.06)
    assert float(form[4]) == pytest.approx(0, abs=0.15)  # as full as its ellipsoid
    flat = _form(ball(4, stretch=(0.3, 1, 1)).float(), signed_depth(ball(4, stretch=(0.3, 1, 1))), torch.tensor([1.0]))
    assert float((flat[0, 5] / 2).exp()) < 0.4


def test_quantiles_by_hand():
    grey = torch.arange(10.0).reshape(1, 1, 1, 1, 10)
    band = (grey >= 5).float()
    assert _quantiles(grey, band)[0].tolist() == [5.0, 6.0, 7.0, 8.0, 8.0]
    assert _quantiles(grey, torch.zeros_like(band))[0].tolist() == [0.0] * 5


def test_features_see_density_and_unevenness_and_not_where_the_lesion_lies():
    rng = np.random.default_rng(0)
    mask = ball(3)
    big = mask.repeat_interleave(2, 2).repeat_interleave(2, 3).repeat_interleave(2, 4)
    base = torch.from_numpy(rng.normal(0.1, 0.01, (1, 2, 24, 24, 24)).astype(np.float32))
    cell = torch.tensor([2.5])

    def of(image, mask=mask):
        return lesion_features(lesion_maps(image, SIZE), logits(mask), cell)

    even = of(base)
    assert even.shape == (1, feature_count(2))
    dense = base + 0.3 * big
    uneven = base + 0.3 * big * torch.from_numpy(rng.choice([-1.0, 1.0], (1, 1, 24, 24, 24)).astype(np.float32))
    assert not torch.allclose(of(dense), even, atol=0.05)
    assert not torch.allclose(of(uneven), of(dense), atol=0.05)
    shifted = of(dense.roll(4, 2), mask.roll(2, 2))
    assert torch.allclose(shifted, of(dense), atol=0.02)
    mirrored = of(dense.flip(4), mask.flip(4))
    assert torch.allclose(mirrored, of(dense), atol=0.02)


def test_an_empty_mask_has_no_features():
    maps = lesion_maps(torch.randn(1, 2, 24, 24, 24), SIZE)
    assert not lesion_features(maps, torch.full((1, 1, *SIZE), -3.0), torch.tensor([2.5])).any()
    full = lesion_features(maps, torch.full((1, 1, *SIZE), 3.0), torch.tensor([2.5]))
    assert bool(torch.isfinite(full).all())


def test_no_gradient_reaches_the_mask_and_rows_do_not_mix():
    torch.manual_seed(0)
    head = LesionHead(2, (4, 2, 3)).eval()
    maps = lesion_maps(torch.randn(2, 2, 24, 24, 24), SIZE)
    mask = logits(torch.cat([ball(3), ball(5)])).requires_grad_()
    both = head(maps, mask, torch.tensor([2.5, 5.0]))
    assert both.shape == (2, 9)
    alone = head(maps[1:], mask[1:], torch.tensor([5.0]))
    assert torch.allclose(both[1:], alone, atol=1e-5)
    both.sum().backward()
    assert mask.grad is None


def test_density_rests_on_the_grey_values_inside_over_muscle_alone():
    torch.manual_seed(0)
    head = LesionHead(2, (4, 2, 3)).eval()
    mask = ball(3)
    big = mask.repeat_interleave(2, 2).repeat_interleave(2, 3).repeat_interleave(2, 4).float()
    image = torch.full((1, 2, 24, 24, 24), 0.1)

    def words(image, mask=mask):
        return head(lesion_maps(image, SIZE), logits(mask), torch.tensor([2.5]))[0].split((4, 2, 3))

    bright, dark = words(image + 0.3 * big), words(image - 0.3 * big)
    assert not torch.allclose(bright[2], dark[2], atol=1e-3)
    # Brighter by as much everywhere, and with another tissue at some distance.
    shifted = image + 0.05
    shifted[..., :3] = -0.9
    elsewhere = words(shifted + 0.3 * big)
    assert torch.allclose(elsewhere[2], bright[2], atol=1e-3)
    assert not torch.allclose(elsewhere[0], bright[0], atol=1e-3)


def test_masks_are_those_of_the_network_without_the_head():
    vision = {
        "image": (16, 16, 16), "in_channels": 2, "patch": 8, "dim": 16, "depth": 1, "heads": 2, "window": 2,
        "global_layers": (0,), "channels": 32, "stem": "convolution", "stem_channels": (4, 8),
    }  # fmt: skip
    description = {"kind": "isrg", "variant": "full", "heads": 2, "fine_clicks": True, "vision": vision}
    torch.manual_seed(0)
    plain = build_network(description).eval()
    with_head = build_network(description | {"lesion_head": True}).eval()
    missing = with_head.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert {name.split(".")[0] for name in missing} == {"lesion_head"}
    image, points = torch.randn(1, 2, 16, 16, 16), torch.full((1, 1, 3), 7.5)
    kinds = torch.tensor([[int(PointKind.ADD)]])
    features, finer = plain.encode(image)
    more_features, more_finer = with_head.encode(image)
    assert len(more_finer) == len(finer) + 1
    first = plain.decode(features, finer, points, kinds, None)
    second = with_head.decode(more_features, more_finer, points, kinds, None)
    assert torch.equal(first.mask, second.mask)
    assert torch.equal(first.attributes, second.attributes)
    assert with_head.describe(more_finer, second.mask, torch.tensor([2.5])).shape == (1, 13)
