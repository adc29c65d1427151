import pytest
import torch

from hyoid.models.build import build_network
from hyoid.models.ct_fm import CTFMClassifier, load_encoder
from hyoid.models.sgrnet import SGRNetShape, build_sgrnet


@pytest.fixture
def small():
    torch.manual_seed(0)
    return CTFMClassifier(3, hidden=4, init_filters=8)


def test_the_published_size_has_512_numbers_per_scan():
    with torch.device("meta"):
        network = build_sgrnet(SGRNetShape("ct_only", "ct-fm", outputs=5, organ_labels=28))
    assert isinstance(network, CTFMClassifier)
    assert network.classifier[0].in_features == 512
    # 77.8 million weights in float32 are the 311 MB of the published file.
    assert sum(p.numel() for p in network.encoder.parameters()) * 4 / 1e6 == pytest.approx(311, abs=1)


def test_only_the_classifier_learns_and_statistics_stay(small):
    small.train()
    ct = torch.rand(2, 1, 32, 32, 32)
    before = {name: t.clone() for name, t in small.encoder.state_dict().items()}
    small(ct, ct, ct).sum().backward()
    assert all(p.grad is None for p in small.encoder.parameters())
    assert small.classifier[0].weight.grad.abs().sum() > 0
    assert all(torch.equal(before[name], t) for name, t in small.encoder.state_dict().items())


def test_weights_of_the_encoder_alone_or_of_a_whole_network_are_taken(small):
    other = CTFMClassifier(3, hidden=4, init_filters=8)
    weights = small.encoder.state_dict()
    ct = torch.rand(1, 1, 32, 32, 32)
    for given in (weights, {f"encoder.{n}": t for n, t in weights.items()} | {"up_layers.0.weight": torch.zeros(1)}):
        load_encoder(other, given)
        assert torch.equal(other.eval().embedding(ct), small.eval().embedding(ct))


def test_foreign_weights_are_refused(small):
    weights = dict(small.encoder.state_dict())
    name = next(n for n in weights if n.endswith("weight"))
    with pytest.raises(ValueError, match="has the shape"):
        load_encoder(small, weights | {name: torch.zeros(1)})
    del weights[name]
    with pytest.raises(ValueError, match="1 weights are missing, 0 are unknown"):
        load_encoder(small, weights)


def test_it_takes_only_the_row_without_priors():
    with pytest.raises(ValueError, match="CT-FM has no row with priors"):
        build_network({"kind": "sgrnet", "variant": "organ_add", "backbone": "ct-fm", "outputs": 2, "organ_labels": 28})
