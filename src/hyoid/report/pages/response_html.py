"""The response report as one self-contained page: pictures side by side on the same slice, then the table."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from hyoid.errors import OutputError
from hyoid.report.content.response import ResponseReport, response_text
from hyoid.report.pages.environment import page_template
from hyoid.report.pages.figures import Panel, make_backdrop, make_panel
from hyoid.volume import Volume

MOST_PICTURES = 10  # keeps the file below 2 MB


@dataclass(frozen=True, eq=False)
class ResponseScene:
    """Images and labels behind the pictures, all on the grid of the mid scan.

    Parameters
    ----------
    pre, mid, gradient : Volume
        The pre-treatment image as carried over, the mid image, the gradient map.
    pre_labels, mid_labels : Volume
        Labels of `hyoid.anatomy.structures`.
    """

    pre: Volume
    mid: Volume
    gradient: Volume
    pre_labels: Volume
    mid_labels: Volume


def write_response(folder: Path, report: ResponseReport, scene: ResponseScene) -> tuple[Path, ...]:
    """Write `report.json`, `report.txt` and `report.html` into an existing folder.

    Raises
    ------
    OutputError
        When the written JSON does not read back as the same report.
    GeometryError
        When a volume of the scene lies on another grid.
    """
    texts = {
        "report.json": report.model_dump_json(indent=2) + "\n",
        "report.txt": response_text(report),
        "report.html": response_html(report, scene),
    }
    written = []
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
        written.append(folder / name)
    if ResponseReport.model_validate_json(written[0].read_text(encoding="utf-8")) != report:
        raise OutputError("report.json does not read back as the report that was written.", "Report this as a bug.")
    return tuple(written)


def response_html(report: ResponseReport, scene: ResponseScene) -> str:
    """Write the whole response page: pictures side by side on the same slice, then the table.

    Parameters
    ----------
    report : ResponseReport
        Response of every lesion.
    scene : ResponseScene
        Images and labels to draw.
    """
    columns = {
        "Before treatment, carried onto this scan": make_backdrop(scene.pre, scene.pre_labels),
        "During treatment": make_backdrop(scene.mid, scene.mid_labels),
        "Gradient map, where tumour was": make_backdrop(scene.gradient, scene.mid_labels),
    }
    # The patient is centred once, on the mid image, so that the three panels show the same field.
    middle = columns["During treatment"]
    pictures = []
    for line in report.response[:MOST_PICTURES]:
        panels = [
            {"words": words, **_inline(make_panel(backdrop, line.point_lps_mm, like=middle))}
            for words, backdrop in columns.items()
        ]
        pictures.append({"line": line, "panels": panels})
    return page_template("response.html.j2").render(report=report, pictures=pictures)


def _inline(panel: Panel) -> dict[str, str]:
    return {"url": f"data:image/jpeg;base64,{base64.b64encode(panel.jpeg).decode()}", "alt": panel.alt}
