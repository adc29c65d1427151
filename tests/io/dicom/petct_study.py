"""Write a PET/CT study as DICOM: virtual patients, and fixtures of tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from hyoid.io.dicom.ct import write_ct_series
from hyoid.io.dicom.output import synthetic_headers
from hyoid.io.dicom.suv import dose_at
from hyoid.volume import Geometry, Quantity, Volume

# A patient of 75 kg who got 300 MBq of 18F-FDG an hour before the scan.
WEIGHT_KG, DOSE_BQ, HALF_LIFE_S, UPTAKE_S = 75.0, 300e6, 6588.0, 3600.0
_DAY, _INJECTED, _SCANNED = "20240102", "090000", "100000"


def write_petct_study(folder: Path, ct: Volume, pet: Volume, *, seed: str) -> None:
    """Write the series `ct` and `pt` of one study in one frame of reference, without a patient's identity.

    Parameters
    ----------
    folder : Path
        Folder for the two series, made when absent.
    ct : Volume, HU
        CT, rounded to whole HU.
    pet : Volume, SUV
        PET, stored in Bq/mL, decay-corrected to the start of the scan, each slice with its own slope.
    seed : str
        The same seed gives the same identifiers.
    """
    first = synthetic_headers(ct.geometry, seed=seed)[0]
    frame = str(first.FrameOfReferenceUID)
    write_ct_series(folder / "ct", Volume(ct.array, _framed(ct.geometry, frame), ct.quantity), seed=seed)
    pet = Volume(pet.require(Quantity.SUV).array, _framed(pet.geometry, frame), Quantity.SUV)
    (folder / "pt").mkdir(parents=True, exist_ok=True)
    to_bq_per_ml = dose_at(DOSE_BQ, HALF_LIFE_S, UPTAKE_S) / (1000.0 * WEIGHT_KG)
    for index, header in enumerate(synthetic_headers(pet.geometry, modality="PT", seed=f"{seed} pet")):
        header.StudyInstanceUID = first.StudyInstanceUID
        header.SeriesNumber, header.SeriesDescription = 2, "Virtual patient PET AC"
        header.ImageType = ["ORIGINAL", "PRIMARY"]
        header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
        header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 0
        values = np.maximum(pet.array[index], 0) * to_bq_per_ml
        slope = f"{max(float(values.max()), 1.0) / 65535:.10g}"
        header.RescaleSlope, header.RescaleIntercept = slope, "0"
        _add_injection(header)
        header.PixelData = np.round(values / float(slope)).clip(0, 65535).astype("<u2").tobytes()
        header.save_as(folder / "pt" / f"slice_{index:04d}.dcm", enforce_file_format=True)


def _add_injection(header: Dataset) -> None:
    drug = Dataset()
    drug.RadiopharmaceuticalStartTime = _INJECTED
    drug.RadionuclideTotalDose, drug.RadionuclideHalfLife = f"{DOSE_BQ:.0f}", f"{HALF_LIFE_S:.0f}"
    header.RadiopharmaceuticalInformationSequence = Sequence([drug])
    header.Units, header.DecayCorrection, header.CorrectedImage = "BQML", "START", ["DECY", "ATTN", "SCAT"]
    header.SeriesType, header.PatientWeight = ["STATIC", "IMAGE"], f"{WEIGHT_KG:g}"
    header.SeriesDate = header.AcquisitionDate = _DAY
    header.SeriesTime = header.AcquisitionTime = _SCANNED
    header.ActualFrameDuration = "180000"


def _framed(geometry: Geometry, frame: str) -> Geometry:
    return Geometry(geometry.shape, geometry.ijk_to_lps, frame)
