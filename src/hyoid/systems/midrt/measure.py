"""Mid-treatment systems on the same patients: predict, follow lesions, calibrate, score by aarhus2024, compare.

Everything that costs time is kept on disk: the registration of each patient once, the answer of each system once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyoid.cards.decisions import lowest
from hyoid.cards.midrt import PACKAGE, REGISTERED, VANISHED
from hyoid.errors import InputRefusedError
from hyoid.evaluation.case_results import CaseResult, measure_case
from hyoid.evaluation.comparison import compare_systems
from hyoid.evaluation.masks import CaseMasks
from hyoid.evaluation.protocols import AARHUS_2024
from hyoid.evaluation.summaries import summarise
from hyoid.geometry.orientation import to_canonical
from hyoid.geometry.overlap import dice_of_masks
from hyoid.inference.runtime import Precision
from hyoid.io.atomic import output_folder, write_text
from hyoid.io.cohorts.hntsmrg import HntsmrgCase, find_hntsmrg_cases
from hyoid.io.files.volumes import read_image, read_labels, write_nifti
from hyoid.io.packages.model_package import Manifest, ModelPackage
from hyoid.metrics.presence import PresenceCurve, evidence_of, fit_presence
from hyoid.metrics.response import change_of, follow
from hyoid.preprocess.midrt_input import channels_of, gradient_volume, scene_of
from hyoid.progress import Steps, ignore_steps
from hyoid.systems.machine import Machine
from hyoid.systems.measured_cases import Measuring
from hyoid.systems.midrt.pipeline import (
    REACH_MM,
    Pair,
    Prior,
    evidence_of_new,
    input_form,
    labels_of,
    mean_probability,
    on_grid,
    prior_of,
)
from hyoid.volume import Quantity, Volume

NEW_AT_LEAST = 0.9
"""Evidence from which a lesion without earlier outline is believed: only when the network is sure."""
BF16_CASES = 3
"""Patients on whom bfloat16 is compared with float32."""


@dataclass(frozen=True)
class LesionEvidence:
    """One lesion of before in one system's answer.

    Parameters
    ----------
    number, label : int
        Number of the lesion in the patient, and its label: 1 GTVp, 2 GTVn.
    before_ml : float
        Volume before treatment, mL.
    evidence : float
        See `hyoid.metrics.presence`.
    true_ml : float
        Reference volume at mid that belongs to it.
    """

    number: int
    label: int
    before_ml: float
    evidence: float
    true_ml: float


@dataclass(frozen=True, eq=False)
class Answer:
    """Answer of one system to one patient.

    Parameters
    ----------
    case : str
        Name of the case.
    labels : ndarray of uint8, shape (D, H, W)
        1 GTVp, 2 GTVn, before any lesion was removed.
    followed : ndarray of uint16, shape (D, H, W)
        Earlier lesion of every voxel; greater numbers are new.
    lesions : tuple of LesionEvidence
        One entry per lesion of before.
    new_evidence : tuple of float
        Evidence of every new lesion, in the order of their numbers.
    voxel_ml : float
        Volume of one voxel, mL.
    outside_true, outside_found : int
        Reference voxels in no box of the gradient map, and how many of these were outlined.
    """

    case: str
    labels: NDArray[np.uint8]
    followed: NDArray[np.uint16]
    lesions: tuple[LesionEvidence, ...]
    new_evidence: tuple[float, ...]
    voxel_ml: float
    outside_true: int
    outside_found: int


def prior_on_disk(case: HntsmrgCase, folder: Path) -> Prior:
    """Carry one patient's outlines onto mid once, and keep them: registered ones as they are, else by hyoid."""
    supplied = None if case.pre_mask_registered is None else to_canonical(read_labels(case.pre_mask_registered))
    kept = folder / (case.name if supplied is None else f"{case.name}-supplied")
    mid = to_canonical(read_image(case.mid, Quantity.MR))
    if not (kept / "prior.json").is_file():
        pre = to_canonical(read_image(case.pre, Quantity.MR))
        prior = prior_of(Pair(pre, to_canonical(read_labels(case.pre_mask)), mid, supplied))
        with output_folder(kept) as out:
            write_nifti(mid.with_array(prior.numbers.astype(np.uint8), Quantity.LABEL), out / "numbers.nii.gz")
            facts = {
                "label_of": prior.label_of,
                "before_ml": prior.before_ml,
                "quality": None if prior.quality is None else asdict(prior.quality),
            }
            (out / "prior.json").write_text(json.dumps(facts), encoding="utf-8")
    facts = json.loads((kept / "prior.json").read_text(encoding="utf-8"))
    numbers = to_canonical(read_labels(kept / "numbers.nii.gz")).array.astype(np.uint16)
    lookup = np.array([0, *facts["label_of"]], np.uint8)
    outlines = mid.with_array(lookup[numbers], Quantity.LABEL)
    return Prior(mid, outlines, numbers, tuple(facts["label_of"]), tuple(facts["before_ml"]), None, None)


