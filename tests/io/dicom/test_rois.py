"""Contours of other writers: what each kind of structure set means in voxels, counted by hand."""

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage

from hyoid.errors import GeometryError, UnreadableFileError
from hyoid.io.dicom.rois import Roi, rasterise, read_structure_set
from hyoid.io.dicom.rtstruct import read_rtstruct
from hyoid.io.masks import on_grid
from hyoid.volume import Geometry

# Slices at z = 100, 103, ..., 157 mm; voxel centres at whole millimetres.
GRID = Geometry.axial((20, 60, 64), (3.0, 1.0, 1.0), (-20.0, -30.0, 100.0), "1.2.3")


def square(x0, x1, y0, y1, z):
    return np.array([(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)], float)


def tower(zs, x=-5.0, side=19.5):
    """20 x 20 voxels on each plane."""
    return [square(x - 0.25, x + side, -9.5, 10.25, z) for z in zs]


def drawn(contours, grid=GRID, **more):
    found = rasterise(Roi("GTVp", tuple(contours), **more), grid)
    return on_grid(found.mask, grid), found.notes


def slices_of(mask):
    return np.flatnonzero(mask.any(axis=(1, 2))).tolist()


def write(path, rois, *, frame="1.2.3", edit=None, numbers=None):
    """Structure set as other programs write it: `rois` is a list of (name, [(type, points or None)])."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = RTStructureSetStorage, "1.2.9"
    meta.TransferSyntaxUID = ImplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = RTStructureSetStorage, "1.2.9", "RTSTRUCT"
    ds.PatientID, ds.StudyInstanceUID, ds.SeriesInstanceUID = "P", "1.2.5", "1.2.6"
    ds.StructureSetROISequence, ds.ROIContourSequence = Sequence(), Sequence()
    for number, (name, contours) in zip(numbers or range(1, 99), rois, strict=False):
        roi, holder = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName = number, name
        roi.ReferencedFrameOfReferenceUID = frame
        holder.ReferencedROINumber, holder.ContourSequence = number, Sequence()
        for kind, points in contours:
            contour = Dataset()
            contour.ContourGeometricType = kind
            if points is not None:
                contour.NumberOfContourPoints = len(points)
                contour.ContourData = [f"{v:.4f}" for v in np.ravel(points)]
            holder.ContourSequence.append(contour)
        ds.StructureSetROISequence.append(roi)
        ds.ROIContourSequence.append(holder)
    ds.RTROIObservationsSequence = Sequence()
    if edit:
        edit(ds)
    ds.save_as(path, enforce_file_format=True)
    return path


def closed(contours):
    return [("CLOSED_PLANAR", points) for points in contours]


@pytest.mark.parametrize(
    ("planes", "slices"),
    [
        ([112 + 3 * k for k in range(10)], range(4, 14)),  # on the slices
        ([112 + k for k in range(30)], range(4, 14)),  # every millimetre
        ([113.5 + 3 * k for k in range(10)], range(4, 14)),  # half-way: 112 to 142 mm, lower border inside
        ([112 + 6 * k for k in range(5)], range(3, 13)),  # every second slice: 109 to 139 mm
        ([112 + 5 * k for k in range(6)], range(4, 14)),  # 109.5 to 139.5 mm
        ([112 + 0.05 * (-1) ** k + 3 * k for k in range(10)], range(4, 14)),  # jitter
    ],
)
def test_thirty_millimetres_of_contours_are_ten_slices_wherever_their_planes_lie(planes, slices):
    mask, _ = drawn(tower(planes))
    assert slices_of(mask) == list(slices)
    assert mask.sum() == 400 * len(slices)


def test_the_slices_of_one_contour_and_of_two():
    assert slices_of(drawn(tower([113.5]))[0]) == [4]
    assert slices_of(drawn(tower([112, 115]))[0]) == [4, 5]
    mask, notes = drawn(tower([112, 118]))
    assert slices_of(mask) == [4, 6] and "no contour on 1 plane(s)" in notes[0]


def test_a_missing_plane_stays_empty_and_is_told():
    mask, notes = drawn(tower([112, 115, 118, 124, 127, 130]))
    assert slices_of(mask) == [4, 5, 6, 8, 9, 10]
    assert notes == ("'GTVp' has no contour on 1 plane(s) in 1 gap(s): these slices were left empty.",)


def test_planes_that_stand_for_several_slices_are_told():
    _, notes = drawn(tower([112 + 6 * k for k in range(5)]))
    assert notes == ("'GTVp' was drawn every 6.0 mm: each contour stands for the slices around it.",)


def test_parts_beside_one_another_have_planes_of_their_own():
    # Two nodes, each drawn every 3 mm, the planes of one half-way between those of the other.
    mask, notes = drawn([*tower([112, 115, 118], x=-15.0, side=9.5), *tower([113.5, 116.5, 119.5], x=5.0, side=9.5)])
    for columns in (slice(0, 20), slice(20, 64)):
        assert slices_of(mask[:, :, columns]) == [4, 5, 6]
    assert notes == ()


def test_one_region_drawn_finely_does_not_thin_another(tmp_path):
    fine, coarse = tower([112 + k for k in range(6)]), tower([112 + 3 * k for k in range(4)])
    masks = read_rtstruct(write(tmp_path / "x.dcm", [("Lens_L", closed(fine)), ("GTVp", closed(coarse))]), GRID)
    assert slices_of(masks["GTVp"]) == [4, 5, 6, 7] and slices_of(masks["Lens_L"]) == [4, 5]


def test_a_part_between_two_slices_does_not_vanish():
    mask, notes = drawn(tower([113.0, 113.5, 114.0]))
    assert mask.sum() == 400 and "between two slices" in notes[0]


def test_all_contours_of_a_slice_count_though_their_planes_differ_by_rounding():
    mask, _ = drawn([square(-10.25, -5.75, 0, 5, 112), square(4.75, 9.25, 0, 5, 112.06), *tower([115, 118])])
    assert mask[4].sum() == 2 * 25


def test_holes_by_keyhole_by_nesting_and_by_exclusion():
    outer, inner = square(-5.25, 14.5, -9.5, 10.25, 112), square(-0.25, 4.5, -4.5, 0.25, 112)
    ring = 400 - 25
    assert drawn([outer, inner])[0].sum() == ring
    assert drawn([outer, inner], exclusive=True)[0].sum() == ring
    keyhole = np.concatenate([outer, outer[:1], inner[::-1], inner[-1:]])
    assert drawn([keyhole])[0].sum() == ring


def test_contours_that_overlap_in_part_are_joined_unless_they_exclude_each_other():
    one, other = square(-5.25, 4.5, 0, 9.5, 112), square(-0.25, 9.5, 0, 9.5, 112)
    mask, notes = drawn([one, other])
    assert mask.sum() == 150 and notes == ("Contours of 'GTVp' that overlap on one plane were joined.",)
    assert drawn([one, other], exclusive=True)[0].sum() == 100


def test_a_contour_that_is_there_twice_counts_once():
    once, twice = drawn(tower([112]))[0], drawn([*tower([112]), *tower([112])])[0]
    np.testing.assert_array_equal(once, twice)


def test_points_a_little_off_their_plane_and_far_off_it():
    contour = square(-5.25, 14.5, -9.5, 10.25, 112)
    contour[:, 2] += [0.1, -0.1, 0.2, -0.2]
    assert drawn([contour])[0].sum() == 400
    sagittal = np.array([(0, -5, 110), (0, 5, 110), (0, 5, 130), (0, -5, 130)], float)
    with pytest.raises(GeometryError, match=r"'GTVp' crosses 20\.0 mm of slices"):
        drawn([sagittal])


def test_mirrored_contours_mirror_the_mask():
    contours = tower([112, 115, 118], x=3.3)
    middle = GRID.to_lps((0, 0, 63 / 2))[0]
    mirrored = [points * (-1, 1, 1) + (2 * middle, 0, 0) for points in contours]
    np.testing.assert_array_equal(drawn(mirrored)[0], drawn(contours)[0][:, :, ::-1])


def test_empty_absent_open_and_pointless_contours_do_not_matter(tmp_path):
    rois = [
        ("GTVp", [("CLOSED_PLANAR", square(-5.25, 14.5, -9.5, 10.25, 112)), ("POINT", [(0, 0, 112)])]),
        ("Bolus", [("CLOSED_PLANAR", None)]),
        ("Line", [("OPEN_PLANAR", square(0, 1, 0, 1, 112)), ("OPEN_NONPLANAR", square(0, 1, 0, 1, 112))]),
        ("Iso", [("POINT", [(0, 0, 112)])]),
        ("Two points", [("CLOSED_PLANAR", [(0, 0, 112), (1, 1, 112)])]),
        ("Nothing", []),
        ("Empty", [("CLOSED_PLANAR", None)]),
    ]

    def edit(ds):
        ds.ROIContourSequence[6].ContourSequence[0].ContourData = None
        del ds.ROIContourSequence[5].ContourSequence

    found = read_structure_set(write(tmp_path / "x.dcm", rois, edit=edit))
    assert [roi.name for roi in found.rois if roi.holds_something] == ["GTVp"]
    assert len(found.rois) == 7 and found.notes == ()
    assert found.rois[0].notes == ("1 contour(s) of 'GTVp' enclose nothing (points, lines) and were left out.",)
    assert read_rtstruct(tmp_path / "x.dcm", GRID)["GTVp"].sum() == 400


def test_one_number_for_several_regions(tmp_path):
    rois = [("Mandible", closed(tower([112, 115]))), ("GTVp", closed(tower([130]))), ("Cord", closed(tower([112])))]
    found = read_structure_set(write(tmp_path / "x.dcm", rois, numbers=[1, 1, 2]))
    mandible, gtvp, cord = found.rois
    assert (mandible.problem, gtvp.problem) == (gtvp.problem,) * 2 and cord.problem == ""
    with pytest.raises(UnreadableFileError, match="'GTVp' cannot be used: 2 regions of the file share its number"):
        rasterise(gtvp, GRID)
    # Two entries of one region are no fault.
    write(tmp_path / "y.dcm", [("GTVp", closed(tower([112]))), ("GTVp", closed(tower([115])))], numbers=[1, 1])
    (roi,) = read_structure_set(tmp_path / "y.dcm").rois
    assert len(roi.contours) == 2


def test_two_regions_of_one_name_are_one(tmp_path):
    rois = [("GTVn", closed(tower([112]))), ("GTVn", closed(tower([130])))]
    assert slices_of(read_rtstruct(write(tmp_path / "x.dcm", rois), GRID)["GTVn"]) == [4, 10]


def test_contours_of_a_region_that_is_not_listed_are_left_out_and_told(tmp_path):
    def edit(ds):
        ds.ROIContourSequence[1].ReferencedROINumber = 99

    rois = [("GTVp", closed(tower([112]))), ("Gone", closed(tower([130])))]
    found = read_structure_set(write(tmp_path / "x.dcm", rois, edit=edit))
    assert found.notes == ("Contours of 1 region(s) that the structure set does not list were left out.",)
    assert [len(roi.contours) for roi in found.rois] == [1, 0]


def test_contours_that_count_their_points_wrongly_are_told(tmp_path):
    def edit(ds):
        ds.ROIContourSequence[0].ContourSequence[0].NumberOfContourPoints = 40

    (roi,) = read_structure_set(write(tmp_path / "x.dcm", [("GTVp", closed(tower([112, 115])))], edit=edit)).rois
    assert roi.notes == ("1 contour(s) of 'GTVp' have more or fewer points than they say.",)
    assert rasterise(roi, GRID).mask.array.sum() == 800


@pytest.mark.parametrize("values", [["1", "2", "x", "4", "5", "6"], ["1"] * 10, ["nan"] * 9])
def test_damaged_coordinates_spoil_their_region_alone(values, tmp_path):
    def edit(ds):
        with pydicom.config.disable_value_validation():
            raw = "\\".join(values).encode()
            raw += b" " * (len(raw) % 2)
            tag = pydicom.tag.Tag("ContourData")
            element = pydicom.dataelem.RawDataElement(tag, "DS", len(raw), raw, 0, True, True)
            ds.ROIContourSequence[1].ContourSequence[0][tag] = element

    rois = [("GTVp", closed(tower([112]))), ("Cord", closed(tower([112])))]
    gtvp, cord = read_structure_set(write(tmp_path / "x.dcm", rois, edit=edit)).rois
    assert rasterise(gtvp, GRID).mask.array.sum() == 400
    with pytest.raises(UnreadableFileError, match="coordinates that are no points"):
        rasterise(cord, GRID)


def test_every_region_has_its_own_frame_of_reference(tmp_path):
    def edit(ds):
        ds.StructureSetROISequence[1].ReferencedFrameOfReferenceUID = "9.9"

    rois = [("GTVp", closed(tower([112]))), ("GTVp PET", closed(tower([112])))]
    found = read_structure_set(write(tmp_path / "x.dcm", rois, edit=edit))
    assert [roi.frame_of_reference_uid for roi in found.rois] == ["1.2.3", "9.9"]
    with pytest.raises(GeometryError, match="another frame of reference"):
        read_rtstruct(tmp_path / "x.dcm", GRID)


def test_a_region_without_frame_has_that_of_the_object(tmp_path):
    def edit(ds):
        del ds.StructureSetROISequence[0].ReferencedFrameOfReferenceUID
        item = Dataset()
        item.FrameOfReferenceUID = "7.7"
        ds.ReferencedFrameOfReferenceSequence = Sequence([item])

    (roi,) = read_structure_set(write(tmp_path / "x.dcm", [("GTVp", closed(tower([112])))], edit=edit)).rois
    assert roi.frame_of_reference_uid == "7.7"


def test_names_of_any_letters_and_none(tmp_path):
    def edit(ds):
        ds.SpecificCharacterSet = "ISO_IR 192"

    rois = [("Läsion - große", closed(tower([112]))), ("", closed(tower([112]))), ("  GTVp  ", [])]
    found = read_structure_set(write(tmp_path / "x.dcm", rois, edit=edit))
    assert [roi.name for roi in found.rois] == ["Läsion - große", "ROI 2", "GTVp"]


def test_outside_the_grid_is_nothing():
    assert drawn(tower([20, 23, 26]))[0].sum() == 0
    assert rasterise(Roi("GTVp", ()), GRID).mask.array.sum() == 0


def test_contours_on_slices_of_an_oblique_grid():
    a = np.radians(20)
    turn = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ GRID.ijk_to_lps[:3, :3]
    matrix[:3, 3] = GRID.origin_lps_mm
    grid = Geometry(GRID.shape, matrix)
    contours = [grid.to_lps(GRID.to_ijk(points)) for points in tower([112 + 3 * k for k in range(5)])]
    np.testing.assert_array_equal(drawn(contours, grid)[0], drawn(tower([112 + 3 * k for k in range(5)]))[0])


def test_contours_smaller_than_a_pixel_change_nothing():
    outer, speck = square(-5.25, 14.5, -9.5, 10.25, 112), square(0.4, 0.5, 0.4, 0.5, 112)
    assert drawn([outer, speck, speck])[0].sum() == 400
