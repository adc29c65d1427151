"""Mid-treatment MR (gradient map): pre MR + its outlines + mid MR -> GTVp and GTVn now -> response.

::

    pre MR ------+-- rigid, convexAdam --> outlines on mid --> boxes --+
    pre outlines +                              |                      +--> gradient map --+
    mid MR -------------------------------------+----------------------+                   +--> networks, mean of folds
                                                |                       +--> T2w ----------+              |
                                                |                                                         v
                                                +--> where each lesion was --------> is it still there? labels, response

With input that is registered already, the first step is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hyoid.errors import GeometryError, ModelUnusableError, UnsuitableScanError
from hyoid.geometry.orientation import to_canonical
from hyoid.geometry.spline_resize import along
from hyoid.inference.export import interpolation_matrix, labels_from_logits
from hyoid.inference.runtime import Precision, load_runtime
from hyoid.inference.sliding_window import Tiling, predict_tiles
from hyoid.io.packages.model_package import ModelPackage
from hyoid.io.packages.nnunet_source import NnunetSource, Source
from hyoid.metrics.lesions import longest_axial_mm
from hyoid.metrics.presence import PresenceCurve, evidence_of
from hyoid.metrics.response import DEFINITION, follow, numbered_lesions, responses
from hyoid.preprocess.gradient_map import PresetName, TumourBox
from hyoid.preprocess.midrt_gate import check_mr, check_registration, places_in_view, unseen_lesions
from hyoid.preprocess.midrt_input import InputForm, Scene, channels_of, gradient_volume, scene_of, volumes_of
from hyoid.preprocess.registration import Quality, Registration, carry, register
from hyoid.progress import Stages, ignore_stages
from hyoid.report.content.response import ResponseReport, impression_of
from hyoid.systems.machine import Machine
from hyoid.systems.midrt.report import doubts, facts, measured, registration_line, response_line, structures
from hyoid.systems.organs import model_use, predict_by_folder, probability_of
from hyoid.volume import Geometry, Quantity, Volume

REACH_MM = 10.0  # how far from where it was a lesion is still looked for, and taken for the same one
_CLASSES = (1, 2)  # GTVp, GTVn


@dataclass(frozen=True, eq=False)
class Pair:
    """Both scans and the earlier outlines, every volume in canonical orientation.

    Parameters
    ----------
    pre, mid : Volume, MR
        T2w scans before and in the middle of radiotherapy.
    outlines : Volume, LABEL
        1 GTVp, 2 GTVn on the grid of `pre`.
    carried : Volume, LABEL, optional
        The outlines on the grid of `mid`, when somebody registered them before; then `pre` may be None or lie on the
        grid of `mid`.
    warnings : tuple of str
        What was noticed while reading.
    """

    pre: Volume
    outlines: Volume
    mid: Volume
    carried: Volume | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Prior:
    """What is known on the mid grid before any network runs.

    Parameters
    ----------
    pre, outlines : Volume
        Image and outlines from before, on the grid of mid.
    numbers : ndarray of int, shape (D, H, W)
        Lesion numbers of the outlines.
    label_of : tuple of int
        Label (1 GTVp, 2 GTVn) of lesion 1, 2, ...
    before_ml : tuple of float
        Volume of every lesion on the pre-treatment scan itself.
    registration : Registration or None
        Field that carries the earlier scan onto mid; None where outlines came registered.
    quality : Quality or None
        Measures of that registration; None where outlines came registered.
    shown : tuple of float
        Share of each lesion in the field of view of mid; empty where the registration was done elsewhere.
    before_long_mm : tuple of float
        Longest axial diameter of the first of these lesions on the pre-treatment scan; empty where not measured.
    """

    pre: Volume
    outlines: Volume
    numbers: NDArray[np.uint16]
    label_of: tuple[int, ...]
    before_ml: tuple[float, ...]
    registration: Registration | None
    quality: Quality | None
    shown: tuple[float, ...] = ()
    before_long_mm: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class MidrtResult:
    """Targets, volumes and report of a run, on the canonical grid of the mid scan.

    Parameters
    ----------
    report : ResponseReport
        Response of every lesion, measurements and warnings.
    mid, pre, gradient : Volume
        The scan, the earlier one carried onto it, the gradient map.
    targets : Volume, LABEL
        Tumour in mid-treatment: 1 GTVp, 2 GTVn.
    labels, pre_labels : Volume
        GTVp and GTVn now and before, for pictures (labels of `hyoid.anatomy.structures`).
    boxes : tuple of TumourBox
        Boxes around the earlier components, within which the gradient map is kept.
    probability : dict of int to ndarray
        Probability of GTVp (key 1) and GTVn (key 2) at every voxel.
    precisions : dict of str to str
        Arithmetic of each network that ran.
    prior : Prior
        Earlier lesions on the grid of the mid scan, numbered as the lines of the response.
    """

    report: ResponseReport
    mid: Volume
    pre: Volume
    gradient: Volume
    targets: Volume
    labels: Volume
    pre_labels: Volume
    boxes: tuple[TumourBox, ...]
    probability: dict[int, NDArray[np.float32]]
    precisions: dict[str, Precision]
    prior: Prior


def midrt(
    pair: Pair,
    packages: Sequence[Source],
    machine: Machine,
    on_progress: Stages = ignore_stages,
) -> MidrtResult:
    """Outline GTVp and GTVn on the mid-treatment MR, and tell what became of every lesion.

    Parameters
    ----------
    pair : Pair
        Both scans and the outlines before treatment.
    packages : sequence of ModelPackage or NnunetSource
        One, or one per fold, or several kinds; their probabilities are averaged.
    machine : Machine
        Device, precision and folder for compiled graphs.
    on_progress : callable
        Called with (stage, steps done, steps in all).

    Raises
    ------
    UnsuitableScanError
        When an image is no MR of a neck, the two are not of one patient, or no outline lies in the mid scan.
    ModelUnusableError
        When the packages see different inputs or are of another task.
    """
    preset = gradient_preset(packages)
    on_progress("check", 0, 1)
    warnings = [*pair.warnings, *check_mr(pair.mid, "mid")]
    if pair.carried is None:
        warnings += check_mr(pair.pre, "pre")
    on_progress("check", 1, 1)

    prior = prior_of(pair, on_progress)
    if prior.quality is not None:
        warnings += check_registration(prior.quality)
    unseen = unseen_lesions(prior.shown)

    on_progress("gradient", 0, 1)
    gradient, boxes = gradient_volume(pair.mid, prior.outlines, preset)
    on_progress("gradient", 1, 1)

    outlined, fine, precisions = outlined_now(pair, prior, gradient, packages, machine, on_progress)
    on_progress("response", 0, 1)
    curve, removes = presence_curve(packages[0]), removes_lesions(packages[0])
    labels, followed, present = decide(outlined, fine, prior, curve, pair.mid, removes=removes)
    covered = np.zeros(labels.shape, bool)
    for box in boxes:
        covered[box.box.slices] = True
    rows = responses(prior.before_ml, prior.label_of, followed, labels, pair.mid.geometry.voxel_ml, outside=~covered)
    lines = tuple(
        response_line(
            n,
            row,
            prior.numbers,
            followed,
            pair.mid,
            present,
            unseen,
            before_long_mm=prior.before_long_mm[n - 1] if n <= len(prior.before_long_mm) else None,
        )
        for n, row in enumerate(rows, start=1)
    )
    found = pair.mid.with_array(labels, Quantity.LABEL)
    empty = not labels.any()
    report = ResponseReport(
        impression=impression_of(lines),
        definition=DEFINITION,
        pre=facts(pair.pre),
        mid=facts(pair.mid),
        registration=registration_line(prior.quality),
        gradient=preset,
        models=tuple(model_use(package.manifest) for package in packages),
        response=lines,
        lesions=measured(found, pair.mid),
        warnings=tuple(dict.fromkeys([*warnings, *doubts(rows, lines, curve, packages, empty=empty)])),
        empty=empty,
    )
    on_progress("response", 1, 1)
    return MidrtResult(
        report,
        pair.mid,
        prior.pre,
        gradient,
        found,
        structures(found),
        structures(prior.outlines),
        boxes,
        fine,
        precisions,
        prior,
    )


def prior_of(pair: Pair, on_progress: Stages = ignore_stages) -> Prior:
    """Carry outlines and image from before onto the grid of mid, lesion by lesion.

    Raises
    ------
    UnsuitableScanError
        When nothing is outlined, or no outline lies in the mid scan.
    GeometryError
        When outlines said to be registered lie on another grid than mid.
    """
    outlines = pair.outlines.require(Quantity.LABEL)
    if not outlines.array.any():
        raise UnsuitableScanError(
            "Nothing is outlined before treatment.",
            "Give the pre-treatment GTVp and GTVn; without them there is no map.",
        )
    before = numbered_lesions(outlines.array)
    first = np.unique(before, return_index=True)[1][-int(before.max()) :]
    label_of = tuple(int(v) for v in outlines.array.ravel()[first])
    before_ml = tuple((np.bincount(before.ravel())[1:] * outlines.geometry.voxel_ml).tolist())
    before_long_mm = tuple(
        round(longest_axial_mm(before[box] == n, outlines.geometry), 2)
        for n, box in enumerate(ndimage.find_objects(before.astype(np.int32)), start=1)
    )
    numbered = outlines.with_array(before)
    if pair.carried is not None:
        if not pair.carried.geometry.same_grid(pair.mid.geometry):
            raise GeometryError(
                "The outlines said to be registered lie on another grid than the mid-treatment MR.",
                "Leave --registered out, or give outlines on its grid.",
            )
        numbers = _numbers_of_carried(pair.carried.array, label_of)
        label_of, before_ml = _with_extra(numbers, pair.carried, label_of, before_ml)
        pre = pair.pre if pair.pre.geometry.same_grid(pair.mid.geometry) else pair.mid.with_array(pair.mid.array * 0)
        return Prior(pre, pair.carried, numbers, label_of, before_ml, None, None, before_long_mm=before_long_mm)
    registration, quality = register(
        pair.pre, pair.mid, on_progress=lambda done, total: on_progress("register", done, total)
    )
    carried = carry(numbered, registration, pair.mid.geometry)
    places = places_in_view(numbered, registration, pair.mid.geometry)
    for number, (_, voxels) in enumerate(places, start=1):
        if not (carried.array == number).any():
            # Nearest neighbour can miss a lesion of a few voxels; without a place it would be called vanished unseen.
            carried.array[tuple(voxels.T)] = number
    if not carried.array.any():
        raise UnsuitableScanError(
            "No outline from before lies in the field of view of the mid-treatment MR.",
            "Give the series that shows the tumour region.",
        )
    lookup = np.array([0, *label_of], np.uint8)
    labels = carried.with_array(lookup[carried.array])
    return Prior(
        carry(pair.pre, registration, pair.mid.geometry),
        labels,
        carried.array.astype(np.uint16),
        label_of,
        before_ml,
        registration,
        quality,
        tuple(share for share, _ in places),
        before_long_mm,
    )


def outlined_now(
    pair: Pair,
    prior: Prior,
    gradient: Volume,
    sources: Sequence[Source],
    machine: Machine,
    on_progress: Stages = ignore_stages,
) -> tuple[NDArray[np.uint8], dict[int, NDArray[np.float32]], dict[str, Precision]]:
    """Choose the most probable class at every voxel of mid, by the mean of all networks.

    Parameters
    ----------
    pair : Pair
        Both scans.
    prior : Prior
        Earlier scan and outlines on the grid of mid.
    gradient : Volume
        Gradient map on the grid of mid.
    sources : sequence of ModelPackage or NnunetSource
        Packages see the scene on their own grid; nnU-Net folders are given images on the grid of mid.
    machine : Machine
        Device, precision and folder for compiled graphs.

    Returns
    -------
    labels : ndarray, shape (D, H, W)
        1 GTVp, 2 GTVn.
    probability : dict of int to ndarray
        Of GTVp (1) and GTVn (2) at every voxel of mid.
    precisions : dict of str to str
        Arithmetic of each network.
    """
    packages = [source for source in sources if isinstance(source, ModelPackage)]
    folders = [source for source in sources if isinstance(source, NnunetSource)]
    precisions: dict[str, Precision] = {}
    fine = {label: np.zeros(pair.mid.array.shape, np.float32) for label in _CLASSES}
    if packages:
        form = input_form(packages)
        scene = scene_of(pair.mid, form)
        channels = channels_of(scene, form, gradient, prior.outlines)
        probability, precisions = mean_probability(channels, packages, machine, on_progress)
        fine = {label: on_grid(probability[label], scene.geometry, pair.mid) for label in _CLASSES}
        if not folders:
            return labels_of(probability, scene, pair.mid), fine, precisions
    fine = {label: values * np.float32(len(packages)) for label, values in fine.items()}
    for folder in folders:
        found, used = folder_probability(pair, prior, gradient, folder, machine, on_progress)
        precisions[folder.manifest.name] = used
        fine = {label: values + found[label] for label, values in fine.items()}
    fine = {label: values / np.float32(len(sources)) for label, values in fine.items()}
    classes = np.stack([1 - fine[1] - fine[2], fine[1], fine[2]])
    return classes.argmax(axis=0).astype(np.uint8), fine, precisions


def folder_probability(
    pair: Pair,
    prior: Prior,
    gradient: Volume,
    source: NnunetSource,
    machine: Machine,
    on_progress: Stages = ignore_stages,
) -> tuple[dict[int, NDArray[np.float32]], Precision]:
    """Compute the probability of GTVp (1) and GTVn (2) on the grid of mid by an nnU-Net folder; return its arithmetic.

    Raises
    ------
    UnsuitableScanError
        When the network sees the earlier scan, and that does not lie on the grid of mid.
    """
    at_hand = pair.carried is None or pair.pre.geometry.same_grid(pair.mid.geometry)
    channels = source.manifest.preprocessing["channels"]
    done = predict_by_folder(
        source,
        volumes_of(channels, pair.mid, prior.pre if at_hand else None, prior.outlines, gradient),
        machine,
        lambda stage, done, total: on_progress(f"{source.manifest.name}, {stage}", done, total),
        probabilities=True,
    )
    assert done.probabilities is not None
    found = {}
    for label, name in zip(_CLASSES, ("gtvp", "gtvn"), strict=True):
        found[label] = probability_of(done.probabilities, source, [name])
    return found, done.precision


def gradient_preset(sources: Sequence[Source]) -> PresetName:
    """Read the preset of the gradient map that all networks share.

    Raises
    ------
    ModelUnusableError
        When a network is of another system, or they see different maps.
    """
    found: dict[PresetName, str] = {}
    for source in sources:
        manifest = source.manifest
        if "gradient" not in manifest.preprocessing or not {"gtvp", "gtvn"} <= set(manifest.labels):
            raise ModelUnusableError(
                f"Model {manifest.name!r} is no mid-treatment model.", "Train one with `hyoid train midrt`."
            )
        found[manifest.preprocessing["gradient"]] = manifest.name
    if len(found) != 1:
        said = ", ".join(f"{name!r} {preset}" for preset, name in found.items())
        raise ModelUnusableError(
            f"The networks see different gradient maps: {said}.", "Give networks of one preset, or state `gradient`."
        )
    return next(iter(found))


def input_form(packages: Sequence[ModelPackage]) -> InputForm:
    """Read the input form that all networks share.

    Raises
    ------
    ModelUnusableError
        When a package is of another system, or they differ.
    """
    forms = set()
    for package in packages:
        manifest, constants = package.manifest, package.manifest.preprocessing
        if "gradient" not in constants or manifest.labels != ("background", "gtvp", "gtvn"):
            raise ModelUnusableError(
                f"Model {manifest.name!r} is no mid-treatment model.", "Train one with `hyoid train midrt`."
            )
        channels = tuple(constants["channels"])
        forms.add(
            InputForm(
                channels, constants["gradient"], manifest.spacing_mm, constants["zscore"], constants["zscore_map"]
            )
        )
    if len(forms) != 1:
        raise ModelUnusableError("The models of the ensemble see different inputs.", "Give folds of one recipe.")
    return forms.pop()


def presence_curve(package: Source) -> PresenceCurve | None:
    """Read the presence curve (`hyoid.metrics.presence`) that the package carries."""
    constants = package.manifest.preprocessing.get("presence")
    return PresenceCurve(**constants) if constants else None


def removes_lesions(package: Source) -> bool:
    """Tell whether vanished lesions and new specks are removed behind a package's network."""
    return package.manifest.preprocessing.get("postprocessing", "presence") != "none"


