"""Mutated files: only a refusal may leave a reader, and what is read lies where an independent reading says.

`make test` tries a few hundred mutations, `make fuzz` ten thousand and more (`--hypothesis-profile=fuzz`).
"""

import copy
import io
import json
import random
import struct
import warnings

import nibabel as nib
import nrrd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from tests.conftest import write_nnunet_folder
from tests.io.dicom.petct_study import write_petct_study

from hyoid.anatomy.structures import foreign_structure
from hyoid.errors import HyoidError
from hyoid.inference.checkpoints import fold_package
from hyoid.io.dicom.headers import quiet_pydicom
from hyoid.io.dicom.rtstruct import read_rtstruct, write_rtstruct
from hyoid.io.dicom.seg import read_seg, write_seg
from hyoid.io.files.volumes import load_image, read_labels, write_image
from hyoid.io.packages.nnunet_folder import read_nnunet_folder
from hyoid.io.petct import read_pet
from hyoid.io.study import read_study
from hyoid.models.build import build_network
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((5, 8, 9), (2.5, 0.8, 0.9), (-40.0, -60.0, 100.0), "1.2.3")
HU = (np.arange(5 * 8 * 9).reshape(GRID.shape) * 5 - 1000).astype(np.int16)
MASK = np.zeros(GRID.shape, bool)
MASK[1:4, 2:6, 3:7] = True
STRUCTURES = {201: foreign_structure(201, "GTVp")}
_ODD_NUMBERS = ["0", "-1", "1e400", "nan", "inf", "1e-9", "65535", "-32768", "", "a", "1\\2", "1\\2\\3"]
_FLOATS = [0.0, -1.0, 1.0, 0.5, 0.8, 0.81, 2.5, 1e-3, 1e3, 1e30, -1e-30, 90.0, np.nan, np.inf]
_ODD_TEXT = ["", "\\", "\x00", "é", "ISO_IR 999", "\\ISO 2022 IR 87", "20241399", "CT", "x" * 200, "1.2.3"]


class Files(dict):
    """Bytes by kind, shown in failures by name alone."""

    def __repr__(self):
        return "files"


def some_bytes(rng):
    """A few places and the bytes that are to stand there."""
    return [(rng.randrange(10**6), rng.randrange(256)) for _ in range(rng.randint(1, 8))]


def damaged(raw, edits, cut, header=None):
    """Bytes changed at random places, most of them in the header, and perhaps cut short."""
    changed = bytearray(raw)
    for at, value in edits:
        changed[at % min(header or len(changed), len(changed))] = value
    return bytes(changed[: len(changed) - cut]) if cut else bytes(changed)


def same_places(geometry, ijk_to_lps, share=0.6):
    """Whether corners lie where another reading puts them, to a share of a voxel."""
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in geometry.shape], indexing="ij")).reshape(3, -1).T
    theirs = corners @ ijk_to_lps[:3, :3].T + ijk_to_lps[:3, 3]
    return np.abs(geometry.to_lps(corners) - theirs).max() <= share * min(geometry.spacing_mm) + 1e-3


@pytest.fixture(scope="module")
def files(tmp_path_factory, make_series):
    """Bytes of a small file of every kind."""
    folder = tmp_path_factory.mktemp("fuzz")
    volume = Volume(HU, GRID, Quantity.HU)
    found = Files()
    for suffix in (".nii", ".nii.gz", ".nrrd", ".mha"):
        found[suffix] = write_image(volume, folder / f"x{suffix}").read_bytes()
    found["labels"] = write_image(Volume(MASK, GRID, Quantity.LABEL), folder / "m.nii").read_bytes()
    nib.save(nib.Nifti2Image(HU.T, np.diag([-0.9, -0.8, 2.5, 1])), folder / "y.nii")
    found["nifti2"] = (folder / "y.nii").read_bytes()
    datasets = make_series(HU, GRID)
    found["ct"] = []
    for dataset in datasets:
        buffer = io.BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
        found["ct"].append(buffer.getvalue())
    write_rtstruct(folder / "rs.dcm", {201: MASK}, datasets, GRID, structures=STRUCTURES)
    write_seg(folder / "seg.dcm", {201: MASK}, datasets, GRID, structures=STRUCTURES)
    found["rtstruct"], found["seg"] = ((folder / name).read_bytes() for name in ("rs.dcm", "seg.dcm"))
    pet = Volume(1.0 + MASK, GRID, Quantity.SUV)
    write_petct_study(folder / "petct", volume, pet, seed="fuzz")
    found["pet"] = [p.read_bytes() for p in sorted((folder / "petct" / "pt").iterdir())]
    return found


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    """A small nnU-Net folder, and the bytes of its three files."""
    folder = write_nnunet_folder(tmp_path_factory.mktemp("model"), configuration="3d_fullres")
    names = ("plans.json", "dataset.json", "fold_0/checkpoint_final.pth")
    return folder, Files({name: (folder / name).read_bytes() for name in names})


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("mutated")


