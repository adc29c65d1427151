"""What networks that outline organs and targets on CT are worth, on patients that no training saw.

Dice per organ and of the high-dose target on the scans' own grid, how plausible structures are that virtual patients
alone taught, and how often bfloat16 gives the same labels as float32.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.structures import ORGANS, structure_mask
from hyoid.cards.decisions import learned_structures, transfers
from hyoid.errors import ModelUnusableError, UsageError
from hyoid.geometry.orientation import to_canonical
from hyoid.geometry.overlap import dice_of_masks
from hyoid.inference.runtime import computes_bf16
from hyoid.io.cohorts.case_files import CaseFiles
from hyoid.io.cohorts.openkbp import OPENKBP_ORGANS, OPENKBP_PTV70
from hyoid.io.files.volumes import read_image, read_labels
from hyoid.io.packages.model_package import NOT_STATED, Manifest, ModelPackage
from hyoid.metrics.comparison import Ratio, bootstrap_interval
from hyoid.systems.measured_cases import Codec, Measuring, identity_of, measure_each
from hyoid.systems.organs import localise_tumour, outline_organs, target_mask
from hyoid.training.cases import find_cases
from hyoid.volume import Quantity

T = TypeVar("T")
MIN_TARGET_ML = 1.0
"""Smallest part of the predicted target that counts, as in the recipe of SGRNet."""
SEED = 0
"""Of every bootstrap of a card."""


@dataclass(frozen=True, eq=False)
class OutlineScores:
    """What was measured of the outlines of one patient.

    Parameters
    ----------
    name : str
        Name of the case.
    dice : dict of str to float
        Dice by structure; only structures that are contoured.
    volume_ml : dict of str to float
        Outlined volume of every structure that the model supports, 0 where it found none.
    true_volume_ml : dict of str to float
        Contoured volume; only structures that are contoured.
    """

    name: str
    dice: dict[str, float]
    volume_ml: dict[str, float]
    true_volume_ml: dict[str, float]


SCORES: Codec[OutlineScores] = Codec(asdict, lambda row: OutlineScores(**row))


def measure_outlining(
    packages: Sequence[ModelPackage], real: Path, virtual: Path | None, measuring: Measuring
) -> tuple[Manifest, ...]:
    """Measure the networks that outline organs, as they are used together, and decide what each may outline.

    A structure that real patients taught may be outlined from a mean Dice of `LOWEST_DICE` on their contours; one that
    virtual patients alone taught, as `hyoid.cards.decisions.transfers` says. Whatever an earlier measurement left out
    is judged anew.

    Parameters
    ----------
    packages : sequence of ModelPackage
        Networks in the order of use, the better founded one first.
    real : Path
        Folder of real cases with contours.
    virtual : Path, optional
        Cohort of virtual patients held out of training; needed where virtual patients alone taught a structure.
    measuring : Measuring
        Where results are kept, and who is told how far it is.

    Returns
    -------
    tuple of Manifest
        In the order of `packages`, with metrics, supported structures and the loss of accuracy in bfloat16.

    Raises
    ------
    UsageError
        When a cohort of virtual patients is needed and missing, or a package outlines nothing well enough.
    ModelUnusableError
        When a package does not state which patients taught it.
    """
    taught = _judged(packages)
    alone = [tuple(n for n in p.manifest.supported if p.manifest.learned_from.virtual_only(n)) for p in taught]
    if any(alone) and virtual is None:
        raise UsageError(
            "Virtual patients alone taught some structures, and no virtual patients are given to measure these on.",
            "Give --virtual FOLDER, a cohort of `hyoid phantom` that no training used.",
        )
    rng = np.random.default_rng(SEED)
    only_virtual_asked = virtual if any(alone) else None
    rows, virtual_rows = _measure_both(real, only_virtual_asked, taught, measuring)
    used = _fastest(measuring)
    rows_bf16, virtual_bf16 = _measure_both(real, only_virtual_asked, taught, used) if computes_bf16() else ((), ())
    wide = [_stepping(package, wide=True) for package in taught]
    rows_wide, virtual_wide = _measure_both(real, only_virtual_asked, wide, used)
    dice = dice_table(rows, rng)
    found = []
    for package, only_virtual in zip(taught, alone, strict=True):
        manifest = package.manifest
        contoured = {n: row for n, row in dice.items() if n in manifest.supported and n not in only_virtual}
        transfer = transfer_table(rows, virtual_rows, only_virtual, rng) if only_virtual else {}
        kept = {*learned_structures(contoured), *(name for name, row in transfer.items() if transfers(row))}
        if not kept:
            raise UsageError(
                f"Package {manifest.name!r} outlines no structure well enough to be used.",
                "Train longer, or check that the cases have contours of its structures.",
            )
        metrics: dict[str, Any] = {"data": patients_in_words(len(rows), measuring.whom)}
        metrics |= {"dice": contoured} if contoured else {}
        metrics |= {"transfer": transfer, "virtual_n": len(virtual_rows)} if transfer else {}
        package = only(package, sorted(kept))  # noqa: PLW2901
        groups = (kept - {*only_virtual}, kept & {*only_virtual})
        losses = fall_of_dice(rows, rows_bf16, groups[0]) | fall_of_dice(virtual_rows, virtual_bf16, groups[1])
        step_losses = fall_of_dice(rows_bf16 or rows, rows_wide, groups[0])
        step_losses |= fall_of_dice(virtual_bf16 or virtual_rows, virtual_wide, groups[1])
        measured = {"metrics": metrics, "bf16_agreement": {}, "bf16_loss": losses, "step_loss": step_losses}
        found.append(package.manifest.model_copy(update=measured))
    return tuple(found)


def _measure_both(
    real: Path, virtual: Path | None, packages: Sequence[ModelPackage], measuring: Measuring
) -> tuple[tuple[OutlineScores, ...], tuple[OutlineScores, ...]]:
    rows = measure_organs(real, packages, measuring, "real patients")
    return rows, () if virtual is None else measure_organs(virtual, packages, measuring, "virtual patients")


def measure_target_network(package: ModelPackage, real: Path, measuring: Measuring) -> Manifest:
    """Measure a network that localises the high-dose target: Dice, and what bfloat16 and fewer tiles cost.

    Parameters
    ----------
    package : ModelPackage
        Segmentation network whose only label is the target region.
    real : Path
        Folder of real cases with a high-dose target.
    measuring : Measuring
        Where results are kept, and who is told how far it is.
    """
    package = _stepping(package, wide=False)
    rows = measure_target(real, package, MIN_TARGET_ML, measuring)
    used = _fastest(measuring)
    rows_used = measure_target(real, package, MIN_TARGET_ML, used)
    rows_wide = measure_target(real, _stepping(package, wide=True), MIN_TARGET_ML, used)
    labels = package.manifest.labels
    losses = fall_of_dice(rows, rows_used, labels) if computes_bf16() else {}
    metrics = {
        "data": patients_in_words(len(rows), measuring.whom),
        "dice": dice_table(rows, np.random.default_rng(SEED)),
    }
    measured = {"bf16_loss": losses, "step_loss": fall_of_dice(rows_used, rows_wide, labels)}
    return package.manifest.model_copy(update={"metrics": metrics, "bf16_agreement": {}} | measured)


def patients_in_words(n: int, whom: str) -> str:
    """Say which patients were measured.

    Parameters
    ----------
    n : int
        Number of patients.
    whom : str
        The patients in words.

    Examples
    --------
    >>> patients_in_words(33, "OpenKBP's validation split")
    "33 patients of OpenKBP's validation split; no training used them"
    """
    return f"{n} patients of {whom}; no training used them"


def only(package: ModelPackage, names: Sequence[str]) -> ModelPackage:
    """Make a package that may be asked for these structures alone.

    Parameters
    ----------
    package : ModelPackage
        Any package.
    names : sequence of str
        Structures it may be asked for; those that are no label of it are passed over.
    """
    supported = tuple(name for name in package.manifest.labels if name in names)
    return dataclasses.replace(package, manifest=package.manifest.model_copy(update={"supported": supported}))


def measure_organs(
    folder: Path, packages: Sequence[ModelPackage], measuring: Measuring, stage: str
) -> tuple[OutlineScores, ...]:
    """Measure outlines of every case in a folder against its contours, on the scan's own grid.

    Parameters
    ----------
    folder : Path
        OpenKBP's layout or a virtual cohort.
    packages : sequence of ModelPackage
        Networks in the order of use.
    measuring : Measuring
        Where results are kept, and who is told how far it is.
    stage : str
        Name under which progress is told.
    """
    names = dict.fromkeys(name for package in packages for name in package.manifest.supported)

    def scores(case: CaseFiles) -> OutlineScores:
        ct = to_canonical(read_image(case.ct, Quantity.HU))
        outlined = outline_organs(ct, packages, measuring.machine).labels.array
        masks = {name: structure_mask(outlined, name) for name in names}
        contours = {name: mask for name, mask in contours_of(case).items() if name in masks}
        ml = ct.geometry.voxel_ml
        return OutlineScores(
            case.name,
            {name: dice_of_masks(masks[name], mask) for name, mask in contours.items()},
            {name: float(mask.sum()) * ml for name, mask in masks.items()},
            {name: float(mask.sum()) * ml for name, mask in contours.items()},
        )

    shelf = measuring.shelf("organs", [package.manifest for package in packages])
    return measure_cases(find_cases(folder), scores, SCORES, shelf, measuring.telling(stage))


def measure_target(
    folder: Path, package: ModelPackage, min_volume_ml: float, measuring: Measuring
) -> tuple[OutlineScores, ...]:
    """Measure the predicted high-dose target of every case against PTV70, on the scan's own grid.

    Parameters
    ----------
    folder : Path
        OpenKBP's layout.
    package : ModelPackage
        Network of the target.
    min_volume_ml : float
        Smaller parts of the predicted target are left out.
    measuring : Measuring
        Where results are kept, and who is told how far it is.

    Raises
    ------
    UsageError
        When a case has no target.
    """

    def scores(case: CaseFiles) -> OutlineScores:
        if case.targets is None:
            raise UsageError(f"{case.name} has no high-dose target.", "Give cases with their planning target.")
        ct = to_canonical(read_image(case.ct, Quantity.HU))
        ptv = to_canonical(read_labels(case.targets)).array == OPENKBP_PTV70
        logits, _ = localise_tumour(ct, package, measuring.machine)
        target = target_mask(logits, ct, min_volume_ml).array > 0
        ml = ct.geometry.voxel_ml
        name = package.manifest.labels[0]
        return OutlineScores(
            case.name,
            {name: dice_of_masks(target, ptv)},
            {name: float(target.sum()) * ml},
            {name: float(ptv.sum()) * ml},
        )

    shelf = measuring.shelf("target", [package.manifest])
    return measure_cases(find_cases(folder), scores, SCORES, shelf, measuring.telling("real patients"))


def dice_table(rows: Sequence[OutlineScores], rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    """Compute the mean Dice per structure with n and its 95 % interval over patients.

    Parameters
    ----------
    rows : sequence of OutlineScores
        One per patient.
    rng : Generator
        Draws patients for the bootstrap.
    """
    names = sorted({name for row in rows for name in row.dice})
    table = {}
    for name in names:
        ratio = Ratio.mean_of([row.dice.get(name) for row in rows])
        interval = bootstrap_interval([ratio], rng)
        assert ratio.value is not None
        low, high = (ratio.value, ratio.value) if interval is None else (interval.low, interval.high)
        table[name] = {
            "dice": round(ratio.value, 4),
            "low": round(low, 4),
            "high": round(high, 4),
            "n": int(ratio.denominators.sum()),
        }
    return table


def transfer_table(
    real: Sequence[OutlineScores], virtual: Sequence[OutlineScores], names: Sequence[str], rng: np.random.Generator
) -> dict[str, dict[str, Any]]:
    """Tell what is known of structures without real contours: Dice on virtual patients, plausibility on real scans.

    A structure is `plausible` when, on at least half of the real scans, its volume lies between half the 10th and
    twice the 90th percentile of its true volume in the virtual patients (scans end at different heights).

    Parameters
    ----------
    real, virtual : sequence of OutlineScores
        Patients of neither kind took part in training.
    names : sequence of str
        Structures that virtual patients alone taught.
    rng : Generator
        Draws patients for the bootstrap.
    """
    table = dice_table(virtual, rng)
    chosen = {}
    for name in names:
        volumes_ml = [row.true_volume_ml[name] for row in virtual if name in row.true_volume_ml]
        if not volumes_ml:
            continue  # no virtual patient shows it, so nothing is known
        low, high = np.quantile(volumes_ml, (0.1, 0.9))
        volumes = np.array([row.volume_ml[name] for row in real])
        share = float(((volumes >= low / 2) & (volumes <= 2 * high)).mean())
        chosen[name] = table[name] | {
            "real_n": len(real),
            "real_found": int((volumes > 0).sum()),
            "real_median_ml": round(float(np.median(volumes)), 2),
            "virtual_ml": [round(float(low), 2), round(float(high), 2)],
            "plausible": share >= 0.5,
        }
    return chosen


def _fastest(measuring: Measuring) -> Measuring:
    """Measure in bfloat16 where the processor has it."""
    return dataclasses.replace(measuring, precision="bf16") if computes_bf16() else measuring


def _stepping(package: ModelPackage, *, wide: bool) -> ModelPackage:
    """Package that runs with wide or with close tiles, whatever its card says."""
    losses = dict.fromkeys(package.manifest.supported, 0.0) if wide else {}
    return dataclasses.replace(package, manifest=package.manifest.model_copy(update={"step_loss": losses}))


def fall_of_dice(
    exact: Sequence[OutlineScores], fast: Sequence[OutlineScores], names: Collection[str]
) -> dict[str, float]:
    """Find how far the mean Dice against the reference falls in a faster run, structure by structure.

    Parameters
    ----------
    exact, fast : sequence of OutlineScores
        The same patients in the same order, outlined in two ways; nothing falls where the faster run was not made.
    names : collection of str
        Structures that are compared; one without any reference is left out.
    """
    falls: dict[str, list[float]] = {}
    for one, other in zip(exact if fast else (), fast, strict=True):
        for name in one.dice.keys() & names:
            falls.setdefault(name, []).append(one.dice[name] - other.dice[name])
    return {name: round(float(np.mean(falls[name])), 5) for name in sorted(falls)}


def measure_cases(
    cases: Sequence[CaseFiles],
    scores: Callable[[CaseFiles], T],
    codec: Codec[T],
    shelf: Path,
    on_progress: Callable[[int, int], None],
) -> tuple[T, ...]:
    """Measure every case of a folder in order, or read the case's result from an earlier run.

    Parameters
    ----------
    cases : sequence of CaseFiles
        Image and label files of every case.
    scores : callable
        Measures one case and returns its result.
    codec : Codec
        Writes a result as JSON, and reads it back.
    shelf : Path
        Folder that keeps the results.
    on_progress : callable
        Called with (done, total) after every case.
    """
    files = [(case.name, identity_of(case.ct)) for case in cases]
    return measure_each(files, lambda position: scores(cases[position]), codec, shelf, on_progress)


def contours_of(case: CaseFiles) -> dict[str, NDArray[np.bool_]]:
    """Read the masks of what is contoured in a case, on the grid of its canonical scan.

    Parameters
    ----------
    case : CaseFiles
        Files of the case, contours among these.

    Raises
    ------
    UsageError
        When the case has no contours.
    """
    if case.organs is None:
        raise UsageError(f"{case.name} has no contours of organs.", "Give cases with contours.")
    labels = to_canonical(read_labels(case.organs)).array
    if case.virtual:
        masks = {s.name: structure_mask(labels, s.name) for s in ORGANS}
    else:
        masks = {name: labels == value for value, name in OPENKBP_ORGANS.items()}
    return {name: mask for name, mask in masks.items() if mask.any()}


def _judged(packages: Sequence[ModelPackage]) -> list[ModelPackage]:
    """Packages with what each is judged by: every label that was taught and that no earlier package has.

    Raises
    ------
    ModelUnusableError
        When a package does not state which patients taught a label.
    """
    judged: list[ModelPackage] = []
    earlier: set[str] = set()
    for package in packages:
        manifest = package.manifest
        names = [name for name in manifest.labels if name not in earlier]
        unstated = [name for name in names if manifest.learned_from.words(name) == NOT_STATED]
        if names and len(unstated) == len(names):
            raise ModelUnusableError(
                f"Package {manifest.name!r} does not state which patients taught it.",
                "Write `learned_from: {real: [...], virtual: [...]}` with its labels into manifest.yaml.",
            )
        judged.append(_stepping(only(package, [name for name in names if name not in unstated]), wide=False))
        earlier |= set(manifest.labels)
    return judged
