"""Training of SGRNet: predict organ maps and heatmaps as in use, then train on them.

A patient's heatmap comes from a tumour network that did not see the patient (cross-fitting); otherwise SGRNet would
learn to trust heatmaps that are better than those it meets later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from hyoid.errors import UsageError
from hyoid.geometry.orientation import to_canonical
from hyoid.geometry.resample import resample
from hyoid.io.atomic import write_text
from hyoid.io.files.volumes import read_image
from hyoid.io.packages.model_package import ModelPackage
from hyoid.systems.ct_report.calibrate import HELD_OUT, HeldOut
from hyoid.systems.ct_report.simulated_localiser import SimulatedLocaliser, SimulatedReader
from hyoid.systems.involvement import classifier_inputs, outlined, target_map
from hyoid.systems.machine import Machine
from hyoid.systems.organs import localise_tumour, outline_organs, target_mask
from hyoid.training.cases import OPENKBP_ORGANS, CaseFiles, find_cases
from hyoid.training.ct_report import (
    ReportCase,
    fold_of_cases,
    learn,
    network_description,
    predict_ct_report,
    require_taught,
    save_classifier,
)
from hyoid.training.involvement import UNKNOWN, involvement_targets, known_fields, overlap_shares, true_places
from hyoid.training.recipe import CtReportRecipe
from hyoid.training.run import Progress, quiet
from hyoid.volume import Quantity

Localiser = ModelPackage | SimulatedLocaliser | SimulatedReader
FOLDS = 5


def prepared_cases(
    recipe: CtReportRecipe,
    folders: Sequence[Path],
    priors: Path,
    *,
    organs: Sequence[ModelPackage],
    tumours: Sequence[Localiser],
    cache: Path,
    on_progress: Progress = quiet,
) -> tuple[ReportCase, ...]:
    """Cases with at least one label, as SGRNet sees them.

    Parameters
    ----------
    recipe : CtReportRecipe
    folders : sequence of Path
        OpenKBP folders and virtual cohorts of layout `plain`.
    priors : Path
        Prepared cases are kept here, so that another run does not predict them again.
    organs : sequence of ModelPackage
        As `ReportModels.outlining`.
    tumours : sequence of ModelPackage, SimulatedLocaliser or SimulatedReader
        Case number i gets its heatmap from number i modulo their count: give those trained without these cases. A
        recipe with `heatmap: outline` needs none, and virtual patients: a simulated reader outlines their tumours.
    cache : Path
        Compiled graphs.

    Raises
    ------
    UsageError
        When no case has both organ contours and a high-dose target.
    """
    known_fields(recipe.fields)
    tumours = [SimulatedReader()] if recipe.heatmap == "outline" else tumours
    files = [f for folder in folders for f in find_cases(folder)]
    # Coarse labels for training: bfloat16 saves half of the time and moves a boundary voxel here and there.
    machine = Machine("cpu", cache, "bf16")
    outlining = [(package.manifest.sha256, package.manifest.supported) for package in organs]
    made_from = f"{outlining}{recipe.spacing_mm}{recipe.grid}{recipe.window_hu}{recipe.values}{recipe.sigma_per_extent}"
    if recipe.organ_rule != "target" or set(recipe.fields) - set(OPENKBP_ORGANS.values()):
        made_from += f"{recipe.fields}{recipe.organ_rule}"
    cases = []
    for number, case in enumerate(files):
        tumour = tumours[number % len(tumours)]
        localiser = tumour.manifest.sha256 if isinstance(tumour, ModelPackage) else repr(tumour)
        key = hashlib.sha256(f"{made_from}{localiser}".encode()).hexdigest()[:12]
        kept = priors / f"{case.name}-{key}.npz"
        cases.append(_from_disk(case, recipe, kept) or _prepared(case, recipe, organs, tumour, machine, kept))
        on_progress("priors", number + 1, len(files), "")
    usable = tuple(c for c in cases if c.target.size and (c.target != UNKNOWN).any())
    if not usable:
        raise UsageError("No case has both organ contours and a high-dose target.", "Give OpenKBP's folder.")
    return usable


def train_fold(
    recipe: CtReportRecipe,
    cases: Sequence[ReportCase],
    out: Path,
    *,
    fold: int,
    start: Mapping[str, Tensor] | None = None,
    device: str = "auto",
    on_progress: Progress = quiet,
) -> Path:
    """Train without one of five stratified folds, and say what the network answers on that fold.

    Parameters
    ----------
    recipe : CtReportRecipe
    cases : sequence of ReportCase
        All of them.
    out : Path
        Gets `package/` and `held_out.json`, for `hyoid calibrate`.
    fold : int
        0 to 4.
    start, device, on_progress
        As `train_ct_report`.
    """
    left_out = fold_of_cases(cases, FOLDS, recipe.seed) == fold
    learned = [case for case, is_out in zip(cases, left_out, strict=True) if not is_out]
    held_out = [case for case, is_out in zip(cases, left_out, strict=True) if is_out]
    if not learned or not held_out:
        raise UsageError(f"{len(cases)} cases cannot be divided into {FOLDS} folds.", "Give more cases.")
    require_taught(recipe, learned)
    module = learn(recipe, learned, out, start=start, device=device, on_progress=on_progress)
    answers = HeldOut(
        fields=recipe.fields,
        network=network_description(recipe),
        heatmap=recipe.heatmap,
        fold=fold,
        cases=tuple(case.name for case in held_out),
        truth=tuple(tuple(row) for row in np.stack([case.target for case in held_out]).tolist()),
        scores=tuple(tuple(row) for row in predict_ct_report(module, held_out).tolist()),
    )
    write_text(out / HELD_OUT, answers.model_dump_json(indent=1) + "\n")
    return save_classifier(recipe, learned, module, out)


def _prepared(
    case: CaseFiles,
    recipe: CtReportRecipe,
    organs: Sequence[ModelPackage],
    tumour: Localiser,
    machine: Machine,
    kept: Path,
) -> ReportCase:
    """Predict the priors of one case and keep them."""
    ct = to_canonical(read_image(case.ct, Quantity.HU))
    organ_map = outline_organs(ct, organs, machine).labels
    kinds: tuple[str, ...] = ("outline",)
    if isinstance(tumour, SimulatedReader):
        mask = tumour.outline(case)
        heat = outlined(mask)
    else:
        if isinstance(tumour, SimulatedLocaliser):
            logits = tumour.logits(case, ct)
        else:
            logits, _ = localise_tumour(ct, tumour, machine)
        # Both kinds of heatmap, so that recipes that differ in nothing else share what was predicted.
        heat, kinds = target_map(logits), ("gaussian", "probability")
        mask = target_mask(logits, ct, recipe.min_volume_ml)
    constants = recipe.model_dump()
    views = {
        kind: classifier_inputs(ct, organ_map, heat, recipe.spacing_mm, recipe.grid, constants | {"heatmap": kind})
        for kind in kinds
    }
    found = {kind: view for kind, view in views.items() if view is not None}
    if not found:
        raise UsageError(
            f"No organ was found in {case.name}.", "Train the organ network longer, or leave the case out."
        )
    same = found[recipe.heatmap]
    arrays = {kind: view.heatmap for kind, view in found.items()}
    if recipe.variant == "sub_sites":
        arrays["places"] = resample(true_places(case, recipe.fields), same.geometry).array
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        kept,
        ct=same.ct.astype(np.float16),
        organs=same.organs,
        target=involvement_targets(case, recipe.fields, recipe.involvement_share, recipe.organ_rule),
        overlap=overlap_shares(organ_map, mask, recipe.fields),
        **arrays,  # type: ignore[arg-type]
    )
    # Read back, so that a run that was stopped and one that was not train on the same numbers.
    again = _from_disk(case, recipe, kept)
    assert again is not None
    return again


def _from_disk(case: CaseFiles, recipe: CtReportRecipe, kept: Path) -> ReportCase | None:
    """A case prepared by an earlier run."""
    if not kept.is_file():
        return None
    with np.load(kept) as arrays:
        ct = arrays["ct"].astype(np.float32)
        if len(arrays["target"]) != len(recipe.fields):
            return None
        organs, heatmap, target, overlap = (arrays[n] for n in ("organs", recipe.heatmap, "target", "overlap"))
        places = arrays["places"] if recipe.variant == "sub_sites" else None
        return ReportCase(case.name, ct, organs, heatmap, target, overlap, places, case.virtual)
