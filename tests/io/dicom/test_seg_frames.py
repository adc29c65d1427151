"""DICOM SEG of other writers: sparse, tilted, jittered, fractional, label maps; what each means in voxels."""

import highdicom as hd
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid

from hyoid.errors import GeometryError, UnreadableFileError
from hyoid.io.dicom.headers import quiet_pydicom
from hyoid.io.dicom.output import synthetic_headers
from hyoid.io.dicom.seg import read_seg
from hyoid.io.dicom.series import read_series
from hyoid.io.masks import on_grid
from hyoid.volume import Geometry

GRID = Geometry.axial((12, 40, 48), (3.0, 1.0, 1.0), (-20.0, -30.0, 100.0), "1.2.3")


def part(*slices):
    mask = np.zeros(GRID.shape, np.uint8)
    for z in slices:
        mask[z, 10:15, 20:30] = 1
    return mask


def segment(number, name):
    manual = hd.seg.SegmentAlgorithmTypeValues.MANUAL
    return hd.seg.SegmentDescription(number, name, codes.SCT.AnatomicalStructure, codes.SCT.Organ, manual)


def seg(path, masks, names=("GTVp", "GTVn"), kind="BINARY", *, headers=None, edit=None, **more):
    """SEG as highdicom writes it, changed by `edit`; `masks` is one array per segment."""
    with quiet_pydicom():
        ds = hd.seg.Segmentation(
            list(headers or synthetic_headers(GRID, seed="s")),
            np.stack(masks, axis=-1),
            kind,
            [segment(n, name) for n, name in enumerate(names[: len(masks)], start=1)],
            generate_uid(),
            1,
            generate_uid(),
            1,
            "ACME",
            "m",
            "1",
            "0",
            **more,
        )
    if edit:
        edit(ds)
    ds.save_as(path)
    return path


def measures(ds):
    return ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]


def position(group, z):
    old = group.PlanePositionSequence[0].ImagePositionPatient
    item = Dataset()
    item.ImagePositionPatient = [str(old[0]), str(old[1]), f"{z:.4f}"]
    group.PlanePositionSequence = Sequence([item])


def masks_of(path, grid=GRID):
    return {s.name: on_grid(s.mask, grid) for s in read_seg(path).segments}


def test_segments_that_overlap_and_frames_that_are_absent(tmp_path):
    one, other = part(2, 3, 4), part(4, 5)
    found = masks_of(seg(tmp_path / "x.dcm", [one, other], omit_empty_frames=True))
    np.testing.assert_array_equal(found["GTVp"], one)
    np.testing.assert_array_equal(found["GTVn"], other)


def test_frames_of_all_slices_in_any_order(tmp_path):
    def edit(ds):
        count = int(ds.NumberOfFrames)
        order = np.random.default_rng(3).permutation(count)
        bits = np.unpackbits(np.frombuffer(ds.PixelData, np.uint8), bitorder="little")[: count * 40 * 48]
        ds.PixelData = np.packbits(bits.reshape(count, -1)[order].ravel(), bitorder="little").tobytes()
        ds.PerFrameFunctionalGroupsSequence = Sequence([ds.PerFrameFunctionalGroupsSequence[i] for i in order])

    found = masks_of(seg(tmp_path / "x.dcm", [part(2, 3), part(7)], omit_empty_frames=False, edit=edit))
    np.testing.assert_array_equal(found["GTVp"], part(2, 3))
    np.testing.assert_array_equal(found["GTVn"], part(7))


@pytest.mark.parametrize("jitter", [0.0006, 0.002, 0.2])
def test_planes_of_one_segment_a_hair_off_those_of_another(jitter, tmp_path):
    def edit(ds):
        measures(ds).SpacingBetweenSlices = "3"
        for group in ds.PerFrameFunctionalGroupsSequence:
            if group.SegmentIdentificationSequence[0].ReferencedSegmentNumber == 2:
                position(group, float(group.PlanePositionSequence[0].ImagePositionPatient[2]) + jitter)

    found = read_seg(seg(tmp_path / "x.dcm", [part(2, 3, 4), part(3, 4, 5)], edit=edit)).segments
    assert [s.mask.array.sum() for s in found] == [150, 150]
    assert found[0].mask.geometry.spacing_mm[0] == pytest.approx(3.0)


