"""Packages that come with an optional extra."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hyoid.errors import UsageError


@contextmanager
def needs_extra(extra: str, what: str) -> Iterator[None]:
    """Around imports: a package that is missing becomes the advice to install the extra.

    Parameters
    ----------
    extra : {"train", "serve"}
    what : str
        What needs it, as the first words of a sentence.

    Raises
    ------
    UsageError
        When a package is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise UsageError(
            f"{what} needs a package that is not installed ({error.name}).", f"Run: pip install 'hyoid[{extra}]'"
        ) from error
