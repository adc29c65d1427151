import pytest
import torch

from hyoid.models.build import build_network
from hyoid.models.isrg import ISRG, ISRGShape
from hyoid.models.prompts import PointKind, PositionEncoding, PromptEncoder, click_maps, refine_points
from hyoid.models.vision import Block, VisionEncoder, VisionShape, from_windows, windows_of

TINY = {
    "image": (16, 16, 24), "in_channels": 2, "patch": 4, "dim": 16, "depth": 2, "heads": 2, "window": 2,
    "global_layers": (1,), "channels": 32,
}  # fmt: skip


def network(variant="full", **changes):
    torch.manual_seed(0)
    stem = {"stem": "convolution", "stem_channels": (4,)} if changes.pop("convolution", False) else {}
    description = {"kind": "isrg", "variant": variant, "heads": 2, "vision": TINY | stem, **changes}
    return build_network(description).eval()


def prompts(*rows):
    points = torch.tensor([[row[0] for row in rows]], dtype=torch.float32)
    return points, torch.tensor([[int(row[1]) for row in rows]])


def test_shapes_of_every_variant():
    points, kinds = prompts(((3, 4, 5), PointKind.ADD), ((8, 8, 8), PointKind.REMOVE))
    for variant in ("vanilla", "refinement", "synergy", "full"):
        for convolution in (False, True):
            # A patch of 4 leaves one finer level, so the fine maps of the default need a patch of 8.
            answer = network(variant, convolution=convolution)(torch.zeros(1, 2, 16, 16, 24), points, kinds)
            assert answer.mask.shape == (1, 1, 16, 16, 24)
            assert answer.iou.shape == (1, 1)
            assert answer.attributes.shape == (1, 4 + 2 + 3 + 2 + 2)


def test_paper_preset_has_the_sizes_of_the_paper():
    shape = VisionShape((128, 128, 128), 1, 16, 768, 12, 12, 4, (2, 5, 8, 11), 384)
    assert shape.tokens == (8, 8, 8)
    with torch.device("meta"):
        encoder = VisionEncoder(shape)
    # ViT-B: 12 blocks of 12 * 768^2 weights.
    assert sum(p.numel() for p in encoder.blocks.parameters()) == pytest.approx(12 * 12 * 768**2, rel=0.01)
    assert [block.window for block in encoder.blocks] == [4, 4, 0, 4, 4, 0, 4, 4, 0, 4, 4, 0]


def test_variants_differ_by_what_they_have():
    assert not hasattr(network("vanilla"), "synergy")
    assert hasattr(network("synergy"), "synergy")
    count = {v: sum(p.numel() for p in network(v).parameters()) for v in ("vanilla", "refinement", "synergy", "full")}
    assert count["vanilla"] == count["refinement"] < count["synergy"] == count["full"]


def test_a_window_that_holds_the_whole_grid_is_refused_unless_every_layer_is_global():
    with pytest.raises(ValueError, match="no window"):
        VisionShape((128, 128, 128), 1, 16, 768, 12, 12, 14, (2, 5, 8, 11), 384)
    VisionShape((16, 16, 16), 1, 4, 8, 2, 1, 14, (0, 1), 8)


def test_several_mask_tokens_draw_one_mask():
    points, kinds = prompts(((3, 4, 5), PointKind.ADD))
    answer = network("full", mask_tokens=4)(torch.zeros(1, 2, 16, 16, 24), points, kinds)
    assert answer.mask.shape == (1, 1, 16, 16, 24)
    assert answer.iou.shape == (1, 1)


