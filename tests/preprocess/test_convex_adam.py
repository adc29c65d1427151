import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from hyoid.preprocess.convex_adam import (
    Settings,
    _feature_slope,
    _roughness_slope,
    convex_adam,
    displacement_cost,
    enlarged,
    folding_share,
    pool,
    self_similarity,
    smooth_minimum,
)

QUICK = Settings(iterations=25, convex_reach=2)


@pytest.fixture(scope="module")
def texture():
    image = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(36, 40, 44)), 2.5).astype(np.float32)
    return image / image.std()


def error_in_the_middle(found, true):
    middle = (slice(None), *[slice(8, -8)] * 3)
    return float(np.sqrt(((found - true)[middle] ** 2).sum(axis=0).mean()))


def test_a_shifted_image_is_found_whatever_its_contrast(texture):
    true = np.zeros((3, *texture.shape))
    true[0], true[1], true[2] = 2.0, -3.0, 4.0
    moved = ndimage.map_coordinates(texture, np.indices(texture.shape) + true, order=1, mode="nearest")
    for fixed in (moved, 300 - 40 * moved):
        assert error_in_the_middle(convex_adam(fixed.astype(np.float32), texture, QUICK), true) < 0.6


def test_a_smooth_deformation_is_found_without_folding(texture):
    rng = np.random.default_rng(1)
    true = np.stack([ndimage.gaussian_filter(rng.normal(size=texture.shape), 9) for _ in range(3)])
    true *= 1.5 / true.std()
    moved = ndimage.map_coordinates(texture, np.indices(texture.shape) + true, order=1, mode="nearest")
    found = convex_adam(moved.astype(np.float32), texture, QUICK)
    nothing = error_in_the_middle(np.zeros_like(true), true)
    assert error_in_the_middle(found, true) < 0.35 * nothing
    assert folding_share(found) == 0


def test_equal_images_stay_where_they_are(texture):
    found = convex_adam(texture, texture, dataclasses.replace(QUICK, iterations=50))
    assert error_in_the_middle(found, np.zeros_like(found)) < 0.05


def test_self_similarity_does_not_change_with_contrast_and_sees_nothing_in_a_flat_image(texture):
    plain = self_similarity(texture, 1, 2)
    assert plain.shape == (12, *texture.shape) and plain.max() <= 1
    assert np.allclose(self_similarity(1000 - 7 * texture, 1, 2), plain, atol=1e-3)
    assert np.allclose(self_similarity(np.full((6, 6, 6), 3.0), 1, 2), 1)


def test_pool_takes_means_of_blocks():
    values = np.arange(4, dtype=np.float32).reshape(1, 1, 1, 4)
    assert pool(values, 2)[0, 0, 0].tolist() == [0.5, 2.5]
    assert pool(values[..., :3], 2)[0, 0, 0].tolist() == [0.5, 2.0]  # the last voxel is repeated


def test_the_cheapest_displacement_of_a_shifted_pattern_is_its_shift():
    rng = np.random.default_rng(2)
    moving = rng.normal(size=(2, 9, 9, 9)).astype(np.float32)
    fixed = np.roll(moving, (-1, 0, 2), axis=(1, 2, 3))  # fixed(x) = moving(x + (1, 0, -2))
    cost = displacement_cost(fixed, moving, 2)
    assert np.unravel_index(cost[:, 4, 4, 4].argmin(), (5, 5, 5)) == (3, 2, 0)
    field = smooth_minimum(cost, 2)
    assert np.allclose(field[:, 4, 4, 4], (1, 0, -2), atol=0.2)


def test_the_slope_of_the_cost_is_its_numerical_derivative():
    rng = np.random.default_rng(3)
    shape = (4, 5, 6)
    fixed, moving = (rng.normal(size=(np.prod(shape), 3)).astype(np.float32) for _ in range(2))
    grid = np.indices(shape, dtype=np.float32).reshape(3, -1)
    field = rng.uniform(0.1, 0.3, (3, grid.shape[1])).astype(np.float32)

    def cost(f):
        at = np.clip(grid + f, 0, np.array(shape)[:, None] - 1)
        volume = moving.reshape(*shape, 3)
        values = np.stack([ndimage.map_coordinates(volume[..., c], at, order=1) for c in range(3)], axis=1)
        return float(((values.astype(np.float64) - fixed) ** 2).sum() / grid.shape[1])

    slope = _feature_slope(fixed, moving, shape, grid, field)
    for component, node in ((0, 40), (1, 71), (2, 12)):
        up, down = field.copy(), field.copy()
        up[component, node] += 0.02
        down[component, node] -= 0.02
        assert slope[component, node] == pytest.approx((cost(up) - cost(down)) / 0.04, rel=0.02, abs=1e-4)


def test_the_slope_of_roughness_is_its_numerical_derivative():
    field = np.random.default_rng(4).normal(size=(3, 3, 4, 5)).astype(np.float32)

    def roughness(f):
        return sum(float((np.diff(f.astype(np.float64), axis=a) ** 2).sum()) for a in (1, 2, 3)) / f[0].size

    up, down = field.copy(), field.copy()
    up[1, 1, 2, 3] += 0.01
    down[1, 1, 2, 3] -= 0.01
    assert _roughness_slope(field)[1, 1, 2, 3] == pytest.approx((roughness(up) - roughness(down)) / 0.02, rel=1e-3)


def test_enlarged_field_keeps_its_numbers_and_its_places():
    coarse = np.tile(np.arange(3, dtype=np.float32), (3, 2, 2, 1))
    fine = enlarged(coarse, (4, 4, 6))
    # Cells of two voxels: centres of the coarse cells lie at 0.5, 2.5 and 4.5.
    assert np.allclose(fine[0, 0, 0], [0, 0.25, 0.75, 1.25, 1.75, 2])


def test_folding_is_seen_where_the_field_turns_back():
    field = np.zeros((3, 6, 6, 6), np.float32)
    assert folding_share(field) == 0
    field[2] = -2 * np.arange(6)
    assert folding_share(field) == 1
