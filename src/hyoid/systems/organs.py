"""Organs of a CT and the high-dose target region on it, as the outlining networks draw them: shared by the systems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from hyoid.anatomy.structures import BY_LABEL, BY_NAME, INSIDE_LARYNX
from hyoid.errors import UnsuitableScanError
from hyoid.geometry.boxes import Box, bounding_box, crop
from hyoid.inference.export import labels_from_logits
from hyoid.inference.nnunet import Options, Prediction, predict_case
from hyoid.inference.runtime import Precision, Runtime, load_runtime
from hyoid.inference.segment import Logits, segment
from hyoid.inference.shared_trunk import joined
from hyoid.inference.strays import without_strays
from hyoid.io.packages.model_package import Manifest, ModelPackage
from hyoid.io.packages.nnunet_source import NnunetSource, Source, answering
from hyoid.preprocess.gate import check_head_neck_ct
from hyoid.preprocess.network_grid import body_on_grid
from hyoid.progress import Stages, Steps, ignore_stages
from hyoid.provenance import Provenance, network
from hyoid.report.content import schema
from hyoid.report.content.build import doubted_warning
from hyoid.systems.machine import Machine
from hyoid.systems.outlines import LeftOut, Outlines, organ_doubts, without_impossible
from hyoid.volume import Quantity, Volume

_AROUND_ORGANS_MM = 40.0  # further than any structure of the neck lies from those that are outlined
_BODY_MM = 6.0
_NO_TARGET = np.float32(-10.0)
_NAMED_ML = 0.5  # what a warning names of the outlines that were left out
_STRAY = "all of the outline lies apart from the neck"


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
    left_out : mapping of int to LeftOut
        Structures that a network outlined and that are not in `labels`, by label.
    beside : Logits or None
        What the network that was asked beside the others answers; None where it was not, or could not be.
    doubts : mapping of int to tuple of str
        In which respects an outline is not as its organ should be, by label.
    """

    labels: Volume
    precisions: Mapping[str, Precision]
    warnings: tuple[str, ...]
    left_out: Mapping[int, LeftOut] = field(default_factory=dict)
    beside: Logits | None = None
    doubts: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    @property
    def reasons(self) -> dict[str, str]:
        """Why a structure was left out, by its name."""
        return {BY_LABEL[label].name: left.why for label, left in self.left_out.items()}

    @property
    def doubted(self) -> dict[str, tuple[str, ...]]:
        """In which respects an outline is not as its organ should be, by name of the organ."""
        return {BY_LABEL[label].name: doubts for label, doubts in self.doubts.items()}


def outline_organs(
    ct: Volume,
    sources: Sequence[Source],
    machine: Machine,
    on_progress: Stages = ignore_stages,
    *,
    beside: Source | None = None,
) -> OrganOutlines:
    """Outline organs as labels on the grid of the (canonical) scan.

    Air of the larynx counts only inside the larynx, so that the larynx is the same with and without it. Parts that lie
    apart from the neck are left out (`hyoid.inference.strays`), and a warning names those of half a millilitre or more;
    so are outlines that cannot be their structure (`hyoid.anatomy.plausibility`), with a warning.

    Parameters
    ----------
    ct : Volume
        Canonical CT, HU.
    sources : sequence of ModelPackage or NnunetSource
        What an earlier one outlines, a later one does not paint over, except that the air of the larynx is painted over
        the larynx. nnU-Net folders see the part of the scan around the organs that packages found.
    machine : Machine
        Device, precision and folder for compiled graphs.
    on_progress : callable
        Called with (stage, steps done, steps in all).
    beside : ModelPackage or NnunetSource, optional
        Network that outlines no organ, asked in the same pass where it differs from one of the others in its last layer
        alone (`hyoid.inference.shared_trunk`).
    """
    sources = _without_doubles(sources)
    precisions: dict[str, Precision] = {}
    maps: list[NDArray[np.uint8]] = []
    told: Logits | None = None
    for packages in _by_spacing([source for source in sources if isinstance(source, ModelPackage)]):
        partner = beside if isinstance(beside, ModelPackage) and told is None else None
        found, used, answer = _outlined_by_packages(ct, packages, machine, on_progress, partner)
        told = told or answer
        precisions |= used
        maps.append(found.array)
    folders = [source for source in sources if isinstance(source, NnunetSource)]
    if folders:
        region = neck_region(ct, without_strays(_united(ct, maps, sources))[0])
        for source in folders:
            found, precisions[source.manifest.name] = _outlined_by_folder(ct, source, region, machine, on_progress)
            maps.append(found.array)
    kept, lost = without_strays(_united(ct, maps, sources))
    named = [f"{BY_LABEL[label].words} {ml:.1f} ml" for label, ml in lost.items() if ml >= _NAMED_ML]
    warnings = [f"Outlines that lie apart from the neck were left out: {', '.join(named)}."] if named else []
    there = set(np.unique(kept.array).tolist())
    left_out = {label: LeftOut(ml, _STRAY) for label, ml in lost.items() if label not in there}
    kept, impossible = without_impossible(kept)
    if impossible:
        said = "; ".join(f"{BY_LABEL[label].words}: {left.why}" for label, left in impossible.items())
        warnings.append(f"Outlines that cannot be their structure were left out. {said}.")
    doubts = organ_doubts(Outlines(kept.geometry, kept).structures(), kept.geometry)
    warnings += [
        f"Not for commercial use: the weights of {s.manifest.name} are under {s.manifest.licence}."
        for s in folders
        if s.row is not None and s.row.noncommercial
    ]
    return OrganOutlines(kept, precisions, tuple(warnings), left_out | impossible, told, doubts)


