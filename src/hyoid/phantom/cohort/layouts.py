"""Where each file of a virtual patient goes: plain folders, nnU-Net, two challenges, SGRNet, DICOM."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from hyoid.anatomy.structures import ORGANS, TARGETS
from hyoid.errors import UsageError
from hyoid.geometry.resample import resample, to_sitk
from hyoid.io.atomic import atomic_write, write_text
from hyoid.io.dicom.ct import write_ct_series
from hyoid.io.dicom.images import write_mr_series, write_pet_series
from hyoid.io.dicom.output import synthetic_headers
from hyoid.io.dicom.seg import write_seg
from hyoid.io.files.volumes import write_nifti
from hyoid.phantom.disease.followup import Field
from hyoid.phantom.patient import GTVN, GTVP, VirtualPatient
from hyoid.volume import Quantity, Volume

# SGRNet knows organs 0 to 21, Appendix E.
_SGRNET_ORGANS = 21


@dataclass(frozen=True)
class Layout:
    """One layout.

    Parameters
    ----------
    modalities : tuple of tuples
        Sets of modalities it can hold; empty for any.
    write : callable
        Called with (patient, folder of the cohort, name of the patient, seed).
    per_patient : bool
        All files of a patient lie in a folder of its name, with truth and report.
    """

    modalities: tuple[tuple[str, ...], ...]
    write: Callable[[VirtualPatient, Path, str], None]
    per_patient: bool = False


def check_layout(layout: str, modalities: Sequence[str]) -> Layout:
    """The layout of a name, when it can hold the modalities.

    Raises
    ------
    UsageError
        When there is no such layout, or it is made for other images.
    """
    if layout not in LAYOUTS:
        raise UsageError(f"There is no layout {layout!r}.", f"Choose one of {', '.join(LAYOUTS)}.")
    found = LAYOUTS[layout]
    if found.modalities and tuple(sorted(modalities)) not in found.modalities:
        choices = " or ".join(",".join(m) for m in found.modalities)
        raise UsageError(
            f"The layout {layout} cannot hold the modalities {','.join(modalities)}.", f"Use --modality {choices}."
        )
    return found


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
        write_field(pair.field, folder / "field.nii.gz")
    for key, volume in volumes.items():
        write_nifti(volume, folder / f"{key}.nii.gz")


def write_field(field: Field, path: Path) -> None:
    """The displacement field as a vector image on its own grid; components in mm of LPS."""
    parts = [to_sitk(Volume(c, field.geometry, Quantity.MR)) for c in field.vectors_mm]
    with atomic_write(path) as unfinished:
        sitk.WriteImage(sitk.Compose(parts), str(unfinished), useCompression=True)


def _nnunet(patient: VirtualPatient, root: Path, name: str) -> None:
    """`imagesTr`, `labelsTr`: organs and lesions of a CT, lesions of PET/CT, or lesions of each MR of a pair."""
    if patient.mr is not None:
        pair = patient.mr
        for time, image, lesions in (("pre", pair.pre, pair.pre_lesions), ("mid", pair.mid, pair.mid_lesions)):
            _nnunet_case(root, f"{name}_{time}", {"T2w": image}, lesions, _LESIONS)
    elif patient.pet is not None:
        images = {"CT": patient.ct, "PET": resample(patient.pet, patient.ct.geometry)}
        _nnunet_case(root, name, images, patient.lesions, _LESIONS)
    else:
        labels = patient.organs.array.copy()
        for value, target in ((GTVP, len(ORGANS) + 1), (GTVN, len(ORGANS) + 2)):
            labels[patient.lesions.array == value] = target
        names = [s.name for s in (*ORGANS, *TARGETS[:2])]
        _nnunet_case(root, name, {"CT": patient.ct}, patient.organs.with_array(labels), names)


_LESIONS = ["gtvp", "gtvn"]


def _nnunet_case(root: Path, name: str, images: Mapping[str, Volume], labels: Volume, words: Sequence[str]) -> None:
    for channel, image in enumerate(images.values()):
        write_nifti(image, root / "imagesTr" / f"{name}_{channel:04d}.nii.gz")
    write_nifti(labels, root / "labelsTr" / f"{name}.nii.gz")
    described = {
        "channel_names": {str(i): channel for i, channel in enumerate(images)},
        "labels": {"background": 0, **{word: i for i, word in enumerate(words, start=1)}},
        "numTraining": 0,
        "file_ending": ".nii.gz",
    }
    _write_dataset(root, described)


def _write_dataset(root: Path, described: dict[str, object]) -> None:
    write_text(root / "dataset.json", json.dumps(described, indent=1) + "\n")


def finish_nnunet(root: Path) -> None:
    """Write the number of cases into `dataset.json`."""
    described = json.loads((root / "dataset.json").read_text(encoding="utf-8"))
    described["numTraining"] = len(list((root / "labelsTr").glob("*.nii.gz")))
    _write_dataset(root, described)


def _hecktor2025(patient: VirtualPatient, root: Path, name: str) -> None:
    assert patient.pet is not None
    write_nifti(patient.ct, root / name / f"{name}__CT.nii.gz")
    write_nifti(patient.pet, root / name / f"{name}__PT.nii.gz")
    write_nifti(patient.lesions, root / name / f"{name}.nii.gz")


def _hntsmrg2024(patient: VirtualPatient, root: Path, name: str) -> None:
    assert patient.mr is not None
    pair = patient.mr
    for time, files in {
        "preRT": {"preRT_T2": pair.pre, "preRT_mask": pair.pre_lesions},
        "midRT": {
            "midRT_T2": pair.mid,
            "midRT_mask": pair.mid_lesions,
            "preRT_T2_registered": pair.pre_registered,
            "preRT_mask_registered": pair.pre_lesions_registered,
        },
    }.items():
        for key, volume in files.items():
            write_nifti(volume, root / name / time / f"{name}_{key}.nii.gz")


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
    write_nifti(patient.ct, root / name / "ct.nii.gz")
    write_nifti(patient.organs.with_array(organs), root / name / "organs.nii.gz")
    write_nifti(patient.lesions.with_array(cuboids), root / name / "cuboids.nii.gz")


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


LAYOUTS: dict[str, Layout] = {
    "plain": Layout((), _plain, per_patient=True),
    "nnunet": Layout((("ct",), ("ct", "pet"), ("mr",)), _nnunet),
    "hecktor2025": Layout((("ct", "pet"),), _hecktor2025),
    "hntsmrg2024": Layout((("mr",), ("ct", "mr")), _hntsmrg2024),
    "sgrnet": Layout((("ct",),), _sgrnet),
    "dicom": Layout((), _dicom),
}