def test_attributes_attend_to_the_mask_tokens_each_in_its_own_way():
    torch.manual_seed(0)
    synergy = network("synergy", mask_tokens=4).synergy
    mask, attributes, others = torch.randn(1, 4, 32), torch.randn(1, 5, 32), torch.randn(1, 5, 32)
    _, z = synergy.exchange(mask, attributes)
    assert z.shape == (1, 5, 32)
    # Z_attr depends on A, on M, and differs between attributes.
    assert (z - synergy.exchange(mask, others)[1]).abs().max() > 1e-2
    assert (z - synergy.exchange(torch.randn(1, 4, 32), attributes)[1]).abs().max() > 1e-2
    assert (z[:, :1] - z[:, 1:]).abs().amax(dim=(0, 2)).min() > 1e-2
    # Over one token alone there is nothing to choose from, whatever asks.
    _, one = synergy.exchange(mask[:, :1], attributes)
    assert torch.allclose(one, synergy.exchange(mask[:, :1], others)[1], atol=1e-6)
    assert torch.allclose(one[:, :1].expand(-1, 5, -1), one, atol=1e-6)


def test_masks_attend_to_the_attributes():
    torch.manual_seed(0)
    synergy = network("synergy").synergy
    mask, attributes = torch.randn(1, 1, 32), torch.randn(1, 5, 32)
    assert (synergy.exchange(mask, attributes)[0] - synergy.exchange(mask, -attributes)[0]).abs().max() > 1e-2


def test_windows_by_hand():
    x = torch.arange(8.0).reshape(1, 2, 2, 2, 1)
    windows, real = windows_of(x, 1)
    assert windows.flatten().tolist() == list(range(8))
    assert real is None
    odd = torch.arange(3.0).reshape(1, 1, 1, 3, 1)
    windows, real = windows_of(odd, 2)
    assert real is not None
    assert real.reshape(2, 2, 2, 2)[:, 0, 0].tolist() == [[True, True], [True, False]]
    assert real.sum() == 3
    assert torch.equal(from_windows(windows, 2, (1, 1, 3)), odd)


def test_window_attention_stays_in_its_window_and_global_attention_does_not():
    torch.manual_seed(0)
    x = torch.randn(1, 4, 4, 4, 16)
    changed = x.clone()
    changed[0, 0, 0, 0] = torch.randn(16)
    for window, reached in ((2, 8), (0, 64)):
        block = Block(16, 2, window).eval()
        different = (block(x) - block(changed)).abs().amax(-1) > 1e-7
        assert int(different.sum()) == reached
        if window:
            assert bool(different[0, :2, :2, :2].all())


def test_padded_tokens_are_not_attended_to():
    torch.manual_seed(0)
    block = Block(8, 2, 4).eval()
    x = torch.randn(1, 3, 3, 3, 8)
    exact = Block(8, 2, 0).eval()
    exact.load_state_dict(block.state_dict())
    # All 27 tokens lie in one padded window, so both see the same.
    assert torch.allclose(block(x), exact(x), atol=1e-5)


def test_points_and_image_tokens_share_one_axis_order():
    encoder = PromptEncoder(16, (8, 12, 16), (2, 3, 4))
    grid = encoder.position.grid((2, 3, 4)).unflatten(0, (2, 3, 4))
    # The centre of token (1, 2, 3), whose cubes have an edge of 4 voxels.
    points, kinds = prompts(((5.5, 9.5, 13.5), PointKind.ADD))
    token = encoder(points, kinds)[0, 0] - encoder.kinds.weight[int(PointKind.ADD) + 1]
    assert torch.allclose(token, grid[1, 2, 3], atol=1e-6)


def test_transposing_the_volume_transposes_positions():
    position = PositionEncoding(16)
    grid = position.grid((3, 3, 3)).unflatten(0, (3, 3, 3))
    swapped = PositionEncoding(16)
    swapped.frequencies = position.frequencies[[1, 0, 2]]
    assert torch.allclose(swapped.grid((3, 3, 3)).unflatten(0, (3, 3, 3)), grid.transpose(0, 1), atol=1e-6)


def test_refinement_adds_the_token_nearest_to_each_centroid():
    features = torch.zeros(1, 1, 1, 1, 4)
    features[0, 0, 0, 0] = torch.tensor([0.0, 0.1, 5.0, 9.0])
    points, kinds = prompts(((0, 0, 1), PointKind.ADD))
    found, said = refine_points(features, points, kinds, (2, 2, 8), window=3, clusters=2)
    # The window holds tokens 0, 1, 2; clusters {0, 1} and {2}. Token centres lie at 0.5, 2.5, 4.5, 6.5.
    assert found.shape == (1, 3, 3)
    assert sorted(found[0, 1:, 2].tolist()) in ([0.5, 4.5], [2.5, 4.5])
    assert said.tolist() == [[1, 1, 1]]


