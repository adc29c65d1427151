"""Write a PET or MR volume as a DICOM series: virtual patients, and fixtures of tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom.uid import MRImageStorage, PositronEmissionTomographyImageStorage, generate_uid

from hyoid.io.dicom.output import synthetic_headers
from hyoid.volume import Quantity, Volume


def write_pet_series(folder: Path, volume: Volume, *, seed: str) -> None:
    """Write a PET, one file per slice in SUV by body weight (GML), in study and frame of the CT of the same seed.

    Parameters
    ----------
    folder : Path
        Folder for the files, made when absent.
    volume : Volume, SUV
        PET, stored in steps of its maximum over 65535.
    seed : str
        Seed of the identifiers, as given to `write_ct_series`.
    """
    frame = str(synthetic_headers(volume.geometry, seed=seed)[0].FrameOfReferenceUID)
    _write(folder, volume.require(Quantity.SUV), seed, "Virtual patient PET", "PT", frame)


def write_mr_series(folder: Path, volume: Volume, *, seed: str, description: str) -> None:
    """Write a T2w fat-saturated MR, one file per slice, as a study of its own.

    Parameters
    ----------
    folder : Path
        Folder for the files, made when absent.
    volume : Volume, MR
        MR, rounded to whole numbers.
    seed : str
        The same seed gives the same identifiers; another gives another study.
    description : str
        SeriesDescription.
    """
    _write(folder, volume.require(Quantity.MR), seed, description, "MR", "")


def _write(folder: Path, volume: Volume, seed: str, description: str, modality: str, frame: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    values = np.clip(volume.array, 0, None)
    slope = max(float(values.max()), 1e-3) / 65535 if modality == "PT" else 1.0
    stored = np.clip(np.round(values / slope), 0, 65535).astype("<u2")
    geometry = replace(volume.geometry, frame_of_reference_uid=frame) if frame else volume.geometry
    series = generate_uid(entropy_srcs=[seed, modality])
    for index, header in enumerate(synthetic_headers(geometry, modality="MR", seed=seed)):
        header.SeriesDescription, header.SeriesInstanceUID = description, series
        header.SOPInstanceUID = generate_uid(entropy_srcs=[seed, modality, str(index)])
        header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
        header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 0
        header.ImageType = ["DERIVED", "SECONDARY"]
        if modality == "PT":
            header.SOPClassUID, header.Modality = PositronEmissionTomographyImageStorage, "PT"
            header.SeriesNumber, header.ImageIndex, header.NumberOfSlices = 2, index + 1, geometry.shape[0]
            header.Units, header.SUVType, header.DecayCorrection = "GML", "BW", "START"
            header.SeriesType, header.CorrectedImage = ["STATIC", "IMAGE"], ["DECY", "ATTN", "SCAT", "NORM"]
            header.RescaleSlope, header.RescaleIntercept = f"{slope:.10g}", "0"
        else:
            header.SOPClassUID = MRImageStorage
            header.ScanningSequence, header.SequenceVariant, header.ScanOptions = "SE", "SK", "FS"
            header.MRAcquisitionType, header.EchoTime, header.RepetitionTime = "2D", "80", "4000"
        header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
        header.PixelData = stored[index].tobytes()
        header.save_as(folder / f"slice_{index:04d}.dcm", enforce_file_format=True)
