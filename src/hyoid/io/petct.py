"""PET and CT of one patient, whatever holds them: a DICOM study, HECKTOR's folders, or two files."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom.dataset import Dataset

from hyoid.errors import (
    GeometryError,
    InputRefusedError,
    SeriesError,
    UnreadableFileError,
    UnsuitableScanError,
    UsageError,
)
from hyoid.io.cohorts import hecktor, plain
from hyoid.io.dicom import headers
from hyoid.io.dicom.headers import Instance
from hyoid.io.dicom.series import read_series
from hyoid.io.dicom.series_choice import SeriesInfo, choose, group_by_series
from hyoid.io.dicom.study_choice import of_one_study
from hyoid.io.dicom.suv import is_attenuation_corrected, suv_scale
from hyoid.io.files.volumes import image_suffix, load_image
from hyoid.io.study import Study, dicom_instances, fingerprint, read_study, require_possible
from hyoid.progress import Steps
from hyoid.volume import Quantity, Volume

Groups = Sequence[tuple[SeriesInfo, list[Instance]]]
# (CT, PET) endings of file names: HECKTOR 2022, 2025 and 2026, and hyoid's virtual patients.
_PAIRS = ((hecktor.CT, hecktor.PET), (plain.CT, plain.PET))
_HECKTOR = _PAIRS[0]


@dataclass(frozen=True)
class Activity:
    """Weight and dose, which turn Bq/mL of a file without a header into SUV.

    Parameters
    ----------
    weight_kg : float
        Body weight of the patient.
    dose_bq : float
        Dose left at the moment for which the image is corrected.
    """

    weight_kg: float
    dose_bq: float


@dataclass(frozen=True)
class PetRequest:
    """Statements of a user about the PET.

    Parameters
    ----------
    file : Path, optional
        PET volume file beside a CT volume file.
    units : {"suv", "bqml"}, optional
        Units of a PET file; HECKTOR's `__PT` files are SUV.
    activity : Activity, optional
        Body weight and dose, for a PET file in "bqml".
    series : str, optional
        SeriesInstanceUID, number or description of the PET.
    left_out : bool
        Read no PET even where there is one.

    Raises
    ------
    UsageError
        When there are no such units.
    """

    file: Path | None = None
    units: str | None = None
    activity: Activity | None = None
    series: str | None = None
    left_out: bool = False

    def __post_init__(self) -> None:
        if self.units not in (None, "suv", "bqml"):
            raise UsageError(f"There are no PET units {self.units!r}.", "Choose suv or bqml.")


@dataclass(frozen=True, eq=False)
class PetCtStudy:
    """CT and PET, each on its own grid, in one frame of reference.

    Parameters
    ----------
    ct : Study
        CT in HU.
    pet : Study or None
        PET in SUV; None where the study has no PET.
    suv_words : str
        How the SUV came about.
    warnings : tuple of str
        Sentences that the report must repeat.
    """

    ct: Study
    pet: Study | None
    suv_words: str = ""
    warnings: tuple[str, ...] = ()


def read_petct(
    path: str | Path,
    request: PetRequest | None = None,
    *,
    series: str | None = None,
    study: str | None = None,
    regularize: bool = False,
    on_progress: Steps | None = None,
) -> PetCtStudy:
    """Read a PET/CT study; PET becomes SUV, or is refused.

    Parameters
    ----------
    path : path
        DICOM folder or zip with CT and PET; folder of HECKTOR (`<ID>__CT.nii.gz` and `<ID>__PT.nii.gz`) or of a virtual
        patient (`ct.nii.gz` and `pet.nii.gz`); or the CT's file.
    request : PetRequest, optional
        What the user says about the PET; by default nothing.
    series : str, optional
        CT series to read, see `read_study`.
    study : str, optional
        Study to read where there are several, see `read_study`.
    regularize : bool
        Fill gaps between slices by interpolation, see `read_series`.
    on_progress : callable, optional
        Called with (slices done, slices in all).

    Raises
    ------
    InputRefusedError
        As `read_study` and `suv_scale`; also when PET and CT are of different patients or frames of reference, no PET
        is corrected for attenuation, or a file's units are not told.
    SeveralStudiesError
        When there are several patients or studies, and none was chosen.
    UnsuitableScanError
        When there is no PET, and nobody asked for CT alone.
    UsageError
        When options contradict each other.
    """
    path, request = Path(path), request or PetRequest()
    if not path.exists():
        raise UnreadableFileError("The study does not exist.", "Check the path.")
    pair = _files(path, request)
    if pair is not None:
        return _from_files(*pair, request)
    if request.file is not None:
        raise UsageError("--pet goes with a CT file; this study is DICOM.", "Give a study with both, or two files.")
    instances, passed_over = dicom_instances(path)
    asked = [wanted for wanted in (series, request.series) if wanted is not None]
    needed = ("CT",) if request.left_out else ("CT", "PT")
    place = "folder" if path.is_dir() else "archive"
    instances, chosen = of_one_study(instances, place, needed, study=study, series=asked)
    groups = group_by_series(instances)
    notes = [*chosen]
    if passed_over:
        notes.append(f"{passed_over} file(s) that are not DICOM images were passed over.")
    has_pet = any(info.modality == "PT" for info, _ in groups)
    if not has_pet and not request.left_out:
        raise _no_pet()
    if request.left_out:
        ct = _study(choose(groups, "CT", series), regularize, on_progress)
        notes += ["A PET series was there and was left out, as asked."] if has_pet else []
        return PetCtStudy(ct, None, warnings=tuple(notes))
    pet_info, pet_members = choose_pet(groups, request.series)
    ct_info, ct_members = choose_ct(groups, pet_members, series)
    require_same_patient(ct_members[0].header, pet_members[0].header)
    require_same_frame(ct_members[0].header, pet_members[0].header)
    ct = _study((ct_info, ct_members), regularize, on_progress)
    pet, (words, *suv_notes) = _pet_study(pet_info, pet_members, regularize, on_progress)
    return PetCtStudy(ct, pet, words, (*suv_notes, *notes))


def read_pet(
    path: str | Path, *, series: str | None = None, regularize: bool = False, on_progress: Steps | None = None
) -> Study:
    """Read the PET of a DICOM study alone, in SUV by body weight.

    Parameters
    ----------
    path : path
        DICOM folder, zip or file.
    series : str, optional
        SeriesInstanceUID, number or description of the PET.
    regularize : bool
        Fill gaps between slices by interpolation, see `read_series`.
    on_progress : callable, optional
        Called with (slices done, slices in all).

    Raises
    ------
    InputRefusedError
        As `read_study` and `suv_scale`; also when no PET is there or corrected for attenuation.
    """
    path = Path(path)
    if not path.exists():
        raise UnreadableFileError("The study does not exist.", "Check the path.")
    if path.is_file() and image_suffix(path):
        raise UnsuitableScanError("A volume file does not say in which units its PET is.", "Give the DICOM series.")
    instances, passed_over = dicom_instances(path)
    groups = group_by_series(instances)
    if not any(info.modality == "PT" for info, _ in groups):
        choose(groups, "PT", series)  # says what is there
    info, members = choose_pet(groups, series)
    pet, notes = _pet_study(info, members, regularize, on_progress)
    others = [f"{passed_over} file(s) that are not DICOM images were passed over."] if passed_over else []
    return replace(pet, warnings=(f"PET in SUV: {notes[0]}.", *notes[1:], *pet.warnings, *others))


def choose_pet(groups: Groups, wanted: str | None = None) -> tuple[SeriesInfo, list[Instance]]:
    """Choose the PET series asked for, else the one that is corrected for attenuation, else refuse.

    Parameters
    ----------
    groups : from `group_by_series`
        Series of the study, each with its instances.
    wanted : str, optional
        SeriesInstanceUID, series number, or (part of) the description.

    Raises
    ------
    UnsuitableScanError
        When no PET series is corrected for attenuation.
    """
    if wanted is not None:
        chosen = choose(groups, "PT", wanted)
        if chosen[0].modality != "PT":
            raise SeriesError(f"The chosen series is {chosen[0].modality or 'no image'}, not PT.", "Give a PET series.")
        return chosen
    pets = [g for g in groups if g[0].modality == "PT"]
    corrected = [g for g in pets if is_attenuation_corrected(g[1][0].header)]
    if not corrected:
        raise UnsuitableScanError(
            f"No PET series of {len(pets)} is corrected for attenuation (CorrectedImage (0028,0051) has no ATTN).",
            "Export the attenuation-corrected series, or leave the PET out with --ct-only.",
        )
    info, members = choose(corrected, "PT")
    others = tuple(str(other) for other, _ in groups if other.uid != info.uid)
    why = info.why
    if len(corrected) < len(pets):
        why = f"of {len(pets)} PT series the one corrected for attenuation"
        if len(corrected) > 1:
            why = f"of {len(pets)} PT series, {len(corrected)} of them corrected for attenuation, {info.why}"
    return replace(info, why=why, others=others), members


def choose_ct(
    groups: Groups, pet_members: Sequence[Instance], wanted: str | None = None
) -> tuple[SeriesInfo, list[Instance]]:
    """Choose the CT asked for, else the best one in the PET's frame of reference, else the best one."""
    if wanted is not None:
        return choose(groups, "CT", wanted)
    frame = headers.text(pet_members[0].header, "FrameOfReferenceUID")
    together = [
        g for g in groups if g[0].modality == "CT" and headers.text(g[1][0].header, "FrameOfReferenceUID") == frame
    ]
    together = [g for g in together if not g[0].localizer]
    if not together or not frame:
        return choose(groups, "CT")
    info, members = choose(together, "CT")
    cts = sum(g[0].modality == "CT" for g in groups)
    why = info.why if len(together) == cts else f"of {cts} CT series the one in the PET's frame of reference"
    return replace(info, why=why, others=tuple(str(o) for o, _ in groups if o.uid != info.uid)), members


