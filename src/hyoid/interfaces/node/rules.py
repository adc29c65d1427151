"""Which job a study gets, from what its series say of themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

from hyoid.interfaces.node.config import Rule, When
from hyoid.io.dicom import headers


@dataclass(frozen=True)
class SeriesFacts:
    """What rules look at.

    Parameters
    ----------
    series : str
        Pseudonym of the series.
    modality, body_part : str
        Of its headers, in capitals.
    descriptions : tuple of str
        Of series and study.
    sources : frozenset of str
        Who sent its objects.
    images : int
        Objects of the series.
    """

    series: str
    modality: str
    body_part: str
    descriptions: tuple[str, ...]
    sources: frozenset[str]
    images: int


def series_facts(series: str, header: Dataset, sources: frozenset[str], images: int) -> SeriesFacts:
    """Gather the facts of one series from the header of one of its objects.

    Parameters
    ----------
    series : str
        Pseudonym of the series.
    header : Dataset
        Header of any object of it.
    sources : frozenset of str
        Who sent its objects.
    images : int
        Objects of the series.
    """
    descriptions = headers.text(header, "SeriesDescription"), headers.text(header, "StudyDescription")
    modality, body_part = headers.text(header, "Modality").upper(), headers.text(header, "BodyPartExamined").upper()
    return SeriesFacts(series, modality, body_part, descriptions, sources, images)


def fits(when: When, series: SeriesFacts) -> bool:
    """Tell whether a series meets every condition that is given."""
    return (
        series.modality in when.modality
        and series.images >= when.images
        and (not when.source or bool(series.sources & set(when.source)))
        and (when.body_part is None or re.search(when.body_part, series.body_part, re.IGNORECASE) is not None)
        and (
            when.description is None
            or any(re.search(when.description, words, re.IGNORECASE) for words in series.descriptions)
        )
    )


def choose_rule(rules: Sequence[Rule], study: Sequence[SeriesFacts]) -> tuple[Rule, tuple[SeriesFacts, ...]] | None:
    """Choose the first rule that fits a study, with the series that fit it.

    Parameters
    ----------
    rules : sequence of Rule
        In the order in which they are tried.
    study : sequence of SeriesFacts
        Series of the study.

    Returns
    -------
    tuple of Rule and series, or None
        None where no rule has a fitting series for each of its modalities.
    """
    for rule in rules:
        found = tuple(series for series in study if fits(rule.when, series))
        if {series.modality for series in found} == set(rule.when.modality):
            return rule, found
    return None
