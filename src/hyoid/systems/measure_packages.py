"""Measure packages of any kind: each kind by its own system, with the folders and networks that it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from hyoid.cards.kinds import Kind, kind_of
from hyoid.errors import UsageError
from hyoid.io.cohorts.hntsmrg import find_hntsmrg_cases
from hyoid.io.packages.model_package import Manifest, ModelPackage
from hyoid.metrics.calibration import reliability
from hyoid.report.pages.reliability import Reliability, reliability_svg
from hyoid.systems.ct_report.calibrate import BINS
from hyoid.systems.ct_report.labels import UNKNOWN
from hyoid.systems.ct_report.measure import Localising, MeasuredClassifier, measure_classifier, measure_sub_sites
from hyoid.systems.lesion.measure import LesionFolders, measure_lesion_network
from hyoid.systems.measure_outlines import measure_outlining, measure_target_network
from hyoid.systems.measured_cases import Measuring
from hyoid.systems.midrt.measure import measure_midrt_network
from hyoid.systems.petct.cases import find_petct_cases
from hyoid.systems.petct.measure import measure_petct, stages_of
from hyoid.training.cases import find_cases

TAKES: dict[Kind, tuple[str, ...]] = {
    Kind.OUTLINES: ("data", "virtual"),
    Kind.TARGET: ("data",),
    Kind.INVOLVEMENT: ("data", "organs", "tumour", "beside", "figure"),
    Kind.SUB_SITES: ("data", "virtual", "organs", "held_out", "figure"),
    Kind.LESION: ("data", "virtual", "trained", "zero_shot", "described", "users", "most"),
    Kind.PETCT: ("data",),
    Kind.MIDRT: ("data", "beside"),
}
"""What each kind may be given; anything else is refused, because it would be ignored."""
NEEDS: dict[Kind, tuple[str, ...]] = {
    Kind.OUTLINES: ("data",),
    Kind.TARGET: ("data",),
    Kind.INVOLVEMENT: ("data", "organs", "tumour"),
    Kind.SUB_SITES: ("virtual", "organs", "held_out"),
    Kind.LESION: (),
    Kind.PETCT: ("data",),
    Kind.MIDRT: ("data",),
}
TOGETHER = (Kind.OUTLINES, Kind.PETCT)
"""Kinds of which several packages are measured together, as they are used."""


@dataclass(frozen=True)
class CardOrder:
    """What packages are measured on; a field that is not given is empty.

    Parameters
    ----------
    data : Path, optional
        Folder of real cases (PET/CT, MR: of any cases) that no training saw.
    virtual : tuple of Path
        Cohorts of virtual patients that no training saw.
    trained : tuple of Path
        Cohorts that an interactive network was trained on: the test part is measured.
    zero_shot, described : Path, optional
        Cohorts of lesions, as `hyoid.systems.lesion.measure.LesionFolders` explains.
    organs : tuple of ModelPackage
        Networks that outline organs for a classifier, the better founded one first.
    tumour : ModelPackage, optional
        Network that localises the high-dose target for a classifier.
    beside : mapping of str to ModelPackage
        Networks to compare with on the same patients, by name.
    held_out : tuple of Path
        `held_out.json` of every fold of a classifier of sub-sites.
    users : tuple of str
        Simulated users of an interactive network; empty for both.
    most : int
        Most lesions of each virtual cohort; 0 for all.
    figure : Path, optional
        SVG file for the reliability diagram of a classifier.
    """

    data: Path | None = None
    virtual: tuple[Path, ...] = ()
    trained: tuple[Path, ...] = ()
    zero_shot: Path | None = None
    described: Path | None = None
    organs: tuple[ModelPackage, ...] = ()
    tumour: ModelPackage | None = None
    beside: Mapping[str, ModelPackage] = field(default_factory=dict)
    held_out: tuple[Path, ...] = ()
    users: tuple[str, ...] = ()
    most: int = 0
    figure: Path | None = None

    def given(self) -> tuple[str, ...]:
        """List the names of the fields that were given."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name))


def kind_of_all(packages: Sequence[ModelPackage]) -> Kind:
    """Tell as what packages are measured, together where there are several.

    Parameters
    ----------
    packages : sequence of ModelPackage
        Packages to measure, at least one.

    Raises
    ------
    UsageError
        When they are of several kinds, or of a kind that is measured one by one.
    ModelUnusableError
        When a package is of no kind that is measured.
    """
    kinds = {kind_of(package.manifest) for package in packages}
    if len(kinds) > 1:
        raise UsageError(
            f"Packages of different kinds ({', '.join(sorted(kinds))}) are not measured together.",
            "Give one package, or those of one system.",
        )
    kind = kinds.pop()
    if len(packages) > 1 and kind not in TOGETHER:
        raise UsageError(f"Packages of kind {kind} are measured one by one.", "Give one package.")
    return kind


