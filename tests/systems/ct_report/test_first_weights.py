"""Where the training of SGRNet starts, and what its normalisation knows at the end."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hyoid.anatomy.involvement import labels_of_field
from hyoid.models.build import build_network
from hyoid.models.sgrnet import OrganPooling
from hyoid.models.sub_sites import SubSites
from hyoid.systems.ct_report.cases import ReportCase
from hyoid.systems.ct_report.first_weights import (
    begin_at_frequencies,
    begin_at_rule,
    begin_standardised,
    settle_normalisation,
)
from hyoid.systems.ct_report.labels import UNKNOWN
from hyoid.systems.ct_report.train import network_description
from hyoid.training.recipe import load_recipe

FIELDS = ("larynx", "mandible")


def cases(n=40, shape=(8, 8, 8)):
    rng = np.random.default_rng(0)
    organs = np.zeros(shape, np.uint8)
    organs[:4, 2:6, 2:6], organs[4:, 2:6, 2:6] = (labels_of_field(name)[0] for name in FIELDS)
    made = []
    for k in range(n):
        heat = np.zeros(shape, np.float32)
        heat[:4], heat[4:] = rng.uniform(0.1, 0.9, 2)
        # The larynx is involved where its heat says so, but for a fifth of the patients; the mandible is rarely told.
        likely = heat[0, 0, 0] > 0.5
        target = np.array([likely != (k % 5 == 0), float(k == 1) if k < 10 else UNKNOWN], np.float32)
        made.append(ReportCase(f"c{k}", np.zeros(shape, np.float32), organs, heat, target, target))
    return made


def inputs_of(patient):
    return [torch.from_numpy(a.astype(np.float32))[None, None] for a in (patient.ct, patient.organs, patient.heatmap)]


def test_organ_pooling_begins_at_the_regression_of_the_labels_on_what_it_reads_off():
    pooling = OrganPooling(4, [labels_of_field(name) for name in FIELDS]).eval()
    chosen = cases()
    begin_at_rule(pooling, chosen)
    features = torch.rand(1, 4, 2, 2, 2)
    with torch.no_grad():
        promised = torch.cat([pooling(features, *inputs_of(c)[1:]) for c in chosen]).sigmoid().numpy()
    truth = np.stack([c.target for c in chosen])
    assert pooling.rule_weight.min() > 0.3
    # A regression with an intercept promises as many as there are; the weak pull to the middle moves that a little.
    assert promised[:, 0].mean() == pytest.approx(truth[:, 0].mean(), abs=0.01)
    assert promised[:10, 1].mean() == pytest.approx(0.1, abs=0.03)
    assert promised[truth[:, 0] == 1, 0].mean() > promised[truth[:, 0] == 0, 0].mean() + 0.1


def test_sub_sites_begin_at_how_often_each_organ_is_each_of_them():
    chosen = []
    for case in cases():
        places = np.zeros(case.organs.shape, np.uint8)
        places[:2, 2:6, 2:6] = 1  # half of the larynx is the first sub-site; the second is beside every organ
        places[:, 7, 7] = 2
        chosen.append(replace(case, places=places))
    network = SubSites(2, 28, embedding=3, channels=8).eval()
    begin_at_frequencies(network, chosen)
    with torch.no_grad():
        place = network.place(network.drawn(inputs_of(chosen[0])[1]))[0]
        promised = torch.cat([network(*inputs_of(c)) for c in chosen]).sigmoid().numpy()
    assert place[0, 0, 3, 3].item() == pytest.approx(0.5, abs=0.01)
    assert place[:, 5, 3, 3].max().item() < 1e-3  # the mandible is neither
    assert place[1, 0, 0, 0].item() == pytest.approx(8 / (512 - 128), abs=1e-3)
    truth = np.stack([c.target for c in chosen])
    assert promised[:, 0].mean() == pytest.approx(truth[:, 0].mean(), abs=0.02)
    assert promised[truth[:, 0] == 1, 0].mean() > promised[truth[:, 0] == 0, 0].mean() + 0.1


def network_and_patients():
    recipe = load_recipe("ct_report", "smoke")
    rng = np.random.default_rng(1)
    patients = []
    for k in range(5):
        shape = (32, 32, 32)
        organs, heat = np.zeros(shape, np.uint8), np.zeros(shape, np.float32)
        organs[8:16, 8:16, 8:16] = 22
        heat[8 : 10 + 2 * k, 8:16, 8:16] = 1
        ct = (rng.normal(size=shape) + 3 * k).astype(np.float32)
        patients.append(ReportCase(f"c{k}", ct, organs, heat, np.zeros(5, np.float32), np.zeros(5, np.float32)))
    torch.manual_seed(0)
    return build_network(network_description(recipe)), patients


def test_a_classifier_starts_on_features_of_one_scale_and_says_the_same_of_everybody():
    network, patients = network_and_patients()
    first = network.classifier[0]
    weight, bias = first.weight.clone(), first.bias.clone()
    begin_standardised(network, patients, 2)
    assert network.training
    network.eval()
    seen = []
    network.classifier.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        logits = torch.cat([network(*inputs_of(p)) for p in patients])
        features = torch.cat(seen)
        hidden = first(features)
    assert logits.abs().max() == 0
    deviation = features.std(dim=0, correction=0)
    standardised = (features - features.mean(dim=0)) / deviation.clamp(min=0.1 * float(deviation.median()))
    assert torch.allclose(hidden, standardised @ weight.T + bias, atol=1e-3)
    assert standardised.abs().max() > 1


def test_normalisation_is_measured_on_the_patients_with_the_weights_as_they_are():
    network, patients = network_and_patients()
    norm = next(m for m in network.modules() if isinstance(m, torch.nn.BatchNorm3d))
    seen = []
    norm.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    settle_normalisation(network, patients, 2)
    assert not network.training
    assert len(seen) == 2  # the fifth patient alone makes no batch
    means = torch.stack([x.mean(dim=(0, 2, 3, 4)) for x in seen])
    assert torch.allclose(norm.running_mean, means.mean(dim=0), atol=1e-5)
    assert norm.momentum is not None


def test_a_frozen_encoder_keeps_its_normalisation():
    recipe = load_recipe("ct_report", "ct_fm")
    network = build_network(network_description(recipe))
    before = {name: t.clone() for name, t in network.encoder.named_buffers()}
    _, patients = network_and_patients()
    settle_normalisation(network, patients, 2)
    assert before
    assert all(torch.equal(t, before[name]) for name, t in network.encoder.named_buffers())
