"""What every command that makes a report does at its end: `run.json`, the last words, the exit code."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import typer

import hyoid
from hyoid.interfaces.cli.console import Teller
from hyoid.io.packages.model_package import ModelPackage
from hyoid.io.study import Study
from hyoid.report.content.response import ResponseReport
from hyoid.report.content.schema import Report
from hyoid.systems.machine import Machine

EMPTY_OR_FAILED = 5


Reported = Report | ResponseReport


def run_record(
    report: Reported,
    models: Mapping[str, ModelPackage],
    precisions: Mapping[str, str],
    inputs: Mapping[str, object],
    machine: Machine,
    teller: Teller,
    **more: object,
) -> dict[str, object]:
    """What `run.json` says: versions, models with hashes, timings, device, fingerprints; no patient identifiers."""
    return {
        "schema_version": 1,
        "statement": report.statement,
        "hyoid": hyoid.__version__,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("openvino", "numpy", "SimpleITK", "pydicom", "highdicom")},
        "machine": {"system": platform.system(), "processor": platform.machine(), "device": machine.device},
        "models": {
            name: {
                "version": package.manifest.version,
                "sha256": package.manifest.sha256,
                "licence": package.manifest.licence,
                "training_data": package.manifest.training_data,
                "precision": precisions[name],
            }
            for name, package in models.items()
        },
        "input": dict(inputs),
        **more,
        "seconds": dict(teller.seconds),
        "empty": report.empty,
        "failed": report.failed,
    }


def scan_record(study: Study) -> dict[str, object]:
    """What `run.json` says of a scan that was read."""
    return {
        "fingerprint": study.fingerprint,
        "series": None if study.series is None else str(study.series),
        "why": "" if study.series is None else study.series.why,
        "shape": list(study.volume.geometry.shape),
        "spacing_mm": list(study.volume.geometry.spacing_mm),
        "warnings": list(study.warnings),
        "provenance": study.provenance,
    }


def finish(report: Reported, out: Path, teller: Teller, *, stop: bool = True) -> None:
    """Say what came out and where; exit 5 when it is empty or failed its own check."""
    teller.event("done", out=str(out), empty=report.empty, failed=report.failed, summary=report.summary)
    teller.say(f"[bold]{report.summary}[/]")
    for warning in report.warnings:
        teller.say(f"[yellow]Note:[/] {warning}")
    teller.say(f"{report.statement}\nOpen [bold]{out / 'report.html'}[/]")
    if stop and (report.empty or report.failed):
        raise typer.Exit(EMPTY_OR_FAILED)
