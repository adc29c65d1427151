import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from hyoid.anatomy.structures import BY_NAME
from hyoid.errors import OutputError
from hyoid.report.content.build import Involvement, ReportInputs, build_report
from hyoid.report.content.change import CHANGE_DEFINITION
from hyoid.report.content.schema import Change, Fact, ModelUse, Report, Study, json_schema
from hyoid.report.content.template import FIELDS, TEMPLATE
from hyoid.report.pages.attention import Attention
from hyoid.report.pages.figures import make_backdrop
from hyoid.report.pages.html import to_html
from hyoid.report.pages.one_page import one_page
from hyoid.report.pages.pictures import MOST_PICTURES, choose_pictures
from hyoid.report.pages.text import template_text
from hyoid.report.pages.write import write_report
from hyoid.volume import Geometry, Quantity, Volume

SHAPE = (48, 64, 64)
SPACING = (4.0, 3.0, 3.0)
GRID = Geometry.axial(SHAPE, SPACING)
MODEL = ModelUse(
    name="organs", version="1", licence="MIT", trained_on="<b>virtual</b> patients & others", sha256="ab" * 32
)


def made(nodes=2, lesions=True, **changes):
    ct = np.random.default_rng(0).normal(40, 60, SHAPE).astype(np.float32)
    organs = np.zeros(SHAPE, np.uint8)
    organs[20:26, 20:30, 24:40] = BY_NAME["oropharynx"].label
    organs[24:30, 24:30, 8:14] = BY_NAME["parotid_right"].label
    organs[5:8, 40:44, 30:34] = BY_NAME["spinal_cord"].label
    marked = np.zeros(SHAPE, np.uint8)
    if lesions:
        marked[20:24, 22:28, 20:28] = 1
        for n in range(nodes):
            marked[4 + 3 * (n % 14) : 6 + 3 * (n % 14), 50:53, 4 + 8 * (n // 14) : 7 + 8 * (n // 14)] = 2
    labels = organs.copy()
    labels[marked == 1], labels[marked == 2] = BY_NAME["gtvp"].label, BY_NAME["gtvn"].label
    report = build_report(
        ReportInputs(
            study=Study(modality="CT", spacing_mm=SPACING, slices=SHAPE[0]),
            organs=Volume(organs, GRID, Quantity.LABEL),
            organ_sources=(MODEL,),
            organs_expected=("oropharynx", "parotid_left"),
            lesions=Volume(marked, GRID, Quantity.LABEL) if lesions else None,
            involvement={"lip": Involvement(0.25, 0.5, "tumour")},
            **changes,
        )
    )
    return report, Volume(ct, GRID, Quantity.HU), Volume(labels, GRID, Quantity.LABEL)


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.images, self.open, self.words = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [attrs["href"]] if "href" in attrs else []
        self.images += [attrs] if tag == "img" else []
        if tag not in ("img", "meta", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)


def test_page_is_well_formed_self_contained_and_small():
    text = to_html(*made())
    page = Page(text)
    assert page.open == []
    assert len(set(page.ids)) == len(page.ids)
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert all(image["src"].startswith("data:image/jpeg;base64,") and image["alt"] for image in page.images)
    assert not re.search(r"https?://|<script|url\(|@import", text)
    assert len(text) < 3_000_000


def test_page_says_the_same_as_the_report():
    report, ct, labels = made()
    words = " ".join(" ".join(Page(to_html(report, ct, labels)).words).split())
    assert report.statement in words
    assert report.summary in words
    for line in report.lines:
        assert line.words in words or line.words.lower() in words.lower()
        assert line.value.removeprefix("Not assessed: ") in words
    assert "Not outlined, looked for and not found: Parotid gland, left" in words
    assert "<b>virtual</b> patients & others" in words  # shown as text, not as markup
    assert "Licence: MIT" in words


def test_a_change_stands_beside_the_definition_of_its_word():
    report, ct, labels = made()
    change = Change(
        lesion="Node 1", prior="Node 1", kind="GTVn", before_ml=2.0, after_ml=1.0, before_long_mm=20.0,
        after_long_mm=14.0, words="Node 1 smaller: 2.0 to 1.0 ml (-50 %)",
    )  # fmt: skip
    changed = report.model_copy(update={"changes": (change,)})
    page = " ".join(" ".join(Page(to_html(changed, ct, labels)).words).split())
    for text, there in ((page, True), (one_page(changed), True), (one_page(report), False)):
        assert (change.words in text) is there
        assert (CHANGE_DEFINITION in " ".join(text.split())) is there


def test_every_lesion_has_a_picture_and_lines_point_to_what_shows_their_structure():
    report, ct, labels = made()
    pictures, links = choose_pictures(report, make_backdrop(ct, labels))
    assert {"size_of_the_mass", "max_size"} <= set(links)
    assert {lesion.name for lesion in report.lesions} <= set(links)
    assert set(links.values()) == {picture.key for picture in pictures}
    backdrop = make_backdrop(ct, labels)
    by_key = {picture.key: picture for picture in pictures}
    primary = by_key[links["size_of_the_mass"]]
    assert "Primary tumour (GTVp)" in backdrop.visible(backdrop.voxel_at(primary.point_lps_mm))
    assert backdrop.voxel_at(primary.point_lps_mm)[0] == primary.slice_index


def test_number_of_pictures_is_limited_and_the_file_stays_small():
    report, ct, labels = made(nodes=40)
    assert report.line("number_of_nodes").value.startswith("40 outlined (")
    pictures, _ = choose_pictures(report, make_backdrop(ct, labels))
    assert len(pictures) == MOST_PICTURES
    assert len(to_html(report, ct, labels)) < 3_000_000


def test_page_without_lesions_shows_an_overview():
    report, ct, labels = made(lesions=False)
    pictures, links = choose_pictures(report, make_backdrop(ct, labels))
    assert ([p.title for p in pictures], links) == (["Overview"], {})
    assert "Nobody outlined a tumour" in to_html(report, ct, labels)


def test_failure_and_warnings_come_first():
    text = to_html(*made(failed=True, warnings=("Odd <spacing>",)))
    head = text.partition('class="summary"')[0]
    assert "Do not use this report" in head
    assert "Odd &lt;spacing&gt;" in head


HOSTILE = "</p><img src=x onerror=alert(1)>&\"'[bold]{{ 7 * 7 }}\x1b[31m\x07\u202e"
HARMLESS = "</p><img src=x onerror=alert(1)>&\"'[bold]{{ 7 * 7 }}\ufffd[31m\ufffd\ufffd"


def test_text_from_files_and_users_is_text_in_the_page(tmp_path):
    report, ct, labels = made(warnings=(HOSTILE,))
    line = report.lines[3]
    said = line.model_copy(update={"value": HOSTILE, "flags": (HOSTILE,)})
    model = report.models[0].model_copy(update={"name": HOSTILE, "version": HOSTILE, "licence": HOSTILE})
    fact = Fact(words="Clinical question", value=HOSTILE, source="stated")
    told = report.model_copy(
        update={
            "lines": tuple(said if x is line else x for x in report.lines),
            "models": (model,),
            "context": (fact,),
            "summary": HOSTILE,
        }
    )
    write_report(tmp_path, told, ct, labels)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    parsed = Page(page)
    assert parsed.open == [] and "<img src=x" not in page and all("onerror" not in i for i in parsed.images)
    assert "".join(parsed.words).count(HARMLESS) >= 4
    for text in (page, (tmp_path / "report.txt").read_text(encoding="utf-8"), template_text(told)):
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
    assert not {"\x1b", "\x07"} & set((tmp_path / "report.json").read_text(encoding="utf-8"))


def test_text_has_every_line_of_the_template_in_order():
    report = made()[0]
    rows = template_text(report).splitlines()
    at = -1
    for field in TEMPLATE:
        words = field.words if field.is_heading else f"{field.words}: {report.line(field.key).value}"
        at = next(i for i in range(at + 1, len(rows)) if rows[i] == words or rows[i].startswith(f"{words} "))
    assert rows[0] == report.statement
    assert "Lip: Involvement unlikely [model, probability 0.25]" in rows
    assert rows[-2:] == [
        "organs 1; licence: MIT; trained on: <b>virtual</b> patients & others",
        "Outlines drawn by a reader",
    ]


def test_files_are_written_and_read_back(tmp_path):
    report, ct, labels = made()
    written = write_report(tmp_path, report, ct, labels)
    assert sorted(p.name for p in written) == ["report.html", "report.json", "report.txt"]
    assert Report.model_validate_json((tmp_path / "report.json").read_text()) == report
    plain = json.loads((tmp_path / "report.json").read_text())
    assert plain["schema_version"] == "2.0"
    assert [line["key"] for line in plain["lines"]][: len(FIELDS)] == [field.key for field in FIELDS]


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r"no folder 'absent'"):
        write_report(tmp_path / "absent", *made())


def test_schema_is_closed_and_versioned():
    schema = json_schema()
    assert schema["properties"]["schema_version"]["const"] == "2.0"
    assert all(part["additionalProperties"] is False for part in (schema, *schema["$defs"].values()))
    with pytest.raises(ValueError, match="patient_name"):
        Study.model_validate({"modality": "CT", "spacing_mm": SPACING, "slices": 3, "patient_name": "x"})
    with pytest.raises(ValueError, match="frozen"):
        made()[0].summary = "other"


def test_where_the_classifier_looked_stands_at_its_line_and_beside_the_masks(tmp_path):
    report, ct, labels = made()
    coarse = Geometry.axial((12, 12, 12), (16.0, 16.0, 16.0))
    looked = Volume(np.random.default_rng(0).random(coarse.shape, np.float32), coarse, Quantity.ATTENTION)
    attention = Attention({"lip": looked}, shared=False)
    page = Page(to_html(report, ct, labels, attention))
    (picture,) = [image for image in page.images if "the map is highest" in image["alt"]]
    assert picture["alt"].startswith("Lip: attention for this field, slice ")
    assert picture["src"].startswith("data:image/jpeg;base64,")
    assert not [image for image in Page(to_html(report, ct, labels)).images if "the map is highest" in image["alt"]]
    written = write_report(tmp_path, report, ct, labels, attention)
    assert tmp_path / "attention" / "lip.nii.gz" in written
