import math

import pytest
import torch

from hyoid.models.build import build_network
from hyoid.models.sgrnet import ATTENDING, SGRNetShape, build_explained_sgrnet, build_sgrnet

VARIANTS = ("ct_only", "organ_add", "organ_modulation", "organ_tumour_add", "organ_tumour_modulation")  # of the paper


def inputs(batch=1, size=32):
    torch.manual_seed(0)
    shape = (batch, 1, size, size, size)
    return torch.randn(shape), torch.randint(0, 5, shape).float(), torch.rand(shape)


def network(variant, backbone="efficientnet-b0"):
    torch.manual_seed(1)
    return build_sgrnet(SGRNetShape(variant, backbone, outputs=3, organ_labels=4, channels=8)).eval()


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_row_of_the_tables_gives_one_logit_per_label(variant):
    with torch.inference_mode():
        assert network(variant)(*inputs(batch=2)).shape == (2, 3)


@pytest.mark.parametrize("variant", ["organ_tumour_modulation", "ct_only"])
def test_densenet_too(variant):
    with torch.inference_mode():
        assert network(variant, "densenet121")(*inputs()).shape == (1, 3)


def test_only_the_variants_with_a_prior_listen_to_it():
    ct, organs, heat = inputs()
    with torch.inference_mode():
        for variant in VARIANTS:
            net = network(variant)
            base = net(ct, organs, heat)
            assert torch.equal(base, net(ct, torch.zeros_like(organs), heat)) == (variant == "ct_only")
            assert torch.equal(base, net(ct, organs, torch.zeros_like(heat))) == ("tumour" not in variant)


def test_modulation_is_one_plus_the_sum_of_both_attention_maps():
    net = network("organ_tumour_modulation")
    ct, organs, heat = inputs()
    seen = {}
    net.fusion.register_forward_pre_hook(lambda _, args: seen.update(fused=args[0]))
    with torch.inference_mode():
        net(ct, organs, heat)
        f_ct = net.ct_encoder(ct)
        f_seg, f_g = net.prior_features(organs, heat, f_ct.shape[2:])
        m = net.organ_attention(f_seg) + net.tumour_attention(f_g)
    assert m.shape == (1, 1, 8, 8, 8)
    assert torch.allclose(seen["fused"], torch.cat([f_ct * (1 + m), f_seg, f_g], dim=1), atol=1e-5)


def test_features_are_at_a_quarter_of_the_input():
    net = network("organ_modulation", "densenet121")
    with torch.inference_mode():
        assert net.ct_encoder(inputs()[0]).shape == (1, 8, 8, 8, 8)


def pooling(field_labels=((1,), (2, 3))):
    torch.manual_seed(1)
    shape = SGRNetShape("organ_pooling", "efficientnet-b0", 2, 4, channels=8, field_labels=field_labels)
    return build_sgrnet(shape).eval()


def test_organ_pooling_starts_at_its_rule():
    net = pooling().organ_pooling
    net.begin_at(2.0, torch.tensor([0.5, -1.0]))
    organs, heat = torch.zeros(1, 1, 8, 8, 8), torch.zeros(1, 1, 8, 8, 8)
    organs[..., :2, :5], organs[..., 4:6, 0], organs[..., 4:6, 1] = 1, 2, 3
    # 80 voxels of organ 1, 5 of them (more than a twentieth) at 0.8; of the other organ 1 of 32, less than a twentieth.
    heat[0, 0, :5, 0, 0] = 0.8
    heat[0, 0, 0, 4, 0] = 0.9
    reached = net.reached(net.masks(organs), heat)
    assert reached[0].tolist() == pytest.approx([0.8, 0.0])
    expected = [0.5 + 2 * math.log(0.8 / 0.2), -1 + 2 * math.log(0.01 / 0.99)]
    assert net(torch.rand(1, 8, 2, 2, 2), organs, heat)[0].tolist() == pytest.approx(expected, abs=1e-4)


