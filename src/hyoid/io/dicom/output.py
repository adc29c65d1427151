"""What every DICOM object that hyoid writes shares: the study it belongs to, and who made it."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pydicom.uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    generate_uid,
)

from hyoid.anatomy.structures import Structure, exported_name
from hyoid.characters import one_line
from hyoid.errors import UsageError
from hyoid.io.dicom.headers import items, numbers
from hyoid.io.masks import Outline
from hyoid.provenance import Provenance
from hyoid.volume import Geometry

MANUFACTURER = "hyoid"
_SOP_CLASSES = {"CT": CTImageStorage, "MR": MRImageStorage, "PT": PositronEmissionTomographyImageStorage}
# Patient and study attributes that DICOM wants present, empty where unknown (type 2).
_PATIENT_AND_STUDY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
# What else every object of a study repeats where the images have it: PS3.3 C.7.1.1 Patient, C.7.1.3 Clinical Trial
# Subject, C.7.2.1 General Study, C.7.2.2 Patient Study, C.7.2.3 Clinical Trial Study.
_REPEATED = re.findall(
    r"\w+",
    """
    StudyInstanceUID SpecificCharacterSet ReferencedPatientSequence IssuerOfPatientID TypeOfPatientID
    IssuerOfPatientIDQualifiersSequence PatientBirthTime QualityControlSubject OtherPatientIDs OtherPatientNames
    OtherPatientIDsSequence EthnicGroup EthnicGroupCodeSequence PatientComments PatientIdentityRemoved
    DeidentificationMethod DeidentificationMethodCodeSequence PatientSpeciesDescription PatientSpeciesCodeSequence
    PatientBreedDescription PatientBreedCodeSequence BreedRegistrationSequence ResponsiblePerson ResponsiblePersonRole
    ResponsibleOrganization
    ClinicalTrialSponsorName ClinicalTrialProtocolID ClinicalTrialProtocolName IssuerOfClinicalTrialProtocolID
    OtherClinicalTrialProtocolIDsSequence ClinicalTrialSiteID ClinicalTrialSiteName IssuerOfClinicalTrialSiteID
    ClinicalTrialSubjectID IssuerOfClinicalTrialSubjectID ClinicalTrialSubjectReadingID
    IssuerOfClinicalTrialSubjectReadingID ClinicalTrialProtocolEthicsCommitteeName
    ClinicalTrialProtocolEthicsCommitteeApprovalNumber
    IssuerOfAccessionNumberSequence ReferringPhysicianIdentificationSequence ConsultingPhysicianName
    ConsultingPhysicianIdentificationSequence StudyDescription ProcedureCodeSequence PhysiciansOfRecord
    PhysiciansOfRecordIdentificationSequence NameOfPhysiciansReadingStudy PhysiciansReadingStudyIdentificationSequence
    ReferencedStudySequence RequestingService RequestingServiceCodeSequence ReasonForPerformedProcedureCodeSequence
    AdmittingDiagnosesDescription AdmittingDiagnosesCodeSequence PatientAge PatientSize PatientSizeCodeSequence
    PatientBodyMassIndex MeasuredAPDimension MeasuredLateralDimension PatientWeight MedicalAlerts Allergies Occupation
    SmokingStatus AdditionalPatientHistory PregnancyStatus LastMenstrualDate PatientSexNeutered ReasonForVisit
    ReasonForVisitCodeSequence AdmissionID IssuerOfAdmissionIDSequence ServiceEpisodeID ServiceEpisodeDescription
    IssuerOfServiceEpisodeIDSequence PatientState
    ClinicalTrialTimePointID ClinicalTrialTimePointDescription LongitudinalTemporalOffsetFromEvent
    LongitudinalTemporalEventType ClinicalTrialTimePointTypeCodeSequence IssuerOfClinicalTrialTimePointID
    ConsentForClinicalTrialUseSequence
