import pytest

from hyoid.errors import UnreadableFileError
from hyoid.interfaces.cohorts.jobs import JOBS, CaseJob, order_of
from hyoid.interfaces.cohorts.remote import fetched, remote_fingerprint
from hyoid.interfaces.cohorts.worker import CaseWork


def test_files_and_folders_elsewhere_are_copied_and_named(tmp_path):
    (tmp_path / "far" / "study").mkdir(parents=True)
    (tmp_path / "far" / "study" / "1.dcm").write_text("x")
    url = (tmp_path / "far").as_uri()
    urls = [f"{url}/study", f"{url}/study/1.dcm"]
    words = fetched([urls[0], "--prior", urls[1], "http://a.service"], urls, tmp_path / "here")
    assert (words[1], words[3]) == ("--prior", "http://a.service")
    assert (tmp_path / "here/0/study/1.dcm").read_text() == "x"
    assert words[2] == str(tmp_path / "here/2/1.dcm")


def test_a_fingerprint_follows_the_files(tmp_path):
    (tmp_path / "a").write_text("1")
    before = remote_fingerprint((tmp_path / "a").as_uri())
    assert remote_fingerprint((tmp_path / "a").as_uri()) == before
    (tmp_path / "a").write_text("12")
    assert remote_fingerprint((tmp_path / "a").as_uri()) != before


@pytest.mark.parametrize("url", ["file:///nothing/there", "nosuchplace://x/y"])
def test_what_cannot_be_read_is_refused(url, tmp_path):
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        remote_fingerprint(url)
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        fetched([url], [url], tmp_path)


def test_a_case_from_a_url_has_the_same_results(maps, tmp_path):
    near, far = str(maps / "a.nii.gz"), (maps / "a.nii.gz").as_uri()
    for name, word in (("near", near), ("far", far)):
        job = CaseJob(1, name, "measure", (word,), tmp_path / name, order_of(JOBS["measure"], [word]))
        assert CaseWork()(job).state == "done"
    assert (tmp_path / "near/measurements.json").read_text() == (tmp_path / "far/measurements.json").read_text()
