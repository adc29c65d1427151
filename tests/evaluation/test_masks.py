import numpy as np
import pytest

from hyoid.errors import InputRefusedError
from hyoid.evaluation.masks import CaseMasks, refuse_unknown_labels, union_box
from hyoid.evaluation.protocols import HNTSMRG_2024, OBSERVER, MaskClass
from hyoid.geometry.boxes import Box
from hyoid.volume import Geometry

GRID = Geometry.axial((4, 5, 6), (2.0, 1.0, 1.0))


def labels(**voxels: tuple[int, int, int]) -> np.ndarray:
    array = np.zeros(GRID.shape, np.uint8)
    for name, where in voxels.items():
        array[where] = int(name[1:])
    return array


def test_nested_labels_make_one_mask():
    masks = CaseMasks(GRID, labels=labels(v3=(0, 0, 0), v4=(1, 1, 1), v5=(2, 2, 2)))
    canal = next(c for c in OBSERVER.classes if c.name == "Spinal-Canal")
    assert masks.mask(canal, Box((0, 0, 0), GRID.shape)).sum() == 2


def test_named_masks_are_found_by_name_or_alias_whatever_the_spelling():
    here = np.zeros(GRID.shape, bool)
    here[1, 2, 3] = True
    masks = CaseMasks(GRID, named={"GTV_p 1": here, "gtvn": ~here})
    box = Box((0, 0, 0), GRID.shape)
    assert masks.mask(MaskClass("GTVp", (1,), ("GTVp1",)), box).sum() == 1
    assert masks.mask(MaskClass("GTVn", (2,)), box).sum() == GRID.shape[0] * 30 - 1
    assert masks.mask(MaskClass("other", (3,)), box).sum() == 0


def test_box_around_both_sides():
    one = CaseMasks(GRID, labels=labels(v1=(0, 1, 2)))
    other_mask = np.zeros(GRID.shape, bool)
    other_mask[2, 2, 2] = True
    assert union_box(one, CaseMasks(GRID, named={"GTVp": other_mask})) == Box((0, 1, 2), (3, 3, 3))
    nothing = CaseMasks(GRID, labels=labels())
    assert union_box(nothing, nothing).shape == (1, 1, 1)


def test_onto_another_grid_by_nearest_neighbour():
    fine = Geometry.axial((8, 5, 6), (1.0, 1.0, 1.0))
    moved = CaseMasks(GRID, labels=labels(v2=(1, 1, 1)), named=None).on(fine)
    assert moved.geometry is fine
    assert set(np.unique(moved.labels)) == {0, 2}
    named = CaseMasks(GRID, named={"GTVp": labels(v1=(1, 1, 1)) > 0}).on(fine)
    assert named.named["GTVp"].dtype == bool
    np.testing.assert_array_equal(named.named["GTVp"], moved.labels == 2)


def test_unknown_labels_and_names_are_named():
    with pytest.raises(InputRefusedError, match=r"The prediction holds labels 3, 7.*GTVp = 1, GTVn = 2"):
        refuse_unknown_labels(CaseMasks(GRID, labels(v3=(0, 0, 0), v7=(1, 1, 1))), HNTSMRG_2024, "The prediction")
    with pytest.raises(InputRefusedError, match="outlines Heart, and no such name"):
        refuse_unknown_labels(CaseMasks(GRID, named={"Heart": np.ones(GRID.shape, bool)}), HNTSMRG_2024, "It")
    refuse_unknown_labels(CaseMasks(GRID, labels(v1=(0, 0, 0), v2=(1, 1, 1))), HNTSMRG_2024, "It")
    refuse_unknown_labels(CaseMasks(GRID, named={}), HNTSMRG_2024, "It")


def test_another_axis_order_is_the_same_grid():
    array = labels(v1=(1, 2, 3), v2=(3, 0, 0))
    flipped_matrix = GRID.ijk_to_lps.copy()
    flipped_matrix[:3, 3] = GRID.to_lps((0, 4, 0))
    flipped_matrix[:3, 1] *= -1
    flipped = CaseMasks(Geometry(GRID.shape, flipped_matrix), labels=np.flip(array, 1))
    np.testing.assert_array_equal(flipped.reordered(GRID).labels, array)

    turned_geometry = Geometry((6, 4, 5), GRID.ijk_to_lps[:, [2, 0, 1, 3]])
    turned = CaseMasks(turned_geometry, named={"GTVp": array.transpose(2, 0, 1) > 0})
    np.testing.assert_array_equal(turned.reordered(GRID).named["GTVp"], array > 0)

    assert CaseMasks(Geometry.axial((4, 5, 6), (2.0, 1.0, 1.1)), labels=array).reordered(GRID) is None
