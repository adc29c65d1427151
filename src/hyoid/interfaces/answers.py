"""What the Python functions return: frozen values that save, convert and show themselves."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from hyoid.errors import UsageError
from hyoid.evaluation.evaluate import write_evaluation
from hyoid.evaluation.page import Overlay
from hyoid.evaluation.result import Evaluation
from hyoid.geometry.resample import to_sitk
from hyoid.inference.nnunet import Prediction
from hyoid.interfaces.cohorts.driver import Refusal
from hyoid.interfaces.delivery import Results, deliver, deliver_prediction
from hyoid.interfaces.further import further_named
from hyoid.interfaces.notebook import facts_html, headline_html, report_html
from hyoid.interfaces.terminal import Terminal
from hyoid.io.atomic import claim_folder, output_folder
from hyoid.io.export_names import read_names
from hyoid.io.files.volumes import write_nifti
from hyoid.io.study import Study
from hyoid.phantom.cohort.make import write_patient
from hyoid.phantom.patient import VirtualPatient
from hyoid.report.content.response import ResponseReport
from hyoid.report.content.schema import STATEMENT, Report
from hyoid.report.pages.text import quoted_text
from hyoid.systems.machine import Machine
from hyoid.systems.outlines import TARGET_VALUES, Outlines
from hyoid.volume import Geometry, Volume

if TYPE_CHECKING:
    import SimpleITK as sitk

_SHORT = 70  # characters of an impression in a repr
_MOST_REFUSED = 20  # rows in a notebook


class Answer:
    """Value that a Python function returns.

    Every answer can be saved into a folder and shown in a notebook. Answers that hold an image or numbers become arrays
    and SimpleITK images; the others refuse with the reason.
    """

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the answer into a folder, which appears complete or not at all.

        Parameters
        ----------
        folder : path
            Folder to make; a used one is refused.
        overwrite : bool
            Empty a used folder first, if its content is hyoid's.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        UsageError
            When the folder is used and `overwrite` was not asked for.
        OutputError
            When a file cannot be written, or differs when it is read back.
        """
        raise NotImplementedError

    def to_numpy(self) -> NDArray[Any]:
        """Refuse to make an array of what holds no numbers.

        Raises
        ------
        UsageError
            Always; answers with numbers have a method of their own.
        """
        raise UsageError(f"{type(self).__name__} holds no array of numbers.", "Read its attributes.")

    def to_sitk(self) -> sitk.Image:
        """Refuse to make a SimpleITK image of what holds no image.

        Raises
        ------
        UsageError
            Always; answers with an image have a method of their own.
        """
        raise UsageError(f"{type(self).__name__} holds no image.", "Read its attributes.")


