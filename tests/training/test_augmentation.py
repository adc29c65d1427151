import numpy as np
import pytest
import torch
from scipy import ndimage

from hyoid.training.augmentation import blurred, coarsened, with_gamma


@pytest.fixture
def image():
    return torch.from_numpy(np.random.default_rng(0).normal(size=(12, 14, 16)).astype(np.float32))


def test_a_blur_is_that_of_scipy(image):
    wanted = ndimage.gaussian_filter(image.numpy().astype(float), 0.9, mode="nearest", radius=round(3 * 0.9))
    assert np.allclose(blurred(image, 0.9).numpy(), wanted, atol=1e-5)


@pytest.mark.parametrize(
    "change", [lambda x: blurred(x, 1.0), lambda x: coarsened(x, 0.5), lambda x: with_gamma(x, 2.0)]
)
def test_a_constant_image_stays(change):
    flat = torch.full((8, 8, 8), 3.0)
    assert torch.allclose(change(flat), flat)


@pytest.mark.parametrize("reduced_by", ["trilinear", "nearest-exact"])
def test_less_resolution_keeps_the_grid_and_loses_detail(image, reduced_by):
    coarse = coarsened(image, 0.5, reduced_by=reduced_by)
    assert coarse.shape == image.shape and coarse.std() < image.std()


def test_gamma_keeps_the_ends_and_the_order(image):
    changed = with_gamma(image, 1.5)
    assert changed.min() == pytest.approx(float(image.min())) and changed.max() == pytest.approx(
        float(image.max()), abs=1e-5
    )
    assert torch.equal(changed.flatten().argsort(), image.flatten().argsort())
