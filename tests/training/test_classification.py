"""Where the training of organ pooling starts."""

import numpy as np
import pytest
import torch

from hyoid.anatomy.involvement import labels_of_field
from hyoid.models.sgrnet import OrganPooling
from hyoid.training.classification import ReportCase, begin_at_rule
from hyoid.training.involvement import UNKNOWN

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


def test_organ_pooling_begins_at_the_regression_of_the_labels_on_what_it_reads_off():
    pooling = OrganPooling(4, [labels_of_field(name) for name in FIELDS]).eval()
    chosen = cases()
    begin_at_rule(pooling, chosen)
    features = torch.rand(1, 4, 2, 2, 2)
    with torch.no_grad():
        views = [[torch.from_numpy(a.astype(np.float32))[None, None] for a in (c.organs, c.heatmap)] for c in chosen]
        promised = torch.cat([pooling(features, *view) for view in views]).sigmoid().numpy()
    truth = np.stack([c.target for c in chosen])
    assert pooling.rule_weight.min() > 0.3
    # A regression with an intercept promises as many as there are; the weak pull to the middle moves that a little.
    assert promised[:, 0].mean() == pytest.approx(truth[:, 0].mean(), abs=0.01)
    assert promised[:10, 1].mean() == pytest.approx(0.1, abs=0.03)
    assert promised[truth[:, 0] == 1, 0].mean() > promised[truth[:, 0] == 0, 0].mean() + 0.1
