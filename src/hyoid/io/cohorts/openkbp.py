"""OpenKBP, as converted in `../shared/data`: planning CTs with organs at risk and planning targets.

::

    pt_<n>_ct, pt_<n>_oar, pt_<n>_ptv        (.nii.gz)

Nothing writes this layout: its patients are taken for real ones.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyoid.io.cohorts.case_files import CaseFiles, existing

# Labels of `pt_N_oar`, in hyoid's words.
OPENKBP_ORGANS = {
    1: "brainstem",
    2: "spinal_cord",
    3: "parotid_right",
    4: "parotid_left",
    5: "oesophagus",
    6: "larynx",
    7: "mandible",
}
OPENKBP_PTV70 = 3
# Contours of the cord over 400 mL: wrong, see ../shared/data/README.md.
_WRONG = {("pt_215", "spinal_cord"), ("pt_216", "spinal_cord")}


def find_openkbp_cases(folder: Path) -> tuple[CaseFiles, ...]:
    """Find the patients in a folder, in order of name."""
    return tuple(
        CaseFiles(
            ct.name.removesuffix("_ct.nii.gz"),
            ct,
            existing(ct.with_name(ct.name.replace("_ct", "_oar"))),
            existing(ct.with_name(ct.name.replace("_ct", "_ptv"))),
            virtual=False,
        )
        for ct in sorted(folder.glob("pt_*_ct.nii.gz"))
    )


def organs_of(labels: NDArray[np.integer], patient: str) -> dict[str, NDArray[np.bool_]]:
    """Divide the label map of a patient into the organs that were contoured, wrong contours left out.

    Parameters
    ----------
    labels : ndarray, shape (D, H, W)
        Label map `pt_N_oar`, on any grid.
    patient : str
        Name of the case.
    """
    masks = {name: labels == value for value, name in OPENKBP_ORGANS.items() if (patient, name) not in _WRONG}
    return {name: mask for name, mask in masks.items() if mask.any()}
