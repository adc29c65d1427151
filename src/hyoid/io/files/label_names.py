"""Labels of a label map with the names that the file, or a table beside it, gives them.

3D Slicer writes names into the header of `.seg.nrrd`, and overlapping segments as layers. Beside other files may lie
`<name>.json` or `dataset.json` (nnU-Net, dcmqi), `<name>.ctbl` (3D Slicer), `<name>.txt` or `.label` (ITK-SNAP).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from hyoid.errors import GeometryError, UnreadableFileError
from hyoid.geometry.resample import from_sitk
from hyoid.io.files.grids import checked_grid
from hyoid.io.files.text_headers import check_nrrd
from hyoid.io.files.volumes import image_suffix, read_labels
from hyoid.volume import Quantity, Volume

_SEGMENT = re.compile(r"Segment(\d+)_(Name|LabelValue|Layer):=(.*)")
_SNAP = re.compile(r'\s*(\d+)\s+\d+\s+\d+\s+\d+\s+[\d.]+\s+\d\s+\d\s+"(.*)"\s*')
_COLOUR = re.compile(r"\s*(\d+)\s+(\S+)(\s+\d+){3,4}\s*")
# What programs call a label that nobody named.
_NAMELESS = re.compile(r"(label|class|lbl)[\s_]*\d*|background|clear label", re.IGNORECASE)
_MOST_HEADER_BYTES = 1 << 20


@dataclass(frozen=True, eq=False)
class NamedLabel:
    """Label of a file with its name and mask.

    Parameters
    ----------
    name : str
        Name from the file or the table beside it; '' where nothing names the label.
    value : int
        Value of the label's voxels in the file.
    mask : Volume
        Boolean mask of the voxels with this label.
    """

    name: str
    value: int
    mask: Volume


def read_named_labels(path: str | Path) -> tuple[NamedLabel, ...]:
    """Read the labels of a label map with their names, and the segments of its header that have no voxel.

    Parameters
    ----------
    path : path
        NIfTI, NRRD, MHA or MHD.

    Raises
    ------
    UnreadableFileError, GeometryError, WrongQuantityError
        As `read_labels`.
    """
    path = Path(path)
    segments = _nrrd_segments(path) if image_suffix(path) in (".nrrd", ".nhdr") else {}
    layers = _layers(path) if segments else (read_labels(path),)
    names = _by_place(segments, len(layers))
    if not segments:
        names = {(0, value): name for value, name in names_beside(path).items()}
    found = []
    for layer, volume in enumerate(layers):
        listed = {value for place, value in names if place == layer} if segments else set()
        for value in sorted({*np.unique(volume.array).tolist(), *listed} - {0}):
            mask = volume.with_array(volume.array == value)
            found.append(NamedLabel(names.get((layer, value), ""), int(value), mask))
    return tuple(found)


def names_beside(path: Path) -> dict[int, str]:
    """Read names of labels by value from a table that lies beside a label map; empty where there is no table.

    Raises
    ------
    UnreadableFileError
        When a table of the label map's own name cannot be read.
    """
    suffix = image_suffix(path)
    stem = path.name[: -len(suffix)] if suffix else path.name
    for ending, read in ((".json", _from_json), (".ctbl", _from_lines), (".txt", _from_lines), (".label", _from_lines)):
        table = path.with_name(f"{stem}{ending}")
        if table.is_file():
            try:
                named = read(table.read_text(encoding="utf-8-sig"))
            except (OSError, ValueError):
                raise UnreadableFileError(
                    f"The table of names beside the label map ({ending}) cannot be read.", "Mend it or move it away."
                ) from None
            if named:
                return named
    for folder in (path.parent, path.parent.parent):
        table = folder / "dataset.json"
        if table.is_file():
            try:
                return _from_json(table.read_text(encoding="utf-8-sig"))
            except (OSError, ValueError):
                return {}  # It need not be about this file.
    return {}


def _from_json(text: str) -> dict[int, str]:
    """Names in nnU-Net's `labels` (either way round), dcmqi's `segmentAttributes`, or a plain table of either way."""
    content = json.loads(text)
    if not isinstance(content, dict):
        return {}
    if isinstance(content.get("segmentAttributes"), list):
        items = [
            item for group in content["segmentAttributes"] for item in (group if isinstance(group, list) else [group])
        ]
        pairs: list[tuple[Any, Any]] = [
            (item.get("labelID"), item.get("SegmentLabel") or item.get("SegmentDescription")) for item in items
        ]
    else:
        table = content.get("labels", content)
        pairs = list(table.items()) if isinstance(table, Mapping) else []
    named: dict[int, str] = {}
    for one, other in pairs:
        value, name = (one, other) if _is_number(one) and isinstance(other, str) else (other, one)
        if _is_number(value) and isinstance(name, str):
            named[int(value)] = name
    return _meaningful(named)


def _from_lines(text: str) -> dict[int, str]:
    """Names in a colour table of 3D Slicer or ITK-SNAP."""
    named = {}
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            continue
        if snap := _SNAP.fullmatch(line):
            named[int(snap[1])] = snap[2]
        elif colour := _COLOUR.fullmatch(line):
            named[int(colour[1])] = colour[2]
    return _meaningful(named)


def _meaningful(named: Mapping[int, str]) -> dict[int, str]:
    return {value: name for value, name in named.items() if value and not _NAMELESS.fullmatch(name.strip())}


def _is_number(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and value.strip().isdigit())


def _nrrd_segments(path: Path) -> dict[int, tuple[str, int, int]]:
    """Name, label value and layer of 3D Slicer's segments, in the text header of a NRRD file."""
    try:
        with path.open("rb") as file:
            start = file.read(_MOST_HEADER_BYTES)
    except OSError:
        return {}
    header = re.split(rb"\r?\n\r?\n", start, maxsplit=1)[0].decode("utf-8", errors="replace")
    keys: dict[int, dict[str, str]] = {}
    for line in header.splitlines():
        if found := _SEGMENT.fullmatch(line.strip()):
            keys.setdefault(int(found[1]), {})[found[2]] = found[3].strip()
    segments = {}
    for number, key in keys.items():
        value, layer = key.get("LabelValue", ""), key.get("Layer", "0")
        if not value.isdigit() or not layer.isdigit():
            raise UnreadableFileError(
                f"Segment {number} in the header of the NRRD file has no label value.", "Save the segmentation again."
            )
        segments[number] = (key.get("Name", ""), int(value), int(layer))
    return segments


