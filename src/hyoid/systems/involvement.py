"""What a classifier of involvement sees of a scan, and what it answers.

::

    CT, organ map, tumour map --> one coarse grid around the organs --> SGRNet --> probability and attention per field
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from hyoid.anatomy.involvement import overlap_fields
from hyoid.geometry.resample import resample
from hyoid.inference.runtime import Precision, load_runtime
from hyoid.inference.segment import Logits
from hyoid.io.packages.model_package import NOT_STATED, VIRTUAL_ONLY, Manifest, ModelPackage
from hyoid.io.reader_masks import PRIMARY
from hyoid.models.variants import ATTENDING
from hyoid.preprocess.fixed_grid import centred
from hyoid.preprocess.heatmap import cuboids, gaussian_heatmap
from hyoid.preprocess.intensity import normalised_window, unit_window
from hyoid.preprocess.network_grid import body_on_grid
from hyoid.progress import Stages, ignore_stages
from hyoid.report.content.scene import Involvement
from hyoid.report.pages.attention import Attention
from hyoid.systems.machine import Machine
from hyoid.volume import AIR_HU, Geometry, Quantity, Volume

MEANING = "coverage of more than {share:.0%} of the structure by the high-dose target"
PLACE = "where the network takes it to lie, brighter inside the tumour outline"
OVERLAP = "overlap of the tumour with the structure"
REPORTED = "involvement as radiologists' reports state it"
SUB_SITES = "Sub-sites are predicted from where the tumour outline lies among the organs, by a network that {teachers}."
TEACHERS = {
    VIRTUAL_ONLY: "only virtual patients have taught",
    NOT_STATED: "does not state who taught it",
    "": "real patients have taught",
}
NO_ORGANS = "No organ was found near the tumour, so involvement was not predicted."
_LEAST_SEEN = 0.5  # of an outline: a small one gains or loses a third of its volume on a coarse grid


@dataclass(frozen=True, eq=False)
class Classified:
    """Answers of SGRNet for one scan.

    Parameters
    ----------
    answers : dict of str to Involvement
        Answer for each field; empty without an organ.
    attention : Attention or None
        Where the network looked; None for variants without attention.
    precision : str
        Arithmetic that was used, "f32" or "bf16".
    warnings : tuple of str
        What a reader must know of the answers, or why there are none.
    """

    answers: dict[str, Involvement]
    attention: Attention | None
    precision: Precision
    warnings: tuple[str, ...] = ()


class ClassifierInputs(NamedTuple):
    """What SGRNet sees: normalised CT, organ labels, heatmap 0..1, each (D, H, W), and their grid."""

    ct: NDArray[np.float32]
    organs: NDArray[np.uint8]
    heatmap: NDArray[np.float32]
    geometry: Geometry


def classifier_inputs(
    ct: Volume,
    organs: Volume,
    tumour: Volume,
    spacing_mm: tuple[float, float, float],
    shape: tuple[int, int, int],
    constants: dict,
) -> ClassifierInputs | None:
    """Prepare CT, organ map and heatmap as SGRNet sees them; None without an organ.

    Parameters
    ----------
    ct, organs : Volume
        Canonical scan and organ labels on the same grid.
    tumour : Volume
        Probability of tumour, on any grid: `target_map`, or `outlined`.
    spacing_mm : (slice, row, column)
        Voxel spacing of SGRNet's grid.
    shape : (D, H, W)
        Voxels of SGRNet's grid.
    constants : dict
        `window_hu`, `values`, `heatmap`, `threshold`, `min_volume_ml`, `sigma_per_extent`.
    """
    body = body_on_grid(ct, spacing_mm)
    coarse_organs = resample(organs, body.geometry)
    voxels = np.argwhere(coarse_organs.array)
    if not len(voxels):
        return None
    if constants["heatmap"] == "gaussian":
        limits = {name: constants[name] for name in ("threshold", "min_volume_ml")}
        boxes = cuboids(tumour.array, tumour.geometry.spacing_mm, **limits)
        shape_there, sigma = tumour.geometry.shape, constants["sigma_per_extent"]
        tumour = tumour.with_array(gaussian_heatmap(shape_there, boxes, sigma_per_extent=sigma))
    heatmap = resample(tumour, body.geometry)
    centre = body.geometry.to_lps(voxels.mean(axis=0))
    scaled = unit_window if constants["values"] == "unit" else normalised_window
    coarse_ct = centred(body, centre, shape, outside=AIR_HU)
    return ClassifierInputs(
        scaled(coarse_ct.array, tuple(constants["window_hu"])),
        centred(coarse_organs, centre, shape, outside=0).array.astype(np.uint8),
        centred(heatmap, centre, shape, outside=0).array,
        coarse_ct.geometry,
    )


def classify(
    ct: Volume,
    organs: Volume,
    tumour: Volume,
    package: ModelPackage,
    machine: Machine,
    on_progress: Stages = ignore_stages,
    *,
    least_seen: float = 0.0,
) -> Classified:
    """Classify every field the package was trained for, and map its attention; no answers without an organ.

    Parameters
    ----------
    ct, organs : Volume
        Canonical scan and organ labels on the same grid.
    tumour : Volume
        What the package was trained with: `target_map`, or `outlined` of the primary.
    package : ModelPackage
        Network that answers involvement.
    machine : Machine
        Device, precision and folder for compiled graphs.
    least_seen : float
        Nothing is answered either when less than this share of the tumour lies on the network's grid.
    """
    manifest = package.manifest
    on_progress("involvement", 0, 1)
    arrays = classifier_inputs(ct, organs, tumour, manifest.spacing_mm, manifest.patch, manifest.preprocessing)
    if arrays is None or _seen_share(arrays, tumour) < least_seen:
        on_progress("involvement", 1, 1)
        return Classified({}, None, "f32", (NO_ORGANS,))
    package, attends = explaining(package)
    shape = (1, 1, *manifest.patch)
    runtime = load_runtime(
        package, [shape] * 3, device=machine.device, precision=machine.precision, cache=machine.cache
    )
    # Organs that were not outlined when the classifier learned mean nothing to it.
    organ_map = np.where(arrays.organs <= manifest.network["organ_labels"], arrays.organs, 0)
    views = [a[None, None].astype(np.float32) for a in (arrays.ct, organ_map, arrays.heatmap)]
    attention = None
    if attends and runtime.run_all is not None:
        logits, maps = (output[0] for output in runtime.run_all(*views))
        every = attention_maps(maps, manifest.labels, arrays.geometry)
        attention = replace(every, maps={name: every.maps[name] for name in manifest.supported})
    else:
        logits = runtime.run(*views)[0]
    meaning = MEANING.format(share=manifest.preprocessing["involvement_share"])
    rule = manifest.preprocessing.get("organ_rule", "target")
    overlaps, involved = overlap_fields(manifest.labels, rule), REPORTED if rule == "report" else OVERLAP
    answers = {
        name: Involvement(
            float(expit(logit / manifest.temperatures.get(name, 1.0))),
            manifest.thresholds.get(name, 0.5),
            involved if name in overlaps else meaning,
            manifest.equivocal.get(name),
            manifest.learned_from.words(name),
        )
        for name, logit in zip(manifest.labels, logits, strict=True)
        if name in manifest.supported
    }
    on_progress("involvement", 1, 1)
    return Classified(answers, attention, runtime.precision)


def classify_outlined(
    ct: Volume,
    organs: Volume,
    lesions: Volume,
    package: ModelPackage,
    machine: Machine,
    on_progress: Stages = ignore_stages,
) -> Classified | None:
    """Classify which lines of the template an outlined primary overlaps; None without a primary.

    A primary that lies mostly beyond the organs that were found is not answered for.
    Attention is kept of the lines that are not answered with no: the others are many, and nothing is there.

    Parameters
    ----------
    ct, organs, lesions : Volume
        Canonical scan, organ labels, and lesion labels (1 primary, 2 nodes), on one grid.
    package : ModelPackage
        Trained with `heatmap: outline`.
    machine : Machine
        Device, precision and folder for compiled graphs.
    """
    primary = lesions.with_array((lesions.array == PRIMARY).astype(np.uint8))
    if not primary.array.any():
        return None
    found = classify(ct, organs, outlined(primary), package, machine, on_progress, least_seen=_LEAST_SEEN)
    if not found.answers:
        return found
    maps = found.attention.maps if found.attention is not None else {}
    shown = {name: m for name, m in maps.items() if found.answers[name].answer != "no"}
    attention = Attention(shown, shared=False, words=PLACE) if shown else None
    return replace(found, attention=attention, warnings=(sub_sites_warning(package.manifest),))


def sub_sites_warning(manifest: Manifest) -> str:
    """Say how predicted sub-sites came about, and who taught the network that predicts them.

    Parameters
    ----------
    manifest : Manifest
        Of the package that answers for sub-sites; one field that virtual patients alone taught speaks for all.
    """
    found = {manifest.learned_from.words(name) for name in manifest.supported}
    return SUB_SITES.format(teachers=next(words for name, words in TEACHERS.items() if name in found or not name))


def target_map(logits: Logits) -> Volume:
    """Turn logits into the probability of the high-dose target region, on the tumour network's grid."""
    return Volume(logits.probability("target_region"), logits.geometry, Quantity.PROBABILITY)


