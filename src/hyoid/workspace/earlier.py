"""Lesions of an earlier scan, carried onto the present one by registration, so that they can be compared and copied."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from hyoid.errors import UnsuitableScanError
from hyoid.geometry.boxes import crop_geometry
from hyoid.metrics.lesions import longest_axial_mm
from hyoid.preprocess.registration import carry, register
from hyoid.progress import Stages, ignore_stages
from hyoid.report.content.scene import ReportInputs
from hyoid.systems.lesion.response import EarlierLesion
from hyoid.systems.lesion.strokes import Drawn, whole_of
from hyoid.volume import Quantity, Volume
from hyoid.workspace.drafts import Draft, Target

_SEEN_HU = (-300.0, 300.0)  # what a registration looks at: skin, fat, muscle, contrast, the edge of bone
_AIR_HU = -1024.0


def carried_name(prior: str, version: int, fingerprint: str) -> str:
    """Name what a signed version of a session on an earlier scan becomes on the present scan.

    Parameters
    ----------
    prior : str
        Name of the session on the earlier scan.
    version : int
        Number of its signed version.
    fingerprint : str
        Fingerprint of the present scan.
    """
    return hashlib.sha256(f"earlier\n{prior}\n{version}\n{fingerprint}".encode()).hexdigest()


def carry_lesions(
    name: str,
    before: Volume,
    lesions: Sequence[tuple[Target, Drawn]],
    now: Volume,
    inputs: ReportInputs,
    on_progress: Stages = ignore_stages,
) -> Draft:
    """Register an earlier scan onto the present one, and carry the scan and its lesions over.

    Parameters
    ----------
    name : str
        From `carried_name`.
    before, now : Volume, HU or MR
        Both scans in canonical orientation, of one modality.
    lesions : sequence of (target, Drawn)
        Lesions on the grid of the earlier scan.
    inputs : ReportInputs
        Facts of the present scan, which the result is kept with.
    on_progress : callable
        Called with (stage, steps done, steps in all).

    Raises
    ------
    UnsuitableScanError
        When the two are not of one modality, or a scan shows no body.
    """
    if before.quantity is not now.quantity or now.quantity not in (Quantity.HU, Quantity.MR):
        raise UnsuitableScanError(
            "The earlier scan is of another modality, so it is not registered.", "Compare two CT, or two MR."
        )
    field, _ = register(_seen(before), _seen(now), on_progress=lambda done, of: on_progress("register", done, of))
    # Primaries first, largest first: so the response numbers its lesions.
    order = sorted(lesions, key=lambda row: (row[0] != "GTVp", -int(row[1].mask.sum())))
    found = []
    for target, drawn in order:
        if drawn.box is None:
            continue
        whole = before.with_array(np.zeros(before.geometry.shape, np.uint8), Quantity.LABEL)
        whole.array[drawn.box.slices][drawn.mask] = 1
        there = carry(whole, field, now.geometry).array > 0
        long_mm = round(longest_axial_mm(drawn.mask, crop_geometry(before.geometry, drawn.box)), 2)
        volume_ml = float(drawn.mask.sum()) * before.geometry.voxel_ml
        found.append(EarlierLesion(target, whole_of(there), volume_ml, long_mm))
    outside = _AIR_HU if now.quantity is Quantity.HU else 0.0
    return Draft(name, inputs, second=carry(before, field, now.geometry, outside=outside), earlier=tuple(found))


def _seen(volume: Volume) -> Volume:
    """A scan as the registration of MR takes it: bright tissue on dark air."""
    if volume.quantity is Quantity.MR:
        return volume
    low, high = _SEEN_HU
    return Volume((np.clip(volume.array, low, high) - low).astype(np.float32), volume.geometry, Quantity.MR)
