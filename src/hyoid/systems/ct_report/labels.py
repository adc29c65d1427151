"""Labels of involvement: what SGRNet should say of a case, from each kind of data, and unknown where it says nothing.

Real planning CTs tell how much of a contoured organ the high-dose target covers; virtual patients tell that, and which
structures the tumour itself overlaps.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.involvement import (
    FIELDS_OF_NODES,
    INVOLVED_ML,
    INVOLVED_SHARE,
    OrganRule,
    is_organ,
    labels_of_field,
    organs_of_field,
)
from hyoid.anatomy.structures import BY_NAME
from hyoid.anatomy.subsites import SUBSITES
from hyoid.errors import UsageError
from hyoid.geometry.orientation import to_canonical
from hyoid.io.cohorts.case_files import CaseFiles
from hyoid.io.cohorts.openkbp import OPENKBP_ORGANS, OPENKBP_PTV70
from hyoid.io.files.volumes import read_labels
from hyoid.training.cases import planning_target
from hyoid.volume import Volume

UNKNOWN = -1.0


def involvement_targets(
    case: CaseFiles, fields: Sequence[str], share: float, rule: OrganRule = "target"
) -> NDArray[np.float32]:
    """Tell which fields are involved: 1 involved, 0 not, `UNKNOWN` where the case does not tell, shape (N,).

    Parameters
    ----------
    case : CaseFiles
        Files of the case, contours and target on the scan's own grid.
    fields : sequence of str
        Organ names, whose meaning `rule` gives, and keys of the template: these always mean that the tumour overlaps
        the structure (nodes count for the fields that nodes reach), which only virtual patients tell.
    share : float
        An organ is involved when the target covers more than this share of it.
    rule : {"target", "tumour", "report"}
        What an organ's label means: that the high-dose target covers it, that tumour does, or that a report calls it
        involved. Virtual patients answer the last as the one before.

    Raises
    ------
    UsageError
        When the data can never tell an organ's label.
    """
    target = np.full(len(fields), UNKNOWN, np.float32)
    if case.organs is None or case.targets is None:
        return target
    answer = _virtual(case, share, rule) if case.virtual else _real(case, share, rule)
    for k, name in enumerate(fields):
        found = answer(name)
        if found is not None:
            target[k] = float(found)
    return target


def overlap_shares(organs: Volume, target: Volume, fields: Sequence[str]) -> NDArray[np.float32]:
    """Compute the share of each field's outlined organs that the predicted target covers, shape (N,), 0 if absent."""
    masks = (np.isin(organs.array, labels_of_field(name)) for name in fields)
    return np.array([(target.array[m] > 0).mean() if m.any() else 0.0 for m in masks], np.float32)


def true_places(case: CaseFiles, fields: Sequence[str]) -> Volume:
    """Map where each field lies in a virtual patient, k + 1 for field k: by its sub-sites, else by its organs.

    Raises
    ------
    UsageError
        When the case has no map of sub-sites.
    """
    if case.subsites is None or case.organs is None:
        raise UsageError(
            f"{case.name} has no subsites.nii.gz beside it.", "Make the cohort with `hyoid phantom --layout plain`."
        )
    subsites, organs = (to_canonical(read_labels(file)) for file in (case.subsites, case.organs))
    places = np.zeros(subsites.array.shape, np.uint8)
    for number, name in enumerate(fields, start=1):
        labels = [row.label for row in SUBSITES if row.field == name]
        drawn = np.isin(subsites.array, labels) if labels else np.isin(organs.array, labels_of_field(name))
        places[drawn & (places == 0)] = number
    return subsites.with_array(places)


def _real(case: CaseFiles, share: float, rule: OrganRule) -> Callable[[str], bool | None]:
    """Answers of a planning CT."""
    assert case.organs is not None
    assert case.targets is not None
    value_of = {name: value for value, name in OPENKBP_ORGANS.items()}
    labels = read_labels(case.organs).array
    ptv = read_labels(case.targets).array == OPENKBP_PTV70

    def answer(name: str) -> bool | None:
        if rule != "target" or not is_organ(name):
            return None
        if name not in value_of:
            raise UsageError(f"OpenKBP has no contours of {name!r}.", f"Choose among {', '.join(value_of)}.")
        organ = labels == value_of[name]
        return bool((ptv & organ).sum() > share * organ.sum()) if organ.any() else None

    return answer


def _virtual(case: CaseFiles, share: float, rule: OrganRule) -> Callable[[str], bool | None]:
    """Answers of a virtual patient: its organs are complete, and its tumour is known."""
    assert case.organs is not None
    assert case.targets is not None
    if case.truth is None:
        raise UsageError(
            f"{case.name} has no truth.json beside it.", "Make the cohort with `hyoid phantom --layout plain`."
        )
    involved = json.loads(case.truth.read_text(encoding="utf-8"))["involved"]
    organs = read_labels(case.organs)
    lesions = read_labels(case.targets).array > 0
    covered = planning_target(case).array > 0

    def overlaps(mask: NDArray[np.bool_]) -> bool:
        shared = int((mask & lesions).sum())
        return shared * organs.geometry.voxel_ml > INVOLVED_ML or shared > INVOLVED_SHARE * max(int(mask.sum()), 1)

    def organ_of(name: str) -> NDArray[np.bool_]:
        return np.isin(organs.array, labels_of_field(name))

    def answer(name: str) -> bool | None:
        if not is_organ(name):
            by_node = name in FIELDS_OF_NODES and any(overlaps(organ_of(n)) for n in organs_of_field(name))
            return bool(involved.get(name, False)) or by_node
        mask = organ_of(name)
        if not mask.any():
            return None
        return overlaps(mask) if rule != "target" else bool((covered & mask).sum() > share * mask.sum())

    return answer


def known_fields(fields: Sequence[str]) -> None:
    """Refuse a field that is neither an organ nor a line of the template.

    Raises
    ------
    UsageError
        Naming the field.
    """
    for name in fields:
        try:
            organs_of_field(name)
        except KeyError as error:
            raise UsageError(
                f"There is no field {name!r}.", f"Give organs such as {next(iter(BY_NAME))!r}, or keys of the template."
            ) from error