""",
)
RESEARCH_ONLY = "Research use only."


@dataclass(frozen=True)
class Export:
    """Choice of how objects of a study are named, numbered, dated and packed.

    Parameters
    ----------
    names : mapping of str to str, optional
        Exported name by the structure's name, from `read_names`; by default a region keeps the structure's name and a
        segment has its words.
    taken_numbers : collection of int
        Series numbers of the study, which a new series must not have.
    now : datetime, optional
        Dates and times of the object; by default the moment of writing.
    deflated : bool
        Deflated Explicit VR Little Endian for SEG, a two-hundredth of the size; False for a peer that does not take it.
    """

    names: Mapping[str, str] | None = None
    taken_numbers: Collection[int] = ()
    now: datetime | None = None
    deflated: bool = True


PLAIN_EXPORT = Export()


def synthetic_headers(geometry: Geometry, *, modality: str = "CT", seed: str = "") -> tuple[Dataset, ...]:
    """Make minimal anonymous slice headers for a volume that did not come from DICOM.

    Call it once per run and give the result to every writer, so that their objects refer to one study.

    Parameters
    ----------
    geometry : Geometry
        Grid of the volume, whose slices the headers place.
    modality : {"CT", "MR", "PT"}
        Modality (0008,0060) that the headers state.
    seed : str, optional
        The same seed gives the same identifiers: the study's fingerprint, say.

    Returns
    -------
    tuple of Dataset
        One per slice, in slice order.
    """
    study, series, frame = (_uid(seed, part) for part in ("study", "series", "frame"))
    headers = []
    for index in range(geometry.shape[0]):
        header = Dataset()
        header.file_meta = FileMetaDataset()
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header.SOPClassUID = _SOP_CLASSES[modality]
        header.SOPInstanceUID = _uid(seed, str(index))
        header.Modality = modality
        header.StudyInstanceUID, header.SeriesInstanceUID = study, series
        header.FrameOfReferenceUID = geometry.frame_of_reference_uid or frame
        header.InstanceNumber, header.SeriesNumber = index + 1, 1
        header.PatientName, header.PatientID = "Anonymous", "ANONYMOUS"
        header.PositionReferenceIndicator = ""
        header.ImagePositionPatient = decimals(geometry.to_lps((index, 0, 0)).tolist())
        header.ImageOrientationPatient = decimals(geometry.directions[:, [2, 1]].T.ravel().tolist())
        header.PixelSpacing = decimals(geometry.spacing_mm[1:])
        header.SliceThickness = decimals(geometry.spacing_mm[:1])[0]
        header.Rows, header.Columns = geometry.shape[1:]
        headers.append(completed(header))
    return tuple(headers)


def completed(header: Dataset) -> Dataset:
    """Copy a header, with every attribute that a new object of the study must carry."""
    header = copy.copy(header) if "PixelData" not in header else copy.deepcopy(header)
    for keyword in (*_PATIENT_AND_STUDY, "PositionReferenceIndicator"):
        if keyword not in header:
            setattr(header, keyword, "")
    if not header.get("FrameOfReferenceUID") and header.get("SeriesInstanceUID"):
        header.FrameOfReferenceUID = _uid(str(header.SeriesInstanceUID), "frame")
    # highdicom asks the source for its thickness, and then writes that of the grid it is given.
    thickness = numbers(header, "SliceThickness", 1)
    if thickness is None or thickness[0] <= 0:
        header.SliceThickness = "1"
    if "SpacingBetweenSlices" in header and numbers(header, "SpacingBetweenSlices", 1) is None:
        del header.SpacingBetweenSlices
    frames = items(header, "PerFrameFunctionalGroupsSequence")
    if frames:
        shared = copy.deepcopy((items(header, "SharedFunctionalGroupsSequence") or [Dataset()])[0])
        for name in ("PixelMeasuresSequence", "PlaneOrientationSequence"):  # which may stand with every frame instead
            if name not in shared and name in frames[0]:
                shared[name] = frames[0][name]
        header.SharedFunctionalGroupsSequence = DicomSequence([shared])
    return header


def copy_study(header: Dataset, target: Dataset) -> None:
    """Give a new object the patient, study and clinical trial of a header, demographic attributes included."""
    for keyword in (*_PATIENT_AND_STUDY, *_REPEATED):
        if keyword in header:
            target[keyword] = copy.deepcopy(header[keyword])


def derived_uid(headers: Sequence[Dataset], *parts: str) -> pydicom.uid.UID:
    """Derive a UID from the images and from what was made of these: the same twice, another for anything else.

    Parameters
    ----------
    headers : sequence of Dataset
        Headers of the images.
    parts : str
        What was made: kind of object, names, provenances, digests of masks.
    """
    first = headers[0]
    images = sorted(str(header.get("SOPInstanceUID", "")) for header in headers)
    digest = hashlib.sha256(
        "\n".join((str(first.StudyInstanceUID), str(first.SeriesInstanceUID), *images, *parts)).encode()
    )
    return generate_uid(entropy_srcs=[digest.hexdigest()])


def derived_series_number(header: Dataset, kind: int, taken: Collection[int] = ()) -> int:
    """Derive a series number that hardly any series of the study has: a thousand times the source's, plus `kind`.

    Parameters
    ----------
    header : Dataset
        Header of the source series.
    kind : int
        300 for SEG, 301 for RTSTRUCT.
    taken : collection of int
        Numbers that the study is known to hold.

    Examples
    --------
    >>> source = Dataset(); source.SeriesNumber = 4
    >>> derived_series_number(source, 300), derived_series_number(source, 300, taken={4300})
    (4300, 4310)
    """
    source = header.get("SeriesNumber")
    # IS holds 31 bits.
    number = kind + 1000 * (int(source) if source not in (None, "") and 0 <= int(source) < 2_000_000 else 0)
    while number in taken:
        number += 10
    return number


def stamp(dataset: Dataset, now: datetime, *kinds: str) -> None:
    """Set date and time attributes of these kinds, such as Content or Series, to one moment."""
    for kind in kinds:
        setattr(dataset, f"{kind}Date", now.strftime("%Y%m%d"))
        setattr(dataset, f"{kind}Time", now.strftime("%H%M%S"))


def reference_to(source: Dataset) -> Dataset:
    """Make an item that refers to an object by its class and its UID."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    return item


