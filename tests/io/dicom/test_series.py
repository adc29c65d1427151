import itertools

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from hyoid.anatomy.structures import GTVP
from hyoid.errors import MissingTagError, SeriesError, UnreadableFileError
from hyoid.geometry.orientation import axis_codes, to_canonical
from hyoid.io.dicom.rtstruct import write_rtstruct
from hyoid.io.dicom.seg import write_seg
from hyoid.io.dicom.series import read_series
from hyoid.io.dicom.spacing import STEP_TOLERANCE
from hyoid.volume import Geometry, Quantity


def shuffled(datasets):
    return [datasets[i] for i in np.random.default_rng(3).permutation(len(datasets))]


def test_values_and_places_survive_any_file_order(make_series, save, ramp, grid, tmp_path):
    loaded = read_series(shuffled(save(make_series(ramp, grid), tmp_path)))
    assert loaded.volume.quantity is Quantity.HU
    assert loaded.volume.array.dtype == np.int16
    np.testing.assert_array_equal(loaded.volume.array, ramp)
    np.testing.assert_allclose(loaded.volume.geometry.ijk_to_lps, grid.ijk_to_lps, atol=1e-6)
    assert loaded.volume.geometry.frame_of_reference_uid == "1.2.3"
    assert [h.InstanceNumber for h in loaded.headers] == [1, 2, 3, 4, 5, 6]
    assert all("PixelData" not in h for h in loaded.headers)
    assert loaded.warnings == ()


def test_instance_numbers_and_slice_locations_do_not_decide_the_order(make_series, ramp, grid):
    datasets = make_series(ramp, grid)
    for dataset, wrong in zip(datasets, (3, 1, 6, 2, 5, 4), strict=True):
        dataset.InstanceNumber, dataset.SliceLocation = wrong, -wrong
    np.testing.assert_array_equal(read_series(datasets).volume.array, ramp)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, -1, 1)])
def test_every_axis_order_and_flip_puts_each_value_at_its_place(make_series, ramp, order, flips):
    directions = np.eye(3)[:, list(order)] * np.array(flips)
    matrix = np.eye(4)
    matrix[:3, :3] = directions * (2.5, 0.8, 0.9)
    matrix[:3, 3] = (-11.0, 22.0, 33.0)
    source = Geometry(ramp.shape, matrix)
    volume = read_series(shuffled(make_series(ramp, source))).volume
    # Where value v lies in the patient must not depend on how the slices are stored.
    for value in (ramp[0, 0, 0], ramp[1, 2, 3], ramp[5, 4, 6]):
        was = source.to_lps(np.argwhere(ramp == value)[0])
        now = volume.geometry.to_lps(np.argwhere(volume.array == value)[0])
        np.testing.assert_allclose(now, was, atol=1e-5)
    assert axis_codes(volume.geometry)[0] in "SPL"


def test_oblique_series_keeps_its_angle(make_series, ramp):
    angle = np.radians(17)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ np.eye(3)[:, ::-1] * (2.5, 0.8, 0.9)
    source = Geometry(ramp.shape, matrix)
    loaded = read_series(make_series(ramp, source))
    np.testing.assert_allclose(loaded.volume.geometry.ijk_to_lps, matrix, atol=1e-5)
    assert loaded.provenance == {}


def test_mirrored_patient_mirrors_the_positions(make_series, grid):
    array = np.full(grid.shape, -1000)
    array[2, 1, 1] = 500  # near the patient's right, because columns run to the left
    mirrored = array[:, :, ::-1]
    x = [
        volume.geometry.to_lps(np.argwhere(volume.array == 500)[0])[0]
        for volume in (read_series(make_series(a, grid)).volume for a in (array, mirrored))
    ]
    middle = grid.to_lps((np.array(grid.shape) - 1) / 2)[0]
    assert x[0] < middle < x[1]
    assert x[0] - middle == pytest.approx(middle - x[1])


