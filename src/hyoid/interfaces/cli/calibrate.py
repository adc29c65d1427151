"""`hyoid calibrate`: temperature, threshold and band of doubt of a classifier, from its out-of-fold predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from hyoid.interfaces.cli.options import AsJson, Overwrite
from hyoid.interfaces.terminal import Terminal

_FILES = ("calibration.json", "calibration.md", "reliability.svg")


def calibrate(
    package: Annotated[
        Path, typer.Argument(help="Folder of a classifier's package; the constants are written into its manifest.")
    ],
    held_out: Annotated[
        list[Path],
        typer.Option(
            help="Answers on held-out patients: held_out.json of `hyoid train ct_report --fold K`, once per fold."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(help="Folder for calibration.json, calibration.md and reliability.svg; a used one is refused."),
    ],
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Fit temperature, threshold and band of doubt of a classifier on held-out patients, and judge the fit."""
    import numpy as np

    from hyoid.cards.involvement import EVERY_FIELD, calibration_rows
    from hyoid.io.atomic import claim_folder, output_folder
    from hyoid.io.packages.model_package import read_manifest, write_manifest
    from hyoid.metrics.calibration import reliability
    from hyoid.report.pages.reliability import Reliability, reliability_svg
    from hyoid.systems.ct_report import calibrate as steps
    from hyoid.systems.ct_report.labels import UNKNOWN

    terminal = Terminal(as_json=as_json)
    claim_folder(out, overwrite=overwrite, known=_FILES)
    manifest = read_manifest(package)
    answers = steps.read_held_out(held_out, manifest)
    fitted = steps.calibration(answers.fields, answers.truth, answers.scores)
    after = steps.cross_fitted(answers)
    rng = np.random.default_rng(0)
    table = steps.before_and_after(answers.fields, answers.truth, answers.scores, after, rng)
    folds = len(set(answers.fold_of.tolist()))
    whom = (
        f"{len(answers.truth)} training patients, out of fold ({folds} folds): a network that did not see the patient, "
        f"constants of the other folds. 95 % intervals: bootstrap over patients; ECE in {steps.BINS} bins."
    )
    found = {"data": whom, "table": table}
    metrics = manifest.metrics | {"calibration_held_out": found}
    calibrated = manifest.model_copy(update={**fitted, "metrics": metrics})
    rows = calibration_rows(calibrated, table, whom)
    known = answers.truth != UNKNOWN
    panels = [
        Reliability(f"{words} ({known.sum()} answers)", reliability(answers.truth[known], s[known], n_bins=steps.BINS))
        for words, s in (("Before", answers.scores), ("After", after))
    ]
    texts = (json.dumps(found | fitted, indent=1) + "\n", rows + "\n", reliability_svg(panels))
    with output_folder(out) as folder:
        for name, text in zip(_FILES, texts, strict=True):
            (folder / name).write_text(text, encoding="utf-8")
    write_manifest(package, calibrated)
    overall = table[EVERY_FIELD]
    terminal.event("done", out=str(out), **{key: overall[key] for key in ("ece_before", "ece_after")})
    terminal.say(
        f"Calibration error {overall['ece_before']:.3f} before, {overall['ece_after']:.3f} after. Table: {out}"
    )
