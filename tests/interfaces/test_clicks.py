"""Clicks as a user writes them."""

import pytest

from hyoid.errors import UsageError
from hyoid.interfaces.clicks import checked_target, parsed_click, session_of


@pytest.mark.parametrize(
    ("text", "click"),
    [("1, 2,3:-", ((1, 2, 3), False)), ("4,5,6", ((4, 5, 6), True)), ("0,0,0:+", ((0, 0, 0), True))],
)
def test_parsed_click(text, click):
    assert parsed_click(text) == click


@pytest.mark.parametrize("text", ["", "1,2", "1,2,3,4", "1,2,x", "1,2,3:?"])
def test_what_is_no_click(text):
    with pytest.raises(UsageError, match="is no click"):
        parsed_click(text)


def test_a_session_keeps_the_order_of_clicks(ball_study):
    session = session_of(ball_study, [((14, 30, 24), True), ((14, 30, 40), False)], "GTVn")
    (lesion,) = session.state.lesions
    assert lesion.target == "GTVn" and [p.prompt.kind for p in lesion.prompts] == ["add", "remove"]


@pytest.mark.parametrize("point", [(28, 0, 0), (0, -1, 0), (0, 0, 70)])
def test_a_click_outside_the_scan(ball_study, point):
    with pytest.raises(UsageError, match="outside the scan of"):
        session_of(ball_study, [(point, True)], "GTVp")


def test_checked_target():
    assert checked_target("GTVn") == "GTVn"
    with pytest.raises(UsageError, match="not 'CTV'"):
        checked_target("CTV")
