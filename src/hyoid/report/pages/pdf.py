"""The report's page as PDF, by WeasyPrint. Needs the extra `pdf`, and Pango on the machine."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from hyoid.errors import OutputError, UsageError
from hyoid.io.atomic import atomic_write

PANGO = "apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
"""What WeasyPrint needs besides its Python package, on Debian and Ubuntu."""


def page_writer() -> Any:
    """Load WeasyPrint.

    Raises
    ------
    ImportError
        When the package is not installed.
    UsageError
        When the libraries that draw text are not there.
    """
    try:
        import weasyprint
    except OSError as error:
        raise UsageError(
            "report.pdf needs Pango, which draws its text, and this machine has none.", f"Run: {PANGO}"
        ) from error
    # Rules of the page that are for screens only would each be a warning.
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    return weasyprint


def write_pdf(page: Path, path: Path) -> None:
    """Print a report's page as PDF: text on the first page, pictures and the technical part behind.

    Nothing is fetched: the page carries its pictures, and an address in the page is refused.

    Parameters
    ----------
    page : Path
        `report.html`, with all pictures inside.
    path : Path
        PDF file to write.

    Raises
    ------
    OutputError
        When the page refers to anything outside, or the file cannot be written.
    """
    weasyprint = page_writer()
    inside = weasyprint.urls.URLFetcher(allowed_protocols={"data"}, fail_on_errors=True)
    with atomic_write(path) as unfinished:
        try:
            weasyprint.HTML(filename=str(page), url_fetcher=inside).write_pdf(str(unfinished))
        except weasyprint.urls.FatalURLFetchingError as error:
            raise OutputError("The report's page refers to something outside.", "Report this as a bug.") from error
