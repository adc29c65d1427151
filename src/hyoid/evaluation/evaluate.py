"""Score a folder of masks against a folder of references by a protocol: find, pair, measure, summarise, write."""

from __future__ import annotations

import csv
import json
import multiprocessing
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from hyoid.anatomy.levels import LEVELS
from hyoid.errors import HyoidError, InputRefusedError, UsageError
from hyoid.evaluation.case_results import CaseResult, LevelMap, case_record, lesion_records, measure_case
from hyoid.evaluation.files import Layout, Pairing, find_cases, pair_up, read_pair
from hyoid.evaluation.masks import CaseMasks, union_box
from hyoid.evaluation.page import Overlay, evaluation_html, overlay_of
from hyoid.evaluation.protocols import (
    HNTSMRG_2024,
    MASK_PROTOCOLS,
    OBSERVER,
    PROTOCOL_NAMES,
    Measure,
    Protocol,
    protocol_from_fields,
)
from hyoid.evaluation.result import Evaluation
from hyoid.evaluation.summaries import Table, sensitivity_tables, sentences, summarise
from hyoid.io.atomic import atomic_write, write_text
from hyoid.io.files.volumes import read_labels
from hyoid.io.run_record import ORGANS_FILE, TARGETS_FILE
from hyoid.metrics.lesion_outcomes import Outcome
from hyoid.metrics.overlap import EmptyRule, dice
from hyoid.progress import Steps

WORST = 5
"""Cases that are shown with overlays."""


@dataclass(frozen=True)
class Job:
    """One case to measure: paths only, so that a worker holds the images of one case and nothing else does."""

    case: str
    reference: Path
    prediction: Path | None
    levels: Path | None = None


def evaluate_masks(
    predictions: Path,
    references: Path,
    protocol: Protocol,
    *,
    prediction_layout: Layout = Layout.AUTO,
    reference_layout: Layout = Layout.AUTO,
    levels: Path | None = None,
    workers: int = 1,
    seed: int = 0,
    progress: Steps | None = None,
) -> tuple[Evaluation, tuple[Overlay, ...]]:
    """Evaluate one system, with overlays of its worst cases.

    Parameters
    ----------
    predictions, references : Path
        Folders, or one file each.
    protocol : Protocol
        Which masks are scored, by which rules.
    prediction_layout, reference_layout : Layout
        How either side lies in its folder.
    levels : Path, optional
        Folder of label maps of nodal levels on the reference grids, values 1.. in the order of the table of levels.
    workers : int
        Processes; each holds one case at a time.
    seed : int
        Of the bootstrap.
    progress : callable, optional
        Told (cases done, cases in all).

    Raises
    ------
    UsageError, InputRefusedError
        When a path is wrong, or a case cannot be scored; the message names the case.
    """
    scored = outlines_of(protocol)
    pairing = pair_up(
        find_cases(predictions, prediction_layout, scored), find_cases(references, reference_layout, scored)
    )
    results = measure_pairs(pairing, protocol, levels=levels, workers=workers, progress=progress)
    evaluation = evaluation_of(results, pairing, protocol, seed=seed)
    paths = {case: (reference, prediction) for case, reference, prediction in pairing.pairs}
    overlays = tuple(_overlay(case, *paths[case], protocol) for case in worst_cases(results))
    return evaluation, overlays


def outlines_of(protocol: Protocol) -> str:
    """Name the label map of a hyoid output folder that a protocol scores; empty where hyoid's numbers are others.

    Parameters
    ----------
    protocol : Protocol
        Of masks.
    """
    targets = {mask_class.name for mask_class in HNTSMRG_2024.classes}
    if {mask_class.name for mask_class in protocol.classes} <= targets:
        return TARGETS_FILE
    return "" if protocol is OBSERVER else ORGANS_FILE


