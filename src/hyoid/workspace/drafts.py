"""What pipelines found in a scan before a reader touches it: organs, predictions, and lesions to be corrected.

A draft is made once per scan and set of networks, and kept on disk, so that a session that took it finds it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from hyoid.anatomy.structures import GTVN, GTVP
from hyoid.errors import InputRefusedError
from hyoid.geometry.boxes import Box
from hyoid.io.atomic import atomic_write
from hyoid.io.packages.nnunet_source import Source
from hyoid.io.study import fingerprint
from hyoid.metrics.lesions import find_components
from hyoid.preprocess.registration import carry, register
from hyoid.progress import Stages, ignore_stages
from hyoid.provenance import Provenance, network
from hyoid.report.content.scene import GTVP_LABEL, Involvement, ReportInputs
from hyoid.report.content.schema import Fact, ModelUse
from hyoid.report.content.schema import Study as StudyFacts
from hyoid.systems.ct_report.pipeline import ReportModels
from hyoid.systems.ct_report.pipeline import examine as examine_ct
from hyoid.systems.lesion.report import scan_inputs
from hyoid.systems.lesion.response import EarlierLesion
from hyoid.systems.lesion.session import DraftLesion, TakeDraft
from hyoid.systems.lesion.strokes import NOTHING, Drawn, whole_of
from hyoid.systems.machine import Machine
from hyoid.systems.midrt.pipeline import Prior, canonical_pair, midrt
from hyoid.systems.organs import model_use
from hyoid.systems.petct.pipeline import PetCtModels
from hyoid.systems.petct.report import examine as examine_petct
from hyoid.volume import Geometry, Quantity, Volume
from hyoid.workspace.scans import Scans

Target = Literal["GTVp", "GTVn"]


@dataclass(frozen=True, eq=False)
class Draft:
    """What pipelines found in one scan.

    Parameters
    ----------
    name : str
        SHA-256 of scan and networks: the same scan and networks give the same name.
    inputs : ReportInputs
        Organs, predictions and facts on the canonical grid, without lesions and images.
    lesions : tuple of (target, Drawn)
        Outlined lesions, "GTVp" or "GTVn", largest first within their kind.
    source : ModelUse or None
        Model that outlined the lesions; None where no lesion was looked for.
    outlined_by : dict of int to Provenance
        Who outlined a structure, by label.
    second : Volume or None
        Earlier MR carried onto this one; None where no registration was made.
    notes : tuple of str
        Sentences for the reader.
    earlier : tuple of EarlierLesion
        Lesions of the earlier scan, carried onto this one.
    """

    name: str
    inputs: ReportInputs
    lesions: tuple[tuple[Target, Drawn], ...] = ()
    source: ModelUse | None = None
    outlined_by: Mapping[int, Provenance] = field(default_factory=dict)
    second: Volume | None = None
    notes: tuple[str, ...] = ()
    earlier: tuple[EarlierLesion, ...] = ()

    @property
    def action(self) -> TakeDraft:
        """What a session does when it takes the lesions of this draft."""
        rows = tuple(DraftLesion(target=target, part=n) for n, (target, _) in enumerate(self.lesions))
        return TakeDraft(draft=self.name, lesions=rows)


@dataclass(frozen=True)
class Drafter:
    """Pipeline that makes drafts of one kind of study.

    Parameters
    ----------
    packages : tuple of ModelPackage or NnunetSource
        Networks that take part; their hashes are part of a draft's name.
    make : callable
        From the name, the scans and the progress callback to the draft.
    """

    packages: tuple[Source, ...]
    make: Callable[[str, Scans, Stages], Draft]

    def name(self, scans: Scans) -> str:
        """Name the draft of a study before it is made."""
        parts = [scans.study.fingerprint, scans.modality, *(package.manifest.sha256 for package in self.packages)]
        if scans.petct is not None and scans.petct.pet is not None:
            parts.append(scans.petct.pet.fingerprint)
        if scans.pair is not None:
            parts += [fingerprint(scans.pair.pre), fingerprint(scans.pair.outlines)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def ct_drafter(models: ReportModels, machine: Machine) -> Drafter:
    """Draft a CT: organs and a predicted high-dose target, but no tumour, which no network here outlines on CT alone.

    Parameters
    ----------
    models : ReportModels
        Networks of the structured report.
    machine : Machine
        Device, precision and folder for compiled graphs.
    """

    def make(name: str, scans: Scans, on_progress: Stages = ignore_stages) -> Draft:
        found = examine_ct(scans.study, models, machine, on_progress=on_progress)
        return Draft(name, replace(found.inputs, image=None), outlined_by=found.outlined_by)

    return Drafter((*models.outlining, models.tumour, models.classifier), make)


def petct_drafter(models: PetCtModels, outlining: Sequence[Source], machine: Machine) -> Drafter:
    """Draft a PET/CT: GTVp and GTVn as lesions, and organs.

    Parameters
    ----------
    models : PetCtModels
        Networks of the PET/CT system.
    outlining : sequence of ModelPackage or NnunetSource
        Networks that outline organs.
    machine : Machine
        Device, precision and folder for compiled graphs.
    """

    def make(name: str, scans: Scans, on_progress: Stages = ignore_stages) -> Draft:
        assert scans.petct is not None
        found = examine_petct(scans.petct, models, outlining, machine, on_progress=on_progress)
        inputs = found.inputs
        assert inputs.lesions is not None
        empty = replace(inputs, lesions=None, lesions_status="reader", lesions_source=None, image=None, pet=None)
        return Draft(name, empty, lesions_in(inputs.lesions), inputs.lesions_source, found.outlined_by)

    return Drafter((*models.all, *outlining), make)


def midrt_drafter(packages: Sequence[Source], machine: Machine) -> Drafter:
    """Draft a pair of MR: the earlier one registered; GTVp and GTVn now, where outlines from before are at hand.

    Parameters
    ----------
    packages : sequence of ModelPackage or NnunetSource
        Networks of the mid-treatment system.
    machine : Machine
        Device, precision and folder for compiled graphs.
    """

    def make(name: str, scans: Scans, on_progress: Stages = ignore_stages) -> Draft:
        assert scans.pair is not None
        pair = canonical_pair(scans.pair)
        inputs = scan_inputs(scans.study, scans.report_modality)
        if not pair.outlines.array.any():
            field_, _ = register(pair.pre, pair.mid, on_progress=lambda done, of: on_progress("register", done, of))
            notes = ("No outlines from before were given, so no lesion was looked for.",)
            return Draft(name, inputs, second=carry(pair.pre, field_, pair.mid.geometry), notes=notes)
        found = midrt(pair, packages, machine, on_progress)
        manifest = packages[0].manifest
        system = network(manifest.name, manifest.version)
        return Draft(
            name,
            replace(inputs, warnings=found.report.warnings),
            lesions_in(found.targets),
            model_use(manifest),
            {GTVP: system, GTVN: system},
            found.pre,
            earlier=earlier_lesions(found.prior),
        )

    return Drafter(tuple(packages), make)


def lesions_in(labels: Volume) -> tuple[tuple[Target, Drawn], ...]:
    """Cut a map of targets (1 GTVp, 2 GTVn) into lesions that do not touch.

    Parameters
    ----------
    labels : Volume, LABEL
        Targets on the canonical grid.
    """
    found = find_components(labels)
    rows: list[tuple[Target, Drawn]] = [
        ("GTVp" if c.label == GTVP_LABEL else "GTVn", Drawn(c.mask, c.box)) for c in found
    ]
    return tuple(sorted(rows, key=lambda row: row[0], reverse=True))


def earlier_lesions(prior: Prior) -> tuple[EarlierLesion, ...]:
    """List the lesions from before treatment, numbered as the response numbers these.

    Parameters
    ----------
    prior : Prior
        Outlines from before, on the grid of the later scan.
    """
    long_mm = (*prior.before_long_mm, *(None,) * len(prior.label_of))
    rows = []
    for n, (label, ml) in enumerate(zip(prior.label_of, prior.before_ml, strict=True)):
        target: Target = "GTVp" if label == GTVP_LABEL else "GTVn"
        rows.append(EarlierLesion(target, whole_of(prior.numbers == n + 1), ml, long_mm[n]))
    return tuple(rows)


class _Carried(BaseModel):
    """What a draft says of an earlier lesion, without its mask."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    target: Target
    volume_ml: float
    long_mm: float | None
    box: tuple[tuple[int, int, int], tuple[int, int, int]] | None


