"""What the classifiers of involvement are worth: every figure of their cards, on patients that no training saw.

Average precision per label beside prevalence, a plain overlap rule and CT alone; of sub-sites also where they are found
in real anatomy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.subsites import FIELD_BY_KEY, FIELDS
from hyoid.geometry.orientation import to_canonical
from hyoid.io.files.volumes import read_image
from hyoid.io.packages.model_package import ModelPackage
from hyoid.metrics.comparison import bootstrap_statistic
from hyoid.metrics.ranking import average_precision, mean_average_precision
from hyoid.systems.ct_report.pipeline import ReportModels
from hyoid.systems.ct_report.simulated_localiser import SimulatedReader
from hyoid.systems.involvement import Classified, classify, classify_outlined, target_map
from hyoid.systems.machine import Machine
from hyoid.systems.measure_outlines import Counter, contours_of, each_case, uncounted
from hyoid.systems.organs import localise_tumour, outline_organs, target_mask
from hyoid.training.cases import CaseFiles
from hyoid.training.involvement import UNKNOWN, involvement_targets, overlap_shares
from hyoid.volume import Quantity


@dataclass(frozen=True, eq=False)
class InvolvementScores:
    """What was measured of the involvement answers of one patient.

    Parameters
    ----------
    name : str
    truth : ndarray, shape (N,)
        Involvement labels; `UNKNOWN` where not contoured.
    scores : dict of str to ndarray of shape (N,)
        By scorer; NaN for a label that it does not answer.
    """

    name: str
    truth: NDArray[np.float32]
    scores: dict[str, NDArray[np.float64]]


def measure_involvement(
    folder: Path,
    models: ReportModels,
    others: Mapping[str, ModelPackage],
    machine: Machine,
    on_progress: Counter = uncounted,
) -> tuple[InvolvementScores, ...]:
    """Involvement answers of every case, of the shipped model, of others, and of the plain overlap rule.

    Parameters
    ----------
    folder : Path
        OpenKBP layout.
    models : ReportModels
    others : mapping of str to ModelPackage
        Further classifiers by name, for example the backbone on CT alone.
    machine : Machine
    """
    manifest = models.classifier.manifest
    smallest, share = (manifest.preprocessing[name] for name in ("min_volume_ml", "involvement_share"))
    rule, fields = manifest.preprocessing.get("organ_rule", "target"), manifest.supported

    def scores(case: CaseFiles) -> InvolvementScores:
        ct = to_canonical(read_image(case.ct, Quantity.HU))
        organs = outline_organs(ct, models.outlining, machine).labels
        logits, _ = localise_tumour(ct, models.tumour, machine)
        target, tumour = target_mask(logits, ct, smallest), target_map(logits)
        ranked: dict[str, NDArray] = {
            scorer: _probabilities(classify(ct, organs, tumour, package, machine), fields)
            for scorer, package in {"sgrnet": models.classifier, **others}.items()
        }
        ranked["overlap"] = overlap_shares(organs, target, fields)
        return InvolvementScores(case.name, involvement_targets(case, fields, share, rule), ranked)

    return each_case(folder, scores, on_progress)


def measure_outlined(
    folder: Path,
    outlining: Sequence[ModelPackage],
    package: ModelPackage,
    machine: Machine,
    on_progress: Counter = uncounted,
) -> tuple[InvolvementScores, ...]:
    """Answers about the outlined primary of every virtual patient, and of the plain overlap rule.

    Parameters
    ----------
    folder : Path
        A cohort of layout `plain`.
    outlining : sequence of ModelPackage
        As `ReportModels.outlining`.
    package : ModelPackage
        As `ReportModels.template`; its scorer is "template".
    machine : Machine
    """
    manifest, reader = package.manifest, SimulatedReader()
    fields, share = manifest.supported, manifest.preprocessing["involvement_share"]

    def scores(case: CaseFiles) -> InvolvementScores:
        ct = to_canonical(read_image(case.ct, Quantity.HU))
        organs = outline_organs(ct, outlining, machine).labels
        outline = reader.outline(case)
        found = classify_outlined(ct, organs, outline, package, machine)
        ranked: dict[str, NDArray] = {
            "template": _probabilities(found, fields),
            "overlap": overlap_shares(organs, outline, fields),
        }
        return InvolvementScores(case.name, involvement_targets(case, fields, share), ranked)

    return each_case(folder, scores, on_progress)


@dataclass(frozen=True)
class PlacedBall:
    """What was answered about a ball in a real patient's anatomy.

    Parameters
    ----------
    name : str
    organ : str
        In whose real contour its centre lies.
    yes : frozenset of str
        Lines that were answered with yes.
    """

    name: str
    organ: str
    yes: frozenset[str]


def measure_balls(
    folder: Path,
    outlining: Sequence[ModelPackage],
    package: ModelPackage,
    organs: Sequence[str],
    machine: Machine,
    on_progress: Counter = uncounted,
) -> tuple[PlacedBall, ...]:
    """A ball of 10 mm radius at the middle of a real contour, given as the outline of a primary, patient by patient.

    Nobody has said for these patients which sub-sites a tumour involves; but one in the middle of the larynx lies in
    parts of the larynx, and in none of the mouth.

    Parameters
    ----------
    folder : Path
        OpenKBP's layout.
    outlining, package, machine
        As for `measure_outlined`.
    organs : sequence of str
        Contours in which balls are put; patients without the contour get none.
    """
    radius_mm = 10.0

    def balls(case: CaseFiles) -> list[PlacedBall]:
        ct = to_canonical(read_image(case.ct, Quantity.HU))
        outlined = outline_organs(ct, outlining, machine).labels
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

    return tuple(ball for found in each_case(folder, balls, on_progress) for ball in found)


def region_table(balls: Sequence[PlacedBall]) -> dict[str, dict[str, Any]]:
    """By organ: how many balls, and for which share of them some line under each heading was answered yes."""
    headings = dict.fromkeys(field.region for field in FIELDS)
    table = {}
    for organ in dict.fromkeys(ball.organ for ball in balls):
        here = [{FIELD_BY_KEY[name].region for name in ball.yes} for ball in balls if ball.organ == organ]
        shares = {heading: round(float(np.mean([heading in said for said in here])), 3) for heading in headings}
        table[organ] = {"n": len(here), "yes": shares}
    return table


def mean_ap(truth: NDArray, scores: NDArray) -> float | None:
    """Mean average precision over the labels that have a positive; patients whose label is `UNKNOWN` are left out."""
    return mean_average_precision(np.where(truth == UNKNOWN, np.nan, truth), scores).mean


def told_of(
    rows: Sequence[InvolvementScores], fields: Sequence[str]
) -> tuple[tuple[str, ...], tuple[InvolvementScores, ...]]:
    """The fields whose truth some patient tells, and the rows with these alone."""
    told = (np.stack([row.truth for row in rows]) != UNKNOWN).any(axis=0)
    kept = tuple(
        InvolvementScores(row.name, row.truth[told], {name: s[told] for name, s in row.scores.items()}) for row in rows
    )
    return tuple(name for name, is_told in zip(fields, told, strict=True) if is_told), kept


def ranking_table(
    rows: Sequence[InvolvementScores], fields: Sequence[str], rng: np.random.Generator
) -> dict[str, dict[str, Any]]:
    """Average precision per label and scorer, and their mean with a 95 % interval over patients."""
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
    """Difference of the mean average precision of two scorers on the same patients, with a 95 % interval.

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
