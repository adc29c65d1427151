"""Response section: every lesion before and during treatment, one frozen value; JSON and text are written from it."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from hyoid.characters import printable
from hyoid.report.content.schema import STATEMENT, Lesion, ModelUse, Point, Probability, Study

RESPONSE_SCHEMA_VERSION: Final = "1.0"
UNSEEN: Final = "not in the field of view"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ResponseLine(_Frozen):
    """One lesion at both times.

    Attributes
    ----------
    name : str
        Such as "GTVn 2": numbered by size before treatment; new lesions follow.
    kind : {"GTVp", "GTVn"}
    before_ml, after_ml : float
        Before, measured on the pre-treatment scan. After is None where the mid-treatment scan does not show the place.
    percent : float, optional
        Change of volume; None for a new lesion and for one that is not shown.
    change : str
        Category; `definition` of the report says what the words mean.
    present : float, optional
        Probability that tumour is left at this place, calibrated; None where the model has no calibration.
    outside_box : float, optional
        Share of the lesion at mid that lies in no box of the gradient map.
    slice_index : int
        Axial slice of the mid scan to look at, 0-based, counted from the feet.
    point_lps_mm : (x, y, z)
    """

    name: str
    kind: Literal["GTVp", "GTVn"]
    before_ml: float = Field(ge=0)
    after_ml: float | None = Field(ge=0)
    percent: float | None
    change: str
    present: Probability | None = None
    outside_box: Probability | None = None
    slice_index: int = Field(ge=0)
    point_lps_mm: Point


class RegistrationLine(_Frozen):
    """How the pre-treatment scan came onto the mid-treatment scan.

    Attributes
    ----------
    method : str
    body_dice, similarity, folding, largest_mm, covered : float, optional
        As `hyoid.preprocess.registration.Quality`; None for input that was registered before.
    """

    method: str
    body_dice: float | None = None
    similarity: float | None = None
    folding: float | None = None
    largest_mm: float | None = None
    covered: float | None = None


class ResponseReport(_Frozen):
    """The whole report of a mid-treatment study.

    Attributes
    ----------
    summary : str
    definition : str
        What the categories mean.
    pre, mid : Study
    registration : RegistrationLine
    gradient : str
        Preset of the gradient map.
    models : tuple of ModelUse
    response : tuple of ResponseLine
    lesions : tuple of Lesion
        Measurements of what is outlined at mid.
    warnings : tuple of str
    empty : bool
        Nothing is outlined at mid.
    failed : bool
        A result failed its own check; the warnings say which.
    """

    schema_version: Literal["1.0"] = RESPONSE_SCHEMA_VERSION
    statement: str = STATEMENT
    summary: str
    definition: str
    pre: Study
    mid: Study
    registration: RegistrationLine
    gradient: str
    models: tuple[ModelUse, ...]
    response: tuple[ResponseLine, ...]
    lesions: tuple[Lesion, ...]
    warnings: tuple[str, ...]
    empty: bool
    failed: bool = False


def summary_of(lines: tuple[ResponseLine, ...]) -> str:
    """Summarise total volumes, and how many lesions became what, in one or two sentences.

    Examples
    --------
    >>> row = {"kind": "GTVp", "slice_index": 0, "point_lps_mm": (0, 0, 0)}
    >>> summary_of((ResponseLine(name="GTVp 1", before_ml=10, after_ml=4, percent=-60, change="similar", **row),))
    'GTVp 10.0 -> 4.0 ml (-60 %). One lesion: 1 similar.'
    """
    if not lines:
        return "No lesion was outlined before treatment, and none is outlined now."
    parts = []
    for kind in ("GTVp", "GTVn"):
        seen = [line for line in lines if line.kind == kind and line.after_ml is not None]
        if seen:
            before, after = sum(line.before_ml for line in seen), sum(line.after_ml or 0.0 for line in seen)
            change = f" ({100 * (after / before - 1):+.0f} %)" if before else ""
            parts.append(f"{kind} {before:.1f} -> {after:.1f} ml{change}")
    counts: dict[str, int] = {}
    for line in lines:
        counts[line.change] = counts.get(line.change, 0) + 1
    how_many = "One lesion" if len(lines) == 1 else f"{len(lines)} lesions"
    told = ", ".join(f"{n} {change}" for change, n in counts.items())
    return f"{'; '.join(parts)}. {how_many}: {told}." if parts else f"{how_many}: {told}."


def response_text(report: ResponseReport) -> str:
    """Write a response as plain text: statement, warnings, summary, a line per lesion, definition, sources."""
    rows = [report.statement, "", *(f"WARNING: {warning}" for warning in report.warnings)]
    rows += ["", f"Summary: {report.summary}", "", "Response"]
    for line in report.response:
        after = "not shown" if line.after_ml is None else f"{line.after_ml:.2f} ml"
        percent = "" if line.percent is None else f" ({line.percent:+.0f} %)"
        present = "" if line.present is None else f", probability of tumour {line.present:.2f}"
        rows.append(
            f"{line.name}: {line.before_ml:.2f} ml -> {after}{percent}, {line.change}{present} "
            f"[slice {line.slice_index + 1}]"
        )
    rows += ["", f"Categories: {report.definition}", "", "Lesions at mid"]
    rows += [
        f"{lesion.name}: {lesion.side}, {lesion.volume_ml:.2f} ml, longest {lesion.longest_diameter_mm:.1f} mm, axial "
        f"{lesion.axial_long_mm:.1f} x {lesion.axial_short_mm:.1f} mm"
        for lesion in report.lesions
    ] or ["None"]
    rows += ["", f"Registration: {report.registration.method}", "", "Sources"]
    rows += [
        f"{model.words}; licence: {model.licence or 'not stated'}; trained on: {model.trained_on or 'not stated'}"
        for model in report.models
    ]
    return printable("\n".join(rows)).replace("\n\n\n", "\n\n").strip() + "\n"
