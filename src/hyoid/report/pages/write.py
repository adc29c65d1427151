"""Write a report: JSON for machines, text and a page for people."""

from __future__ import annotations

from pathlib import Path

from hyoid.errors import OutputError
from hyoid.report.content.schema import Report
from hyoid.report.pages.attention import Attention, write_attention
from hyoid.report.pages.html import to_html
from hyoid.report.pages.one_page import one_page
from hyoid.volume import Volume


def write_report(
    folder: Path,
    report: Report,
    image: Volume,
    labels: Volume,
    attention: Attention | None = None,
    pet: Volume | None = None,
) -> tuple[Path, ...]:
    """Write `report.json`, `report.txt`, `report.html` and the attention into an existing folder.

    The caller gives a temporary folder and moves it into place, so that a killed run leaves no half report.

    Parameters
    ----------
    folder : Path
        Folder to write into, which must exist.
    report : Report
        Report to write.
    image : Volume
        The scan.
    labels : Volume
        Organs and targets (labels of `hyoid.anatomy.structures`), on the grid of the scan.
    attention : Attention, optional
        Where the classifier looked; written to `attention/` and shown in the page.
    pet : Volume, optional
        SUV on the grid of the scan, for fused pictures.

    Returns
    -------
    tuple of Path
        The files written.

    Raises
    ------
    OutputError
        When the folder does not exist, or the written JSON does not read back as the same report.
    GeometryError
        When scan and labels lie on different grids.
    """
    if not folder.is_dir():
        raise OutputError(f"There is no folder {folder.name!r} to write the report to.", "Make it first.")
    texts = {
        "report.json": report.model_dump_json(indent=2) + "\n",
        "report.txt": one_page(report),
        "report.html": to_html(report, image, labels, attention, pet),
    }
    written = []
    for name, text in texts.items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        written.append(path)
    if attention is not None:
        written.extend(write_attention(folder, attention))
    if Report.model_validate_json(written[0].read_text(encoding="utf-8")) != report:
        raise OutputError("report.json does not read back as the report that was written.", "Report this as a bug.")
    return tuple(written)
