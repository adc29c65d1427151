"""What the page is told of a session: outlines, report, pictures and layers, as JSON and bytes."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np

from hyoid.anatomy.structures import BY_LABEL, BY_NAME, GTVN, GTVP, ORGANS, TARGET_REGION
from hyoid.interfaces.terminal import STAGE_WORDS
from hyoid.report.content.template import TEMPLATE
from hyoid.systems.lesion.pipeline import Outline
from hyoid.systems.lesion.strokes import Drawn, whole_of
from hyoid.volume import Quantity, Volume
from hyoid.workspace.scans import index_map
from hyoid.workspace.workspace import View

_HIGHEST = 4095

# As radiologists name them: (name, width, centre) in HU.
WINDOWS_HU = (
    ("Soft tissue", 400, 40),
    ("Neck with contrast", 350, 70),
    ("Bone", 2500, 500),
    ("Larynx, cartilage", 1000, 200),
    ("Lung", 1500, -600),
    ("Brain", 80, 40),
)
_SUV_WINDOWS = (("SUV 0 to 8", 8.0, 4.0), ("SUV 0 to 15", 15.0, 7.5), ("SUV 0 to 4", 4.0, 2.0))


def as_json(view: View, *, whole: bool) -> dict[str, Any]:
    """Write a session as JSON for the page; `whole` adds what does not change from click to click."""
    session, state = view.session, view.session.state
    answer: dict[str, Any] = {
        "session": session.session,
        "revision": session.revision,
        "can_undo": session.can_undo,
        "can_redo": session.can_redo,
        "accepted": state.accepted,
        "overruled": state.overruled,
        "draft": draft_json(view),
        "pending": view.pending,
        "changed": view.changed,
        "signed": signature_json(view),
        "prior": session.prior,
        "carry": carry_json(view),
        "organ_strokes": len(state.organs),
        "owner": session.owner,
        "staging": None if state.staging is None else state.staging.model_dump(mode="json"),
        "lesions": [
            {
                "number": lesion.number,
                "target": lesion.target,
                "prompts": [p.model_dump(include={"kind", "point_ijk", "to_ijk", "more_ijk"}) for p in lesion.prompts],
                "steps": len(lesion.steps),
                "made_by": lesion.made_by,
                "mask": None if outline is None else mask_json(outline.drawn),
                "expected_iou": _rounded(outline),
            }
            for lesion, outline in view.lesions
        ],
        "report": report_json(view),
    }
    return answer | (study_json(view) if whole else {})


def draft_json(view: View) -> dict[str, Any]:
    """Write how far the draft of the study is, and whether the session took its lesions, as JSON."""
    opened, state = view.study, view.session.state
    stage, done, total = opened.progress
    draft = opened.draft
    return {
        "state": opened.draft_state,
        "stage": STAGE_WORDS.get(stage, stage),
        "done": done,
        "total": total,
        "lesions": 0 if draft is None else len(draft.lesions),
        "taken": draft is not None and draft.name in state.drafts,
        "notes": () if draft is None else draft.notes,
    }


def carry_json(view: View) -> dict[str, Any]:
    """Write how far the earlier scan is carried onto this one, and which lesions it had, as JSON without masks."""
    stage, done, total = view.carry.progress
    return {
        "state": view.carry.state,
        "stage": STAGE_WORDS.get(stage, stage),
        "done": done,
        "total": total,
        "why": view.carry.why,
        "name": "" if view.earlier is None else view.earlier.name,
    }


def earlier_json(view: View) -> list[dict[str, Any]]:
    """Write the lesions of the earlier scan as JSON: name, volume there, and mask on this scan."""
    rows: list[dict[str, Any]] = []
    for part, lesion in enumerate(() if view.earlier is None else view.earlier.earlier):
        number = 1 + sum(1 for row in rows if row["target"] == lesion.target)
        rows.append(
            {
                "part": part,
                "name": f"{lesion.target} {number}",
                "target": lesion.target,
                "ml": round(lesion.volume_ml, 2),
                "mask": mask_json(lesion.drawn),
            }
        )
    return rows


def signature_json(view: View) -> dict[str, Any]:
    """Write who signed which version and what was added since, as JSON."""
    state = view.session.state
    return {
        "version": state.version,
        "open": state.signed is None,
        "who": "" if state.signed is None else state.signed.who,
        "when": "" if state.signed is None else state.signed.when,
        "addenda": [row.model_dump(include={"who", "when", "words"}) for row in state.addenda],
    }


def mask_json(drawn: Drawn) -> dict[str, Any] | None:
    """Write the box and the bits of a mask as JSON: rows of bits, packed and deflated."""
    if drawn.box is None:
        return None
    bits = zlib.compress(np.packbits(drawn.mask.ravel(), bitorder="little").tobytes(), 1)
    return {"start": drawn.box.start, "stop": drawn.box.stop, "bits": base64.b64encode(bits).decode()}


def layers_json(view: View) -> dict[str, Any]:
    """Write the layers of the draft as JSON: organs, and the predicted target region."""
    draft = view.study.draft
    region = None if draft is None else draft.inputs.target_region
    return {
        "drafted": view.study.organs is not None,
        "organs": organ_rows(view),
        "region": None if region is None else mask_json(whole_of(region.array > 0)),
        "region_rgb": BY_LABEL[TARGET_REGION].rgb,
    }


def corrected_json(view: View) -> dict[str, Any]:
    """Write what the reader's strokes made of the organs as JSON: labels of the part of the scan that holds these."""
    found = view.corrected
    box = None if found is None else found.box
    labels = b"" if box is None else view.anatomy.inputs.organs.array[box.slices].astype(np.uint8).tobytes()
    return {
        "strokes": 0 if found is None else len(found.strokes),
        "start": None if box is None else box.start,
        "stop": None if box is None else box.stop,
        "labels": base64.b64encode(zlib.compress(labels, 1)).decode(),
        "organs": organ_rows(view),
    }


