"""PET/CT targets (Huang and Wang, HECKTOR 2025): CT + PET -> head region -> coarse -> fine ensemble -> GTVp, GTVn.

::

    CT ---- head network ----> head region --+
     |                                       |
    CT + PET in SUV ------------------- coarse network --> labels --> centroid --> cube of 144 mm
     |                                                       |             |
    CT + PET, from the original images ------------------- fine networks, mean of their probabilities, by class
                                                             |             |
                            what lies outside the cube <-----+             +--> decision --> small parts out --> labels
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from hyoid.errors import ModelUnusableError
from hyoid.geometry.boxes import bounding_box
from hyoid.geometry.orientation import from_canonical, to_canonical
from hyoid.geometry.regions import grid_around, grid_from_top, grid_over
from hyoid.geometry.resample import resample
from hyoid.inference.runtime import Precision, load_runtime
from hyoid.inference.sliding_window import MONAI_LEAST, Tiling, gaussian_weight, mirrored, nnunet_weight, predict_tiles
from hyoid.io.packages.model_package import ModelPackage
from hyoid.preprocess.pet import Alignment, alignment, covered, on_ct, require_cover, require_suv
from hyoid.preprocess.petct import ChannelRule, network_channels, through_spacing
from hyoid.progress import Stages, Steps, ignore_stages, ignore_steps
from hyoid.systems.machine import Machine
from hyoid.systems.petct.decision import Decision, decide_voxels, outside_fine, said_of_outside, without_small_parts
from hyoid.volume import AIR_HU, Geometry, Quantity, Volume

# More than any neck holds: the networks do not know such a scan.
_IMPLAUSIBLE_ML = 1500.0
# Around outlines that a reader drew the PET is compared with the CT over a part of the neck.
_AROUND_DRAWN_MM = 50.0


@dataclass(frozen=True, eq=False)
class PetCtModels:
    """Networks of the three stages of the PET/CT system.

    Parameters
    ----------
    head, coarse : ModelPackage
        Networks that find the head region, and the targets in it.
    fine : tuple of ModelPackage
        Ten in the paper: five folds of two architectures.
    """

    head: ModelPackage
    coarse: ModelPackage
    fine: tuple[ModelPackage, ...]

    @property
    def decision(self) -> Decision:
        """Rule by which the fine networks' own packages decide."""
        return Decision.of(_region(package) for package in self.fine)

    def __post_init__(self) -> None:
        for stage, packages in (("head", (self.head,)), ("coarse", (self.coarse,)), ("fine", self.fine)):
            for package in packages:
                if package.manifest.preprocessing.get("stage") != stage:
                    raise ModelUnusableError(
                        f"Model {package.manifest.name!r} is no {stage} network of the PET/CT system.",
                        f"Give a package made by `hyoid train petct-{'resenc' if stage == 'fine' else stage}`.",
                    )
        if not self.fine:
            raise ModelUnusableError("The PET/CT system has no fine network.", "Give at least one with --fine.")
        if len({_region(p)["box_mm"] for p in self.fine}) > 1:
            raise ModelUnusableError("The fine networks were trained on cubes of different edges.", "Use one recipe.")

    @property
    def all(self) -> tuple[ModelPackage, ...]:
        """Every network, in the order of the stages."""
        return (self.head, self.coarse, *self.fine)


@dataclass(frozen=True, eq=False)
class TargetsResult:
    """Targets found in one PET/CT, with warnings and measures of the stages.

    Parameters
    ----------
    labels : Volume
        1 GTVp, 2 GTVn, on the CT's own grid.
    outside : Volume
        Of these, voxels that lie outside the fine cube and rest on the coarse network alone (as 1), same grid.
    pet : Volume or None
        SUV of the nearest PET voxel, on the CT's own grid.
    warnings : tuple of str
        Fallbacks and doubts, in words.
    precisions : dict of str to str
        Arithmetic of each network.
    facts : dict
        Places and numbers of the stages, for `run.json`.
    alignment : Alignment or None
        Agreement of the outlines of the patient on CT and PET; None without a PET.
    failed : bool
        The targets are larger than a neck can hold.
    """

    labels: Volume
    outside: Volume
    pet: Volume | None
    warnings: tuple[str, ...]
    precisions: dict[str, Precision]
    facts: dict[str, Any] = field(default_factory=dict)
    alignment: Alignment | None = None
    failed: bool = False


