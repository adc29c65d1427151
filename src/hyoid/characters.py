"""Text from files and users as text: nothing in it that a terminal, a page or a DICOM reader would obey."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    """Replace what a terminal or page would obey instead of showing: control characters, escapes, reversed text.

    Parameters
    ----------
    text : str
        From a file, a user or hyoid itself; line ends are kept.

    Examples
    --------
    >>> printable("AX \\x1b[31mNECK [/5mm]\\n")
    'AX \\ufffd[31mNECK [/5mm]\\n'
    """
    return "".join(c if c == "\n" or unicodedata.category(c)[0] != "C" else "\ufffd" for c in text)


def one_line(text: str) -> str:
    """Write a text as one value of a DICOM attribute: in one line, without control characters and backslashes.

    A backslash would part the value in two (PS3.5 section 6.2).

    Parameters
    ----------
    text : str
        Name or description from a file or a user.

    Examples
    --------
    >>> one_line("GTV\\\\left\\n \\x1b[31m 2")
    'GTV/left [31m 2'
    """
    return " ".join("".join(c if c.isprintable() else " " for c in text).replace("\\", "/").split())
