import io
import re

import numpy as np
import pytest
from PIL import Image

from hyoid.anatomy.structures import BY_NAME
from hyoid.io.files.volumes import read_image
from hyoid.report.content.schema import Evidence, Line
from hyoid.report.pages.attention import THUMBNAIL, Attention, highest_point, looks_of, write_attention
from hyoid.report.pages.figures import make_backdrop
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((32, 48, 64), (4.0, 4.0, 4.0))
COARSE = Geometry.axial((8, 12, 16), (16.0, 16.0, 16.0), origin_lps_mm=(6.0, 6.0, 6.0))


def backdrop():
    labels = np.zeros(GRID.shape, np.uint8)
    labels[8:12, 20:28, 8:16] = BY_NAME["parotid_right"].label
    labels[20:24, 20:28, 48:56] = BY_NAME["mandible"].label
    ct = Volume(np.zeros(GRID.shape, np.float32), GRID, Quantity.HU)
    return make_backdrop(ct, Volume(labels, GRID, Quantity.LABEL))


def attention(*, shared, fields=("parotid_right", "mandible")):
    maps = {}
    for k, name in enumerate(fields):
        array = np.zeros(COARSE.shape, np.float32)
        array[5, 6, 13] = 1.5  # in the mandible
        array[2, 6, 3] = 0.5 if shared or k else 2.0  # in the parotid
        maps[name] = Volume(array, COARSE, Quantity.ATTENTION)
    if shared:
        maps = dict.fromkeys(fields, maps[fields[0]])
    return Attention(maps, shared)


def line(key, *, asked=True):
    evidence = Evidence(status="model", source="sgrnet 1", probability=0.7 if asked else None)
    return Line(key=key, words="Words", section="S", value="Predicted", status="model", evidence=(evidence,))


def orange(look):
    """Rows and columns where the picture is clearly orange."""
    picture = np.asarray(Image.open(io.BytesIO(look.jpeg)).convert("RGB")).astype(int)
    assert picture.shape == (THUMBNAIL, THUMBNAIL, 3)
    return np.argwhere((picture[..., 0] - picture[..., 2]) > 60)


def test_a_shared_map_is_shown_where_it_is_highest_inside_the_structure():
    (look,) = looks_of(line("parotid_gland"), attention(shared=True), backdrop())
    # The cell's centre, 38 mm above the first slice, lies half way between two slices.
    place, colour = look.words.split("; ")
    assert re.fullmatch("Parotid gland, right: attention shared by all fields, highest here in slice 1[01]", place)
    assert colour.startswith("orange from 0, its median, to ")
    (look,) = looks_of(line("mandible"), attention(shared=True), backdrop())
    assert "slice 22" in look.words
    columns = orange(look)[:, 1].mean()
    # The patient's left is on the picture's right.
    assert columns > THUMBNAIL * 0.55


def test_a_map_of_its_own_is_shown_where_it_is_highest():
    (look,) = looks_of(line("parotid_gland"), attention(shared=False), backdrop())
    assert re.fullmatch(
        "Parotid gland, right: attention for this field, slice 1[01]; orange from 0, its median, to 2", look.words
    )
    assert orange(look)[:, 1].mean() < THUMBNAIL * 0.5


def test_nothing_is_shown_without_attention_or_without_a_classifier():
    assert looks_of(line("mandible"), None, backdrop()) == ()
    assert looks_of(line("mandible", asked=False), attention(shared=True), backdrop()) == ()
    assert looks_of(line("lip"), attention(shared=True), backdrop()) == ()


def test_without_the_organ_the_highest_of_all_counts():
    volume = attention(shared=True).maps["mandible"]
    empty = np.zeros(GRID.shape, bool)
    assert highest_point(volume, empty, backdrop()) == tuple(COARSE.to_lps((5, 6, 13)))


@pytest.mark.parametrize(("shared", "names"), [(True, {"all-fields"}), (False, {"parotid_right", "mandible"})])
def test_maps_are_written_with_their_place(tmp_path, shared, names):
    files = write_attention(tmp_path, attention(shared=shared))
    assert {f.name.removesuffix(".nii.gz") for f in files} == names
    again = read_image(files[0], Quantity.ATTENTION)
    assert again.geometry.same_grid(COARSE)
    assert np.array_equal(again.array, next(iter(attention(shared=shared).maps.values())).array)
