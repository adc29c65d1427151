import base64
import io
import re

from PIL import Image
from tests.interfaces.cohorts.test_tables import RUN, lesion, write_case

from hyoid.interfaces.cohorts.driver import Refusal, write_refused
from hyoid.interfaces.cohorts.page import summarise, write_page
from hyoid.report.content.schema import IDENTIFIERS


def picture():
    buffer = io.BytesIO()
    Image.new("RGB", (500, 400), "white").save(buffer, "JPEG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_a_summary_counts_states_and_orders_cases_by_cautions(tmp_path):
    write_case(tmp_path, "calm", run=RUN | {"notes": []}, report={"lesions": [lesion(volume_ml=4.0)], "lines": []})
    notes = ["Slice 7 is cut.", "A tube."]
    patient = {"key": "patient", "section": "", "words": "", "value": "", "status": "", "flags": [IDENTIFIERS]}
    lines = [patient, patient | {"key": "tonsil", "flags": ["Unsure."]}]
    write_case(tmp_path, "flagged", run=RUN | {"notes": notes, "empty": True}, report={"lesions": [], "lines": lines})
    write_refused([Refusal(3, "x", "Input refused", "No neck.", "Look.")], tmp_path)
    found = summarise(tmp_path)
    assert (found.job, dict(found.counts)) == ("report", {"done": 2, "empty": 1, "failed": 2, "refused": 1})
    assert found.values["GTVn_ml"] == [4.0, 0.0]
    assert found.worst == [(3, "flagged"), (0, "calm")]
    assert found.warnings == {"Slice … is cut.": 1, "A tube.": 1, "Unsure.": 1}


def test_the_page_holds_everything_and_asks_no_network(tmp_path):
    folder, _ = write_case(tmp_path, "a", run=RUN, report={"lesions": [lesion()], "lines": []})
    (folder / "report.html").write_text(f'<img src="data:image/jpeg;base64,{picture()}">')
    write_case(tmp_path, "b", run=RUN, report={"lesions": [], "lines": []})
    (tmp_path / "cases" / "b" / "report.html").write_text('<img src="data:image/jpeg;base64,AAAA">')
    write_refused([Refusal(3, "x<y>", "Input refused", "No <neck>.", "Look.")], tmp_path)
    text = write_page(tmp_path, summarise(tmp_path)).read_text()
    (shown,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    assert Image.open(io.BytesIO(base64.b64decode(shown))).size == (200, 160)
    assert 'href="cases/a/report.html"' in text
    assert "No &lt;neck&gt;." in text
    assert "Research use only" in text
    assert not re.search(r'(src|href)="(https?:)?//', text)


def test_a_cohort_of_refusals_alone_has_a_page(tmp_path):
    write_refused([Refusal(k, f"c{k}", "Input refused", "No neck.", "Look.") for k in range(250)], tmp_path)
    text = write_page(tmp_path, summarise(tmp_path)).read_text()
    assert "and 50 more in refused.csv" in text
