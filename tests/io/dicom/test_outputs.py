"""DICOM SEG and RTSTRUCT together: the same masks, the same places, the same refusals."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from hyoid.anatomy.structures import BY_LABEL, BY_NAME, GTVN, GTVP, TG263_NAMES, foreign_structure
from hyoid.errors import GeometryError, OutputError, UnreadableFileError, UsageError
from hyoid.io.dicom.output import Export, decimals, synthetic_headers
from hyoid.io.dicom.rois import read_structure_set
from hyoid.io.dicom.rtstruct import read_rtstruct, rtstruct_masks, write_rtstruct
from hyoid.io.dicom.seg import read_seg, seg_masks, write_seg
from hyoid.io.dicom.series import read_series
from hyoid.io.masks import Outline, boxed, on_grid
from hyoid.io.verify import verify_written
from hyoid.provenance import by_reader, edited, network
from hyoid.volume import Geometry, Quantity, Volume

PAROTID_L, PAROTID_R, TONGUE = (BY_NAME[n].label for n in ("parotid_left", "parotid_right", "tongue"))
SHAPE = (7, 20, 24)


def turned(degrees, order=(0, 1, 2), flips=(1, 1, 1)):
    """Oblique grid with its axes in any order."""
    a = np.radians(degrees)
    turn = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    matrix = np.eye(4)
    matrix[:3, :3] = (turn @ np.eye(3)[:, ::-1])[:, list(order)] * (2.5, 0.8, 0.9) * flips
    matrix[:3, 3] = (-10.0, 20.0, 300.0)
    return Geometry(SHAPE, matrix, "1.2.3.4")


GRIDS = {
    "axial": turned(0),
    "oblique": turned(17),
    "coronal": turned(0, (1, 0, 2), (1, -1, 1)),
    "sagittal oblique": turned(9, (2, 0, 1), (1, -1, 1)),
    "prone": turned(0, flips=(1, -1, -1)),
    "head down": turned(0, flips=(-1, 1, 1)),
}


def masks_of(shape=SHAPE):
    """Overlapping masks, one with a hole, one in two pieces, one at the edge."""
    masks = {label: np.zeros(shape, bool) for label in (PAROTID_L, PAROTID_R, TONGUE, GTVP)}
    masks[PAROTID_L][1:4, 3:9, 15:22] = True
    masks[PAROTID_R][1:4, 3:9, 2:6] = True
    masks[TONGUE][2:7, 8:20, 8:16] = True
    masks[TONGUE][3:6, 12:15, 10:13] = False
    masks[GTVP][3, 10:14, 9:14] = True
    masks[GTVP][6, 19, 23] = True
    return masks


def written_by(writer, path, grid, masks=None, headers=None, **options):
    headers = synthetic_headers(grid, seed="test") if headers is None else headers
    return writer(path, masks_of() if masks is None else masks, headers, grid, **options)


WRITERS = pytest.mark.parametrize("writer", [write_seg, write_rtstruct])


def read_back(writer, path, grid):
    return seg_masks(path) if writer is write_seg else rtstruct_masks(path, grid)


@WRITERS
@pytest.mark.parametrize("name", GRIDS)
def test_every_voxel_returns_on_every_grid(writer, name, tmp_path):
    grid = GRIDS[name]
    result = written_by(writer, tmp_path / "x.dcm", grid)
    assert set(result.labels) == set(masks_of()) and result.empty == ()
    found = read_back(writer, tmp_path / "x.dcm", grid)
    for label, mask in masks_of().items():
        np.testing.assert_array_equal(on_grid(found[label], grid), mask)
    table = verify_written(masks_of(), found, grid)
    assert [row.shift_mm for row in table] == pytest.approx([0] * 4, abs=1e-6)
    assert table[0].written_ml == pytest.approx(table[0].read_ml)


@WRITERS
def test_label_volume_and_mapping_give_the_same(writer, tmp_path):
    grid = GRIDS["axial"]
    labels = np.zeros(SHAPE, np.uint8)
    for label, mask in masks_of().items():
        labels[mask & (labels == 0)] = label
    volume = Volume(labels, grid, Quantity.LABEL)
    writer(tmp_path / "a.dcm", volume, synthetic_headers(grid))
    found = read_back(writer, tmp_path / "a.dcm", grid)
    for label in masks_of():
        np.testing.assert_array_equal(on_grid(found[label], grid), labels == label)


@WRITERS
def test_mirrored_patient_mirrors_the_file(writer, tmp_path):
    grid = GRIDS["axial"]
    middle = grid.to_lps((np.array(SHAPE) - 1) / 2)[0]
    x = []
    for name, masks in (("a", masks_of()), ("b", {k: m[:, :, ::-1] for k, m in masks_of().items()})):
        written_by(writer, tmp_path / name, grid, masks)
        mask = read_back(writer, tmp_path / name, grid)[PAROTID_L]
        x.append(mask.geometry.to_lps(np.argwhere(mask.array)).mean(axis=0)[0])
    assert x[0] > middle > x[1]  # LPS: the left parotid lies at larger x
    assert x[0] - middle == pytest.approx(middle - x[1])


@WRITERS
def test_empty_structures_are_left_out_and_said(writer, tmp_path):
    masks = {**masks_of(), GTVN: np.zeros(SHAPE, bool)}
    result = written_by(writer, tmp_path / "x.dcm", GRIDS["axial"], masks)
    assert result.empty == (GTVN,) and GTVN not in result.labels
    assert GTVN not in read_back(writer, tmp_path / "x.dcm", GRIDS["axial"])


@WRITERS
def test_what_cannot_be_written(writer, tmp_path):
    grid = GRIDS["axial"]
    with pytest.raises(OutputError, match="all masks are empty"):
        written_by(writer, tmp_path / "x.dcm", grid, {TONGUE: np.zeros(SHAPE, bool)})
    with pytest.raises(UsageError, match=r"\[77\] name no structure"):
        written_by(writer, tmp_path / "x.dcm", grid, {77: np.ones(SHAPE, bool)})
    with pytest.raises(GeometryError, match="label 5 has shape"):
        written_by(writer, tmp_path / "x.dcm", grid, {5: np.ones((2, 2, 2), bool)})
    with pytest.raises(GeometryError, match="without the grid"):
        writer(tmp_path / "x.dcm", masks_of(), synthetic_headers(grid))
    assert list(tmp_path.iterdir()) == []


@WRITERS
def test_file_belongs_to_the_study_and_names_its_images(writer, make_series, tmp_path):
    grid = GRIDS["oblique"]
    datasets = make_series(np.zeros(SHAPE), grid)
    study = read_series(datasets)
    written_by(writer, tmp_path / "x.dcm", study.volume.geometry, headers=study.headers)
    ds = pydicom.dcmread(tmp_path / "x.dcm")
    for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "FrameOfReferenceUID", "StudyDate"):
        assert getattr(ds, keyword) == getattr(datasets[0], keyword)
    assert ds.SeriesInstanceUID != datasets[0].SeriesInstanceUID
    if writer is write_rtstruct:
        contour = ds.ROIContourSequence[0].ContourSequence[0]
        uid = contour.ContourImageSequence[0].ReferencedSOPInstanceUID
    else:
        frame = ds.PerFrameFunctionalGroupsSequence[0]
        uid = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        contour = None
    image = next(d for d in datasets if d.SOPInstanceUID == uid)
    first = np.array(contour.ContourData[:3] if contour else frame.PlanePositionSequence[0].ImagePositionPatient, float)
    normal = np.cross(image.ImageOrientationPatient[:3], image.ImageOrientationPatient[3:])
    assert normal @ first == pytest.approx(normal @ np.array(image.ImagePositionPatient, float), abs=1e-3)


@WRITERS
def test_masks_on_a_straightened_or_interpolated_grid(writer, make_series, tmp_path):
    datasets = make_series(np.zeros(SHAPE), GRIDS["axial"])
    for index, dataset in enumerate(datasets):
        dataset.ImagePositionPatient[1] += 0.7 * index
    del datasets[3]
    study = read_series(datasets, regularize=True)
    grid = study.volume.geometry
    assert grid.shape[0] == SHAPE[0] and grid.shape[1] > SHAPE[1] and len(study.headers) == SHAPE[0] - 1
    masks = {TONGUE: np.zeros(grid.shape, bool)}
    masks[TONGUE][1:6, -6:-2, 3:9] = True
    written_by(writer, tmp_path / "x.dcm", grid, masks, study.headers)
    verify_written(masks, read_back(writer, tmp_path / "x.dcm", grid), grid)


@WRITERS
def test_hashed_headers_do_not_stop_a_writer(writer, make_series, tmp_path):
    datasets = make_series(np.zeros(SHAPE), GRIDS["axial"])
    for dataset in datasets:
        with pydicom.config.disable_value_validation():
            dataset.add_new("StudyDate", "DA", "9f86d081884c7d65")
            dataset.add_new("PatientName", "PN", "x" * 256)
            dataset.add_new("PatientBirthDate", "DA", "unknown")
            del dataset.StudyTime, dataset.AccessionNumber
    study = read_series(datasets)
    written_by(writer, tmp_path / "x.dcm", study.volume.geometry, headers=study.headers)
    assert set(read_back(writer, tmp_path / "x.dcm", study.volume.geometry)) == set(masks_of())


PROVENANCES = {PAROTID_L: network("organs", "1.2"), TONGUE: edited("organs", "1.2"), GTVP: by_reader("MD")}


def outlines(grid=None):
    """Whole, overlapping structures, each with its maker; the tongue lies on a box of the grid."""
    grid = grid or GRIDS["axial"]
    masks = {label: mask for label, mask in masks_of().items() if label in PROVENANCES}
    masks[TONGUE] = masks[TONGUE] | masks[GTVP]
    found, _ = boxed(masks, grid)
    whole = Volume(masks[GTVP], grid, Quantity.LABEL)
    return [
        Outline(BY_LABEL[PAROTID_L], found[PAROTID_L], PROVENANCES[PAROTID_L]),
        Outline(BY_LABEL[TONGUE], found[TONGUE], PROVENANCES[TONGUE], "110 ml, more than any tongue."),
        Outline(BY_LABEL[GTVP], whole, PROVENANCES[GTVP]),
    ]


@WRITERS
def test_overlapping_outlines_leave_whole(writer, tmp_path):
    grid = GRIDS["oblique"]
    result = writer(tmp_path / "x.dcm", outlines(grid), synthetic_headers(grid), grid)
    assert result.labels == (TONGUE, PAROTID_L, GTVP)
    found = read_back(writer, tmp_path / "x.dcm", grid)
    assert (on_grid(found[TONGUE], grid) & on_grid(found[GTVP], grid)).sum() == masks_of()[GTVP].sum()
    verify_written(outlines(grid), found)


@WRITERS
def test_every_outline_says_who_drew_it(writer, tmp_path):
    writer(tmp_path / "x.dcm", outlines(), synthetic_headers(GRIDS["axial"]), GRIDS["axial"])
    ds = pydicom.dcmread(tmp_path / "x.dcm")
    if writer is write_seg:
        items = {i.TrackingID: (i.SegmentAlgorithmType, i.SegmentDescription) for i in ds.SegmentSequence}
        made = {i.TrackingID: i.get("SegmentationAlgorithmIdentificationSequence") for i in ds.SegmentSequence}
        assert not made["gtvp"] and made["tongue"][0].AlgorithmName == "organs"
        assert made["parotid_left"][0].AlgorithmVersion == "1.2"
    else:
        items = {r.ROIName: (r.ROIGenerationAlgorithm, r.ROIDescription) for r in ds.StructureSetROISequence}
        assert [o.ROIInterpreter for o in ds.RTROIObservationsSequence] == ["", "", "MD"]
        assert ds.StructureSetDescription.endswith("Research use only.")
    assert items == {
        "tongue": (
            "SEMIAUTOMATIC",
            "Tongue. Reader edited organs 1.2. 110 ml, more than any tongue. Research use only.",
        ),
        "parotid_left": ("AUTOMATIC", "Parotid gland, left. Network organs 1.2. Research use only."),
        "gtvp": ("MANUAL", "Primary tumour (GTVp). Reader. Research use only."),
    }


@WRITERS
def test_the_same_input_gives_the_same_file_and_any_other_another_uid(writer, tmp_path):
    grid, moment = GRIDS["axial"], Export(now=datetime(2026, 1, 2, 3, 4, 5))

    def made(name, masks=None, seed="a", **more):
        writer(
            tmp_path / name, outlines() if masks is None else masks, synthetic_headers(grid, seed=seed), grid, **more
        )
        return pydicom.dcmread(tmp_path / name)

    first, again = made("1", export=moment), made("2", export=moment)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    later = made("3", export=Export(now=datetime(2027, 1, 1)))
    assert first.SOPInstanceUID == again.SOPInstanceUID == later.SOPInstanceUID
    assert later.SeriesDate == "20270101"
    others = [
        made("4", outlines()[:2]),
        made("5", seed="b"),
        made("6", description="another"),
        made("7", [replace(o, provenance=by_reader()) for o in outlines()]),
        made("8", export=Export(names=TG263_NAMES)),
    ]
    assert len({ds.SOPInstanceUID for ds in [first, *others]}) == 6
    assert len({ds.SeriesInstanceUID for ds in [first, *others]}) == 6
    moved = outlines()
    moved[2] = replace(moved[2], mask=moved[2].mask.with_array(np.roll(moved[2].mask.array, 1, axis=2)))
    shifted = made("9", moved)
    assert shifted.SeriesInstanceUID == first.SeriesInstanceUID and shifted.SOPInstanceUID != first.SOPInstanceUID


@WRITERS
def test_names_of_tg263_and_free_series_numbers(writer, tmp_path):
    headers = synthetic_headers(GRIDS["axial"])
    for header in headers:
        header.SeriesNumber = 4
    kind = 4300 if writer is write_seg else 4301
    export = Export(names=TG263_NAMES, taken_numbers={kind})
    writer(tmp_path / "x.dcm", outlines(), headers, GRIDS["axial"], export=export)
    ds = pydicom.dcmread(tmp_path / "x.dcm")
    assert ds.SeriesNumber == kind + 10
    if writer is write_seg:
        assert [i.SegmentLabel for i in ds.SegmentSequence] == ["Tongue", "Parotid_L", "GTVp"]
        assert set(seg_masks(tmp_path / "x.dcm")) == set(PROVENANCES)
    else:
        assert [r.ROIName for r in ds.StructureSetROISequence] == ["Tongue", "Parotid_L", "GTVp"]
        assert set(rtstruct_masks(tmp_path / "x.dcm", GRIDS["axial"], names=TG263_NAMES)) == set(PROVENANCES)
    with pytest.raises(UsageError, match="would be named Tongue"):
        names = {"tongue": "Tongue", "gtvp": "Tongue"}
        writer(tmp_path / "x.dcm", outlines(), headers, GRIDS["axial"], export=Export(names=names))


@WRITERS
def test_outlines_that_cannot_be_told_apart_or_placed(writer, tmp_path):
    grid = GRIDS["axial"]
    first, second, third = outlines()
    with pytest.raises(UsageError, match=f"share the label {TONGUE}"):
        writer(tmp_path / "x.dcm", [second, second], synthetic_headers(grid), grid)
    with pytest.raises(UsageError, match="share the name tongue"):
        renamed = replace(third.structure, name="tongue")
        writer(tmp_path / "x.dcm", [second, replace(third, structure=renamed)], synthetic_headers(grid), grid)
    with pytest.raises(GeometryError, match="grid of the file is not said"):
        writer(tmp_path / "x.dcm", [first, second], synthetic_headers(grid))
    nothing = replace(third, mask=third.mask.with_array(np.zeros(SHAPE, bool)))
    assert writer(tmp_path / "x.dcm", [first, nothing], synthetic_headers(grid), grid).empty == (GTVP,)


@WRITERS
def test_demographic_and_trial_attributes_are_kept(writer, make_series, tmp_path):
    grid = GRIDS["axial"]
    datasets = make_series(np.zeros(SHAPE), grid)
    kept = {
        "PatientAge": "063Y",
        "PatientWeight": "71.5",
        "PatientComments": "left handed",
        "ClinicalTrialSponsorName": "A",
        "ClinicalTrialProtocolID": "P-7",
        "ClinicalTrialSubjectID": "S-1",
        "ClinicalTrialTimePointID": "PRE",
        "StudyDescription": "NECK",
        "IssuerOfPatientID": "HOSPITAL",
    }
    for dataset in datasets:
        for keyword, value in kept.items():
            setattr(dataset, keyword, value)
        del dataset.FrameOfReferenceUID
    study = read_series(datasets)
    written_by(writer, tmp_path / "x.dcm", study.volume.geometry, headers=study.headers)
    ds = pydicom.dcmread(tmp_path / "x.dcm")
    assert {keyword: str(ds[keyword].value) for keyword in kept} == kept
    assert ds.FrameOfReferenceUID


def test_seg_is_deflated_unless_asked_otherwise(tmp_path):
    grid = Geometry.axial((60, 256, 256), (2.0, 1.0, 1.0))
    masks = {TONGUE: np.ones(grid.shape, bool)}
    for name, deflated in (("a", True), ("b", False)):
        write_seg(tmp_path / name, masks, synthetic_headers(grid), grid, export=Export(deflated=deflated))
        (segment,) = read_seg(tmp_path / name).segments
        assert segment.mask.array.all()
    sizes = [(tmp_path / name).stat().st_size for name in ("a", "b")]
    assert sizes[0] * 10 < sizes[1] and sizes[1] > masks[TONGUE].size // 8


def test_seg_says_code_side_colour_and_algorithm(tmp_path):
    written_by(write_seg, tmp_path / "x.dcm", GRIDS["axial"], algorithm="net", version="7", description="my masks")
    ds = pydicom.dcmread(tmp_path / "x.dcm")
    assert ds.SegmentationType == "BINARY" and ds.SeriesDescription == "my masks. Research use only."
    items = {i.TrackingID: i for i in ds.SegmentSequence}
    left = items["parotid_left"]
    assert left.SegmentLabel == "Parotid gland, left"
    code = left.SegmentedPropertyTypeCodeSequence[0]
    assert (code.CodeValue, code.CodingSchemeDesignator) == ("45289007", "SCT")
    assert code.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Left"
    right = items["parotid_right"].SegmentedPropertyTypeCodeSequence[0]
    assert right.SegmentedPropertyTypeModifierCodeSequence[0].CodeValue == "24028007"
    assert "SegmentedPropertyTypeModifierCodeSequence" not in items["tongue"].SegmentedPropertyTypeCodeSequence[0]
    assert items["gtvp"].SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
    algorithm = left.SegmentationAlgorithmIdentificationSequence[0]
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("net", "7")
    assert len(left.RecommendedDisplayCIELabValue) == 3


def test_seg_agrees_with_highdicoms_own_reader(tmp_path):
    import highdicom

    grid = GRIDS["axial"]
    written_by(write_seg, tmp_path / "x.dcm", grid)
    seg = highdicom.seg.segread(tmp_path / "x.dcm")
    for number in seg.segment_numbers:
        name = seg.get_segment_description(number).tracking_id
        volume = seg.get_volume(segment_numbers=[number], skip_overlap_checks=True, combine_segments=False)
        mask = masks_of()[BY_NAME[name].label]
        indices = np.argwhere(volume.array[..., 0])
        points = volume.map_indices_to_reference(indices)
        expected = grid.to_lps(np.argwhere(mask))
        np.testing.assert_allclose(sorted(points.round(3).tolist()), sorted(expected.round(3).tolist()), atol=2e-3)


def test_rtstruct_says_names_colours_codes_and_type(tmp_path):
    written_by(write_rtstruct, tmp_path / "x.dcm", GRIDS["axial"], algorithm="net", version="7")
    ds = pydicom.dcmread(tmp_path / "x.dcm")
    names = [r.ROIName for r in ds.StructureSetROISequence]
    assert names == ["tongue", "parotid_left", "parotid_right", "gtvp"]
    assert [o.RTROIInterpretedType for o in ds.RTROIObservationsSequence] == ["ORGAN", "ORGAN", "ORGAN", "GTV"]
    assert list(ds.ROIContourSequence[1].ROIDisplayColor) == list(BY_NAME["parotid_left"].rgb)
    code = ds.RTROIObservationsSequence[1].RTROIIdentificationCodeSequence[0]
    assert code.CodeValue == "45289007"
    assert code.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Left"
    assert ds.StructureSetROISequence[0].ROIGenerationDescription == "program net 7"
    for item in ds.ROIContourSequence:
        for contour in item.ContourSequence:
            assert contour.NumberOfContourPoints * 3 == len(contour.ContourData)


def test_rtstruct_points_by_hand(tmp_path):
    grid = Geometry.axial((3, 4, 4), (2.0, 1.0, 1.0), (100.0, 200.0, 300.0))
    mask = np.zeros((3, 4, 4), bool)
    mask[1, 2, 1] = True
    write_rtstruct(tmp_path / "x.dcm", {TONGUE: mask}, synthetic_headers(grid), grid)
    (roi,) = read_structure_set(tmp_path / "x.dcm").rois
    (points,) = roi.contours
    # A diamond around the voxel at x = 101, y = 202, z = 302.
    assert sorted(points.tolist()) == [[100.5, 202, 302], [101, 201.5, 302], [101, 202.5, 302], [101.5, 202, 302]]


def test_contours_on_every_other_plane_fill_the_planes_between(tmp_path):
    coarse = Geometry.axial((4, 20, 24), (6.0, 0.8, 0.9), frame_of_reference_uid="1.2")
    fine = Geometry.axial((10, 20, 24), (2.0, 0.8, 0.9), frame_of_reference_uid="1.2")
    mask = np.zeros(coarse.shape, bool)
    mask[1:4, 5:10, 5:10] = True
    write_rtstruct(tmp_path / "x.dcm", {TONGUE: mask}, synthetic_headers(coarse), coarse)
    found = read_rtstruct(tmp_path / "x.dcm", fine)["tongue"]
    # Planes at 6, 12 and 18 mm stand for 3 to 21 mm: slices from 4 mm upward.
    assert np.flatnonzero(found.any(axis=(1, 2))).tolist() == [2, 3, 4, 5, 6, 7, 8, 9]
    assert found[4].sum() == 25


def test_rtstruct_of_another_frame_or_direction_is_refused(tmp_path):
    grid = GRIDS["axial"]
    written_by(write_rtstruct, tmp_path / "x.dcm", grid)
    with pytest.raises(GeometryError, match="another frame of reference"):
        read_rtstruct(tmp_path / "x.dcm", Geometry(SHAPE, grid.ijk_to_lps, "9.9"))
    with pytest.raises(GeometryError, match="planes of another direction"):
        read_rtstruct(tmp_path / "x.dcm", Geometry(SHAPE, GRIDS["coronal"].ijk_to_lps))


@pytest.mark.parametrize("reader", [read_seg, read_structure_set])
def test_foreign_truncated_and_absent_files(reader, tmp_path, make_series, save):
    with pytest.raises(UnreadableFileError, match="cannot be opened"):
        reader(tmp_path / "absent")
    (path,) = save(make_series(np.zeros((1, 4, 4)), Geometry.axial((1, 4, 4), (1, 1, 1))), tmp_path)
    with pytest.raises(UnreadableFileError, match=r"no (DICOM SEG|RT Structure Set)"):
        reader(path)
    writer = write_seg if reader is read_seg else write_rtstruct
    written_by(writer, tmp_path / "x.dcm", GRIDS["axial"])
    data = (tmp_path / "x.dcm").read_bytes()
    (tmp_path / "x.dcm").write_bytes(data[: len(data) // 3])
    with pytest.raises(UnreadableFileError):
        reader(tmp_path / "x.dcm")


def test_fractional_and_single_frame_seg_are_read(tmp_path):
    grid = GRIDS["axial"]
    mask = np.zeros(SHAPE, bool)
    mask[3, 4:8, 5:9] = True
    write_seg(tmp_path / "x.dcm", {TONGUE: mask}, synthetic_headers(grid), grid)
    ds = pydicom.dcmread(tmp_path / "x.dcm")
    ds.SegmentationType, ds.MaximumFractionalValue = "FRACTIONAL", 200
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    values = np.zeros(SHAPE[1:], np.uint8)
    values[4:8, 5:9], values[0, 0] = 150, 90
    ds.PixelData = values.tobytes()
    ds.save_as(tmp_path / "x.dcm")
    (segment,) = read_seg(tmp_path / "x.dcm").segments
    np.testing.assert_array_equal(on_grid(segment.mask, grid), mask)


def test_synthetic_headers_are_anonymous_and_repeatable():
    grid = GRIDS["oblique"]
    headers = synthetic_headers(grid, seed="abc")
    again = synthetic_headers(grid, seed="abc")
    assert [h.SOPInstanceUID for h in headers] == [h.SOPInstanceUID for h in again]
    assert len({h.SOPInstanceUID for h in headers}) == SHAPE[0]
    assert synthetic_headers(grid)[0].StudyInstanceUID != synthetic_headers(grid)[0].StudyInstanceUID
    assert headers[0].PatientID == "ANONYMOUS" and headers[0].PatientBirthDate == ""
    assert isinstance(headers[0], Dataset)
    assert all(len(d) <= 16 for d in decimals([-12345.123456789012, 1e-12, 1 / 3]))


def test_verify_catches_mirrors_shifts_losses_and_extras():
    grid = GRIDS["axial"]
    masks = masks_of()

    def volumes(changed):
        return {k: Volume(m, grid, Quantity.LABEL) for k, m in changed.items()}

    assert len(verify_written(masks, volumes(masks), grid)) == 4
    wrong = {
        "mirrored": {k: m[:, :, ::-1] for k, m in masks.items()},
        "shifted": {k: np.roll(m, 1, axis=1) for k, m in masks.items()},
        "upside down": {k: m[::-1] for k, m in masks.items()},
        "one voxel less": {**masks, TONGUE: masks[TONGUE] & (np.arange(24) != 8)},
    }
    for changed in wrong.values():
        with pytest.raises(OutputError, match="differs when the SEG is read back"):
            verify_written(masks, volumes(changed), grid, what="the SEG")
    with pytest.raises(OutputError, match="tongue is missing"):
        verify_written(masks, volumes({k: m for k, m in masks.items() if k != TONGUE}), grid)
    with pytest.raises(OutputError, match=r"Labels \[102\] appear only"):
        verify_written(masks, volumes({**masks, GTVN: masks[GTVP]}), grid)


@pytest.mark.shared
@pytest.mark.parametrize(("patient", "modality"), [("STS_002", "CT"), ("STS_003", "CT"), ("STS_002", "MR_T1")])
def test_real_rtstruct_gives_the_published_mask(shared_data, tmp_path, patient, modality):
    import zipfile

    from hyoid.io.files.volumes import read_labels
    from hyoid.io.study import read_study

    archive = shared_data / "dicom" / f"{patient}.zip"
    with zipfile.ZipFile(archive) as members:
        (tmp_path / "RS.dcm").write_bytes(members.read(f"{patient}/{modality}/mask/RS.dcm"))
    scan = read_study(archive, modality=modality[:2]).volume
    (mask,) = read_rtstruct(tmp_path / "RS.dcm", scan.geometry).values()
    published = read_labels(shared_data / "lesions" / patient / f"{modality}_mask.nii.gz").array > 0
    np.testing.assert_array_equal(mask, published)


HOSTILE = "<b>a\\b</b>[red]\x1b[31m\u202e\r\n腫瘍 & co"


@WRITERS
@pytest.mark.parametrize("characters", [None, "ISO_IR 100"])
def test_names_from_a_model_s_file_are_text_in_every_attribute(writer, characters, tmp_path):
    structures = {1: foreign_structure(1, HOSTILE)}
    headers = synthetic_headers(GRIDS["axial"], seed="test")
    for header in headers:
        if characters:
            header.SpecificCharacterSet, header.PatientName = characters, "Müller"
    array = np.zeros(SHAPE, np.uint8)
    array[2:5, 5:12, 5:12] = 1
    outline = Outline(structures[1], Volume(array == 1, GRIDS["axial"], Quantity.LABEL), network(HOSTILE, HOSTILE))
    path = tmp_path / "x.dcm"
    writer(path, [outline], headers, description=HOSTILE)
    dataset = pydicom.dcmread(path)
    texts = [e for e in dataset.iterall() if e.VR in ("LO", "SH", "ST", "LT", "UC", "UT", "PN", "CS")]
    found = [str(e.value) for e in texts if "腫瘍" in str(e.value)]
    assert len(found) >= 4 and all("<b>a/b</b>[red] [31m 腫瘍 & co" in text for text in found)
    assert all(str(e.value).isprintable() and e.VM <= 1 for e in texts if e.keyword != "ImageType")
    if characters:
        assert dataset.PatientName == "Müller"
    masks = seg_masks(path, structures) if writer is write_seg else rtstruct_masks(path, GRIDS["axial"], structures, {})
    assert np.array_equal(on_grid(masks[1], GRIDS["axial"]), array == 1)
