import numpy as np
import pytest
from scipy import ndimage

from hyoid.inference.slab_export import labels_by_slabs
from hyoid.preprocess.nnunet import axis_matrices


def logits(k=4, shape=(6, 9, 8)):
    rng = np.random.default_rng(0)
    return np.stack([ndimage.gaussian_filter(rng.normal(size=shape), 1.5) for _ in range(k)]).astype(np.float32)


@pytest.mark.parametrize("slab_bytes", [1, 4 * 4 * 20 * 12 * 3, 1 << 30])
def test_slabs_decide_as_the_whole_does(slab_bytes):
    z, target = logits(), (13, 20, 12)
    matrices = axis_matrices(z.shape[1:], target, order=1, order_z=0, thick=None)
    full = np.stack([
        ndimage.zoom(c, [m / n for n, m in zip(c.shape, target, strict=True)], order=1, mode="nearest", grid_mode=True)
        for c in z
    ])  # fmt: skip
    found = labels_by_slabs(z, matrices, (0, 5, 6, 300), regions=False, slab_bytes=slab_bytes)
    assert found.dtype == np.uint16
    assert (found == np.array([0, 5, 6, 300])[full.argmax(axis=0)]).mean() > 0.9999


def test_regions_are_painted_one_over_the_other():
    z = np.full((2, 2, 2, 2), -1.0, np.float32)
    z[0] = 1
    z[1, 0] = 1
    eye = [np.eye(2, dtype=np.float32)] * 3
    seen = []
    found = labels_by_slabs(
        z, eye, (1, 2), regions=True, slab_bytes=1, on_probabilities=lambda place, p: seen.append((place, p))
    )
    assert found[0].tolist() == [[2, 2], [2, 2]]
    assert found[1].tolist() == [[1, 1], [1, 1]]
    assert [place.start for place, _ in seen] == [0, 1]
    assert seen[1][1][1] == pytest.approx(1 / (1 + np.e))


def test_probabilities_sum_to_one():
    z = logits()
    parts = []
    labels_by_slabs(
        z, [np.eye(n, dtype=np.float32) for n in z.shape[1:]], (0, 1, 2, 3), regions=False,
        on_probabilities=lambda place, p: parts.append(p),
    )  # fmt: skip
    assert np.concatenate(parts, axis=1).sum(axis=0) == pytest.approx(1, abs=1e-5)
