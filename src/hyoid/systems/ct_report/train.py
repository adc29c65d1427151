"""Lightning module and data for SGRNet and its variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from hyoid.anatomy.involvement import labels_of_field
from hyoid.anatomy.structures import ORGANS
from hyoid.errors import UsageError
from hyoid.io.atomic import write_text
from hyoid.io.packages.model_package import LearnedFrom
from hyoid.metrics.ranking import mean_average_precision
from hyoid.models.build import build_network
from hyoid.models.ct_fm import CTFMClassifier, load_encoder
from hyoid.systems.ct_report.calibrate import HELD_OUT, HeldOut
from hyoid.systems.ct_report.cases import ReportCase, fold_of_cases
from hyoid.systems.ct_report.first_weights import (
    begin_at_frequencies,
    begin_at_rule,
    begin_standardised,
    logits_of,
    settle_normalisation,
)
from hyoid.systems.ct_report.labels import UNKNOWN
from hyoid.training.averaged import AveragedTraining, Contents
from hyoid.training.early_stopping import StopOnScore
from hyoid.training.folds import divided
from hyoid.training.losses import asymmetric_loss
from hyoid.training.patches import rotation
from hyoid.training.recipe import AugmentationRecipe, CtReportRecipe
from hyoid.training.run import Run, fit, save_package

FOLDS = 5


class ReportDataset(Dataset):
    """`steps` random views of one epoch; view k of epoch e is drawn with the generator (seed, e, k)."""

    def __init__(self, cases: Sequence[ReportCase], recipe: CtReportRecipe, epoch: int) -> None:
        self.cases, self.recipe, self.epoch = cases, recipe, epoch
        # Every epoch is one pass in a new order, as many times as the steps ask for.
        order = np.random.default_rng((recipe.seed, epoch))
        needed = recipe.optimiser.steps_per_epoch * recipe.optimiser.batch
        passes = -(-needed // len(cases))
        self.order = np.concatenate([order.permutation(len(cases)) for _ in range(passes)])[:needed]

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        """CT, organs, heatmap, each (1, D, H, W), target (N,), and places (1, D, H, W) where the case has them."""
        case = self.cases[self.order[index]]
        rng = np.random.default_rng((self.recipe.seed, self.epoch, index))
        ct, organs, heatmap, *places = augmented(case, self.recipe.augmentation, rng)
        return (ct, organs, heatmap, torch.from_numpy(case.target), *places)


def augmented(case: ReportCase, recipe: AugmentationRecipe, rng: np.random.Generator) -> tuple[Tensor, ...]:
    """Rotate, scale and shift the inputs of a case, and its places if any, by one random map; never mirrored."""
    angles = np.deg2rad(rng.uniform(-1, 1, 3) * recipe.rotation_deg)
    scale = float(rng.uniform(*recipe.scale))
    edges = np.array(case.ct.shape[::-1], float)
    turn = np.diag(1 / edges) @ rotation(angles) @ np.diag(edges) / scale
    shift = torch.from_numpy(rng.uniform(-0.08, 0.08, 3)).float()
    grid = functional.affine_grid(
        torch.cat([torch.from_numpy(turn).float(), shift[:, None]], dim=1)[None],
        [1, 1, *case.ct.shape],
        align_corners=False,
    )

    def moved(array: NDArray, mode: str, fill: float) -> Tensor:
        tensor = torch.from_numpy(array.astype(np.float32))[None, None] - fill
        return functional.grid_sample(tensor, grid, mode=mode, align_corners=False)[0] + fill

    ct = moved(case.ct, "bilinear", float(case.ct.min()))
    ct = ct * (1 + float(rng.uniform(-1, 1)) * recipe.hu_scale) + float(rng.normal(0, 0.05))
    places = () if case.places is None else (moved(case.places, "nearest", 0.0),)
    return ct, moved(case.organs, "nearest", 0.0), moved(case.heatmap, "bilinear", 0.0), *places


class CtReportTraining(AveragedTraining):
    """Training of one variant with the asymmetric loss; the averaged weights are the result."""

    DRAWING = 10.0  # sub-sites: weight of the drawing beside the involvement, whose loss per label is larger

    def __init__(
        self, recipe: CtReportRecipe, cases: Sequence[ReportCase], start: Mapping[str, Tensor] | None = None
    ) -> None:
        network = build_network(network_description(recipe))
        _begin_with(network, start)
        if recipe.variant == "organ_pooling":
            begin_at_rule(network.organ_pooling, cases)
        if recipe.variant == "sub_sites":
            begin_at_frequencies(network, cases)
        if recipe.prepared_start and hasattr(network, "classifier"):
            begin_standardised(network, cases, recipe.optimiser.batch)
        # Channels last, EfficientNet's depthwise convolutions take five times as long on a CPU; DenseNet gains nothing.
        super().__init__(network, recipe.optimiser, layout=torch.contiguous_format)
        self.recipe, self.cases = recipe, cases

    def epoch_data(self, epoch: int) -> ReportDataset:
        """Draw random views of every case."""
        return ReportDataset(self.cases, self.recipe, epoch)

    def contents(self) -> Contents:
        """Describe the network, and the constants of its input and answers."""
        recipe = self.recipe
        constants = (
            "window_hu", "values", "heatmap", "sigma_per_extent", "threshold", "min_volume_ml", "involvement_share",
            "organ_rule",
        )  # fmt: skip
        return Contents(
            task="ct_report",
            network=network_description(recipe),
            labels=recipe.fields,
            supported=taught_fields(recipe, self.cases),
            patch=recipe.grid,
            preprocessing={key: getattr(recipe, key) for key in constants},
            learned_from=LearnedFrom(
                real=told_fields(recipe, [case for case in self.cases if not case.virtual]),
                virtual=told_fields(recipe, [case for case in self.cases if case.virtual]),
            ),
        )

    def training_step(self, batch: tuple[Tensor, ...], _: int) -> Tensor:
        """Compute the loss of one batch; drawing sub-sites lets every patient teach them, not only those involved."""
        ct, organs, heatmap, target, *places = batch
        drawing_loss: Tensor | float = 0.0
        if self.recipe.variant == "sub_sites":
            drawn = self.network.drawn(organs)
            logits = self.network.involved(self.network.place(drawn), heatmap)
            # Unweighted: an expected overlap needs probabilities that are frequencies.
            drawing_loss = self.DRAWING * functional.cross_entropy(drawn, places[0][:, 0].long())
        else:
            logits = self.network(ct, organs, heatmap)
        involvement_loss = asymmetric_loss(
            logits, target, gamma_positive=self.recipe.gamma_positive, gamma_negative=self.recipe.gamma_negative
        )
        loss = involvement_loss + drawing_loss
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(ct))
        return loss


def network_description(recipe: CtReportRecipe) -> dict[str, Any]:
    """Describe the network as `build_network` takes it and a manifest stores it."""
    return {
        "kind": "sgrnet",
        "variant": recipe.variant,
        "backbone": recipe.backbone,
        "outputs": len(recipe.fields),
        "organ_labels": max(s.label for s in ORGANS),
        "embedding": recipe.embedding,
        "channels": recipe.channels,
    } | (
        {"field_labels": [labels_of_field(name) for name in recipe.fields]} if recipe.variant == "organ_pooling" else {}
    )


def _begin_with(network: nn.Module, start: Mapping[str, Tensor] | None) -> None:
    """Published weights go into the encoder that is made for them."""
    if not isinstance(network, CTFMClassifier):
        if start is not None:
            raise UsageError("Only backbone ct-fm begins with given weights.", "Leave --start out.")
        return
    if start is None:
        raise UsageError(
            "Backbone ct-fm needs the published encoder.", "Run `hyoid models pull ct_fm`, then add --start ct_fm."
        )
    try:
        load_encoder(network, start)
    except ValueError as error:
        raise UsageError(f"These are not the weights of CT-FM's encoder: {error}", "Pull them again.") from error


def train_ct_report(
    recipe: CtReportRecipe,
    cases: Sequence[ReportCase],
    run: Run,
    *,
    fold: int | None = None,
    start: Mapping[str, Tensor] | None = None,
) -> Path:
    """Train one variant of SGRNet on prepared cases and write its package.

    Parameters
    ----------
    recipe : CtReportRecipe
        Variant, backbone, fields, grid and optimiser.
    cases : sequence of ReportCase
        All cases, those to hold out among these.
    run : Run
        Output folder, device and progress; with a fold, the folder also gets `held_out.json`, for `hyoid
        calibrate`.
    fold : int, optional
        Stratified fifth of the cases to hold out, 0 to 4; the network answers about them at the end.
    start : mapping of str to Tensor, optional
        Weights of the published encoder, for backbone "ct-fm".

    Returns
    -------
    Path
        The package.

    Raises
    ------
    UsageError
        When the backbone needs published weights and there are none, or they are not its; when the cases teach nothing,
        or are too few for folds.
    """
    folds = fold_of_cases(cases, FOLDS, recipe.seed)
    learned, held_out = divided(cases, folds.tolist(), fold)
    if fold is not None and not (learned and held_out):
        raise UsageError(f"{len(cases)} cases cannot be divided into {FOLDS} folds.", "Give more cases.")
    require_taught(recipe, learned)
    module = learn(recipe, learned, run, start=start)
    if fold is not None:
        answers = HeldOut(
            fields=recipe.fields,
            network=network_description(recipe),
            heatmap=recipe.heatmap,
            fold=fold,
            cases=tuple(case.name for case in held_out),
            truth=tuple(tuple(row) for row in np.stack([case.target for case in held_out]).tolist()),
            scores=tuple(tuple(row) for row in predict_ct_report(module, held_out).tolist()),
        )
        write_text(run.out / HELD_OUT, answers.model_dump_json(indent=1) + "\n")
    return save_package(recipe, module, run.out)


def learn(
    recipe: CtReportRecipe,
    cases: Sequence[ReportCase],
    run: Run,
    *,
    start: Mapping[str, Tensor] | None = None,
) -> CtReportTraining:
    """Train one variant; with early stopping, a stratified part of the cases only decides when to stop.

    Parameters and errors as of `train_ct_report`; no package is written.
    """
    rule = recipe.early_stopping
    if rule is None:
        module = fit(recipe, run, lambda: CtReportTraining(recipe, cases, start))
        _settle(recipe, module, cases)
        return module
    learned, watched = divided(cases, fold_of_cases(cases, rule.folds, recipe.seed).tolist(), 0)
    truth = np.stack([case.target for case in watched])
    if mean_average_precision(np.where(truth == UNKNOWN, np.nan, truth), np.zeros(truth.shape)).mean is None:
        raise UsageError("No patient set aside for early stopping has a positive label.", "Give more cases.")

    def score(module: AveragedTraining) -> float:
        assert isinstance(module, CtReportTraining)
        _settle(recipe, module, learned)
        scores = predict_ct_report(module, watched)
        mean = mean_average_precision(np.where(truth == UNKNOWN, np.nan, truth), scores).mean
        assert mean is not None
        return mean

    run.out.mkdir(parents=True, exist_ok=True)
    stop = StopOnScore(score, every=rule.every_epochs, patience=rule.patience, journal=run.out / "validation.jsonl")
    module = fit(recipe, run, lambda: CtReportTraining(recipe, learned, start), [stop])
    stop.restore(module)
    _settle(recipe, module, learned)
    return module


def _settle(recipe: CtReportRecipe, module: AveragedTraining, cases: Sequence[ReportCase]) -> None:
    """Take the statistics of batch normalisation over all cases anew, where the recipe prepares its networks."""
    if recipe.prepared_start:
        settle_normalisation(module.average.module, cases, recipe.optimiser.batch)


def told_fields(recipe: CtReportRecipe, cases: Sequence[ReportCase]) -> tuple[str, ...]:
    """List the fields whose label is known in at least one case.

    Parameters
    ----------
    recipe : CtReportRecipe
        Names the fields, in the order of the labels.
    cases : sequence of ReportCase
        Patients, possibly none.
    """
    told = [name for k, name in enumerate(recipe.fields) if any(case.target[k] != UNKNOWN for case in cases)]
    return tuple(told)


def taught_fields(recipe: CtReportRecipe, cases: Sequence[ReportCase]) -> tuple[str, ...]:
    """List the fields with enough positives and negatives among the cases."""
    truth = np.stack([case.target for case in cases])
    fewest = np.minimum((truth == 1).sum(axis=0), (truth == 0).sum(axis=0))
    return tuple(name for name, n in zip(recipe.fields, fewest, strict=True) if n >= recipe.least_examples)


def require_taught(recipe: CtReportRecipe, cases: Sequence[ReportCase]) -> None:
    """Refuse a training whose package could not answer anything.

    Raises
    ------
    UsageError
        When no field has enough positives and negatives.
    """
    if not taught_fields(recipe, cases):
        raise UsageError(
            f"No field has {recipe.least_examples} patients for and {recipe.least_examples} against it among "
            f"{len(cases)}: the network could answer nothing.",
            "Give more cases, or lower least_examples in the recipe.",
        )


def predict_ct_report(module: CtReportTraining, cases: Sequence[ReportCase]) -> NDArray[np.float64]:
    """Predict the probabilities of cases, shape (n, N), by the averaged weights of a training."""
    network = module.average.module
    network.eval()
    with torch.inference_mode():
        rows = [torch.sigmoid(logits_of(network, [case]))[0].double().cpu().numpy() for case in cases]
    return np.stack(rows)