@pytest.mark.parametrize("declared", ["spacing", "thickness"])
def test_two_frames_far_apart_are_two_slices_not_thick_ones(declared, tmp_path):
    def edit(ds):
        item = measures(ds)
        item.SliceThickness = "3" if declared == "thickness" else "5"
        if declared == "spacing":
            item.SpacingBetweenSlices = "3"
        elif "SpacingBetweenSlices" in item:
            del item.SpacingBetweenSlices

    (found,) = read_seg(seg(tmp_path / "x.dcm", [part(2, 9)], edit=edit)).segments
    assert found.mask.array.sum(axis=(1, 2)).tolist() == [50, 0, 0, 0, 0, 0, 0, 50]
    assert found.mask.geometry.voxel_ml == pytest.approx(0.003)


def test_frames_tell_the_step_where_thickness_is_another(tmp_path):
    def edit(ds):
        item = measures(ds)
        item.SliceThickness = "1.5"  # thinner than their distance: a gap between slices, as in MR
        if "SpacingBetweenSlices" in item:
            del item.SpacingBetweenSlices

    found = masks_of(seg(tmp_path / "x.dcm", [part(2, 3, 4, 5)], edit=edit))["GTVp"]
    np.testing.assert_array_equal(found, part(2, 3, 4, 5))


def test_one_frame(tmp_path):
    found = masks_of(seg(tmp_path / "x.dcm", [part(6)]))["GTVp"]
    np.testing.assert_array_equal(found, part(6))


def test_tilted_gantry(tmp_path, make_series):
    angle = np.radians(15)
    matrix = np.eye(4)
    across, down = np.array([1.0, 0, 0]), np.array([0, np.cos(angle), np.sin(angle)])
    matrix[:3, :3] = np.stack([np.array([0, 0, 3.0]), down, across], axis=1)
    matrix[:3, 3] = (-20, -30, 100)
    tilted = Geometry((20, 60, 64), matrix, "1.2.3")
    datasets = make_series(np.zeros(tilted.shape), tilted)
    series = read_series(datasets)
    assert series.provenance["gantry_tilt_deg"] == pytest.approx(15)
    mask = np.zeros(tilted.shape, np.uint8)
    mask[7:12, 20:32, 18:30] = 1
    path = seg(tmp_path / "x.dcm", [mask], headers=datasets)
    (found,) = read_seg(path).segments
    assert found.mask.array.sum() == 720
    placed = on_grid(found.mask, series.volume.geometry)
    assert placed.sum() == pytest.approx(720, rel=0.1)
    before = found.mask.geometry.to_lps(np.argwhere(found.mask.array)).mean(axis=0)
    after = series.volume.geometry.to_lps(np.argwhere(placed)).mean(axis=0)
    assert np.abs(before - after).max() < 0.5


def test_fractional_counts_above_one_half_and_says_so(tmp_path):
    fractions = part(2, 3) * 0.8
    fractions[3] *= 0.5
    path = seg(tmp_path / "x.dcm", [fractions.astype(np.float32)], kind="FRACTIONAL", max_fractional_value=200)
    np.testing.assert_array_equal(masks_of(path)["GTVp"], part(2))
    assert "above one half" in read_seg(path).notes[0]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless])
def test_label_maps(syntax, tmp_path):
    labels = part(2, 3) + 2 * part(5)
    headers = list(synthetic_headers(GRID, seed="s"))
    described = [segment(1, "GTVp"), segment(2, "GTVn")]
    with quiet_pydicom():
        ds = hd.seg.Segmentation(
            headers, labels, "LABELMAP", described, generate_uid(), 1, generate_uid(), 1, "ACME", "m", "1", "0",
            transfer_syntax_uid=syntax,
        )  # fmt: skip
    ds.save_as(tmp_path / "x.dcm")
    found = masks_of(tmp_path / "x.dcm")
    np.testing.assert_array_equal(found["GTVp"], part(2, 3))
    np.testing.assert_array_equal(found["GTVn"], part(5))


