"""Channels of an nnU-Net model from files or from a DICOM study: CT in HU, PET in SUV, MR, or a mask."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hyoid.errors import InputRefusedError
from hyoid.geometry.resample import resample
from hyoid.io.dicom.series_choice import group_by_series
from hyoid.io.files.volumes import load_image
from hyoid.io.packages.nnunet_folder import Channel
from hyoid.io.petct import read_pet, read_petct
from hyoid.io.study import Study, dicom_instances, fingerprint, read_study
from hyoid.volume import Quantity, Volume

_NAMED = {
    "PT": re.compile(r"pet|pt|suv|fdg|psma"),
    "CT": re.compile(r"ct|hu|cect|ncct"),
    "MR": re.compile(r"mri?|t1|t1c|t1ce|t1w|t2|t2w|flair|dwi|adc|swi|pd"),
}
# What somebody drew or clicked, and no scanner made.
_DRAWN = re.compile(r"masks?|seg(mentation)?s?|labels?|contours?|outlines?|clicks?|prompts?|scribbles?|heatmap")


@dataclass(frozen=True, eq=False)
class CaseChannels:
    """Channels of one case, on one grid.

    Parameters
    ----------
    volumes : tuple of Volume
        Images in the order of the model's channels.
    scans : tuple of Study
        What was read, for the record: one per channel.
    study : Study or None
        DICOM study on whose grid the channels lie; None for files.
    """

    volumes: tuple[Volume, ...]
    scans: tuple[Study, ...]
    study: Study | None


def modality_of(channel: Channel) -> str:
    """Tell which modality a channel takes, by its normalisation and name; '' where neither tells.

    Examples
    --------
    >>> modality_of(Channel("SUV", "ZScoreNormalization", False, {}))
    'PT'
    >>> modality_of(Channel("mask", "NoNormalization", False, {}))
    ''
    """
    words = _words(channel)
    named = [modality for modality, pattern in _NAMED.items() if any(pattern.fullmatch(w) for w in words)]
    if len(named) == 1:
        return named[0]
    return "CT" if channel.normalisation == "CTNormalization" else ""


def channels_of_files(channels: Sequence[Channel], files: Sequence[Path]) -> CaseChannels:
    """Read one file per channel.

    A channel with CT normalisation must hold a CT; any other takes what the file holds, masks of an earlier step or of
    clicks included.

    Parameters
    ----------
    channels : sequence of Channel
        Input channels of the model.
    files : sequence of Path
        Image file of each channel, in the same order.

    Raises
    ------
    InputRefusedError
        When a file cannot be used; see `load_image`.
    """
    kinds = [Quantity.HU if c.normalisation == "CTNormalization" else Quantity.MR for c in channels]
    kinds += [Quantity.MR] * (len(files) - len(kinds))
    images = [load_image(path, kind) for path, kind in zip(files, kinds, strict=False)]
    scans = tuple(Study(i.volume, None, (), i.notes, fingerprint(i.volume)) for i in images)
    return CaseChannels(tuple(i.volume for i in images), scans, None)


def channels_of_dicom(
    channels: Sequence[Channel], path: Path, on_progress: Callable[[int, int], None] | None = None
) -> CaseChannels:
    """Read the channels of a model from a DICOM study: one CT, MR or PET, or CT and PET of one examination.

    Parameters
    ----------
    channels : sequence of Channel
        Input channels of the model.
    path : Path
        Folder, zip or file.
    on_progress : callable, optional
        Called with (slices done, slices in all).

    Returns
    -------
    CaseChannels
        PET in SUV by body weight, beside a CT on the CT's grid.

    Raises
    ------
    InputRefusedError
        When the study holds no series that the model's channels name, or the model takes several MR channels or masks:
        a study does not tell the former apart, and holds none of the latter.
    """
    wanted = [modality_of(c) for c in channels]
    names = ", ".join(repr(c.name) for c in channels)
    if sorted(wanted) == ["CT", "PT"]:
        both = read_petct(path, on_progress=on_progress)
        if both.pet is None:
            raise InputRefusedError(f"The study holds no PET; the model takes {names}.", "Give a PET/CT study.")
        scans = tuple(both.ct if w == "CT" else both.pet for w in wanted)
        grid = both.ct.volume.geometry
        volumes = tuple(s.volume if s is both.ct else resample(s.volume, grid) for s in scans)
        return CaseChannels(volumes, scans, both.ct)
    if len(channels) != 1:
        raise InputRefusedError(
            f"The model takes {len(channels)} channels ({names}), which a DICOM study does not tell apart.",
            "Convert the series to files on one grid, and give them in this order.",
        )
    if any(_DRAWN.fullmatch(word) for word in _words(channels[0])):
        raise InputRefusedError(
            f"The model's channel {names} is drawn, and a DICOM study holds scans.",
            "Give the mask in a file, on the grid that the model expects.",
        )
    modality = wanted[0] or _only_modality(path, names)
    if modality == "PT":
        study = read_pet(path, on_progress=on_progress)
    else:
        study = read_study(path, modality=modality, on_progress=on_progress)
    return CaseChannels((study.volume,), (study,), study)


def _words(channel: Channel) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9]+", channel.name.lower()) if word]


def _only_modality(path: Path, names: str) -> str:
    """Modality of the study's images where there is one, for a channel that does not tell."""
    found = {info.modality for info, _ in group_by_series(dicom_instances(path)[0])} & {"CT", "MR", "PT"}
    if len(found) != 1:
        raise InputRefusedError(
            f"The study holds {' and '.join(sorted(found)) or 'no CT, MR or PET'}; channel {names} does not tell "
            "which it takes.",
            "Give the folder of one series.",
        )
    return found.pop()
