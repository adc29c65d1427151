"""Training cases in one small file, to travel to another machine: int16 CT cut to the patient, label maps.

170 planning CTs at 3 x 4 x 4 mm take 37 MiB.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hyoid.errors import UsageError
from hyoid.io.atomic import atomic_write
from hyoid.training.cases import Case
from hyoid.volume import Geometry

PACKED = "cases.npz"
_ABOUT = "about"  # a JSON text among the arrays


def pack_cases(cases: Sequence[Case], folder: Path) -> Path:
    """Write cases that lie on one grid spacing as one compressed file.

    Names become numbers: where a packed case came from is nobody's business on another machine.

    Parameters
    ----------
    cases : sequence of Case
        Cases to write; all on the same voxel spacing.
    folder : Path
        Gets `cases.npz`; made when absent.

    Returns
    -------
    Path
        The file.
    """
    arrays: dict[str, np.ndarray] = {}
    about = []
    for number, case in enumerate(cases):
        arrays[f"hu_{number}"], arrays[f"labels_{number}"] = case.hu, case.labels
        if case.levels is not None:
            arrays[f"levels_{number}"] = case.levels
        about.append(
            {"known": sorted(case.known), "virtual": case.virtual, "ijk_to_lps": case.geometry.ijk_to_lps.tolist()}
        )
    folder.mkdir(parents=True, exist_ok=True)
    arrays[_ABOUT] = np.array(json.dumps(about))
    with atomic_write(folder / PACKED) as temporary:
        np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]  # no array is called allow_pickle
    return folder / PACKED


def is_packed(folder: Path) -> bool:
    """Tell whether a folder holds packed cases."""
    return (folder / PACKED).is_file()


def read_packed(folder: Path, spacing_mm: tuple[float, float, float]) -> tuple[Case, ...]:
    """Read the cases that `pack_cases` wrote.

    Parameters
    ----------
    folder : Path
        Holds `cases.npz`.
    spacing_mm : (slice, row, column)
        Voxel spacing that the training asks for.

    Raises
    ------
    UsageError
        When the file is damaged, or its cases lie on another spacing.
    """
    try:
        with (folder / PACKED).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            rows = json.loads(str(arrays[_ABOUT]))
            cases = tuple(_case(number, row, arrays) for number, row in enumerate(rows))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UsageError(f"The packed cases in {folder.name!r} cannot be read.", "Pack the cases again.") from error
    for case in cases:
        if not np.allclose(case.geometry.spacing_mm, spacing_mm):
            found = " x ".join(f"{mm:g}" for mm in case.geometry.spacing_mm)
            wanted = " x ".join(f"{mm:g}" for mm in spacing_mm)
            raise UsageError(
                f"The packed cases in {folder.name!r} lie at {found} mm, the recipe learns at {wanted} mm.",
                "Pack the cases for this recipe.",
            )
    return cases


def _case(number: int, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Case:
    """One case of the file."""
    hu = arrays[f"hu_{number}"]
    return Case(
        f"case {number}",
        hu,
        arrays[f"labels_{number}"],
        arrays.get(f"levels_{number}"),
        frozenset(about["known"]),
        Geometry(hu.shape, np.array(about["ijk_to_lps"])),
        about["virtual"],
    )