def mean_probability(
    channels: NDArray[np.float32],
    packages: Sequence[ModelPackage],
    machine: Machine,
    on_progress: Stages = ignore_stages,
) -> tuple[NDArray[np.float32], dict[str, Precision]]:
    """Average class probabilities (3, d, h, w) over the networks; return also the arithmetic of each."""
    total = np.zeros((3, *channels.shape[1:]), np.float32)
    precisions: dict[str, Precision] = {}
    for number, package in enumerate(packages):
        patch = package.manifest.patch
        runtime = load_runtime(
            package,
            [(1, len(channels), *patch)],
            device=machine.device,
            precision=machine.precision,
            cache=machine.cache,
        )
        precisions[package.manifest.name] = runtime.precision

        def told(done: int, of: int, number: int = number) -> None:
            on_progress("tiles", number * of + done, len(packages) * of)

        logits = predict_tiles(channels, [runtime.run], Tiling(patch), outputs=3, on_progress=told)
        logits -= logits.max(axis=0)
        np.exp(logits, out=logits)
        total += logits / logits.sum(axis=0)
    total /= len(packages)
    return total, precisions


def labels_of(probability: NDArray[np.float32], scene: Scene, mid: Volume) -> NDArray[np.uint8]:
    """Choose the most probable class at every voxel of mid."""
    p = np.log(np.clip(probability, 1e-6, 1))
    # How far a class leads the best other one: interpolated, its zero is the border between both.
    leads = np.stack([p[k] - np.delete(p, k, axis=0).max(axis=0) for k in (1, 2)])
    return labels_from_logits(leads, scene.geometry, mid.geometry, [1, 2]).array


