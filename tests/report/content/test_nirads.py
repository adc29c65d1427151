import pytest
from tests.report.content.test_change import lesion

from hyoid.report.content.change import changes_between
from hyoid.report.content.involvement import Sources
from hyoid.report.content.nirads import nirads_lines

READER = Sources("reader", "reader masks", "c")


def test_categories_stay_open_and_name_what_would_decide():
    before = [lesion("Primary tumour", "index lesion", 1.0)]
    now = [lesion("Primary tumour", "index lesion", 2.0)]
    primary, neck = nirads_lines(now, changes_between(now, before), READER)
    assert primary.value == (
        "2 or 3, for a reader to confirm (1 outlined; new or larger: Primary tumour); undecided without: intensity of "
        "enhancement, FDG uptake"
    )
    assert neck.value == "Not assessed: no lesion outlined here, which does not say 1"
    alone, _ = nirads_lines(now, (), READER)
    assert "undecided without: earlier scan" in alone.value


@pytest.mark.parametrize(
    ("sources", "why"),
    [
        (Sources("model", "m 1", "c"), "no reader drew or accepted the outlines"),
        (Sources("reader", "r", "c", outlined=False), "no outline"),
    ],
)
def test_no_category_on_a_networks_word(sources, why):
    lines = nirads_lines([lesion("Primary tumour", "index lesion", 2.0)], (), sources)
    assert {line.value for line in lines} == {f"Not assessed: {why}"}
