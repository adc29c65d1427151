"""One case of a list of many, wherever the list comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["ct", "petct", "midrt", "channels", "images", "texts", "table"]
"""What a folder is searched for: CT, PET/CT, pairs of MR, studies or files by channel, image files, texts; or nothing,
where only a table says what a case is.
"""


@dataclass(frozen=True)
class ListedCase:
    """One case of a list.

    Parameters
    ----------
    row : int
        Place in the list from 1; of a table, the line without its header.
    case : str
        Identifier, which is the name of the folder of results.
    paths : tuple of str
        Files, folders or URLs.
    prior : str
        Earlier examination or report of the patient; empty without one.
    masks : str
        Label map or structure set that belongs to the case; empty without one.
    clicks : tuple of str
        Clicks, each `slice,row,column` with `:+` or `:-`.
    options : tuple of str
        Further words of the command line for this case alone.
    words : str
        What the case is, without a word from its headers.
    patient : int
        Number of the patient in a folder's listing, from 1; 0 where nobody tells.
    """

    row: int
    case: str
    paths: tuple[str, ...]
    prior: str = ""
    masks: str = ""
    clicks: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    words: str = ""
    patient: int = 0


@dataclass(frozen=True)
class BrokenRow:
    """A row of a list that names no case.

    Parameters
    ----------
    row : int
        Place in the list from 1.
    case : str
        Identifier, where the row has one.
    problem, cure : str
        What is wrong with the row, and what to do about it.
    """

    row: int
    case: str
    problem: str
    cure: str


def is_url(path: str) -> bool:
    """Tell a URL from a path of this machine.

    Examples
    --------
    >>> is_url("s3://bucket/a.zip"), is_url("/data/a.zip"), is_url("C:/data/a.zip")
    (True, False, False)
    """
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", path) is not None