def check_order(kind: Kind, order: CardOrder) -> None:
    """Refuse what a kind of package does not take, and what is missing.

    Parameters
    ----------
    kind : Kind
        Kind of the packages to measure.
    order : CardOrder
        What they are to be measured on.

    Raises
    ------
    UsageError
        When an option is missing, would be ignored, or is given too often.
    """
    for name in order.given():
        if name not in TAKES[kind]:
            raise UsageError(f"A package of kind {kind} does not take --{_option(name)}.", "Leave it out.")
    for name in NEEDS[kind]:
        if name not in order.given():
            raise UsageError(f"A package of kind {kind} is measured with --{_option(name)}.", "Give it.")
    if len(order.virtual) > 1 and kind is not Kind.LESION:
        raise UsageError("Several cohorts of virtual patients are given.", "Give --virtual once.")


def count_cases(kind: Kind, packages: Sequence[ModelPackage], order: CardOrder) -> dict[str, int]:
    """Count the cases that a measurement will look at, by folder; refuses folders without any.

    Parameters
    ----------
    kind : Kind
        Kind of the packages to measure.
    packages : sequence of ModelPackage
        Packages to measure.
    order : CardOrder
        What they are to be measured on.

    Raises
    ------
    UsageError
        When a folder holds no case of the layout that the kind reads, or a stage of the PET/CT system is missing.
    """
    counts: dict[str, int] = {}
    if kind is Kind.LESION:
        folders = [order.data, *order.virtual, *order.trained, order.zero_shot, order.described]
        for folder in filter(None, folders):
            counts[str(folder)] = sum(path.is_dir() for path in folder.iterdir()) if folder.is_dir() else 0
    elif kind is Kind.PETCT:
        assert order.data is not None
        stages_of(packages)
        counts[str(order.data)] = len(find_petct_cases(order.data))
    elif kind is Kind.MIDRT:
        assert order.data is not None
        counts[str(order.data)] = len(find_hntsmrg_cases(order.data))
    else:
        for folder in filter(None, (order.data, *order.virtual)):
            counts[str(folder)] = len(find_cases(folder))
    for name, count in counts.items():
        if not count:
            raise UsageError(f"{Path(name).name} holds no case.", "Give a folder of cases.")
    return counts


def measure_packages(
    kind: Kind, packages: Sequence[ModelPackage], order: CardOrder, measuring: Measuring
) -> tuple[tuple[Manifest, ...], str | None]:
    """Measure packages, decide what they may answer, and draw the reliability diagram of a classifier.

    Parameters
    ----------
    kind : Kind
        Kind of the packages, as `kind_of_all` tells.
    packages : sequence of ModelPackage
        Packages to measure together.
    order : CardOrder
        Folders and options of the measurement, accepted by `check_order`.
    measuring : Measuring
        Where results are kept, and who is told how far it is.

    Returns
    -------
    tuple of Manifest
        In the order of `packages`, with metrics and what they may answer.
    str or None
        Reliability diagram (SVG) of a classifier.
    """
    package, data = packages[0], order.data
    virtual = order.virtual[0] if order.virtual else None
    networks = Localising(order.organs, order.tumour)
    classifier: MeasuredClassifier | None = None
    manifests: tuple[Manifest, ...] = ()
    if kind is Kind.LESION:
        folders = LesionFolders(order.trained, order.virtual, order.zero_shot, data, order.described)
        users = order.users or ("deterministic", "noisy")
        manifests = (measure_lesion_network(package, folders, measuring, users=users, most=order.most),)
    elif kind is Kind.SUB_SITES and virtual is not None:
        classifier = measure_sub_sites(package, networks, order.held_out, virtual, data, measuring)
    elif data is not None:
        match kind:
            case Kind.OUTLINES:
                manifests = measure_outlining(packages, data, virtual, measuring)
            case Kind.TARGET:
                manifests = (measure_target_network(package, data, measuring),)
            case Kind.INVOLVEMENT:
                classifier = measure_classifier(package, networks, order.beside, data, measuring)
            case Kind.PETCT:
                manifests = measure_petct(packages, data, measuring)
            case Kind.MIDRT:
                manifests = (measure_midrt_network(package, data, order.beside, measuring),)
    if classifier is not None:
        return (classifier.manifest,), diagram(classifier)
    return manifests, None


def diagram(found: MeasuredClassifier) -> str:
    """Draw the reliability of a measured classifier as SVG, before and after calibration.

    Parameters
    ----------
    found : MeasuredClassifier
        Measured classifier with the probabilities of every patient.
    """
    known = found.truth != UNKNOWN
    panels = [("Uncalibrated", found.before)]
    if found.manifest.temperatures:
        panels.append(("Calibrated", found.after))
    return reliability_svg(
        [
            Reliability(f"{words} ({known.sum()} answers)", reliability(found.truth[known], p[known], n_bins=BINS))
            for words, p in panels
        ]
    )


def _option(name: str) -> str:
    return {"users": "user"}.get(name, name.replace("_", "-"))
