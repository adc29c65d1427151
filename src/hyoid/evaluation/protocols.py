"""The protocols of `hyoid evaluate`, as data: which masks, which empty rule, which grid, which numbers.

Everything in which challenges and papers differ is a field of `Protocol`. A protocol of one's own is a YAML file with
the same fields; an unknown key is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from hyoid.errors import UsageError
from hyoid.metrics.detection import CONNECTIVITIES, Matcher
from hyoid.metrics.overlap import EmptyRule


class OtherGrid(StrEnum):
    """What happens to a prediction on another grid than its reference."""

    RESAMPLE = "resample"
    """Nearest neighbour onto the reference grid."""
    REFUSE = "refuse"


class Measure(StrEnum):
    """Groups of numbers beyond overlap and volume, which are always measured."""

    DETECTION = "detection"
    SURFACE_MEDPY = "surface_medpy"
    SURFACE_SURFEL = "surface_surfel"


@dataclass(frozen=True)
class MaskClass:
    """One class of masks.

    Parameters
    ----------
    name : str
        In keys and tables.
    labels : tuple of int
        Values of the label map that belong to it; several where structures are nested.
    aliases : tuple of str
        Other names of its segment (DICOM SEG) or contour (RTSTRUCT).
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    labels: tuple[int, ...]
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Anchor:
    """A public number of the same kind, to show beside ours."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    words: str
    key: str
    value: float


@dataclass(frozen=True)
class Protocol:
    """How masks are scored.

    Parameters
    ----------
    name, words : str
        Name on the command line; what it is, in a sentence.
    classes : tuple of MaskClass
        Classes of masks, each scored by itself.
    dice_empty : EmptyRule
        Of the mean of per-case Dice, for every class.
    headline : tuple of str
        Keys of the summary by which the protocol ranks.
    other_grid : OtherGrid
        What happens to a prediction on another grid than its reference.
    measures : tuple of Measure
        Groups of numbers beyond overlap and volume.
    connectivity : {6, 18, 26}
        Neighbours that join two voxels into one lesion.
    matcher : Matcher
        How predicted lesions are matched with true ones.
    iou_above : float
        Of a detected component, strict.
    surface_tolerance_mm : float
        Distance, mm, within which two surfaces agree.
    averaged : tuple of str
        Metrics that are averaged over classes, as `mean.<metric>`.
    ignored_labels : tuple of int
        Values of a label map that belong to no class and are no mistake.
    caveats : tuple of str
        Sentences printed with every result.
    anchors : tuple of Anchor
        Public numbers to show beside the result.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    classes: tuple[MaskClass, ...]
    dice_empty: EmptyRule
    words: str = ""
    headline: tuple[str, ...] = ()
    other_grid: OtherGrid = OtherGrid.RESAMPLE
    measures: tuple[Measure, ...] = tuple(Measure)
    connectivity: int = 26
    matcher: Matcher = Matcher.ONE_TO_ONE
    iou_above: float = 0.3
    surface_tolerance_mm: float = 2.0
    averaged: tuple[str, ...] = ("dsc_agg", "dsc_mean")
    ignored_labels: tuple[int, ...] = ()
    caveats: tuple[str, ...] = ()
    anchors: tuple[Anchor, ...] = ()

    def __post_init__(self) -> None:
        names = [mask_class.name for mask_class in self.classes]
        if not names or len(set(names)) < len(names):
            raise UsageError(f"Protocol {self.name} needs classes with different names, not {names}.", "Rename them.")
        if any(0 in mask_class.labels or not mask_class.labels for mask_class in self.classes):
            raise UsageError("A class has no label, or label 0, which is background.", "Give labels from 1.")
        if self.connectivity not in CONNECTIVITIES:
            raise UsageError(f"Connectivity {self.connectivity} does not exist in 3D.", "Choose 6, 18 or 26.")
        if not 0 <= self.iou_above < 1 or self.surface_tolerance_mm < 0:
            raise UsageError(
                f"iou_above {self.iou_above} or surface_tolerance_mm {self.surface_tolerance_mm} is out of range.",
                "An IoU threshold lies in [0, 1); a tolerance is a length in mm.",
            )

    @property
    def known_labels(self) -> frozenset[int]:
        """Every value that a label map may hold."""
        classes = {label for mask_class in self.classes for label in mask_class.labels}
        return frozenset({0, *classes, *self.ignored_labels})