def answers_of(
    cases: Sequence[HntsmrgCase],
    packages: Sequence[ModelPackage] | None,
    priors: Path,
    out: Path,
    machine: Machine,
    on_progress: Steps = ignore_steps,
) -> tuple[Answer, ...]:
    """Predict all patients by one system; finished ones are read from `out`.

    Parameters
    ----------
    cases : sequence of HntsmrgCase
        Patients with mid-treatment masks.
    packages : sequence of ModelPackage, optional
        None: the registered outlines themselves are the answer.
    priors, out : Path
        Folders that keep registrations, and answers of this system.
    machine : Machine
        Device, precision and folder for compiled graphs.
    """
    answers = []
    for number, case in enumerate(cases, start=1):
        folder = out / case.name
        if not (folder / "answer.json").is_file():
            _answer(case, packages, prior_on_disk(case, priors), folder, machine)
        facts = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
        answers.append(
            Answer(
                case.name,
                read_labels(folder / "labels.nii.gz").array.astype(np.uint8),
                read_labels(folder / "followed.nii.gz").array.astype(np.uint16),
                tuple(LesionEvidence(**row) for row in facts["lesions"]),
                tuple(facts["new_evidence"]),
                facts["voxel_ml"],
                facts["outside_true"],
                facts["outside_found"],
            )
        )
        on_progress(number, len(cases))
    return tuple(answers)


def fitted_curve(answers: Sequence[Answer], *, new_at_least: float = 0.5) -> PresenceCurve:
    """Fit a presence curve through all lesions of these answers."""
    rows = [row for answer in answers for row in answer.lesions]
    return fit_presence([row.evidence for row in rows], [row.true_ml > 0 for row in rows], new_at_least=new_at_least)


def cross_fitted(answers: Sequence[Answer], *, new_at_least: float = 0.5) -> dict[str, NDArray[np.uint8]]:
    """Remove vanished lesions from labels, each patient by a curve through all the others."""
    return {
        answer.case: without_vanished(
            answer, fitted_curve([a for a in answers if a is not answer], new_at_least=new_at_least)
        )
        for answer in answers
    }


def without_vanished(answer: Answer, curve: PresenceCurve) -> NDArray[np.uint8]:
    """Remove from an answer's labels the lesions that the curve calls vanished."""
    labels = answer.labels.copy()
    for row in answer.lesions:
        if curve.probability(row.evidence) < curve.threshold:
            labels[answer.followed == row.number] = 0
    counts = np.bincount(answer.followed.ravel())
    for number in range(len(answer.lesions) + 1, len(counts)):
        row_evidence, volume_ml = (
            answer.new_evidence[number - len(answer.lesions) - 1],
            counts[number] * answer.voxel_ml,
        )
        if row_evidence < curve.new_at_least or volume_ml < curve.new_ml:
            labels[answer.followed == number] = 0
    return labels


def scored(cases: Sequence[HntsmrgCase], labels: Mapping[str, NDArray[np.uint8]]) -> tuple[CaseResult, ...]:
    """Score every case by protocol aarhus2024."""
    results = []
    for case in cases:
        reference = _reference(case)
        masks = [CaseMasks(reference.geometry, array) for array in (reference.array, labels[case.name])]
        results.append(measure_case(case.name, masks[0], masks[1], AARHUS_2024))
    return tuple(results)


