"""The report as one frozen, versioned value; JSON, text and HTML are written from it."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from hyoid.report.content.template import BY_KEY

SCHEMA_VERSION: Final = "2.0"
STATEMENT = "Research use only. Not a medical device, not for diagnosis or treatment."
IDENTIFIERS: Final = "Identifiers are never written"
"""Flag of the line for the patient: a statement, no caution."""
MISSING: Final = "Missing"
NOT_ASSESSED: Final = "Not assessed"

Status = Literal["model", "measured", "reader", "text"]
LineStatus = Literal["model", "model, measured", "measured", "reader", "text", "Missing"]
OutlineStatus = Literal["reader", "accepted", "model"]
"""Who stands behind an outline: a reader who drew it, a reader who accepted a network's, or a network alone."""
Kind = Literal["GTVp", "GTVn", "target region"]
Role = Literal["index lesion", "further focus", "node", "focus outside the neck", "target region"]
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
    """One line of the report, answered or not.

    Attributes
    ----------
    key, words, section : str
        As in `hyoid.report.content.template`.
    value : str
        The answer. Where nothing supports one: "Missing" in a report read from text, "Not assessed" in one made from
        images, with what is missing behind a colon.
    status : {"model", "model, measured", "measured", "reader", "text", "Missing"}
        "measured" rests on outlines that a reader drew or accepted, "model, measured" on a network's alone. "Missing":
        not answered.
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


def unanswered_line(key: str) -> Line:
    """Make the line of a row of the template, not answered yet.

    Parameters
    ----------
    key : str
        Key of `hyoid.report.content.template.BY_KEY`.

    Examples
    --------
    >>> unanswered_line("side").words, unanswered_line("side").value
    ('Side (Ipsi/Bi/Contra)', 'Missing')
    """
    row = BY_KEY[key]
    return Line(key=row.key, words=row.words, section=row.section)


class Uptake(_Frozen):
    """FDG uptake of a lesion, as `hyoid.metrics.uptake` measures it."""

    suv_max: float
    suv_mean: float
    mtv_ml: float
    tlg_g: float


class Contact(_Frozen):
    """Where the outline of a lesion meets that of a structure.

    Two outlines that overlap or touch are in contact; whether tumour invades is not told from masks.

    Attributes
    ----------
    structure : str
        Name in `hyoid.anatomy.structures` or `hyoid.anatomy.subsites`.
    words : str
        The structure as a reader writes it.
    term : {"abuts", "partly encases", "encases", "touches", "overlaps"}
        Of vessels the first three, by degrees of the circumference: below 180, 180 to 270, above 270.
    degrees : int, optional
        Greatest part of a vessel's circumference that the lesion touches in one axial slice.
    overlap_ml : float
        Volume that both outlines hold.
    share : float
        Of the structure's volume.
    region : Region
    """

    structure: str
    words: str
    term: Literal["abuts", "partly encases", "encases", "touches", "overlaps"]
    degrees: int | None = Field(default=None, ge=0, le=360)
    overlap_ml: float = Field(default=0.0, ge=0)
    share: Probability = 0.0
    region: Region


class Lesion(_Frozen):
    """One measured lesion; lengths as `hyoid measure` defines them; uptake where there is a PET.

    Attributes
    ----------
    name : str
        As lines and pictures call it, such as "Node 2".
    kind : {"GTVp", "GTVn", "target region"}
        What it was outlined as.
    role : {"index lesion", "further focus", "node", "focus outside the neck", "target region"}
        What the report takes it for.
    lesion : int
        1 for the largest of its kind.
    status : {"reader", "accepted", "model"}
        Who stands behind the outline.
    site : str
        Where it lies, in words; empty where no landmark tells.
    level : str
        Of a node; empty for other lesions.
    missing_landmarks : tuple of str
        What would have to be outlined to tell the level or its subdivision.
    landmarks_taken : tuple of str
        Structures that stood in for landmarks of the level that are not outlined, in words.
    necrosis : str
        Attenuation inside a node in words; empty where it was not looked at.
    extranodal_extension : str
        What a reader says of it; empty: not assessed.
    contacts : tuple of Contact
        Structures that its outline meets.
    long_axis_lps_mm, short_axis_lps_mm : pair of points, optional
        Ends of the axial diameters, to draw them.
    """

    name: str
    kind: Kind
    role: Role
    lesion: int
    status: OutlineStatus
    volume_ml: float
    longest_diameter_mm: float
    axial_long_mm: float
    axial_short_mm: float
    side: Literal["left", "right", "midline"]
    site: str = ""
    level: str
    missing_landmarks: tuple[str, ...] = ()
    landmarks_taken: tuple[str, ...] = ()
    necrosis: str = ""
    extranodal_extension: str = ""
    contacts: tuple[Contact, ...] = ()
    voxels: int
    slice_index: int
    point_lps_mm: Point
    centroid_lps_mm: Point
    long_axis_lps_mm: tuple[Point, Point] | None = None
    short_axis_lps_mm: tuple[Point, Point] | None = None
    uptake: Uptake | None = None


class Organ(_Frozen):
    """One outlined organ.

    Attributes
    ----------
    name, words : str
    label : int
    volume_ml : float
    voxels : int
    status : {"reader", "model"}
    source : str
        Network that outlined the organ, in words; empty where that was not kept.
    doubts : tuple of str
        In which respects the outline is not as this organ's should be.
    slice_index : int
    point_lps_mm : tuple of float
    """

    name: str
    words: str
    label: int
    volume_ml: float
    voxels: int
    status: Literal["reader", "model"]
    source: str = ""
    doubts: tuple[str, ...] = ()
    slice_index: int
    point_lps_mm: Point


class MissingOrgan(_Frozen):
    """A structure that the report could use and that is not outlined.

    Attributes
    ----------
    name, words : str
    why : str
        "looked for and not found", "outlined and left out" with the reason, or "no model outlines it".
    """

    name: str
    words: str
    why: str


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

    @property
    def source_words(self) -> str:
        """Name, version, licence and training data in one line, each said to be missing where it is."""
        return f"{self.words}; licence: {self.licence or 'not stated'}; trained on: {self.trained_on or 'not stated'}"

    @property
    def stated(self) -> dict[str, str]:
        """What is known of the model beside its name and version, by what it is."""
        known = {"licence": self.licence, "trained on": self.trained_on, "SHA-256 of its weights": self.sha256}
        return {name: value for name, value in known.items() if value}


class Fact(_Frozen):
    """One fact about the examination.

    Attributes
    ----------
    words, value : str
    source : {"header", "measured", "stated", "not known"}
        Header of the images, measured in the images, stated by whoever asked for the report.
    caution : bool
        Whether the fact limits what the report can say.
    """

    words: str
    value: str
    source: Literal["header", "measured", "stated", "not known"]
    caution: bool = False


class Study(_Frozen):
    """Facts about the scan; nothing that identifies the patient, unless somebody asked for it.

    Attributes
    ----------
    modality : str
        "CT", "PT", "PT/CT", "MR".
    spacing_mm : tuple of float
        Between slices, rows, columns.
    slices : int
    warnings : tuple of str
        What the reader of the files had to say.
    fingerprint : str
        SHA-256 of the voxels; empty where it was not kept.
    study_instance_uid, accession_number : str
        (0020,000D) and (0008,0050), where somebody asked for them (`--identifiers`); empty otherwise.
    """

    modality: str
    spacing_mm: Point
    slices: int
    warnings: tuple[str, ...] = ()
    fingerprint: str = ""
    study_instance_uid: str = ""
    accession_number: str = ""


class Conclusion(_Frozen):
    """One sentence of the impression.

    Attributes
    ----------
    words : str
    rests_on : tuple of str
        Keys of lines, and names of lesions, that say at least as much.
    """

    words: str
    rests_on: tuple[str, ...] = ()


class Change(_Frozen):
    """One lesion in an earlier report and in this one.

    Attributes
    ----------
    lesion : str
        Name in this report; empty where it is not outlined any more.
    prior : str
        Name in the earlier report; empty for a lesion that was not outlined there.
    kind : {"GTVp", "GTVn"}
    before_ml, after_ml, before_long_mm, after_long_mm, before_short_mm, after_short_mm : float, optional
    words : str
        What it comes to.
    """

    lesion: str
    prior: str
    kind: Kind
    before_ml: float | None
    after_ml: float | None
    before_long_mm: float | None
    after_long_mm: float | None
    before_short_mm: float | None = None
    after_short_mm: float | None = None
    words: str


class Report(_Frozen):
    """The whole report.

    Attributes
    ----------
    title : str
        What kind of report it is, by modality; empty for a text that names no scan.
    impression : tuple of Conclusion
        Two to five sentences that say no more than the lines do.
    technique, quality, context : tuple of Fact
        How the scan was made; how good it is; what whoever asked said of the patient's treatment and question.
    study : Study or None
        The scan; None where the report was read from text.
    lines : tuple of Line
        The template in its order, then the further sections.
    missing_organs : tuple of MissingOrgan
        Every structure that could bear on a line and is not outlined.
    changes : tuple of Change
        Against an earlier report, where one was given.
    empty : bool
        No lesion was outlined where one was looked for.
    failed : bool
        A result failed its own check; the warnings say which.
    addendum : tuple of Line
        What a report in free text says beyond the template, under the section "Addendum".
    """

    schema_version: Literal["2.0"] = SCHEMA_VERSION
    statement: str = STATEMENT
    title: str = ""
    impression: tuple[Conclusion, ...]
    technique: tuple[Fact, ...] = ()
    quality: tuple[Fact, ...] = ()
    context: tuple[Fact, ...] = ()
    study: Study | None
    models: tuple[ModelUse, ...]
    lines: tuple[Line, ...]
    lesions: tuple[Lesion, ...]
    organs: tuple[Organ, ...]
    missing_organs: tuple[MissingOrgan, ...]
    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...]
    empty: bool
    failed: bool = False
    addendum: tuple[Line, ...] = ()

    @property
    def summary(self) -> str:
        """The impression in one line."""
        return " ".join(sentence.words for sentence in self.impression)

    def line(self, key: str) -> Line:
        """Find the line with a key.

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
    """Make the JSON Schema (2020-12) of `report.json`."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Report.model_json_schema()}
