"""Scores by a named protocol: one system, or two against each other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from hyoid.errors import UsageError
from hyoid.evaluation import evaluate as masks
from hyoid.evaluation.comparison import compare_systems
from hyoid.evaluation.files import Layout, find_cases, pair_up
from hyoid.evaluation.protocols import Protocol
from hyoid.evaluation.result import Evaluation
from hyoid.evaluation.tables import evaluate_clicks, evaluate_labels
from hyoid.interfaces.answers import EvaluationAnswer
from hyoid.progress import Stages, ignore_stages

STAGE = "Scoring cases"


def score(
    paths: Sequence[Path],
    protocol: str,
    *,
    config: Path | None = None,
    levels: Path | None = None,
    layouts: tuple[Layout, Layout] = (Layout.AUTO, Layout.AUTO),
    workers: int = 1,
    seed: int = 0,
    on_progress: Stages = ignore_stages,
) -> EvaluationAnswer:
    """Score one system, or compare two on the same references.

    Parameters
    ----------
    paths : sequence of Path
        Predictions and references; or predictions of A, of B, and references.
    protocol : str
        Protocol that defines the metrics; "custom" for one's own.
    config : Path, optional
        YAML file that defines the protocol "custom".
    levels : Path, optional
        Folder with label maps of nodal levels.
    layouts : (Layout, Layout)
        Layouts of the folders of predictions and references.
    workers : int
        Number of processes, each with one case at a time.
    seed : int
        Seed of the bootstrap that gives the intervals.
    on_progress : callable, optional
        Told (words, cases done, cases in all).

    Raises
    ------
    UsageError
        When the protocol is unknown, or does not compare two systems.
    InputRefusedError
        When a case cannot be scored; the message names the case.
    """
    tell = partial(on_progress, STAGE)
    compare = len(paths) == 3
    if protocol in ("sgrnet", "isrg") and compare:
        raise UsageError(f"Protocol {protocol} does not compare two systems.", "Choose a protocol of masks.")
    if protocol == "sgrnet":
        return EvaluationAnswer(evaluate_labels(paths[0], paths[1], seed=seed))
    if protocol == "isrg":
        return EvaluationAnswer(evaluate_clicks(paths[0], paths[1], workers=workers, seed=seed, progress=tell))
    rules = masks.load_protocol(protocol, config)
    if compare:
        return EvaluationAnswer(_compared(paths, rules, layouts, workers, seed, on_progress))
    found, overlays = masks.evaluate_masks(
        paths[0],
        paths[1],
        rules,
        prediction_layout=layouts[0],
        reference_layout=layouts[1],
        levels=levels,
        workers=workers,
        seed=seed,
        progress=tell,
    )
    return EvaluationAnswer(found, overlays)


def _compared(
    paths: Sequence[Path],
    protocol: Protocol,
    layouts: tuple[Layout, Layout],
    workers: int,
    seed: int,
    on_progress: Stages,
) -> Evaluation:
    scored = masks.outlines_of(protocol)
    references = find_cases(paths[2], layouts[1], scored)
    systems = []
    for letter, folder in zip("AB", paths[:2], strict=True):
        pairing = pair_up(find_cases(folder, layouts[0], scored), references)
        tell = partial(on_progress, f"{STAGE} of {letter}")
        systems.append(masks.measure_pairs(pairing, protocol, workers=workers, progress=tell))
    return compare_systems(systems[0], systems[1], protocol, seed=seed)
