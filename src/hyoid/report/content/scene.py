"""What a report is made from, and the same brought onto one canonical grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.structures import BY_NAME, ORGANS, Side, opposite
from hyoid.anatomy.subsites import SUBSITES
from hyoid.errors import GeometryError, UsageError
from hyoid.geometry.orientation import to_canonical
from hyoid.metrics.lesions import Component, LesionMeasurement, find_components, measure_component
from hyoid.report.content import template
from hyoid.report.content.image_findings import ImageFindings
from hyoid.report.content.levels import PREDICTED_ERROR_MM, Landmarks, find_landmarks
from hyoid.report.content.neck_field import LONG_ORGANS, outside_neck
from hyoid.report.content.patches import Patch, centroid_lps_mm, cut_out
from hyoid.report.content.schema import Fact, Kind, Lesion, ModelUse, OutlineStatus, Role, Status, Study
from hyoid.report.content.staging import StagingRequest
from hyoid.volume import Geometry, Quantity, Volume

READER = "reader masks"
GTVP_LABEL, GTVN_LABEL = 1, 2  # of the lesion maps of HECKTOR and HNTS-MRG

# Steady landmarks of the midline where no pair is outlined; soft midline organs may be pushed aside.
_MIDLINE_ORGANS = ("mandible", "hyoid_bone", "spinal_cord", "brainstem", "cricoid_cartilage", "thyroid_cartilage")


@dataclass(frozen=True)
class Involvement:
    """Answer of a classifier about one structure.

    Parameters
    ----------
    probability : float
        Probability of what `meaning` says, 0 to 1.
    threshold : float
        At or above it the answer is yes.
    meaning : str
        What the probability is of, e.g. "the planned high-dose target covers more than 5 % of the structure".
    equivocal : tuple of float, optional
        Range of probability, ends included, in which the answer is neither yes nor no.
    taught_by : str
        Words beside the answer where the reader must know who taught it, e.g. "virtual patients only".
    """

    probability: float
    threshold: float
    meaning: str
    equivocal: tuple[float, float] | None = None
    taught_by: str = ""

    @property
    def answer(self) -> Literal["yes", "no", "equivocal"]:
        """What the probability comes to."""
        if self.equivocal is not None and self.equivocal[0] <= self.probability <= self.equivocal[1]:
            return "equivocal"
        return "yes" if self.probability >= self.threshold else "no"


@dataclass(frozen=True, eq=False)
class ReportInputs:
    """Everything a report may rest on; all volumes on the grid of the scan.

    Parameters
    ----------
    study : Study
        Scan that the report is about.
    organs : Volume
        Labels of `hyoid.anatomy.structures`.
    organ_sources : tuple of ModelUse
        Models that outlined the organs; none: drawn by a reader.
    organs_expected : tuple of str
        Names of the organs that the sources outline when they are there; those without a voxel are listed as missing.
    organs_by : mapping of int to str
        Label to the source that outlined the organ, in words; empty where that is not known.
    organs_doubted : mapping of str to tuple of str
        In which respects an outline is not as its organ should be, by name of the organ.
    organs_left_out : mapping of str to str
        Why an outline that the sources made is not in `organs`, by name of the organ.
    subsites : Volume, optional
        Labels of `hyoid.anatomy.subsites`.
    lesions : Volume, optional
        Labels 1 (GTVp) and 2 (GTVn). None: nobody outlined a tumour.
    lesions_status : {"reader", "accepted", "model"}
        Who stands behind these outlines.
    lesions_source : ModelUse, optional
        The model that outlined them; None for a reader's own.
    target_region : Volume, optional
        Above 0: predicted high-dose target, which includes margins and is no tumour outline.
    target_source : ModelUse or None
        The model that predicted the target; None where no target was predicted.
    target_lost_ml : float
        Volume of target that was predicted apart from every organ and left out.
    coverage : mapping of str to Involvement
        Structures that the high-dose target is predicted to cover; keys as of `involvement`.
    coverage_source : ModelUse or None
        The model that predicted coverage.
    involvement : mapping of str to Involvement
        What the outlined index lesion is predicted to involve. Keys: fields of the template, or organ names.
    involvement_source : ModelUse or None
        The model that predicted involvement.
    whole_scan : bool
        Whether `involvement` is of the scan as a whole, not of an outlined lesion.
    image : Volume, optional
        The scan itself, where its values are to be looked at.
    findings : ImageFindings, optional
        What was measured in `image` before; by default it is measured now.
    pet : Volume, optional
        SUV of the nearest PET voxel.
    midline_x_mm : float, optional
        LPS x of the body midline; default from the organs, and without these the centre of the grid.
    technique, context : tuple of Fact
        How the scan was made; what whoever asked said of the patient's treatment and question.
    prior_lesions : tuple of Lesion, optional
        Lesions of an earlier report of the same patient; None: no earlier report was given.
    post_treatment : bool
        Whether whoever asked says that the patient was treated.
    staging : StagingRequest, optional
        Tables and findings to stage by; None: nobody asked.
    warnings : tuple of str
        Cautions that the report must repeat.
    failed : bool
        A result failed its own check (said in `warnings`).
    """

    study: Study
    organs: Volume
    organ_sources: tuple[ModelUse, ...] = ()
    organs_expected: tuple[str, ...] = ()
    organs_by: Mapping[int, str] = field(default_factory=dict)
    organs_doubted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    organs_left_out: Mapping[str, str] = field(default_factory=dict)
    subsites: Volume | None = None
    lesions: Volume | None = None
    lesions_status: OutlineStatus = "reader"
    lesions_source: ModelUse | None = None
    target_region: Volume | None = None
    target_source: ModelUse | None = None
    target_lost_ml: float = 0.0
    coverage: Mapping[str, Involvement] = field(default_factory=dict)
    coverage_source: ModelUse | None = None
    involvement: Mapping[str, Involvement] = field(default_factory=dict)
    involvement_source: ModelUse | None = None
    whole_scan: bool = False
    image: Volume | None = None
    findings: ImageFindings | None = None
    pet: Volume | None = None
    midline_x_mm: float | None = None
    technique: tuple[Fact, ...] = ()
    context: tuple[Fact, ...] = ()
    prior_lesions: tuple[Lesion, ...] | None = None
    post_treatment: bool = False
    staging: StagingRequest | None = None
    warnings: tuple[str, ...] = ()
    failed: bool = False


@dataclass(frozen=True, eq=False)
class Mass:
    """Lesion: its measurement, its voxels and what the report takes it for.

    Parameters
    ----------
    row : LesionMeasurement
        Volume, diameters, side and centroid.
    patch : Patch
        Voxels on the canonical grid.
    kind : {"GTVp", "GTVn", "target region"}
        What it was outlined as.
    role : {"index lesion", "further focus", "node", "focus outside the neck", "target region"}
        What the report takes the lesion for.
    name : str
        Name of the lesion in the report.
    place : str
        Words for where a focus outside the neck lies; empty for other lesions.
    """

    row: LesionMeasurement
    patch: Patch
    kind: Kind = "GTVp"
    role: Role = "index lesion"
    name: str = ""
    place: str = ""


@dataclass(frozen=True, eq=False)
class Scene:
    """The inputs in canonical order, cut into structures.

    Parameters
    ----------
    geometry : Geometry
        Canonical grid.
    midline_x_mm : float
        LPS x of the body midline.
    organs, subsites : dict of str to Patch
        Outlined organs and sub-sites by structure name.
    masses : tuple of Mass
        Every lesion: index lesion, further foci, nodes, foci outside the neck, target region.
    field_known : bool
        Whether organs tell which foci lie in the neck.
    landmarks : Landmarks
        Landmarks of nodal levels.
    organs_by_model : bool
        Whether networks outlined the organs.
    """

    geometry: Geometry
    midline_x_mm: float
    organs: dict[str, Patch]
    subsites: dict[str, Patch]
    masses: tuple[Mass, ...]
    field_known: bool
    landmarks: Landmarks
    organs_by_model: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """(D, H, W) of the canonical grid."""
        return self.geometry.shape

    def of(self, role: Role) -> tuple[Mass, ...]:
        """List the lesions of one role, largest first."""
        return tuple(mass for mass in self.masses if mass.role == role)

    @property
    def index(self) -> Mass | None:
        """The index lesion: the largest primary tumour in the neck."""
        return next(iter(self.of("index lesion")), None)

    @property
    def nodes(self) -> tuple[Mass, ...]:
        """Nodes in the neck, largest first."""
        return self.of("node")


def made_by(source: ModelUse | None) -> tuple[Status, str]:
    """Give status and name of whoever made something: a model, or a reader where the source is None."""
    return ("reader", READER) if source is None else ("model", source.words)


def make_scene(inputs: ReportInputs) -> Scene:
    """Check the inputs and bring them onto one canonical grid.

    Raises
    ------
    GeometryError
        When a volume lies on another grid than the organs.
    UsageError
        When a lesion map holds other labels than 1 and 2, or an involvement or expected organ has an unknown name.
    """
    _check(inputs)
    organs_map = to_canonical(inputs.organs.require(Quantity.LABEL))
    geometry = organs_map.geometry
    words = {s.label: s.words for s in ORGANS}
    names = {s.label: s.name for s in ORGANS}
    organs = {names[label]: patch for label, patch in cut_out(_labels(organs_map), words).items()}
    subsites = {}
    if inputs.subsites is not None:
        rows = {row.label: row for row in SUBSITES}
        cut = cut_out(_labels(to_canonical(inputs.subsites)), {k: _subsite_words(row.name) for k, row in rows.items()})
        subsites = {rows[label].name: patch for label, patch in cut.items()}
    midline = inputs.midline_x_mm if inputs.midline_x_mm is not None else body_midline_x_mm(organs, geometry)
    field_known = any(name not in LONG_ORGANS for name in organs)
    error_mm = PREDICTED_ERROR_MM if inputs.organ_sources else 0.0
    landmarks = find_landmarks(organs, geometry, midline, error_mm=error_mm)
    scene = Scene(geometry, midline, organs, subsites, (), field_known, landmarks, bool(inputs.organ_sources))
    if inputs.lesions is not None:
        scene = with_masses(scene, measured_masses(find_components(inputs.lesions), midline))
    if inputs.target_region is not None:
        region = inputs.target_region
        mask = region.with_array((region.array > 0).astype(np.uint8), Quantity.LABEL)
        target = measured_masses(find_components(mask), midline, BY_NAME["target_region"].words)
        named = tuple(
            replace(m, kind="target region", role="target region", name=f"Predicted target region {m.row.lesion}")
            for m in target
        )
        scene = replace(scene, masses=(*scene.masses, *named))
    return scene


def with_organs(scene: Scene, organs: dict[str, Patch], *, midline_x_mm: float | None = None) -> Scene:
    """Put other organs into a scene, and measure again what rests on organs: midline and landmarks of nodal levels.

    Lesions must be put in again afterwards: their sides and roles rest on the organs.

    Parameters
    ----------
    scene : Scene
        Scene whose grid, sub-sites and target region are kept.
    organs : dict of str to Patch
        Organs by structure name.
    midline_x_mm : float, optional
        LPS x of the body midline, mm, where that is known without the organs.
    """
    midline = body_midline_x_mm(organs, scene.geometry) if midline_x_mm is None else midline_x_mm
    return replace(
        scene,
        organs=organs,
        midline_x_mm=midline,
        field_known=any(name not in LONG_ORGANS for name in organs),
        landmarks=find_landmarks(organs, scene.geometry, midline, error_mm=scene.landmarks.error_mm),
    )


def with_masses(scene: Scene, masses: Sequence[Mass]) -> Scene:
    """Put other lesions, each with its role and name, among the same organs; a predicted target region stays.

    Parameters
    ----------
    scene : Scene
        Scene whose organs are kept.
    masses : sequence of Mass
        Lesions of labels 1 and 2, on the scene's grid, largest first.
    """
    places = [outside_neck(m.patch, scene.organs, scene.geometry) for m in masses]
    primary = [m for m, place in zip(masses, places, strict=True) if not place and m.row.label == GTVP_LABEL]
    nodes = [m for m, place in zip(masses, places, strict=True) if not place and m.row.label == GTVN_LABEL]
    outside = [(m, place) for m, place in zip(masses, places, strict=True) if place]
    found = [replace(m, kind="GTVp", role="index lesion", name="Primary tumour") for m in primary[:1]]
    found += [
        replace(m, kind="GTVp", role="further focus", name=f"Further focus {n}") for n, m in enumerate(primary[1:], 1)
    ]
    found += [replace(m, kind="GTVn", role="node", name=f"Node {n}") for n, m in enumerate(nodes, 1)]
    found += [
        replace(
            m,
            kind="GTVp" if m.row.label == GTVP_LABEL else "GTVn",
            role="focus outside the neck",
            name=f"Focus outside the neck {n}",
            place=place,
        )
        for n, (m, place) in enumerate(outside, 1)
    ]
    return replace(scene, masses=(*found, *scene.of("target region")))


def index_outline(lesions: Volume, organs: Volume) -> Volume:
    """Keep the index lesion as the only primary tumour of a lesion map; nodes stay as they are.

    Parameters
    ----------
    lesions, organs : Volume
        Canonical, on one grid; labels 1 and 2, and labels of `hyoid.anatomy.structures`.
    """
    names = {s.label: s.name for s in ORGANS}
    found = cut_out(_labels(organs), {s.label: s.words for s in ORGANS})
    patches = {names[label]: patch for label, patch in found.items()}
    array = np.where(lesions.array == GTVN_LABEL, GTVN_LABEL, 0).astype(np.uint8)
    for component in find_components(lesions):
        patch = Patch(BY_NAME["gtvp"].words, component.mask, component.box)
        if component.label == GTVP_LABEL and not outside_neck(patch, patches, lesions.geometry):
            array[component.box.slices][component.mask] = GTVP_LABEL
            break
    return lesions.with_array(array)


def body_midline_x_mm(organs: Mapping[str, Patch], geometry: Geometry) -> float:
    """Find LPS x of the body midline: half way between paired organs, else midline bones, else the grid's centre.

    Parameters
    ----------
    organs : mapping of str to Patch
        Organs by name of `hyoid.anatomy.structures`.
    geometry : Geometry
        Canonical grid of the organs.
    """
    centres = {name: float(centroid_lps_mm(patch, geometry)[0]) for name, patch in organs.items()}
    halfway = [
        (x + centres[opposite(name)]) / 2
        for name, x in centres.items()
        if BY_NAME[name].side is Side.LEFT and opposite(name) in centres
    ]
    middles = halfway or [centres[name] for name in _MIDLINE_ORGANS if name in centres]
    if middles:
        return float(np.median(middles))
    return float(geometry.to_lps((np.array(geometry.shape) - 1) / 2)[0])


def measured_masses(components: Sequence[Component], midline_x_mm: float, words: str = "") -> list[Mass]:
    """Measure components, and make a mass of each.

    Parameters
    ----------
    components : sequence of Component
        Components of labels 1 and 2, their boxes on the whole grid.
    midline_x_mm : float
        LPS x of the body midline, which parts right from left.
    words : str
        Name of the masses, where the label does not give one.
    """
    names = {GTVP_LABEL: BY_NAME["gtvp"].words, GTVN_LABEL: BY_NAME["gtvn"].words}
    return [Mass(measure_component(c, midline_x_mm), Patch(words or names[c.label], c.mask, c.box)) for c in components]


def _subsite_words(name: str) -> str:
    base, _, side = name.rpartition("_")
    if side in ("left", "right"):
        return f"{base.replace('_', ' ').capitalize()}, {side}"
    return name.replace("_", " ").capitalize()


def _labels(volume: Volume) -> NDArray[np.integer]:
    array = volume.array
    return array.astype(np.uint8) if array.dtype.kind not in "iu" else array


def _check(inputs: ReportInputs) -> None:
    if inputs.pet is not None:
        inputs.pet.require(Quantity.SUV)
    for name in ("subsites", "lesions", "target_region", "image", "pet"):
        volume: Volume | None = getattr(inputs, name)
        if volume is not None and not volume.geometry.same_grid(inputs.organs.geometry):
            raise GeometryError(
                f"The {name.replace('_', ' ')} lie on another grid than the organs.", "Resample them onto the scan."
            )
    if (inputs.lesions_status == "reader") == (inputs.lesions_source is not None):
        raise UsageError(
            f"The lesions' status is {inputs.lesions_status!r} and their model is {inputs.lesions_source!r}.",
            "Name the model when, and only when, a model outlined them.",
        )
    if inputs.subsites is not None:
        inputs.subsites.require(Quantity.LABEL)
    if inputs.lesions is not None:
        array = inputs.lesions.require(Quantity.LABEL).array
        strange = np.unique(array[(array != 0) & (array != GTVP_LABEL) & (array != GTVN_LABEL)]).tolist()
        if strange:
            raise UsageError(
                f"The lesion map holds labels {strange[:5]}; a report knows 1 (GTVp) and 2 (GTVn).",
                "Renumber the map, or give organs and lesions separately.",
            )
    known = {s.name for s in ORGANS} | {f.key for f in template.FIELDS}
    unknown = sorted((set(inputs.involvement) | set(inputs.coverage) | set(inputs.organs_expected)) - known)
    if unknown:
        raise UsageError(
            f"{', '.join(unknown)}: neither a field of the template nor an organ.",
            "Use the keys of hyoid.report.content.template or the names of hyoid.anatomy.structures.",
        )
