"""Small DICOM series made in memory, regular or broken on purpose."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    generate_uid,
)

from hyoid.volume import Geometry

_CLASSES = {"CT": CTImageStorage, "MR": MRImageStorage, "PT": PositronEmissionTomographyImageStorage}


def dicom_series(
    array: np.ndarray,
    geometry: Geometry,
    *,
    modality: str = "CT",
    description: str = "NECK",
    number: int = 2,
    slope: Sequence[float] | float = 1.0,
    intercept: float = -1024.0,
    image_type: Sequence[str] = ("ORIGINAL", "PRIMARY", "AXIAL"),
    study_uid: str = "1.2.826.0.1.3680043.8.498.1",
) -> list[Dataset]:
    """One dataset per slice of `array` (values after rescaling), in array order; pixel (row, column) order kept."""
    series_uid, frame_uid = generate_uid(), geometry.frame_of_reference_uid or generate_uid()
    slopes = np.broadcast_to(np.asarray(slope, float), len(array))
    datasets = []
    for index, plane in enumerate(array):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = _CLASSES[modality]
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
        ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study_uid, series_uid, frame_uid
        ds.Modality, ds.SeriesDescription, ds.SeriesNumber = modality, description, number
        ds.InstanceNumber = index + 1
        ds.ImageType = list(image_type)
        ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "DOE^JANE", "SECRET-7", "19600229", "F"
        ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20240102", "101112", "1", ""
        ds.ReferringPhysicianName, ds.PositionReferenceIndicator, ds.Manufacturer = "", "", "TEST"
        ds.ImagePositionPatient = [round(float(v), 6) for v in geometry.to_lps((index, 0, 0))]
        ds.ImageOrientationPatient = [round(float(v), 9) for v in geometry.directions[:, [2, 1]].T.ravel()]
        ds.PixelSpacing = [float(s) for s in geometry.spacing_mm[1:]]
        ds.SliceThickness = float(geometry.spacing_mm[0])
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.Rows, ds.Columns = plane.shape
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
        ds.RescaleSlope, ds.RescaleIntercept = float(slopes[index]), float(intercept)
        if modality == "PT":
            ds.Units = "BQML"
        stored = np.rint((plane - intercept) / slopes[index]).astype("<u2")
        ds.PixelData = stored.tobytes()
        datasets.append(ds)
    return datasets


def save_series(datasets: Sequence[Dataset], folder: Path) -> list[Path]:
    """Write datasets as files whose names say nothing about their order."""
    folder.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(0).permutation(10_000)
    paths = []
    for dataset in datasets:
        path = folder / f"IM{order[len(list(folder.iterdir()))]:05d}"
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


@pytest.fixture(scope="session")
def make_series() -> Callable[..., list[Dataset]]:
    return dicom_series


@pytest.fixture(scope="session")
def save() -> Callable[..., list[Path]]:
    return save_series


@pytest.fixture
def ramp() -> np.ndarray:
    """HU array of shape (6, 5, 7) in which every voxel differs."""
    return np.arange(6 * 5 * 7).reshape(6, 5, 7) * 3 - 1000


@pytest.fixture
def grid() -> Geometry:
    return Geometry.axial((6, 5, 7), (2.5, 0.8, 0.9), (-40.0, -60.0, 100.0), "1.2.3")


@pytest.fixture(scope="session")
def minisign_keys():
    """A pair of keys as `minisign -G -W` writes them, the secret file and the public text: `minisign_keys(folder)`."""
    import base64

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    def make(folder, seed=b"7" * 32, number=bytes(range(1, 9))):
        public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        inner = number + seed + public
        raw = b"Ed" + b"\0\0" + b"B2" + bytes(48) + inner + bytes(32)
        file = folder / f"{seed[:1].decode()}.key"
        file.write_text(f"untrusted comment: secret key\n{base64.b64encode(raw).decode()}\n")
        return file, f"untrusted comment: public key\n{base64.b64encode(b'Ed' + number + public).decode()}\n"

    return make
