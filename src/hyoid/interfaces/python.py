"""The product from Python, in the words of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hyoid.interfaces.installed import load_model, report_models
from hyoid.interfaces.places import cache_folder, device_named
from hyoid.io.reader_masks import find_reader_masks
from hyoid.io.study import Study
from hyoid.systems.ct_report.pipeline import ReportResult, structured_report
from hyoid.systems.machine import Machine

__all__ = ["load_model", "make_report"]


def make_report(
    study: Study,
    *,
    reader_masks: Path | str | None = None,
    primary: Sequence[str] = (),
    node: Sequence[str] = (),
    device: str = "auto",
    cache: Path | None = None,
) -> ReportResult:
    """Make the structured report of a CT as `hyoid report` does, without writing files.

    Parameters
    ----------
    study : Study
        CT that `hyoid.read_study` read.
    reader_masks : path, optional
        A reader's tumour and nodes, as for `hyoid report --reader-masks`.
    primary, node : sequences of str
        Names of outlines in that file, where these do not tell which is which.
    device : {"auto", "cpu", "cuda"}
        Where the networks run; "auto" takes the GPU where there is one.
    cache : Path, optional
        Folder for compiled graphs; by default the user's cache.

    Raises
    ------
    InputRefusedError
        When the scan or the masks cannot be used.
    ModelUnusableError
        When weights are damaged.
    """
    reader = (
        None
        if reader_masks is None
        else find_reader_masks(reader_masks, study.volume.geometry, headers=study.headers, primary=primary, node=node)
    )
    machine = Machine(device_named(device), cache or cache_folder())
    return structured_report(study, report_models(), machine, reader=reader)
