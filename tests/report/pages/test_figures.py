import io

import numpy as np
import pytest
from PIL import Image

from hyoid.anatomy.structures import BY_NAME
from hyoid.errors import GeometryError, WrongQuantityError
from hyoid.geometry.orientation import to_canonical
from hyoid.report.pages.figures import FIELD_MM, PIXELS, make_backdrop, make_figure
from hyoid.volume import Geometry, Quantity, Volume

SHAPE = (40, 60, 60)
SPACING = (5.0, 2.0, 2.0)


def grid():
    return Geometry.axial(SHAPE, SPACING)


def volumes(label="gtvp", place=(slice(18, 22), slice(25, 35), slice(8, 18))):
    ct = np.full(SHAPE, -1000.0, np.float32)
    ct[:, 10:50, 5:55] = 40.0
    labels = np.zeros(SHAPE, np.uint8)
    labels[place] = BY_NAME[label].label
    return Volume(ct, grid(), Quantity.HU), Volume(labels, grid(), Quantity.LABEL)


def pixels(panel):
    return np.asarray(Image.open(io.BytesIO(panel.jpeg)).convert("RGB")).astype(int)


def coloured(picture):
    """Pixels that are clearly not grey, without the yellow cross."""
    return (picture.max(axis=2) - picture.min(axis=2) > 60) & (picture[..., 2] > 110)


def centre_point():
    return tuple(grid().to_lps((20, 30, 30)).tolist())


def test_patients_right_is_on_the_left_of_axial_and_coronal():
    ct, labels = volumes()  # columns 8-17: the patient's right
    axial, coronal, _ = make_figure(make_backdrop(ct, labels), centre_point()).panels
    for panel in (axial, coronal):
        assert np.argwhere(coloured(pixels(panel)))[:, 1].mean() < PIXELS / 2 - 20


def test_front_is_up_in_axial_and_left_in_sagittal_and_the_head_is_up():
    front_and_high = (slice(30, 34), slice(12, 18), slice(28, 33))
    backdrop = make_backdrop(*volumes(place=front_and_high))
    point = tuple(grid().to_lps((31, 30, 30)).tolist())
    axial, _, sagittal = make_figure(backdrop, point).panels
    assert np.argwhere(coloured(pixels(axial)))[:, 0].mean() < PIXELS / 2 - 20
    assert np.argwhere(coloured(pixels(sagittal)))[:, 1].mean() < PIXELS / 2 - 20
    low = make_figure(backdrop, centre_point()).panels[2]  # the field's centre is 11 slices lower
    assert np.argwhere(coloured(pixels(low)))[:, 0].mean() < PIXELS / 2 - 20


def test_proportions_are_true_for_unequal_spacing():
    place = (slice(16, 24), slice(20, 40), slice(20, 40))  # 40 x 40 x 40 mm
    figure = make_figure(make_backdrop(*volumes(place=place)), centre_point())
    for panel in figure.panels:
        where = np.argwhere(coloured(pixels(panel)))
        height, width = np.ptp(where, axis=0) + 1
        assert height * FIELD_MM / PIXELS == pytest.approx(40, abs=3)
        assert width * FIELD_MM / PIXELS == pytest.approx(40, abs=3)


def test_legend_and_alternative_text_name_what_is_seen():
    figure = make_figure(make_backdrop(*volumes("parotid_right")), centre_point())
    assert [row.name for row in figure.legend] == ["parotid_right"]
    assert figure.panels[0].alt == "Axial, slice 21 of 40. Outlined: Parotid gland, right."
    assert figure.panels[2].alt == "Sagittal. Outlined: nothing."  # through the midline


def test_pictures_do_not_depend_on_array_order():
    ct, labels = volumes()
    turned = [Volume(np.ascontiguousarray(v.array[:, ::-1, ::-1]), flipped_grid(), v.quantity) for v in (ct, labels)]
    assert to_canonical(turned[1]).geometry.same_grid(grid())
    first = make_figure(make_backdrop(ct, labels), centre_point())
    assert make_figure(make_backdrop(*turned), centre_point()) == first


def flipped_grid():
    matrix = grid().ijk_to_lps.copy()
    matrix[:3, 3] = grid().to_lps((0, SHAPE[1] - 1, SHAPE[2] - 1))
    matrix[:3, 1:3] *= -1
    return Geometry(SHAPE, matrix)


def test_window_and_other_quantities():
    ct, labels = volumes()
    backdrop = make_backdrop(ct, labels)
    assert backdrop.image.max() == 127  # 40 HU is the centre of the window
    assert backdrop.image.min() == 0
    mr = Volume(np.random.default_rng(0).normal(500, 100, SHAPE), grid(), Quantity.MR)
    assert make_backdrop(mr, labels).image.std() > 30
    flat = Volume(np.zeros(SHAPE), grid(), Quantity.MR)
    assert make_figure(make_backdrop(flat, labels), centre_point()).legend


def test_refusals():
    ct, labels = volumes()
    other = Volume(labels.array, Geometry.axial(SHAPE, (1, 1, 1)), Quantity.LABEL)
    with pytest.raises(GeometryError, match="different grids"):
        make_backdrop(ct, other)
    with pytest.raises(WrongQuantityError):
        make_backdrop(ct, ct)