_GTVP = MaskClass("GTVp", (1,), ("Primary tumour (GTVp)", "gtvp", "GTV primary", "Neoplasm, Primary"))
_GTVN = MaskClass("GTVn", (2,), ("Involved node (GTVn)", "gtvn", "GTV nodal", "Lymph node"))
_AGGREGATED = ("GTVp.dsc_agg", "GTVn.dsc_agg", "mean.dsc_agg")

# Labels of the label maps made from Nikolov et al. (arXiv:1809.04430); canal, orbits include what lies within them.
_OBSERVER_CLASSES = (
    MaskClass("Brain", (1,)),
    MaskClass("Brainstem", (2,)),
    MaskClass("Spinal-Canal", (3, 4)),
    MaskClass("Spinal-Cord", (4,)),
    MaskClass("Mandible", (5,)),
    MaskClass("Parotid-Lt", (6,)),
    MaskClass("Parotid-Rt", (7,)),
    MaskClass("Submandibular-Lt", (8,)),
    MaskClass("Submandibular-Rt", (9,)),
    MaskClass("Orbit-Lt", (10, 12)),
    MaskClass("Orbit-Rt", (11, 13)),
    MaskClass("Lens-Lt", (12,)),
    MaskClass("Lens-Rt", (13,)),
    MaskClass("Optic-Nerve-Lt", (14,)),
    MaskClass("Optic-Nerve-Rt", (15,)),
    MaskClass("Lacrimal-Lt", (16,)),
    MaskClass("Lacrimal-Rt", (17,)),
    MaskClass("Cochlea-Lt", (18,)),
    MaskClass("Cochlea-Rt", (19,)),
    MaskClass("Lung-Lt", (20,)),
    MaskClass("Lung-Rt", (21,)),
)

HECKTOR_2022 = Protocol(
    name="hecktor2022",
    words="HECKTOR 2022: Dice aggregated over patients per class, in cubic millimetres, then their mean.",
    classes=(_GTVP, _GTVN),
    dice_empty=EmptyRule.EMPTY_IS_ZERO,
    headline=_AGGREGATED,
    anchors=(Anchor("best of HECKTOR 2022, test set", "mean.dsc_agg", 0.788),),
)

HNTSMRG_2024 = Protocol(
    name="hntsmrg2024",
    words="HNTS-MRG 2024: Dice aggregated over patients per class, in cubic millimetres, then their mean.",
    classes=(_GTVP, _GTVN),
    dice_empty=EmptyRule.EMPTY_IS_ZERO,
    headline=_AGGREGATED,
    anchors=(
        Anchor("best of HNTS-MRG 2024 task 2, test set", "mean.dsc_agg", 0.733),
        Anchor("gradient-map paper, task 2 test set", "mean.dsc_agg", 0.70),
        Anchor("gradient-map paper, task 2 test set", "GTVp.dsc_agg", 0.534),
        Anchor("gradient-map paper, task 2 test set", "GTVn.dsc_agg", 0.867),
    ),
)

HECKTOR_2025_STYLE = Protocol(
    name="hecktor2025-style",
    words="After HECKTOR 2025: mean Dice of GTVp, aggregated Dice and set-level F1 (IoU > 0.30) of GTVn.",
    classes=(_GTVP, _GTVN),
    dice_empty=EmptyRule.BOTH_EMPTY_IS_ONE,
    headline=("GTVp.dsc_mean", "GTVn.dsc_agg", "GTVn.f1"),
    other_grid=OtherGrid.REFUSE,
    measures=(Measure.DETECTION, Measure.SURFACE_MEDPY),
    caveats=(
        "Not official: the organisers never published connectivity, matcher or the rule for an empty GTVp. The tables "
        "show what other choices would give.",
    ),
    anchors=(
        Anchor("SJTU, HECKTOR 2025 test set", "GTVp.dsc_mean", 0.7341),
        Anchor("SJTU, HECKTOR 2025 test set", "GTVn.dsc_agg", 0.7312),
        Anchor("SJTU, HECKTOR 2025 test set (best; next 0.6638)", "GTVn.f1", 0.7260),
    ),
)

