"""MR before and during treatment, read as one pair: for the command, for Python and for the workspace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hyoid.errors import UnreadableFileError, UsageError
from hyoid.io.cohorts.hntsmrg import is_hntsmrg_case, read_hntsmrg_case
from hyoid.io.dicom.mr_pair import check_contrast, check_pair
from hyoid.io.files.volumes import image_suffix, read_labels
from hyoid.io.reader_masks import find_reader_masks
from hyoid.io.study import Study, read_study
from hyoid.systems.midrt.pipeline import Pair

_PRE_WORDS, _MID_WORDS = ("prert", "pre_rt", "pre-rt"), ("midrt", "mid_rt", "mid-rt")


@dataclass(frozen=True)
class PairRequest:
    """Where both examinations and the outlines lie, and how to read these.

    Parameters
    ----------
    pre : path
        T2w MR before treatment: DICOM folder or zip, or an image file; or a HNTS-MRG case folder.
    mid : path, optional
        T2w MR during treatment; not given for a HNTS-MRG case folder.
    pre_masks : path, optional
        Label map, RTSTRUCT or DICOM SEG of tumour and nodes before treatment; a case folder has its own.
    registered : bool, optional
        Whether `pre` and masks lie on `mid` already; None takes the registered masks of a HNTS-MRG case folder, where
        it has any.
    primary, node : tuples of str
        Names of outlines in `pre_masks`, where these do not tell which is which.
    series_pre, series_mid : str, optional
        Series to read: UID, number or description.
    study_pre, study_mid : str, optional
        Study to read, where there are several.
    """

    pre: Path
    mid: Path | None = None
    pre_masks: Path | None = None
    registered: bool | None = None
    primary: tuple[str, ...] = ()
    node: tuple[str, ...] = ()
    series_pre: str | None = None
    series_mid: str | None = None
    study_pre: str | None = None
    study_mid: str | None = None


@dataclass(frozen=True, eq=False)
class OpenedPair:
    """Both studies as read, and the pair made from these.

    Parameters
    ----------
    pre, mid : Study
        Examinations before and during treatment.
    pair : Pair
        Images and outlines, as the pipeline takes these.
    used : tuple of str
        Names of the outlines that became tumour and nodes.
    """

    pre: Study
    mid: Study
    pair: Pair
    used: tuple[str, ...]

    @property
    def registered(self) -> bool:
        """Whether the outlines came registered to the examination during treatment."""
        return self.pair.carried is not None


def open_pair(request: PairRequest) -> OpenedPair:
    """Read both examinations and the outlines made before treatment.

    Parameters
    ----------
    request : PairRequest
        Where examinations and outlines lie, and how to read these.

    Raises
    ------
    UsageError
        When an argument is missing, or PRE and MID are swapped by their names.
    InputRefusedError
        When a file cannot be used; see the readers.
    """
    for name, path in (("PRE", request.pre), ("MID", request.mid), ("--pre-masks", request.pre_masks)):
        if path is not None and not path.exists():
            raise UnreadableFileError(f"{name} names no file or folder.", "Check the path.")
    pre_path, mid_path, masks_path, carried_path = request.pre, request.mid, request.pre_masks, None
    registered = bool(request.registered)
    if request.pre.is_dir() and is_hntsmrg_case(request.pre):
        if mid_path is not None:
            raise UsageError("A HNTS-MRG case folder holds both examinations.", "Leave MID out, or give two files.")
        case = read_hntsmrg_case(request.pre)
        pre_path, mid_path, masks_path = case.pre, case.mid, masks_path or case.pre_mask
        registered = registered or (
            request.registered is None and request.pre_masks is None and case.pre_mask_registered is not None
        )
        if registered:
            carried_path = case.pre_mask_registered
            if carried_path is None:
                raise UsageError("The case has no *_preRT_mask_registered.nii.gz.", "Leave --registered out.")
            pre_path = case.pre_registered or pre_path
    if mid_path is None or masks_path is None:
        missing = "MID, the examination during treatment," if mid_path is None else "--pre-masks"
        cure = "Write: hyoid midrt PRE MID --pre-masks FILE --out DIR"
        if mid_path is None and request.pre.is_dir():
            cure += "; a HNTS-MRG case folder alone must hold preRT and midRT"
        raise UsageError(f"{missing} is missing.", f"{cure}.")
    refuse_swapped_names(pre_path, mid_path)
    pre = read_study(pre_path, modality="MR", series=request.series_pre, study=request.study_pre)
    mid = read_study(mid_path, modality="MR", series=request.series_mid, study=request.study_mid)
    warnings = [f"{which}: {w}" for which, study in (("Before", pre), ("During", mid)) for w in study.warnings]
    warnings += [
        f"{which}: of several series, this one was read: {study.series} ({study.series.why})."
        for which, study in (("Before", pre), ("During", mid))
        if study.series is not None and study.series.others
    ]
    warnings += [*check_pair(pre, mid), *check_contrast(pre, "pre"), *check_contrast(mid, "mid")]
    if registered:
        chosen = {"primary": request.primary, "node": request.node}
        carried = find_reader_masks(carried_path or masks_path, mid.volume.geometry, headers=mid.headers, **chosen)
        # Volumes before are those on the pre scan where its own outlines are at hand.
        own = find_reader_masks(masks_path, read_labels(masks_path).geometry, **chosen) if carried_path else carried
        pair = Pair(pre.volume, own.volume, mid.volume, carried.volume, tuple(warnings))
        return OpenedPair(pre, mid, pair, carried.used)
    if image_suffix(masks_path):
        warnings += mask_grid_warnings(masks_path, pre, mid)
    masks = find_reader_masks(
        masks_path, pre.volume.geometry, headers=pre.headers, primary=request.primary, node=request.node
    )
    warnings += masks.left_aside
    return OpenedPair(pre, mid, Pair(pre.volume, masks.volume, mid.volume, None, tuple(warnings)), masks.used)


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