def organ_rows(view: View) -> list[dict[str, Any]]:
    """List every organ with its label, words, colour, whether a voxel of it is outlined, and whether a reader drew."""
    organs = view.anatomy.scene.organs
    drawn = {stroke.label for stroke in view.session.state.organs}
    return [
        {
            "label": row.label,
            "name": row.name,
            "words": row.words,
            "rgb": row.rgb,
            "there": row.name in organs,
            "edited": row.label in drawn,
        }
        for row in ORGANS
    ]


def second_json(view: View) -> dict[str, Any] | None:
    """Write grid and grey values of the image that is laid over the scan as JSON; None where there is no other."""
    opened, second = view.study, view.second
    if second is None:
        return None
    low, high = (0.0, float(_HIGHEST)) if second.quantity is Quantity.HU else _range(second)
    if second.quantity is Quantity.SUV:
        windows = [{"name": name, "width": width, "centre": centre} for name, width, centre in _SUV_WINDOWS]
    elif second.quantity is Quantity.HU:
        windows = [{"name": name, "width": width, "centre": centre} for name, width, centre in WINDOWS_HU]
    else:
        windows = _grey_windows(second, low, high)
    return {
        "unit": second.quantity.value,
        "shape": second.geometry.shape,
        "slope": (high - low) / _HIGHEST,
        "intercept": low,
        "matrix": index_map(opened.scan.volume, second).ravel().tolist(),
        "windows": windows,
        "words": {Quantity.SUV: "PET", Quantity.HU: "earlier CT"}.get(second.quantity, "earlier MR"),
        "registered": second.quantity is not Quantity.SUV and second is not opened.scans.second,
    }


