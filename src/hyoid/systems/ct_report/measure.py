"""What the classifiers of involvement are worth: every figure of their cards, on patients that no training saw.

Average precision per label beside prevalence, a plain overlap rule and CT alone; of sub-sites also where they are found
in real anatomy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.subsites import FIELD_BY_KEY, FIELDS
from hyoid.cards.decisions import learned_fields
from hyoid.geometry.orientation import to_canonical
from hyoid.io.cohorts.case_files import CaseFiles
from hyoid.io.files.volumes import read_image
from hyoid.io.packages.model_package import Manifest, ModelPackage
from hyoid.metrics.comparison import bootstrap_statistic
from hyoid.metrics.ranking import average_precision, mean_average_precision
from hyoid.systems.ct_report.calibrate import before_and_after, read_held_out, uncalibrated
from hyoid.systems.ct_report.labels import UNKNOWN, involvement_targets, overlap_shares
from hyoid.systems.ct_report.simulated_localiser import SimulatedReader
from hyoid.systems.involvement import Classified, classify, classify_outlined, target_map
from hyoid.systems.measure_outlines import SEED, contours_of, measure_cases, only, patients_in_words
from hyoid.systems.measured_cases import Codec, Measuring
from hyoid.systems.organs import localise_tumour, outline_organs, target_mask
from hyoid.training.cases import find_cases
from hyoid.volume import Quantity


@dataclass(frozen=True, eq=False)
class InvolvementScores:
    """Truth and scores of involvement of one patient.

    Parameters
    ----------
    name : str
        Name of the case.
    truth : ndarray, shape (N,)
        Involvement labels; `UNKNOWN` where not contoured.
    scores : dict of str to ndarray of shape (N,)
        Probabilities by scorer; NaN for a label that the scorer does not answer.
    """

    name: str
    truth: NDArray[np.float32]
    scores: dict[str, NDArray[np.float64]]


def _encoded(row: InvolvementScores) -> dict[str, Any]:
    scores = {scorer: values.tolist() for scorer, values in row.scores.items()}
    return {"name": row.name, "truth": row.truth.tolist(), "scores": scores}


def _decoded(row: dict[str, Any]) -> InvolvementScores:
    scores = {scorer: np.array(values, float) for scorer, values in row["scores"].items()}
    return InvolvementScores(row["name"], np.array(row["truth"], np.float32), scores)


SCORES: Codec[InvolvementScores] = Codec(_encoded, _decoded)
BALLS = ("larynx", "mandible", "parotid_left", "parotid_right", "brainstem")
"""Organs in whose real contours a ball is put."""


@dataclass(frozen=True)
class Localising:
    """The networks before a classifier, whose organ maps and heatmaps it sees.

    Parameters
    ----------
    outlining : sequence of ModelPackage
        Networks that outline organs, the better founded one first.
    tumour : ModelPackage, optional
        Network that localises the high-dose target; not needed where the primary is outlined.
    """

    outlining: Sequence[ModelPackage]
    tumour: ModelPackage | None = None


@dataclass(frozen=True, eq=False)
class MeasuredClassifier:
    """A measured classifier, and what its reliability diagram is drawn from.

    Parameters
    ----------
    manifest : Manifest
        Manifest of the package, with everything that was measured.
    truth : ndarray, shape (n, N)
        1 involved, 0 not, `UNKNOWN`, by patient and field.
    before, after : ndarray, shape (n, N)
        Probabilities before and after the temperatures of the manifest.
    """

    manifest: Manifest
    truth: NDArray[np.float32]
    before: NDArray[np.float64]
    after: NDArray[np.float64]


def measure_classifier(
    package: ModelPackage, networks: Localising, others: Mapping[str, ModelPackage], real: Path, measuring: Measuring
) -> MeasuredClassifier:
    """Measure a classifier of involvement: average precision, its baselines, worth of its probabilities.

    Parameters
    ----------
    package : ModelPackage
        The classifier, after `hyoid calibrate` where it is to be calibrated.
    networks : Localising
        Networks before the classifier, that of the target among these.
    others : mapping of str to ModelPackage
        Classifiers on the same patients, for paired differences: "ct_only", "before" or any other name.
    real : Path
        Folder of real cases with contours and high-dose target.
    measuring : Measuring
        Where results are kept, and who is told how far it is.
    """
    rows = measure_involvement(real, package, networks, others, measuring)
    fields, rows = told_of(rows, package.manifest.supported)
    rng = np.random.default_rng
    metrics: dict[str, Any] = {
        "data": patients_in_words(len(rows), measuring.whom),
        "average_precision": ranking_table(rows, fields, rng(SEED)),
        "gain": {name: paired_gain(rows, "sgrnet", name, rng(SEED)) for name in (*others, "overlap")},
    }
    return _calibrated(package.manifest, metrics, fields, rows, "sgrnet")


def measure_sub_sites(
    package: ModelPackage,
    networks: Localising,
    held_out: Sequence[Path],
    virtual: Path,
    real: Path | None,
    measuring: Measuring,
) -> MeasuredClassifier:
    """Measure a classifier of sub-sites on virtual patients and on balls in real anatomy; decide what it may answer.

    Parameters
    ----------
    package : ModelPackage
        The classifier, after `hyoid calibrate`.
    networks : Localising
        Networks that outline organs.
    held_out : sequence of Path
        `held_out.json` of every fold: a field is answered from an average precision of `LOWEST_PRECISION` out of fold.
    virtual : Path
        Cohort of virtual patients that no training used.
    real : Path, optional
        Folder of real cases with contours, in which balls are placed.
    measuring : Measuring
        Where results are kept, and who is told how far it is.

    Raises
    ------
    UsageError
        When the held-out predictions are of another network.
    """
    answers = read_held_out(held_out, package.manifest)
    precision = {
        name: average_precision(answers.truth[:, k], answers.scores[:, k]) for k, name in enumerate(answers.fields)
    }
    package = only(package, learned_fields(precision, package.manifest.supported))
    manifest, rng = package.manifest, np.random.default_rng(SEED)
    rows = measure_outlined(virtual, networks, package, measuring)
    metrics: dict[str, Any] = {
        "data": f"{len(rows)} virtual patients; no training used them",
        "average_precision_held_out": {name: round(precision[name] or 0.0, 3) for name in manifest.labels},
        "average_precision": ranking_table(rows, manifest.supported, rng),
        "gain": {"overlap": paired_gain(rows, "template", "overlap", rng)},
    }
    if real is not None:
        metrics["balls"] = region_table(measure_balls(real, networks, package, BALLS, measuring))
    return _calibrated(manifest, metrics, manifest.supported, rows, "template")


def _calibrated(
    manifest: Manifest,
    metrics: dict[str, Any],
    fields: Sequence[str],
    rows: Sequence[InvolvementScores],
    scorer: str,
) -> MeasuredClassifier:
    """Add what the probabilities are worth out of fold (as `hyoid calibrate` found it) and on these patients."""
    kept = {name: manifest.metrics[name] for name in ("calibration_held_out",) if name in manifest.metrics}
    truth = np.stack([row.truth for row in rows])
    after = np.stack([row.scores[scorer] for row in rows])
    before = uncalibrated(after, fields, manifest.temperatures)
    table = before_and_after(fields, truth, before, after, np.random.default_rng(SEED))
    found = manifest.model_copy(update={"metrics": {**metrics, **kept, "calibration": table}})
    return MeasuredClassifier(found, truth, before, after)


def measure_involvement(
    folder: Path,
    package: ModelPackage,
    networks: Localising,
    others: Mapping[str, ModelPackage],
    measuring: Measuring,
) -> tuple[InvolvementScores, ...]:
    """Ask a classifier, others and the plain overlap rule about the involvement of every case.

    Parameters
    ----------
    folder : Path
        Cases in OpenKBP's layout.
    package : ModelPackage
        The classifier; its scorer is "sgrnet".
    networks : Localising
        Networks before the classifier, that of the target among these.
    others : mapping of str to ModelPackage
        Further classifiers by name, for example the backbone on CT alone.
    measuring : Measuring
        Where results are kept, and who is told how far it is.
    """
    assert networks.tumour is not None
    localiser, machine = networks.tumour, measuring.machine
    manifest = package.manifest
    smallest, share = (manifest.preprocessing[name] for name in ("min_volume_ml", "involvement_share"))
    rule, fields = manifest.preprocessing.get("organ_rule", "target"), manifest.supported

    def scores(case: CaseFiles) -> InvolvementScores:
        ct = to_canonical(read_image(case.ct, Quantity.HU))
        organs = outline_organs(ct, networks.outlining, machine).labels
        logits, _ = localise_tumour(ct, localiser, machine)
        target, tumour = target_mask(logits, ct, smallest), target_map(logits)
        ranked: dict[str, NDArray] = {
            scorer: _probabilities(classify(ct, organs, tumour, asked, machine), fields)
            for scorer, asked in {"sgrnet": package, **others}.items()
        }
        ranked["overlap"] = overlap_shares(organs, target, fields)
        return InvolvementScores(case.name, involvement_targets(case, fields, share, rule), ranked)

    every = [*networks.outlining, localiser, package, *others.values()]
    shelf = measuring.shelf(f"involvement-{'-'.join(others)}", [p.manifest for p in every])
    stage = partial(measuring.on_progress, "real patients")
    return measure_cases(find_cases(folder), scores, SCORES, shelf, stage)


def measure_outlined(
    folder: Path, networks: Localising, package: ModelPackage, measuring: Measuring
) -> tuple[InvolvementScores, ...]:
    """Ask a classifier and the plain overlap rule about the outlined primary of every virtual patient.

    Parameters
    ----------
    folder : Path
        Virtual cohort of layout `plain`.
    networks : Localising
        Networks that outline organs.
    package : ModelPackage
        The classifier of sub-sites; its scorer is "template".
    measuring : Measuring
        Where results are kept, and who is told how far it is.
    """
    machine = measuring.machine
    manifest, reader = package.manifest, SimulatedReader()
    fields, share = manifest.supported, manifest.preprocessing["involvement_share"]

    def scores(case: CaseFiles) -> InvolvementScores:
        ct = to_canonical(read_image(case.ct, Quantity.HU))
        organs = outline_organs(ct, networks.outlining, machine).labels
        outline = reader.outline(case)
        found = classify_outlined(ct, organs, outline, package, machine)
        ranked: dict[str, NDArray] = {
            "template": _probabilities(found, fields),
            "overlap": overlap_shares(organs, outline, fields),
        }
        return InvolvementScores(case.name, involvement_targets(case, fields, share), ranked)

    shelf = measuring.shelf("sub-sites", [p.manifest for p in (*networks.outlining, package)])
    stage = partial(measuring.on_progress, "virtual patients")
    return measure_cases(find_cases(folder), scores, SCORES, shelf, stage)


@dataclass(frozen=True)
class PlacedBall:
    """Answers about a ball placed in a real patient's anatomy.

    Parameters
    ----------
    name : str
        Name of the case.
    organ : str
        Organ in whose real contour the centre of the ball lies.
    yes : frozenset of str
        Lines that were answered with yes.
    """

    name: str
    organ: str
    yes: frozenset[str]


def measure_balls(
    folder: Path, networks: Localising, package: ModelPackage, organs: Sequence[str], measuring: Measuring
) -> tuple[PlacedBall, ...]:
    """Ask about a ball of 10 mm radius in the middle of a real contour, given as the outline of a primary.

    Nobody has said for these patients which sub-sites a tumour involves; but one in the middle of the larynx lies in
    parts of the larynx, and in none of the mouth.

    Parameters
    ----------
    folder : Path
        Cases in OpenKBP's layout.
    networks : Localising
        Networks that outline organs.
    package : ModelPackage
        The classifier of sub-sites.
    organs : sequence of str
        Contours in which balls are put; patients without the contour get none.
    measuring : Measuring
        Where results are kept, and who is told how far it is.
    """
    radius_mm, machine = 10.0, measuring.machine

    def balls(case: CaseFiles) -> list[PlacedBall]:
        ct = to_canonical(read_image(case.ct, Quantity.HU))
        outlined = outline_organs(ct, networks.outlining, machine).labels
        at = ct.geometry.to_lps(np.indices(ct.geometry.shape).reshape(3, -1).T)
        placed = []
        for organ, contour in contours_of(case).items():
            if organ not in organs:
                continue
            centre = at[contour.ravel()].mean(axis=0)
            inside = np.linalg.norm(at - centre, axis=1) <= radius_mm
            ball = outlined.with_array(inside.reshape(ct.geometry.shape).astype(np.uint8))
            found = classify_outlined(ct, outlined, ball, package, machine)
            answers = {} if found is None else found.answers
            yes = frozenset(name for name, a in answers.items() if a.answer == "yes")
            placed.append(PlacedBall(case.name, organ, yes))
        return placed

    codec: Codec[list[PlacedBall]] = Codec(
        lambda found: [[ball.name, ball.organ, sorted(ball.yes)] for ball in found],
        lambda rows: [PlacedBall(name, organ, frozenset(yes)) for name, organ, yes in rows],
    )
    shelf = measuring.shelf("balls", [p.manifest for p in (*networks.outlining, package)])
    stage = partial(measuring.on_progress, "balls in real patients")
    return tuple(ball for found in measure_cases(find_cases(folder), balls, codec, shelf, stage) for ball in found)


def region_table(balls: Sequence[PlacedBall]) -> dict[str, dict[str, Any]]:
    """Count balls by organ, and the share for which some line under each heading was answered yes."""
    headings = dict.fromkeys(field.region for field in FIELDS)
    table = {}
    for organ in dict.fromkeys(ball.organ for ball in balls):
        here = [{FIELD_BY_KEY[name].region for name in ball.yes} for ball in balls if ball.organ == organ]
        shares = {heading: round(float(np.mean([heading in said for said in here])), 3) for heading in headings}
        table[organ] = {"n": len(here), "yes": shares}
    return table


def mean_ap(truth: NDArray, scores: NDArray) -> float | None:
    """Compute the mean average precision over labels with a positive; patients of label `UNKNOWN` are left out."""
    return mean_average_precision(np.where(truth == UNKNOWN, np.nan, truth), scores).mean


def told_of(
    rows: Sequence[InvolvementScores], fields: Sequence[str]
) -> tuple[tuple[str, ...], tuple[InvolvementScores, ...]]:
    """Select the fields whose truth at least one patient tells, and reduce the rows to these."""
    told = (np.stack([row.truth for row in rows]) != UNKNOWN).any(axis=0)
    kept = tuple(
        InvolvementScores(row.name, row.truth[told], {name: s[told] for name, s in row.scores.items()}) for row in rows
    )
    return tuple(name for name, is_told in zip(fields, told, strict=True) if is_told), kept


def ranking_table(
    rows: Sequence[InvolvementScores], fields: Sequence[str], rng: np.random.Generator
) -> dict[str, dict[str, Any]]:
    """Compute average precision per label and scorer, and their mean with a 95 % interval over patients."""
    scorers = tuple(rows[0].scores)
    truth = np.stack([row.truth for row in rows])
    table: dict[str, dict[str, Any]] = {}
    for k, name in enumerate(fields):
        known = truth[:, k] != UNKNOWN
        table[name] = {"n": int(known.sum()), "prevalence": round(float(truth[known, k].mean()), 3)}
        for scorer in scorers:
            scores = np.stack([row.scores[scorer] for row in rows])[:, k]
            answered = not np.isnan(scores[known]).any()
            table[name][scorer] = _rounded(average_precision(truth[known, k], scores[known])) if answered else None
    overall: dict[str, Any] = {"n": len(rows)}
    prevalences = [table[name]["prevalence"] for name in fields]
    overall["prevalence"] = round(float(np.mean(prevalences)), 3)
    for scorer in scorers:
        scores = np.stack([row.scores[scorer] for row in rows])
        overall[scorer] = None
        if np.isnan(scores).any():
            continue

        def statistic(drawn: NDArray, scores: NDArray = scores) -> float | None:
            return mean_ap(truth[drawn], scores[drawn])

        interval = bootstrap_statistic(statistic, len(rows), rng)
        overall[scorer] = _rounded(mean_ap(truth, scores))
        if interval is None:
            continue
        overall[f"{scorer}_interval"] = [round(interval.low, 3), round(interval.high, 3)]
    table["mean"] = overall
    return table


def paired_gain(
    rows: Sequence[InvolvementScores], own: str, other: str, rng: np.random.Generator
) -> dict[str, float] | None:
    """Compare the mean average precision of two scorers on the same patients: difference with a 95 % interval.

    None where one of them does not answer a label, or the difference is not defined.
    """
    truth = np.stack([row.truth for row in rows])
    a, b = (np.stack([row.scores[name] for row in rows]) for name in (own, other))
    if np.isnan(a).any() or np.isnan(b).any():
        return None

    def difference(drawn: NDArray) -> float | None:
        first, second = mean_ap(truth[drawn], a[drawn]), mean_ap(truth[drawn], b[drawn])
        return None if first is None or second is None else first - second

    found, interval = difference(np.arange(len(rows))), bootstrap_statistic(difference, len(rows), rng)
    if found is None or interval is None:
        return None
    return {"difference": round(found, 3), "low": round(interval.low, 3), "high": round(interval.high, 3)}


def _probabilities(found: Classified | None, fields: Sequence[str]) -> NDArray[np.float64]:
    """What a classifier promises of each field; NaN where it does not answer."""
    answers = {} if found is None else found.answers
    return np.array([answers[name].probability if name in answers else np.nan for name in fields])


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
