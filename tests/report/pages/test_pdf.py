import sys

import pytest

from hyoid.errors import OutputError, UsageError
from hyoid.report.pages.environment import page_template
from hyoid.report.pages.pdf import page_writer, write_pdf

pypdf = pytest.importorskip("pypdf")
pytest.importorskip("weasyprint", exc_type=OSError)

DOT = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


@pytest.fixture(scope="module")
def printed(measured_case, tmp_path_factory):
    """Pages of a report with one picture of a dot."""
    folder = tmp_path_factory.mktemp("pdf")
    picture = {"key": "a", "title": "Primary tumour", "slice": 3, "columns": 4, "legend": [], "role": "index lesion"}
    picture["panels"] = [{"url": DOT, "alt": "x"}] * 4
    empty = {key: [] for key in ("blocks", "sections", "more_pictures", "target_pictures", "looks")}
    overview = picture | {"key": "overview"}
    page = page_template("report.html.j2").render(
        report=measured_case.report, pictures=[picture], overview=overview, links={}, slice_of={}, status_words={},
        target=None, answered=0, with_pet=False, scale="", vessels="", change_definition="", **empty,
    )  # fmt: skip
    (folder / "report.html").write_text(page)
    write_pdf(folder / "report.html", folder / "report.pdf")
    return pypdf.PdfReader(folder / "report.pdf").pages


def test_the_first_page_is_text_that_says_what_it_is_for(printed, measured_case):
    first, second = (page.extract_text() for page in printed[:2])
    assert "Research use only" in first
    assert measured_case.report.impression[0].words in first
    assert "Key pictures" not in first
    assert "Key pictures" in second
    drawn = [page.get_contents().get_data().count(b" Do") for page in printed[:2]]
    assert drawn == [0, 4]


def test_a_page_that_refers_to_something_outside_is_refused(tmp_path):
    (tmp_path / "secret.png").write_bytes(b"x")
    (tmp_path / "page.html").write_text('<img src="secret.png">')
    with pytest.raises(OutputError, match="refers to something outside"):
        write_pdf(tmp_path / "page.html", tmp_path / "page.pdf")
    assert not (tmp_path / "page.pdf").exists()


def test_without_pango_the_cure_is_named(monkeypatch):
    class Broken:
        def find_spec(self, name, *_):
            if name == "weasyprint":
                raise OSError("cannot load library 'libpango-1.0-0'")

    monkeypatch.delitem(sys.modules, "weasyprint", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(UsageError, match="Pango") as refusal:
        page_writer()
    assert "apt-get install libpango-1.0-0" in refusal.value.cure
