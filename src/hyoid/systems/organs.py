"""Organs of a CT and the high-dose target region on it, as the outlining networks draw them: shared by the systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import cc3d
import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.structures import BY_LABEL, BY_NAME, INSIDE_LARYNX
from hyoid.errors import ModelUnusableError
from hyoid.inference.export import labels_from_logits
from hyoid.inference.runtime import Precision, Runtime, load_runtime
from hyoid.inference.segment import Logits, segment
from hyoid.inference.strays import without_strays
from hyoid.io.packages.model_package import Manifest, ModelPackage
from hyoid.preprocess.network_grid import body_on_grid
from hyoid.progress import Stages, ignore_stages
from hyoid.provenance import Provenance, network
from hyoid.report.content import schema
from hyoid.systems.machine import Machine
from hyoid.systems.outlines import Outlines, organ_doubts
from hyoid.volume import Volume

_NAMED_ML = 0.5  # what a warning names of the outlines that were left out


@dataclass(frozen=True, eq=False)
class OrganOutlines:
    """Organs of one scan.

    Parameters
    ----------
    labels : Volume
        Organ labels on the grid of the scan.
    precisions : mapping of str to str
        Arithmetic that each package used.
    warnings : tuple of str
        Sentences on parts left out, for the report.
    """

    labels: Volume
    precisions: Mapping[str, Precision]
    warnings: tuple[str, ...]


def outline_organs(
    ct: Volume,
    packages: Sequence[ModelPackage],
    machine: Machine,
    on_progress: Stages = ignore_stages,
) -> OrganOutlines:
    """Outline organs as labels on the grid of the (canonical) scan.

    Air of the larynx counts only inside the larynx, so that the larynx is the same with and without it. Parts that lie
    apart from the neck are left out (`hyoid.inference.strays`), and a warning names those of half a millilitre or more.

    Parameters
    ----------
    ct : Volume
        Canonical CT, HU.
    packages : sequence of ModelPackage
        On grids of one spacing. What an earlier one outlines, a later one does not paint over, except that the air
        of the larynx is painted over the larynx.
    machine : Machine
        Device, precision and folder for compiled graphs.
    """
    body = body_on_grid(ct, packages[0].manifest.spacing_mm)
    logits: dict[str, NDArray[np.float32]] = {}
    ranks: dict[str, int] = {}
    precisions: dict[str, Precision] = {}
    for rank, package in enumerate(packages):
        manifest = package.manifest
        if manifest.spacing_mm != packages[0].manifest.spacing_mm:
            raise ModelUnusableError(
                f"Models {packages[0].manifest.name!r} and {manifest.name!r} work on different grids.",
                "Train both at one spacing.",
            )
        runtime = _tile_runtime(package, machine)
        precisions[manifest.name] = runtime.precision
        found = segment(body, manifest, runtime, on_progress=partial(on_progress, manifest.name))
        for name in manifest.supported:
            if name not in logits:
                logits[name] = found.array[manifest.labels.index(name)]
                ranks[name] = 1 if name in INSIDE_LARYNX else -rank
    for name in INSIDE_LARYNX:
        if name in logits and "larynx" in logits:
            logits[name] = np.minimum(logits[name], logits["larynx"])
    labels = [BY_NAME[name].label for name in logits]
    rank_of = {BY_NAME[name].label: rank for name, rank in ranks.items()}
    exported = labels_from_logits(np.stack(list(logits.values())), body.geometry, ct.geometry, labels, ranks=rank_of)
    kept, lost = without_strays(exported)
    named = [f"{BY_LABEL[label].words} {ml:.1f} ml" for label, ml in lost.items() if ml >= _NAMED_ML]
    warnings = [f"Outlines that lie apart from the neck were left out: {', '.join(named)}."] if named else []
    doubts = organ_doubts(Outlines(kept.geometry, kept).structures(), kept.geometry)
    if doubts:
        said = "; ".join(f"{BY_LABEL[label].words}: {', '.join(words)}" for label, words in doubts.items())
        warnings.append(f"Outlines that no patient's organ has; look at them before use. {said}.")
    return OrganOutlines(kept, precisions, tuple(warnings))


def outlining_models(manifests: Sequence[Manifest]) -> dict[int, Provenance]:
    """Name the model that outlines each organ, by label: of two models for one organ, the earlier.

    Parameters
    ----------
    manifests : sequence of Manifest
        Manifests of the networks, the better founded one first.
    """
    found: dict[int, Provenance] = {}
    for manifest in manifests:
        for name in manifest.supported:
            found.setdefault(BY_NAME[name].label, network(manifest.name, manifest.version))
    return found


def localise_tumour(
    ct: Volume, package: ModelPackage, machine: Machine, on_progress: Stages = ignore_stages
) -> tuple[Logits, Precision]:
    """Compute logits of the high-dose target region on the tumour network's grid; return also the arithmetic."""
    body = body_on_grid(ct, package.manifest.spacing_mm)
    runtime = _tile_runtime(package, machine)
    logits = segment(
        body, package.manifest, runtime, on_progress=lambda done, total: on_progress("tumour", done, total)
    )
    return logits, runtime.precision


def target_mask(logits: Logits, ct: Volume, min_volume_ml: float) -> Volume:
    """Mark the predicted target region on the grid of the scan with 1; parts below `min_volume_ml` are dropped."""
    mask = labels_from_logits(logits.array, logits.geometry, ct.geometry, [1])
    smallest = int(np.ceil(min_volume_ml / ct.geometry.voxel_ml))
    return mask.with_array(cc3d.dust(mask.array, threshold=smallest, connectivity=26))


def model_use(manifest: Manifest) -> schema.ModelUse:
    """Describe a model as a report names it."""
    return schema.ModelUse(
        name=manifest.name,
        version=manifest.version,
        licence=manifest.licence,
        trained_on=manifest.training_data,
        sha256=manifest.sha256,
    )


def _tile_runtime(package: ModelPackage, machine: Machine) -> Runtime:
    manifest = package.manifest
    shape = (1, len(manifest.preprocessing["windows_hu"]), *manifest.patch)
    return load_runtime(package, [shape], device=machine.device, precision=machine.precision, cache=machine.cache)