def neck_region(ct: Volume, organs: Volume) -> Box:
    """Find the part of a scan that nnU-Net folders look at: around the outlined organs, or else around the patient.

    A whole scan at the spacing of such a network does not fit into the memory of most machines.

    Parameters
    ----------
    ct : Volume
        Canonical CT, HU.
    organs : Volume, LABEL
        Organs on the same grid; may be empty.
    """
    box = bounding_box(organs.array > 0)
    if box is not None:
        margin = [int(np.ceil(_AROUND_ORGANS_MM / step)) for step in ct.geometry.spacing_mm]
        return box.grown(tuple(margin), ct.geometry.shape)  # type: ignore[arg-type]
    body = body_on_grid(ct, (_BODY_MM, _BODY_MM, _BODY_MM)).geometry
    corners = ct.geometry.to_ijk(np.array([body.to_lps((0, 0, 0)), body.to_lps(np.array(body.shape) - 1)]))
    start = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, np.array(ct.geometry.shape) - 1)
    stop = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, start + 1, ct.geometry.shape)
    return Box(tuple(start.tolist()), tuple(stop.tolist()))


def _outlined_by_packages(
    ct: Volume,
    packages: Sequence[ModelPackage],
    machine: Machine,
    on_progress: Stages,
    partner: ModelPackage | None = None,
) -> tuple[Volume, dict[str, Precision], Logits | None]:
    """Labels by hyoid's own networks on one grid; the earlier package ranks higher, air inside the larynx highest.

    The logits are those of `partner`, where one of the packages could answer for it.
    """
    body = body_on_grid(ct, packages[0].manifest.spacing_mm)
    logits: dict[str, NDArray[np.float32]] = {}
    ranks: dict[str, int] = {}
    precisions: dict[str, Precision] = {}
    told: Logits | None = None
    for rank, package in enumerate(packages):
        manifest = package.manifest
        both = None if partner is None or told is not None else joined(package, partner)
        runtime = _tile_runtime(both or package, machine)
        precisions[manifest.name] = runtime.precision
        found = segment(body, (both or package).manifest, runtime, on_progress=partial(on_progress, manifest.name))
        if both is not None and partner is not None:
            precisions[partner.manifest.name] = runtime.precision
            told = Logits(found.array[len(manifest.labels) :], body.geometry, partner.manifest.labels)
        for name in manifest.supported:
            if name not in logits:
                logits[name] = found.array[manifest.labels.index(name)]
                ranks[name] = 1 if name in INSIDE_LARYNX else -rank
    for name in INSIDE_LARYNX:
        if name in logits and "larynx" in logits:
            logits[name] = np.minimum(logits[name], logits["larynx"])
    labels = [BY_NAME[name].label for name in logits]
    rank_of = {BY_NAME[name].label: rank for name, rank in ranks.items()}
    stacked = np.stack(list(logits.values()))
    return labels_from_logits(stacked, body.geometry, ct.geometry, labels, ranks=rank_of), precisions, told


