"""The earlier examination that a scan is compared with: a report of hyoid, or a study with a reader's outlines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import RTStructureSetStorage

from hyoid.errors import InputRefusedError, UnreadableFileError, UsageError
from hyoid.geometry.orientation import to_canonical
from hyoid.io.dicom import headers
from hyoid.io.dicom.acquisition import patient_key, study_day
from hyoid.io.dicom.seg_frames import SEGMENTATION_CLASSES
from hyoid.io.reader_masks import find_reader_masks
from hyoid.io.study import Study, read_study
from hyoid.report.content import schema
from hyoid.report.content.build import ReportInputs
from hyoid.report.content.lesions import lesion_rows
from hyoid.report.content.scene import make_scene
from hyoid.report.content.versions import open_report
from hyoid.volume import Quantity, Volume

_LARGEST_REPORT = 50_000_000  # bytes
_OUTLINE_CLASSES = (RTStructureSetStorage, *SEGMENTATION_CLASSES)
_WHAT_TO_GIVE = "Give a report.json, the folder of a run, or an earlier CT with outlines of its tumour (--prior-masks)."

Outlining = Callable[[Volume], tuple[Volume | None, tuple[str, ...]]]
"""Outlines the organs of a canonical CT; None where that is not possible, and a sentence says why."""


@dataclass(frozen=True)
class Prior:
    """Lesions of an earlier examination of the same patient.

    Parameters
    ----------
    lesions : tuple of Lesion
        Lesions as a report lists them.
    words : str
        What the earlier examination is and how long ago, for the head of the report.
    warnings : tuple of str
        What could not be checked of it, and what was taken from its outlines.
    """

    lesions: tuple[schema.Lesion, ...]
    words: str
    warnings: tuple[str, ...] = ()


def read_prior(path: Path, now: Study, *, masks: Path | None = None, outlining: Outlining | None = None) -> Prior:
    """Read the lesions of an earlier examination: from its report, or measured on its outlines.

    Parameters
    ----------
    path : Path
        `report.json` of an earlier run, the folder of an earlier run, or an earlier CT: DICOM folder, zip or file.
    now : Study
        The scan to be reported on.
    masks : Path, optional
        A reader's outlines on the earlier CT: RTSTRUCT, SEG or label map. Where nothing is given, the one RTSTRUCT or
        SEG in the folder of the earlier CT.
    outlining : callable, optional
        Outlines organs on the earlier CT, so that sides and nodal levels are told; without it, levels are not known.

    Raises
    ------
    UsageError
        When the earlier scan is the scan itself, outlines are given beside a report, or an earlier CT comes without
        outlines.
    UnreadableFileError
        When neither a report nor a study can be read there.
    InputRefusedError
        When it is of another patient, or of a later day.
    """
    report = _report_file(path)
    if report is None:
        return _from_study(path, now, masks, outlining)
    if masks is not None:
        raise UsageError(
            "An earlier report brings its own outlines, and --prior-masks gives others.",
            "Give the earlier CT as --prior, or leave out --prior-masks.",
        )
    found = _opened(report)
    if found.study is not None:
        _refuse_same_scan(found.study.fingerprint, now)
    before = _dicom_beside(report.parent)
    warnings, days = _checked(before, now.headers, "earlier report", "no DICOM object lies beside it")
    return Prior(found.lesions, f"an earlier report of hyoid{_ago(days)}", warnings)


def _report_file(path: Path) -> Path | None:
    """`report.json` that a path names or holds; None where the path is no report."""
    if path.is_dir():
        return path / "report.json" if (path / "report.json").is_file() else None
    return path if path.suffix.lower() == ".json" else None


def _from_study(path: Path, now: Study, masks: Path | None, outlining: Outlining | None) -> Prior:
    """Lesions measured on a reader's outlines of an earlier CT."""
    try:
        study = read_study(path)
    except UnreadableFileError as error:
        raise UnreadableFileError(f"The earlier examination cannot be read. {error.problem}", _WHAT_TO_GIVE) from error
    _refuse_same_scan(study.fingerprint, now)
    before = study.headers[0] if study.headers else None
    warnings, days = _checked(before, now.headers, "earlier CT", "it has no DICOM headers")
    file = _outlines_in(path) if masks is None else masks
    reader = find_reader_masks(file, study.volume.geometry, headers=study.headers)
    ct = to_canonical(study.volume)
    organs, said = (None, ()) if outlining is None else outlining(ct)
    inputs = ReportInputs(
        study=schema.Study(modality="CT", spacing_mm=ct.geometry.spacing_mm, slices=ct.geometry.shape[0]),
        organs=organs or ct.with_array(np.zeros(ct.geometry.shape, np.uint8), Quantity.LABEL),
        organ_sources=() if organs is None else (schema.ModelUse(name="organs of the earlier CT"),),
        lesions=to_canonical(reader.volume),
    )
    lesions = lesion_rows(make_scene(inputs), inputs)
    told = tuple(f"Earlier CT: {sentence}" for sentence in (*reader.said, *said))
    return Prior(lesions, f"an earlier CT with a reader's outlines{_ago(days)}", (*warnings, *told))


