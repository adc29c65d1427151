"""From masks, measurements and probabilities to one report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.structures import ORGANS
from hyoid.geometry.orientation import to_canonical
from hyoid.report.content.addendum import addendum_lines
from hyoid.report.content.change import changes_between
from hyoid.report.content.image_findings import ImageFindings, image_findings
from hyoid.report.content.impression import impression
from hyoid.report.content.involvement import Sources, coverage_lines, involvement_lines
from hyoid.report.content.lesions import lesion_rows
from hyoid.report.content.nirads import nirads_lines
from hyoid.report.content.nodes import node_lines
from hyoid.report.content.patches import region
from hyoid.report.content.primary import foci_lines, location_line, size_line
from hyoid.report.content.scene import READER, Involvement, ReportInputs, Scene, made_by, make_scene
from hyoid.report.content.schema import IDENTIFIERS, MissingOrgan, ModelUse, Organ, Report, unanswered_line
from hyoid.report.content.staging import staging_lines
from hyoid.report.content.target import target_lines
from hyoid.report.content.template import FIELDS
from hyoid.report.content.uptake import uptake_lines

__all__ = ["Involvement", "ReportInputs", "build_report"]

SIZES_OF_PREDICTIONS = "Sizes and contacts are measured on predicted outlines and inherit their errors."
OUTSIDE_THE_NECK = "not counted: check the outlines."
"""End of the caution about foci outside the neck."""
TITLES = {
    "CT": "CT of the head and neck",
    "PT/CT": "PET/CT of the head and neck",
    "PT": "PET of the head and neck",
    "MR": "MR of the head and neck",
}


def build_report(inputs: ReportInputs, scene: Scene | None = None) -> Report:
    """Fill the template: every field in order, each with its evidence, or with what keeps it from being assessed.

    Location, size, sub-sites and uptake are those of the index lesion, the largest primary tumour outlined in the neck;
    further foci and foci outside the neck have lines of their own. Involvement is measured where tumour and structure
    are both outlined, else predicted for the outlined index lesion, else not assessed. A predicted high-dose target
    has a section of its own and fills no line of the template. Slices are counted from the feet, points are LPS mm,
    whatever the orientation of the inputs.

    Parameters
    ----------
    inputs : ReportInputs
        Study, outlines, predictions and what is known about these.
    scene : Scene, optional
        The inputs already cut into structures, where a report is made again and again on the same organs.

    Returns
    -------
    Report

    Raises
    ------
    GeometryError
        When a volume lies on another grid than the organs.
    UsageError
        When a lesion map holds other labels than 1 and 2, or a name is unknown.
    WrongQuantityError
        When the organs or lesions are no label map.
    """
    scene = scene or make_scene(inputs)
    outlined = inputs.lesions is not None
    sources = Sources(
        inputs.lesions_status,
        made_by(inputs.lesions_source)[1],
        _said_by(inputs),
        outlined,
        inputs.whole_scan,
        organs_by_model=bool(inputs.organ_sources),
    )
    lesions = lesion_rows(scene, inputs)
    lines, organs_met = involvement_lines(scene, inputs.involvement, sources)
    lines["primary_location_of_the_mass"] = location_line(scene, sources)
    lines["size_of_the_mass"] = size_line(scene, sources)
    lines.update(node_lines(scene, lesions, sources))
    lines["patient"] = unanswered_line("patient").model_copy(update={"value": "Not written", "flags": (IDENTIFIERS,)})
    changes = () if inputs.prior_lesions is None else changes_between(lesions, inputs.prior_lesions)
    seen = inputs.findings or findings_of(inputs, scene)
    lines.update(seen.airway)
    index = scene.index.patch if scene.index is not None else None
    quality = () if seen.quality is None else seen.quality.facts(index)
    ordered = (
        *(lines[row.key] for row in FIELDS),
        *uptake_lines(lesions, scene, sources),
        *foci_lines(scene, lesions, sources),
        *staging_lines(
            inputs.staging, lesions, scene.organs, inputs.lesions_status, organs_by_model=scene.organs_by_model
        ),
        *(nirads_lines(lesions, changes, sources) if inputs.post_treatment else ()),
        *addendum_lines(scene, organs_met, sources),
        *target_lines(scene, inputs.target_source, image=_target_hu(inputs, scene), lost_ml=inputs.target_lost_ml),
        *coverage_lines(scene, inputs.coverage, inputs.coverage_source.words if inputs.coverage_source else "model"),
    )
    empty = outlined and scene.index is None and not scene.nodes
    by_key = {line.key: line for line in ordered}
    return Report(
        title=TITLES.get(inputs.study.modality, "Imaging of the head and neck"),
        impression=impression(by_key, lesions, outlined=outlined, outlines=inputs.lesions_status, changes=changes),
        technique=(*inputs.technique, *((seen.contrast,) if seen.contrast is not None else ())),
        quality=quality,
        context=inputs.context,
        study=inputs.study,
        models=_models(inputs),
        lines=ordered,
        lesions=lesions,
        organs=_organs(scene, inputs),
        missing_organs=_missing(inputs, scene),
        changes=changes,
        warnings=_warnings(inputs, scene, empty=empty),
        empty=empty,
        failed=inputs.failed,
    )


def doubted_warning(organs: Sequence[str]) -> str:
    """Name the organs whose outlines are not as they should be; why stands beside each organ.

    Parameters
    ----------
    organs : sequence of str
        Organs in words.
    """
    return f"Look before use at outlines of unusual size, place or shape: {'; '.join(organs)}."


def findings_of(inputs: ReportInputs, scene: Scene) -> ImageFindings:
    """Measure what the scan itself shows, whatever lesions are outlined; nothing without an image.

    Parameters
    ----------
    inputs : ReportInputs
        Image and who outlined the organs.
    scene : Scene
        The same organs, cut out.
    """
    if inputs.image is None:
        return ImageFindings()
    organs_by = " and ".join(source.words for source in inputs.organ_sources) or READER
    image, by_model = to_canonical(inputs.image), bool(inputs.organ_sources)
    return image_findings(image, scene.organs, outlined_by=organs_by, by_model=by_model)


def _target_hu(inputs: ReportInputs, scene: Scene) -> NDArray[np.number] | None:
    """Values of the scan on the grid of the scene, where a target was predicted."""
    if inputs.image is None or not scene.of("target region"):
        return None
    return to_canonical(inputs.image).array


def _said_by(inputs: ReportInputs) -> str:
    return inputs.involvement_source.words if inputs.involvement_source else "classifier"


def _models(inputs: ReportInputs) -> tuple[ModelUse, ...]:
    """Every model that spoke, once."""
    sources: list[ModelUse | None] = [*inputs.organ_sources, inputs.lesions_source]
    sources.append(inputs.involvement_source if inputs.involvement else None)
    sources.append(inputs.target_source if inputs.target_region is not None else None)
    sources.append(inputs.coverage_source if inputs.coverage else None)
    return tuple(dict.fromkeys(source for source in sources if source is not None))


def _organs(scene: Scene, inputs: ReportInputs) -> tuple[Organ, ...]:
    """Outlined organs in the order of the table of structures."""
    rows = []
    for organ in ORGANS:
        if organ.name not in scene.organs:
            continue
        patch = scene.organs[organ.name]
        look = region(patch, scene.geometry)
        rows.append(
            Organ(
                name=organ.name,
                words=organ.words,
                label=organ.label,
                volume_ml=round(patch.voxels * scene.geometry.voxel_ml, 4),
                voxels=patch.voxels,
                status="model" if inputs.organ_sources else "reader",
                source=inputs.organs_by.get(organ.label, ""),
                doubts=inputs.organs_doubted.get(organ.name, ()),
                slice_index=look.slice_index,
                point_lps_mm=look.point_lps_mm,
            )
        )
    return tuple(rows)


def _missing(inputs: ReportInputs, scene: Scene) -> tuple[MissingOrgan, ...]:
    """Every organ that a line could rest on and that is not outlined, with the reason."""
    return tuple(
        MissingOrgan(
            name=organ.name,
            words=organ.words,
            why=_why_missing(inputs, organ.name),
        )
        for organ in ORGANS
        if organ.name not in scene.organs
    )


def _why_missing(inputs: ReportInputs, name: str) -> str:
    if name in inputs.organs_left_out:
        return f"outlined and left out, {inputs.organs_left_out[name]}"
    return "looked for and not found" if name in inputs.organs_expected else "no model outlines it"


def _warnings(inputs: ReportInputs, scene: Scene, *, empty: bool) -> tuple[str, ...]:
    """What a reader must know first."""
    found = [*inputs.study.warnings, *inputs.warnings]
    if empty:
        found.append("No lesion in the neck is outlined. That is not evidence that there is none.")
    if inputs.lesions is None:
        found.append("Nobody outlined a tumour: nothing is said of one.")
    outside = scene.of("focus outside the neck")
    if outside:
        found.append(
            f"{len(outside)} outlined {'focus lies' if len(outside) == 1 else 'foci lie'} outside the neck and "
            f"{'is' if len(outside) == 1 else 'are'} {OUTSIDE_THE_NECK}"
        )
    if scene.masses and not scene.field_known:
        found.append("No organ tells where the neck is, so a focus outside of it cannot be told.")
    if inputs.lesions_status == "model" and scene.masses:
        found.append(SIZES_OF_PREDICTIONS)
    doubted = [organ.words for organ in ORGANS if organ.name in inputs.organs_doubted and organ.name in scene.organs]
    if doubted:
        found.append(doubted_warning(doubted))
    if not scene.organs:
        found.append("No organ is outlined; involvement cannot be measured.")
    return tuple(dict.fromkeys(found))
