"""Which volume of a virtual patient goes where, in each layout that cohorts are written in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from hyoid.anatomy.structures import ORGANS, TARGETS
from hyoid.geometry.resample import resample
from hyoid.io.cohorts.hecktor import write_hecktor_case
from hyoid.io.cohorts.hntsmrg import write_hntsmrg_case
from hyoid.io.cohorts.nnunet import write_nnunet_case
from hyoid.io.cohorts.plain import write_field, write_plain_case
from hyoid.io.dicom.ct import write_ct_series
from hyoid.io.dicom.images import write_mr_series, write_pet_series
from hyoid.io.dicom.output import synthetic_headers
from hyoid.io.dicom.seg import write_seg
from hyoid.phantom.patient import GTVN, GTVP, VirtualPatient
from hyoid.volume import Volume

# SGRNet knows organs 0 to 21, Appendix E.
_SGRNET_ORGANS = 21


def _plain(patient: VirtualPatient, folder: Path, name: str) -> None:
    """One folder with every image, mask and the displacement field."""
    del name
    volumes: dict[str, Volume] = {
        "ct": patient.ct,
        "organs": patient.organs,
        "subsites": patient.subsites,
        "lesions": patient.lesions,
        "lesion_ids": patient.lesion_ids,
    }
    if patient.pet is not None:
        volumes["pet"] = patient.pet
    if patient.mr is not None:
        pair = patient.mr
        volumes |= {
            "mr_pre": pair.pre,
            "mr_mid": pair.mid,
            "mr_pre_lesions": pair.pre_lesions,
            "mr_mid_lesions": pair.mid_lesions,
            "mr_pre_ids": pair.pre_ids,
            "mr_mid_ids": pair.mid_ids,
            "mr_pre_registered": pair.pre_registered,
            "mr_pre_lesions_registered": pair.pre_lesions_registered,
        }
        write_field(pair.field.vectors_mm, pair.field.geometry, folder / "field.nii.gz")
    write_plain_case(folder, volumes)


def _nnunet(patient: VirtualPatient, root: Path, name: str) -> None:
    """`imagesTr`, `labelsTr`: organs and lesions of a CT, lesions of PET/CT, or lesions of each MR of a pair."""
    if patient.mr is not None:
        pair = patient.mr
        for time, image, lesions in (("pre", pair.pre, pair.pre_lesions), ("mid", pair.mid, pair.mid_lesions)):
            write_nnunet_case(root, f"{name}_{time}", {"T2w": image}, lesions, _LESIONS)
    elif patient.pet is not None:
        images = {"CT": patient.ct, "PET": resample(patient.pet, patient.ct.geometry)}
        write_nnunet_case(root, name, images, patient.lesions, _LESIONS)
    else:
        labels = patient.organs.array.copy()
        for value, target in ((GTVP, len(ORGANS) + 1), (GTVN, len(ORGANS) + 2)):
            labels[patient.lesions.array == value] = target
        names = [s.name for s in (*ORGANS, *TARGETS[:2])]
        write_nnunet_case(root, name, {"CT": patient.ct}, patient.organs.with_array(labels), names)


_LESIONS = ["gtvp", "gtvn"]


def _hecktor2025(patient: VirtualPatient, root: Path, name: str) -> None:
    assert patient.pet is not None
    write_hecktor_case(root, name, patient.ct, patient.pet, patient.lesions)


def _hntsmrg2024(patient: VirtualPatient, root: Path, name: str) -> None:
    assert patient.mr is not None
    pair = patient.mr
    write_hntsmrg_case(
        root / name,
        {
            "pre": pair.pre,
            "pre_mask": pair.pre_lesions,
            "mid": pair.mid,
            "mid_mask": pair.mid_lesions,
            "pre_registered": pair.pre_registered,
            "pre_mask_registered": pair.pre_lesions_registered,
        },
    )


def _sgrnet(patient: VirtualPatient, root: Path, name: str) -> None:
    """CT, the 21 organs of Appendix E, and cuboids around the primary (1) and each node (2), as readers draw them."""
    organs = np.where(patient.organs.array <= _SGRNET_ORGANS, patient.organs.array, 0).astype(np.uint8)
    cuboids = np.zeros_like(patient.lesions.array)
    ids, lesions = patient.lesion_ids.array, patient.lesions.array
    for number in range(int(ids.max()), 0, -1):  # the primary last, above its nodes
        voxels = np.argwhere(ids == number)
        if len(voxels):
            low, high = voxels.min(0), voxels.max(0) + 1
            box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
            cuboids[box] = lesions[tuple(voxels[0])]
    organ_map, boxes = patient.organs.with_array(organs), patient.lesions.with_array(cuboids)
    write_plain_case(root / name, {"ct": patient.ct, "organs": organ_map, "cuboids": boxes})


def _dicom(patient: VirtualPatient, root: Path, name: str) -> None:
    """Series `ct`, `pt`, `mr_pre`, `mr_mid`, and the CT's lesions and organs as one SEG."""
    write_ct_series(root / name / "ct", patient.ct, seed=name)
    if patient.pet is not None:
        write_pet_series(root / name / "pt", patient.pet, seed=name)
    if patient.mr is not None:
        for time, volume in (("pre", patient.mr.pre), ("mid", patient.mr.mid)):
            write_mr_series(root / name / f"mr_{time}", volume, seed=f"{name} {time}", description=f"T2w FS {time}")
    masks = patient.organs.array.copy()
    for value, target in ((GTVP, TARGETS[0]), (GTVN, TARGETS[1])):
        masks[patient.lesions.array == value] = target.label
    headers = synthetic_headers(patient.ct.geometry, seed=name)
    write_seg(
        root / name / "truth_seg.dcm", patient.organs.with_array(masks), headers, description="Truth of virtual patient"
    )


WRITERS: dict[str, Callable[[VirtualPatient, Path, str], None]] = {
    "plain": _plain,
    "nnunet": _nnunet,
    "hecktor2025": _hecktor2025,
    "hntsmrg2024": _hntsmrg2024,
    "sgrnet": _sgrnet,
    "dicom": _dicom,
}
"""By layout of `hyoid.io.cohorts.layouts`; called with (patient, folder of the cohort or the patient, name)."""