def written(place, name, raw):
    path = place / name
    path.write_bytes(raw)
    return path


@given(seed=st.integers(0, 2**32 - 1))
def test_nifti(files, place, seed):
    rng = random.Random(seed)
    kind = rng.choice([".nii", ".nii.gz", "nifti2", "labels"])
    raw = files[kind]
    if (rng.random() < 0.5) and kind != ".nii.gz":
        # One field of the header with a number of its own type.
        fields = [40, 42, 44, 46, 48, 70, 72, 252, 254] if kind != "nifti2" else [16, 24, 32, 40]
        at = rng.choice(fields)
        edits = list(enumerate(struct.pack("<h", rng.randint(-32768, 32767)), at))
        if rng.random() < 0.5:
            at = rng.choice(range(76, 328, 4))
            edits = list(enumerate(struct.pack("<f", rng.choice(_FLOATS)), at))
        raw = damaged(raw, edits, 0)
    else:
        raw = damaged(raw, some_bytes(rng), rng.randint(0, 60), rng.choice([352, None]))
    path = written(place, "x.nii.gz" if kind == ".nii.gz" else "x.nii", raw)
    try:
        volume = read_labels(path) if kind == "labels" else load_image(path, Quantity.MR).volume
    except HyoidError:
        return
    assert np.all(np.isfinite(volume.array))
    theirs = _by_nibabel(path)
    if theirs is not None:
        assert theirs.shape[:3] == volume.geometry.shape[::-1]
        unit = {"meter": 1000.0, "micron": 1e-3}.get(theirs.header.get_xyzt_units()[0], 1.0)
        affine = np.diag([-unit, -unit, unit, 1]) @ theirs.affine
        assert same_places(volume.geometry, affine[:, [2, 1, 0, 3]])


