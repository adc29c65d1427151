"""A head and neck of ellipses, and other anatomy made from the same parts."""

from collections.abc import Callable

import numpy as np
import pytest

from hyoid.volume import Geometry, Quantity, Volume

SPACING_MM = (3.0, 2.0, 2.0)


def ellipse_stack(z_mm, rows_mm, columns_mm, centre_mm, half_mm):
    """Boolean (D, H, W): an ellipse in each slice, half axes (front-back, left-right) given per slice."""
    rows = (rows_mm[None, :, None] - centre_mm[0]) / half_mm[0].reshape(-1, 1, 1)
    columns = (columns_mm[None, None, :] - centre_mm[1]) / half_mm[1].reshape(-1, 1, 1)
    return rows**2 + columns**2 < 1


def person(
    shape: tuple[int, int, int] = (110, 130, 230), *, neck: bool = True, airway: bool = True, lungs: bool = True
) -> Volume:
    """Shoulders below, neck from 90 to 200 mm, head with skull and brain above; rows run front to back."""
    z = np.arange(shape[0]) * SPACING_MM[0]
    rows = (np.arange(shape[1]) - shape[1] / 2) * SPACING_MM[1]
    columns = (np.arange(shape[2]) - shape[2] / 2) * SPACING_MM[2]
    wide = np.interp(z, [60, 100, 190, 230], [210.0, 60, 60, 75])
    deep = np.interp(z, [60, 100, 190, 230], [100.0, 58, 60, 95])
    if not neck:
        wide, deep = np.full_like(z, 80.0), np.full_like(z, 80.0)
    body = ellipse_stack(z, rows, columns, (0, 0), (deep, wide))
    array = np.full(shape, -1000, np.int16)
    array[body] = 30
    ones = np.ones_like(z)
    if neck:
        spine = ellipse_stack(z, rows, columns, (25, 0), (16 * ones, 16 * ones))
        array[spine & (z < 220)[:, None, None]] = 500
        outer = ellipse_stack(z, rows, columns, (0, 0), (deep - 8, wide - 8))
        inner = ellipse_stack(z, rows, columns, (0, 0), (deep - 16, wide - 16))
        array[outer & ~inner & (z > 230)[:, None, None]] = 900
    if airway:
        array[ellipse_stack(z, rows, columns, (-20, 0), (9 * ones, 9 * ones)) & (z < 225)[:, None, None]] = -1000
    if lungs:
        for side in (-1, 1):
            lung = ellipse_stack(z, rows, columns, (5, side * 90), (60 * ones, 45 * ones))
            array[lung & (z < 55)[:, None, None]] = -850
    return Volume(array, Geometry.axial(shape, SPACING_MM), Quantity.HU)


@pytest.fixture(scope="session")
def make_person() -> Callable[..., Volume]:
    return person
