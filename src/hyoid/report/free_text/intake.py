"""What comes as a report: plain text is taken, HTML and RTF are made plain, everything else is refused."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from striprtf.striprtf import rtf_to_text

from hyoid.errors import InputRefusedError

LONGEST_TEXT = 200_000
"""Characters; long reports have ten thousand."""

_HTML = re.compile(
    r"<\s*(?:!doctype html|html|head|body|p|br|div|table|td|tr|ul|li|span|b|h[1-6])\b[^<>]*>", re.IGNORECASE
)
_BLOCK = {
    "p",
    "br",
    "div",
    "tr",
    "li",
    "ul",
    "ol",
    "table",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "section",
    "pre",
    "dt",
    "dd",
    "hr",
    "title",
}
_CELL = {"td", "th"}
_HIDDEN = {"script", "style", "template"}
_CONTROL = re.compile(
    "[\u0000-\u0008\u000e-\u001f\u007f-\u0084\u0086-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\u00ad]"
)
_PARAGRAPH = re.compile("[\u000b\u000c\u0085\u2028\u2029]")
_RTF = re.compile(r"^\s*\{\\rtf")
_RTF_ESCAPED = re.compile(r"\\[\\{}]")
_RTF_STRUCK = re.compile(r"\\(?:deleted|v|strike|striked)(?:[1-9]\d*)?(?![a-z0-9-])")
"""Text that is struck out, deleted with tracked changes, or hidden: whether it still counts, nobody can tell."""
_BINARY = re.compile(r"^(?:%PDF-|PK\x03\x04|\ufffdPNG|\xd0\xcf\x11\xe0)")
_MOST_CONTROL = 0.02  # share of characters; beyond it the text is no text


def readable(text: str) -> str:
    """Take a report's text without control characters, and out of HTML or RTF where it comes as a page.

    Parameters
    ----------
    text : str
        Content of a file or a page.

    Returns
    -------
    str

    Raises
    ------
    InputRefusedError
        When the text is too long for one report, is PDF or another file's bytes, or is RTF that is broken or holds text
        that is struck out, deleted or hidden.

    Examples
    --------
    >>> readable("<p>Mass of the <b>left</b> tonsil.</p><p>Lip&nbsp;normal.</p>")
    'Mass of the left tonsil.\\nLip normal.'
    """
    if len(text) > LONGEST_TEXT:
        raise InputRefusedError(
            f"The text has {len(text):,} characters, too many for one report.",
            "Give the text of one report in one file.",
        )
    if _RTF.match(text):
        text = _out_of_rtf(text)
    control = len(_CONTROL.findall(text))
    if _BINARY.match(text) or (control > 8 and control > _MOST_CONTROL * len(text)):
        raise InputRefusedError("The report is not text.", "Save the report as plain text in UTF-8.")
    text = _PARAGRAPH.sub("\n", _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))
    return _out_of_html(text) if len(_HTML.findall(text)) > 1 else text


def _out_of_rtf(text: str) -> str:
    braces = _RTF_ESCAPED.sub("", text)
    if braces.count("{") != braces.count("}"):
        raise InputRefusedError("The RTF is cut short or broken.", "Save the report once more, or as plain text.")
    if _RTF_STRUCK.search(text):
        raise InputRefusedError(
            "The RTF holds text that is struck out, deleted or hidden.",
            "Accept or reject the changes, and save the report as plain text in UTF-8.",
        )
    try:
        # The address of a link is no text: it goes the way of a comment.
        return rtf_to_text(text.replace("\\fldinst", "\\comment"))
    except (ValueError, TypeError, LookupError, OverflowError) as error:
        raise InputRefusedError(
            "The RTF cannot be read.", "Save the report once more, or as plain text in UTF-8."
        ) from error


class _Page(HTMLParser):
    """Collects the text of a page, a line for each block."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a line at a block, a cell at a cell."""
        del attrs
        if tag in _HIDDEN:
            self.hidden += 1
        elif tag in _BLOCK:
            self.parts.append("\n")
        elif tag in _CELL:
            self.parts.append("\t")

    def handle_endtag(self, tag: str) -> None:
        """End a line at a block."""
        if tag in _HIDDEN:
            self.hidden = max(0, self.hidden - 1)
        elif tag in _BLOCK and tag != "br":
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        """Keep text that is shown."""
        if not self.hidden:
            self.parts.append(re.sub(r"[^\S\n\t]+", " ", data))


def _out_of_html(text: str) -> str:
    page = _Page()
    page.feed(text)
    page.close()
    lines = [line.strip() for line in "".join(page.parts).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"\n\n(?=\S)", "\n", "\n".join(lines))).strip()
