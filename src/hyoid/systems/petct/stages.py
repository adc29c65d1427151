"""T and N of a PET/CT's outlined targets for a challenge that asks for them: what size, number and side alone tell."""

from __future__ import annotations

import numpy as np

from hyoid.anatomy.staging import Edition, Site
from hyoid.anatomy.structures import Side
from hyoid.geometry.orientation import to_canonical
from hyoid.metrics.lesions import find_components, measure_component
from hyoid.report.content.staging import NodeFindings, PrimaryFindings, stage_nodes, stage_primary
from hyoid.volume import Quantity, Volume

_GTVP, _GTVN = 1, 2
_BODY_HU = -300.0
# Most patients of the challenge have oropharyngeal cancer, and the 7th edition does not ask for p16.
SITE, EDITION = Site.OROPHARYNX_P16_NEGATIVE, Edition.SEVENTH


def challenge_stages(ct: Volume, targets: Volume) -> tuple[str, str]:
    """Find the T and N category that the sizes, number and sides of outlined targets reach (TNM 7, oropharynx).

    A challenge's answer, not a report's: extension into neighbours cannot be told from two masks, so T4 is never
    answered, and every outlined node counts as involved.

    Parameters
    ----------
    ct : Volume
        HU; the body's middle divides left from right.
    targets : Volume
        Labels 1 GTVp and 2 GTVn on the grid of `ct`.

    Returns
    -------
    (str, str)
        E.g. ("T2", "N2b"); "T0" without a primary, "N0" without a node.
    """
    body = to_canonical(ct.require(Quantity.HU))
    midline = _midline_x_mm(body)
    rows = [measure_component(component, midline) for component in find_components(targets)]
    primaries = [row for row in rows if row.label == _GTVP]
    nodes = [row for row in rows if row.label == _GTVN]
    primary = max(primaries, key=lambda row: row.volume_ml, default=None)
    t = "T0"
    if primary is not None:
        size_cm = primary.longest_diameter_mm / 10
        t = stage_primary(SITE, EDITION, PrimaryFindings(size_cm, None, {})).least
    side = Side.MIDLINE if primary is None else primary.side
    findings = [NodeFindings(row.side, row.longest_diameter_mm / 10) for row in nodes]
    return t, stage_nodes(SITE, EDITION, findings, side, all_outlined=True).least


def _midline_x_mm(ct: Volume) -> float:
    """LPS x of the middle of the body."""
    columns = np.argwhere(ct.array > _BODY_HU)[:, 2]
    if not len(columns):
        return float(ct.geometry.to_lps((np.array(ct.geometry.shape) - 1) / 2)[0])
    middle = (np.array(ct.geometry.shape) - 1) / 2
    return float(ct.geometry.to_lps((middle[0], middle[1], float(np.median(columns))))[0])