def require_same_patient(ct: Dataset, pet: Dataset) -> None:
    """Refuse two patients.

    Raises
    ------
    InputRefusedError
        When both series name a patient and the names differ; neither is quoted.
    """
    for keyword, tag in (("PatientID", "(0010,0020)"), ("PatientBirthDate", "(0010,0030)")):
        one, other = headers.text(ct, keyword), headers.text(pet, keyword)
        if one and other and one != other:
            raise InputRefusedError(
                f"CT and PET are of different patients: {keyword} {tag} differs.", "Give the PET/CT of one patient."
            )


def require_same_frame(ct: Dataset, pet: Dataset) -> None:
    """Refuse series that are not registered to each other.

    Raises
    ------
    GeometryError
        When FrameOfReferenceUID (0020,0052) is absent in one, or differs.
    """
    one, other = (headers.text(h, "FrameOfReferenceUID") for h in (ct, pet))
    if not one or not other or one != other:
        what = "is absent in one of them" if not one or not other else "differs"
        raise GeometryError(
            f"CT and PET are not registered: FrameOfReferenceUID (0020,0052) {what}.",
            "Give the CT of the PET/CT examination, register the PET first, or leave it out with --ct-only.",
        )


def suv_from_activity(volume: Volume, activity: Activity) -> Volume:
    """Compute SUV from an activity image.

    Parameters
    ----------
    volume : Volume, BQ_PER_ML
        PET in Bq/mL, decay-corrected.
    activity : Activity
        Body weight, and the dose left at the moment for which the image is corrected.

    Examples
    --------
    >>> import numpy as np
    >>> from hyoid.volume import Geometry
    >>> pet = Volume(np.full((1, 1, 1), 5000.0), Geometry.axial((1, 1, 1), (4, 4, 4)), Quantity.BQ_PER_ML)
    >>> float(suv_from_activity(pet, Activity(weight_kg=70, dose_bq=350e6)).array[0, 0, 0])
    1.0
    """
    factor = 1000.0 * activity.weight_kg / activity.dose_bq
    return volume.require(Quantity.BQ_PER_ML).with_array(volume.array * factor, Quantity.SUV)