@dataclass(frozen=True, eq=False, repr=False)
class Scan(Study, Answer):
    """Scan that `read_study` read, with its headers and warnings; see `Study` for the fields."""

    @classmethod
    def of(cls, study: Study) -> Self:
        """Make the scan of a study that was read."""
        return cls(**{f.name: getattr(study, f.name) for f in fields(study)})

    def __repr__(self) -> str:
        return f"<Scan: {self.volume.quantity}, {_grid_words(self.volume.geometry)}>"

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the voxels as `scan.nii.gz`; see `Answer.save`."""
        claim_folder(folder, overwrite=overwrite, known=("scan.nii.gz",))
        with output_folder(folder) as inside:
            write_nifti(self.volume, inside / "scan.nii.gz")
        return Path(folder)

    def to_numpy(self) -> NDArray[Any]:
        """Give the voxels, shape (slices, rows, columns), in the unit of `volume.quantity`."""
        return self.volume.array

    def to_sitk(self) -> sitk.Image:
        """Make the SimpleITK image of the scan, LPS mm."""
        return to_sitk(self.volume)

    def _repr_html_(self) -> str:
        facts = {"Voxels": str(self.volume.quantity), "Grid": _grid_words(self.volume.geometry)}
        facts |= {f"Note {number}": note for number, note in enumerate(self.warnings, start=1)}
        return facts_html("Scan", facts, self.volume)


@dataclass(frozen=True, eq=False, repr=False)
class ReportAnswer(Answer):
    """Report of a scan with every outline behind it.

    Parameters
    ----------
    results : Results
        Report, outlines, networks and inputs, ready to be delivered as the command line does.
    seconds : mapping of str to float
        Time of each stage, s.
    found : object
        What the system itself returned, for those who need more than this value shows.
    """

    results: Results
    seconds: Mapping[str, float] = field(default_factory=dict)
    found: object = None

    @property
    def report(self) -> Report | ResponseReport:
        """The report: impression, lines with evidence, lesions."""
        return self.results.report

    @property
    def outlines(self) -> Outlines:
        """Organs and targets on the scan's own grid, each structure whole."""
        return self.results.outlines

    @property
    def image(self) -> Volume:
        """The scan that the outlines lie on."""
        return self.results.study.volume

    @property
    def impression(self) -> str:
        """The impression in one line."""
        return self.report.summary

    def masks(self, which: str = "masks") -> Volume:
        """Choose one label map on the scan's own grid.

        Parameters
        ----------
        which : {"masks", "organs", "targets"}
            "masks": organs, and over them the targets, in the labels of `hyoid.anatomy.structures`; "organs": organs
            alone; "targets": 1 GTVp, 2 GTVn.

        Raises
        ------
        UsageError
            When there is no map of that name, or organs were not outlined.
        """
        chosen = {
            "masks": self.outlines.picture,
            "organs": self.outlines.organ_map,
            "targets": self.outlines.target_map,
        }
        if which not in chosen:
            raise UsageError(f"There is no label map {which!r}.", f"Choose one of: {', '.join(chosen)}.")
        found = chosen[which]()
        if found is None:
            raise UsageError("Organs were not outlined.", "Ask for masks or targets.")
        return found

    def save(
        self,
        folder: str | Path,
        *,
        overwrite: bool = False,
        names: str = "tg263",
        formats: str | None = None,
        results: Results | None = None,
    ) -> Path:
        """Write every file that the command of the same name leaves; see `Answer.save`.

        Parameters
        ----------
        folder : path
            Folder to make; a used one is refused.
        overwrite : bool
            Empty a used folder first, if its content is hyoid's.
        names : str
            Names of structures in SEG and RTSTRUCT: tg263, hyoid, or a YAML file.
        formats : str, optional
            Further forms of the report, as for `--formats`: sr, pdf, fhir joined by commas, or none; by default SR for
            a study that was DICOM.
        results : Results, optional
            Results with further files; by default those of this answer.
        """
        exported, further = read_names(names), further_named(formats)
        claim_folder(folder, overwrite=overwrite)
        deliver(Path(folder), results or self.results, _clock(self.seconds), exported, further)
        return Path(folder)

    def to_numpy(self, which: str = "masks") -> NDArray[Any]:
        """Give a label map, shape (slices, rows, columns), on the scan's own grid; see `masks`.

        Parameters
        ----------
        which : {"masks", "organs", "targets"}
            Label map to give.
        """
        return self.masks(which).array

    def to_sitk(self, which: str = "masks") -> sitk.Image:
        """Make the SimpleITK image of a label map, LPS mm; see `masks`.

        Parameters
        ----------
        which : {"masks", "organs", "targets"}
            Label map to convert.
        """
        return to_sitk(self.masks(which))

    def __repr__(self) -> str:
        words = self.impression
        return f"<{self.results.command}: {words if len(words) <= _SHORT else words[: _SHORT - 3] + '...'}>"

    def _repr_html_(self) -> str:
        return report_html(self.report, self.image, self.outlines.picture())


