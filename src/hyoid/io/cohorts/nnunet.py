"""nnU-Net v2's raw data: a file for every channel of a case, a label map, and what both mean.

::

    imagesTr/<case>_0000, <case>_0001, ... , labelsTr/<case>        (.nii.gz), dataset.json
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from hyoid.io.atomic import write_text
from hyoid.io.files.volumes import image_suffix, write_nifti
from hyoid.volume import Volume

_CHANNEL = re.compile(r"_(\d{4})$")


def channel_files(files: Sequence[Path]) -> dict[str, dict[int, Path]]:
    """Sort image files by case and channel; files whose name does not end in a channel's number are left out.

    Parameters
    ----------
    files : sequence of Path
        Image files named `<case>_<channel, four digits>`; others may be among these.

    Examples
    --------
    >>> channel_files([Path("a_0000.nii.gz"), Path("a_0001.nii.gz"), Path("notes.nii.gz")])["a"][1].name
    'a_0001.nii.gz'
    """
    by_case: dict[str, dict[int, Path]] = {}
    for file in files:
        stem = stem_of(file)
        if found := _CHANNEL.search(stem):
            by_case.setdefault(stem[: found.start()], {})[int(found[1])] = file
    return by_case


def case_name(file: Path) -> str:
    """Name the case of an image file: without its ending and its channel's number.

    Examples
    --------
    >>> case_name(Path("a_0000.nii.gz")), case_name(Path("scan.mha"))
    ('a', 'scan')
    """
    return _CHANNEL.sub("", stem_of(file))


def stem_of(file: Path) -> str:
    """Name of a file without the ending of an image.

    Examples
    --------
    >>> stem_of(Path("a_0000.nii.gz"))
    'a_0000'
    """
    suffix = image_suffix(file)
    return file.name[: -len(suffix)] if suffix else file.name


def write_nnunet_case(
    root: Path, name: str, images: Mapping[str, Volume], labels: Volume, structures: Sequence[str]
) -> None:
    """Write one case, and `dataset.json` without a number of cases yet; see `finish_nnunet`.

    Parameters
    ----------
    root : Path
        Folder of the data set.
    name : str
        Name of the case, as its files begin.
    images : mapping of str to Volume
        Images by name of the channel, in the order of channels.
    labels : Volume, LABEL
        Label map on the grid of the images, 0 for background.
    structures : sequence of str
        Names of the labels 1, 2, ...
    """
    for channel, image in enumerate(images.values()):
        write_nifti(image, root / "imagesTr" / f"{name}_{channel:04d}.nii.gz")
    write_nifti(labels, root / "labelsTr" / f"{name}.nii.gz")
    described = {
        "channel_names": {str(i): channel for i, channel in enumerate(images)},
        "labels": {"background": 0, **{word: i for i, word in enumerate(structures, start=1)}},
        "numTraining": 0,
        "file_ending": ".nii.gz",
    }
    _write_dataset(root, described)


def finish_nnunet(root: Path) -> None:
    """Write the number of cases into `dataset.json`."""
    described = json.loads((root / "dataset.json").read_text(encoding="utf-8"))
    described["numTraining"] = len(list((root / "labelsTr").glob("*.nii.gz")))
    _write_dataset(root, described)


def _write_dataset(root: Path, described: dict[str, object]) -> None:
    write_text(root / "dataset.json", json.dumps(described, indent=1) + "\n")
