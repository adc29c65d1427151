"""The words of a report, each with one meaning: how likely, how much contact with a vessel, who measured."""

from __future__ import annotations

from enum import StrEnum

from hyoid.report.content.schema import LineStatus, OutlineStatus

LIKELY_FROM, UNLIKELY_BELOW = 0.7, 0.3
PARTLY_FROM_DEGREES, ENCASED_ABOVE_DEGREES = 180, 270


class Likelihood(StrEnum):
    """Likelihood of involvement, as a classifier gives it."""

    LIKELY = "likely"
    POSSIBLE = "possible"
    UNLIKELY = "unlikely"


class Predicted(StrEnum):
    """What a classifier gives the likelihood of: involvement, only contact with the outline, coverage by a target."""

    INVOLVEMENT = "Involvement"
    CONTACT = "Contact"
    COVERAGE = "Coverage"


LIKELIHOOD_SCALE = (
    f"likely: probability {LIKELY_FROM:.2f} or more; possible: {UNLIKELY_BELOW:.2f} to {LIKELY_FROM:.2f}, and lower "
    f"where the network's own threshold is reached; unlikely: below"
)
VESSEL_GRADES = (
    f"abuts: outlines touch over less than {PARTLY_FROM_DEGREES} degrees of the vessel's circumference; partly "
    f"encases: {PARTLY_FROM_DEGREES} to {ENCASED_ABOVE_DEGREES}; encases: more"
)
VESSELS_BY_A_MODEL = "of a vessel that a network outlined only contact is said, with degrees of its circumference"
VESSEL_LIMITS = "Overlap of two outlines is contact, not invasion; invasion is a reader's word"
VESSEL_SCALE = f"{VESSEL_GRADES}; {VESSELS_BY_A_MODEL}. {VESSEL_LIMITS}"
STATUS_WORDS: dict[LineStatus, str] = {
    "measured": "measured on outlines that a reader drew or accepted",
    "model, measured": "measured on outlines some or all of which are a network's, and no reader confirmed these",
    "model": "a network's prediction",
    "reader": "a reader's words",
    "text": "from a written report",
    "Missing": "not assessed; this does not mean normal",
}


def likelihood(probability: float, *, flagged: bool) -> Likelihood:
    """Choose the word for a probability; the same for every line.

    Parameters
    ----------
    probability : float
        Calibrated, 0 to 1.
    flagged : bool
        Whether the network's own threshold, or its band of doubt, is reached: then it is never called unlikely.

    Examples
    --------
    >>> [str(likelihood(p, flagged=False)) for p in (0.7, 0.69, 0.3, 0.29)], str(likelihood(0.1, flagged=True))
    (['likely', 'possible', 'possible', 'unlikely'], 'possible')
    """
    if probability >= LIKELY_FROM:
        return Likelihood.LIKELY
    if probability >= UNLIKELY_BELOW or flagged:
        return Likelihood.POSSIBLE
    return Likelihood.UNLIKELY


def predicted(value: str) -> tuple[Predicted, Likelihood] | None:
    """Read what a line says a classifier predicts; None for a line that says something else.

    Examples
    --------
    >>> predicted("Contact likely, left") == (Predicted.CONTACT, Likelihood.LIKELY), predicted("Involved: 1.00 ml")
    (True, None)
    """
    said = value.partition(",")[0]
    return next(((what, word) for what in Predicted for word in Likelihood if said == f"{what} {word}"), None)


def vessel_term(degrees: int) -> str:
    """Choose the word for contact with a vessel, by degrees of its circumference.

    Examples
    --------
    >>> [vessel_term(d) for d in (10, 179, 180, 270, 271)]
    ['abuts', 'abuts', 'partly encases', 'partly encases', 'encases']
    """
    if degrees < PARTLY_FROM_DEGREES:
        return "abuts"
    return "partly encases" if degrees <= ENCASED_ABOVE_DEGREES else "encases"


def degrees_words(degrees: int | None) -> str:
    """Write the degrees of a vessel's circumference, which are counted in tens.

    Examples
    --------
    >>> degrees_words(140), degrees_words(0)
    ('140 degrees', 'less than 10 degrees')
    """
    return f"{degrees} degrees" if degrees else "less than 10 degrees"


def measured_status(outlines: OutlineStatus) -> LineStatus:
    """Choose the status of a line that was measured on outlines of this origin.

    Examples
    --------
    >>> measured_status("accepted"), measured_status("model")
    ('measured', 'model, measured')
    """
    return "model, measured" if outlines == "model" else "measured"