@dataclass(frozen=True, eq=False, repr=False)
class LabelAnswer(Answer):
    """Label map of somebody else's network on one case.

    Parameters
    ----------
    prediction : Prediction
        Labels, probabilities where asked for, and how both came about.
    outlines : Outlines
        Structures of the label map whose names hyoid knows.
    names : mapping of str to int or tuple of int
        What the labels mean.
    image : Volume
        First channel that went in.
    record : mapping
        Fields of `run.json` that the run knows.
    machine : Machine
        Where the network ran.
    write_dicom : callable
        Writes SEG and RTSTRUCT into the folder that it is given.
    seconds : mapping of str to float
        Time of each stage, s.
    """

    prediction: Prediction
    outlines: Outlines
    names: Mapping[str, int | tuple[int, ...]]
    image: Volume
    record: Mapping[str, Any]
    machine: Machine
    write_dicom: Callable[[Path], None]
    seconds: Mapping[str, float] = field(default_factory=dict)

    def save(self, folder: str | Path, *, overwrite: bool = False, dicom: bool = False) -> Path:
        """Write what `hyoid predict` leaves for one case; see `Answer.save`.

        Parameters
        ----------
        folder : path
            Folder to make; a used one is refused.
        overwrite : bool
            Empty a used folder first, if its content is hyoid's.
        dicom : bool
            Write SEG and RTSTRUCT as well.
        """
        claim_folder(folder, overwrite=overwrite)
        self.deliver(Path(folder), _clock(self.seconds), dicom=dicom)
        return Path(folder)

    def deliver(self, folder: Path, terminal: Terminal, *, dicom: bool = False) -> None:
        """Write the files into a folder that is claimed already.

        Parameters
        ----------
        folder : Path
            Folder of results.
        terminal : Terminal
            Clock of the run, where progress is shown.
        dicom : bool
            Write SEG and RTSTRUCT as well.
        """
        dicom_writer = self.write_dicom if dicom else None
        deliver_prediction(folder, self.prediction, self.outlines, self.record, self.machine, terminal, dicom_writer)

    def to_numpy(self) -> NDArray[Any]:
        """Give the label map, shape (slices, rows, columns), on the grid of the input."""
        return self.prediction.labels.array

    def to_sitk(self) -> sitk.Image:
        """Make the SimpleITK image of the label map, LPS mm."""
        return to_sitk(self.prediction.labels)

    def __repr__(self) -> str:
        return f"<predict: {len(self.names)} labels, {_grid_words(self.prediction.labels.geometry)}>"

    def _repr_html_(self) -> str:
        labels = self.prediction.labels
        counts = {
            name: f"{np.isin(labels.array, value).sum() * labels.geometry.voxel_ml:.2f} ml"
            for name, value in self.names.items()
            if value != 0
        }
        statement = {"Use": str(self.record.get("statement", STATEMENT))}
        return facts_html("Prediction", counts | statement, self.image, self.outlines.picture())


@dataclass(frozen=True, eq=False, repr=False)
class EvaluationAnswer(Answer):
    """Scores of one system by one protocol.

    Parameters
    ----------
    evaluation : Evaluation
        Every number, table and sentence.
    overlays : tuple of Overlay
        Pictures of the worst cases.
    """

    evaluation: Evaluation
    overlays: tuple[Overlay, ...] = ()

    @property
    def summary(self) -> Mapping[str, Any]:
        """Every number by its key, such as "GTVp.dsc_agg"."""
        return self.evaluation.summary

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of `to_numpy`: every number that the table of cases holds."""
        found = dict.fromkeys(k for case in self.evaluation.cases for k, v in case.items() if _is_number(v))
        return tuple(found)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write `evaluation.json`, tables and `evaluation.html`; see `Answer.save`."""
        known = tuple(f"evaluation{end}" for end in (".json", ".html", "_cases.csv", "_lesions.csv"))
        claim_folder(folder, overwrite=overwrite, known=known)
        write_evaluation(self.evaluation, self.overlays, Path(folder) / "evaluation.json")
        return Path(folder)

    def to_numpy(self) -> NDArray[np.float64]:
        """Give the scores, shape (cases, `columns`); NaN where a case has no such number."""
        rows = [[case.get(key) for key in self.columns] for case in self.evaluation.cases]
        numbers = [[np.nan if v is None or not _is_number(v) else float(v) for v in row] for row in rows]
        return np.array(numbers, np.float64).reshape(len(rows), len(self.columns))

    def __repr__(self) -> str:
        told = (f"{key} {value:.3f}" for key in self.evaluation.headline if _is_number(value := self.summary.get(key)))
        return f"<evaluate {self.evaluation.protocol}: {', '.join(told) or 'undefined'}>"

    def _repr_html_(self) -> str:
        return headline_html(self.evaluation)


