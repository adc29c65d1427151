"""The report as one frozen, versioned value; JSON, text and HTML are written from it."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION: Final = "1.0"
STATEMENT = "Research use only. Not a medical device, not for diagnosis or treatment."
MISSING: Final = "Missing"

Status = Literal["model", "measured", "reader", "text"]
LineStatus = Literal["model", "measured", "reader", "text", "Missing"]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Point = tuple[float, float, float]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Region(_Frozen):
    """Voxels that a statement rests on.

    Attributes
    ----------
    label : str
        What is outlined there, in words.
    voxels : int
    slice_index : int
        Axial slice to look at, 0-based, counted from the feet.
    point_lps_mm : tuple of float
        A voxel of the region in that slice, (x, y, z) in LPS, mm.
    centroid_lps_mm : tuple of float
    box_mm : tuple of float
        Extents along x, y, z (transverse, anteroposterior, craniocaudal) of the grid-aligned box around it, mm.
    """

    label: str
    voxels: int = Field(ge=1)
    slice_index: int = Field(ge=0)
    point_lps_mm: Point
    centroid_lps_mm: Point
    box_mm: Point


class Evidence(_Frozen):
    """Why a line says what it says.

    Attributes
    ----------
    status : {"model", "measured", "reader", "text"}
        Who said it.
    source : str
        Model name and version, "reader masks", or the sentence of a report.
    probability : float, optional
    region : Region, optional
    note : str
        Numbers and meaning in words.
    """

    status: Status
    source: str
    probability: Probability | None = None
    region: Region | None = None
    note: str = ""


class Line(_Frozen):
    """One line of the template, answered or `Missing`.

    Attributes
    ----------
    key, words, section : str
        As in `hyoid.report.content.template`.
    value : str
        The answer; "Missing" where nothing supports one.
    status : {"model", "measured", "reader", "text", "Missing"}
    probability : float, optional
    evidence : tuple of Evidence
    flags : tuple of str
        Cautions for the reader.
    """

    key: str
    words: str
    section: str
    value: str = MISSING
    status: LineStatus = MISSING
    probability: Probability | None = None
    evidence: tuple[Evidence, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def region(self) -> Region | None:
        """First region among the evidence: the picture to look at."""
        return next((e.region for e in self.evidence if e.region is not None), None)


class Uptake(_Frozen):
    """FDG uptake of a lesion, as `hyoid.metrics.uptake` measures it."""

    suv_max: float
    suv_mean: float
    mtv_ml: float
    tlg_g: float


class Lesion(_Frozen):
    """One measured lesion; lengths as `hyoid measure` defines them; uptake where there is a PET."""

    name: str
    kind: Literal["GTVp", "GTVn", "target region"]
    lesion: int
    status: Literal["reader", "model"]
    volume_ml: float
    longest_diameter_mm: float
    axial_long_mm: float
    axial_short_mm: float
    side: Literal["left", "right", "midline"]
    level: str
    voxels: int
    slice_index: int
    point_lps_mm: Point
    centroid_lps_mm: Point
    uptake: Uptake | None = None


class Organ(_Frozen):
    """One outlined organ."""

    name: str
    words: str
    label: int
    volume_ml: float
    voxels: int
    status: Literal["reader", "model"]
    slice_index: int
    point_lps_mm: Point


class ModelUse(_Frozen):
    """A model that spoke in this report.

    Attributes
    ----------
    name, version : str
    licence : str
    trained_on : str
        Training data in words.
    sha256 : str
        Of its weights.
    """

    name: str
    version: str = ""
    licence: str = ""
    trained_on: str = ""
    sha256: str = ""

    @property
    def words(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}".strip()


class Study(_Frozen):
    """Facts about the scan; nothing that identifies the patient.

    Attributes
    ----------
    modality : str
        "CT", "PT", "MR".
    spacing_mm : tuple of float
        Between slices, rows, columns.
    slices : int
    warnings : tuple of str
        What the reader of the files had to say.
    """

    modality: str
    spacing_mm: Point
    slices: int
    warnings: tuple[str, ...] = ()


class Report(_Frozen):
    """The whole report.

    Attributes
    ----------
    summary : str
        One or two sentences that say no more than the lines do.
    study : Study or None
        The scan; None where the report was read from text.
    empty : bool
        No lesion was outlined or predicted where one was looked for.
    failed : bool
        A result failed its own check; the warnings say which.
    title : str
        Heading of the template in place of its own, where the scan was another one than a CT.
    addendum : tuple of Line
        What a report in free text says beyond the template, under the section "Addendum".
    """

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    statement: str = STATEMENT
    summary: str
    study: Study | None
    models: tuple[ModelUse, ...]
    lines: tuple[Line, ...]
    lesions: tuple[Lesion, ...]
    organs: tuple[Organ, ...]
    missing_organs: tuple[str, ...]
    warnings: tuple[str, ...]
    empty: bool
    failed: bool = False
    title: str = ""
    addendum: tuple[Line, ...] = ()

    def line(self, key: str) -> Line:
        """The line with this key.

        Raises
        ------
        KeyError
            When the report has no such line.
        """
        for line in self.lines:
            if line.key == key:
                return line
        raise KeyError(key)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of `report.json`."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Report.model_json_schema()}