def decide(
    outlined: NDArray[np.uint8],
    probability: dict[int, NDArray[np.float32]],
    prior: Prior,
    curve: PresenceCurve | None,
    mid: Volume,
    *,
    removes: bool = True,
) -> tuple[NDArray[np.uint8], NDArray[np.uint16], dict[int, float]]:
    """Follow every lesion and remove those that vanished; new lesions need more evidence to stay.

    Without `removes` every voxel stays as the networks said, as in the paper.

    Returns
    -------
    labels : ndarray, shape (D, H, W)
    followed : ndarray, shape (D, H, W)
        Lesion number of every tumour voxel, new ones numbered on.
    present : dict of int to float
        Calibrated probability per earlier lesion; empty without a curve.
    """
    spacing, voxel_ml = mid.geometry.spacing_mm, mid.geometry.voxel_ml
    labels = outlined.copy()
    followed = follow(prior.numbers, prior.label_of, labels, spacing, reach_mm=REACH_MM)
    if not removes:
        return labels, followed, {}
    present = {}
    for number, label in enumerate(prior.label_of if curve else (), start=1):
        assert curve is not None
        # Where it was, and what was found and taken for it: growth beyond the old outline counts as evidence.
        where = (prior.numbers == number) | (followed == number)
        evidence = evidence_of(probability[label], where, voxel_ml)
        present[number] = curve.probability(evidence)
        if present[number] < curve.threshold:
            labels[followed == number] = 0
    # Specks are noise whether or not the package was calibrated.
    new = curve or PresenceCurve()
    found = np.array(evidence_of_new(followed, labels, probability, prior, voxel_ml))
    known = len(prior.label_of) + 1
    voxels = np.bincount(followed.ravel(), minlength=known + len(found))[known:]
    speck = (found < new.new_at_least) | (voxels * voxel_ml < new.new_ml)
    labels[np.concatenate([np.zeros(known, bool), speck])[followed]] = 0
    return labels, follow(prior.numbers, prior.label_of, labels, spacing, reach_mm=REACH_MM), present


