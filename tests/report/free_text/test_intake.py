import pytest

from hyoid.errors import InputRefusedError
from hyoid.report.free_text.intake import LONGEST_TEXT, readable
from hyoid.report.free_text.structure import structure_text

PAGE = (
    "<!DOCTYPE html><html><head><title>CT neck</title><style>p {color: red}</style></head><body>"
    "<p>Mass of the left tonsil, 2&nbsp;&times;&nbsp;3 cm.</p><ul><li>Lip: normal</li></ul>"
    "<table><tr><td>Orbit</td><td>free</td></tr></table><script>evil()</script></body></html>"
)


def test_plain_text_is_as_it_was():
    assert readable("Mass of the tonsil.\n\nLip: normal.") == "Mass of the tonsil.\n\nLip: normal."


def test_a_page_is_read():
    report = structure_text(PAGE)
    assert report.line("tonsil").value == "L - involved"
    assert report.line("size_of_the_mass").value == "2 x 3 cm"
    assert report.line("lip").value == report.line("orbit").value == "Not involved"
    assert "evil" not in readable(PAGE)
    assert "color" not in readable(PAGE)


RICH = r"""{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fnil\fcharset0 Calibri;}}
{\*\generator Writer 6.0;}{\info{\author Nobody}}\pard\sa200\f0\fs22\strike0 CT neck\par
Mass of the \b left\b0  tonsil, 2 \'d7 3 cm.\par
{\field{\*\fldinst{HYPERLINK "http://example.org/lip"}}{\fldrslt Lip}}: normal.\par
\trowd\cellx1000\cellx2000 Orbit\cell free\cell\row
}"""


def test_rich_text_is_read():
    report = structure_text(RICH)
    assert report.line("tonsil").value == "L - involved"
    assert report.line("size_of_the_mass").value == "2 x 3 cm"
    assert report.line("lip").value == report.line("orbit").value == "Not involved"
    for hidden in ("Calibri", "Nobody", "Writer", "example.org", "rtf1"):
        assert hidden not in readable(RICH)


def test_rich_text_without_text_is_refused():
    with pytest.raises(InputRefusedError):
        structure_text(r"{\rtf1\ansi }")


def test_signs_of_less_and_more_are_no_page():
    assert readable("nodes <1 cm, mass >3 cm, left < right") == "nodes <1 cm, mass >3 cm, left < right"


def test_control_characters_leave():
    assert (
        readable("Mass of\x00 the \u200bleft ton\u00adsil.\x0cLip normal.") == "Mass of the left tonsil.\nLip normal."
    )


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (r"{\rtf1\ansi Mass of the left tonsil.", "cut short"),
        (r"{\rtf1\ansi Mass of the left tonsil.}}", "cut short"),
        (r"{\rtf1\ansi\ansicpg1252 Mass of the left tonsil\'81.}", "cannot be read"),
        (r"{\rtf1\ansi Mass of the {\strike left} right tonsil.}", "struck out"),
        (r"{\rtf1\ansi Mass of the {\deleted left} right tonsil.}", "struck out"),
        (r"{\rtf1\ansi Mass of the {\v left} right tonsil.}", "hidden"),
        ("%PDF-1.7 mass of the left tonsil", "not text"),
        ("\x01\x02\x03\x04\x05\x06\x07\x08\x0e\x0f mass of the tonsil", "not text"),
        ("The lip is normal. " * (LONGEST_TEXT // 19 + 1), "too many"),
        ("x" * 5_000_000, "too many"),
    ],
)
def test_what_is_no_report_is_refused(text, cause):
    with pytest.raises(InputRefusedError, match=cause):
        structure_text(text)


def test_a_sentence_without_end_is_not_read_and_the_report_says_so():
    report = structure_text("CT neck. The lip is normal. " + "The mass involves the orbit and " * 100)
    assert report.line("lip").value == "Not involved"
    assert report.line("orbit").status == "Missing"
    assert any("too long to read" in warning for warning in report.warnings)