def test_head_first_and_feet_first_stacks_both_ascend_to_the_head(make_series, ramp, grid):
    backwards = make_series(ramp, grid)[::-1]
    assert axis_codes(read_series(backwards).volume.geometry) == "SPL"
    prone_matrix = grid.ijk_to_lps.copy()
    prone_matrix[:3, 1:3] *= -1
    volume = read_series(make_series(ramp, Geometry(grid.shape, prone_matrix))).volume
    assert axis_codes(volume.geometry) == "SAR"
    np.testing.assert_array_equal(to_canonical(volume).array, ramp[:, ::-1, ::-1])


def test_slope_of_each_slice_is_used(make_series, grid):
    array = np.full(grid.shape, 12.0)
    array[3] = 24.0
    loaded = read_series(make_series(array, grid, slope=[1, 2, 3, 4, 0.5, 6], intercept=0.0))
    assert loaded.volume.array.dtype == np.float32
    np.testing.assert_allclose(loaded.volume.array, array)


def test_padding_far_below_air_becomes_air(make_series, ramp, grid):
    ramp[:, 0, 0] = -2000
    loaded = read_series(make_series(ramp, grid, intercept=-2048.0))
    assert loaded.volume.array.min() == -1024
    assert "-1024 HU" in loaded.warnings[0]


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless, RLELossless, JPEGLosslessSV1])
def test_compressed_series_is_read_exactly(make_series, save, grid, tmp_path, syntax):
    shape = (3, 32, 48)
    array = np.random.default_rng(0).integers(-1024, 2000, shape)
    datasets = make_series(array, Geometry.axial(shape, (2, 1, 1)))
    if syntax == JPEGLosslessSV1:
        paths = [recompressed_by_gdcm(p) for p in save(datasets, tmp_path)]
    else:
        for dataset in datasets:
            dataset.compress(syntax)
        paths = save(datasets, tmp_path)
    assert pydicom.dcmread(paths[0]).file_meta.TransferSyntaxUID == syntax
    np.testing.assert_array_equal(read_series(paths).volume.array, array)


def recompressed_by_gdcm(path):
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return path


def test_missing_slice_is_named(make_series, ramp, grid):
    datasets = make_series(ramp, grid)
    del datasets[2:4]
    with pytest.raises(SeriesError, match=r"2 slice\(s\) are missing: 2 between slice at 102.50 mm \(instance 2\) and"):
        read_series(datasets)


def test_missing_slice_is_interpolated_only_when_asked_and_recorded(make_series, ramp, grid):
    datasets = make_series(ramp, grid)
    del datasets[2]
    loaded = read_series(datasets, regularize=True)
    np.testing.assert_allclose(loaded.volume.array, ramp, atol=1)
    np.testing.assert_allclose(loaded.volume.geometry.ijk_to_lps, grid.ijk_to_lps, atol=1e-6)
    assert loaded.provenance == {"regularized_step_mm": 2.5}
    assert "interpolated" in loaded.warnings[0]


def test_uneven_steps_are_refused_and_interpolated_on_request(make_series, ramp, grid):
    datasets = make_series(ramp, grid)
    datasets[5].ImagePositionPatient[2] += 1.0
    with pytest.raises(SeriesError, match=r"unevenly spaced: steps of 2.500 to 3.500 mm"):
        read_series(datasets)
    loaded = read_series(datasets, regularize=True)
    assert loaded.volume.array.shape == ramp.shape
    # The sixth even position lies 2.5 / 3.5 of the way between the last two slices.
    expected = ramp[4] + (ramp[5] - ramp[4]) * 2.5 / 3.5
    np.testing.assert_allclose(loaded.volume.array[5], expected, atol=0.51)


def test_image_stored_twice_is_read_once(make_series, save, ramp, grid, tmp_path):
    datasets = make_series(ramp, grid)
    save(datasets, tmp_path / "a")
    save(datasets[2:4], tmp_path / "b")
    loaded = read_series([p for p in tmp_path.rglob("*") if p.is_file()])
    np.testing.assert_array_equal(loaded.volume.array, ramp)
    assert loaded.warnings == ("2 image(s) were stored more than once, and read once.",)


