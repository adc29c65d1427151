"""What clicks buy: Dice after every simulated click, attributes after the last, beside what needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.lesion_attributes import ATTRIBUTES
from hyoid.cards.decisions import learned_attributes
from hyoid.cards.lesion import DESCRIBED, TRUE_MASK
from hyoid.errors import UsageError
from hyoid.geometry.orientation import to_canonical
from hyoid.geometry.overlap import dice_of_masks
from hyoid.inference.click_network import ClickNetwork
from hyoid.io.cohorts.lesions import MODALITIES
from hyoid.io.files.volumes import read_image, read_labels
from hyoid.io.packages.model_package import Manifest, ModelPackage
from hyoid.io.study import fingerprint
from hyoid.metrics.clicks import normalised_click_area, number_of_clicks
from hyoid.metrics.comparison import Ratio, bootstrap_interval
from hyoid.metrics.ranking import accuracy, balanced_accuracy, majority_accuracy
from hyoid.metrics.simulated_clicks import USERS, deterministic_click
from hyoid.metrics.surface_medpy import border_distances
from hyoid.progress import Steps, ignore_steps
from hyoid.systems.lesion.cases import LesionCase, load_lesions, of_part
from hyoid.systems.lesion.pipeline import Prompt, Scan, attributes_of, next_outline
from hyoid.systems.measured_cases import Codec, Measuring, measure_each
from hyoid.volume import Volume

CLICKS = 10
DICE_TARGET = 0.8
ATTRIBUTES_AFTER = (1, 3, 10)
"""Clicks after which attributes are scored: a report is shown after every click."""


@dataclass(frozen=True, eq=False)
class ClickCase:
    """A lesion to click on.

    Parameters
    ----------
    name, patient : str
        Name of the lesion, and of the patient who has it: intervals are over patients.
    scan : Scan
        Canonical scan with its fingerprint.
    reference : ndarray of bool, shape (D, H, W)
        True outline, on the scan's (canonical) grid.
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
        """Volume of the reference, mL."""
        return int(self.reference.sum()) * self.scan.volume.geometry.voxel_ml


@dataclass(frozen=True, eq=False)
class ClickRun:
    """Course of one simulated user's clicks on one lesion.

    Parameters
    ----------
    name, patient : str
        Name of the lesion, and of its patient.
    dice : list of float
        Dice after click 1, 2, ...; repeats the last one once the user finds no error any more.
    hd95_mm : float
        95th percentile of surface distances after the last click; infinite for an empty mask.
    attributes : list of dict
        Attribute -> class, after every click.
    """

    name: str
    patient: str
    dice: list[float]
    hd95_mm: float
    attributes: list[dict[str, str]] = field(default_factory=list)


def click_cases(lesions: Sequence[LesionCase]) -> list[ClickCase]:
    """Make lesions of virtual patients ready to be clicked on.

    Parameters
    ----------
    lesions : sequence of LesionCase
        Lesions as they lie in a cohort.
    """
    scans: dict[str, Scan] = {}
    cases = []
    for lesion in lesions:
        patient = lesion.patient
        if patient.name not in scans:
            volume = patient.image.with_array(patient.image.array.astype(np.float32))
            scans[patient.name] = Scan(volume, fingerprint(volume))
        cases.append(ClickCase(lesion.name, patient.name, scans[patient.name], lesion.mask, lesion.attributes))
    return cases


RUNS: Codec[ClickRun] = Codec(asdict, lambda row: ClickRun(**row))


