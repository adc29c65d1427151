"""Packages that come with an optional extra."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hyoid.errors import UsageError


@contextmanager
def needs_extra(extra: str, what: str) -> Iterator[None]:
    """Turn a missing package, in the imports of this block, into the advice to install the extra.

    Parameters
    ----------
    extra : {"train", "serve", "node", "cohort", "ray", "pdf", "fhir"}
        Optional extra of hyoid that brings the packages.
    what : str
        Feature that needs the packages, as the first words of a sentence.

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