def outlined(mask: Volume) -> Volume:
    """Turn an outline into a probability map: 1 inside, 0 outside."""
    return Volume((mask.array > 0).astype(np.float32), mask.geometry, Quantity.PROBABILITY)


def explaining(package: ModelPackage) -> tuple[ModelPackage, bool]:
    """Add attention as a second output to a package whose network has one; tell whether that was possible."""
    network = package.manifest.network
    if network.get("variant") not in ATTENDING:
        return package, False
    explained = package.manifest.model_copy(update={"network": network | {"kind": "sgrnet_explained"}})
    return replace(package, manifest=explained), True


def attention_maps(maps: NDArray[np.float32], fields: Sequence[str], grid: Geometry) -> Attention:
    """Place attention in the patient, by field: a cell of the coarse map covers its share of the network's grid.

    Parameters
    ----------
    maps : ndarray, shape (1 or N, d, h, w)
        One for all fields, or one for each.
    fields : sequence of str, length N
        Labels in the order of `maps`, or of all that share one map.
    grid : Geometry
        Grid of the network's input, (D, H, W).
    """
    size = maps.shape[1:]
    per_cell = np.array(grid.shape) / np.array(size)
    matrix = grid.ijk_to_lps.copy()
    matrix[:3, :3] *= per_cell
    matrix[:3, 3] = grid.to_lps((per_cell - 1) / 2)
    coarse = Geometry(size, matrix, grid.frame_of_reference_uid)
    volumes = [Volume(m, coarse, Quantity.ATTENTION) for m in maps]
    shared = len(volumes) == 1 and len(fields) != 1
    return Attention(dict(zip(fields, volumes * len(fields) if shared else volumes, strict=True)), shared)


def _seen_share(arrays: ClassifierInputs, tumour: Volume) -> float:
    """Share of a tumour map that lies on the network's grid."""
    here = float(arrays.heatmap.sum()) * arrays.geometry.voxel_ml
    return here / max(float(tumour.array.sum()) * tumour.geometry.voxel_ml, 1e-9)