def described(description: str) -> str:
    """Describe a series within DICOM's 64 characters, with what the object may be used for.

    Examples
    --------
    >>> described("organs 1.2")
    'organs 1.2. Research use only.'
    """
    return f"{one_line(description)[: 62 - len(RESEARCH_ONLY)]}. {RESEARCH_ONLY}"


def declare_characters(target: Dataset, texts: Sequence[str]) -> None:
    """Turn a new object into Unicode where its own texts go beyond ASCII: the study's character set may lack these.

    Parameters
    ----------
    target : Dataset
        The object, with the character set of its study.
    texts : sequence of str
        Names and descriptions that hyoid wrote into the object.
    """
    if not all(text.isascii() for text in texts):
        target.decode()  # while the study's set is still known
        target.SpecificCharacterSet = "ISO_IR 192"


def tracking_uid(headers: Sequence[Dataset], structure: Structure, provenance: Provenance) -> str:
    """Derive the tracking UID of a structure in the objects of one study: SEG and SR name a lesion by the same one."""
    return derived_uid(headers, "tracking", structure.name, str(provenance.outline))


def outline_names(outlines: Sequence[Outline], names: Mapping[str, str] | None) -> dict[int, str]:
    """Name every outline as SegmentLabel or ROIName, by label: at most 64 characters, no two alike.

    Raises
    ------
    UsageError
        When two structures would share a name.
    """
    chosen = {o.structure.label: exported_name(o.structure, names)[:64] for o in outlines}
    if twice := sorted({name for name in chosen.values() if list(chosen.values()).count(name) > 1}):
        raise UsageError(f"Two structures would be named {', '.join(twice)}.", "Give each a name of its own (--names).")
    return chosen


def about_outline(outline: Outline) -> str:
    """Describe one segment or region: what the structure is, who drew it, what a reader must know."""
    parts = (
        outline.structure.words,
        str(outline.provenance.outline),
        outline.note.rstrip("."),
        RESEARCH_ONLY.rstrip("."),
    )
    return ". ".join(f"{part[0].upper()}{part[1:]}" for part in parts if part)[:1023] + "."


def decimals(values: Sequence[float]) -> list[str]:
    """Write numbers as decimal strings of at most 16 characters, the longest that DICOM's DS allows.

    Examples
    --------
    >>> decimals([1.0, -1 / 3, 1.172000050544738, -0.0])
    ['1', '-0.3333333333', '1.1720000505', '0']
    """
    return [f"{round(v, 10) + 0.0:.10f}".rstrip("0").rstrip(".")[:16] for v in values]


def _uid(seed: str, part: str) -> pydicom.uid.UID:
    return generate_uid(entropy_srcs=[seed, part]) if seed else generate_uid()
