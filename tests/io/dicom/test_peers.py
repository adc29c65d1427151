"""Second opinions: what other programs make of pixels, SEG and RTSTRUCT, hyoid's own and each other's."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian, JPEG2000Lossless

from hyoid.anatomy.structures import BY_LABEL, BY_NAME, GTVP, TG263_NAMES
from hyoid.io.dicom.ct import write_ct_series
from hyoid.io.dicom.headers import quiet_pydicom
from hyoid.io.dicom.output import Export
from hyoid.io.dicom.rois import rasterise, read_structure_set
from hyoid.io.dicom.rtstruct import write_rtstruct
from hyoid.io.dicom.seg import read_seg, write_seg
from hyoid.io.files.volumes import read_labels, write_image
from hyoid.io.masks import on_grid, outlines_of
from hyoid.io.study import read_study
from hyoid.provenance import by_reader, edited, network
from hyoid.volume import Geometry, Quantity, Volume

pytestmark = pytest.mark.peer

PAROTID, TONGUE, LARYNX = (BY_NAME[name].label for name in ("parotid_left", "tongue", "larynx"))
GRID = Geometry.axial((24, 64, 72), (3.0, 1.2, 1.1), (-30.0, -40.0, 100.0), "1.2.3")
PROVENANCES = {
    PAROTID: network("organs", "1.2"),
    TONGUE: edited("organs", "1.2"),
    LARYNX: network("organs", "1.2"),
    GTVP: by_reader(),
}


def program(name):
    found = shutil.which(name) or shutil.which(name, path=Path(sys.executable).parent)
    if found is None:
        pytest.skip(f"needs {name}, of Debian's dcmtk, dicom3tools and plastimatch or of hyoid[peer]")
    return found


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout + done.stderr


def ball(centre, radius_mm, grid=GRID):
    indices = np.indices(grid.shape).reshape(3, -1).T
    distances = np.linalg.norm((indices - centre) * grid.spacing_mm, axis=1)
    return (distances < radius_mm).reshape(grid.shape)


def masks():
    """Overlapping balls, one of which is hollow."""
    tongue = ball((10, 30, 36), 18) & ~ball((10, 30, 36), 7)
    return {PAROTID: ball((12, 30, 58), 11), TONGUE: tongue, LARYNX: ball((16, 40, 30), 9), GTVP: ball((9, 24, 28), 8)}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    hu = np.where(ball((12, 32, 36), 34), 40, -1000).astype(np.int16)
    write_ct_series(folder / "ct", Volume(hu, GRID, Quantity.HU), seed="peers")
    scan = read_study(folder / "ct")
    outlines = outlines_of(masks(), PROVENANCES, scan.volume.geometry)
    export = Export(names=TG263_NAMES)
    write_seg(folder / "seg.dcm", outlines, scan.headers, scan.volume.geometry, export=export)
    write_seg(
        folder / "plain.dcm", outlines, scan.headers, scan.volume.geometry, export=Export(TG263_NAMES, deflated=False)
    )
    write_rtstruct(folder / "rtstruct.dcm", outlines, scan.headers, scan.volume.geometry, export=export)
    return folder


@pytest.mark.parametrize("name", ["plain.dcm", "rtstruct.dcm"])
def test_dciodvfy_finds_no_error(study, name):
    # Its build cannot inflate; what is deflated is the same object.
    code, said = run(program("dciodvfy"), "-new", study / name)
    assert code == 0 and not [line for line in said.splitlines() if line.startswith("Error")], said


@pytest.mark.parametrize("name", ["seg.dcm", "plain.dcm", "rtstruct.dcm"])
def test_dcmtk_reads_every_object(study, name):
    code, said = run(program("dcmdump"), "+P", "SOPInstanceUID", "+P", "SeriesDescription", study / name)
    assert code == 0 and "Research use only" in said


@pytest.mark.parametrize("name", ["seg.dcm", "plain.dcm"])
def test_dcmqi_reads_the_same_voxels(study, name, tmp_path):
    code, said = run(
        program("segimage2itkimage"), "--inputDICOM", study / name, "--outputDirectory", tmp_path, "-t", "nrrd"
    )
    assert code == 0, said
    numbers = [
        o.structure.label for o in sorted(outlines_of(masks(), network("x"), GRID), key=lambda o: o.structure.label)
    ]
    expected = masks()
    found = {}
    for file in sorted(tmp_path.glob("*.nrrd")):
        labels = read_labels(file)
        for value in np.unique(labels.array[labels.array > 0]):
            found[int(value)] = on_grid(Volume(labels.array == value, labels.geometry, Quantity.LABEL), GRID)
    assert sorted(found) == [1, 2, 3, 4]
    for number, label in enumerate(numbers, start=1):
        np.testing.assert_array_equal(found[number], expected[label], err_msg=BY_LABEL[label].name)


def test_plastimatch_reads_the_same_volumes(study, tmp_path):
    write_image(Volume(np.zeros(GRID.shape, np.uint8), GRID, Quantity.LABEL), tmp_path / "grid.nrrd")
    code, said = run(
        program("plastimatch"), "convert", "--input", study / "rtstruct.dcm", "--referenced-ct", study / "ct",
        "--output-prefix", tmp_path / "out", "--prefix-format", "nrrd", "--fixed", tmp_path / "grid.nrrd",
    )  # fmt: skip
    assert code == 0, said
    for label, mask in masks().items():
        found = read_labels(tmp_path / "out" / f"{TG263_NAMES[BY_LABEL[label].name]}.nrrd")
        other = on_grid(Volume(found.array > 0, found.geometry, Quantity.LABEL), GRID)
        # Plastimatch counts a voxel on the outline its own way: a shell of part of a voxel.
        dice = 2 * (other & mask).sum() / (other.sum() + mask.sum())
        assert dice > 0.97, (BY_LABEL[label].name, dice)


def test_hyoid_reads_what_dcmqi_writes(study, tmp_path):
    code = {"CodeValue": "86049000", "CodingSchemeDesignator": "SCT", "CodeMeaning": "Neoplasm, Primary"}
    category = {"CodeValue": "49755003", "CodingSchemeDesignator": "SCT", "CodeMeaning": "Morphologically Altered"}
    segment = {
        "labelID": 1,
        "SegmentLabel": "GTVp",
        "SegmentDescription": "GTVp",
        "SegmentAlgorithmType": "MANUAL",
        "SegmentedPropertyCategoryCodeSequence": category,
        "SegmentedPropertyTypeCodeSequence": code,
        "recommendedDisplayRGBValue": [255, 0, 0],
    }
    about = {"ContentCreatorName": "R^R", "SeriesNumber": "7", "SeriesDescription": "S", "InstanceNumber": "1"}
    trial = {"ClinicalTrialSeriesID": "1", "ClinicalTrialTimePointID": "1"}
    meta = tmp_path / "meta.json"
    meta.write_text(json.dumps({**about, **trial, "segmentAttributes": [[segment]]}))
    mask = masks()[GTVP]
    write_image(Volume(mask.astype(np.uint8), GRID, Quantity.LABEL), tmp_path / "m.nrrd")
    code, said = run(
        program("itkimage2segimage"), "--inputDICOMDirectory", study / "ct", "--inputImageList", tmp_path / "m.nrrd",
        "--inputMetadata", meta, "--outputDICOM", tmp_path / "x.dcm", "--skip",
    )  # fmt: skip
    assert code == 0, said
    (segment,) = read_seg(tmp_path / "x.dcm").segments
    assert segment.name == "GTVp"
    np.testing.assert_array_equal(on_grid(segment.mask, GRID), mask)


def test_hyoid_reads_what_plastimatch_writes(study, tmp_path):
    mask = masks()[PAROTID]
    write_image(Volume(mask.astype(np.uint8), GRID, Quantity.LABEL), tmp_path / "m.mha")
    code, said = run(
        program("plastimatch"), "convert", "--input-ss-img", tmp_path / "m.mha", "--referenced-ct", study / "ct",
        "--output-dicom", tmp_path / "rt",
    )  # fmt: skip
    assert code == 0, said
    (path,) = (p for p in (tmp_path / "rt").rglob("*.dcm") if "rtss" in p.name)
    (roi,) = (roi for roi in read_structure_set(path).rois if roi.contours)
    found = on_grid(rasterise(roi, Geometry(GRID.shape, GRID.ijk_to_lps)).mask, GRID)
    assert 2 * (found & mask).sum() / (found.sum() + mask.sum()) > 0.97


def test_highdicom_reads_the_same_voxels(study):
    import highdicom as hd

    with quiet_pydicom():
        seg = hd.seg.segread(study / "seg.dcm")
        for number in seg.segment_numbers:
            name = seg.get_segment_description(number).tracking_id
            volume = seg.get_volume(segment_numbers=[number], skip_overlap_checks=True, combine_segments=False)
            assert int(volume.array.sum()) == masks()[BY_NAME[name].label].sum()


PIXEL_GRID = Geometry.axial((2, 32, 48), (2, 1, 1))
PIXELS_HU = np.full(PIXEL_GRID.shape, -1000)
PIXELS_HU[:, 6:26, 8:40] = np.random.default_rng(0).integers(-100, 1200, (2, 20, 32))
SIGNED = {"PixelRepresentation": 1, "RescaleIntercept": 0}
TWELVE = {"BitsStored": 12, "HighBit": 11}
# Stored pixels, how the header describes them.
BITS = {
    "unsigned": (lambda p: p + 1024, {}),
    "signed": (lambda p: p, SIGNED),
    "twelve bits": (lambda p: p + 1024, TWELVE),
    "twelve bits, signed": (lambda p: p, SIGNED | TWELVE),
    "twelve bits, the sign in bit 11 alone": (lambda p: p & 4095, SIGNED | TWELVE),
    "left-justified": (lambda p: (p + 1024) << 4, {"BitsStored": 12, "HighBit": 15}),
    "half HU": (lambda p: 2 * (p + 1000), {"RescaleSlope": 0.5, "RescaleIntercept": -1000}),
}


@pytest.fixture(params=BITS)
def pixel_files(request, make_series, save, tmp_path):
    """Uncompressed files of two slices, one way of storing their bits each."""
    encode, tags = BITS[request.param]
    datasets = make_series(PIXELS_HU, PIXEL_GRID)
    for dataset, plane in zip(datasets, PIXELS_HU, strict=True):
        dataset.PixelData = np.ascontiguousarray(encode(plane.copy()) & 0xFFFF, "<u2").tobytes()
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)
    return save(datasets, tmp_path / "plain")


def hu_by_gdcm(path):
    """HU of one file as GDCM decodes and rescales it."""
    gdcm = pytest.importorskip("gdcm")
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    image = reader.GetImage()
    kind = "<i2" if image.GetPixelFormat().GetPixelRepresentation() else "<u2"
    raw = image.GetBuffer().encode("utf-8", errors="surrogateescape")
    stored = np.frombuffer(raw, kind).reshape(image.GetDimension(1), image.GetDimension(0)).astype(float)
    return stored * image.GetSlope() + image.GetIntercept()


def hu_by_dcmtk(path, place):
    """HU of one file that dcmtk brought into the plainest form, of which nothing but bytes is read here."""
    plain = place / "plain.dcm"
    code, said = run(program("dcmconv"), "+te", path, plain)
    assert code == 0, said
    dataset = pydicom.dcmread(plain)
    stored = np.frombuffer(dataset.PixelData, "<u2")[: dataset.Rows * dataset.Columns].astype(np.int64)
    stored = (stored >> (dataset.HighBit + 1 - dataset.BitsStored)) & (2**dataset.BitsStored - 1)
    if dataset.PixelRepresentation:
        stored -= 2**dataset.BitsStored * (stored >= 2 ** (dataset.BitsStored - 1))
    return stored.reshape(dataset.Rows, dataset.Columns) * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)


# GDCM 3 takes left-justified values as they are stored; dcmtk shifts them, as hyoid does.
@pytest.mark.parametrize("pixel_files", [name for name in BITS if name != "left-justified"], indirect=True)
def test_gdcm_reads_the_same_hu(pixel_files):
    mine = {float(h.ImagePositionPatient[2]): v for h, v in zip(*_read(pixel_files), strict=True)}
    for path in pixel_files:
        z = float(pydicom.dcmread(path, stop_before_pixels=True).ImagePositionPatient[2])
        np.testing.assert_array_equal(mine[z], hu_by_gdcm(path))


def test_dcmtk_reads_the_same_hu_big_endian_included(pixel_files, tmp_path):
    swapped = tmp_path / "big"
    swapped.mkdir()
    for path in pixel_files:
        code, said = run(program("dcmconv"), "+tb", path, swapped / path.name)
        assert code == 0, said
        assert pydicom.dcmread(swapped / path.name).file_meta.TransferSyntaxUID == ExplicitVRBigEndian
    mine = {float(h.ImagePositionPatient[2]): v for h, v in zip(*_read([*swapped.iterdir()]), strict=True)}
    for path in swapped.iterdir():
        z = float(pydicom.dcmread(path, stop_before_pixels=True).ImagePositionPatient[2])
        np.testing.assert_array_equal(mine[z], hu_by_dcmtk(path, tmp_path))


@pytest.mark.parametrize(
    "packer", [("dcmcjpeg", "+e1"), ("dcmcjpls", "+el"), ("dcmcrle",), ("gdcm",)], ids=lambda p: p[0]
)
@pytest.mark.parametrize("pixel_files", ["unsigned", "signed", "twelve bits"], indirect=True)
def test_what_dcmtk_and_gdcm_compress_is_read_as_before(pixel_files, packer, tmp_path):
    packed = tmp_path / "packed"
    packed.mkdir()
    for path in pixel_files:
        if packer == ("gdcm",):
            _packed_by_gdcm(path, packed / path.name)
            continue
        code, said = run(program(packer[0]), *packer[1:], path, packed / path.name)
        assert code == 0, said
    files = [*packed.iterdir()]
    assert all(pydicom.dcmread(f, stop_before_pixels=True).file_meta.TransferSyntaxUID.is_compressed for f in files)
    np.testing.assert_array_equal(np.stack(_read(files)[1]), PIXELS_HU)


def _read(files):
    """Headers and HU of the slices, as hyoid reads the folder of these files."""
    study = read_study(files[0].parent)
    return study.headers, [*study.volume.array]


def _packed_by_gdcm(path, target):
    gdcm = pytest.importorskip("gdcm")
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEG2000Lossless))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(target))
    assert writer.Write()
    assert pydicom.dcmread(target).file_meta.TransferSyntaxUID == JPEG2000Lossless
