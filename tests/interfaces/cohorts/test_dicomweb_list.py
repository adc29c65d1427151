"""A query of a DICOMweb server as a list, against a server of two patients that answers as QIDO-RS and WADO-RS do."""

import numpy as np
import pytest
import requests
from pydicom import dcmread

from hyoid.errors import HyoidError, InputRefusedError, UnreadableFileError, UsageError
from hyoid.interfaces.cohorts import dicomweb_list
from hyoid.interfaces.cohorts.dicomweb_list import fetch_study, read_query, studies_of, study_fingerprint
from hyoid.interfaces.cohorts.jobs import JOBS, order_of
from hyoid.interfaces.cohorts.remote import fetched
from hyoid.io.cohorts.found_cases import find_cases, study_name
from hyoid.io.dicom.ct import write_ct_series
from hyoid.volume import Geometry, Quantity, Volume


def row(**values):
    tags = {"study": "0020000D", "patient": "00100020", "series": "0020000E", "modality": "00080060", "n": "00201209"}
    return {tags[name]: {"Value": [value]} for name, value in values.items()}


class Server:
    """Patient B with a PET/CT, patient A with a CT and with an MR that was found because of nothing."""

    def __init__(self, files):
        self.files, self.filters, self.grown, self.page = files, None, 0, 100

    def search_for_studies(self, search_filters, fields, limit, offset):
        self.filters = search_filters
        rows = [row(study="1.3", patient="B"), row(study="1.2", patient="A"), row(study="1.4", patient="A")]
        return rows[offset : offset + min(limit, self.page)] if self.page else rows

    def search_for_series(self, study, get_remaining):
        n = len(self.files)
        return {
            "1.2": [row(series="1.2.1", modality="CT", n=n + self.grown), row(series="1.2.2", modality="SR", n=1)],
            "1.3": [row(series="1.3.2", modality="PT", n=3), row(series="1.3.1", modality="CT", n=n)],
            "1.4": [row(series="1.4.1", modality="MR", n=9)],
        }[study]

    def iter_series(self, study, series):
        return (dcmread(file) for file in self.files)


@pytest.fixture
def query(tmp_path):
    (tmp_path / "query.yaml").write_text("{url: 'http://localhost/web', query: {StudyDate: 20240101-20241231}}")
    return tmp_path / "query.yaml"


@pytest.fixture
def server(tmp_path, monkeypatch):
    ct = Volume(np.zeros((3, 4, 4), np.int16), Geometry.axial((3, 4, 4), (3, 2, 2)), Quantity.HU)
    write_ct_series(tmp_path / "ct", ct)
    server = Server(sorted((tmp_path / "ct").iterdir()))
    monkeypatch.setattr(dicomweb_list, "_client", lambda query: server)
    return server


def test_studies_are_listed_by_patient_under_the_names_that_a_folder_gives(query, server, tmp_path):
    cases = studies_of(query, "ct")
    assert [(c.case, c.patient) for c in cases] == [(study_name("1.2"), 1), (study_name("1.3"), 2)]
    assert server.filters == {"ModalitiesInStudy": "CT", "StudyDate": "20240101-20241231"}
    assert cases[0].words == "DICOM study of the server: 3 CT image(s)"
    [found] = find_cases(tmp_path / "ct", "ct")
    assert found.case == study_name(str(dcmread(server.files[0]).StudyInstanceUID))


def test_a_job_of_two_modalities_needs_both(query, server):
    [case] = studies_of(query, "petct")
    assert case.words == "DICOM study of the server: 3 CT, 3 PT image(s)"
    assert server.filters["ModalitiesInStudy"] == "PT"


@pytest.mark.parametrize("page", [1, 2, None])
def test_a_server_of_short_pages_and_one_that_knows_no_offset_give_all(query, server, page):
    server.page = page
    assert len(studies_of(query, "ct")) == 2


def test_a_worker_fetches_the_series_of_its_case(query, server, tmp_path):
    [url] = studies_of(query, "ct")[0].paths
    words = fetched([url, "--template"], {url}, tmp_path / "here")
    assert words == (str(tmp_path / "here" / "0"), "--template")
    assert len(list((tmp_path / "here" / "0").rglob("*.dcm"))) == 3


def test_a_study_that_grew_is_another_input_and_one_that_lost_images_is_refused(query, server, tmp_path):
    before = studies_of(query, "ct")[0].paths[0]
    server.grown = 1
    after = studies_of(query, "ct")[0].paths[0]
    assert study_fingerprint(before) == study_fingerprint(before) != study_fingerprint(after)
    job = JOBS["report"]
    assert order_of(job, [before]).inputs != order_of(job, [after]).inputs
    with pytest.raises(InputRefusedError, match="3 of the 4 images"):
        fetch_study(after, tmp_path / "here")


def test_queries_that_tell_no_cases_are_refused(query, server):
    with pytest.raises(UsageError, match="what a case of this job is"):
        studies_of(query, "midrt")
    query.write_text("{url: 'http://localhost/web', query: {PatientID: X}, most: 2}")
    with pytest.raises(UsageError, match="more than 2"):
        studies_of(query, "ct")
    query.write_text("{url: 'http://localhost/web', query: {PatientID: X}, modalities: [US]}")
    with pytest.raises(InputRefusedError, match="holds US"):
        studies_of(query, "ct")


def test_a_date_that_yaml_takes_for_a_number_is_its_digits(query):
    query.write_text("{url: 'http://localhost/web', query: {StudyDate: 20240101}}")
    assert read_query(query).query == {"StudyDate": "20240101"}
    query.write_text("{url: 'http://localhost/web', query: {}}")
    with pytest.raises(UsageError, match="query"):
        read_query(query)


@pytest.mark.parametrize("error", [requests.ConnectionError("of Miller^John"), KeyError("Miller^John")])
def test_what_the_web_says_is_not_repeated(query, server, monkeypatch, error):
    def fail(**_):
        raise error

    monkeypatch.setattr(server, "search_for_studies", fail)
    with pytest.raises(HyoidError) as refused:
        studies_of(query, "ct")
    assert "Miller" not in f"{refused.value.problem} {refused.value.cure}"


def test_a_url_that_no_list_made_is_refused():
    with pytest.raises(UnreadableFileError, match="not one of a study"):
        study_fingerprint("dicomweb:///query.yaml#Miller")