def _study(chosen: tuple[SeriesInfo, list[Instance]], regularize: bool, on_progress: Steps | None) -> Study:
    info, members = chosen
    loaded = read_series(members, regularize=regularize, on_progress=on_progress)
    require_possible(loaded.volume, info.modality)
    return Study(loaded.volume, info, loaded.headers, loaded.warnings, fingerprint(loaded.volume), loaded.provenance)


def _pet_study(
    info: SeriesInfo, members: list[Instance], regularize: bool, on_progress: Steps | None
) -> tuple[Study, tuple[str, ...]]:
    """PET in SUV; and the rule that made SUV of it, followed by what had to be decided."""
    scale = suv_scale([instance.header for instance in members])
    scaled = [_in_suv(i, float(f)) for i, f in zip(members, scale.factors, strict=True)]
    return _study((info, scaled), regularize, on_progress), (scale.words, *scale.warnings)


def _in_suv(instance: Instance, factor: float) -> Instance:
    """The same image as if the scanner had stored SUV."""
    header = copy.copy(instance.header)
    slope = headers.required_numbers(header, "RescaleSlope", 1, "the PET")[0]
    intercept = headers.required_numbers(header, "RescaleIntercept", 1, "the PET")[0]
    with headers.quiet_pydicom():  # more digits than a file may hold
        header.RescaleSlope, header.RescaleIntercept = float(slope * factor), float(intercept * factor)
    header.Units = "GML"
    return Instance(header, instance.load)


