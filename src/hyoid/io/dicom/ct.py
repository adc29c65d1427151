"""Write a CT volume as a DICOM series: virtual patients, and fixtures of tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hyoid.io.dicom.output import synthetic_headers
from hyoid.volume import Quantity, Volume


def write_ct_series(folder: Path, volume: Volume, *, seed: str = "") -> None:
    """Write one uncompressed DICOM file per slice, without a patient's identity.

    Parameters
    ----------
    folder : Path
        Folder for the files, made when absent.
    volume : Volume, HU
        CT, rounded to whole HU and stored with intercept -1024.
    seed : str, optional
        The same seed gives the same identifiers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stored = np.clip(np.round(volume.require(Quantity.HU).array) + 1024, 0, 65535).astype("<u2")
    for index, header in enumerate(synthetic_headers(volume.geometry, seed=seed)):
        header.SeriesDescription = "Virtual patient CT"
        header.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
        header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
        header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 0
        header.RescaleSlope, header.RescaleIntercept, header.RescaleType = "1", "-1024", "HU"
        header.PixelData = stored[index].tobytes()
        header.save_as(folder / f"slice_{index:04d}.dcm", enforce_file_format=True)
