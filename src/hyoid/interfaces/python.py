"""The product from Python, in the words of the command line."""

from __future__ import annotations

from pathlib import Path

from hyoid.interfaces.models_command import package_folder
from hyoid.interfaces.places import cache_folder, device_named
from hyoid.io.model_package import ModelPackage, read_package
from hyoid.io.reader_masks import find_reader_masks
from hyoid.io.study import Study
from hyoid.pipelines.structured_report import Machine, ReportModels, ReportResult, structured_report


def load_model(name: str) -> ModelPackage:
    """Model package by name or folder, weights verified.

    Parameters
    ----------
    name : str

    Raises
    ------
    UsageError
        When there is none of that name.
    ModelUnusableError
        When it is damaged.
    """
    return read_package(package_folder(name))


def make_report(
    study: Study, *, reader_masks: Path | str | None = None, device: str = "auto", cache: Path | None = None
) -> ReportResult:
    """Structured report of a CT, as `hyoid report` makes it, without writing files.

    Parameters
    ----------
    study : Study
        From `hyoid.read_study`.
    reader_masks : path, optional
        A reader's tumour and nodes, as for `hyoid report --reader-masks`.
    device : {"auto", "cpu", "cuda"}
    cache : Path, optional
        Folder for compiled graphs; by default the user's cache.

    Raises
    ------
    InputRefusedError
        When the scan or the masks cannot be used.
    ModelUnusableError
        When weights are damaged.
    """
    models = ReportModels(*(load_model(name) for name in ("organs", "tumour", "sgrnet")))
    reader = None if reader_masks is None else find_reader_masks(reader_masks, study.volume.geometry)
    return structured_report(study, models, Machine(device_named(device), cache or cache_folder()), reader=reader)