def simulate(case: ClickCase, network: ClickNetwork, user: str, *, clicks: int = CLICKS, seed: int = 0) -> ClickRun:
    """Click on a lesion as a simulated user would.

    Parameters
    ----------
    case : ClickCase
        Lesion to click on, with its reference.
    network : ClickNetwork
        Outlines what is clicked on.
    user : {"deterministic", "noisy", "random"}
        How the user chooses the voxel to click.
    clicks : int
        Largest number of clicks.
    seed : int
        Seed of a noisy user.
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
        curve.append(dice_of_masks(case.reference, prediction))
        words.append({} if outline is None else words_of(outline.attributes))
    return ClickRun(case.name, case.patient, curve, hd95_mm(case.reference, prediction, geometry.spacing_mm), words)


def hd95_mm(
    reference: NDArray[np.bool_], prediction: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> float:
    """Measure the 95th percentile of surface distances, both directions together (MedPy's); infinite if empty."""
    if not prediction.any():
        return float("inf")
    return float(np.percentile(border_distances(reference, prediction, spacing_mm).together_mm, 95))


def ball_dice(case: ClickCase, volume_ml: float) -> float:
    """Compute the Dice of a ball of a volume around the deterministic user's first click, as network-free baseline."""
    geometry = case.scan.volume.geometry
    click = deterministic_click(case.reference, np.zeros(geometry.shape, bool), geometry.spacing_mm)
    assert click is not None
    axes = [
        ((np.arange(n) - p) * mm) ** 2
        for n, p, mm in zip(geometry.shape, click.point_ijk, geometry.spacing_mm, strict=True)
    ]
    radius_mm = (3000 * volume_ml / (4 * np.pi)) ** (1 / 3)
    near = axes[0][:, None, None] + axes[1][:, None] + axes[2] <= radius_mm**2
    return dice_of_masks(case.reference, near)


def measure_clicks(
    cases: Sequence[ClickCase],
    network: ClickNetwork,
    *,
    users: Sequence[str] = ("deterministic", "noisy"),
    clicks: int = CLICKS,
    shelf: Path | None = None,
    on_progress: Steps = ignore_steps,
) -> dict[str, Any]:
    """Measure everything that a card or a table says of an interactive network, with intervals over patients.

    Parameters
    ----------
    cases : sequence of ClickCase
        Lesions to click on.
    network : ClickNetwork
        Network that answers clicks.
    users : sequence of str
        Simulated users, keys of `hyoid.metrics.simulated_clicks.USERS`.
    clicks : int
        Clicks per lesion.
    shelf : Path, optional
        Folder that keeps every run, so that a stopped measurement goes on.
    on_progress : callable
        Called with (done, total) after every lesion and user.

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
    for user in users:
        runs = simulate_all(cases, network, user, clicks=clicks, shelf=shelf, on_progress=on_progress)
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


def simulate_all(
    cases: Sequence[ClickCase],
    network: ClickNetwork,
    user: str,
    *,
    clicks: int = CLICKS,
    shelf: Path | None = None,
    on_progress: Steps = ignore_steps,
) -> tuple[ClickRun, ...]:
    """Click on every lesion as one simulated user would; the seed of a lesion is its number.

    Parameters
    ----------
    cases : sequence of ClickCase
        Lesions to click on.
    network : ClickNetwork
        Network that answers clicks.
    user : str
        Key of `hyoid.metrics.simulated_clicks.USERS`.
    clicks : int
        Clicks per lesion.
    shelf : Path, optional
        Folder that keeps every run, so that a stopped measurement goes on.
    on_progress : callable
        Called with (done, total) after every lesion.
    """

    def run(number: int) -> ClickRun:
        return simulate(cases[number], network, user, clicks=clicks, seed=number)

    if shelf is None:
        runs = []
        for number in range(len(cases)):
            runs.append(run(number))
            on_progress(number + 1, len(cases))
        return tuple(runs)
    named = [(f"{number}-{user}", f"{case.name} {case.scan.fingerprint} {clicks}") for number, case in enumerate(cases)]
    return measure_each(named, run, RUNS, shelf, on_progress)


def words_of(chances: dict[str, dict[str, float]]) -> dict[str, str]:
    """Choose the likeliest class of every attribute."""
    return {name: max(of, key=lambda k: of[k]) for name, of in chances.items()}


def words_of_masks(cases: Sequence[ClickCase], network: ClickNetwork) -> list[dict[str, str]]:
    """Describe the reference masks by a network: attribute -> class, case by case."""
    return [words_of(attributes_of(case.scan, case.reference, network)) for case in cases]


def attribute_scores(
    cases: Sequence[ClickCase], words: Sequence[dict[str, str]]
) -> dict[str, dict[str, float | int | None]]:
    """Score attributes where the truth is known: accuracy with 95 % interval, majority class, balanced accuracy.

    Parameters
    ----------
    cases : sequence of ClickCase
        Lesions with the attributes that they truly have.
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


@dataclass(frozen=True)
class LesionFolders:
    """Folders of lesions on which an interactive network is measured; any may be left out.

    Parameters
    ----------
    trained : sequence of Path
        All cohorts it was trained on; the test part of the recipe's split over all of them is measured.
    virtual : sequence of Path
        Cohorts that no training saw, measured whole.
    zero_shot : Path, optional
        Cohort with types of lesion that are never trained on; only these are measured.
    real : Path, optional
        Real lesions: `<patient>/<CT|PET|MR_T1>_image.nii.gz` and `..._mask.nii.gz`. Read for checking only.
    described : Path, optional
        Cohort whose attributes taught the network: its validation part chooses which attributes are told.
    """

    trained: Sequence[Path] = ()
    virtual: Sequence[Path] = ()
    zero_shot: Path | None = None
    real: Path | None = None
    described: Path | None = None


def measure_lesion_network(
    package: ModelPackage,
    folders: LesionFolders,
    measuring: Measuring,
    *,
    users: Sequence[str] = ("deterministic", "noisy"),
    most: int = 0,
) -> Manifest:
    """Measure an interactive network with simulated users, and choose which attributes a report may tell.

    Attributes are measured, and chosen, only with `folders.described`; otherwise an earlier choice stays. Nothing is
    chosen on the test part, the types never trained on, or cohorts that no training saw.

    Parameters
    ----------
    package : ModelPackage
        Package of task `lesion`.
    folders : LesionFolders
        Folders in which the lesions lie.
    measuring : Measuring
        Where results are kept, and who is told how far it is.
    users : sequence of str
        Simulated users, keys of `hyoid.metrics.simulated_clicks.USERS`.
    most : int
        Most lesions of each virtual cohort; 0 for all.

    Raises
    ------
    UsageError
        When no folder is given, or one holds no lesion.
    """
    manifest = package.manifest
    sets = lesion_sets(folders, manifest.recipe, most)
    metrics: dict[str, Any] = {name: found for name, found in manifest.metrics.items() if name == DESCRIBED}
    shelf, network = measuring.shelf("clicks", [manifest]), ClickNetwork(package)
    for name, cases in sets.items():
        stage = partial(measuring.on_progress, name)
        result = measure_clicks(cases, network, users=users, shelf=shelf, on_progress=stage)
        for found in result["users"].values():
            del found["cases"]
        metrics[name] = result
    if folders.described is None:
        return manifest.model_copy(update={"metrics": metrics})
    described = describe_sets(package, folders, measuring)
    metrics[DESCRIBED] = metrics.get(DESCRIBED, {}) | described
    learned = learned_attributes(ATTRIBUTES, described["validation"]["scores"].values())
    return manifest.model_copy(update={"metrics": metrics, "supported": ("lesion", *learned)})


def lesion_sets(folders: LesionFolders, recipe: Mapping[str, Any], most: int = 0) -> dict[str, list[ClickCase]]:
    """Read the lesions to click on, set by set, under the words of the card.

    Parameters
    ----------
    folders : LesionFolders
        Folders in which the lesions lie.
    recipe : mapping
        Recipe of the network, with `split` and `seed`.
    most : int
        Most lesions of each virtual cohort; 0 for all.

    Raises
    ------
    UsageError
        When no folder is given, or one holds no lesion.
    """
    sets: dict[str, list[ClickCase]] = {}
    if folders.trained:
        test = of_part(load_lesions(folders.trained), recipe["split"], recipe["seed"], "test")
        for folder in folders.trained:
            own = [case for case in test if (folder / case.patient.name).is_dir()]
            sets[f"virtual CT, test part of {folder.name}"] = click_cases(own)
    for folder in folders.virtual:
        known = [case for case in load_lesions([folder]) if not case.zero_shot]
        sets[f"virtual CT, {folder.name}"] = click_cases(known)
    sets = {name: rows[: most or None] for name, rows in sets.items()}
    if folders.zero_shot is not None:
        reserved = [case for case in load_lesions([folders.zero_shot]) if case.zero_shot]
        sets["virtual CT, types never trained on"] = click_cases(reserved)
    if folders.real is not None:
        for modality in MODALITIES:
            sets[f"real lesions, {modality.replace('_', ' ')}"] = real_lesions(folders.real, modality)
    if not sets:
        raise UsageError("No lesions are given to click on.", "Give --virtual, --trained, --zero-shot or --data.")
    for name, rows in sets.items():
        if not rows:
            raise UsageError(f"There is no lesion for {name!r}.", "Give another folder.")
    return sets


def real_lesions(folder: Path, modality: str) -> list[ClickCase]:
    """Read real lesions of one modality.

    Parameters
    ----------
    folder : Path
        Folder that holds a folder for every patient.
    modality : str
        Key of `MODALITIES`.
    """
    rows = []
    for path in sorted(folder.glob(f"*/{modality}_image.nii.gz")):
        image = to_canonical(read_image(path, MODALITIES[modality]))
        mask = to_canonical(read_labels(path.with_name(f"{modality}_mask.nii.gz")))
        scan = Scan(Volume(image.array.astype(np.float32), image.geometry, image.quantity), fingerprint(image))
        rows.append(ClickCase(path.parent.name, path.parent.name, scan, mask.array > 0))
    return rows


def describe_sets(package: ModelPackage, folders: LesionFolders, measuring: Measuring) -> dict[str, dict[str, Any]]:
    """Score every attribute with the true masks, and with the network's own masks after clicks of the steady user.

    Parameters
    ----------
    package : ModelPackage
        Package of task `lesion`; all attributes are asked for, even those that a report may not tell.
    folders : LesionFolders
        Cohorts to score, `described` among these; reserved types and unseen cohorts are scored too.
    measuring : Measuring
        Where results are kept, and who is told how far it is.

    Returns
    -------
    dict
        "validation", "test" and the further sets to `n`, `patients` and `scores`: kind of mask to attribute to score.
    """
    assert folders.described is not None
    recipe = package.manifest.recipe
    lesions = load_lesions([folders.described])
    sets = {p: click_cases(of_part(lesions, recipe["split"], recipe["seed"], p)) for p in ("validation", "test")}
    if folders.zero_shot is not None:
        reserved = [case for case in load_lesions([folders.zero_shot]) if case.zero_shot]
        sets["types never trained on"] = click_cases(reserved)
    for folder in folders.virtual:
        sets[folder.name] = click_cases(load_lesions([folder]))
    everything = package.manifest.model_copy(update={"supported": ("lesion", *ATTRIBUTES)})
    network = ClickNetwork(replace(package, manifest=everything))
    shelf, described = measuring.shelf("attributes", [everything]), {}
    for name, cases in sets.items():
        stage = partial(measuring.on_progress, f"attributes, {name}")
        runs = simulate_all(cases, network, "deterministic", shelf=shelf, on_progress=stage)
        scores = {TRUE_MASK: attribute_scores(cases, words_of_masks(cases, network))}
        for k in ATTRIBUTES_AFTER:
            scores[f"after {k} click{'s' * (k > 1)}"] = attribute_scores(cases, [r.attributes[k - 1] for r in runs])
        if any(scores[TRUE_MASK].values()):
            patients = len({case.patient for case in cases})
            described[name] = {"n": len(cases), "patients": patients, "scores": scores}
    if "validation" not in described:
        raise UsageError(
            f"No lesion of the validation part of {folders.described.name} has attributes.",
            "Give the cohort that taught the attributes.",
        )
    return described