def test_different_images_of_one_uid_are_refused(make_series, ramp, grid):
    datasets = make_series(ramp, grid)
    datasets[3].SOPInstanceUID = datasets[2].SOPInstanceUID
    with pytest.raises(SeriesError, match="2 different images have one SOPInstanceUID"):
        read_series(datasets)
    again = make_series(ramp[2:3] + 1, grid)[0]
    again.ImagePositionPatient = datasets[2].ImagePositionPatient
    again.SeriesInstanceUID, again.FrameOfReferenceUID = datasets[0].SeriesInstanceUID, datasets[0].FrameOfReferenceUID
    datasets = make_series(ramp, grid)
    again.SOPInstanceUID, again.SeriesInstanceUID = datasets[2].SOPInstanceUID, datasets[2].SeriesInstanceUID
    with pytest.raises(SeriesError, match="one SOPInstanceUID"):
        read_series([*datasets, again])


@pytest.mark.parametrize("regularize", [False, True])
def test_position_held_by_two_images_is_named(make_series, ramp, grid, regularize):
    datasets = make_series(ramp, grid)
    again = make_series(ramp, grid)[2]
    again.SeriesInstanceUID = datasets[0].SeriesInstanceUID
    with pytest.raises(SeriesError, match=r"1 position.*105.00 mm \(instance 3\)"):
        read_series([*datasets, again], regularize=regularize)


def test_two_phases_under_one_uid_are_refused(make_series, ramp, grid):
    first, second = make_series(ramp, grid), make_series(ramp + 50, grid)
    for dataset in second:
        dataset.SeriesInstanceUID = first[0].SeriesInstanceUID
        dataset.FrameOfReferenceUID = first[0].FrameOfReferenceUID
    with pytest.raises(SeriesError, match=r"6 position\(s\) hold more than one slice.*two phases"):
        read_series(shuffled(first + second))


def mixed(make_series, ramp, grid, change):
    datasets = make_series(ramp, grid)
    change(datasets[4])
    return datasets


def set_size(dataset):
    dataset.Rows, dataset.Columns = 7, 5


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("orientation", lambda d: setattr(d, "ImageOrientationPatient", [1, 0, 0, 0, 0.996, 0.0872])),
        ("orientation", lambda d: setattr(d, "ImageOrientationPatient", [0, 1, 0, 0, 0, -1])),
        ("pixel spacing", lambda d: setattr(d, "PixelSpacing", [0.8, 0.8])),
        ("size in pixels", set_size),
        ("frame of reference", lambda d: setattr(d, "FrameOfReferenceUID", "1.2.9")),
        ("modality", lambda d: setattr(d, "Modality", "MR")),
        ("tube voltage", lambda d: setattr(d, "KVP", "80")),
        ("reconstruction kernel", lambda d: setattr(d, "ConvolutionKernel", "B70f")),
        ("type of values", lambda d: setattr(d, "RescaleType", "HU")),
    ],
)
def test_mixed_slices_are_named(make_series, ramp, grid, what, change):
    with pytest.raises(SeriesError, match=rf"differ in {what}: 1 of 6 .*instance 5"):
        read_series(mixed(make_series, ramp, grid, change))


def test_two_echoes_that_take_turns_are_refused(make_series, ramp, grid):
    datasets = make_series(ramp + 1000, grid, modality="MR", intercept=0.0)
    for index, dataset in enumerate(datasets):
        dataset.EchoTime = (80, 102)[index % 2]
    with pytest.raises(SeriesError, match="differ in echo time: 3 of 6"):
        read_series(datasets)


