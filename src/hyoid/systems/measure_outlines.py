"""What the outlining networks are worth: every figure of their cards, on patients that no training saw.

Measured on an OpenKBP folder (the validation split): Dice per organ and of the high-dose target on the scans' own
grid, and how often bfloat16 gives the same labels as float32. Classifiers: `involvement_measurement`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.structures import BY_NAME, ORGANS, structure_mask
from hyoid.geometry.orientation import to_canonical
from hyoid.io.files.volumes import read_image, read_labels
from hyoid.io.packages.model_package import ModelPackage
from hyoid.metrics.comparison import Ratio, bootstrap_interval
from hyoid.systems.machine import Machine
from hyoid.systems.organs import localise_tumour, outline_organs, target_mask
from hyoid.training.cases import OPENKBP_ORGANS, OPENKBP_PTV70, CaseFiles, find_cases
from hyoid.volume import Quantity, Volume

T = TypeVar("T")
Counter = Callable[[int, int], None]
"""Called with (done, total)."""


def uncounted(done: int, total: int) -> None:
    """Progress for nobody."""


@dataclass(frozen=True, eq=False)
class OutlineScores:
    """What was measured of the outlines of one patient.

    Parameters
    ----------
    name : str
    dice : dict of str to float
        By structure; only structures that are contoured.
    volume_ml : dict of str to float
        Outlined volume of every structure that the model supports, 0 where it found none.
    true_volume_ml : dict of str to float
        Contoured volume; only structures that are contoured.
    """

    name: str
    dice: dict[str, float]
    volume_ml: dict[str, float]
    true_volume_ml: dict[str, float]


def measure_organs(
    folder: Path, packages: Sequence[ModelPackage], machine: Machine, on_progress: Counter = uncounted
) -> tuple[OutlineScores, ...]:
    """Outlines of every case in a folder against its contours, on the scan's own grid.

    Parameters
    ----------
    folder : Path
        OpenKBP's layout or a virtual cohort.
    packages : sequence of ModelPackage
        As `ReportModels.outlining`.
    machine : Machine
    """
    names = dict.fromkeys(name for package in packages for name in package.manifest.supported)

    def scores(case: CaseFiles) -> OutlineScores:
        ct = to_canonical(read_image(case.ct, Quantity.HU))
        outlined = outline_organs(ct, packages, machine).labels.array
        masks = {name: structure_mask(outlined, name) for name in names}
        contours = {name: mask for name, mask in contours_of(case).items() if name in masks}
        ml = ct.geometry.voxel_ml
        return OutlineScores(
            case.name,
            {name: dice(masks[name], mask) for name, mask in contours.items()},
            {name: float(mask.sum()) * ml for name, mask in masks.items()},
            {name: float(mask.sum()) * ml for name, mask in contours.items()},
        )

    return each_case(folder, scores, on_progress)


def measure_target(
    folder: Path, package: ModelPackage, min_volume_ml: float, machine: Machine, on_progress: Counter = uncounted
) -> tuple[OutlineScores, ...]:
    """Predicted high-dose target of every case against PTV70, on the scan's own grid."""

    def scores(case: CaseFiles) -> OutlineScores:
        assert case.target is not None
        ct = to_canonical(read_image(case.ct, Quantity.HU))
        ptv = to_canonical(read_labels(case.target)).array == OPENKBP_PTV70
        logits, _ = localise_tumour(ct, package, machine)
        target = target_mask(logits, ct, min_volume_ml).array > 0
        ml = ct.geometry.voxel_ml
        name = package.manifest.labels[0]
        return OutlineScores(
            case.name, {name: dice(target, ptv)}, {name: target.sum() * ml}, {name: float(ptv.sum()) * ml}
        )

    return each_case(folder, scores, on_progress)


def dice(a: NDArray, b: NDArray) -> float:
    """2 |A and B| / (|A| + |B|); 1 when both are empty."""
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else 1.0


def dice_table(rows: Sequence[OutlineScores], rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    """Mean Dice per structure with n and 95 % interval over patients."""
    names = sorted({name for row in rows for name in row.dice})
    table = {}
    for name in names:
        ratio = Ratio.mean_of([row.dice.get(name) for row in rows])
        interval = bootstrap_interval([ratio], rng)
        assert ratio.value is not None and interval is not None
        table[name] = {
            "dice": round(ratio.value, 4),
            "low": round(interval.low, 4),
            "high": round(interval.high, 4),
            "n": int(ratio.denominators.sum()),
        }
    return table


def transfer_table(
    real: Sequence[OutlineScores], virtual: Sequence[OutlineScores], names: Sequence[str], rng: np.random.Generator
) -> dict[str, dict[str, Any]]:
    """What is known of structures without real contours: Dice on virtual patients, and plausibility on real scans.

    A structure is `plausible` when, on at least half of the real scans, its volume lies between half the 10th and
    twice the 90th percentile of its true volume in the virtual patients (scans end at different heights).

    Parameters
    ----------
    real, virtual : sequence of OutlineScores
        Patients of neither kind took part in training.
    names : sequence of str
    """
    table = dice_table(virtual, rng)
    chosen = {}
    for name in names:
        low, high = np.quantile([row.true_volume_ml[name] for row in virtual if name in row.true_volume_ml], (0.1, 0.9))
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


def bf16_agreement(
    folder: Path,
    names: Sequence[str],
    cache: Path,
    *,
    cases: int,
    labels_of: Callable[[Volume, Machine], Volume],
) -> dict[str, float]:
    """Smallest Dice per label between bfloat16 and float32 over the first cases of a folder.

    Parameters
    ----------
    names : sequence of str
        Structures to compare.
    labels_of : callable
        Canonical scan and machine to label map.
    """
    worst: dict[str, float] = {}
    values = {BY_NAME[name].label if name != "target_region" else 1: name for name in names}
    for case in find_cases(folder)[:cases]:
        ct = to_canonical(read_image(case.ct, Quantity.HU))
        exact = labels_of(ct, Machine("cpu", cache, "f32")).array
        short = labels_of(ct, Machine("cpu", cache, "bf16")).array
        for value, name in values.items():
            worst[name] = min(worst.get(name, 1.0), round(dice(exact == value, short == value), 5))
    return worst


def each_case(folder: Path, scores: Callable[[CaseFiles], T], on_progress: Counter) -> tuple[T, ...]:
    """What `scores` finds in every case of a folder, in their order."""
    files = find_cases(folder)
    rows = []
    for number, case in enumerate(files, start=1):
        rows.append(scores(case))
        on_progress(number, len(files))
    return tuple(rows)


def contours_of(case: CaseFiles) -> dict[str, NDArray[np.bool_]]:
    """Masks of what is contoured in a case, on the grid of its canonical scan."""
    assert case.organs is not None
    labels = to_canonical(read_labels(case.organs)).array
    if case.virtual:
        masks = {s.name: structure_mask(labels, s.name) for s in ORGANS}
    else:
        masks = {name: labels == value for value, name in OPENKBP_ORGANS.items()}
    return {name: mask for name, mask in masks.items() if mask.any()}
