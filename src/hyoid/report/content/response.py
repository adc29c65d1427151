"""Response section: every lesion before and during treatment, one frozen value; JSON and text are written from it."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from hyoid.characters import printable
from hyoid.report.content.schema import STATEMENT, Lesion, ModelUse, Point, Probability, Study

RESPONSE_SCHEMA_VERSION: Final = "2.0"
UNCONFIRMED: Final = "Outlined by a model on this scan, not confirmed by a reader; it may understate the response."
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
    before_long_mm, after_long_mm : float, optional
        Longest axial diameter on the pre-treatment and on the mid-treatment scan; None where nothing is outlined.
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
    before_long_mm: float | None = None
    after_long_mm: float | None = None
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
    impression : tuple of str
        Sentences in plain words, each saying no more than the lines.
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

    schema_version: Literal["2.0"] = RESPONSE_SCHEMA_VERSION
    statement: str = STATEMENT
    impression: tuple[str, ...]
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

    @property
    def summary(self) -> str:
        """The impression in one line."""
        return " ".join(self.impression)


def impression_of(lines: tuple[ResponseLine, ...]) -> tuple[str, ...]:
    """Write the impression: the primary tumour, the nodes, what is new or not shown, who outlined.

    Parameters
    ----------
    lines : tuple of ResponseLine
        Lines of the response, lesion by lesion.

    Examples
    --------
    >>> row = {"kind": "GTVp", "slice_index": 0, "point_lps_mm": (0, 0, 0)}
    >>> line = ResponseLine(name="GTVp 1", before_ml=10, after_ml=4, percent=-60, change="smaller", **row)
    >>> impression_of((line,))[:-1]
    ('Primary tumour smaller: 10.0 to 4.0 ml (-60 %).',)
    """
    if not lines:
        return ("No lesion was outlined before treatment, and none is outlined now.",)
    primary, nodes = ([line for line in lines if line.kind == kind] for kind in ("GTVp", "GTVn"))
    told = []
    for number, line in enumerate(primary, start=1):
        told.append(f"Primary tumour{f' {number}' if len(primary) > 1 else ''} {line.change}{_numbers(line)}.")
    if len(nodes) == 1:
        told.append(f"One node, {nodes[0].change}{_numbers(nodes[0])}.")
    elif nodes:
        counts: dict[str, int] = {}
        for line in nodes:
            counts[line.change] = counts.get(line.change, 0) + 1
        named = ", ".join(f"{n} {change}" for change, n in counts.items())
        seen = [line for line in nodes if line.after_ml is not None and line.before_ml]
        before, after = sum(line.before_ml for line in seen), sum(line.after_ml or 0.0 for line in seen)
        total = f"; together {before:.1f} to {after:.1f} ml ({_percent(before, after)})" if before else ""
        told.append(f"{len(nodes)} nodes: {named}{total}.")
    return (*told, UNCONFIRMED)


def _numbers(line: ResponseLine) -> str:
    """Volumes and diameters of a lesion, as they follow its category."""
    if line.after_ml is None:
        return f" ({line.before_ml:.1f} ml before)"
    if not line.before_ml:
        return f": {line.after_ml:.1f} ml"
    words = f": {line.before_ml:.1f} to {line.after_ml:.1f} ml ({_percent(line.before_ml, line.after_ml)})"
    if line.before_long_mm is not None and line.after_long_mm is not None:
        words += f", longest axial diameter {line.before_long_mm / 10:.1f} to {line.after_long_mm / 10:.1f} cm"
    return words


def _diameters(line: ResponseLine) -> str:
    if line.before_long_mm is None or line.after_long_mm is None:
        return ""
    return f", longest axial diameter {line.before_long_mm:.1f} to {line.after_long_mm:.1f} mm"


def _percent(before_ml: float, after_ml: float) -> str:
    return f"{100 * (after_ml / before_ml - 1):+.0f} %"


def response_text(report: ResponseReport) -> str:
    """Write a response as plain text: impression first, a line per lesion, definition, warnings, sources."""
    rows = ["IMPRESSION", *report.impression, "", "RESPONSE"]
    for line in report.response:
        after = "not shown" if line.after_ml is None else f"{line.after_ml:.2f} ml"
        percent = "" if line.percent is None else f" ({line.percent:+.0f} %)"
        present = "" if line.present is None else f", probability of tumour {line.present:.2f}"
        rows.append(
            f"{line.name}: {line.change}, {line.before_ml:.2f} to {after}{percent}{_diameters(line)}{present} "
            f"[slice {line.slice_index + 1}]"
        )
    rows += ["", f"Categories: {report.definition}", ""]
    rows += [f"CAUTION: {warning}" for warning in report.warnings]
    rows += ["", "LESIONS NOW, outlined by a model"]
    rows += [
        f"{lesion.name}: {lesion.side}, {lesion.volume_ml:.2f} ml, longest {lesion.longest_diameter_mm:.1f} mm, axial "
        f"{lesion.axial_long_mm:.1f} x {lesion.axial_short_mm:.1f} mm"
        for lesion in report.lesions
    ] or ["None outlined; that does not exclude tumour"]
    rows += ["", f"Registration: {report.registration.method}", "", "SOURCES"]
    rows += [model.source_words for model in report.models]
    rows += ["", report.statement]
    return printable("\n".join(rows)).replace("\n\n\n", "\n\n").strip() + "\n"