def score_table(
    results: Mapping[str, Sequence[CaseResult]], baseline: str, *, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Tabulate the scores of every system with intervals, and its paired difference from the baseline.

    Parameters
    ----------
    results : mapping of str to sequence of CaseResult
        By system, over the same patients; several seeds of a system follow each other as cases of the same names.
    baseline : str
        System from which the others' differences are taken.
    seed : int
        Seed of the bootstrap.
    """
    table = {}
    for name, rows in results.items():
        summary = summarise(list(rows), AARHUS_2024, seed=seed, patients=[row.case for row in rows])
        table[name] = {
            key: value
            for key, value in summary.items()
            if any(f".{kept}" in key for kept in _KEPT) and not key.endswith(("prevalence", "excluded"))
        }
        if name != baseline and baseline in results and len(rows) == len(results[baseline]):
            compared = compare_systems(rows, results[baseline], AARHUS_2024, seed=seed).summary
            table[name] |= {
                f"against.{key}": value
                for key, value in compared.items()
                if ".dsc" in key and ("difference" in key or "p_wilcoxon" in key)
            }
    return table


_KEPT = ("dsc_agg", "dsc_mean", "hd95_medpy_mm", "assd_medpy_mm")


def _answer(
    case: HntsmrgCase, packages: Sequence[ModelPackage] | None, prior: Prior, folder: Path, machine: Machine
) -> None:
    mid, reference = prior.pre, _reference(case)
    if packages is None:
        labels = prior.outlines.array.astype(np.uint8)
        probability = {label: (labels == label).astype(np.float32) for label in (1, 2)}
        covered = np.ones(labels.shape, bool)
    else:
        form = input_form(packages)
        gradient, boxes = gradient_volume(mid, prior.outlines, form.gradient)
        scene = scene_of(mid, form)
        classes, _ = mean_probability(channels_of(scene, form, gradient, prior.outlines), packages, machine)
        labels = labels_of(classes, scene, mid)
        probability = {label: on_grid(classes[label], scene.geometry, mid) for label in (1, 2)}
        covered = np.zeros(labels.shape, bool)
        for box in boxes:
            covered[box.box.slices] = True
    spacing, voxel_ml = mid.geometry.spacing_mm, mid.geometry.voxel_ml
    followed, true = (
        follow(prior.numbers, prior.label_of, array, spacing, reach_mm=REACH_MM) for array in (labels, reference.array)
    )
    lesions = [
        LesionEvidence(
            number,
            label,
            prior.before_ml[number - 1],
            evidence_of(probability[label], (prior.numbers == number) | (followed == number), voxel_ml),
            float((true == number).sum() * voxel_ml),
        )
        for number, label in enumerate(prior.label_of, start=1)
    ]
    outside = (reference.array > 0) & ~covered
    with output_folder(folder) as out:
        write_nifti(mid.with_array(labels, Quantity.LABEL), out / "labels.nii.gz")
        write_nifti(mid.with_array(followed, Quantity.LABEL), out / "followed.nii.gz")
        facts = {
            "lesions": [asdict(row) for row in lesions],
            "new_evidence": evidence_of_new(followed, labels, probability, prior, voxel_ml),
            "voxel_ml": voxel_ml,
            "outside_true": int(outside.sum()),
            "outside_found": int((outside & (labels == reference.array)).sum()),
        }
        write_text(out / "answer.json", json.dumps(facts))


def _reference(case: HntsmrgCase) -> Volume:
    if case.mid_mask is None:
        raise InputRefusedError(f"{case.name} has no mid-treatment mask.", "Give cases whose outcome is known.")
    return to_canonical(read_labels(case.mid_mask))


def measure_midrt_network(
    package: ModelPackage, folder: Path, beside: Mapping[str, ModelPackage], measuring: Measuring
) -> Manifest:
    """Measure a mid-treatment network beside the registered outlines, and fit its presence curve.

    Every patient is registered by hyoid itself. The curve that removes a patient's vanished lesions here is fitted on
    all the others; the curve in the manifest, on all patients.

    Parameters
    ----------
    package : ModelPackage
        Network to measure.
    folder : Path
        Patients that no training saw, in the layout of HNTS-MRG, with mid-treatment masks.
    beside : mapping of str to ModelPackage
        Other networks on the same patients, for the table.
    measuring : Measuring
        Where results are kept, and who is told how far it is.
    """
    cases, progress = find_hntsmrg_cases(folder), measuring.on_progress
    priors = measuring.work / "midrt-priors"

    def answers(name: str, asked: ModelPackage | None, precision: Precision, most: int | None) -> tuple[Answer, ...]:
        manifests = [] if asked is None else [_uncalibrated(asked.manifest)]
        out = measuring.shelf(f"midrt-{precision}", manifests)
        networks = None if asked is None else [asked]
        machine = Machine("cpu", measuring.cache, precision)
        return answers_of(cases[:most], networks, priors, out, machine, partial(progress, name))

    said = {REGISTERED: answers("registered outlines", None, "f32", None)}
    said |= {name: answers(name, asked, "f32", None) for name, asked in ({PACKAGE: package} | dict(beside)).items()}
    short = answers("bfloat16", package, "bf16", BF16_CASES)
    shipped = remove_cross_fitted(said[PACKAGE])
    results = {name: scored(cases, {a.case: a.labels for a in found}) for name, found in said.items()}
    results[VANISHED] = scored(cases, {a.case: a.labels for a in shipped})
    numbers = {
        "data": f"{len(cases)} patients of {measuring.whom} that no training saw, registered by hyoid",
        "systems": score_table(results, REGISTERED),
        "vanished": {
            REGISTERED: count_vanished(said[REGISTERED], said[REGISTERED]),
            PACKAGE: count_vanished(said[PACKAGE], said[PACKAGE]),
            VANISHED: count_vanished(said[PACKAGE], shipped),
        },
        "volumes": {REGISTERED: compare_volumes(said[REGISTERED]), VANISHED: compare_volumes(shipped)},
        "outside_boxes": outside_recall(said[PACKAGE]),
    }
    curve = fitted_curve(said[PACKAGE], new_at_least=NEW_AT_LEAST)
    return package.manifest.model_copy(
        update={
            "preprocessing": {**package.manifest.preprocessing, "presence": asdict(curve)},
            "metrics": json.loads(json.dumps(numbers)),
            "bf16_agreement": label_agreement(said[PACKAGE], short),
        }
    )


def remove_cross_fitted(answers: Sequence[Answer]) -> tuple[Answer, ...]:
    """Remove vanished lesions from every answer, each patient by the presence curve of all the others.

    Parameters
    ----------
    answers : sequence of Answer
        One per patient, before any lesion was removed.
    """
    labels = cross_fitted(answers, new_at_least=NEW_AT_LEAST)
    return tuple(
        replace(answer, labels=labels[answer.case], followed=answer.followed * (labels[answer.case] > 0))
        for answer in answers
    )


def count_vanished(answers: Sequence[Answer], said: Sequence[Answer]) -> dict[str, int]:
    """Count vanished and remaining lesions, and how many of each came out empty.

    Parameters
    ----------
    answers : sequence of Answer
        Answers that hold what became of every lesion in truth.
    said : sequence of Answer
        The outcome that is judged, patient by patient.
    """
    counts = {"vanished": 0, "vanished_called_empty": 0, "left": 0, "left_called_empty": 0}
    for answer, after in zip(answers, said, strict=True):
        for row in answer.lesions:
            kind = "left" if row.true_ml > 0 else "vanished"
            counts[kind] += 1
            counts[f"{kind}_called_empty"] += not bool((after.followed == row.number).any())
    return counts


def compare_volumes(answers: Sequence[Answer]) -> dict[str, float | int]:
    """Compare the volume now with the true one over all earlier lesions, and count right categories of the report.

    Parameters
    ----------
    answers : sequence of Answer
        One answer per patient.

    Returns
    -------
    dict
        `lesions`, `median_error` (share of the volume before), `category_right`, `shrunk_to_a_quarter` (lesions of
        which less than a quarter is left) and `found_over_true_of_these` (median ratio of volumes).
    """
    pairs = [
        (row.before_ml, row.true_ml, float((answer.followed == row.number).sum() * answer.voxel_ml))
        for answer in answers
        for row in answer.lesions
    ]
    errors = [abs(found - true) / before for before, true, found in pairs]
    shrunk = [found / true for before, true, found in pairs if 0 < true < before / 4]
    return {
        "lesions": len(pairs),
        "median_error": round(float(np.median(errors)), 3) if errors else 0.0,
        "category_right": sum(change_of(before, true) == change_of(before, found) for before, true, found in pairs),
        "shrunk_to_a_quarter": len(shrunk),
        "found_over_true_of_these": round(float(np.median(shrunk)), 2) if shrunk else 0.0,
    }


def label_agreement(exact: Sequence[Answer], short: Sequence[Answer]) -> dict[str, float]:
    """Find the smallest Dice per label between the labels of float32 and bfloat16.

    Parameters
    ----------
    exact : sequence of Answer
        Answers computed in float32.
    short : sequence of Answer
        Answers computed in bfloat16, for the first patients of `exact`.
    """
    return lowest(
        {
            name: round(dice_of_masks(one.labels == label, other.labels == label), 5)
            for label, name in ((1, "gtvp"), (2, "gtvn"))
        }
        for one, other in zip(exact, short, strict=False)
    )


def outside_recall(answers: Sequence[Answer]) -> dict[str, float | int | None]:
    """Find the share of the tumour outside every box that was outlined: what a map must not cut.

    Parameters
    ----------
    answers : sequence of Answer
        One answer per patient.
    """
    true, found = sum(a.outside_true for a in answers), sum(a.outside_found for a in answers)
    return {"voxels": true, "found": found / true if true else None}


def _uncalibrated(manifest: Manifest) -> Manifest:
    """The manifest before a presence curve was fitted: the networks' own answers do not depend on it."""
    constants = {name: value for name, value in manifest.preprocessing.items() if name != "presence"}
    return manifest.model_copy(update={"preprocessing": constants})