@dataclass(frozen=True, eq=False)
class Located:
    """Head region and coarse targets found by the first two stages, from which the fine networks start.

    Parameters
    ----------
    ct, pet : Volume
        Images as given: CT in HU, PET in SUV or None.
    head_grid : Geometry
        Region of the coarse stage, at its spacing.
    coarse : ndarray, shape (3, d, h, w)
        Probabilities of background, GTVp and GTVn on `head_grid`.
    centre : ndarray, shape (3,), LPS mm, or None
        Centre of the coarse targets; None where the coarse network found no target.
    warnings : tuple of str
        Fallbacks and doubts so far, in words.
    precisions : dict of str to str
        Arithmetic of each network that ran.
    alignment : Alignment or None
        Agreement of the outlines of the patient on CT and PET; None without a PET.
    """

    ct: Volume
    pet: Volume | None
    head_grid: Geometry
    coarse: NDArray[np.float32]
    centre: NDArray[np.float64] | None
    warnings: tuple[str, ...]
    precisions: dict[str, Precision]
    alignment: Alignment | None


def find_targets(
    ct: Volume,
    pet: Volume | None,
    models: PetCtModels,
    machine: Machine,
    on_progress: Stages = ignore_stages,
    decision: Decision | None = None,
) -> TargetsResult:
    """Find the primary tumour and involved nodes of one patient.

    Parameters
    ----------
    ct : Volume, HU
        Scan on its own grid.
    pet : Volume, SUV, or None
        On any grid in the CT's frame of reference. None: the networks see CT alone, and the result says so.
    models : PetCtModels
        Networks of all three stages.
    machine : Machine
        Device, precision and folder for compiled graphs.
    on_progress : callable
        Called with (stage, steps done, steps in all).
    decision : Decision, optional
        How averaged maps become labels; as the fine networks' packages say when not given.

    Raises
    ------
    InputRefusedError
        When the PET's values cannot be SUV, its frame is another, or it covers too little.
    ModelUnusableError
        When weights do not fit their network.
    """
    located = locate_targets(ct, pet, models, machine, on_progress)
    return outline_targets(located, models, machine, on_progress, decision)


def drawn_targets(ct: Volume, pet: Volume | None, labels: Volume) -> TargetsResult:
    """Take a reader's targets in the place of the networks': the PET is checked around the outlines, no network runs.

    Parameters
    ----------
    ct, pet : Volume
        Images as given: CT in HU, PET in SUV or None.
    labels : Volume, LABEL
        1 GTVp, 2 GTVn, on the CT's own grid.

    Raises
    ------
    InputRefusedError
        When the PET's values cannot be SUV, its frame is another, or it covers too little of the outlines.
    """
    warnings: list[str] = []
    checked = nearest = None
    box = bounding_box(labels.array > 0)
    if pet is not None:
        require_suv(pet)
        if box is not None:
            region = grid_over(labels.geometry, box, ct.geometry, ct.geometry.spacing_mm, _AROUND_DRAWN_MM)
            checked, warnings = _check_pet(ct, pet, region)
        nearest = resample(pet, ct.geometry, interpolation="nearest")
    nothing = labels.with_array(np.zeros(labels.geometry.shape, np.uint8))
    facts = {"drawn_by_reader": True, "pet": pet is not None}
    return TargetsResult(labels, nothing, nearest, tuple(warnings), {}, facts, checked)