def _by_nibabel(path):
    """Image by nibabel; None for what nibabel does not read, or reads after mending it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = nib.load(path)
            return image if np.isfinite(image.affine).all() and image.header.get_xyzt_units() else None
        except Exception:
            return None


@given(seed=st.integers(0, 2**32 - 1))
def test_nrrd_and_metaimage(files, place, seed):
    rng = random.Random(seed)
    suffix = rng.choice([".nrrd", ".mha"])
    raw = files[suffix]
    header = raw.index(b"\n\n") if suffix == ".nrrd" else raw.index(b"ElementDataFile")
    if rng.random() < 0.5:
        lines = raw[:header].split(b"\n")
        line = rng.randint(1 if suffix == ".nrrd" else 0, len(lines) - 1)
        words = lines[line].split(b" ")
        action = rng.choice(["drop", "twice", "word"])
        words[-1 - rng.randint(0, len(words) - 1)] = rng.choice(_ODD_NUMBERS).encode()
        lines[line : line + 1] = {"drop": [], "twice": [lines[line]] * 2, "word": [b" ".join(words)]}[action]
        raw = b"\n".join(lines) + raw[header:]
    else:
        raw = damaged(raw, some_bytes(rng), rng.randint(0, 60), rng.choice([header, None]))
    path = written(place, f"x{suffix}", raw)
    try:
        volume = load_image(path, Quantity.MR).volume
    except HyoidError:
        return
    assert np.all(np.isfinite(volume.array)) and np.linalg.det(volume.geometry.ijk_to_lps[:3, :3]) != 0
    theirs = _by_pynrrd(path) if suffix == ".nrrd" else _by_itk(path)
    if theirs is not None:
        assert same_places(volume.geometry, theirs)


def _by_pynrrd(path):
    try:
        header = nrrd.read_header(str(path))
        directions = np.asarray(header["space directions"], float)
        directions = directions[np.isfinite(directions).all(axis=-1)]
        letters = header["space"].upper()
        letters = "".join(word[0] for word in letters.split("-")) if "-" in letters else letters
        flip = np.diag([-1 if letters[0] == "R" else 1, -1 if letters[1] == "A" else 1, 1])
        matrix = np.eye(4)
        matrix[:3, :3] = (flip @ directions.T)[:, ::-1]
        matrix[:3, 3] = flip @ np.asarray(header.get("space origin", [0, 0, 0]), float)
    except Exception:
        return None
    return matrix if np.isfinite(matrix).all() else None


def _by_itk(path):
    image = sitk.ReadImage(str(path))
    matrix = np.eye(4)
    matrix[:3, :3] = (np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing())[:, ::-1]
    matrix[:3, 3] = image.GetOrigin()
    return matrix


_GEOMETRY = [
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns", "SliceThickness",
    "NumberOfFrames",
]  # fmt: skip
_OTHERS = [
    "RescaleSlope", "RescaleIntercept", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "Modality",
    "PixelPaddingValue", "SamplesPerPixel", "PhotometricInterpretation", "InstanceNumber", "ImageType",
    "SOPInstanceUID", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID",
    "SpecificCharacterSet", "PatientName", "PatientID", "PatientSex", "PatientBirthDate", "StudyDate", "StudyTime",
    "AcquisitionNumber", "AcquisitionTime", "StudyID", "AccessionNumber", "ReferringPhysicianName",
    "PerFrameFunctionalGroupsSequence", "SeriesDescription",
]  # fmt: skip
_TEXTS = [
    "SpecificCharacterSet", "PatientName", "PatientID", "PatientSex", "PatientBirthDate", "StudyDate", "StudyTime",
    "StudyID", "AccessionNumber", "ReferringPhysicianName", "SeriesDescription", "FrameOfReferenceUID",
]  # fmt: skip
_INJECTION = [
    "Units", "DecayCorrection", "CorrectedImage", "PatientWeight", "SeriesDate", "SeriesTime", "AcquisitionDate",
    "AcquisitionTime", "RadionuclideTotalDose", "RadionuclideHalfLife", "RadiopharmaceuticalStartTime",
    "RadiopharmaceuticalInformationSequence",
]  # fmt: skip


def edited(rng, raw, keywords):
    """One element of an object removed, emptied, or replaced by a value that may not suit it."""
    with quiet_pydicom():
        dataset = pydicom.dcmread(io.BytesIO(raw), force=True)
        keyword = rng.choice(keywords)
        holder = dataset
        if keyword.startswith(("Radionuclide", "RadiopharmaceuticalStart")):
            holder = dataset.RadiopharmaceuticalInformationSequence[0]
        if rng.randint(0, 3) == 0 or keyword.endswith("Sequence"):
            if keyword in holder:
                del holder[keyword]
            if keyword.endswith("Sequence") and (rng.random() < 0.5):
                setattr(holder, keyword, Sequence([Dataset()] * rng.randint(0, 2)))
        else:
            value = rng.choice(_ODD_NUMBERS + _ODD_TEXT)
            vr = pydicom.datadict.dictionary_VR(keyword)
            try:
                if vr in ("US", "SS", "US or SS"):
                    holder.add_new(keyword, "US", int(float(value)) & 0xFFFF)
                else:
                    holder.add_new(keyword, vr, value.split("\\") if vr == "DS" else value)
            except (ValueError, OverflowError, TypeError):
                return raw
        buffer = io.BytesIO()
        try:
            dataset.save_as(buffer)
        except Exception:
            return raw
    return buffer.getvalue()


def mutated_series(rng, raws, keywords):
    """Files of a series of which one is edited or damaged, another perhaps absent or there twice."""
    changed = list(raws)
    which = rng.randint(0, len(raws) - 1)
    if rng.randint(0, 2):
        changed[which] = edited(rng, raws[which], keywords)
    elif rng.random() < 0.5:
        # All files alike, as a de-identification tool would.
        keyword, value = rng.choice(_TEXTS), rng.choice(_ODD_TEXT)
        changed = [with_text(raw, keyword, value) for raw in raws]
    else:
        start = rng.choice([1200, None])
        changed[which] = damaged(raws[which], some_bytes(rng), rng.choice([0, 0, 1, 90, 300]), start)
    if rng.randint(0, 5) == 0:
        del changed[rng.randint(0, len(changed) - 1)]
    if rng.randint(0, 5) == 0:
        changed.append(changed[rng.randint(0, len(changed) - 1)])
    return changed


def with_text(raw, keyword, value):
    with quiet_pydicom():
        dataset = pydicom.dcmread(io.BytesIO(raw))
        dataset.add_new(keyword, pydicom.datadict.dictionary_VR(keyword), value)
        buffer = io.BytesIO()
        try:
            dataset.save_as(buffer)
        except Exception:
            return raw
    return buffer.getvalue()


def folder_of(place, raws):
    folder = place / "series"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for index, raw in enumerate(raws):
        (folder / f"{index}.dcm").write_bytes(raw)
    return folder


def assert_slices_lie_where_headers_say(volume, headers):
    """Each header's own position, orientation and spacing, read by pydicom, at its slice of the volume."""
    for header in headers:
        origin = np.array(header.ImagePositionPatient, float)
        across, down = np.array(header.ImageOrientationPatient, float).reshape(2, 3)
        rows, columns = np.array(header.PixelSpacing, float)
        index = volume.geometry.to_ijk(origin)
        assert abs(index[0] - round(index[0])) < 0.5
        one = volume.geometry.to_ijk(origin + down * rows + across * columns)
        np.testing.assert_allclose(one - index, (0, 1, 1), atol=0.05)


