"""What clicks buy: Dice after every simulated click, attributes after the last, beside what needs no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.lesion_attributes import ATTRIBUTES
from hyoid.inference.click_network import ClickNetwork
from hyoid.metrics.clicks import normalised_click_area, number_of_clicks
from hyoid.metrics.comparison import Ratio, bootstrap_interval
from hyoid.metrics.ranking import accuracy, balanced_accuracy, majority_accuracy
from hyoid.metrics.simulated_clicks import USERS, deterministic_click
from hyoid.metrics.surface_medpy import border_distances
from hyoid.systems.lesion.pipeline import Prompt, Scan, attributes_of, next_outline

CLICKS = 10
DICE_TARGET = 0.8


@dataclass(frozen=True, eq=False)
class ClickCase:
    """A lesion to click on.

    Parameters
    ----------
    name, patient : str
    scan : Scan
    reference : ndarray of bool
        On the scan's (canonical) grid.
    attributes : tuple of int
        Class per attribute, negative where not known.
    """

    name: str
    patient: str
    scan: Scan
    reference: NDArray[np.bool_]
    attributes: tuple[int, ...] = (-1,) * len(ATTRIBUTES)

    @property
    def volume_ml(self) -> float:
        """Of the reference."""
        return int(self.reference.sum()) * self.scan.volume.geometry.voxel_ml


@dataclass(frozen=True, eq=False)
class ClickRun:
    """One user on one lesion.

    Parameters
    ----------
    name, patient : str
    dice : list of float
        After click 1, 2, ...; a user who finds no error any more leaves it as it is.
    hd95_mm : float
        After the last click; infinite for an empty mask.
    attributes : list of dict
        Attribute -> class, after every click.
    """

    name: str
    patient: str
    dice: list[float]
    hd95_mm: float
    attributes: list[dict[str, str]] = field(default_factory=list)


def simulate(case: ClickCase, network: ClickNetwork, user: str, *, clicks: int = CLICKS, seed: int = 0) -> ClickRun:
    """Click on a lesion as a simulated user would.

    Parameters
    ----------
    case : ClickCase
    network : ClickNetwork
    user : {"deterministic", "noisy", "random"}
    clicks : int
    seed : int
        Of a noisy user.
    """
    rng = np.random.default_rng(seed)
    geometry = case.scan.volume.geometry
    prediction = np.zeros(geometry.shape, bool)
    prompts: list[Prompt] = []
    outline = None
    curve: list[float] = []
    words: list[dict[str, str]] = []
    for _ in range(clicks):
        click = USERS[user](case.reference, prediction, geometry.spacing_mm, rng)
        point = None if click is None else click.point_ijk
        clashes = any(p.point_ijk == point for p in prompts)
        # An error that was clicked already and is still there would be clicked again without end.
        if click is not None and not clashes:
            prompts.append(Prompt("add" if click.adds else "remove", click.point_ijk))
            outline = next_outline(case.scan, prompts, network, outline, checked=False)
            prediction = outline.painted(geometry.shape)
        curve.append(dice(case.reference, prediction))
        words.append({} if outline is None else words_of(outline.answer.attributes))
    return ClickRun(case.name, case.patient, curve, hd95_mm(case.reference, prediction, geometry.spacing_mm), words)


def dice(reference: NDArray[np.bool_], prediction: NDArray[np.bool_]) -> float:
    """Dice; 0 for an empty prediction."""
    return float(
        2 * np.count_nonzero(reference & prediction) / (np.count_nonzero(reference) + np.count_nonzero(prediction))
    )


def hd95_mm(
    reference: NDArray[np.bool_], prediction: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> float:
    """95th percentile of both directions together (MedPy's); infinite for an empty prediction."""
    if not prediction.any():
        return float("inf")
    return float(np.percentile(border_distances(reference, prediction, spacing_mm).together_mm, 95))


def ball_dice(case: ClickCase, volume_ml: float) -> float:
    """Dice of a ball of a volume around the deterministic user's first click: what needs no network."""
    geometry = case.scan.volume.geometry
    click = deterministic_click(case.reference, np.zeros(geometry.shape, bool), geometry.spacing_mm)
    assert click is not None
    axes = [
        ((np.arange(n) - p) * mm) ** 2
        for n, p, mm in zip(geometry.shape, click.point_ijk, geometry.spacing_mm, strict=True)
    ]
    radius_mm = (3000 * volume_ml / (4 * np.pi)) ** (1 / 3)
    near = axes[0][:, None, None] + axes[1][:, None] + axes[2] <= radius_mm**2
    return dice(case.reference, near)


def measured(
    cases: Sequence[ClickCase],
    network: ClickNetwork,
    *,
    users: Sequence[str] = ("deterministic", "noisy"),
    clicks: int = CLICKS,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Everything a card or a table says of a network, with intervals over patients.

    Returns
    -------
    dict
        `n`, `patients`, `ball` (Dice with interval), per user `dice` (per click, with intervals), `noc`, `area`,
        `hd95_mm` (mean of finite ones, and how many were missed), and `attributes` after the last click of the first
        user beside majority class.
    """
    median_ml = float(np.median([case.volume_ml for case in cases]))
    patients = [case.patient for case in cases]
    result: dict[str, Any] = {
        "n": len(cases),
        "patients": len(set(patients)),
        "median_ml": median_ml,
        "ball": _mean([ball_dice(case, median_ml) for case in cases], patients),
        "users": {},
    }
    total, done = len(cases) * len(users), 0
    for user in users:
        runs = []
        for number, case in enumerate(cases):
            runs.append(simulate(case, network, user, clicks=clicks, seed=number))
            done += 1
            on_progress(done, total)
        needed = number_of_clicks([run.dice for run in runs], DICE_TARGET, max_clicks=clicks)
        finite = [run.hd95_mm for run in runs if np.isfinite(run.hd95_mm)]
        result["users"][user] = {
            "dice": [_mean([run.dice[k] for run in runs], patients) for k in range(clicks)],
            "noc": {"target": DICE_TARGET, "mean": needed.mean, "failures": needed.failures},
            "area": float(np.mean([normalised_click_area(run.dice) for run in runs])) if clicks > 1 else None,
            "hd95_mm": {"mean": float(np.mean(finite)) if finite else None, "missed": len(runs) - len(finite)},
            "attributes": attribute_scores(cases, [run.attributes[-1] for run in runs]),
            "cases": {run.name: [round(d, 4) for d in run.dice] for run in runs},
        }
    return result


def words_of(chances: dict[str, dict[str, float]]) -> dict[str, str]:
    """The likeliest class of every attribute."""
    return {name: max(of, key=lambda k: of[k]) for name, of in chances.items()}


def words_of_masks(cases: Sequence[ClickCase], network: ClickNetwork) -> list[dict[str, str]]:
    """What a network that describes masks says of the references themselves: attribute -> class, case by case."""
    return [words_of(attributes_of(case.scan, case.reference, network)) for case in cases]


def attribute_scores(
    cases: Sequence[ClickCase], words: Sequence[dict[str, str]]
) -> dict[str, dict[str, float | int | None]]:
    """Accuracy with its 95 % interval over patients, majority class and balanced accuracy, where the truth is known.

    Parameters
    ----------
    cases : sequence of ClickCase
    words : sequence of dict
        Attribute -> class, case by case; what is not said is wrong.
    """
    scores: dict[str, dict[str, float | int | None]] = {}
    for k, (name, classes) in enumerate(ATTRIBUTES.items()):
        known = [(classes[c.attributes[k]], said.get(name, ""), c.patient) for c, said in zip(cases, words, strict=True)
                 if c.attributes[k] >= 0]  # fmt: skip
        if known and any(answer for _, answer, _ in known):
            truth, answers = [t for t, _, _ in known], [a for _, a, _ in known]
            right = _mean([float(t == a) for t, a, _ in known], [patient for _, _, patient in known])
            scores[name] = {
                "accuracy": accuracy(truth, answers),
                "low": right["low"],
                "high": right["high"],
                "majority": majority_accuracy(truth),
                "balanced": balanced_accuracy(truth, answers),
                "n": len(known),
            }
    return scores


def _mean(values: Sequence[float], patients: Sequence[str]) -> dict[str, float | None]:
    interval = bootstrap_interval([Ratio.mean_of(list(values))], np.random.default_rng(0), patients=patients)
    limits = {"low": None, "high": None} if interval is None else {"low": interval.low, "high": interval.high}
    return {"mean": float(np.mean(values)), **limits}
