"""Probabilities of logits, however sure they are: warnings of an overflow are errors here."""

import numpy as np
import pytest

from hyoid.inference.segment import Logits, tile_step
from hyoid.inference.slab_export import _probabilities
from hyoid.interfaces.installed import load_model
from hyoid.volume import Geometry

SURE = np.array([[[[-1000.0, 0.0, 1000.0]]]], np.float32)


def test_a_sure_logit_is_a_probability_of_nothing_or_one():
    logits = Logits(SURE, Geometry.axial((1, 1, 3), (1.0, 1.0, 1.0)), ("larynx",))
    found = logits.probability("larynx")
    assert found.dtype == np.float32
    assert found.ravel().tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("regions", [True, False])
def test_exported_probabilities_do_not_overflow(regions):
    logits = np.concatenate([SURE, np.zeros_like(SURE)])
    found = _probabilities(logits, regions=regions)
    assert found.dtype == np.float32
    assert found[0].ravel().tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("losses", "step"),
    [({}, 0.5), ({"larynx": -0.01, "tongue": 0.0019}, 0.75), ({"larynx": 0.0, "tongue": 0.002}, 0.5)],
)
def test_tiles_lie_wide_where_the_card_says_that_no_structure_suffers(losses, step):
    manifest = load_model("organs").manifest.model_copy(update={"step_loss": losses})
    assert tile_step(manifest) == step
