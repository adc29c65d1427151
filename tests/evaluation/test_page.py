import math
import re

import numpy as np
import pytest
from PIL import Image

from hyoid.evaluation.page import (
    AGREED,
    COLOURS,
    INVENTED,
    MISSED,
    OTHER_CLASS,
    evaluation_html,
    metric_words,
    number,
    overlay_of,
)
from hyoid.evaluation.protocols import Anchor
from hyoid.evaluation.result import Evaluation
from hyoid.evaluation.summaries import Table


def colours_of(png: bytes, tmp_path) -> set[tuple[int, int, int]]:
    (tmp_path / "overlay.png").write_bytes(png)
    with Image.open(tmp_path / "overlay.png") as image:
        return {colour for _, colour in image.convert("RGB").getcolors()}


def evaluation(**changes) -> Evaluation:
    fields = {
        "protocol": "hntsmrg2024",
        "words": "Words of the protocol.",
        "headline": ("GTVp.dsc_agg",),
        "summary": {
            "n_cases": 2,
            "n_predictions_missing": 1,
            "GTVp.dsc_agg": 0.7,
            "GTVp.dsc_agg.ci95_low": 0.5,
            "GTVp.dsc_agg.ci95_high": 0.9,
            "GTVp.dsc_agg.n": 2,
            "GTVp.dsc_agg.n_excluded": 0,
            "GTVp.dsc_agg.n_missed": 1,
            "GTVp.dsc_agg.n_false_positive": 0,
        },
        "cases": (
            {"case": "<one>", "GTVp.status": "measured", "GTVp.dsc": 0.7, "GTVp.hd95_medpy_mm": 37.0},
            {"case": "two", "prediction_missing": True, "GTVp.status": "missed", "GTVp.dsc": 0.0,
             "GTVp.hd95_medpy_mm": math.inf},
        ),
        "lesions": (),
        "notes": ("How empties were treated.",),
        "tables": (Table("Other rules", ("rule", "GTVp"), (("zero (this protocol)", 0.5),)),),
        "anchors": (Anchor("somebody", "GTVp.dsc_agg", 0.788),),
    }  # fmt: skip
    return Evaluation(**(fields | changes))


def test_page_is_self_contained_and_says_what_it_must():
    page = evaluation_html(evaluation())
    assert not re.search(r"<script|src=\"http|href=\"http|@import", page)
    assert "Research use only" in page
    for words in ("How empties were treated.", "0.7880", "0.5000 to 0.9000", "missed 1", "1 without prediction"):
        assert words in page


def test_names_are_escaped():
    page = evaluation_html(evaluation())
    assert "&lt;one&gt;" in page
    assert "<one>" not in page


def test_names_are_text_wherever_they_stand():
    hostile = "\"><img src=x onerror=alert(1)>'\x1b[1m\u202e"
    case = {"case": hostile, "GTVp.status": "measured", "GTVp.dsc": 0.7, f"{hostile}.dsc": 0.4}
    mask = np.ones((1, 4, 4), bool)
    page = evaluation_html(
        evaluation(cases=(case,), notes=(hostile,), tables=(Table(hostile, (hostile,), ((hostile,),)),)),
        (overlay_of(hostile, {"GTVp": (mask, mask)}, (1.0, 1.0, 1.0)),),
    )
    assert "<img src=x" not in page and not {"\x1b", "\u202e"} & set(page)
    assert page.count("&#34;&gt;&lt;img src=x onerror=alert(1)&gt;&#39;\ufffd[1m\ufffd") >= 6


def test_infinite_distances_are_drawn_beyond_the_axis():
    page = evaluation_html(evaluation())
    assert page.count('class="beyond"') == 1
    assert ">50<" in page  # 37 mm on an axis to 50


def test_page_without_cases_or_overlays():
    assert "Worst cases" not in evaluation_html(evaluation(cases=(), tables=(), anchors=()))


def test_overlay_shows_the_slice_of_most_disagreement(tmp_path):
    reference, prediction = np.zeros((2, 3, 8, 8), bool)
    reference[0, 0, 0] = prediction[0, 0, 0] = True
    reference[1, 2:4, 2:4] = True
    prediction[1, 5:7, 5:7] = True
    prediction[2, 1, 1] = reference[2, 1, 1] = True
    overlay = overlay_of("a", {"GTVp": (reference, prediction)}, (3.0, 1.0, 1.0), first_slice=40)
    assert overlay.slice_index == 41
    assert colours_of(overlay.png, tmp_path) == {COLOURS[0], COLOURS[MISSED], COLOURS[INVENTED]}


def test_overlay_tells_swapped_classes_from_missed_ones(tmp_path):
    mask, nothing = np.ones((1, 4, 4), bool), np.zeros((1, 4, 4), bool)
    swapped = overlay_of("a", {"GTVp": (mask, nothing), "GTVn": (nothing, mask)}, (1.0, 1.0, 1.0))
    assert COLOURS[OTHER_CLASS] in colours_of(swapped.png, tmp_path)
    same = overlay_of("a", {"GTVp": (mask, mask)}, (1.0, 1.0, 1.0))
    assert COLOURS[AGREED] in colours_of(same.png, tmp_path)


def test_overlay_keeps_the_proportions_of_the_patient(tmp_path):
    mask = np.ones((1, 10, 10), bool)
    overlay = overlay_of("a", {"x": (mask, mask)}, (1.0, 2.0, 1.0))
    (tmp_path / "o.png").write_bytes(overlay.png)
    with Image.open(tmp_path / "o.png") as image:
        assert image.height == pytest.approx(2 * image.width, abs=2)


def test_words():
    assert metric_words("GTVp.dsc_agg.difference") == "GTVp: aggregated Dice, A minus B"
    assert metric_words("n_cases") == "n cases"
    assert number(True) == "yes"
    assert number(-12.345) == "-12.35"


def test_a_long_headline_is_shown_by_its_mean():
    names = [f"organ{i}" for i in range(12)]
    summary = {f"{name}.dsc_mean": 0.5 for name in names} | {"mean.dsc_mean": 0.25, "n_cases": 1}
    page = evaluation_html(evaluation(summary=summary, headline=tuple(f"{n}.dsc_mean" for n in names), anchors=()))
    assert page.count('class="tile"') == 1
    assert '<div class="big">0.2500</div>' in page


def test_differences_are_not_shown_twice():
    summary = {"n_cases": 1, "GTVp.f1.difference": 0.1, "GTVp.f1.difference.ci95_low": 0.0}
    page = evaluation_html(evaluation(summary=summary | {"GTVp.f1.difference.ci95_high": 0.2}, headline=(), anchors=()))
    assert "Every number" not in page