def test_organ_pooling_looks_at_its_organ_and_its_surroundings_only():
    net = pooling(((1,), (2,)))
    with torch.no_grad():
        net.organ_pooling.field_weight.normal_()
    organs = torch.zeros(1, 1, 32, 32, 32)
    organs[..., :4, :4, :4], organs[..., 28:, 28:, 28:] = 1, 2
    features = torch.rand(1, 8, 8, 8, 8)
    changed = features.clone()
    changed[..., 5:, 5:, 5:] += 1
    heat = torch.zeros_like(organs)
    with torch.inference_mode():
        before, after = (net.organ_pooling(f, organs, heat)[0] for f in (features, changed))
    assert before[0].item() == pytest.approx(after[0].item(), abs=1e-3)
    assert abs(before[1].item() - after[1].item()) > 1e-2


@pytest.mark.parametrize("variant", ATTENDING)
def test_the_explained_network_says_the_same_and_where_it_looked(variant):
    labels = {"field_labels": ((1,), (2,), (3,))} if variant == "organ_pooling" else {}
    backbone = "none" if variant == "sub_sites" else "efficientnet-b0"
    description = {"kind": "sgrnet", "variant": variant, "backbone": backbone, "outputs": 3}
    description |= {"organ_labels": 4, "channels": 8} | labels
    plain = build_network(description).eval()
    explained = build_network(description | {"kind": "sgrnet_explained"}).eval()
    explained.load_state_dict(plain.state_dict())
    with torch.inference_mode():
        logits, attention = explained(*inputs(batch=2))
        assert torch.equal(logits, plain(*inputs(batch=2)))
    if variant == "organ_pooling":
        assert attention.shape == (2, 3, 8, 8, 8)
        assert attention.sum(dim=(2, 3, 4)).flatten().tolist() == pytest.approx([1.0] * 6, abs=1e-5)
    elif variant == "sub_sites":
        assert attention.shape == (2, 3, 32, 32, 32)
        assert 0 <= attention.min() <= attention.max() <= 1
    else:
        assert attention.shape == (2, 1, 8, 8, 8)
        assert attention.min() > 0
        assert attention.max() < (2 if variant == "organ_tumour_modulation" else 1)


def test_a_variant_without_attention_has_nothing_to_explain():
    with pytest.raises(ValueError, match="'organ_add' has no attention"):
        build_explained_sgrnet(SGRNetShape("organ_add", "efficientnet-b0", outputs=3, organ_labels=4))


def test_organ_pooling_answers_without_the_organ_too():
    ct, organs, heat = inputs()
    with torch.inference_mode():
        assert torch.isfinite(pooling()(ct, torch.zeros_like(organs), heat)).all()


def test_organ_pooling_needs_an_organ_per_label():
    with pytest.raises(ValueError, match="2 outputs need as many organs, got 1"):
        pooling(((1,),))


@pytest.mark.parametrize(("variant", "backbone"), [("sub_sites", "densenet121"), ("organ_add", "none")])
def test_only_sub_sites_go_without_a_backbone(variant, backbone):
    with pytest.raises(ValueError, match="does not go with backbone"):
        SGRNetShape(variant, backbone, 1, 4)


def test_a_description_with_a_wrong_key_is_refused():
    with pytest.raises(ValueError, match="Arguments of network 'sgrnet'"):
        build_network({"kind": "sgrnet", "colour": "red"})
    with pytest.raises(ValueError, match="no network kind 'transformer'"):
        build_network({"kind": "transformer"})


@pytest.mark.parametrize("backbone", ["densenet121", "efficientnet-b0"])
def test_ct_alone_begins_near_even_odds(backbone):
    torch.manual_seed(0)
    network = build_sgrnet(SGRNetShape("ct_only", backbone, 5, 28)).train()
    with torch.no_grad():
        logits = network(torch.randn(2, 1, 40, 32, 32), torch.zeros(2), torch.zeros(2))
    assert logits.abs().max() < 3