def predict_by_folder(
    source: NnunetSource,
    images: Sequence[Volume],
    machine: Machine,
    on_progress: Stages = ignore_stages,
    *,
    probabilities: bool = False,
) -> Prediction:
    """Run an nnU-Net folder on images in canonical orientation.

    Parameters
    ----------
    source : NnunetSource
        Folder with its checkpoints.
    images : sequence of Volume
        One per channel, on one grid.
    machine : Machine
        Device, precision and folder for compiled graphs.
    on_progress : callable
        Called with (stage, steps done, steps in all).
    probabilities : bool
        Give the probability of every output as well.
    """
    options = Options(precision=machine.precision, device=machine.device, probabilities=probabilities)
    return predict_case(source.model, images, options, machine.cache, from_dicom=True, on_progress=on_progress)


def probability_of(
    probabilities: NDArray[np.float32], source: NnunetSource, structures: Iterable[str]
) -> NDArray[np.float32]:
    """Compute the probability of any of some structures from the outputs of an nnU-Net folder.

    Classes exclude each other, so that their probabilities add; of regions, which overlap, the likeliest counts.

    Parameters
    ----------
    probabilities : ndarray, shape (outputs, D, H, W)
        What the folder answered.
    source : NnunetSource
        Folder whose labels are structures of hyoid.
    structures : iterable of str
        Names among `source.values`.
    """
    wanted = {value for name in structures for value in source.values[name]}
    chosen = probabilities[[k for k, head in enumerate(source.model.labels.heads) if head in wanted]]
    return chosen.max(axis=0) if source.model.labels.regions else chosen.sum(axis=0)


def _outlined_by_folder(
    ct: Volume, source: NnunetSource, region: Box, machine: Machine, on_progress: Stages
) -> tuple[Volume, Precision]:
    """Labels by an nnU-Net folder that looks at a part of the scan."""
    done = predict_by_folder(
        source,
        [crop(ct, region)],
        machine,
        lambda stage, done, total: on_progress(f"{source.manifest.name}, {stage}", done, total),
    )
    found = np.zeros(ct.geometry.shape, np.uint8)
    for name in source.manifest.supported:
        found[region.slices][np.isin(done.labels.array, source.values[name])] = BY_NAME[name].label
    return ct.with_array(found, Quantity.LABEL), done.precision


def _united(ct: Volume, maps: Sequence[NDArray[np.uint8]], sources: Sequence[Source]) -> Volume:
    """All label maps in one: of two labels on a voxel, the one whose source comes first; air only in the larynx."""
    table = np.full(256, 256, np.int16)
    for place, source in enumerate(sources):
        for name in source.manifest.supported:
            table[BY_NAME[name].label] = -1 if name in INSIDE_LARYNX else place
    airs, larynx = [BY_NAME[name].label for name in INSIDE_LARYNX], BY_NAME["larynx"].label
    throats = [np.isin(found, [larynx, *airs]) for found in maps if (found == larynx).any()]
    result = np.zeros(ct.geometry.shape, np.uint8)
    for drawn in maps:
        found = drawn
        if throats and not (found == larynx).any():
            found = np.where(np.isin(found, airs) & ~throats[0], 0, found)
        wins = (found > 0) & ((result == 0) | (table[found] < table[result]))
        result[wins] = found[wins]
    return ct.with_array(result, Quantity.LABEL)


def _without_doubles(sources: Sequence[Source]) -> list[Source]:
    """Sources without the structures that an earlier one outlines, and without those that have nothing left."""
    taken: set[str] = set()
    kept = []
    for source in sources:
        own = [name for name in source.manifest.supported if name not in taken]
        taken.update(own)
        if own:
            kept.append(answering(source, own))
    return kept


def _by_spacing(packages: Sequence[ModelPackage]) -> list[list[ModelPackage]]:
    """Packages that work on one grid, together and in their order."""
    groups: dict[tuple[float, float, float], list[ModelPackage]] = {}
    for package in packages:
        groups.setdefault(package.manifest.spacing_mm, []).append(package)
    return list(groups.values())