def evidence_of_new(
    followed: NDArray[np.uint16],
    labels: NDArray[np.uint8],
    probability: dict[int, NDArray[np.float32]],
    prior: Prior,
    voxel_ml: float,
) -> list[float]:
    """Measure the evidence of every new lesion, in the order of their numbers."""
    found = []
    for number, box in enumerate(ndimage.find_objects(followed.astype(np.int32)), start=1):
        if box is not None and number > len(prior.label_of):
            where = followed[box] == number
            found.append(evidence_of(probability[int(labels[box][where][0])][box], where, voxel_ml))
    return found


def on_grid(probability: NDArray[np.float32], geometry: Geometry, mid: Volume) -> NDArray[np.float32]:
    """Interpolate one class's probability linearly to the grid of mid."""
    values = probability
    for axis in range(3):
        values = along(interpolation_matrix(geometry, mid.geometry, axis), values, axis)
    return values


def _numbers_of_carried(carried: NDArray, label_of: tuple[int, ...]) -> NDArray[np.uint16]:
    """Lesion numbers of outlines that were registered elsewhere: largest to largest, label by label."""
    own = numbered_lesions(carried)
    result = np.zeros(carried.shape, np.uint16)
    following = len(label_of)
    for label in sorted({int(v) for v in np.unique(carried) if v}):
        earlier = [n for n, v in enumerate(label_of, start=1) if v == label]
        for position, number in enumerate(int(v) for v in np.unique(own[carried == label])):
            if position >= len(earlier):
                following += 1
            result[own == number] = earlier[position] if position < len(earlier) else following
    return result


def _with_extra(
    numbers: NDArray[np.uint16], carried: Volume, label_of: tuple[int, ...], before_ml: tuple[float, ...]
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Rows for parts into which a registration elsewhere broke an outline; measured where they are."""
    labels, volumes = list(label_of), list(before_ml)
    for number in range(len(label_of) + 1, int(numbers.max()) + 1):
        labels.append(int(carried.array[numbers == number][0]))
        volumes.append(float((numbers == number).sum() * carried.geometry.voxel_ml))
    return tuple(labels), tuple(volumes)


def canonical_pair(pair: Pair) -> Pair:
    """Turn every volume of a pair to canonical orientation."""
    carried = None if pair.carried is None else to_canonical(pair.carried)
    return Pair(to_canonical(pair.pre), to_canonical(pair.outlines), to_canonical(pair.mid), carried, pair.warnings)