class _Record(BaseModel):
    """What a draft says, without its arrays."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=False)
    study: StudyFacts
    organ_sources: tuple[ModelUse, ...]
    organs_expected: tuple[str, ...]
    target_source: ModelUse | None
    target_lost_ml: float
    coverage: dict[str, Involvement]
    coverage_source: ModelUse | None
    technique: tuple[Fact, ...]
    warnings: tuple[str, ...]
    failed: bool
    targets: tuple[Target, ...]
    boxes: tuple[tuple[tuple[int, int, int], tuple[int, int, int]], ...]
    source: ModelUse | None
    outlined_by: dict[int, Provenance]
    notes: tuple[str, ...]
    earlier: tuple[_Carried, ...]


def write_draft(folder: Path, draft: Draft) -> None:
    """Keep a draft on disk, as confidential as the scan itself.

    Parameters
    ----------
    folder : Path
        Folder of all drafts.
    draft : Draft
        Draft to keep.
    """
    inputs = draft.inputs
    record = _Record(
        **{name: getattr(inputs, name) for name in _KEPT},
        targets=tuple(target for target, _ in draft.lesions),
        boxes=tuple((d.box.start, d.box.stop) for _, d in draft.lesions if d.box is not None),
        source=draft.source,
        outlined_by=dict(draft.outlined_by),
        notes=draft.notes,
        earlier=tuple(
            _Carried(
                target=row.target,
                volume_ml=row.volume_ml,
                long_mm=row.long_mm,
                box=None if row.drawn.box is None else (row.drawn.box.start, row.drawn.box.stop),
            )
            for row in draft.earlier
        ),
    )
    arrays: dict[str, Any] = {f"lesion{n}": drawn.mask for n, (_, drawn) in enumerate(draft.lesions)}
    arrays |= {f"earlier{n}": row.drawn.mask for n, row in enumerate(draft.earlier)}
    arrays["organs"] = inputs.organs.array.astype(np.uint8)
    if inputs.target_region is not None:
        arrays["region"] = inputs.target_region.array > 0
    if draft.second is not None:
        arrays["second"] = draft.second.array.astype(np.float32)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / f"{draft.name}.npz") as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, record=np.array(record.model_dump_json()), **arrays)


def read_draft(folder: Path, name: str, geometry: Geometry) -> Draft | None:
    """Find a draft on disk; None where there is none that can be read.

    Parameters
    ----------
    folder : Path
        Folder of all drafts.
    name : str
        Name of the draft.
    geometry : Geometry
        Canonical grid of the scan.
    """
    try:
        with np.load(folder / f"{name}.npz", allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
        record = _Record.model_validate_json(str(arrays.pop("record")))
    except (OSError, ValueError, KeyError, ValidationError):
        return None
    if arrays["organs"].shape != geometry.shape:
        return None
    region = arrays.get("region")
    inputs = ReportInputs(
        organs=Volume(arrays["organs"], geometry, Quantity.LABEL),
        target_region=None if region is None else Volume(region.astype(np.uint8), geometry, Quantity.LABEL),
        **{key: getattr(record, key) for key in _KEPT},
    )
    drawn = [Drawn(arrays[f"lesion{n}"], Box(*box)) for n, box in enumerate(record.boxes)]
    second = arrays.get("second")
    return Draft(
        name,
        inputs,
        tuple(zip(record.targets, drawn, strict=True)),
        record.source,
        record.outlined_by,
        None if second is None else Volume(second, geometry, Quantity.MR),
        record.notes,
        tuple(
            EarlierLesion(
                row.target,
                NOTHING if row.box is None else Drawn(arrays[f"earlier{n}"], Box(*row.box)),
                row.volume_ml,
                row.long_mm,
            )
            for n, row in enumerate(record.earlier)
        ),
    )


def mask_of(draft: Draft | None, part: int) -> Drawn:
    """Give the mask of one lesion of a draft.

    Raises
    ------
    InputRefusedError
        When the draft is not there any more, or has no such lesion.
    """
    if draft is None or part >= len(draft.lesions):
        raise InputRefusedError(
            "The draft that this session took is not here any more.",
            "Start `hyoid serve` with the folder of data that made it, or begin a new session.",
        )
    return draft.lesions[part][1]


_KEPT = (
    "study",
    "organ_sources",
    "organs_expected",
    "target_source",
    "target_lost_ml",
    "coverage",
    "coverage_source",
    "technique",
    "warnings",
    "failed",
)  # of ReportInputs, as they are


def earlier_mask_of(draft: Draft | None, part: int) -> Drawn:
    """Give the mask of one earlier lesion, as it was carried onto this scan.

    Raises
    ------
    InputRefusedError
        When the earlier lesions are not there any more, or the scan does not show the place of this one.
    """
    if draft is None or part >= len(draft.earlier):
        raise InputRefusedError(
            "There is no such lesion of an earlier scan here.", "Compare with the earlier scan again, then copy."
        )
    found = draft.earlier[part].drawn
    if found.box is None:
        raise InputRefusedError("This scan does not show the place of that lesion.", "Outline what there is to see.")
    return found