def locate_targets(
    ct: Volume, pet: Volume | None, models: PetCtModels, machine: Machine, on_progress: Stages = ignore_stages
) -> Located:
    """Find the head region and the targets in that region, stages 1 and 2; raises what `find_targets` raises."""
    scan = to_canonical(ct.require(Quantity.HU))
    uptake = None if pet is None else to_canonical(require_suv(pet))
    said: list[str] = []
    precisions: dict[str, Precision] = {}
    head, precisions[models.head.manifest.name] = head_mask(scan, models.head, machine, on_progress)
    head_grid, words = _head_region(head, scan, models.coarse)
    said += words
    checked = None
    if uptake is None:
        said.append("No PET: targets were outlined on CT alone, with the PET channel empty. Expect far less of them.")
    else:
        checked, words = _check_pet(scan, uptake, head_grid)
        said += words
    coarse, precisions[models.coarse.manifest.name] = stage_probabilities(
        [models.coarse], scan, uptake, head_grid, machine, lambda done, total: on_progress("coarse", done, total)
    )
    centre, words = _centre(coarse, head_grid)
    return Located(ct, pet, head_grid, coarse, centre, (*said, *words), precisions, checked)


def outline_targets(
    located: Located,
    models: PetCtModels,
    machine: Machine,
    on_progress: Stages = ignore_stages,
    decision: Decision | None = None,
) -> TargetsResult:
    """Outline targets by the fine networks around the coarse targets (stage 3).

    Parameters
    ----------
    located : Located
        Head region and coarse targets found by the first two networks of `models`.
    models : PetCtModels
        Networks of the system; the fine ones are used.
    machine : Machine
        Device, precision and folder for compiled graphs.
    on_progress : callable
        Called with (stage, steps done, steps in all).
    decision : Decision, optional
        How averaged maps become labels; as the fine networks' packages say when not given.
    """
    decided = models.decision if decision is None else decision
    ct, pet, head_grid, centre = located.ct, located.pet, located.head_grid, located.centre
    scan, uptake = to_canonical(ct), None if pet is None else to_canonical(pet)
    said, precisions = list(located.warnings), dict(located.precisions)
    fine_grids = {p.manifest.spacing_mm: _fine_region(p, scan, centre, head_grid) for p in models.fine}
    fine = _ensemble(models.fine, scan, uptake, fine_grids, machine, precisions, on_progress)
    on_progress("decide", 0, 1)
    labels, inside = decide_voxels(fine, scan.geometry, decided.rule)
    if decided.coarse_outside:
        outside = outside_fine(located.coarse, head_grid, inside, scan.geometry)
        labels[~inside] = outside[~inside]
    labels, dropped = without_small_parts(labels, scan.geometry.voxel_ml, decided.smallest_ml)
    alone = (labels > 0) & ~inside
    said += said_of_outside(labels, alone, scan.geometry.voxel_ml)
    failed = float((labels > 0).sum()) * scan.geometry.voxel_ml > _IMPLAUSIBLE_ML
    if failed:
        said.append(f"The outlines exceed {_IMPLAUSIBLE_ML:.0f} ml: the networks do not know such a scan.")
    on_progress("decide", 1, 1)

    def back(array: NDArray) -> Volume:
        return Volume(from_canonical(array, ct.geometry), ct.geometry, Quantity.LABEL)

    nearest = None if pet is None else resample(pet, ct.geometry, interpolation="nearest")
    facts = {
        "head_region_mm": [round(n * s) for n, s in zip(head_grid.shape, head_grid.spacing_mm, strict=True)],
        "fine_centre_lps_mm": None if centre is None else [round(float(c), 1) for c in centre],
        "fine_networks": len(models.fine),
        "small_parts_dropped": dropped,
        "smallest_part_ml": decided.smallest_ml,
        "decision": decided.rule,
        "coarse_outside_kept": decided.coarse_outside,
        "outside_fine_ml": round(float(alone.sum()) * scan.geometry.voxel_ml, 3),
        "pet": pet is not None,
        "alignment": None if located.alignment is None else round(located.alignment.score, 3),
    }
    outlines, lonely = back(labels), back(alone.astype(np.uint8))
    return TargetsResult(outlines, lonely, nearest, tuple(said), precisions, facts, located.alignment, failed)


