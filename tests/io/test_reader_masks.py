import copy

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from hyoid.anatomy.structures import GTVN, GTVP, HYOID_NAMES, TARGET_REGION, TG263_NAMES, foreign_structure
from hyoid.errors import GeometryError, InputRefusedError, UnreadableFileError, UsageError, WrongQuantityError
from hyoid.geometry.resample import to_sitk
from hyoid.io.dicom.output import Export, synthetic_headers
from hyoid.io.dicom.rtstruct import write_rtstruct
from hyoid.io.dicom.seg import write_seg
from hyoid.io.files.volumes import write_image
from hyoid.io.masks import on_grid
from hyoid.io.reader_masks import ReaderMasks, find_reader_masks, read_reader_masks
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
    with pytest.raises(UnreadableFileError, match="are a folder"):
        find_reader_masks(tmp_path, GRID)
    (tmp_path / "x.txt").write_text("not masks" * 50)
    with pytest.raises(UnreadableFileError):
        read_reader_masks(tmp_path / "x.txt", GRID)
    with pytest.raises(UnreadableFileError, match="cannot be opened"):
        read_reader_masks(tmp_path / "absent.dcm", GRID)


def test_targets_that_overlap_stay_whole(tmp_path):
    primary, node = targets()
    node = node | primary
    write_seg(tmp_path / "x.dcm", {GTVP: primary, GTVN: node}, synthetic_headers(GRID), GRID)
    found = find_reader_masks(tmp_path / "x.dcm", GRID)
    np.testing.assert_array_equal(on_grid(found.masks[1], GRID), primary)
    np.testing.assert_array_equal(on_grid(found.masks[2], GRID), node)
    np.testing.assert_array_equal(found.volume.array, np.where(primary, 1, np.where(node, 2, 0)))


def test_masks_follow_the_label_volume_where_nobody_gives_them():
    found = ReaderMasks(Volume(expected().astype(np.uint8), GRID, Quantity.LABEL), (), ())
    assert sorted(found.masks) == [1, 2] and found.masks[1].array.sum() == targets()[0].sum()


def seg_named(path, names, masks):
    """SEG whose segments have these names."""
    structures = {n: foreign_structure(n, name) for n, name in enumerate(names, start=1)}
    arrays = dict(enumerate(masks, start=1))
    write_seg(path, arrays, synthetic_headers(GRID), GRID, structures=structures, export=Export(names={}))
    return path


def structure_set(path, regions):
    """Structure set of (name, kind of contours); contours of 12 x 12 pixels on three slices, or no contours."""
    write_rtstruct(path, {GTVP: targets()[0]}, synthetic_headers(GRID), GRID)
    dataset = pydicom.dcmread(path)
    listed, drawn = dataset.StructureSetROISequence[0], dataset.ROIContourSequence[0]
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    for number, (name, kind) in enumerate(regions, start=1):
        roi, contours = copy.deepcopy(listed), copy.deepcopy(drawn)
        roi.ROIName, roi.ROINumber, contours.ReferencedROINumber = name, number, number
        for contour in contours.ContourSequence:
            contour.ContourGeometricType = kind
        dataset.StructureSetROISequence.append(roi)
        if kind:
            dataset.ROIContourSequence.append(contours)
    dataset.save_as(path)
    return path


@pytest.mark.parametrize("kind", ["", "OPEN_PLANAR", "POINT"])
def test_a_target_without_an_outline_is_told(kind, tmp_path):
    path = structure_set(tmp_path / "x.dcm", [("GTVp", kind), ("GTVn", "CLOSED_PLANAR"), ("Bolus", "")])
    found = find_reader_masks(path, GRID)
    assert found.used == ("'GTVn' -> GTVn",) and found.unmatched == ("Bolus",)
    assert found.notes == ("The masks list 'GTVp' without any outline: nothing was taken from it.",)
    assert set(np.unique(found.volume.array)) == {0, 2}
    with pytest.raises(WrongQuantityError, match="'GTVp' is in the file, and empty"):
        find_reader_masks(path, GRID, primary=["GTVp"])
    # Two regions of one name are one: the target is there.
    path = structure_set(tmp_path / "x.dcm", [("GTVp", kind), ("GTVp", "CLOSED_PLANAR")])
    assert find_reader_masks(path, GRID).notes == ()


def test_a_file_of_empty_outlines_is_refused_by_their_names(tmp_path):
    path = structure_set(tmp_path / "x.dcm", [("GTVp", ""), ("GTVn", "")])
    with pytest.raises(WrongQuantityError, match="'GTVp', 'GTVn' are in the file, and empty"):
        find_reader_masks(path, GRID)


