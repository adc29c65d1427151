"""What a report measures in the scan itself, whatever lesions are outlined: made once where reports are made often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hyoid.report.content.airway import airway_lines
from hyoid.report.content.patches import Patch
from hyoid.report.content.quality import ScanQuality, measure_quality, vessel_enhancement
from hyoid.report.content.schema import Fact, Line
from hyoid.volume import Quantity, Volume


@dataclass(frozen=True, eq=False)
class ImageFindings:
    """Findings in a scan that do not depend on its lesions.

    Parameters
    ----------
    airway : mapping of str to Line
        Lines on the airway, by key; empty for a scan that is no CT.
    contrast : Fact or None
        What the outlined vessels tell of contrast.
    quality : ScanQuality or None
        What limits the reading; None for a scan that is no CT.
    """

    airway: Mapping[str, Line] = field(default_factory=dict)
    contrast: Fact | None = None
    quality: ScanQuality | None = None


def image_findings(image: Volume, organs: Mapping[str, Patch], *, outlined_by: str, by_model: bool) -> ImageFindings:
    """Measure airway, contrast and quality in a CT; find nothing in other scans.

    Parameters
    ----------
    image : Volume
        Scan in canonical orientation.
    organs : mapping of str to Patch
        Outlined organs by name of `hyoid.anatomy.structures`.
    outlined_by : str
        Who outlined the organs.
    by_model : bool
        Whether a model did.
    """
    if image.quantity is not Quantity.HU:
        return ImageFindings()
    return ImageFindings(
        airway_lines(image, organs, outlined_by=outlined_by, by_model=by_model),
        vessel_enhancement(image.array, organs),
        measure_quality(image.array, image.geometry, organs),
    )
