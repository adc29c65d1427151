import numpy as np
import pytest

from hyoid.errors import GeometryError
from hyoid.report.content.response import RegistrationLine, ResponseLine, ResponseReport, impression_of, response_text
from hyoid.report.content.schema import Study
from hyoid.report.pages.response_html import ResponseScene, response_html, write_response
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((6, 40, 40), (4.0, 3.0, 3.0))


def line(name="GTVp 1", before=10.0, after=2.0, change="smaller", **more):
    percent = None if after is None or not before else round(100 * (after / before - 1), 1)
    fields = {"slice_index": 2, "point_lps_mm": (60.0, 60.0, 8.0), "present": 0.9} | more
    return ResponseLine(
        name=name, kind=name[:4], before_ml=before, after_ml=after, percent=percent, change=change, **fields
    )


def report(*lines, **more):
    study = Study(modality="MR", spacing_mm=GRID.spacing_mm, slices=6)
    fields = {
        "impression": impression_of(lines), "definition": "smaller means less", "pre": study, "mid": study,
        "registration": RegistrationLine(method="Rigid"), "gradient": "hyoid", "models": (), "response": lines,
        "lesions": (), "warnings": ("Look twice & <carefully>",), "empty": False,
    }  # fmt: skip
    return ResponseReport(**(fields | more))


@pytest.fixture
def scene():
    image = Volume(np.random.default_rng(0).random(GRID.shape).astype(np.float32), GRID, Quantity.MR)
    labels = np.zeros(GRID.shape, np.uint8)
    labels[2, 18:22, 18:22] = 101
    outlines = Volume(labels, GRID, Quantity.LABEL)
    return ResponseScene(image, image, image.with_array(image.array, Quantity.PROBABILITY), outlines, outlines)


def test_the_impression_names_the_primary_then_the_nodes_then_who_outlined():
    lines = (
        line(before_long_mm=31.0, after_long_mm=18.0, change="much smaller"),
        line("GTVn 1", 4.0, 4.0, "similar"),
        line("GTVn 2", 2.0, 0.0, "may have vanished"),
        line("GTVn 3", 3.0, None, "not in the field of view"),
    )
    assert impression_of(lines) == (
        "Primary tumour much smaller: 10.0 to 2.0 ml (-80 %), longest axial diameter 3.1 to 1.8 cm.",
        "3 nodes: 1 similar, 1 may have vanished, 1 not in the field of view; together 6.0 to 4.0 ml (-33 %).",
        "Outlined by a model on this scan, not confirmed by a reader; it may understate the response.",
    )
    assert impression_of(()) == ("No lesion was outlined before treatment, and none is outlined now.",)
    new = impression_of((line(), line("GTVn 1", 0.0, 1.0, "new"), line("GTVn 2", 0.0, 2.0, "new")))
    assert new[1] == "2 nodes: 2 new."


def test_text_begins_with_the_impression_and_says_every_lesion_its_change_and_the_definition():
    text = response_text(report(line(), line("GTVn 1", 3.0, None, "not in the field of view", present=None)))
    assert text.startswith("IMPRESSION\nPrimary tumour smaller: 10.0 to 2.0 ml (-80 %).\n")
    assert "GTVp 1: smaller, 10.00 to 2.00 ml (-80 %), probability of tumour 0.90 [slice 3]" in text
    assert "GTVn 1: not in the field of view, 3.00 to not shown [slice 3]" in text
    assert "Categories: smaller means less" in text and "CAUTION: Look twice" in text


def test_the_page_shows_three_pictures_a_lesion_and_escapes_what_it_is_told(scene):
    page = response_html(report(line(), line("GTVn 1", 0.0, 1.0, "new")), scene)
    assert page.count('<img src="data:image/jpeg') == 6 and "http" not in page
    assert "Look twice &amp; &lt;carefully&gt;" in page and "Do not use this report" not in page
    assert "Do not use this report" in response_html(report(line(), failed=True), scene)


def test_control_characters_and_reversed_text_are_shown_not_obeyed(scene, tmp_path):
    told = report(line("GTVp <i>\u202e"), warnings=("\x1b[31m{{ 1 }}\x07",))
    write_response(tmp_path, told, scene)
    for name in ("report.html", "report.txt"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "\ufffd[31m{{ 1 }}\ufffd" in text and not {"\x1b", "\x07", "\u202e"} & set(text)
    assert "GTVp &lt;i&gt;\ufffd" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_files_read_back_and_other_grids_are_refused(scene, tmp_path):
    made = report(line())
    names = [p.name for p in write_response(tmp_path, made, scene)]
    assert names == ["report.json", "report.txt", "report.html"]
    assert ResponseReport.model_validate_json((tmp_path / "report.json").read_text()) == made
    moved = Volume(scene.mid.array, Geometry.axial(GRID.shape, (4.0, 3.0, 2.0)), Quantity.MR)
    with pytest.raises(GeometryError, match="different grids"):
        response_html(made, ResponseScene(moved, scene.mid, scene.gradient, scene.pre_labels, scene.mid_labels))
