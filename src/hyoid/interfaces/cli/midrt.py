"""`hyoid midrt`: from MR before and during treatment to GTVp and GTVn now, and the response of every lesion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from hyoid.anatomy.structures import TG263_NAMES
from hyoid.errors import UnreadableFileError, UsageError
from hyoid.interfaces.chosen_models import NOTHING_ASKED, asked_models, midrt_sources
from hyoid.interfaces.cli.options import (
    AsJson,
    DeviceName,
    ExportNames,
    Formats,
    Identifiers,
    ModelsPath,
    Out,
    Overwrite,
    PrecisionName,
    RegistryFile,
)
from hyoid.interfaces.delivery import deliver, finish
from hyoid.interfaces.further import USUAL, Further, check_identifiers, further_named
from hyoid.interfaces.places import machine_named
from hyoid.interfaces.results import midrt_results
from hyoid.interfaces.terminal import Terminal
from hyoid.io.atomic import claim_folder
from hyoid.io.cohorts.hntsmrg import is_hntsmrg_case, read_hntsmrg_case
from hyoid.io.dicom.mr_pair import check_contrast, check_pair
from hyoid.io.export_names import read_names
from hyoid.io.files.volumes import image_suffix, read_labels
from hyoid.io.packages.models_file import ModelsFile
from hyoid.io.reader_masks import find_reader_masks
from hyoid.io.study import Study, read_study
from hyoid.systems.midrt.pipeline import MidrtResult, Pair, canonical_pair, midrt

OUT = Path("hyoid-midrt")
_PRE_WORDS, _MID_WORDS = ("prert", "pre_rt", "pre-rt"), ("midrt", "mid_rt", "mid-rt")


@dataclass(frozen=True)
class MidrtOrder:
    """Options of a user for `hyoid midrt`."""

    pre: Path
    mid: Path | None
    pre_masks: Path | None
    out: Path = OUT
    # None: as registered where a HNTS-MRG case folder brings registered masks.
    registered: bool | None = None
    models: ModelsFile = NOTHING_ASKED
    series_pre: str | None = None
    series_mid: str | None = None
    device: str = "auto"
    precision: str | None = None
    primary: tuple[str, ...] = ()
    node: tuple[str, ...] = ()
    study_pre: str | None = None
    study_mid: str | None = None
    names: Mapping[str, str] = field(default_factory=lambda: TG263_NAMES)
    further: Further = USUAL


@dataclass(frozen=True, eq=False)
class Opened:
    """Both studies as read, and the pair made of them."""

    pre: Study
    mid: Study
    pair: Pair
    used: tuple[str, ...]


def midrt_command(
    pre: Annotated[
        Path,
        typer.Argument(
            help="T2w MR before treatment: DICOM folder or zip, or an image file; or a HNTS-MRG case folder."
        ),
    ],
    mid: Annotated[
        Path | None, typer.Argument(help="T2w MR during treatment; not given for a HNTS-MRG case folder.")
    ] = None,
    pre_masks: Annotated[
        Path | None,
        typer.Option(help="Tumour and nodes before treatment: label map (1 GTVp, 2 GTVn), RTSTRUCT or DICOM SEG."),
    ] = None,
    primary: Annotated[
        list[str] | None, typer.Option(help="Name of the primary tumour in --pre-masks, where names do not tell.")
    ] = None,
    node: Annotated[
        list[str] | None, typer.Option(help="Name of an involved node in --pre-masks; may be given several times.")
    ] = None,
    out: Out = OUT,
    registered: Annotated[
        bool | None,
        typer.Option(
            "--registered/--register",
            help="Take masks and PRE as registered to MID already, or register; by default the registered masks of a "
            "HNTS-MRG case folder are used where it has any.",
        ),
    ] = None,
    models: ModelsPath = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Network to use: package, nnU-Net folder or fetched weights; repeat to average several."),
    ] = None,
    series_pre: Annotated[str | None, typer.Option(help="Series of PRE to read: UID, number or description.")] = None,
    series_mid: Annotated[str | None, typer.Option(help="Series of MID to read: UID, number or description.")] = None,
    study_pre: Annotated[str | None, typer.Option(help="Study of PRE to read, where PRE holds several.")] = None,
    study_mid: Annotated[str | None, typer.Option(help="Study of MID to read, where MID holds several.")] = None,
    overwrite: Overwrite = False,
    device: DeviceName = "auto",
    precision: PrecisionName = None,
    names: ExportNames = "tg263",
    formats: Formats = None,
    registry: RegistryFile = None,
    identifiers: Identifiers = False,
    as_json: AsJson = False,
) -> None:
    """Outline GTVp and GTVn on a mid-treatment MR and report the response of every lesion. Research use only."""
    terminal = Terminal(as_json=as_json)
    order = MidrtOrder(
        pre,
        mid,
        pre_masks,
        out,
        registered,
        asked_models(models, midrt=model),
        series_pre,
        series_mid,
        device,
        precision,
        tuple(primary or ()),
        tuple(node or ()),
        study_pre,
        study_mid,
        read_names(names),
        further_named(formats, registry, identifiers=identifiers),
    )
    claim_folder(out, overwrite=overwrite)
    with terminal.bars():
        result = run_midrt(order, terminal)
    finish(result.report, terminal, place=str(out) if out == OUT else "")


def run_midrt(order: MidrtOrder, terminal: Terminal) -> MidrtResult:
    """Read both examinations, outline and compare targets, and deliver the results."""
    machine = machine_named(order.device, order.precision)
    models = midrt_sources(order.models)
    terminal.progress("read", 0, 2)
    opened = open_pair(order)
    check_identifiers(order.further, opened.pre, opened.mid)
    terminal.progress("read", 2, 2)
    found = midrt(canonical_pair(opened.pair), models, machine, on_progress=terminal.progress)
    registered = opened.pair.carried is not None
    results = midrt_results(opened.pre, opened.mid, found, models, machine, registered=registered)
    deliver(order.out, results, terminal, order.names, order.further)
    return found


def open_pair(order: MidrtOrder) -> Opened:
    """Read both studies and the outlines.

    Raises
    ------
    UsageError
        When an argument is missing, or PRE and MID are swapped by their names.
    InputRefusedError
        When a file cannot be used; see the readers.
    """
    for name, path in (("PRE", order.pre), ("MID", order.mid), ("--pre-masks", order.pre_masks)):
        if path is not None and not path.exists():
            raise UnreadableFileError(f"{name} names no file or folder.", "Check the path.")
    pre_path, mid_path, masks_path, carried_path = order.pre, order.mid, order.pre_masks, None
    registered = bool(order.registered)
    if order.pre.is_dir() and is_hntsmrg_case(order.pre):
        if mid_path is not None:
            raise UsageError("A HNTS-MRG case folder holds both examinations.", "Leave MID out, or give two files.")
        case = read_hntsmrg_case(order.pre)
        pre_path, mid_path, masks_path = case.pre, case.mid, masks_path or case.pre_mask
        registered = registered or (
            order.registered is None and order.pre_masks is None and case.pre_mask_registered is not None
        )
        if registered:
            carried_path = case.pre_mask_registered
            if carried_path is None:
                raise UsageError("The case has no *_preRT_mask_registered.nii.gz.", "Leave --registered out.")
            pre_path = case.pre_registered or pre_path
    if mid_path is None or masks_path is None:
        missing = "MID, the examination during treatment," if mid_path is None else "--pre-masks"
        cure = "Write: hyoid midrt PRE MID --pre-masks FILE --out DIR"
        if mid_path is None and order.pre.is_dir():
            cure += "; a HNTS-MRG case folder alone must hold preRT and midRT"
        raise UsageError(f"{missing} is missing.", f"{cure}.")
    refuse_swapped_names(pre_path, mid_path)
    pre = read_study(pre_path, modality="MR", series=order.series_pre, study=order.study_pre)
    mid = read_study(mid_path, modality="MR", series=order.series_mid, study=order.study_mid)
    warnings = [f"{which}: {w}" for which, study in (("Before", pre), ("During", mid)) for w in study.warnings]
    warnings += [*check_pair(pre, mid), *check_contrast(pre, "pre"), *check_contrast(mid, "mid")]
    if registered:
        chosen = {"primary": order.primary, "node": order.node}
        carried = find_reader_masks(carried_path or masks_path, mid.volume.geometry, headers=mid.headers, **chosen)
        # Volumes before are those on the pre scan where its own outlines are at hand.
        own = find_reader_masks(masks_path, read_labels(masks_path).geometry, **chosen) if carried_path else carried
        pair = Pair(pre.volume, own.volume, mid.volume, carried.volume, tuple(warnings))
        return Opened(pre, mid, pair, carried.used)
    if image_suffix(masks_path):
        warnings += mask_grid_warnings(masks_path, pre, mid)
    masks = find_reader_masks(
        masks_path, pre.volume.geometry, headers=pre.headers, primary=order.primary, node=order.node
    )
    warnings += masks.left_aside
    return Opened(pre, mid, Pair(pre.volume, masks.volume, mid.volume, None, tuple(warnings)), masks.used)


def refuse_swapped_names(pre: Path, mid: Path) -> None:
    """Refuse files whose names say the opposite of their places.

    Raises
    ------
    UsageError
        When PRE is named as mid-treatment, or MID as pre-treatment.
    """
    first, second = pre.name.lower(), mid.name.lower()
    if any(w in first for w in _MID_WORDS) and not any(w in first for w in _PRE_WORDS):
        raise UsageError("The first file is named as mid-treatment.", "Give the examination before treatment first.")
    if any(w in second for w in _PRE_WORDS) and not any(w in second for w in _MID_WORDS):
        raise UsageError("The second file is named as pre-treatment.", "Give the examination during treatment second.")


def mask_grid_warnings(masks: Path, pre: Study, mid: Study) -> list[str]:
    """Warn of a label map that lies on another grid than PRE.

    Raises
    ------
    UsageError
        When the label map lies on the grid of MID: then it was drawn there, or registered already.
    """
    grid = read_labels(masks).geometry
    if grid.same_grid(pre.volume.geometry):
        return []
    if grid.same_grid(mid.volume.geometry):
        raise UsageError(
            "The masks lie on the grid of the mid-treatment MR, not of the pre-treatment MR: PRE and MID are swapped, "
            "or the masks are registered already.",
            "Give PRE before MID; for registered masks add --registered.",
        )
    return ["The masks lie on another grid than the pre-treatment MR and were brought onto it by nearest neighbour."]