def _files(path: Path, request: PetRequest) -> tuple[Path, Path | None, bool] | None:
    """CT file, PET file where there is one, and whether the names are HECKTOR's; None for DICOM."""
    if path.is_dir():
        for ending, other in _PAIRS:
            found = [p for p in sorted(path.iterdir()) if _named(p, ending)]
            if len(found) > 1:
                raise UsageError(
                    f"The folder holds the CT of {len(found)} patients.", "Give the CT file of one, or its own folder."
                )
            if found:
                return _beside(found[0], ending, other, request)
        _require_no_cohort(path)
        return None
    if not (path.is_file() and image_suffix(path)):
        return None
    for ending, other in _PAIRS:
        if _named(path, ending):
            return _beside(path, ending, other, request)
    return path, request.file, False


def _require_no_cohort(folder: Path) -> None:
    """Refuse a folder of patients' folders."""
    inner = [p for p in sorted(folder.iterdir()) if p.is_dir()]
    cases = sum(any(_named(f, ending) for f in p.iterdir() for ending, _ in _PAIRS) for p in inner)
    if cases:
        raise UsageError(f"The folder holds {cases} patient(s) in folders of their own.", "Give the folder of one.")


def _named(path: Path, ending: str) -> bool:
    """Whether a file is called `<ID>__CT`, or just `ct`."""
    stem = _stem(path)
    return stem.endswith(ending) if ending.startswith("__") else stem == ending


def _beside(ct: Path, ending: str, other: str, request: PetRequest) -> tuple[Path, Path | None, bool]:
    if request.file is not None:
        return ct, request.file, False
    suffix = image_suffix(ct)
    pet = ct.with_name(_stem(ct)[: -len(ending)] + other + ct.name[-len(suffix) :])
    return ct, pet if pet.is_file() else None, (ending, other) == _HECKTOR


def _stem(path: Path) -> str:
    suffix = image_suffix(path)
    return path.name[: -len(suffix)] if suffix else ""


def _no_pet() -> UnsuitableScanError:
    return UnsuitableScanError(
        "The study holds no PET, and on CT alone far fewer targets are found.",
        "Give the study with its PET, or add --ct-only to go on without.",
    )


def _from_files(ct_file: Path, pet_file: Path | None, hecktor: bool, request: PetRequest) -> PetCtStudy:
    ct = read_study(ct_file)
    if request.left_out:
        notes = ("A PET file was there and was left out, as asked.",) if pet_file is not None else ()
        return PetCtStudy(ct, None, warnings=notes)
    if pet_file is None:
        raise _no_pet()
    units = request.units or ("suv" if hecktor else None)
    if units is None:
        raise UsageError("A PET file does not say its units.", "Add --pet-units suv or --pet-units bqml.")
    if units == "suv":
        image = load_image(pet_file, Quantity.SUV)
        volume = image.volume
        words = "in the file, as in HECKTOR's" if request.units is None else "in the file, as told with --pet-units"
    else:
        if request.activity is None:
            raise UsageError(
                "Bq/mL of a file become SUV with body weight and dose.",
                "Add --weight-kg and --dose-mbq (what was left of the dose at the scan), or give the DICOM series.",
            )
        image = load_image(pet_file, Quantity.BQ_PER_ML)
        volume = suv_from_activity(image.volume, request.activity)
        words = "Bq/mL x weight / dose, as told with --weight-kg and --dose-mbq"
    require_possible(volume, "PT")
    return PetCtStudy(ct, Study(volume, None, (), image.notes, fingerprint(volume)), words)
