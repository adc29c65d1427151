"""Where the training of a classifier starts, and what its normalisation knows at the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor, nn

from hyoid.models.sgrnet import OrganPooling
from hyoid.models.sub_sites import SubSites
from hyoid.systems.ct_report.cases import ReportCase
from hyoid.systems.ct_report.labels import UNKNOWN


def begin_at_rule(pooling: OrganPooling, cases: Sequence[ReportCase]) -> None:
    """Fit the rule of organ pooling to the labels of the training cases, before anything is learned from images."""
    with torch.no_grad():
        seen = [views_of([case]) for case in cases]
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
        seen = [views_of([case]) for case in cases]
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
            logits_of(network, [case])
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
            logits_of(network, chosen)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


def logits_of(network: nn.Module, cases: Sequence[ReportCase]) -> Tensor:
    """Compute a network's logits for cases in one batch, shape (B, N), on the network's device."""
    place = next(network.parameters()).device
    return network(*(view.to(place) for view in views_of(cases)))


def views_of(cases: Sequence[ReportCase]) -> tuple[Tensor, Tensor, Tensor]:
    """Stack CT, organs and heatmap of cases as a network takes them, each (B, 1, D, H, W)."""
    ct, organs, heatmap = (
        torch.from_numpy(np.stack(arrays).astype(np.float32))[:, None]
        for arrays in zip(*((case.ct, case.organs, case.heatmap) for case in cases), strict=True)
    )
    return ct, organs, heatmap
