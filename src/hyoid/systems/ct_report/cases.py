"""Cases that teach the classifier: organ maps and heatmaps are predicted as in use.

A patient's heatmap comes from a tumour network that did not see the patient (cross-fitting); otherwise SGRNet would
learn to trust heatmaps that are better than those it meets later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyoid.errors import UsageError
from hyoid.geometry.orientation import to_canonical
from hyoid.geometry.resample import resample
from hyoid.io.cohorts.case_files import CaseFiles
from hyoid.io.cohorts.layouts import find_layout_cases
from hyoid.io.cohorts.openkbp import OPENKBP_ORGANS
from hyoid.io.files.volumes import read_image, read_labels
from hyoid.io.packages.download import sha256_of
from hyoid.io.packages.nnunet_source import Source
from hyoid.io.reader_masks import PRIMARY
from hyoid.io.study import Study, read_study
from hyoid.systems.ct_report.labels import UNKNOWN, involvement_targets, known_fields, overlap_shares, true_places
from hyoid.systems.ct_report.report_labels import labels_of_report, read_case_report
from hyoid.systems.ct_report.simulated_localiser import SimulatedLocaliser, SimulatedReader
from hyoid.systems.involvement import classifier_inputs, outlined, target_map
from hyoid.systems.machine import Machine
from hyoid.systems.organs import localise_tumour, outline_organs, target_mask
from hyoid.training.cases import LAYOUTS_WITH_CT
from hyoid.training.folds import folds_in_turn, stratified_folds
from hyoid.training.recipe import CtReportRecipe
from hyoid.training.run import Progress, quiet
from hyoid.volume import Quantity, Volume

Localiser = Source | SimulatedLocaliser | SimulatedReader


@dataclass(frozen=True, eq=False)
class ReportCase:
    """Input of SGRNet for one patient, and the labels it should give.

    Parameters
    ----------
    name : str
        Name of the case in its data set.
    ct, organs, heatmap : ndarray, shape (D, H, W)
        Normalised CT, organ labels, tumour heatmap 0..1, all on the recipe's grid.
    target : ndarray, shape (N,)
        1 involved, 0 not, `UNKNOWN` where the structure was not contoured.
    overlap : ndarray, shape (N,)
        Share of each predicted organ that the predicted target covers: the plain rule a classifier has to beat.
    places : ndarray, shape (D, H, W), or None
        Where each label's structure truly is: k + 1 in that of label k; for variant "sub_sites".
    virtual : bool
        Whether the patient was simulated.
    """

    name: str
    ct: NDArray[np.float32]
    organs: NDArray[np.uint8]
    heatmap: NDArray[np.float32]
    target: NDArray[np.float32]
    overlap: NDArray[np.float32]
    places: NDArray[np.uint8] | None = None
    virtual: bool = False


def find_ct_report_cases(folder: Path) -> tuple[CaseFiles, ...]:
    """Find the cases of a folder that can teach the classifier, in any of its layouts, in order of name.

    Raises
    ------
    UsageError
        When the folder holds no such case.
    """
    return find_layout_cases(folder, (*LAYOUTS_WITH_CT, "reports"), "training cases")


def prepared_cases(
    recipe: CtReportRecipe,
    folders: Sequence[Path],
    priors: Path,
    *,
    organs: Sequence[Source],
    tumours: Sequence[Localiser],
    cache: Path,
    on_progress: Progress = quiet,
) -> tuple[ReportCase, ...]:
    """Prepare the cases with at least one label as SGRNet sees them.

    Parameters
    ----------
    recipe : CtReportRecipe
        Grid, window, kind of heatmap, fields and the rule of their labels.
    folders : sequence of Path
        OpenKBP folders, virtual cohorts of layout `plain`, and CTs with reports (layout `reports`).
    priors : Path
        Prepared cases are kept here, so that another run does not predict them again.
    organs : sequence of ModelPackage or NnunetSource
        Networks that outline organs, as `ReportModels.outlining` gives them: hyoid's own, public ones, or a user's.
    tumours : sequence of ModelPackage, NnunetSource, SimulatedLocaliser or SimulatedReader
        In turn for the cases, as `hyoid train tumour --fold K` holds cases out: give those trained without these cases.
        A recipe with `heatmap: outline` needs none, and virtual patients: a simulated reader outlines their tumours.
    cache : Path
        Folder for compiled graphs.

    Raises
    ------
    UsageError
        When no case has both organ contours and a high-dose target, or a report.
    InputRefusedError
        When a report is not of the patient of its CT.
    """
    known_fields(recipe.fields)
    tumours = [SimulatedReader()] if recipe.heatmap == "outline" else tumours
    files = [f for folder in folders for f in find_ct_report_cases(folder)]
    # Coarse labels for training: bfloat16 saves half of the time and moves a boundary voxel here and there.
    machine = Machine("cpu", cache, "bf16")
    outlining = [(package.manifest.sha256, package.manifest.supported) for package in organs]
    made_from = f"{outlining}{recipe.spacing_mm}{recipe.grid}{recipe.window_hu}{recipe.values}{recipe.sigma_per_extent}"
    if recipe.organ_rule != "target" or set(recipe.fields) - set(OPENKBP_ORGANS.values()):
        made_from += f"{recipe.fields}{recipe.organ_rule}"
    cases = []
    turns = folds_in_turn([case.name for case in files], len(tumours))
    for number, (case, turn) in enumerate(zip(files, turns, strict=True)):
        tumour = tumours[turn]
        localiser = tumour.manifest.sha256 if isinstance(tumour, Source) else repr(tumour)
        told = f"{sha256_of(case.report)}{recipe.fields}{recipe.unmentioned}" if case.report else ""
        key = hashlib.sha256(f"{made_from}{localiser}{told}".encode()).hexdigest()[:12]
        kept = priors / f"{case.name}-{key}.npz"
        cases.append(_from_disk(case, recipe, kept) or _prepared(case, recipe, organs, tumour, machine, kept))
        on_progress("priors", number + 1, len(files), "")
    usable = tuple(c for c in cases if c.target.size and (c.target != UNKNOWN).any())
    if not usable:
        raise UsageError(
            "No case has both organ contours and a high-dose target, nor a report that answers a field.",
            "Give OpenKBP's folder, or CTs with reports.",
        )
    return usable


def fold_of_cases(cases: Sequence[ReportCase], folds: int, seed: int) -> NDArray[np.int64]:
    """Assign every case a fold, multi-label stratified; the same for the same cases, folds and seed."""
    return stratified_folds(np.stack([case.target for case in cases]), folds, np.random.default_rng(seed))


def _prepared(
    case: CaseFiles,
    recipe: CtReportRecipe,
    organs: Sequence[Source],
    tumour: Localiser,
    machine: Machine,
    kept: Path,
) -> ReportCase:
    """Predict the priors of one case and keep them."""
    study = _scan(case)
    ct = to_canonical(study.volume)
    target = _target(case, study, recipe)
    if case.report and case.organs:
        organ_map = to_canonical(read_labels(case.organs))
    else:
        organ_map = outline_organs(ct, organs, machine).labels
    kinds: tuple[str, ...] = ("outline",)
    if isinstance(tumour, SimulatedReader):
        mask = _outlined_primary(case) if case.report else tumour.outline(case)
        heat = outlined(mask)
    else:
        if isinstance(tumour, SimulatedLocaliser):
            logits = tumour.logits(case, ct)
        else:
            logits, _ = localise_tumour(ct, tumour, machine, organs=organ_map)
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
        target=target,
        overlap=overlap_shares(organ_map, mask, recipe.fields),
        **arrays,  # type: ignore[arg-type]
    )
    # Read back, so that a run that was stopped and one that was not train on the same numbers.
    again = _from_disk(case, recipe, kept)
    assert again is not None
    return again


def _scan(case: CaseFiles) -> Study:
    """CT of a case; only reports need its headers and fingerprint."""
    if case.report:
        return read_study(case.ct)
    return Study(read_image(case.ct, Quantity.HU), None, (), (), "")


def _target(case: CaseFiles, study: Study, recipe: CtReportRecipe) -> NDArray[np.float32]:
    """Labels of a case: from its report where it has one, else from outlines."""
    if case.report:
        return labels_of_report(
            read_case_report(case, study.headers, study.fingerprint), recipe.fields, recipe.unmentioned
        )
    return involvement_targets(case, recipe.fields, recipe.involvement_share, recipe.organ_rule)


def _outlined_primary(case: CaseFiles) -> Volume:
    """The primary as a reader outlined it beside a report."""
    if case.targets is None:
        raise UsageError(
            f"Case {case.name} has no targets.nii.gz, and the recipe reads the tumour from an outline.",
            "Give one (1 tumour, 2 nodes), or a recipe whose heatmap is predicted.",
        )
    targets = to_canonical(read_labels(case.targets))
    return targets.with_array((targets.array == PRIMARY).astype(np.uint8))


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
