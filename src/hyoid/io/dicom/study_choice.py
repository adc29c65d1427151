"""One patient and one study: what a folder or an archive holds several of is refused, or chosen by name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from hyoid.errors import SeveralStudiesError, UsageError
from hyoid.io.dicom import headers
from hyoid.io.dicom.headers import Instance
from hyoid.io.dicom.series_choice import asked_for, group_by_series

IMAGES = ("CT", "MR", "PT")
"""Modalities (0008,0060) whose objects are images of a study here."""


@dataclass(frozen=True, eq=False)
class Examination:
    """Images of one patient in one study.

    Parameters
    ----------
    patient : str
        Key that tells patients apart; it identifies the patient and is never shown.
    uid : str
        StudyInstanceUID (0020,000D).
    members : tuple of Instance
        Images of the study.
    """

    patient: str
    uid: str
    members: tuple[Instance, ...]

    @property
    def modalities(self) -> set[str]:
        """Modalities (0008,0060) of its images."""
        return {headers.text(member.header, "Modality") for member in self.members}

    def __str__(self) -> str:
        groups = group_by_series(self.members)
        kinds = {info.modality: sum(other.modality == info.modality for other, _ in groups) for info, _ in groups}
        return ", ".join(f"{n} {modality} series" for modality, n in kinds.items())


def examinations(instances: Sequence[Instance]) -> tuple[Examination, ...]:
    """Sort images by patient and study, the earliest study first.

    Objects without an image of CT, MR or PET (structure sets, segmentations, reports) belong to no study here: other
    programs give these a study of their own.

    Parameters
    ----------
    instances : sequence of Instance
        DICOM objects of any patients and studies, in any order.
    """
    keys = _patients(instances)
    images = [i for i in instances if headers.text(i.header, "Modality") in IMAGES] or list(instances)
    found: dict[tuple[str, str], list[Instance]] = {}
    for instance in images:
        study = headers.text(instance.header, "StudyInstanceUID")
        found.setdefault((keys[id(instance)], study), []).append(instance)

    def order(item: tuple[tuple[str, str], list[Instance]]) -> tuple[str, str, str]:
        first = item[1][0].header
        return headers.text(first, "StudyDate"), headers.text(first, "StudyTime"), item[0][1]

    return tuple(Examination(*key, tuple(members)) for key, members in sorted(found.items(), key=order))


def of_one_study(
    instances: Sequence[Instance],
    place: str,
    modalities: Collection[str],
    *,
    study: str | None = None,
    series: Iterable[str] = (),
) -> tuple[list[Instance], tuple[str, ...]]:
    """Keep the images of one patient and one study.

    Of several studies of one patient, a single one that holds what is to be read is taken, and a note says so.

    Parameters
    ----------
    instances : sequence of Instance
        Everything that was found.
    place : str
        Where, as a message names it: "folder" or "archive".
    modalities : collection of {"CT", "MR", "PT"}
        What is to be read, all in one study.
    study : str, optional
        Number of the study in the order of their dates, from 1, or its StudyInstanceUID.
    series : iterable of str
        Series that were asked for: where one of them fits a single series in all studies, that study is meant.

    Returns
    -------
    list of Instance
        Of the study.
    tuple of str
        What was passed over.

    Raises
    ------
    SeveralStudiesError
        When there are several patients or studies, and none was chosen.
    UsageError
        When `study` fits none.
    """
    found = examinations(instances)
    patients = len(set(_patients(instances).values()))
    if study is not None:
        chosen = [e for n, e in enumerate(found, start=1) if study.strip() in (str(n), e.uid)]
        if len(chosen) != 1:
            raise UsageError(
                f"{len(chosen) or 'No'} studies fit --study. The {place} holds {_listed(found)}.",
                "Give the number of a study, from 1 in the order of their dates.",
            )
        return list(chosen[0].members), _note(found, "the one that was asked for")
    for wanted in series:
        fits = [e for e in found for _ in asked_for(group_by_series(e.members), wanted)]
        if len(fits) == 1:
            return list(fits[0].members), _note(found, "the one of the series that was asked for")
    fitting = [e for e in found if set(modalities) <= e.modalities]
    if patients == 1 and len(fitting) == 1:
        return list(fitting[0].members), _note(found, f"the only one with {' and '.join(modalities)}")
    if len(found) > 1 or patients > 1:
        what = f"{patients} patients" if patients > 1 else f"{len(found)} studies of one patient"
        raise SeveralStudiesError(
            f"The {place} holds {what}, and results are of one study: {_listed(found)}.",
            "Give the folder or archive of one study, or choose with --study and its number, or with --series and a "
            "SeriesInstanceUID.",
        )
    return list(found[0].members), ()


def _note(found: Sequence[Examination], which: str) -> tuple[str, ...]:
    return (f"Of {len(found)} studies, {which} was read.",) if len(found) > 1 else ()


def _listed(found: Sequence[Examination]) -> str:
    """Studies by number; a cohort's first five."""
    rows = [f"study {n}: {examination}" for n, examination in enumerate(found[:5], start=1)]
    return "; ".join(rows) + (f"; and {len(found) - 5} more" if len(found) > 5 else "")


def _patients(instances: Sequence[Instance]) -> dict[int, str]:
    """Key of the patient of every object, by its identity in memory.

    PatientID tells patients apart, else the name; with two dates of birth one of both belongs to two patients. What
    names nobody belongs to the only patient there is.
    """
    named = {}
    for instance in instances:
        header = instance.header
        who = headers.text(header, "PatientID") or headers.text(header, "PatientName").rstrip("^")
        named[id(instance)] = (who, headers.text(header, "PatientBirthDate"))
    born = {who: {date for other, date in named.values() if other == who and date} for who, _ in named.values()}
    keys = {key: f"{who}\n{date or min(born[who], default='')}" for key, (who, date) in named.items()}
    known = {key for key in keys.values() if key.partition("\n")[0]}
    if len(known) == 1:
        return dict.fromkeys(keys, known.pop())
    return keys
