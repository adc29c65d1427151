import numpy as np
import pytest
from pydicom.dataset import Dataset
from tests.systems.test_prior import results

from hyoid.errors import UsageError
from hyoid.io.study import Study
from hyoid.systems.examination import request, staging_request, technique
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((4, 8, 8), (3.0, 1.0, 1.0))


def header(identity="p1", day="20260601", **values):
    dataset = Dataset()
    dataset.PatientID, dataset.PatientBirthDate, dataset.StudyDate = identity, "19500101", day
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def study(*headers, fingerprint="f" * 64):
    return Study(Volume(np.zeros(GRID.shape, np.float32), GRID, Quantity.HU), None, headers, (), fingerprint)


def test_question_treatment_and_earlier_examination_are_stated(tmp_path):
    asked = request(study(header()), "  Extent of\ntumour? ", post_treatment=True, prior=results(tmp_path / "a"))
    assert [(fact.words, fact.value) for fact in asked.facts] == [
        ("Clinical question", "Extent of tumour?"),
        ("Treatment", "after treatment"),
        ("Comparison", "an earlier report of hyoid of 151 day(s) before"),
    ]
    assert asked.warnings == ()
    assert request(study(header())).facts == ()
    assert request(study(header()), post_treatment=False).facts[0].value == "untreated"


def test_a_question_without_end_and_outlines_without_an_earlier_ct_are_refused(tmp_path):
    with pytest.raises(UsageError, match="301 characters"):
        request(study(), "x" * 301)
    with pytest.raises(UsageError, match="none is given"):
        request(study(), prior_masks=tmp_path)


def test_technique_says_what_the_headers_say_and_what_they_do_not():
    told = {f.words: f for f in technique(study(header(SliceThickness="5", ContrastBolusAgent="Agent")))}
    assert (told["Contrast"].value, told["Slice thickness"].value) == ("Agent", "5.0 mm")
    assert told["Slice thickness"].caution and not told["Contrast"].caution
    silent = {f.words: f for f in technique(study(), study())}
    assert silent["Contrast"].source == silent["Tracer"].source == silent["Uptake time"].source == "not known"
    assert silent["Slice distance"].value == "3.0 mm"


def test_staging_needs_a_site_and_known_words():
    assert staging_request(None) is None
    asked = staging_request("oral cavity", ["8"], depth_mm=6.0, all_nodes=True)
    assert (asked.site.value, [e.value for e in asked.editions]) == ("oral cavity", ["8"])
    assert len(staging_request("hypopharynx").editions) == 2
    with pytest.raises(UsageError, match="needs the primary site"):
        staging_request(None, ["8"])
    with pytest.raises(UsageError, match="no staging table of 'tongue'"):
        staging_request("tongue")
    with pytest.raises(UsageError, match="edition '6'"):
        staging_request("oral cavity", ["6"])