def head_mask(
    ct: Volume, package: ModelPackage, machine: Machine, on_progress: Stages = ignore_stages
) -> tuple[Volume, Precision]:
    """Keep the largest connected part that the head network finds, on its own grid (stage 1).

    Parameters
    ----------
    ct : Volume, HU
        Scan in canonical orientation.
    """
    grid_shape = tuple(int(n) for n in _region(package)["grid"])
    grid = grid_from_top(ct.geometry, grid_shape, package.manifest.spacing_mm)  # type: ignore[arg-type]
    probabilities, precision = stage_probabilities(
        [package], ct, None, grid, machine, lambda done, total: on_progress("head", done, total)
    )
    found = probabilities.argmax(axis=0) == 1
    # Padding beyond the scan is no head.
    found &= covered(ct.geometry, grid)
    largest = cc3d.largest_k(found.astype(np.uint8), k=1, connectivity=26) > 0
    return Volume(largest.astype(np.uint8), grid, Quantity.LABEL), precision


def tile_weight(package: ModelPackage) -> NDArray[np.float32]:
    """Weigh a tile's voxels as the framework in which the authors run such a network does: nnU-Net, or MONAI."""
    patch = package.manifest.patch
    of_monai = package.manifest.network["kind"] == "segresnet_ds"
    return gaussian_weight(patch, least=MONAI_LEAST) if of_monai else nnunet_weight(patch)


def stage_probabilities(
    packages: Sequence[ModelPackage],
    ct: Volume,
    pet: Volume | None,
    grid: Geometry,
    machine: Machine,
    on_progress: Steps = ignore_steps,
) -> tuple[NDArray[np.float32], Precision]:
    """Average the softmax of several networks with one input rule, class by class, shape (K, d, h, w).

    Parameters
    ----------
    packages : sequence of ModelPackage
        One network is in memory at a time.
    ct, pet : Volume
        Images on their own grids: CT in HU, PET in SUV.
    grid : Geometry
        Region, at the networks' spacing.
    """
    first = packages[0].manifest
    region, rule = _region(packages[0]), ChannelRule.of(first.preprocessing["input"])
    how, source_mm = str(region["interpolation"]), region.get("source_mm")
    ct = through_spacing(ct, source_mm, rule)
    pet = None if pet is None else through_spacing(pet, source_mm, rule)
    hu = resample(ct, grid, interpolation=how, outside=AIR_HU).array
    suv = None
    if pet is not None and "pet" in rule.channels:
        suv = on_ct(pet, grid, interpolation=how).array
    image = network_channels(hu, suv, rule)
    # As in training. Packages that do not say were trained on cubes wider than the patch, and nnU-Net fills with zeros,
    # which after z-scores are the mean.
    beyond = region.get("beyond", "zeros" if rule.zscore else "edge")
    padding: Literal["constant", "edge"] = "constant" if beyond == "zeros" else "edge"
    mean = np.zeros((len(first.labels), *grid.shape), np.float32)
    precision: Precision = "f32"
    for number, package in enumerate(packages):
        shape = (1, len(rule.channels), *first.patch)
        runtime = load_runtime(
            package, [shape], device=machine.device, precision=machine.precision, cache=machine.cache
        )
        run = mirrored(runtime.run, region["mirror_axes"]) if region["mirror_axes"] else runtime.run

        def tell(done: int, total: int, before: int = number) -> None:
            on_progress(before * total + done, len(packages) * total)

        tiling = Tiling(first.patch, float(region["step"]), tile_weight(package), padding)
        logits = predict_tiles(image, [run], tiling, outputs=len(first.labels), on_progress=tell)
        mean += softmax(logits, axis=0) / len(packages)
        precision = runtime.precision
    return mean, precision


