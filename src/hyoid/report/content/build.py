"""From masks, measurements and probabilities to one report."""

from __future__ import annotations

from hyoid.anatomy.structures import BY_NAME, ORGANS
from hyoid.geometry.orientation import to_canonical
from hyoid.metrics.uptake import measure_uptake
from hyoid.report.content.involvement import Sources, involvement_lines
from hyoid.report.content.nodes import node_level, node_lines
from hyoid.report.content.patches import region
from hyoid.report.content.primary import cm, location_line, size_line
from hyoid.report.content.scene import Involvement, ReportInputs, Scene, made_by, make_scene
from hyoid.report.content.schema import Lesion, Line, ModelUse, Organ, Report, Uptake
from hyoid.report.content.template import BY_KEY, FIELDS
from hyoid.report.content.uptake import uptake_lines

__all__ = ["Involvement", "ReportInputs", "build_report"]


def build_report(inputs: ReportInputs, scene: Scene | None = None) -> Report:
    """Fill the template: every field in order, each with its evidence, `Missing` where nothing supports it.

    Location and size come from the GTVp outline, else from the predicted target region and worded as such. Involvement
    is measured (overlap, or contact within one voxel) where tumour and structure are both outlined, else the
    classifier's. Nodes are counted and measured on the GTVn outlines only. Slices are counted from the feet, points are
    LPS mm, whatever the orientation of the inputs.

    Parameters
    ----------
    inputs : ReportInputs
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
        When a label map is none.
    """
    scene = scene or make_scene(inputs)
    tumour = made_by(inputs.lesions_source)
    classifier = inputs.involvement_source.words if inputs.involvement_source else "classifier"
    lines, outside = involvement_lines(scene, inputs.involvement, Sources(tumour, classifier))
    lines["primary_location_of_the_mass"] = location_line(scene, tumour, inputs.target_source)
    lines["size_of_the_mass"] = size_line(scene, tumour, inputs.target_source)
    lines.update(node_lines(scene, tumour, outlined=inputs.lesions is not None))
    lines["patient"] = Line(
        key="patient",
        words=BY_KEY["patient"].words,
        section=BY_KEY["patient"].section,
        flags=("Identifiers are never written",),
    )
    lesions = _lesions(scene, inputs)
    ordered = tuple(lines[row.key] for row in FIELDS) + outside + uptake_lines(lesions, scene, tumour)
    empty = _is_empty(inputs, scene)
    return Report(
        summary=_summary(inputs, scene, {line.key: line for line in ordered}),
        study=inputs.study,
        models=_models(inputs),
        lines=ordered,
        lesions=lesions,
        organs=_organs(scene, inputs.organ_sources),
        missing_organs=tuple(BY_NAME[n].words for n in inputs.organs_expected if n not in scene.organs),
        warnings=_warnings(inputs, scene, empty=empty),
        empty=empty,
        failed=inputs.failed,
    )


def _models(inputs: ReportInputs) -> tuple[ModelUse, ...]:
    """Every model that spoke, once."""
    sources: list[ModelUse | None] = [*inputs.organ_sources, inputs.lesions_source]
    sources.append(inputs.involvement_source if inputs.involvement else None)
    if inputs.lesions is None:
        sources.append(inputs.target_source)
    return tuple(dict.fromkeys(source for source in sources if source is not None))


def _is_empty(inputs: ReportInputs, scene: Scene) -> bool:
    """Whether a lesion was looked for and none found."""
    looked = inputs.lesions is not None or inputs.target_region is not None
    return looked and scene.primary is None and scene.nodes is None and scene.target is None


