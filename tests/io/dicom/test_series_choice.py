import numpy as np
import pytest

from hyoid.errors import SeriesError
from hyoid.io.dicom.headers import Instance
from hyoid.io.dicom.series_choice import choose, group_by_series
from hyoid.volume import Geometry


@pytest.fixture
def study(make_series):
    """A study of series, each of so many slices 2.5 mm apart with these values in every header."""

    def make(*rows, modality="CT"):
        found = []
        for number, (slices, values) in enumerate(rows, start=1):
            grid = Geometry.axial((slices, 3, 3), (2.5, 1.0, 1.0))
            for dataset in make_series(np.zeros(grid.shape), grid, number=number, modality=modality):
                for keyword, value in values.items():
                    setattr(dataset, keyword, value)
                found.append(Instance(dataset, lambda: None))
        return group_by_series(found)

    return make


SOFT, BONE = {"ConvolutionKernel": "B30f"}, {"ConvolutionKernel": "B70s"}
AGENT = {"ContrastBolusAgent": "Iohexol"}
DERIVED = {"ImageType": ["DERIVED", "PRIMARY", "AXIAL"]}


@pytest.mark.parametrize(
    ("modality", "rows", "number", "why"),
    [
        ("CT", [(20, {})], 1, "the only CT series"),
        ("CT", [(20, BONE), (20, SOFT)], 2, "of 2 CT series the axial original one with a soft kernel"),
        ("CT", [(36, BONE), (20, SOFT)], 2, "of 2 CT series the axial original one with a soft kernel"),
        ("CT", [(20, {}), (20, AGENT)], 2, "of 2 CT series the axial original one with contrast agent"),
        ("CT", [(20, {}), (4, AGENT)], 1, "of 2 CT series the axial original one with enough length"),
        ("CT", [(20, BONE), (16, SOFT), (20, SOFT | AGENT)], 3,
         "of 3 CT series the axial original one with a soft kernel and contrast agent"),
        ("CT", [(20, {}), (18, {})], 1, "of 2 CT series the axial original one with most slices"),
        ("CT", [(20, DERIVED), (12, {})], 2, "of 2 CT series the axial original one"),
        ("MR", [(20, {"EchoTime": 10.0}), (20, {"EchoTime": 90.0})], 2,
         "of 2 MR series the axial original one with T2 weighting"),
        ("MR", [(20, {"EchoTime": 90.0, "DiffusionBValue": 800.0}), (20, {"EchoTime": 90.0})], 2,
         "of 2 MR series the axial original one with T2 weighting"),
        ("MR", [(20, {"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]}), (20, {})], 2,
         "of 2 MR series the axial original one"),
        ("PT", [(20, {}), (30, {})], 2, "of 2 PT series the axial original one with most slices"),
    ],
)  # fmt: skip
def test_the_reasons_for_a_series_are_told(study, modality, rows, number, why):
    info, members = choose(study(*rows, modality=modality), modality)
    assert (info.number, info.why, len(members)) == (number, why, rows[number - 1][0])


@pytest.mark.parametrize(
    ("modality", "rows", "words"),
    [
        ("CT", [(20, {}), (20, {})], "which of 2 CT series is meant: series 1: CT, 20 slices, axial; series 2: CT"),
        ("CT", [(20, AGENT), (19, AGENT), (9, AGENT)], "which of 2 CT series is meant"),
        ("CT", [(20, BONE), (20, BONE)], "series 1: CT, 20 slices, axial, sharp kernel; series 2"),
        ("MR", [(20, {"EchoTime": 90.0}), (20, {"EchoTime": 100.0})], "which of 2 MR series .* T2-weighted; series 2"),
        ("PT", [(20, {}), (20, {})], "which of 2 PT series"),
    ],
)
def test_without_a_reason_the_series_is_asked_for(study, modality, rows, words):
    groups = study(*rows, modality=modality)
    with pytest.raises(SeriesError, match=words) as refused:
        choose(groups, modality)
    assert "--series" in refused.value.cure and "DOE" not in str(refused.value)
    assert choose(groups, modality, "2")[0].why == "asked for"