def _region(package: ModelPackage) -> dict[str, Any]:
    try:
        region: dict[str, Any] = package.manifest.preprocessing["region"]
    except KeyError as error:
        raise ModelUnusableError(
            f"Model {package.manifest.name!r} does not say its region.", "Make it again with `hyoid train`."
        ) from error
    return region


def _head_region(head: Volume, ct: Volume, coarse: ModelPackage) -> tuple[Geometry, list[str]]:
    """Grid of the coarse stage over the head that was found, or over the whole scan."""
    box, margin_mm = bounding_box(head.array > 0), float(_region(coarse)["margin_mm"])
    spacing = coarse.manifest.spacing_mm
    if box is not None:
        return grid_over(head.geometry, box, ct.geometry, spacing, margin_mm), []
    whole = bounding_box(np.ones(ct.geometry.shape, bool))
    assert whole is not None
    words = "The head network found no head: the whole scan was searched for targets."
    return grid_over(ct.geometry, whole, ct.geometry, spacing, 0.0), [words]


def _check_pet(ct: Volume, pet: Volume, head_grid: Geometry) -> tuple[Alignment, list[str]]:
    """Refuse a PET that covers too little of the head region; compare outlines."""
    region = resample(ct, head_grid, outside=AIR_HU)
    _, cover = require_cover(pet.geometry, region)
    checked = alignment(region, pet)
    return checked, [*cover, *checked.warnings]


def _centre(coarse: NDArray[np.float32], grid: Geometry) -> tuple[NDArray[np.float64] | None, list[str]]:
    """Centroid of the coarse targets, in patient coordinates."""
    voxels = np.argwhere(coarse.argmax(axis=0) > 0)
    if len(voxels):
        return grid.to_lps(voxels.mean(axis=0)), []
    words = "The coarse network found no target: the fine networks searched the whole head region."
    return None, [words]


def _fine_region(
    package: ModelPackage, ct: Volume, centre: NDArray[np.float64] | None, head_grid: Geometry
) -> Geometry:
    """Cube around the coarse targets; without these, the head region at the fine spacing."""
    spacing = package.manifest.spacing_mm
    if centre is None:
        whole = bounding_box(np.ones(head_grid.shape, bool))
        assert whole is not None
        return grid_over(head_grid, whole, ct.geometry, spacing, 0.0)
    d, h, w = (round(float(_region(package)["box_mm"]) / s) for s in spacing)
    return grid_around(ct.geometry, centre, (d, h, w), spacing)


def _ensemble(
    packages: Sequence[ModelPackage],
    ct: Volume,
    pet: Volume | None,
    grids: dict[tuple[float, float, float], Geometry],
    machine: Machine,
    precisions: dict[str, Precision],
    on_progress: Stages,
) -> list[tuple[NDArray[np.float32], Geometry, int]]:
    """Mean probabilities by spacing, each with its grid and number of networks; alike inputs are made once."""
    groups: dict[tuple[Any, ...], list[ModelPackage]] = {}
    for package in packages:
        manifest = package.manifest
        key = (manifest.spacing_mm, manifest.patch, manifest.labels, str(manifest.preprocessing))
        groups.setdefault(key, []).append(package)
    sums: dict[tuple[float, float, float], tuple[NDArray[np.float32], int]] = {}
    done_before = 0
    for members in groups.values():
        spacing, start = members[0].manifest.spacing_mm, done_before

        def tell(done: int, total: int, start: int = start, size: int = len(members)) -> None:
            on_progress("fine", round(100 * (start + size * done / total)), 100 * len(packages))

        mean, precision = stage_probabilities(members, ct, pet, grids[spacing], machine, tell)
        for package in members:
            precisions[package.manifest.name] = precision
        total, count = sums.get(spacing, (np.zeros_like(mean), 0))
        sums[spacing] = (total + mean * len(members), count + len(members))
        done_before += len(members)
    return [((t / np.float32(n)).astype(np.float32), grids[s], n) for s, (t, n) in sums.items()]
