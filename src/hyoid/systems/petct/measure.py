"""What the PET/CT system is worth on patients that no training saw: whole, without parts of it, and without PET."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.structures import BY_NAME
from hyoid.cards.petct import BASELINE, BASELINE_SUV, COARSE, KEYS, WHOLE, WITHOUT_PET
from hyoid.errors import UsageError
from hyoid.evaluation.case_results import CaseResult, measure_case
from hyoid.evaluation.masks import CaseMasks
from hyoid.evaluation.protocols import HECKTOR_2025_STYLE
from hyoid.evaluation.summaries import summarise
from hyoid.geometry.overlap import dice_of_masks
from hyoid.geometry.resample import resample
from hyoid.io.cohorts.case_files import CaseFiles
from hyoid.io.files.volumes import read_labels
from hyoid.io.packages.model_package import Manifest, ModelPackage
from hyoid.io.petct import PetRequest, read_petct
from hyoid.preprocess.pet import on_ct
from hyoid.systems.measured_cases import Codec, Measuring, identity_of, measure_each
from hyoid.systems.petct.cases import find_petct_cases, head_of
from hyoid.systems.petct.pipeline import PetCtModels, head_mask, locate_targets, outline_targets
from hyoid.volume import Volume

BELOW_CRICOID_MM = 50.0
"""How far the head region of the reference reaches below the cricoid cartilage, as in the recipe."""


@dataclass(frozen=True, eq=False)
class FoundTargets:
    """What the system, its parts and the baseline found in one patient.

    Parameters
    ----------
    head_dice : float
        Dice of the head region.
    centre_mm : float or None
        Distance of the fine cube's centre from the true one; None where no target was found.
    labels : dict of str to ndarray of uint8, shape (D, H, W)
        Row of the card to its labels (1 GTVp, 2 GTVn), on the grid of the CT.
    """

    head_dice: float
    centre_mm: float | None
    labels: dict[str, NDArray[np.uint8]]


def measure_petct(packages: Sequence[ModelPackage], folder: Path, measuring: Measuring) -> tuple[Manifest, ...]:
    """Measure all networks of the PET/CT system together on patients that no training saw.

    Parameters
    ----------
    packages : sequence of ModelPackage
        One of stage head, one of stage coarse, and those of stage fine.
    folder : Path
        Patients with CT, PET, targets and organs: a cohort of `hyoid phantom --modality ct,pet`.
    measuring : Measuring
        Where results are kept, and who is told how far it is; `whom` says which patients they are.

    Returns
    -------
    tuple of Manifest
        In the order of `packages`; every one holds the numbers of the whole system.

    Raises
    ------
    UsageError
        When a stage is missing or given twice, or a case lacks targets or organs.
    """
    head, coarse, fine = stages_of(packages)
    systems = systems_of(coarse, fine)
    cases = find_petct_cases(folder)
    for case in cases:
        files = {"PET": case.pet, "targets": case.targets, "organs": case.organs}
        if missing := [name for name, file in files.items() if file is None]:
            raise UsageError(
                f"{case.name} has no {' and no '.join(missing)}.", "Give a cohort of `hyoid phantom --modality ct,pet`."
            )
    shelf = measuring.shelf("petct", [package.manifest for package in packages])
    found = measure_each(
        [(case.name, identity_of(case.ct)) for case in cases],
        lambda number: find_all(cases[number], head, coarse, systems, measuring),
        FOUND,
        shelf,
        partial(measuring.on_progress, "patients"),
    )
    metrics = system_metrics(cases, found, measuring.whom)
    return tuple(package.manifest.model_copy(update={"metrics": metrics}) for package in packages)


def stages_of(packages: Sequence[ModelPackage]) -> tuple[ModelPackage, ModelPackage, tuple[ModelPackage, ...]]:
    """Sort the networks of the system by stage: head, coarse, fine.

    Parameters
    ----------
    packages : sequence of ModelPackage
        Networks of all stages, in any order.

    Raises
    ------
    UsageError
        When head or coarse is missing or given twice.
    """
    by_stage = {s: [p for p in packages if p.manifest.preprocessing["stage"] == s] for s in ("head", "coarse", "fine")}
    if len(by_stage["head"]) != 1 or len(by_stage["coarse"]) != 1 or not by_stage["fine"]:
        raise UsageError(
            "The PET/CT system is measured as a whole: one network of stage head, one coarse, and the fine ones.",
            "Give all its packages in one call.",
        )
    return by_stage["head"][0], by_stage["coarse"][0], tuple(by_stage["fine"])


def systems_of(coarse: ModelPackage, fine: Sequence[ModelPackage]) -> dict[str, tuple[ModelPackage, ...]]:
    """List the fine networks of every row of the card: all together, each alone, and the coarse network instead.

    Parameters
    ----------
    coarse : ModelPackage
        Network of stage coarse.
    fine : sequence of ModelPackage
        Networks of stage fine.
    """
    alone = {f"{p.manifest.name} as the only fine network": (p,) for p in fine} if len(fine) > 1 else {}
    return {WHOLE: tuple(fine), **alone, COARSE: (as_fine(coarse),)}


def find_all(
    files: CaseFiles,
    head: ModelPackage,
    coarse: ModelPackage,
    systems: Mapping[str, tuple[ModelPackage, ...]],
    measuring: Measuring,
) -> FoundTargets:
    """Find head and targets of one patient by every row of the card.

    Parameters
    ----------
    files : CaseFiles
        Files of the patient: CT, PET, targets and organs.
    head, coarse : ModelPackage
        Networks of the first two stages.
    systems : mapping of str to tuple of ModelPackage
        Row of the card to its fine networks.
    measuring : Measuring
        Device, cache and progress of the measurement.
    """
    assert files.organs is not None and files.targets is not None
    study = read_petct(files.ct, PetRequest(file=files.pet, units="suv"))
    assert study.pet is not None
    ct, pet, machine = study.ct.volume, study.pet.volume, measuring.machine
    organs, truth = read_labels(files.organs), read_labels(files.targets)
    region, _ = head_mask(ct, head, machine)
    wanted = resample(head_of(ct, organs, BELOW_CRICOID_MM), region.geometry).array > 0
    models = {name: PetCtModels(head, coarse, fine) for name, fine in systems.items()}
    located = locate_targets(ct, pet, models[WHOLE], machine)
    centre_mm = None
    if located.centre is not None:
        middle = truth.geometry.to_lps(np.argwhere(truth.array > 0).mean(axis=0))
        centre_mm = float(np.linalg.norm(middle - located.centre))
    labels = {name: outline_targets(located, models[name], machine).labels.array for name in systems}
    alone = locate_targets(ct, None, models[WHOLE], machine)
    labels[WITHOUT_PET] = outline_targets(alone, models[WHOLE], machine).labels.array
    labels[BASELINE] = hot_parts(on_ct(pet, ct.geometry, interpolation="linear"), organs)
    return FoundTargets(dice_of_masks(wanted, region.array > 0), centre_mm, labels)


def system_metrics(cases: Sequence[CaseFiles], found: Sequence[FoundTargets], whom: str) -> dict[str, Any]:
    """Compute the numbers that the manifests of the system hold.

    Parameters
    ----------
    cases : sequence of CaseFiles
        Patients that were measured.
    found : sequence of FoundTargets
        What was found, in the order of the patients.
    whom : str
        Words that say which patients were measured.
    """
    results: dict[str, list[CaseResult]] = {name: [] for name in found[0].labels}
    for case, row in zip(cases, found, strict=True):
        assert case.targets is not None
        truth = read_labels(case.targets)
        reference = CaseMasks(truth.geometry, labels=truth.array)
        for name, labels in row.labels.items():
            prediction = CaseMasks(truth.geometry, labels=labels)
            results[name].append(measure_case(case.name, reference, prediction, HECKTOR_2025_STYLE))
    summaries = {name: summarise(rows, HECKTOR_2025_STYLE) for name, rows in results.items()}
    primaries = [case.classes[0].overlap for case in results[WHOLE]]
    head_dice = [row.head_dice for row in found]
    centre_mm = [row.centre_mm for row in found if row.centre_mm is not None]
    return {
        "patients": len(found),
        "data": whom,
        "head_dice": round(float(np.mean(head_dice)), 4),
        "head_dice_lowest": round(min(head_dice), 4),
        "centres_found": len(centre_mm),
        "centre_mm_median": round(float(np.median(centre_mm)), 1) if centre_mm else None,
        "centre_mm_most": round(max(centre_mm), 1) if centre_mm else None,
        "primaries_untouched": sum(o.reference_voxels > 0 and o.shared_voxels == 0 for o in primaries),
        "systems": {n: {key: _interval(summary, key) for key in KEYS} for n, summary in summaries.items()},
    }


def as_fine(coarse: ModelPackage) -> ModelPackage:
    """Put the coarse network in the place of the fine ones, at its own spacing.

    Parameters
    ----------
    coarse : ModelPackage
        Network of stage coarse.
    """
    constants = coarse.manifest.preprocessing
    fine = constants | {"stage": "fine", "region": constants["region"] | {"min_volume_ml": 0.1}}
    return replace(coarse, manifest=coarse.manifest.model_copy(update={"preprocessing": fine}))


def hot_parts(suv: Volume, organs: Volume) -> NDArray[np.uint8]:
    """Outline the trivial baseline: hot parts below the lowest slice of the brainstem, the largest one as GTVp.

    Parameters
    ----------
    suv : Volume, SUV
        PET on the grid of the CT, slices from the feet to the head.
    organs : Volume, LABEL
        Organ labels on the same grid.

    Returns
    -------
    ndarray of uint8, shape (D, H, W)
        1 the largest part at or above `BASELINE_SUV`, 2 all others.
    """
    labels = np.zeros(suv.array.shape, np.uint8)
    stem = np.flatnonzero((organs.array == BY_NAME["brainstem"].label).any(axis=(1, 2)))
    hot = suv.array >= BASELINE_SUV
    if len(stem):
        hot[int(stem[0]) :] = False
    parts = cc3d.connected_components(hot.astype(np.uint8), connectivity=26)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    labels[hot] = 2
    if sizes.any():
        labels[parts == int(sizes.argmax())] = 1
    return labels


def _encoded(found: FoundTargets) -> dict[str, Any]:
    labels = {
        name: [array.shape, base64.b64encode(zlib.compress(array.astype(np.uint8).tobytes())).decode()]
        for name, array in found.labels.items()
    }
    return {"head_dice": found.head_dice, "centre_mm": found.centre_mm, "labels": labels}


def _decoded(row: dict[str, Any]) -> FoundTargets:
    labels = {
        name: np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(shape)
        for name, (shape, text) in row["labels"].items()
    }
    return FoundTargets(row["head_dice"], row["centre_mm"], labels)


FOUND: Codec[FoundTargets] = Codec(_encoded, _decoded)


def _interval(summary: Mapping[str, Any], key: str) -> list[float | None]:
    """A value and the limits of its interval."""
    values = [summary.get(name) for name in (key, f"{key}.ci95_low", f"{key}.ci95_high")]
    return [None if value is None else round(value, 4) for value in values]