def _lesions(scene: Scene, inputs: ReportInputs) -> tuple[Lesion, ...]:
    """Every component, primary first, with its level where it is a node."""
    short = {"GTVp": "Primary tumour", "GTVn": "Node", "target region": "Predicted target region"}
    suv = None if inputs.pet is None else to_canonical(inputs.pet).array
    rows = []
    for kind, masses in scene.masses.items():
        for mass in masses:
            look = region(mass.patch, scene.geometry)
            taken = None
            if suv is not None and kind != "target region":
                found = measure_uptake(suv[mass.patch.box.slices], mass.patch.mask, scene.geometry.voxel_ml)
                taken = None if found is None else Uptake(**{k: round(v, 3) for k, v in vars(found).items()})
            rows.append(
                Lesion(
                    name=f"{short[kind]} {mass.row.lesion}",
                    kind=kind,  # type: ignore[arg-type]
                    lesion=mass.row.lesion,
                    status="model" if kind == "target region" else inputs.lesions_status,
                    volume_ml=round(mass.row.volume_ml, 4),
                    longest_diameter_mm=round(mass.row.longest_diameter_mm, 3),
                    axial_long_mm=round(mass.row.axial_long_mm, 3),
                    axial_short_mm=round(mass.row.axial_short_mm, 3),
                    side=mass.row.side.value,
                    level=node_level(mass, scene) if kind == "GTVn" else "",
                    voxels=mass.row.voxels,
                    slice_index=look.slice_index,
                    point_lps_mm=look.point_lps_mm,
                    centroid_lps_mm=look.centroid_lps_mm,
                    uptake=taken,
                )
            )
    return tuple(rows)


def _organs(scene: Scene, sources: tuple[ModelUse, ...]) -> tuple[Organ, ...]:
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
                status="model" if sources else "reader",
                slice_index=look.slice_index,
                point_lps_mm=look.point_lps_mm,
            )
        )
    return tuple(rows)


def _warnings(inputs: ReportInputs, scene: Scene, *, empty: bool) -> tuple[str, ...]:
    """What a reader must know first."""
    found = [*inputs.study.warnings, *inputs.warnings]
    if empty:
        found.append("No lesion was outlined or predicted. That is not evidence that there is none.")
    if inputs.lesions is None and inputs.target_region is None:
        found.append("Nobody outlined a lesion: location, size and nodes cannot be stated.")
    if scene.target is not None:
        found.append(
            "Location and size rest on a predicted high-dose target region. It includes margins and may include nodes; "
            "it is not a tumour outline."
        )
    if inputs.lesions_status == "model" and not empty:
        found.append("Sizes and involvement are measured on predicted outlines and inherit their errors.")
    if not scene.organs:
        found.append("No organ is outlined; involvement cannot be measured.")
    return tuple(dict.fromkeys(found))


def _summary(inputs: ReportInputs, scene: Scene, lines: dict[str, Line]) -> str:
    """One or two sentences that say no more than the lines do."""
    place = lines["primary_location_of_the_mass"].value
    parts = []
    if scene.primary is not None:
        who = "Outlined by a reader" if inputs.lesions_status == "reader" else "Outlined by a model"
        size = cm(scene.masses["GTVp"][0].row.longest_diameter_mm)
        parts.append(f"{who}: mass of {size} cm. Site: {place[0].lower()}{place[1:]}.")
    elif scene.target is not None:
        parts.append(f"{place}; {lines['size_of_the_mass'].value}.")
    elif inputs.lesions is not None:
        parts.append("No primary tumour is outlined.")
    if inputs.lesions is not None:
        nodes = scene.masses["GTVn"]
        if nodes:
            largest = cm(max(n.row.longest_diameter_mm for n in nodes))
            count = "One involved node" if len(nodes) == 1 else f"{len(nodes)} involved nodes"
            parts.append(f"{count}, {'' if len(nodes) == 1 else 'the largest '}{largest} cm.")
        else:
            parts.append("No involved node is outlined.")
    parts.extend(_involved_sentences(lines))
    return " ".join(parts) if parts else "No lesion was outlined or predicted; only organs are reported."


def _involved_sentences(lines: dict[str, Line]) -> list[str]:
    """Structures that the tumour overlaps, and structures above a classifier's threshold."""
    measured = [v.words for v in lines.values() if v.status == "measured" and _says_involved(v.value)]
    predicted = [v.words for v in lines.values() if v.status == "model" and v.value.startswith("Predicted:")]
    predicted += [v.words for v in lines.values() if v.status == "model" and v.value.startswith("Predicted,")]
    sentences = []
    if measured:
        sentences.append(f"Overlaps: {', '.join(w.partition(' (')[0] for w in measured)}.")
    if predicted:
        sentences.append(f"Above the classifier's threshold: {', '.join(w.partition(' (')[0] for w in predicted)}.")
    return sentences


def _says_involved(value: str) -> bool:
    return value.startswith(("Involved", "R - involved", "L - involved", "Both - involved"))
