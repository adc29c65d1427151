"""Tumour locations of known quality for virtual patients: the true lesions, displaced.

Whether priors help depends on how good the localiser is, and a good one takes days to train. With `SimulatedLocaliser`
the question can be asked apart: its boxes have the Dice that Gupta et al. give for theirs, 0.51, on virtual patients.
`SimulatedReader` outlines the primary as well as another reader would.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from hyoid.errors import UsageError
from hyoid.geometry.orientation import to_canonical
from hyoid.geometry.resample import resample
from hyoid.inference.segment import Logits
from hyoid.io.cohorts.case_files import CaseFiles
from hyoid.io.files.volumes import read_labels
from hyoid.io.reader_masks import PRIMARY
from hyoid.preprocess.network_grid import body_on_grid
from hyoid.training.cases import boxed
from hyoid.volume import Volume


@dataclass(frozen=True)
class SimulatedLocaliser:
    """Boxes around primary and nodes, all moved by one random vector per patient.

    Parameters
    ----------
    displacement_mm : float
        Standard deviation along each axis; 4.8 mm leave a mean Dice of 0.51 (100 virtual patients).
    spacing_mm : (slice, row, column)
        Voxel spacing of the map.
    """

    displacement_mm: float = 4.8
    spacing_mm: tuple[float, float, float] = (4.0, 4.0, 4.0)

    LOGIT = 4.0  # inside; outside as much below zero: probabilities of 0.98 and 0.02

    def logits(self, case: CaseFiles, ct: Volume) -> Logits:
        """Make the logits of a virtual patient's target region, the same at every call.

        Raises
        ------
        UsageError
            For a real patient, whose lesions are not known.
        """
        grid = body_on_grid(ct, self.spacing_mm).geometry
        lesions = _true_lesions(case, "Give a package with --tumour.")
        boxes = lesions.with_array(boxed((lesions.array > 0).astype(np.uint8)))
        found = _displaced(resample(boxes, grid), case.name, self.displacement_mm).array > 0
        array = np.where(found, self.LOGIT, -self.LOGIT).astype(np.float32)
        return Logits(array[None], grid, ("target_region",))


@dataclass(frozen=True)
class SimulatedReader:
    """The primary tumour, moved by a random vector per patient.

    Parameters
    ----------
    displacement_mm : float
        Standard deviation along each axis; 1.5 mm leave a mean Dice of 0.74 with the truth (100 virtual patients),
        about that of two observers.
    """

    displacement_mm: float = 1.5

    def outline(self, case: CaseFiles) -> Volume:
        """Outline a virtual patient's primary on the scan's grid (label 1), the same at every call.

        Raises
        ------
        UsageError
            For a real patient, whose tumour is not known.
        """
        lesions = _true_lesions(case, "Give virtual patients only.")
        primary = lesions.with_array((lesions.array == PRIMARY).astype(np.uint8))
        return _displaced(primary, case.name, self.displacement_mm)


def _true_lesions(case: CaseFiles, cure: str) -> Volume:
    """Canonical lesion labels of a virtual patient."""
    if not case.virtual or case.targets is None:
        raise UsageError(f"{case.name} is no virtual patient: its tumour cannot be simulated.", cure)
    return to_canonical(read_labels(case.targets))


def _displaced(labels: Volume, name: str, displacement_mm: float) -> Volume:
    """Labels moved as a whole, by the same vector at every call for a patient of this name."""
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))
    moved = rng.normal(0, displacement_mm, 3) / labels.geometry.spacing_mm
    return labels.with_array(ndimage.shift(labels.array, moved, order=0))
