"""Every lesion as one row of the report: what it was outlined as, what it is taken for, its measurements."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hyoid.anatomy.structures import BY_NAME
from hyoid.geometry.orientation import to_canonical
from hyoid.metrics.uptake import measure_uptake
from hyoid.report.content.axes import axial_axes
from hyoid.report.content.contact import contacts_of
from hyoid.report.content.levels import level_of_node
from hyoid.report.content.patches import Patch, region
from hyoid.report.content.primary import place_of
from hyoid.report.content.scene import Mass, ReportInputs, Scene
from hyoid.report.content.schema import Lesion, Uptake
from hyoid.volume import Geometry, Quantity

# Voxels nearer to the outline are mixed with what lies around the node.
_EDGE_MM = 3.0
_LEAST_ML = 0.1
# Enhancing nodal tissue is brighter; fluid and necrosis are darker (10 to 30 HU).
_LOW_HU = 40.0


def lesion_rows(scene: Scene, inputs: ReportInputs) -> tuple[Lesion, ...]:
    """Make one row per lesion: the index lesion, further foci, nodes, foci outside the neck, the predicted target.

    Parameters
    ----------
    scene : Scene
        Organs and lesions on the canonical grid.
    inputs : ReportInputs
        Image and PET for the values inside lesions, and who outlined these.
    """
    suv = None if inputs.pet is None else to_canonical(inputs.pet).array
    image = inputs.image
    hu = to_canonical(image).array if image is not None and image.quantity is Quantity.HU else None
    return tuple(_row(mass, scene, inputs, suv, hu) for mass in scene.masses)


def attenuation_inside(hu: NDArray[np.number], node: Patch, geometry: Geometry) -> str:
    """Say the attenuation inside a node, away from its edge, and how much of it is of low attenuation.

    A measurement, not a verdict: cystic and necrotic nodes, fatty hila and unenhanced scans are all dark.

    Parameters
    ----------
    hu : ndarray, shape (D, H, W)
        HU on the scene's grid.
    node : Patch
        Outline of the node.
    geometry : Geometry
        Grid of the node's outline, for distances in mm.

    Returns
    -------
    str
        Empty where the node is too small to look inside.
    """
    depth = ndimage.distance_transform_edt(np.pad(node.mask, 1), sampling=geometry.spacing_mm)[1:-1, 1:-1, 1:-1]
    inside = depth >= _EDGE_MM
    if int(inside.sum()) * geometry.voxel_ml < _LEAST_ML:
        return ""
    # Averaged over neighbours inside the node alone: noise is not mistaken for low attenuation.
    smooth = ndimage.uniform_filter(np.where(node.mask, hu[node.box.slices], 0).astype(np.float32), 3)
    weight = ndimage.uniform_filter(node.mask.astype(np.float32), 3)
    values = (smooth / np.maximum(weight, 1e-6))[inside]
    return f"attenuation inside {np.median(values):.0f} HU, {(values < _LOW_HU).mean():.0%} below {_LOW_HU:.0f} HU"


def _row(mass: Mass, scene: Scene, inputs: ReportInputs, suv: np.ndarray | None, hu: np.ndarray | None) -> Lesion:
    look = region(mass.patch, scene.geometry)
    is_target = mass.role == "target region"
    taken = None
    if suv is not None and not is_target:
        found = measure_uptake(suv[mass.patch.box.slices], mass.patch.mask, scene.geometry.voxel_ml)
        taken = None if found is None else Uptake(**{k: round(v, 3) for k, v in vars(found).items()})
    in_neck = mass.role in ("index lesion", "further focus", "node")
    site = place_of(scene, mass.patch)[0] if mass.role in ("index lesion", "further focus") else mass.place
    level = level_of_node(mass.patch, scene.landmarks) if mass.role == "node" else None
    # Not at every click: only where pictures are drawn, which show the image.
    axes = (None, None) if inputs.image is None or is_target else axial_axes(mass.patch, scene.geometry)
    return Lesion(
        name=mass.name,
        kind=mass.kind,
        role=mass.role,
        lesion=mass.row.lesion,
        status="model" if is_target else inputs.lesions_status,
        volume_ml=round(mass.row.volume_ml, 4),
        longest_diameter_mm=round(mass.row.longest_diameter_mm, 3),
        axial_long_mm=round(mass.row.axial_long_mm, 3),
        axial_short_mm=round(mass.row.axial_short_mm, 3),
        side=mass.row.side.value,
        site=site,
        level="" if level is None else level.words,
        necrosis=attenuation_inside(hu, mass.patch, scene.geometry) if mass.role == "node" and hu is not None else "",
        missing_landmarks=() if level is None else tuple(_words(name) for name in level.missing),
        landmarks_taken=() if level is None else tuple(_taken(*pair) for pair in level.stand_ins.items()),
        contacts=contacts_of(mass, scene.organs, scene) if in_neck else (),
        voxels=mass.row.voxels,
        slice_index=look.slice_index,
        point_lps_mm=look.point_lps_mm,
        centroid_lps_mm=look.centroid_lps_mm,
        long_axis_lps_mm=axes[0],
        short_axis_lps_mm=axes[1],
        uptake=taken,
    )


def _taken(landmark: str, by: str) -> str:
    """A structure and the landmark that it stands in for; of a pair without the side."""
    words = "thyrohyoid muscles" if by == "thyrohyoid" else _words(by).partition(",")[0]
    return f"{words} for {_words(landmark).partition(',')[0]}"


def _words(landmark: str) -> str:
    """A landmark as a reader writes it, within a sentence."""
    words = BY_NAME[landmark].words
    return words[0].lower() + words[1:]