@pytest.mark.parametrize(
    "by",
    ["AcquisitionNumber", "AcquisitionTime", "AcquisitionDateTime", "TemporalPositionIdentifier", "SliceThickness"],
)
def test_passes_that_take_turns_are_refused_and_in_a_row_are_read(make_series, ramp, grid, by):
    values = {
        "AcquisitionNumber": (1, 2), "AcquisitionTime": ("101500", "101530"),
        "AcquisitionDateTime": ("20240102101500.1", "20240102101530.2"),
        "TemporalPositionIdentifier": (1, 2), "SliceThickness": ("2.5", "5"),
    }  # fmt: skip
    datasets = make_series(ramp, grid)
    for index, dataset in enumerate(datasets):
        setattr(dataset, by, values[by][index // 3])  # the table moved on in between
    np.testing.assert_array_equal(read_series(datasets).volume.array, ramp)
    for index, dataset in enumerate(datasets):
        setattr(dataset, by, values[by][index % 2])
    with pytest.raises(SeriesError, match="slices of 2 acquisitions take turns"):
        read_series(datasets)
    for dataset in datasets:
        dataset.Modality = "MR"  # one pass takes every other slice first
    np.testing.assert_array_equal(read_series(datasets).volume.array, ramp)


def test_thicknesses_that_differ_by_rounding_and_voltages_written_otherwise_are_one(make_series, ramp, grid):
    datasets = make_series(ramp, grid)
    for index, dataset in enumerate(datasets):
        dataset.SliceThickness, dataset.KVP = ("2.5", "2.51")[index % 2], ("120", "120.0")[index % 2]
    np.testing.assert_array_equal(read_series(datasets).volume.array, ramp)


def test_loss_by_compression_is_told(make_series, ramp, grid):
    datasets = make_series(ramp, grid)
    for dataset in datasets[:2]:
        dataset.LossyImageCompression = "01"
    assert read_series(datasets).warnings == (
        "2 image(s) were compressed with loss: their values are not quite those of the scanner.",
    )


def test_two_studies_are_refused(make_series, ramp, grid):
    with pytest.raises(SeriesError, match="belong to 2 studies"):
        read_series(mixed(make_series, ramp, grid, lambda d: setattr(d, "StudyInstanceUID", "1.2.77")))


@pytest.mark.parametrize(("step", "decimals"), [(1.25, 1), (0.75, 1), (0.625, 1), (2.5, 0), (1.0 / 3, 2)])
@pytest.mark.parametrize("backwards", [False, True])
def test_positions_rounded_by_the_scanner_are_even(make_series, step, decimals, backwards):
    array = np.arange(21 * 4 * 3).reshape(21, 4, 3) - 100
    datasets = make_series(array, Geometry.axial(array.shape, (step, 1, 1), (5.5, 6.25, 100)))
    for index, dataset in enumerate(datasets):
        dataset.ImagePositionPatient[2] = f"{round(100 + index * step, decimals):.{decimals}f}"
        dataset.SliceThickness = round(step, 4)
    loaded = read_series(datasets[::-1] if backwards else datasets)
    np.testing.assert_array_equal(loaded.volume.array, array)
    assert loaded.volume.geometry.spacing_mm[0] == pytest.approx(step, abs=1e-3)
    np.testing.assert_allclose(loaded.volume.geometry.origin_lps_mm, (5.5, 6.25, 100), atol=0.51 * 10**-decimals)
    if step * STEP_TOLERANCE < 10**-decimals / 2:
        assert f"rounded the slice positions to {10.0**-decimals:g} mm" in loaded.warnings[0]


def test_uneven_steps_are_not_taken_for_rounding(make_series):
    array = np.zeros((12, 4, 3))
    cases = ((1.25, 0, 1.25), (2.5, 0, 5.0), (1.25, 1, 1.25))
    for step, decimals, thickness in cases:
        datasets = make_series(array, Geometry.axial(array.shape, (step, 1, 1)))
        for index, dataset in enumerate(datasets):
            # Whole millimetres hide a step of 1.25; 2.5 is not stated; one slice lies 0.3 mm off.
            off = 0.3 if decimals and index == 6 else 0.0
            dataset.ImagePositionPatient[2] = f"{round(index * step + off + 1e-6, decimals):.{decimals}f}"
            dataset.SliceThickness = thickness
        with pytest.raises(SeriesError, match=r"unevenly spaced|missing"):
            read_series(datasets)


def test_missing_slice_shows_through_rounding(make_series):
    array = np.zeros((12, 4, 3))
    datasets = make_series(array, Geometry.axial(array.shape, (1.25, 1, 1)))
    for index, dataset in enumerate(datasets):
        dataset.ImagePositionPatient[2] = f"{round(index * 1.25 + 1e-6, 1):.1f}"
    del datasets[5]
    with pytest.raises(SeriesError, match=r"unevenly spaced|missing"):
        read_series(datasets)


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
def test_images_that_nothing_can_refer_to_are_refused(make_series, ramp, grid, keyword):
    datasets = make_series(ramp, grid)
    for dataset in datasets:
        delattr(dataset, keyword)
    with pytest.raises(MissingTagError, match=keyword):
        read_series(datasets)


def test_what_is_no_image_class_is_refused(make_series, ramp, grid):
    # None, raw data, a retired class, and one of baggage.
    ending = ("66", "5", "501.1")
    for uid in ("0", *(f"1.2.840.10008.5.1.4.1.1.{number}" for number in ending)):
        datasets = make_series(ramp, grid)
        datasets[0].SOPClassUID = uid
        with pytest.raises(SeriesError, match="not that of an image"):
            read_series(datasets)


def test_slope_of_zero_and_lookup_tables_are_refused(make_series, ramp, grid):
    datasets = make_series(ramp, grid)
    datasets[2].RescaleSlope = 0
    with pytest.raises(MissingTagError, match="is 0"):
        read_series(datasets)
    datasets = make_series(ramp, grid)
    datasets[2].ModalityLUTSequence = DicomSequence([Dataset()])
    with pytest.raises(SeriesError, match="looked up in a table"):
        read_series(datasets)


@pytest.mark.parametrize(("sop_class", "words"), [("130", "Enhanced PET"), ("128.1", "Legacy Converted Enhanced PET")])
def test_enhanced_pet_is_named(make_series, ramp, grid, sop_class, words):
    datasets = make_series(ramp + 1000, grid, modality="PT", intercept=0.0)
    for dataset in datasets:
        dataset.SOPClassUID = f"1.2.840.10008.5.1.4.1.1.{sop_class}"
    with pytest.raises(SeriesError, match=f"{words}.*PET Image Storage"):
        read_series(datasets)


def test_frames_without_places_are_refused(make_series, ramp, grid):
    (dataset,) = make_series(ramp[:1], grid)
    dataset.NumberOfFrames, dataset.SpacingBetweenSlices = 6, 2.5
    dataset.PixelData = (ramp + 1024).astype("<u2").tobytes()
    with pytest.raises(SeriesError, match="6 frames and one position"):
        read_series([dataset])
    del dataset.NumberOfFrames
    with pytest.raises(UnreadableFileError, match=r"\(6, 5, 7\), not \(1, 5, 7\)"):
        read_series([dataset])


def test_two_series_are_refused(make_series, ramp, grid):
    with pytest.raises(SeriesError, match="belong to 2 series"):
        read_series(make_series(ramp, grid)[:3] + make_series(ramp, grid)[3:])


def test_localizer_in_the_series_is_named(make_series, ramp, grid):
    def scout(dataset):
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    with pytest.raises(SeriesError, match=r"1 localizer image\(s\) lie in the series \(instance 5\)"):
        read_series(mixed(make_series, ramp, grid, scout))


def test_slices_shifted_sideways_at_random_are_refused(make_series, ramp, grid):
    def shift(dataset):
        dataset.ImagePositionPatient[0] += 5.0

    with pytest.raises(SeriesError, match=r"shifted sideways irregularly.*instance 5"):
        read_series(mixed(make_series, ramp, grid, shift))


def tilted(make_series, degrees):
    """Series of a ball scanned with a tilted gantry: planes tilt about x, the table moves along z."""
    angle = np.radians(degrees)
    normal = np.array([0, -np.sin(angle), np.cos(angle)])
    down = np.array([0, np.cos(angle), np.sin(angle)])
    step_z = 2.0
    depth, height, width = 24, 40, 30
    centre = np.array([15.0, 20.0, 24.0])
    datasets, hits = [], 0
    straight = Geometry.axial((1, height, width), (2.0, 1.0, 1.0))
    for index in range(depth):
        origin = np.array([0.0, 0.0, index * step_z])
        rows, columns = np.mgrid[:height, :width]
        points = origin + rows[..., None] * down + columns[..., None] * np.array([1.0, 0, 0])
        ball = np.linalg.norm(points - centre, axis=-1) < 9
        hits += ball.sum()
        (dataset,) = make_series(np.where(ball, 100, -1000)[None], straight)
        dataset.ImagePositionPatient = [round(float(v), 5) for v in origin]
        dataset.ImageOrientationPatient = [1, 0, 0, *(round(float(v), 8) for v in down)]
        dataset.InstanceNumber = index + 1
        datasets.append(dataset)
    for dataset in datasets:
        dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = "1.2.1", "1.2.2"
    return datasets, centre, normal, hits


@pytest.mark.parametrize("degrees", [-12.0, 12.0, 25.0])
def test_gantry_tilt_is_straightened_and_recorded(make_series, degrees):
    datasets, centre, normal, _ = tilted(make_series, degrees)
    loaded = read_series(shuffled(datasets))
    volume = loaded.volume
    np.testing.assert_allclose(volume.geometry.directions[:, 0], normal, atol=1e-6)
    # Straight: the three axes are perpendicular, where the positions alone would give a sheared grid.
    np.testing.assert_allclose(volume.geometry.directions.T @ volume.geometry.directions, np.eye(3), atol=1e-6)
    ball = np.argwhere(volume.array > -450)
    np.testing.assert_allclose(volume.geometry.to_lps(ball.mean(axis=0)), centre, atol=0.15)
    volume_mm3 = len(ball) * volume.geometry.voxel_ml * 1000
    assert volume_mm3 == pytest.approx(4 / 3 * np.pi * 9**3, rel=0.03)
    assert loaded.provenance["gantry_tilt_deg"] == pytest.approx(abs(degrees), abs=0.01)
    assert loaded.provenance["shear_mm_per_slice"] == pytest.approx(2.0 * abs(np.sin(np.radians(degrees))), abs=1e-3)
    assert "gantry tilt" in loaded.warnings[0]


@pytest.mark.parametrize("keyword", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope"])
def test_missing_tag_is_named(make_series, ramp, grid, keyword):
    datasets = make_series(ramp, grid)
    delattr(datasets[3], keyword)
    with pytest.raises(MissingTagError, match=keyword + r" \(00.*instance 4"):
        read_series(datasets)


def test_colour_and_other_units_are_refused(make_series, ramp, grid):
    datasets = make_series(ramp, grid)
    datasets[0].SamplesPerPixel = 3
    with pytest.raises(SeriesError, match="in colour"):
        read_series(datasets)
    datasets = make_series(ramp, grid)
    for dataset in datasets:
        dataset.RescaleType = "MGML"
    with pytest.raises(SeriesError, match="MGML, not HU"):
        read_series(datasets)


def test_pet_in_bqml_is_read_and_other_units_are_refused(make_series, ramp, grid):
    datasets = make_series(ramp + 1000, grid, modality="PT", slope=0.5, intercept=0.0)
    assert read_series(datasets).volume.quantity is Quantity.BQ_PER_ML
    for dataset in datasets:
        dataset.Units = "CNTS"
    with pytest.raises(SeriesError, match="hyoid petct"):
        read_series(datasets)


def test_rows_and_columns_that_the_pixels_do_not_fill_ask_for_no_memory(make_series, ramp, grid):
    series = make_series(ramp, grid)
    for dataset in series:
        dataset.Rows = dataset.Columns = 60_000
    with pytest.raises(UnreadableFileError, match="cannot be decoded"):
        read_series(series)


def test_pixels_cut_short_name_the_slice(make_series, save, ramp, grid, tmp_path):
    paths = save(make_series(ramp, grid), tmp_path)
    paths[3].write_bytes(paths[3].read_bytes()[:-20])
    with pytest.raises(UnreadableFileError, match=r"slice at 107.50 mm \(instance 4\)"):
        read_series(paths)


def test_header_cut_short_is_refused(make_series, save, ramp, grid, tmp_path):
    paths = save(make_series(ramp, grid), tmp_path)
    paths[3].write_bytes(paths[3].read_bytes()[:150])
    with pytest.raises(UnreadableFileError, match="truncated or corrupt"):
        read_series(paths)


def test_nothing_and_a_single_slice(make_series, ramp, grid):
    with pytest.raises(SeriesError, match="no images"):
        read_series([])
    single = read_series(make_series(ramp[:1], grid)).volume
    assert single.array.shape == (1, 5, 7)
    assert single.geometry.spacing_mm[0] == 2.5


def test_hashed_dates_and_names_are_named_but_never_quoted(make_series, save, ramp, grid, tmp_path):
    hashed = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    datasets = make_series(ramp, grid)
    for dataset in datasets:
        with pydicom.config.disable_value_validation():
            dataset.add_new("StudyDate", "DA", hashed)
            dataset.add_new("PatientName", "PN", hashed * 4)
            dataset.add_new("AcquisitionTime", "TM", "noon")
            dataset.add_new("StudyID", "SH", hashed)
            dataset.add_new("InstanceNumber", "LO", "seven")
    loaded = read_series(save_quietly(save, datasets, tmp_path))
    np.testing.assert_array_equal(loaded.volume.array, ramp)
    (warning,) = loaded.warnings
    assert "StudyDate" in warning and "PatientName" in warning and "AcquisitionTime" in warning
    assert hashed[:8] not in warning and "noon" not in warning
    assert loaded.headers[0].StudyDate == ""


def save_quietly(save, datasets, folder):
    with pydicom.config.disable_value_validation():
        return save(datasets, folder)


def test_refusals_never_name_the_patient(make_series, ramp, grid):
    datasets = make_series(ramp, grid)
    del datasets[1]
    with pytest.raises(SeriesError) as refusal:
        read_series(datasets)
    assert "DOE" not in str(refusal.value) and "SECRET" not in str(refusal.value)


def test_multi_frame_object_is_read_like_its_slices(make_series, ramp, grid, tmp_path):
    single = make_series(ramp, grid)
    enhanced = single[0]
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope"):
        delattr(enhanced, keyword)
    del enhanced.RescaleIntercept
    enhanced.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    shared, frames = Dataset(), []
    measures, orientation, values = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [0.8, 0.9]
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    values.RescaleSlope, values.RescaleIntercept = 1, -1024
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = (
        DicomSequence([measures]),
        DicomSequence([orientation]),
    )
    shared.PixelValueTransformationSequence = DicomSequence([values])
    stored = [4, 0, 5, 2, 1, 3]  # frames in no order
    for index in stored:
        frame, position = Dataset(), Dataset()
        position.ImagePositionPatient = grid.to_lps((index, 0, 0)).tolist()
        frame.PlanePositionSequence = DicomSequence([position])
        frames.append(frame)
    enhanced.SharedFunctionalGroupsSequence = DicomSequence([shared])
    enhanced.PerFrameFunctionalGroupsSequence = DicomSequence(frames)
    enhanced.NumberOfFrames = 6
    enhanced.PixelData = (ramp[stored] + 1024).astype("<u2").tobytes()
    loaded = read_series([enhanced])
    np.testing.assert_array_equal(loaded.volume.array, ramp)
    np.testing.assert_allclose(loaded.volume.geometry.ijk_to_lps, grid.ijk_to_lps, atol=1e-6)
    assert len(loaded.headers) == 1
    mask = np.zeros(grid.shape, bool)
    mask[2, 1, 1] = True
    for measures_where in ("shared", "with every frame"):
        for name, write in (("seg.dcm", write_seg), ("rs.dcm", write_rtstruct)):
            write(tmp_path / name, {GTVP: mask}, loaded.headers, loaded.volume.geometry)
        if measures_where == "shared":
            for frame in frames:
                frame.PixelMeasuresSequence = DicomSequence([measures])
            del shared.PixelMeasuresSequence
            loaded = read_series([enhanced])
            np.testing.assert_array_equal(loaded.volume.array, ramp)
    values.RescaleType = "Z_EFF"
    with pytest.raises(SeriesError, match="Z_EFF, not HU"):
        read_series([enhanced])
    del frames[3], enhanced.PerFrameFunctionalGroupsSequence[3]
    with pytest.raises(SeriesError, match="holds 6 frames and describes 5"):
        read_series([enhanced])


def test_progress_counts_the_slices(make_series, ramp, grid):
    calls = []
    read_series(make_series(ramp, grid), on_progress=lambda done, total: calls.append((done, total)))
    assert calls == [(i, 6) for i in range(1, 7)]