def _by_place(segments: Mapping[int, tuple[str, int, int]], layers: int) -> dict[tuple[int, int], str]:
    """Names of segments by layer and label value, one segment each."""
    places = [(layer, value) for _, value, layer in segments.values()]
    if len(set(places)) < len(places) or any(layer >= layers for layer, _ in places):
        raise UnreadableFileError(
            "Segments in the header of the NRRD file share one label value, or lie in a layer that is not there.",
            "Save the segmentation again.",
        )
    return dict(zip(places, (name for name, _, _ in segments.values()), strict=True))


def _layers(path: Path) -> tuple[Volume, ...]:
    """Layers of a `.seg.nrrd`, one where its segments do not overlap."""
    check_nrrd(path)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        if reader.GetNumberOfComponents() == 1 and reader.GetDimension() == 3:
            return (read_labels(path),)
        image = reader.Execute()
    except RuntimeError as error:
        raise UnreadableFileError(
            f"The segmentation cannot be read ({type(error).__name__}): it is truncated or corrupt.", "Save it again."
        ) from None
    if image.GetDimension() != 3:
        raise GeometryError(
            f"The segmentation has {image.GetDimension()} dimensions of sizes {image.GetSize()}.",
            "Give one time point.",
        )
    parts = (sitk.VectorIndexSelectionCast(image, n) for n in range(image.GetNumberOfComponentsPerPixel()))
    layers = [from_sitk(part, Quantity.LABEL) for part in parts]
    grid, _ = checked_grid(layers[0].geometry.shape, layers[0].geometry.ijk_to_lps)
    return tuple(Volume(layer.array, grid, Quantity.LABEL) for layer in layers)
