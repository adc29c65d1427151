"""Which files belong together in an evaluation, and the masks in them.

Either side is a folder in one of these layouts, or a single file:

========  ==================================================================================================
plain     ``<case>.nii.gz`` (or another image suffix, or ``.dcm`` with a DICOM SEG or RTSTRUCT), or a folder
          ``<case>/`` of DICOM files
nnunet    ``labelsTr/<case>.nii.gz``, ``labelsTs/<case>.nii.gz``; a folder of predictions is plain
hecktor   ``<ID>/<ID>.nii.gz``, or the output of a container, ``images/<name>/<ID>.mha``
hntsmrg   ``<id>/midRT/<id>_midRT_mask.nii.gz``
hyoid     what a hyoid command left in ``--out``, as it stands, or a folder of such folders, one per case
========  ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hyoid.errors import HyoidError, InputRefusedError, UsageError
from hyoid.evaluation.dicom import Drawn, is_dicom, on_common_grid, read_drawn
from hyoid.evaluation.masks import CaseMasks
from hyoid.io.files.volumes import image_suffix, read_labels
from hyoid.io.run_record import ORGANS_FILE, RUN_FILE, TARGETS_FILE

_HNTSMRG_SUFFIX = "_midRT_mask"
_CONTAINER_OUTPUTS = ("tumor-lymph-node-segmentation", "head-neck-tumor-segmentation")


class Layout(StrEnum):
    """How a folder holds its cases."""

    AUTO = "auto"
    PLAIN = "plain"
    NNUNET = "nnunet"
    HECKTOR = "hecktor"
    HNTSMRG = "hntsmrg"
    HYOID = "hyoid"


@dataclass(frozen=True)
class Pairing:
    """Reference and prediction of every case.

    Parameters
    ----------
    pairs : tuple of (str, Path, Path or None)
        Case, reference, prediction; None where there is no prediction.
    without_reference : tuple of str
        Cases that were predicted and cannot be scored.
    """

    pairs: tuple[tuple[str, Path, Path | None], ...]
    without_reference: tuple[str, ...]


def find_cases(where: Path, layout: Layout = Layout.AUTO, outlines: str = TARGETS_FILE) -> dict[str, Path]:
    """Find the mask file (or folder of DICOM files) of every case, by case name.

    Parameters
    ----------
    where : Path
        Folder, or one file.
    layout : Layout
        How the folder holds its cases.
    outlines : str
        Which label map of a hyoid output folder is meant: that of targets, that of organs, or "" for none.

    Raises
    ------
    UsageError
        When the path does not exist.
    InputRefusedError
        When two files claim one case, or there is none.
    """
    if where.is_file():
        return {_case_of(where): where}
    if not where.is_dir():
        raise UsageError(f"{where.name} does not exist.", "Give a folder of masks, or a mask file.")
    layout = recognise_layout(where) if layout is Layout.AUTO else layout
    finders = {
        Layout.PLAIN: _plain,
        Layout.NNUNET: _nnunet,
        Layout.HECKTOR: _hecktor,
        Layout.HNTSMRG: _hntsmrg,
    }
    if layout is Layout.HYOID:
        return _hyoid(where, outlines)
    cases: dict[str, Path] = {}
    for path in finders[layout](where):
        case = _case_of(path)
        if case in cases:
            raise InputRefusedError(
                f"Two masks claim case {case}: {cases[case].name} and {path.name}.", "Keep one mask for each case."
            )
        cases[case] = path
    if not cases:
        raise InputRefusedError(
            f"{where.name} holds no masks in the layout '{layout}'.",
            "Name the layout (plain, nnunet, hecktor, hntsmrg, hyoid), or give the folder that holds the masks.",
        )
    return cases


def recognise_layout(folder: Path) -> Layout:
    """Tell the layout of a folder by what lies in it.

    Parameters
    ----------
    folder : Path
        An existing folder.
    """
    if _is_run(folder) or any(_is_run(child) for child in folder.iterdir()):
        return Layout.HYOID
    if any((folder / name).is_dir() for name in ("labelsTr", "labelsTs")):
        return Layout.NNUNET
    if next(_hntsmrg(folder), None) is not None:
        return Layout.HNTSMRG
    if next(_hecktor(folder), None) is not None:
        return Layout.HECKTOR
    return Layout.PLAIN


def pair_up(predictions: Mapping[str, Path], references: Mapping[str, Path]) -> Pairing:
    """Join both sides by case name.

    Raises
    ------
    InputRefusedError
        When they have no case in common.
    """
    if len(predictions) == len(references) == 1 and all(
        p.is_file() for p in (*predictions.values(), *references.values())
    ):
        (case, reference), prediction = next(iter(references.items())), next(iter(predictions.values()))
        return Pairing(((case, reference, prediction),), ())
    common = predictions.keys() & references.keys()
    if not common:
        raise InputRefusedError(
            f"The {len(predictions)} predictions ({_few(predictions)}) and the {len(references)} references "
            f"({_few(references)}) have no case in common.",
            "Cases are paired by file name without suffix; rename one side.",
        )
    pairs = tuple((case, references[case], predictions.get(case)) for case in sorted(references))
    return Pairing(pairs, tuple(sorted(predictions.keys() - references.keys())))


def read_pair(reference: Path, prediction: Path | None) -> tuple[CaseMasks, CaseMasks | None, str]:
    """Read the outlines of both sides of a case, and a remark where their grid had to be invented.

    Parameters
    ----------
    reference : Path
        Label map, DICOM SEG or RTSTRUCT, or a folder with one of the latter.
    prediction : Path or None
        As the reference; None where there is no prediction.

    Raises
    ------
    InputRefusedError
        When one cannot be read; the message says which side.
    """
    drawn = None if prediction is None else _read("prediction", prediction)
    return on_common_grid(_read("reference", reference), drawn)


def _read(side: str, path: Path) -> CaseMasks | Drawn:
    try:
        if is_dicom(path):
            return read_drawn(path)
        labels = read_labels(path)
    except HyoidError as error:
        raise type(error)(f"{side}: {error.problem}", error.cure) from None
    return CaseMasks(labels.geometry, labels=labels.array)


def _plain(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        is_mask = path.is_file() and (image_suffix(path) or path.suffix.lower() == ".dcm")
        if is_mask or _holds_dicom(path):
            yield path


def _holds_dicom(path: Path) -> bool:
    return path.is_dir() and any(child.suffix.lower() == ".dcm" for child in path.iterdir())


def _nnunet(folder: Path) -> Iterator[Path]:
    for name in ("labelsTr", "labelsTs"):
        if (folder / name).is_dir():
            yield from _plain(folder / name)


def _hecktor(folder: Path) -> Iterator[Path]:
    for name in _CONTAINER_OUTPUTS:
        for output in (folder / "images" / name, folder / name):
            if output.is_dir():
                yield from _plain(output)
    for child in sorted(folder.iterdir()):
        if child.is_dir():
            yield from (p for p in sorted(child.iterdir()) if image_suffix(p) and _case_of(p) == child.name)


def _hntsmrg(folder: Path) -> Iterator[Path]:
    for child in sorted(folder.iterdir()):
        timepoint = child / "midRT"
        if timepoint.is_dir():
            wanted = f"{child.name}{_HNTSMRG_SUFFIX}"
            yield from (p for p in sorted(timepoint.iterdir()) if image_suffix(p) and _stem(p) == wanted)


def _is_run(folder: Path) -> bool:
    """Whether a hyoid command left its outlines in a folder."""
    return (folder / RUN_FILE).is_file() and any((folder / name).is_file() for name in (TARGETS_FILE, ORGANS_FILE))


def _hyoid(where: Path, outlines: str) -> dict[str, Path]:
    """The label map of one run, or of every run in a folder, by the name of its folder."""
    if not outlines:
        raise InputRefusedError(
            f"{where.name} is an output of hyoid, whose organs have other numbers than this protocol's.",
            "Use protocol custom, with the labels of hyoid's organs.",
        )
    runs = [where] if _is_run(where) else [child for child in sorted(where.iterdir()) if _is_run(child)]
    for run in runs:
        if not (run / outlines).is_file():
            raise InputRefusedError(
                f"{run.name} holds no {outlines}: that run did not outline what the protocol scores.",
                "Choose another protocol, or run the command with the networks that outline it.",
            )
    if not runs:
        raise InputRefusedError(f"{where.name} holds no output of a hyoid command.", "Name another layout.")
    return {run.resolve().name: run / outlines for run in runs}


def _stem(path: Path) -> str:
    suffix = image_suffix(path)
    return path.name[: -len(suffix)] if suffix else path.stem if path.suffix.lower() == ".dcm" else path.name


def _case_of(path: Path) -> str:
    return _stem(path).removesuffix(_HNTSMRG_SUFFIX)


def _few(names: Iterable[str]) -> str:
    first = sorted(names)
    return ", ".join(first[:3]) + (", ..." if len(first) > 3 else "")
