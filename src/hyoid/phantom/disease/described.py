"""All lesions of one patient with their looks, and what is true about each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from hyoid.anatomy.subsites import SUBSITE_BY_NAME
from hyoid.phantom.anatomy.canvas import Canvas, Tissue
from hyoid.phantom.anatomy.lattice import Lattice, resample_numbers
from hyoid.phantom.cohort.truth import LesionTruth, longest_diameter_mm
from hyoid.phantom.disease.attributes import Attributes, around, measure_attributes, smoothed
from hyoid.phantom.disease.growth import DrawnNode
from hyoid.phantom.disease.lesion_types import LESION_TYPES, kind_of_primary
from hyoid.phantom.disease.lesions import place_lesions, structures_for
from hyoid.phantom.disease.looks import NODE_SUV, PRIMARY_SUV, Look, Overlay, draw_look
from hyoid.volume import Geometry, Volume


@dataclass(frozen=True, eq=False)
class Disease:
    """Disease that was painted into a patient.

    Parameters
    ----------
    numbers : ndarray
        Lesion numbers on the canvas, from 1.
    site : str
        Sub-site of the primary; empty without one.
    nodes : list of DrawnNode
        Nodes as placed, lesions 2, 3, ... when there is a primary.
    kinds, targets, places : lists of str
        Type, gross tumour volume and place of origin of every lesion.
    looks : list of Look
        Uptake and MR signal of every lesion.
    chosen : list of Attributes
        Empty where attributes were not chosen but follow from the anatomy.
    overlays : list of Overlay
        Attenuation that lesions of chosen types add to the CT; empty for a grown primary and nodes.
    """

    numbers: NDArray[np.uint8]
    site: str = ""
    nodes: list[DrawnNode] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    chosen: list[Attributes] = field(default_factory=list)
    overlays: list[Overlay] = field(default_factory=list)


def with_looks(site: str, numbers: NDArray[np.uint8], nodes: list[DrawnNode], rng: np.random.Generator) -> Disease:
    """Draw uptake and MR signal of a primary and its nodes, which are alike within one patient."""
    first = draw_look(rng, *PRIMARY_SUV)
    likeness = np.sqrt(first.suv / PRIMARY_SUV[0])
    looks = [first, *(draw_look(rng, NODE_SUV[0] * likeness, NODE_SUV[1]) for _ in nodes)]
    return Disease(
        numbers,
        site,
        nodes,
        [
            kind_of_primary(SUBSITE_BY_NAME[site].region),
            *("necrotic_node" if n.necrotic else "solid_node" for n in nodes),
        ],
        ["gtvp", *("gtvn" for _ in nodes)],
        [f"subsite:{site}", *(f"node:{n.level}" for n in nodes)],
        looks,
    )


def draw_types(
    canvas: Canvas,
    kinds: Sequence[str],
    wanted: Attributes | None,
    gap_mm: float,
    voxel_mm: tuple[float, float, float],
    rng: np.random.Generator,
) -> Disease:
    """Draw lesions of chosen types; see `hyoid.phantom.disease.lesions.place_lesions`."""
    numbers, drawn = place_lesions(canvas, kinds, wanted, gap_mm, voxel_mm, rng)
    return Disease(
        numbers,
        kinds=[d.kind.name for d in drawn],
        targets=[d.kind.target for d in drawn],
        places=[d.place for d in drawn],
        looks=[d.look for d in drawn],
        chosen=[d.attributes for d in drawn],
        overlays=[d.overlay for d in drawn],
    )


def describe(
    disease: Disease,
    ct: NDArray[np.int16],
    ids: NDArray[np.uint8],
    tissue: NDArray[np.uint8],
    geometry: Geometry,
    pet: Volume | None,
    lattice: Lattice,
) -> tuple[LesionTruth, ...]:
    """State for every lesion what was chosen and what is measured.

    Parameters
    ----------
    ct, ids : ndarray
        Image and lesion numbers on the output grid.
    tissue : ndarray
        Most frequent tissue of each voxel before there was disease.
    geometry : Geometry
        Output grid.
    pet : Volume, optional
        SUV on its own grid; without a PET no uptake is measured.
    lattice : Lattice
        Lattice of the canvas.
    """
    if not disease.kinds:
        return ()
    muscle_hu, noise_hu = muscle_statistics(ct, (tissue == Tissue.MUSCLE) & (ids == 0), geometry.spacing_mm)
    maxima = _suv_maxima(disease, pet, lattice)
    out = []
    for number, kind in enumerate(disease.kinds, start=1):
        mask = ids == number
        if not mask.any():
            continue
        structures = structures_for(tissue, disease.places[number - 1])
        measured = measure_attributes(ct, mask, structures, muscle_hu, noise_hu, geometry.spacing_mm)
        if disease.chosen:
            chosen = disease.chosen[number - 1]
        else:
            uneven = kind == "necrotic_node"
            chosen = replace(
                measured,
                heterogeneity="heterogeneous" if uneven else "homogeneous",
                surface="well_defined",
            )
        out.append(
            LesionTruth(
                id=number, kind=kind, zero_shot=LESION_TYPES[kind].zero_shot, target=disease.targets[number - 1],
                attributes=chosen, measured=measured,
                volume_ml=round(float(mask.sum()) * geometry.voxel_ml, 4),
                longest_mm=round(longest_diameter_mm(mask, geometry), 1), suv_max=maxima[number - 1],
            )
        )  # fmt: skip
    return tuple(out)


def muscle_statistics(
    ct: NDArray[np.int16], muscle: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> tuple[float, float]:
    """Measure the median of muscle, and the noise left after smoothing as in `measure_attributes`, both HU.

    Noise is the spread among neighbours where muscle is calmest (a quarter of it): fat between fibres, which would pass
    for noise elsewhere, is no part of lesions.
    """
    if not muscle.any():
        return 60.0, 0.0
    middle = around(muscle, spacing_mm, 0.0)
    rows = middle[0]
    third = max(1, (rows.stop - rows.start) // 3)
    part = (slice(rows.start + third, rows.start + 2 * third), *middle[1:])
    inner = ndi.binary_erosion(muscle[part])
    inner = inner if inner.sum() > 50 else muscle[part]
    if not inner.any():
        return float(np.median(ct[muscle])), 0.0
    calm = smoothed(ct[part], spacing_mm)
    mean = ndi.uniform_filter(calm, 3)
    among = np.sqrt(np.maximum(ndi.uniform_filter(calm**2, 3) - mean**2, 0))
    return float(np.median(calm[inner])), float(np.quantile(among[inner], 0.25))


def _suv_maxima(disease: Disease, pet: Volume | None, lattice: Lattice) -> list[float | None]:
    """Highest SUV in each lesion."""
    if pet is None:
        return [None] * len(disease.kinds)
    numbers = resample_numbers(disease.numbers, lattice, Lattice.of_grid(pet.geometry))
    values = ndi.maximum(pet.array, numbers, range(1, len(disease.kinds) + 1))
    return [round(float(v), 2) for v in values]
