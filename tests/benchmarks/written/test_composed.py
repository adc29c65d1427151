import re

import numpy as np
import pytest
from benchmarks.written.composed import compose_report
from benchmarks.written.styles import HELD_OUT, LEFT_ALONE, TUNING
from benchmarks.written.truths import draw_truth

from hyoid.anatomy.subsites import SUBSITE_BY_NAME

STYLES = [*TUNING, *HELD_OUT, *LEFT_ALONE]


def composed(seed, style):
    rng = np.random.default_rng(seed)
    truth = draw_truth(rng)
    return truth, compose_report(truth, style, rng)


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_every_symbol_is_known_and_every_slot_filled(style):
    for choices in style.rules.values():
        assert choices
        for text in choices:
            assert all(symbol in style.rules for symbol in re.findall(r"<(\w+)>", text))
    for seed in range(20):
        assert not re.search(r"[{}<>]", composed(seed, style)[1].text.replace("->", ""))


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_nothing_is_stated_that_is_not_true(style):
    for seed in range(20):
        truth, report = composed(seed, style)
        site = SUBSITE_BY_NAME[truth.primary].field
        assert (report.site, report.stated[site].state) == (site, "involved")
        for key, stated in report.stated.items():
            if key in truth.involved:
                assert (stated.state == "involved") == truth.involved[key]
        assert set(report.sentences) == set(report.stated)
        assert report.nodes == len(truth.nodes)
        assert report.node_levels == {node.level for node in truth.nodes}


def test_same_seed_same_report_and_another_seed_another():
    assert composed(3, TUNING[0])[1].text == composed(3, TUNING[0])[1].text
    assert composed(3, TUNING[0])[1].text != composed(4, TUNING[0])[1].text


def test_slips_leave_numbers_and_short_words_alone():
    style = next(s for s in TUNING if s.slips)
    _, report = composed(5, style)
    assert all(
        str(size).rstrip("0").rstrip(".") in report.text or f"{size * 10:g}" in report.text for size in report.size_cm
    )


def test_one_style_writes_many_sentences():
    assert len({sentence for seed in range(40) for sentence in composed(seed, TUNING[0])[1].sentences.values()}) > 150
