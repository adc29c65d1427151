"""From CTs with text reports alone to a classifier that `hyoid report` uses, beside one that was taught the truth.

Run from the project folder::

    hyoid phantom --n 30 --seed 91 --spacing 3,4,4 --out work/reports/made
    hyoid phantom --n 10 --seed 92 --spacing 3,4,4 --out work/reports/held-out
    python benchmarks/reports.py work/reports/made work/reports/held-out --out work/reports/run [--steps 150]
    python benchmarks/reports.py --labels 120

`--labels` makes no images: it asks how the labels read from so many drawn reports agree with the truth, in phrasings
that the rules were worked on and in those held out, with silence unknown and with silence taken for "not involved".

Of the patients in the first folder only CT and report are shown to the first training (layout `reports`): labels come
from the text, organ map and heatmap from the default networks. The second training has the same CTs with labels from
the truth. Printed are how the labels agree, the average precision of both on the held-out patients, and that of the
rule without a classifier; then `hyoid report`'s own function answers one held-out CT with the first classifier.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyoid.interfaces.chosen_models import report_models
from hyoid.interfaces.installed import OUTLINING, load_models
from hyoid.interfaces.places import cache_folder
from hyoid.io.packages.model_package import read_package
from hyoid.io.study import read_study
from hyoid.metrics.ranking import average_precision
from hyoid.phantom.text.free_text import write_report
from hyoid.phantom.text.phrasings import TUNING_1, TUNING_2
from hyoid.report.free_text.structure import structure_text
from hyoid.systems.ct_report.cases import ReportCase, find_ct_report_cases, prepared_cases
from hyoid.systems.ct_report.labels import UNKNOWN, involvement_targets
from hyoid.systems.ct_report.pipeline import structured_report
from hyoid.systems.ct_report.report_labels import labels_of_report, lines_of
from hyoid.systems.ct_report.train import learn, predict_ct_report
from hyoid.systems.machine import Machine
from hyoid.training.recipe import CtReportRecipe, load_recipe
from hyoid.training.run import Run, save_package
from written.phrasings import HELD_OUT
from written.truths import draw_truth


def main() -> None:
    """Train both, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("made", type=Path, nargs="?")
    parser.add_argument("held_out", type=Path, nargs="?")
    parser.add_argument("--out", type=Path, default=Path("work/reports/run"))
    parser.add_argument("--labels", type=int, default=0)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--unmentioned", default="not_involved")
    asked = parser.parse_args()
    if asked.labels:
        print(labels_read(asked.labels))
        return
    recipe = load_recipe("ct_report", "reports")
    assert isinstance(recipe, CtReportRecipe)
    budget = {"steps": asked.steps, "steps_per_epoch": min(50, asked.steps), "warmup_steps": 15}
    changes = {"optimiser": recipe.optimiser.model_copy(update=budget), "unmentioned": asked.unmentioned}
    recipe = recipe.model_copy(update=changes | {"least_examples": 3})

    pairs = without_masks(asked.made, asked.out / "pairs")
    told = prepared(recipe, pairs, asked.out)
    truth = {
        files.name: involvement_targets(files, recipe.fields, recipe.involvement_share, recipe.organ_rule)
        for files in find_ct_report_cases(asked.made)
    }
    true = [replace(case, target=truth[case.name]) for case in told]
    print(agreement(recipe.fields, told, true))
    unseen = prepared(recipe, asked.held_out, asked.out)
    reference = np.stack([case.target for case in unseen])
    rows = {"always the same (prevalence)": np.zeros(reference.shape)}
    rows["overlap, no classifier"] = np.stack([case.overlap for case in unseen])
    for words, cases in (("taught by reports", told), ("taught by the truth", true)):
        run = Run(asked.out / words.replace(" ", "-"), "cpu")
        module = learn(recipe, cases, run)
        save_package(recipe, module, run.out)
        rows[words] = predict_ct_report(module, unseen)
    print(table(recipe.fields, reference, rows))
    print(answered(asked.out / "taught-by-reports" / "package", find_ct_report_cases(asked.held_out)[0].ct))