@dataclass(frozen=True, eq=False, repr=False)
class Patient(VirtualPatient, Answer):
    """Virtual patient whose truth is known; see `VirtualPatient` for images and masks.

    Parameters
    ----------
    seed : (seed, number)
        Numbers that the patient was made from.
    """

    seed: tuple[int, int] = (0, 0)

    @classmethod
    def of(cls, patient: VirtualPatient, seed: tuple[int, int]) -> Self:
        """Make the answer of a virtual patient.

        Parameters
        ----------
        patient : VirtualPatient
            Images, masks and truth.
        seed : (seed, number)
            Numbers that the patient was made from.
        """
        return cls(**{f.name: getattr(patient, f.name) for f in fields(patient)}, seed=seed)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write images, masks, truth and report as `hyoid phantom` does; see `Answer.save`."""
        known = ("ct.nii.gz", "truth.json", "report.txt")
        claim_folder(folder, overwrite=overwrite, known=known)
        write_patient(self, Path(folder), seed=self.seed)
        return Path(folder)

    def to_numpy(self) -> NDArray[Any]:
        """Give the CT in HU, shape (slices, rows, columns)."""
        return self.ct.array

    def to_sitk(self) -> sitk.Image:
        """Make the SimpleITK image of the CT, LPS mm."""
        return to_sitk(self.ct)

    def __repr__(self) -> str:
        nodes = len(self.truth.nodes)
        return f"<virtual patient {self.seed[0]}/{self.seed[1]}: {nodes} node(s), {_grid_words(self.ct.geometry)}>"

    def _repr_html_(self) -> str:
        facts = {"Primary": self.truth.primary or "none", "Nodes": str(len(self.truth.nodes))}
        drawn = np.zeros_like(self.lesions.array)
        for label, value in TARGET_VALUES.items():
            drawn[self.lesions.array == value] = label
        return facts_html("Virtual patient", facts, self.ct, self.lesions.with_array(drawn))


@dataclass(frozen=True, eq=False, repr=False)
class CohortAnswer(Answer):
    """Cohort that was run; its results lie in its folder.

    Parameters
    ----------
    folder : Path
        Folder of the cohort: a folder per case, tables and page.
    cases : int
        Rows of the list.
    refused : tuple of Refusal
        Cases that gave no results, with the reason.
    """

    folder: Path
    cases: int
    refused: tuple[Refusal, ...] = ()

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Copy the whole cohort into another folder; see `Answer.save`."""
        claim_folder(folder, overwrite=overwrite)
        with output_folder(folder) as inside:
            shutil.copytree(self.folder, inside, dirs_exist_ok=True)
        return Path(folder)

    def __repr__(self) -> str:
        return f"<cohort: {self.cases - len(self.refused)} of {self.cases} case(s) done>"

    def _repr_html_(self) -> str:
        facts = {"Done": f"{self.cases - len(self.refused)} of {self.cases}"}
        facts |= {f"Refused: {row.case or f'row {row.row}'}": row.problem for row in self.refused[:_MOST_REFUSED]}
        return facts_html("Cohort", facts)


@dataclass(frozen=True, eq=False, repr=False)
class TextAnswer(Answer):
    """Template that was filled from a free-text report.

    Parameters
    ----------
    report : Report
        Every line with the sentences that it rests on.
    """

    report: Report

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write `report.json`, and `report.txt` with the quoted sentences; see `Answer.save`."""
        claim_folder(folder, overwrite=overwrite, known=("report.json", "report.txt"))
        with output_folder(folder) as inside:
            (inside / "report.json").write_text(self.report.model_dump_json(indent=2) + "\n", encoding="utf-8")
            (inside / "report.txt").write_text(quoted_text(self.report) + "\n", encoding="utf-8")
        return Path(folder)

    def __repr__(self) -> str:
        answered = sum(line.status != "Missing" for line in self.report.lines)
        return f"<structure: {answered} of {len(self.report.lines)} lines answered>"

    def _repr_html_(self) -> str:
        return report_html(self.report)


def _clock(seconds: Mapping[str, float]) -> Terminal:
    """A terminal that shows nothing, with the times of stages that are over."""
    terminal = Terminal(as_json=False)
    terminal.seconds.update(seconds)
    return terminal


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _grid_words(geometry: Geometry) -> str:
    size = " x ".join(map(str, geometry.shape))
    return f"{size} voxels of {' x '.join(f'{mm:g}' for mm in geometry.spacing_mm)} mm"