def test_refined_points_alone_take_the_place_of_the_click():
    features = torch.zeros(1, 1, 1, 1, 4)
    features[0, 0, 0, 0] = torch.tensor([0.0, 0.1, 5.0, 9.0])
    points, kinds = prompts(((9, 9, 9), PointKind.BOX_LOW), ((0, 0, 1), PointKind.ADD))
    found, said = refine_points(features, points, kinds, (2, 2, 8), window=3, clusters=2, alone=True)
    assert said.tolist() == [[2, 1, -1, 1]]
    assert found[0, 0].tolist() == [9.0, 9.0, 9.0]
    assert sorted(found[0, [1, 3], 2].tolist()) in ([0.5, 4.5], [2.5, 4.5])
    points, kinds = prompts(((3, 4, 5), PointKind.ADD))
    net = network(refined_alone=True)
    assert net(torch.zeros(1, 2, 16, 16, 24), points, kinds).attributes.shape == (1, 13)


def test_refinement_of_fillers_and_boxes_adds_fillers():
    points, kinds = prompts(
        ((0, 0, 0), PointKind.NOTHING), ((1, 1, 1), PointKind.BOX_LOW), ((1, 1, 1), PointKind.REMOVE)
    )
    _, said = refine_points(torch.randn(1, 4, 2, 2, 2), points, kinds, (8, 8, 8), window=3, clusters=2)
    assert said[0, 3:].tolist() == [-1, -1, -1, -1, 0, 0]


def test_refinement_at_the_corner_stays_inside():
    points, kinds = prompts(((15, 15, 23), PointKind.ADD), ((0, 0, 0), PointKind.ADD), ((40, 40, 40), PointKind.ADD))
    found, _ = refine_points(torch.randn(1, 4, 4, 4, 6), points, kinds, (16, 16, 24), window=3, clusters=3)
    assert bool((found[0, 3:] >= 0).all())
    assert bool((found[0, 3:] <= torch.tensor([15.0, 15.0, 23.0])).all())


def test_click_maps_peak_at_the_click():
    points, kinds = prompts(((4, 8, 12), PointKind.ADD), ((1, 1, 1), PointKind.NOTHING))
    maps = click_maps(points, kinds, (16, 16, 16), (8, 8, 8))
    assert maps.shape == (1, 2, 8, 8, 8)
    assert divmod(int(maps[0, 0].argmax()), 64)[0] == 2
    assert maps[0, 0].max() > 0.8
    assert not maps[0, 1].any()


def test_previous_mask_and_clicks_change_the_answer():
    net = network(fine_clicks=True, convolution=True)
    features, finer = net.encode(torch.randn(1, 2, 16, 16, 24))
    points, kinds = prompts(((3, 4, 5), PointKind.ADD))
    first = net.decode(features, finer, points, kinds, None)
    again = net.decode(features, finer, points, kinds, first.mask)
    assert not torch.allclose(first.mask, again.mask)
    other = net.decode(features, finer, points, torch.zeros_like(kinds), None)
    assert not torch.allclose(first.mask, other.mask)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="variant"):
        ISRG(ISRGShape(variant="best", vision=TINY))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs a token"):
        ISRGShape(variant="full", vision=TINY, mask_tokens=0)
    with pytest.raises(ValueError, match="activation"):
        ISRGShape(variant="full", vision=TINY, attribute_activation="relu")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="softmax"):
        ISRGShape(variant="full", vision=TINY, attribute_activation="sigmoid", lesion_head=True)
    with pytest.raises(ValueError, match="multiple"):
        VisionShape((10, 16, 16), 1, 4, 8, 1, 1, 2, (), 8)
    with pytest.raises(ValueError, match="levels"):
        VisionShape((16, 16, 16), 1, 8, 8, 1, 1, 2, (), 8, "convolution", (4,))