def labels_read(count: int) -> str:
    """Labels read from drawn reports against the truth."""
    fields = load_recipe("ct_report", "reports").fields  # type: ignore[union-attr]
    rng = np.random.default_rng(5)
    lines = [f"| {count} reports | silence | {' | '.join(fields)} |", "|---" * (len(fields) + 2) + "|"]
    for words, phrasings in (("phrasings worked on", (TUNING_1, TUNING_2)), ("held out", (HELD_OUT,))):
        truths = [draw_truth(rng) for _ in range(count)]
        reports = [
            structure_text(write_report(t, phrasings[k % len(phrasings)], rng).text) for k, t in enumerate(truths)
        ]
        true = np.array([[any(t.involved.get(line, False) for line in lines_of(f)) for f in fields] for t in truths])
        lines.append(f"| {words} | involved in truth | {' | '.join(map(str, true.sum(axis=0)))} |")
        for unmentioned in ("unknown", "not_involved"):
            said = np.array([labels_of_report(report, fields, unmentioned) for report in reports])
            cells = []
            for k in range(len(fields)):
                told = said[:, k] != UNKNOWN
                right = int((said[told, k] == true[told, k]).sum())
                cells.append(f"{int((said[:, k] == 1).sum())} / {int((said[:, k] == 0).sum())}, {right} right")
            lines.append(f"| {words} | {unmentioned} | {' | '.join(cells)} |")
    return "\n".join(lines)


def without_masks(made: Path, out: Path) -> Path:
    """Copy CT and report of every patient, and nothing else."""
    for place in sorted(p.parent for p in made.glob("*/report.txt")):
        (out / place.name).mkdir(parents=True, exist_ok=True)
        for name in ("ct.nii.gz", "report.txt"):
            shutil.copyfile(place / name, out / place.name / name)
    return out


def prepared(recipe: CtReportRecipe, folder: Path, out: Path) -> tuple[ReportCase, ...]:
    """Cases with organs and heatmap by the default networks."""
    return prepared_cases(
        recipe, [folder], out / "priors", organs=load_models(OUTLINING), tumours=load_models(["tumour"]),
        cache=cache_folder(), on_progress=lambda stage, done, total, _: print(f"{stage} {done} of {total}", end="\r"),
    )  # fmt: skip


def agreement(fields: tuple[str, ...], told: tuple[ReportCase, ...], true: list[ReportCase]) -> str:
    """Labels of the reports against the truth, field by field."""
    said, is_so = (np.stack([case.target for case in cases]) for cases in (told, true))
    lines = ["", "| field | involved in truth | told | told and right | told involved |", "|---|---|---|---|---|"]
    for k, name in enumerate(fields):
        known = said[:, k] != UNKNOWN
        right, involved = int((said[known, k] == is_so[known, k]).sum()), int((said[:, k] == 1).sum())
        lines.append(
            f"| {name} | {int((is_so[:, k] == 1).sum())} of {len(said)} | {known.sum()} | {right} | {involved} |"
        )
    return "\n".join(lines)


def table(fields: tuple[str, ...], reference: NDArray, rows: dict[str, NDArray]) -> str:
    """Average precision of every row, by field and mean."""
    known = [k for k in range(len(fields)) if 0 < (reference[:, k] == 1).sum() < len(reference)]
    lines = [
        "",
        f"| n = {len(reference)} | {' | '.join(fields[k] for k in known)} | mean |",
        "|---" * (len(known) + 2) + "|",
    ]
    for words, scores in rows.items():
        ap = [average_precision(reference[:, k], scores[:, k]) or 0.0 for k in known]
        lines.append(f"| {words} | {' | '.join(f'{v:.3f}' for v in ap)} | {np.mean(ap):.3f} |")
    return "\n".join(lines)


def answered(package: Path, ct: Path) -> str:
    """Lines of the report that the trained classifier fills."""
    models = replace(report_models(), classifier=read_package(package))
    report = structured_report(read_study(ct), models, Machine("cpu", cache_folder())).report
    said = [line for line in report.lines if any(e.source.startswith("sgrnet-reports") for e in line.evidence)]
    return "\n" + "\n".join(f"{line.words}: {line.value} ({line.probability:.2f})" for line in said)


if __name__ == "__main__":
    main()
