"""Volumes drawn as often as in real patients."""

import numpy as np
import pytest

from hyoid.phantom.disease.sizes import draw_volume_ml, split_volume_ml


@pytest.mark.parametrize(
    ("target", "quantiles"), [("gtvp", [1.6, 4.3, 8.4, 16.0, 30.7]), ("gtvn", [1.2, 4.1, 9.2, 17.6, 34.5])]
)
def test_volumes_are_those_of_real_patients(target, quantiles):
    rng = np.random.default_rng(0)
    drawn = [draw_volume_ml(target, rng) for _ in range(20_000)]
    assert np.percentile(drawn, [5, 25, 50, 75, 95]) == pytest.approx(quantiles, rel=0.05)


def test_a_nodal_volume_is_shared_whole_the_largest_first():
    parts = split_volume_ml(12.0, 3, np.random.default_rng(0))
    assert sum(parts) == pytest.approx(12.0)
    assert parts == sorted(parts, reverse=True)
    assert min(parts) > 0
    assert split_volume_ml(12.0, 1, np.random.default_rng(0)) == pytest.approx([12.0])
    assert split_volume_ml(12.0, 0, np.random.default_rng(0)) == []