HECKTOR_2026_STYLE = Protocol(
    name="hecktor2026-style",
    words="After HECKTOR 2026, its Dice part: mean of the per-class mean Dice.",
    classes=(_GTVP, _GTVN),
    dice_empty=EmptyRule.BOTH_EMPTY_IS_ONE,
    headline=("mean.dsc_mean",),
    other_grid=OtherGrid.REFUSE,
    caveats=(
        "Not official, and the Dice part only: it weighs 0.25 there; TN staging (0.35) and recurrence-free survival "
        "(0.40) are not scored here.",
    ),
)

AARHUS_2024 = Protocol(
    name="aarhus2024",
    words="Gradient-map paper: aggregated Dice, HD95 and mean surface distance (MedPy `assd`).",
    classes=(_GTVP, _GTVN),
    dice_empty=EmptyRule.ANY_EMPTY_EXCLUDED,
    headline=(*_AGGREGATED, "GTVp.hd95_medpy_mm", "GTVn.hd95_medpy_mm", "GTVp.assd_medpy_mm", "GTVn.assd_medpy_mm"),
    caveats=(
        "The paper skips cases with an empty mask, so that a missed tumour costs nothing; the same numbers with those "
        "cases counted stand beside them.",
    ),
    anchors=(
        Anchor("paper, five-fold", "GTVp.dsc_agg", 0.595),
        Anchor("paper, five-fold", "GTVn.dsc_agg", 0.842),
        Anchor("paper, five-fold", "GTVp.hd95_medpy_mm", 12.3),
        Anchor("paper, five-fold", "GTVn.hd95_medpy_mm", 5.9),
        Anchor("paper, five-fold", "GTVp.assd_medpy_mm", 3.9),
        Anchor("paper, five-fold", "GTVn.assd_medpy_mm", 1.5),
    ),
)

OBSERVER = Protocol(
    name="observer",
    words="Two sets of contours of the same patients: Dice, surface Dice and HD95 per organ.",
    classes=_OBSERVER_CLASSES,
    dice_empty=EmptyRule.REFERENCE_EMPTY_EXCLUDED,
    headline=tuple(f"{mask_class.name}.dsc_mean" for mask_class in _OBSERVER_CLASSES),
    measures=(Measure.SURFACE_MEDPY, Measure.SURFACE_SURFEL),
    averaged=("dsc_mean",),
)

MASK_PROTOCOLS: Mapping[str, Protocol] = {
    protocol.name: protocol
    for protocol in (HECKTOR_2022, HNTSMRG_2024, HECKTOR_2025_STYLE, HECKTOR_2026_STYLE, AARHUS_2024, OBSERVER)
}
TABLE_PROTOCOLS = ("sgrnet", "isrg")
PROTOCOL_NAMES = (*MASK_PROTOCOLS, *TABLE_PROTOCOLS, "custom")


def protocol_from_fields(fields: Mapping[str, Any]) -> Protocol:
    """Make a protocol of one's own from the fields of `Protocol`.

    Parameters
    ----------
    fields : mapping
        As read from YAML. `base` names a protocol whose other fields are kept.

    Raises
    ------
    UsageError
        When a key is unknown, a value has the wrong kind, or `base` is no protocol.

    Examples
    --------
    >>> own = protocol_from_fields({"base": "hntsmrg2024", "name": "mine", "connectivity": 6})
    >>> own.connectivity, own.classes == HNTSMRG_2024.classes
    (6, True)
    """
    given = dict(fields)
    base = given.pop("base", None)
    if base is not None:
        if base not in MASK_PROTOCOLS:
            raise UsageError(f"base: {base!r} is no protocol of masks.", f"Choose {', '.join(MASK_PROTOCOLS)}.")
        given = {**TypeAdapter(Protocol).dump_python(MASK_PROTOCOLS[base]), "name": "custom", **given}
    given.setdefault("name", "custom")
    try:
        return TypeAdapter(Protocol).validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "protocol"
        known = ", ".join(Protocol.__dataclass_fields__)
        raise UsageError(f"{where}: {first['msg'].lower()}.", f"Known keys: base, {known}.") from None
