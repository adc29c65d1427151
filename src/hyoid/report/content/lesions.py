"""Every lesion as one row of the report: what it was outlined as, what it is taken for, its measurements."""

from __future__ import annotations

import numpy as np

from hyoid.anatomy.structures import BY_NAME
from hyoid.geometry.orientation import to_canonical
from hyoid.metrics.uptake import measure_uptake
from hyoid.report.content.contact import contacts_of
from hyoid.report.content.levels import level_of_node
from hyoid.report.content.patches import region
from hyoid.report.content.primary import place_of
from hyoid.report.content.scene import Mass, ReportInputs, Scene
from hyoid.report.content.schema import Lesion, Uptake


def lesion_rows(scene: Scene, inputs: ReportInputs) -> tuple[Lesion, ...]:
    """One row per lesion: the index lesion, further foci, nodes, foci outside the neck, the predicted target.

    Parameters
    ----------
    scene : Scene
    inputs : ReportInputs
    """
    suv = None if inputs.pet is None else to_canonical(inputs.pet).array
    return tuple(_row(mass, scene, inputs, suv) for mass in scene.masses)


def _row(mass: Mass, scene: Scene, inputs: ReportInputs, suv: np.ndarray | None) -> Lesion:
    look = region(mass.patch, scene.geometry)
    is_target = mass.role == "target region"
    taken = None
    if suv is not None and not is_target:
        found = measure_uptake(suv[mass.patch.box.slices], mass.patch.mask, scene.geometry.voxel_ml)
        taken = None if found is None else Uptake(**{k: round(v, 3) for k, v in vars(found).items()})
    in_neck = mass.role in ("index lesion", "further focus", "node")
    site = place_of(scene, mass.patch)[0] if mass.role in ("index lesion", "further focus") else mass.place
    level = level_of_node(mass.patch, scene.landmarks) if mass.role == "node" else None
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
        missing_landmarks=() if level is None else tuple(_words(name) for name in level.missing),
        contacts=contacts_of(mass, scene.organs, scene) if in_neck else (),
        voxels=mass.row.voxels,
        slice_index=look.slice_index,
        point_lps_mm=look.point_lps_mm,
        centroid_lps_mm=look.centroid_lps_mm,
        uptake=taken,
    )


def _words(landmark: str) -> str:
    """A landmark as a reader writes it, within a sentence."""
    words = BY_NAME[landmark].words
    return words[0].lower() + words[1:]