def _outlines_in(path: Path) -> Path:
    """The one RTSTRUCT or SEG in the folder of a study."""
    files = [] if not path.is_dir() else [file for file in sorted(path.rglob("*")) if _holds_outlines(file)]
    if len(files) != 1:
        problem = (
            "The earlier CT comes without outlines of its tumour, so there is nothing to compare with."
            if not files
            else f"The earlier study holds {len(files)} objects with outlines, and nothing says which counts."
        )
        raise UsageError(problem, "Name the RTSTRUCT, SEG or label map of the earlier CT with --prior-masks.")
    return files[0]


def _holds_outlines(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as stream:
        if not headers.looks_like_dicom(stream.read(132)):
            return False
    header = headers.parse(file.read_bytes())
    return header is not None and headers.text(header, "SOPClassUID") in _OUTLINE_CLASSES


def _opened(file: Path) -> schema.Report:
    try:
        if file.stat().st_size > _LARGEST_REPORT:
            raise UnreadableFileError("The earlier report is too large to be one.", "Give the report.json of a run.")
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError("The earlier report cannot be read.", _WHAT_TO_GIVE) from error
    return open_report(text)


def _refuse_same_scan(fingerprint: str, now: Study) -> None:
    if fingerprint and fingerprint == now.fingerprint:
        raise UsageError("The earlier examination is of this very scan.", "Give that of an earlier scan.")


def _checked(
    before: Dataset | None, now: Sequence[Dataset], what: str, why_unknown: str
) -> tuple[tuple[str, ...], int | None]:
    """Compare patient and day; what could not be compared, and the days between."""
    unknown = f"That the {what} is of this patient and of an earlier day could not be checked: "
    if not now:
        return (f"{unknown}this scan has no DICOM headers.",), None
    if before is None:
        return (f"{unknown}{why_unknown}.",), None
    (identity, born), (old_identity, old_born) = patient_key(now[0]), patient_key(before)
    if (identity and old_identity and identity != old_identity) or (born and old_born and born != old_born):
        raise InputRefusedError(
            f"The {what} is one of another patient.", "Give an earlier examination of this patient."
        )
    day, old_day = study_day(now[0]), study_day(before)
    days = None if day is None or old_day is None else (day - old_day).days
    if days is not None and days < 0:
        raise InputRefusedError(
            f"The {what} is of a scan {-days} day(s) later than this one.", "Swap the two, or give an earlier one."
        )
    if not identity or not old_identity:
        return (f"{unknown}one of the two has no patient ID.",), days
    return (() if days is not None else (f"{unknown}one of the two has no date.",)), days


def _ago(days: int | None) -> str:
    return "" if days is None else " of the same day" if days == 0 else f" of {days} day(s) before"


def _dicom_beside(folder: Path) -> Dataset | None:
    """Header of a DICOM object in a folder of results."""
    for file in sorted(folder.glob("*.dcm")):
        try:
            found = headers.parse(file.read_bytes())
        except OSError:
            continue
        if found is not None:
            return found
    return None