def test_an_empty_segment_of_slicer_is_told(tmp_path):
    image = to_sitk(Volume(targets()[1].astype(np.uint8), GRID, Quantity.LABEL))
    for number, (name, value) in enumerate([("GTVn", 1), ("GTVp", 2)]):
        for key, text in (("Name", name), ("LabelValue", str(value)), ("Layer", "0"), ("ID", f"S{number}")):
            image.SetMetaData(f"Segment{number}_{key}", text)
    sitk.WriteImage(image, str(tmp_path / "m.seg.nrrd"))
    found = find_reader_masks(tmp_path / "m.seg.nrrd", GRID)
    assert found.used == ("'GTVn' -> GTVn",)
    assert found.notes == ("The masks list 'GTVp' without any outline: nothing was taken from it.",)


def test_unclear_names_are_asked_for_and_chosen(tmp_path):
    path = seg_named(tmp_path / "x.dcm", ["GTV-1", "GTV-2", "Heart"], [*targets(), targets()[0]])
    with pytest.raises(WrongQuantityError, match="'GTV-1', 'GTV-2' are several gross tumours"):
        find_reader_masks(path, GRID)
    found = find_reader_masks(path, GRID, primary=["GTV-1"], node=["gtv-2"])
    np.testing.assert_array_equal(found.volume.array, expected())
    assert found.used == ("'GTV-1' -> GTVp", "'GTV-2' -> GTVn") and found.unmatched == ("Heart",)
    with pytest.raises(UsageError, match="No outline is named 'GTV-3'"):
        find_reader_masks(path, GRID, primary=["GTV-3"])


def test_a_name_that_may_identify_somebody_stays_out_of_what_is_said(tmp_path):
    path = seg_named(tmp_path / "x.dcm", ["Tumour of Miller", "Miller 1960", "GTVn"], [*targets(), targets()[1]])
    found = find_reader_masks(path, GRID, primary=["Tumour of Miller"])
    assert found.used == ("an outline -> GTVp", "'gtvn' -> GTVn")
    assert "Miller" not in " ".join(found.said)
    assert "1 outline(s) that are no GTVp or GTVn" in found.said[1]


def test_labels_without_names_can_be_chosen_by_number(tmp_path):
    write_image(Volume((expected() * 3).astype(np.uint8), GRID, Quantity.LABEL), tmp_path / "m.mha")
    found = find_reader_masks(tmp_path / "m.mha", GRID, primary=["label 3"], node=["Label 6"])
    np.testing.assert_array_equal(found.volume.array, expected())
    assert found.used == ("label 3 -> GTVp", "label 6 -> GTVn")


def test_names_of_labels_decide_against_their_numbers(tmp_path):
    write_image(Volume(expected().astype(np.uint8), GRID, Quantity.LABEL), tmp_path / "m.nii.gz")
    (tmp_path / "m.json").write_text('{"labels": {"GTVn": 1, "GTVp": 2}}')
    swapped = np.where(expected() == 1, 2, np.where(expected() == 2, 1, 0))
    np.testing.assert_array_equal(read_reader_masks(tmp_path / "m.nii.gz", GRID).array, swapped)
    (tmp_path / "m.json").write_text('{"labels": {"Mandible": 1, "SpinalCord": 2}}')
    with pytest.raises(WrongQuantityError, match="holds 'Mandible', 'SpinalCord'"):
        read_reader_masks(tmp_path / "m.nii.gz", GRID)


@pytest.mark.parametrize("writer", [write_seg, write_rtstruct])
def test_outlines_of_another_patient_are_refused(writer, tmp_path):
    primary, _ = targets()
    drawn_on, scan = synthetic_headers(GRID, seed="a"), synthetic_headers(GRID, seed="b")
    for header in drawn_on:
        header.PatientID = "SOMEBODY ELSE"
    writer(tmp_path / "x.dcm", {GTVP: primary}, drawn_on, GRID)
    with pytest.raises(InputRefusedError, match="of another patient") as refusal:
        find_reader_masks(tmp_path / "x.dcm", GRID, headers=scan)
    assert "SOMEBODY" not in str(refusal.value)
    find_reader_masks(tmp_path / "x.dcm", GRID, headers=drawn_on)


def test_hyoids_own_objects_are_read_whatever_names_they_left_with(tmp_path):
    primary, node = targets()
    for names in (TG263_NAMES, HYOID_NAMES, None):
        for writer in (write_seg, write_rtstruct):
            masks = {GTVP: primary, GTVN: node, TARGET_REGION: primary | node, 28: node}
            writer(tmp_path / "x.dcm", masks, synthetic_headers(GRID), GRID, export=Export(names=names))
            np.testing.assert_array_equal(read_reader_masks(tmp_path / "x.dcm", GRID).array, expected())
