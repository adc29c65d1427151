"""What a reader opens: one scan to outline on, and the images that belong to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hyoid.geometry.orientation import to_canonical
from hyoid.io.petct import PetCtStudy
from hyoid.io.study import Study
from hyoid.systems.midrt.pipeline import Pair
from hyoid.volume import Volume

Modality = Literal["CT", "MR", "PT", "PT/CT", "MR pair"]


@dataclass(frozen=True, eq=False)
class Scans:
    """A scan to outline on, with the PET or the earlier MR that is shown with it.

    Parameters
    ----------
    study : Study
        CT, MR or PET on which outlines are drawn; of a pair of MR the later one.
    modality : {"CT", "MR", "PT", "PT/CT", "MR pair"}
        What was opened.
    petct : PetCtStudy or None
        CT and PET as read; None for anything else.
    pair : Pair or None
        Both MR and the outlines on the earlier one, each on its own grid; None for anything else.
    """

    study: Study
    modality: Modality
    petct: PetCtStudy | None = None
    pair: Pair | None = None

    @property
    def second(self) -> Volume | None:
        """The image to lay over the scan, on its own canonical grid: PET in SUV, or the earlier MR; None: no other."""
        if self.petct is not None and self.petct.pet is not None:
            return to_canonical(self.petct.pet.volume)
        return None if self.pair is None else to_canonical(self.pair.pre)

    @property
    def report_modality(self) -> str:
        """Modality as reports name it."""
        return "MR" if self.modality == "MR pair" else self.modality


def index_map(scan: Volume, second: Volume) -> NDArray[np.float64]:
    """Compute the 4x4 matrix from voxels (slice, row, column) of a scan to those of a second image.

    Parameters
    ----------
    scan, second : Volume
        Two images in one frame of reference.

    Examples
    --------
    >>> from hyoid.volume import Geometry, Quantity
    >>> fine = Volume(np.zeros((4, 4, 4)), Geometry.axial((4, 4, 4), (1, 1, 1)), Quantity.HU)
    >>> coarse = Volume(np.zeros((2, 2, 2)), Geometry.axial((2, 2, 2), (2, 2, 2), (1, 0, 0)), Quantity.SUV)
    >>> (index_map(fine, coarse) @ [0, 0, 1, 1])[:3].tolist()  # one column to the left is where the other begins
    [0.0, 0.0, 0.0]
    """
    return np.linalg.inv(second.geometry.ijk_to_lps) @ scan.geometry.ijk_to_lps