def measure_pairs(
    pairing: Pairing,
    protocol: Protocol,
    *,
    levels: Path | None = None,
    workers: int = 1,
    progress: Steps | None = None,
) -> tuple[CaseResult, ...]:
    """Measure every pair, in the order of the case names.

    Raises
    ------
    InputRefusedError
        When a case cannot be scored; the message names it.
    """
    level_maps = find_cases(levels, Layout.PLAIN) if levels is not None else {}
    jobs = [Job(case, reference, prediction, level_maps.get(case)) for case, reference, prediction in pairing.pairs]
    results = []
    for outcome in _run(jobs, protocol, workers):
        if isinstance(outcome, Refusal):
            raise outcome.kind(outcome.problem, outcome.cure)
        results.append(outcome)
        if progress is not None:
            progress(len(results), len(jobs))
    return tuple(results)


def evaluation_of(results: Sequence[CaseResult], pairing: Pairing, protocol: Protocol, *, seed: int = 0) -> Evaluation:
    """Make numbers, tables and sentences of measured cases."""
    summary = summarise(results, protocol, seed=seed)
    notes = [*([protocol.words] if protocol.words else []), *sentences(summary, protocol)]
    resampled = sum(result.resampled for result in results)
    if resampled:
        notes.append(
            f"{resampled} of {len(results)} predictions lay on another grid and were resampled to the reference, "
            "nearest neighbour."
        )
    for remark, count in Counter(result.remark for result in results if result.remark).items():
        notes.append(f"In {count} of {len(results)} cases {remark}.")
    if pairing.without_reference:
        notes.append(
            f"{len(pairing.without_reference)} predictions have no reference and are not scored: "
            f"{', '.join(pairing.without_reference[:10])}{', ...' if len(pairing.without_reference) > 10 else ''}."
        )
    lesions = tuple(row for result in results for row in lesion_records(result))
    tables = list(sensitivity_tables(results, protocol))
    if Measure.DETECTION in protocol.measures:
        tables.append(_outcome_table("What happened to the lesions, by size", lesions, "size"))
        if any(row["level"] for row in lesions):
            tables.append(_outcome_table("What happened to the lesions, by nodal level", lesions, "level"))
    return Evaluation(
        protocol.name,
        protocol.words,
        protocol.headline or tuple(f"mean.{metric}" for metric in protocol.averaged),
        summary,
        tuple(case_record(result, protocol) for result in results),
        lesions,
        tuple(notes),
        tuple(tables),
        protocol.anchors,
    )


