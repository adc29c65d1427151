import numpy as np
import pytest

from hyoid.anatomy.structures import GTVN, GTVP
from hyoid.errors import GeometryError, UnreadableFileError, WrongQuantityError
from hyoid.io.dicom.output import synthetic_headers
from hyoid.io.dicom.rtstruct import write_rtstruct
from hyoid.io.dicom.seg import write_seg
from hyoid.io.files.volumes import write_image
from hyoid.io.reader_masks import find_reader_masks, read_reader_masks
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((8, 30, 32), (3.0, 1.0, 1.0), (-16.0, -15.0, 100.0), "1.2.3")


def targets():
    primary, node = np.zeros(GRID.shape, bool), np.zeros(GRID.shape, bool)
    primary[2:5, 10:16, 8:15] = True
    node[4:7, 5:9, 20:26] = True
    return primary, node


def expected():
    primary, node = targets()
    return np.where(primary, 1, np.where(node, 2, 0))


def test_label_map_on_the_same_grid(tmp_path):
    write_image(Volume(expected().astype(np.float32), GRID, Quantity.LABEL), tmp_path / "m.nii.gz")
    found = read_reader_masks(tmp_path / "m.nii.gz", GRID)
    assert found.quantity is Quantity.LABEL and found.geometry is GRID
    np.testing.assert_array_equal(found.array, expected())


def test_label_map_on_another_grid_goes_by_place(tmp_path):
    finer = Geometry.axial((24, 60, 64), (1.0, 0.5, 0.5), (-16.0, -15.0, 99.0))
    fine = np.zeros(finer.shape, np.uint8)
    points = finer.to_lps(np.argwhere(np.ones(finer.shape, bool)))
    nearest = np.rint(GRID.to_ijk(points)).astype(int).clip(0, np.array(GRID.shape) - 1)
    fine.ravel()[:] = expected()[tuple(nearest.T)]
    # Stored left to right reversed: places decide, not indices.
    matrix = finer.ijk_to_lps.copy()
    matrix[:3, 3] = finer.to_lps((0, 0, 63))
    matrix[:3, 2] *= -1
    stored = Volume(fine[:, :, ::-1].copy(), Geometry(finer.shape, matrix), Quantity.LABEL)
    write_image(stored, tmp_path / "m.nrrd")
    np.testing.assert_array_equal(read_reader_masks(tmp_path / "m.nrrd", GRID).array, expected())


@pytest.mark.parametrize("writer", [write_seg, write_rtstruct])
def test_dicom_objects(writer, tmp_path):
    primary, node = targets()
    writer(tmp_path / "x.dcm", {GTVP: primary, GTVN: node, 5: primary | node}, synthetic_headers(GRID), GRID)
    found = find_reader_masks(tmp_path / "x.dcm", GRID)
    np.testing.assert_array_equal(found.volume.array, expected())
    assert len(found.used) == 2 and found.used[0].endswith("-> GTVp")
    assert [n.lower() for n in found.unmatched] == ["tongue"]


def test_where_both_were_drawn_the_primary_counts(tmp_path):
    primary, _ = targets()
    write_seg(tmp_path / "x.dcm", {GTVP: primary, GTVN: primary}, synthetic_headers(GRID), GRID)
    assert set(np.unique(read_reader_masks(tmp_path / "x.dcm", GRID).array)) == {0, 1}


def test_no_target_among_the_names_lists_them(tmp_path):
    primary, _ = targets()
    write_rtstruct(tmp_path / "x.dcm", {5: primary, 22: primary}, synthetic_headers(GRID), GRID)
    with pytest.raises(WrongQuantityError, match="holds 'tongue', 'mandible'"):
        read_reader_masks(tmp_path / "x.dcm", GRID)


def test_other_labels_are_refused(tmp_path):
    for values, words in ((expected() * 3, r"labels \[3, 6\]"), (expected() * 0, "no labels")):
        write_image(Volume(values.astype(np.uint8), GRID, Quantity.LABEL), tmp_path / "m.mha")
        with pytest.raises(WrongQuantityError, match=words):
            read_reader_masks(tmp_path / "m.mha", GRID)
    hyoids = np.where(expected() == 1, GTVP, np.where(expected() == 2, GTVN, 0))
    write_image(Volume(hyoids.astype(np.uint8), GRID, Quantity.LABEL), tmp_path / "m.mha")
    np.testing.assert_array_equal(read_reader_masks(tmp_path / "m.mha", GRID).array, expected())


@pytest.mark.parametrize("writer", [write_seg, write_rtstruct, None])
def test_masks_outside_the_field_of_view_are_refused(writer, tmp_path):
    primary, _ = targets()
    moved = GRID.ijk_to_lps.copy()
    moved[0, 3] += 12
    study = Geometry(GRID.shape, moved, "1.2.3")
    if writer is None:
        path = write_image(Volume(primary.astype(np.uint8), GRID, Quantity.LABEL), tmp_path / "x.nii.gz")
    else:
        path = tmp_path / "x.dcm"
        writer(path, {GTVP: primary}, synthetic_headers(GRID), GRID)
    with pytest.raises(GeometryError, match="outside the field of view"):
        read_reader_masks(path, study)


@pytest.mark.parametrize("writer", [write_seg, write_rtstruct])
def test_another_frame_of_reference_is_refused(writer, tmp_path):
    primary, _ = targets()
    writer(tmp_path / "x.dcm", {GTVP: primary}, synthetic_headers(GRID), GRID)
    with pytest.raises(GeometryError, match="another frame of reference"):
        read_reader_masks(tmp_path / "x.dcm", Geometry(GRID.shape, GRID.ijk_to_lps, "7.7"))


def test_a_mask_smaller_than_a_voxel_does_not_vanish_silently(tmp_path):
    fine = Geometry.axial((24, 120, 128), (1.0, 0.25, 0.25), (-16.0, -15.0, 100.0))
    labels = np.zeros(fine.shape, np.uint8)
    labels[1, 2, 2] = 1
    write_image(Volume(labels, fine, Quantity.LABEL), tmp_path / "m.nii.gz")
    with pytest.raises(GeometryError, match="would vanish"):
        read_reader_masks(tmp_path / "m.nii.gz", GRID)


def test_files_of_other_kinds(tmp_path):
    (tmp_path / "x.txt").write_text("not masks" * 50)
    with pytest.raises(UnreadableFileError):
        read_reader_masks(tmp_path / "x.txt", GRID)
    with pytest.raises(UnreadableFileError, match="cannot be opened"):
        read_reader_masks(tmp_path / "absent.dcm", GRID)
