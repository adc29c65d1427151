"""A localiser of known quality for virtual patients: boxes around the true lesions, displaced.

Whether priors help depends on how good the localiser is, and a good one takes days to train. With this one the question
can be asked apart: its boxes have the Dice that Gupta et al. give for theirs, 0.51, on virtual patients.
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
from hyoid.io.files import read_labels
from hyoid.preprocess.network_grid import body_on_grid
from hyoid.training.cases import CaseFiles, boxed
from hyoid.volume import Volume


@dataclass(frozen=True)
class SimulatedLocaliser:
    """Boxes around primary and nodes, all moved by one random vector per patient.

    Parameters
    ----------
    displacement_mm : float
        Standard deviation along each axis; 4.8 mm leave a mean Dice of 0.51 (100 virtual patients).
    spacing_mm : (slice, row, column)
        Of the map.
    """

    displacement_mm: float = 4.8
    spacing_mm: tuple[float, float, float] = (4.0, 4.0, 4.0)

    LOGIT = 4.0  # inside; outside as much below zero: probabilities of 0.98 and 0.02

    def logits(self, case: CaseFiles, ct: Volume) -> Logits:
        """Map of a virtual patient, the same at every call.

        Raises
        ------
        UsageError
            For a real patient, whose lesions are not known.
        """
        if not case.virtual or case.target is None:
            raise UsageError(
                f"{case.name} is no virtual patient: its tumour cannot be simulated.", "Give a package with --tumour."
            )
        grid = body_on_grid(ct, self.spacing_mm).geometry
        lesions = to_canonical(read_labels(case.target))
        boxes = lesions.with_array(boxed((lesions.array > 0).astype(np.uint8)))
        rng = np.random.default_rng(int.from_bytes(hashlib.sha256(case.name.encode()).digest()[:8], "big"))
        moved = rng.normal(0, self.displacement_mm, 3) / grid.spacing_mm
        found = ndimage.shift(resample(boxes, grid).array, moved, order=0) > 0
        array = np.where(found, self.LOGIT, -self.LOGIT).astype(np.float32)
        return Logits(array[None], grid, ("target_region",))
