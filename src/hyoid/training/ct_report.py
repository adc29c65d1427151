"""Lightning module and data for SGRNet and its variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from hyoid.anatomy.involvement import labels_of_field
from hyoid.anatomy.structures import ORGANS
from hyoid.errors import UsageError
from hyoid.io.packages.model_package import LearnedFrom
from hyoid.metrics.ranking import mean_average_precision
from hyoid.models.build import build_network
from hyoid.models.ct_fm import CTFMClassifier, load_encoder
from hyoid.models.sgrnet import OrganPooling
from hyoid.models.sub_sites import SubSites
from hyoid.training.averaged import AveragedTraining
from hyoid.training.early_stopping import StopOnScore
from hyoid.training.folds import stratified_folds
from hyoid.training.involvement import UNKNOWN
from hyoid.training.losses import asymmetric_loss
from hyoid.training.recipe import AugmentationRecipe, CtReportRecipe
from hyoid.training.run import Progress, fit, quiet, save_package


@dataclass(frozen=True, eq=False)
class ReportCase:
    """What SGRNet sees of one patient, and what it should say.

    Parameters
    ----------
    name : str
    ct, organs, heatmap : ndarray, shape (D, H, W)
        Normalised CT, organ labels, tumour heatmap 0..1, all on the recipe's grid.
    target : ndarray, shape (N,)
        1 involved, 0 not, `UNKNOWN` where the structure was not contoured.
    overlap : ndarray, shape (N,)
        Share of each predicted organ that the predicted target covers: the plain rule a classifier has to beat.
    places : ndarray, shape (D, H, W), or None
        Where each label's structure truly is: k + 1 in that of label k; for variant "sub_sites".
    virtual : bool
        A virtual patient.
    """

    name: str
    ct: NDArray[np.float32]
    organs: NDArray[np.uint8]
    heatmap: NDArray[np.float32]
    target: NDArray[np.float32]
    overlap: NDArray[np.float32]
    places: NDArray[np.uint8] | None = None
    virtual: bool = False


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
    """The three inputs, and places where there are any, under one random rotation, scale and shift; never mirrored."""
    angles = torch.from_numpy(np.deg2rad(rng.uniform(-1, 1, 3) * recipe.rotation_deg)).float()
    scale = float(rng.uniform(*recipe.scale))
    ca, cb, cc = torch.cos(angles)
    sa, sb, sc = torch.sin(angles)
    one, zero = torch.tensor(1.0), torch.tensor(0.0)
    about = [
        torch.stack([one, zero, zero, zero, ca, -sa, zero, sa, ca]).reshape(3, 3),
        torch.stack([cb, zero, sb, zero, one, zero, -sb, zero, cb]).reshape(3, 3),
        torch.stack([cc, -sc, zero, sc, cc, zero, zero, zero, one]).reshape(3, 3),
    ]
    edges = torch.tensor(case.ct.shape[::-1], dtype=torch.float32)
    rotation = torch.diag(1 / edges) @ (about[0] @ about[1] @ about[2]) @ torch.diag(edges) / scale
    shift = torch.from_numpy(rng.uniform(-0.08, 0.08, 3)).float()
    grid = functional.affine_grid(
        torch.cat([rotation, shift[:, None]], dim=1)[None], [1, 1, *case.ct.shape], align_corners=False
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
        if hasattr(network, "classifier"):
            begin_standardised(network, cases, recipe.optimiser.batch)
        # Channels last, EfficientNet's depthwise convolutions take five times as long on a CPU; DenseNet gains nothing.
        super().__init__(network, recipe.optimiser, layout=torch.contiguous_format)
        self.recipe, self.cases = recipe, cases

    def epoch_data(self, epoch: int) -> ReportDataset:
        """Random views of every case."""
        return ReportDataset(self.cases, self.recipe, epoch)

    def training_step(self, batch: tuple[Tensor, ...], _: int) -> Tensor:
        """Loss of one batch; sub-sites are also drawn, so that every patient teaches them and not only the involved."""
        ct, organs, heatmap, target, *places = batch
        drawn_amiss: Tensor | float = 0.0
        if self.recipe.variant == "sub_sites":
            drawn = self.network.drawn(organs)
            logits = self.network.involved(self.network.place(drawn), heatmap)
            # Unweighted: an expected overlap needs probabilities that are frequencies.
            drawn_amiss = self.DRAWING * functional.cross_entropy(drawn, places[0][:, 0].long())
        else:
            logits = self.network(ct, organs, heatmap)
        involved_amiss = asymmetric_loss(
            logits, target, gamma_positive=self.recipe.gamma_positive, gamma_negative=self.recipe.gamma_negative
        )
        loss = involved_amiss + drawn_amiss
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(ct))
        return loss


def network_description(recipe: CtReportRecipe) -> dict[str, Any]:
    """What `build_network` needs and a manifest stores."""
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


def begin_at_rule(pooling: OrganPooling, cases: Sequence[ReportCase]) -> None:
    """Fit the rule of organ pooling to the labels of the training cases, before anything is learned from images."""
    with torch.no_grad():
        seen = [_views([case]) for case in cases]
        read = torch.cat([pooling.log_odds(pooling.reached(pooling.masks(o), h)) for _, o, h in seen])
    (slope,), intercepts = _regression(read[..., None], cases)
    pooling.begin_at(slope, intercepts)


def begin_at_frequencies(network: SubSites, cases: Sequence[ReportCase]) -> None:
    """Start sub-sites at what the training cases say without any drawing: where in each organ they lie how often.

    Most voxels tell the network nothing else, and small sub-sites would wait hundreds of steps for it.
    """
    counts = torch.zeros(network.usual.shape)
    for case in cases:
        assert case.places is not None
        np.add.at(counts.numpy(), (case.organs.ravel(), case.places.ravel()), 1)
    everywhere = counts.sum(dim=0)
    # One voxel of the usual mixture in every row: no frequency is zero, an organ that nobody has is like any place.
    usual = counts + (everywhere + 1) / (everywhere + 1).sum()
    usual /= usual.sum(dim=1, keepdim=True)
    network.begin_at(usual, (0.0, 0.0), torch.zeros(usual.shape[1] - 1))
    with torch.no_grad():
        seen = [_views([case]) for case in cases]
        places = ((network.place(network.drawn(organs)), heatmap) for _, organs, heatmap in seen)
        read = torch.cat([torch.stack(network.read_off(place, heatmap), dim=-1) for place, heatmap in places])
    (voxels, share), intercepts = _regression(read, cases)
    network.begin_at(usual, (voxels, share), intercepts)


def _regression(read: Tensor, cases: Sequence[ReportCase]) -> tuple[tuple[float, ...], Tensor]:
    """Logistic regression of the labels: slopes shared by all fields, and intercepts (N,).

    A field that no case tells keeps the intercept 0.

    Parameters
    ----------
    read : Tensor, shape (cases, N, numbers)
        What the labels are regressed on; one slope for each of the numbers.
    cases : sequence of ReportCase
    """
    values = read.double().numpy()
    truth = np.stack([case.target for case in cases])
    known, numbers = truth != UNKNOWN, values.shape[2]

    def misfit(parameters: NDArray) -> float:
        slopes, intercepts = parameters[:numbers], parameters[numbers:]
        z = (values * slopes).sum(axis=2) + intercepts
        # A weak pull to the middle: a field of one outcome only would run away.
        return float((np.logaddexp(0, z) - truth * z)[known].sum() + 0.05 * (intercepts**2).sum())

    found = minimize(misfit, np.array([1.0] * numbers + [0.0] * truth.shape[1]), method="BFGS").x
    return tuple(found[:numbers].tolist()), torch.tensor(found[numbers:])


def begin_standardised(network: nn.Module, cases: Sequence[ReportCase], batch: int) -> None:
    """Start the classifier on features of mean 0 and standard deviation 1 over the training cases, its last layer at 0.

    Features averaged over a whole volume differ between patients by 0.004 at first: without this a training spends
    hundreds of steps on finding their scale. The network stays the same; only its first weights are chosen by the data
    (Salimans and Kingma 2016, section 3).
    """
    settle_normalisation(network, cases, batch)
    pooled: list[Tensor] = []
    watch = network.classifier.register_forward_pre_hook(lambda _, inputs: pooled.append(inputs[0]))
    with torch.no_grad():
        for case in cases:
            _logits(network, [case])
        watch.remove()
        features = torch.cat(pooled)
        deviation = features.std(dim=0, correction=0)
        # A feature that is the same for everybody must not become noise.
        deviation = deviation.clamp(min=max(0.1 * float(deviation.median()), 1e-6))
        first, last = network.classifier[0], network.classifier[-1]
        first.weight.div_(deviation)
        first.bias.sub_(first.weight @ features.mean(dim=0))
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    network.train()


def settle_normalisation(network: nn.Module, cases: Sequence[ReportCase], batch: int) -> None:
    """Measure means and variances of batch normalisation on the cases, with the weights as they are now.

    Running ones lag behind: EfficientNet moves them by a hundredth per step, and averaged weights are none of those
    that the steps were taken with. Frozen layers keep theirs. The network is left in evaluation mode.
    """
    network.train()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm3d) and module.training]
    network.eval()
    # As many as a step has: coarse levels are a voxel wide, and one patient alone has no variance there.
    batches = [cases[k : k + batch] for k in range(0, len(cases) - batch + 1, batch)]
    if not norms or not batches:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a mean over all batches
        norm.train()
    with torch.no_grad():
        for chosen in batches:
            _logits(network, chosen)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


def _logits(network: nn.Module, cases: Sequence[ReportCase]) -> Tensor:
    """What a network answers of cases together, (B, N), on the device where it is."""
    place = next(network.parameters()).device
    return network(*(view.to(place) for view in _views(cases)))


def _views(cases: Sequence[ReportCase]) -> tuple[Tensor, Tensor, Tensor]:
    """CT, organs and heatmap of cases as a network takes them, each (B, 1, D, H, W)."""
    ct, organs, heatmap = (
        torch.from_numpy(np.stack(arrays).astype(np.float32))[:, None]
        for arrays in zip(*((case.ct, case.organs, case.heatmap) for case in cases), strict=True)
    )
    return ct, organs, heatmap


def train_ct_report(
    recipe: CtReportRecipe,
    cases: Sequence[ReportCase],
    out: Path,
    *,
    start: Mapping[str, Tensor] | None = None,
    device: str = "auto",
    on_progress: Progress = quiet,
) -> Path:
    """Train one variant of SGRNet on prepared cases and write its package to `out`.

    Parameters
    ----------
    recipe : CtReportRecipe
    cases : sequence of ReportCase
    out : Path
        Gets `package/`, `metrics.jsonl` and `checkpoints/`; a run that was stopped is taken up from there.
    start : mapping of str to Tensor, optional
        Weights of the published encoder, for backbone "ct-fm".

    Returns
    -------
    Path
        The package.

    Raises
    ------
    UsageError
        When the backbone needs published weights and there are none, or they are not its; when the cases teach nothing.
    """
    require_taught(recipe, cases)
    module = learn(recipe, cases, out, start=start, device=device, on_progress=on_progress)
    return save_classifier(recipe, cases, module, out)


def learn(
    recipe: CtReportRecipe,
    cases: Sequence[ReportCase],
    out: Path,
    *,
    start: Mapping[str, Tensor] | None = None,
    device: str = "auto",
    on_progress: Progress = quiet,
) -> CtReportTraining:
    """Train one variant; with early stopping, a stratified part of the cases only decides when to stop.

    Parameters and errors as of `train_ct_report`; no package is written.
    """
    lightning.seed_everything(recipe.seed, verbose=False)
    rule = recipe.early_stopping
    if rule is None:
        module = CtReportTraining(recipe, cases, start)
        fit(module, recipe, out, device=device, on_progress=on_progress)
        settle_normalisation(module.average.module, cases, recipe.optimiser.batch)
        return module
    aside = fold_of_cases(cases, rule.folds, recipe.seed) == 0
    truth = np.stack([case.target for case in cases])[aside]
    watched = [case for case, is_aside in zip(cases, aside, strict=True) if is_aside]
    learned = [case for case, is_aside in zip(cases, aside, strict=True) if not is_aside]
    if mean_average_precision(np.where(truth == UNKNOWN, np.nan, truth), np.zeros(truth.shape)).mean is None:
        raise UsageError("No patient set aside for early stopping has a positive label.", "Give more cases.")

    def score(module: AveragedTraining) -> float:
        assert isinstance(module, CtReportTraining)
        settle_normalisation(module.average.module, learned, recipe.optimiser.batch)
        scores = predict_ct_report(module, watched)
        mean = mean_average_precision(np.where(truth == UNKNOWN, np.nan, truth), scores).mean
        assert mean is not None
        return mean

    module = CtReportTraining(recipe, learned, start)
    out.mkdir(parents=True, exist_ok=True)
    stop = StopOnScore(score, every=rule.every_epochs, patience=rule.patience, journal=out / "validation.jsonl")
    fit(module, recipe, out, device=device, on_progress=on_progress, callbacks=[stop])
    stop.restore(module)
    settle_normalisation(module.average.module, learned, recipe.optimiser.batch)
    return module


def fold_of_cases(cases: Sequence[ReportCase], folds: int, seed: int) -> NDArray[np.int64]:
    """Fold of every case, multi-label stratified; the same for the same cases, folds and seed."""
    return stratified_folds(np.stack([case.target for case in cases]), folds, np.random.default_rng(seed))


def save_classifier(recipe: CtReportRecipe, cases: Sequence[ReportCase], module: CtReportTraining, out: Path) -> Path:
    """Write the package of a training on these cases to `out/package`."""
    constants = ("window_hu", "values", "heatmap", "sigma_per_extent", "threshold", "min_volume_ml")
    return save_package(
        recipe,
        module,
        out,
        network=network_description(recipe),
        labels=recipe.fields,
        supported=taught_fields(recipe, cases),
        patch=recipe.grid,
        preprocessing={key: getattr(recipe, key) for key in (*constants, "involvement_share", "organ_rule")},
        learned_from=LearnedFrom(
            real=told_fields(recipe, [case for case in cases if not case.virtual]),
            virtual=told_fields(recipe, [case for case in cases if case.virtual]),
        ),
    )


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
    """Fields with enough positives and negatives among the cases."""
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
    """Probabilities of cases, shape (n, N), by the averaged weights of a training."""
    network = module.average.module
    network.eval()
    with torch.inference_mode():
        rows = [torch.sigmoid(_logits(network, [case]))[0].double().cpu().numpy() for case in cases]
    return np.stack(rows)