def report_json(view: View) -> dict[str, Any]:
    """Write the report's lines as JSON, with the voxel that each line is about."""
    report, geometry = view.report, view.study.scan.volume.geometry
    headings = {row.words: "sub" if row.kind.value == "subheading" else "main" for row in TEMPLATE if row.is_heading}

    def voxel(point: tuple[float, float, float]) -> list[int]:
        at = np.rint(geometry.to_ijk(point)).astype(int)
        return [int(v) for v in np.clip(at, 0, np.array(geometry.shape) - 1)]

    lines = []
    for line in report.lines:
        where = line.region
        lines.append(
            {
                "key": line.key,
                "words": line.words,
                "section": line.section,
                "value": line.value,
                "status": line.status,
                "probability": line.probability,
                "flags": line.flags,
                "notes": [f"{e.source}: {e.note}" if e.note else e.source for e in line.evidence],
                "voxel": None if where is None else voxel(where.point_lps_mm),
            }
        )
    sizes = [
        {
            "name": lesion.name,
            "ml": round(lesion.volume_ml, 2),
            "longest_mm": round(lesion.longest_diameter_mm, 1),
            "axial_mm": [round(lesion.axial_long_mm, 1), round(lesion.axial_short_mm, 1)],
            "side": lesion.side,
            "level": lesion.level,
            "voxel": voxel(lesion.point_lps_mm),
        }
        for lesion in report.lesions
    ]
    return {
        "summary": report.summary,
        "lines": lines,
        "headings": headings,
        "lesions": sizes,
        "warnings": report.warnings,
        "statement": report.statement,
    }


def study_json(view: View) -> dict[str, Any]:
    """Write grid, grey values and windows of the scan as JSON."""
    opened = view.study
    volume = opened.scan.volume
    if volume.quantity is Quantity.HU:
        slope, intercept = 1.0, 0.0
        windows = [{"name": name, "width": width, "centre": centre} for name, width, centre in WINDOWS_HU]
        unit = "HU"
    else:
        low, high = _range(volume)
        slope, intercept = (high - low) / _HIGHEST, low
        windows = _grey_windows(volume, low, high)
        unit = volume.quantity.value
    return {
        "study": {
            "key": view.study_key,
            "modality": opened.modality,
            "shape": volume.geometry.shape,
            "spacing_mm": volume.geometry.spacing_mm,
            "slope": slope,
            "intercept": intercept,
            "unit": unit,
            "windows": windows,
            "inverted": opened.modality == "PT",
            "colours": {"GTVp": BY_NAME["gtvp"].rgb, "GTVn": BY_NAME["gtvn"].rgb},
            "labels": {"GTVp": GTVP, "GTVn": GTVN},
            "second": second_json(view),
            "earlier": earlier_json(view),
            "layers": layers_json(view),
        }
    }


def pixels(volume: Volume) -> bytes:
    """Pack the voxels of a volume as little-endian int16, slices slowest."""
    array = volume.array
    if volume.quantity is Quantity.HU:
        return np.clip(np.round(array), -32768, 32767).astype("<i2").tobytes()
    low, high = _range(volume)
    return np.round((array - low) * (_HIGHEST / (high - low))).astype("<i2").tobytes()


def _grey_windows(volume: Volume, low: float, high: float) -> list[dict[str, Any]]:
    """Windows of an image whose numbers have no unit, and lie between these."""
    window_low, window_high = (float(v) for v in np.percentile(volume.array[::2, ::2, ::2], (1, 99.7)))
    return [
        {"name": "Automatic", "width": window_high - window_low, "centre": (window_low + window_high) / 2},
        {"name": "Full range", "width": high - low, "centre": (low + high) / 2},
    ]


def _range(volume: Volume) -> tuple[float, float]:
    low, high = float(volume.array.min()), float(volume.array.max())
    return low, high if high > low else low + 1.0


def _rounded(outline: Outline | None) -> float | None:
    return None if outline is None or outline.expected_iou is None else round(outline.expected_iou, 3)