def test_frames_need_not_say_what_they_were_derived_from(tmp_path):
    def edit(ds):
        for group in ds.PerFrameFunctionalGroupsSequence:
            if "DerivationImageSequence" in group:
                del group.DerivationImageSequence

    np.testing.assert_array_equal(masks_of(seg(tmp_path / "x.dcm", [part(2)], edit=edit))["GTVp"], part(2))


def test_another_spacing_and_order_of_axes_is_brought_onto_the_scan(tmp_path):
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([(0, 1.5, 0), (0, 0, -1.5), (1.5, 0, 0)], axis=1)  # coronal
    matrix[:3, 3] = GRID.origin_lps_mm + np.array([0, 0, 34.5])
    coronal = Geometry((26, 24, 32), matrix, "1.2.3")
    mask = np.zeros(coronal.shape, np.uint8)
    mask[8:16, 8:16, 8:16] = 1
    path = seg(tmp_path / "x.dcm", [mask], headers=synthetic_headers(coronal))
    placed = masks_of(path)["GTVp"]
    assert placed.sum() * GRID.voxel_ml == pytest.approx(8**3 * coronal.voxel_ml, rel=0.15)
    centre = GRID.to_lps(np.argwhere(placed)).mean(axis=0)
    assert np.abs(centre - coronal.to_lps((11.5, 11.5, 11.5))).max() < 1.5


def test_segments_that_cannot_be_told_apart_or_are_not_listed(tmp_path):
    def twice(ds):
        ds.SegmentSequence[1].SegmentNumber = 1

    with pytest.raises(UnreadableFileError, match="share one number"):
        read_seg(seg(tmp_path / "x.dcm", [part(2), part(5)], edit=twice))

    def unlisted(ds):
        ds.SegmentSequence = Sequence([ds.SegmentSequence[0]])

    found = read_seg(seg(tmp_path / "x.dcm", [part(2), part(5)], edit=unlisted))
    assert [s.mask.array.sum() for s in found.segments] == [50]
    assert found.notes == ("Voxels of 1 segment(s) that the SEG does not list were left out.",)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda groups: position(groups[2], 107.7), "not lie on one regular grid"),
        (lambda groups: sideways(groups[2]), "shifted sideways"),
        (lambda groups: turned(groups[2]), "several directions"),
        (lambda groups: coarser(groups[2]), "differ in pixel spacing"),
    ],
)
def test_frames_without_a_regular_grid_are_refused(change, words, tmp_path):
    def edit(ds):
        change(ds.PerFrameFunctionalGroupsSequence)

    with pytest.raises(GeometryError, match=words):
        read_seg(seg(tmp_path / "x.dcm", [part(1, 2, 3, 4, 5, 6)], edit=edit))


def sideways(group):
    old = group.PlanePositionSequence[0].ImagePositionPatient
    item = Dataset()
    item.ImagePositionPatient = [str(float(old[0]) + 2), str(old[1]), str(old[2])]
    group.PlanePositionSequence = Sequence([item])


def turned(group):
    item = Dataset()
    item.ImageOrientationPatient = ["0", "1", "0", "-1", "0", "0"]
    group.PlaneOrientationSequence = Sequence([item])


def coarser(group):
    item = Dataset()
    item.PixelSpacing, item.SliceThickness = ["7", "7"], "3"
    group.PixelMeasuresSequence = Sequence([item])


def test_frames_fewer_than_said_and_pixels_cut_short(tmp_path):
    def fewer(ds):
        ds.PerFrameFunctionalGroupsSequence = Sequence(ds.PerFrameFunctionalGroupsSequence[:-1])

    def short(ds):
        ds.PixelData = ds.PixelData[: len(ds.PixelData) // 4 * 2]

    for edit in (fewer, short):
        with pytest.raises(UnreadableFileError):
            read_seg(seg(tmp_path / "x.dcm", [part(1, 2, 3)], edit=edit))