def organs_or_reason(
    ct: Volume, sources: Sequence[Source], machine: Machine, on_progress: Stages = ignore_stages
) -> tuple[Volume | None, tuple[str, ...], tuple[Manifest, ...]]:
    """Outline the organs of a canonical CT where it shows a neck; return also warnings and the models.

    Parameters
    ----------
    ct : Volume
        Canonical CT, HU.
    sources : sequence of ModelPackage or NnunetSource
        As of `outline_organs`.
    machine : Machine
        Device, precision and folder for compiled graphs.

    Returns
    -------
    Volume or None
        Labels; None where the scan is not one of a neck, and the warning says why.
    tuple of str
    tuple of Manifest
        Of the networks that outlined; empty where none did.
    """
    try:
        warnings = check_head_neck_ct(ct)
    except UnsuitableScanError as refusal:
        return None, (f"Organs were not outlined: {refusal.problem}",), ()
    outlines = outline_organs(ct, sources, machine, on_progress)
    if outlines.doubts:
        warnings = (*warnings, doubted_warning([BY_LABEL[label].words for label in outlines.doubts]))
    return outlines.labels, (*warnings, *outlines.warnings), tuple(source.manifest for source in sources)


def organs_before(
    sources: Sequence[Source], machine: Machine, ct: Volume, *, on_progress: Stages = ignore_stages
) -> tuple[Volume | None, tuple[str, ...]]:
    """Outline the organs of an earlier canonical CT, to tell sides and levels of its lesions; or why not.

    Parameters
    ----------
    sources : sequence of ModelPackage or NnunetSource
        Networks as of `outline_organs`; without a network, nothing is outlined.
    machine : Machine
        Device, precision and folder for compiled graphs.
    ct : Volume
        Canonical CT of the earlier examination, HU.
    """
    if not sources:
        return None, ()
    organs, warnings, _ = organs_or_reason(ct, sources, machine, on_progress)
    return organs, () if organs is not None else warnings


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


def sources_of_organs(manifests: Sequence[Manifest]) -> dict[str, Any]:
    """Gather the inputs of a report that say which models outline organs: fields of `ReportInputs` by name.

    Parameters
    ----------
    manifests : sequence of Manifest
        Manifests of the networks, the better founded one first.
    """
    return {
        "organ_sources": tuple(map(model_use, manifests)),
        "organs_by": {label: str(by) for label, by in outlining_models(manifests).items()},
        "organs_expected": tuple(name for manifest in manifests for name in manifest.supported),
    }


def localise_tumour(
    ct: Volume,
    source: Source,
    machine: Machine,
    on_progress: Stages = ignore_stages,
    *,
    organs: Volume | None = None,
) -> tuple[Logits, Precision]:
    """Compute logits of the target region on the grid that the tumour network sees; return also the arithmetic.

    Parameters
    ----------
    ct : Volume
        Canonical CT, HU.
    source : ModelPackage or NnunetSource
        Network that localises the tumour; of an nnU-Net folder every label that is a target counts.
    machine : Machine
        Device, precision and folder for compiled graphs.
    organs : Volume, LABEL, optional
        Organs on the grid of the scan, around which an nnU-Net folder looks.
    """
    told = partial(on_progress, "tumour")
    if isinstance(source, NnunetSource):
        nothing = ct.with_array(np.zeros(ct.geometry.shape, np.uint8), Quantity.LABEL)
        region = neck_region(ct, nothing if organs is None else organs)
        return _target_logits(ct, source, region, machine, told)
    body = body_on_grid(ct, source.manifest.spacing_mm)
    runtime = _tile_runtime(source, machine)
    return segment(body, source.manifest, runtime, on_progress=told), runtime.precision


def _target_logits(
    ct: Volume, source: NnunetSource, region: Box, machine: Machine, on_progress: Steps
) -> tuple[Logits, Precision]:
    """Log-odds of any target on the voxels of a part of the scan; certainly none on the faces that cut the scan."""
    part = crop(ct, region)
    done = predict_by_folder(
        source,
        [part],
        machine,
        lambda stage, done, total: on_progress(done, total) if stage == "tiles" else None,
        probabilities=True,
    )
    assert done.probabilities is not None
    probability = probability_of(done.probabilities, source, source.manifest.supported)
    logits = logit(np.clip(probability, 1e-6, 1 - 1e-6)).astype(np.float32)
    for axis in range(3):
        faces = np.moveaxis(logits, axis, 0)
        if region.start[axis] > 0:
            faces[0] = _NO_TARGET
        if region.stop[axis] < ct.geometry.shape[axis]:
            faces[-1] = _NO_TARGET
    return Logits(logits[None], part.geometry, ("target_region",)), done.precision


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