@given(seed=st.integers(0, 2**32 - 1))
def test_ct_series_and_what_is_written_from_its_headers(files, place, seed):
    rng = random.Random(seed)
    folder = folder_of(place, mutated_series(rng, files["ct"], _GEOMETRY + _OTHERS))
    try:
        study = read_study(folder)
    except HyoidError:
        return
    assert np.all(np.isfinite(study.volume.array)) and study.volume.array.min() >= -1024
    assert len(study.headers) == study.volume.geometry.shape[0]
    assert_slices_lie_where_headers_say(study.volume, study.headers)
    # Whatever was read can be written: results after an hour's work must not fail on a patient's name.
    mask = np.zeros(study.volume.geometry.shape, bool)
    mask[0, 0, 0] = mask[-1, -1, -1] = True
    try:
        write_seg(place / "seg.dcm", {201: mask}, study.headers, study.volume.geometry, structures=STRUCTURES)
        write_rtstruct(place / "rs.dcm", {201: mask}, study.headers, study.volume.geometry, structures=STRUCTURES)
    except HyoidError as error:
        raise AssertionError("read, and then refused by a writer") from error


@given(seed=st.integers(0, 2**32 - 1))
def test_pet_series(files, place, seed):
    rng = random.Random(seed)
    folder = folder_of(place, mutated_series(rng, files["pet"], _GEOMETRY + _OTHERS + _INJECTION))
    try:
        study = read_pet(folder)
    except HyoidError:
        return
    assert study.volume.quantity is Quantity.SUV and np.all(np.isfinite(study.volume.array))
    assert_slices_lie_where_headers_say(study.volume, study.headers)


@given(seed=st.integers(0, 2**32 - 1))
def test_rtstruct_and_seg(files, place, seed):
    rng = random.Random(seed)
    kind = rng.choice(["rtstruct", "seg"])
    raw = damaged(files[kind], some_bytes(rng), rng.choice([0, 0, 1, 40, 400]))
    path = written(place, f"x_{kind}.dcm", raw)
    try:
        if kind == "seg":
            masks = [(s.mask.geometry, s.mask.array) for s in read_seg(path).segments]
        else:
            masks = [(GRID, mask) for mask in read_rtstruct(path, GRID).values()]
    except HyoidError:
        return
    for geometry, mask in masks:
        assert mask.shape == geometry.shape and mask.dtype == bool


_ODD_VALUES = [
    None, True, 0, -1, 1, 2, 10**30, 0.5, float("nan"), float("inf"), "", "0", "x", [], [0], [1, 2, 3], [-1, 1, 1],
    [[1, 1, 1]], {}, {"0": 0},
]  # fmt: skip


def changed_json(rng, raw):
    """One value anywhere in a JSON text removed, replaced by one that may not suit it, or there twice."""
    content = json.loads(raw)
    holder = content
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            return json.dumps(content).encode()
        key = rng.choice(keys)
        if isinstance(holder[key], dict | list) and rng.random() < 0.8:
            holder = holder[key]
            continue
        action = rng.choice(["drop", "replace", "replace", "copy"])
        if action == "drop":
            del holder[key]
        elif action == "replace":
            holder[key] = copy.deepcopy(rng.choice(_ODD_VALUES))
        elif isinstance(holder, list):
            holder.append(holder[key])
        else:
            holder[f"{key}_2"] = holder[key]
        return json.dumps(content).encode()


@given(seed=st.integers(0, 2**32 - 1))
def test_nnunet_folders(model_folder, place, seed):
    rng = random.Random(seed)
    folder, originals = model_folder
    name = rng.choice(["plans.json", "plans.json", "dataset.json", "fold_0/checkpoint_final.pth"])
    raw = originals[name]
    if name.endswith(".json") and rng.random() < 0.8:
        (folder / name).write_bytes(changed_json(rng, raw))
    else:
        (folder / name).write_bytes(damaged(raw, some_bytes(rng), rng.choice([0, 0, 1, 90]), rng.choice([400, None])))
    try:
        model = read_nnunet_folder(folder)
        package = fold_package(model, "0", place)
        arrays = package.arrays()
    except HyoidError:
        return
    finally:
        (folder / name).write_bytes(raw)
    # What was read fits a grid and a network; weights that do not fit that network are refused where it is compiled.
    assert len(model.spacing_mm) == len(model.patch) and np.all(np.isfinite(model.spacing_mm))
    assert min(model.spacing_mm) > 0 and min(model.patch) > 0 and sorted(model.transpose) == [0, 1, 2]
    assert sum(array.size for array in arrays.values()) > 0
    if max(model.network["features"]) < 64:
        build_network(model.network)