def load_protocol(name: str, config: Path | None = None) -> Protocol:
    """Load a protocol by name, or one's own from YAML with name "custom".

    Raises
    ------
    UsageError
        When the name is unknown, or the file is absent or wrong.
    """
    if name != "custom":
        if name not in MASK_PROTOCOLS:
            raise UsageError(f"There is no protocol {name!r} of masks.", f"Choose {', '.join(PROTOCOL_NAMES)}.")
        return MASK_PROTOCOLS[name]
    if config is None or not config.is_file():
        raise UsageError("Protocol custom needs a YAML file.", "Give it with --config FILE.")
    try:
        fields = yaml.safe_load(config.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise UsageError(f"{config.name} is not YAML.", "Check its indentation and quotes.") from None
    if not isinstance(fields, Mapping):
        raise UsageError(f"{config.name} holds no keys.", "Start from `base: hntsmrg2024`.")
    return protocol_from_fields(fields)


def write_evaluation(evaluation: Evaluation, overlays: Sequence[Overlay], out: Path) -> tuple[Path, ...]:
    """Write the JSON file, and beside it `evaluation_cases.csv`, `evaluation_lesions.csv` and `evaluation.html`.

    Parameters
    ----------
    evaluation : Evaluation
        Numbers, tables and sentences of one evaluation.
    overlays : sequence of Overlay
        Pictures of the worst cases, for the page.
    out : Path
        The JSON file; a path without suffix is a folder, and the file `evaluation.json` in it.

    Returns
    -------
    tuple of Path
        The files, JSON first.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    out = out if out.suffix else out / "evaluation.json"
    document = evaluation.as_json()
    written = [write_text(out, json.dumps(document, indent=1, allow_nan=False) + "\n")]
    for name in ("cases", "lesions"):
        if document[name]:
            written.append(_write_csv(out.parent / f"evaluation_{name}.csv", document[name]))
    written.append(write_text(out.parent / "evaluation.html", evaluation_html(evaluation, overlays)))
    return tuple(written)


def worst_cases(results: Sequence[CaseResult], n: int = WORST) -> tuple[str, ...]:
    """Find the cases with the lowest mean Dice over the classes that are present on either side; ties by name."""
    scored = []
    for result in results:
        values = [dice(c.overlap, EmptyRule.BOTH_EMPTY_EXCLUDED) for c in result.classes]
        present = [value for value in values if value is not None]
        if present:
            scored.append((sum(present) / len(present), result.case))
    return tuple(case for _, case in sorted(scored)[:n])


@dataclass(frozen=True)
class Refusal:
    """A refusal on its way out of a worker process."""

    kind: type[HyoidError]
    problem: str
    cure: str


def _run(jobs: Sequence[Job], protocol: Protocol, workers: int) -> Iterator[CaseResult | Refusal]:
    measure = partial(_measure, protocol)
    if workers <= 1 or len(jobs) <= 1:
        yield from map(measure, jobs)
        return
    # Fresh processes: a fork of a process with running threads (torch, ITK) can hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context) as pool:
        try:
            yield from pool.map(measure, jobs)
        finally:
            pool.shutdown(cancel_futures=True)


def _measure(protocol: Protocol, job: Job) -> CaseResult | Refusal:
    try:
        reference, prediction, remark = read_pair(job.reference, job.prediction)
        levels = None if job.levels is None else _read_levels(job.levels, reference)
        return replace(measure_case(job.case, reference, prediction, protocol, levels=levels), remark=remark)
    except HyoidError as error:
        return Refusal(type(error), f"Case {job.case}, {error.problem}", error.cure)


def _read_levels(path: Path, reference: CaseMasks) -> LevelMap:
    volume = read_labels(path)
    if not volume.geometry.same_grid(reference.geometry):
        raise InputRefusedError("The nodal levels lie on another grid than the reference.", "Resample them first.")
    return LevelMap(volume.array, {value: level.name for value, level in enumerate(LEVELS, start=1)})


def _overlay(case: str, reference_path: Path, prediction_path: Path | None, protocol: Protocol) -> Overlay:
    reference, prediction, _ = read_pair(reference_path, prediction_path)
    if prediction is None:
        prediction = CaseMasks(reference.geometry, named={})
    elif not prediction.geometry.same_grid(reference.geometry):
        prediction = prediction.reordered(reference.geometry) or prediction.on(reference.geometry)
    box = union_box(reference, prediction)
    masks = {c.name: (reference.mask(c, box), prediction.mask(c, box)) for c in protocol.classes}
    return overlay_of(case, masks, reference.geometry.spacing_mm, first_slice=box.start[0])


def _outcome_table(title: str, lesions: Sequence[Mapping[str, Any]], by: str) -> Table:
    counts = Counter((row["class"], row[by] or "no level", row["outcome"]) for row in lesions)
    groups = sorted({key[:2] for key in counts}, key=_group_order)
    rows = tuple((*group, *(counts[(*group, str(outcome))] for outcome in Outcome)) for group in groups)
    words = tuple(outcome.replace("_", " ") for outcome in Outcome)
    return Table(title, ("class", by, *words), rows)


def _group_order(group: tuple[str, str]) -> tuple[str, float, str]:
    """By class, then by the number that a size class starts with ("< 0.5 mL" first), then by name."""
    name, words = group
    number = words.lstrip("<>= ").split("-")[0].split(" ")[0]
    below = -1.0 if words.startswith("<") else 0.0
    return name, (float(number) if number.replace(".", "").isdigit() else 0.0) + below, words


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with atomic_write(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path
