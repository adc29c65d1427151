"""Layout `reports`: a CT and the report that a radiologist wrote of it, for every patient; outlines are optional.

::

    <id>/ct.nii.gz, or a DICOM series in <id>/ct/
    <id>/report.txt, free text; or <id>/report.json, of `hyoid structure`, or of `hyoid report` with a reader's answers
    <id>/organs.nii.gz    optional: labels of `hyoid.anatomy.structures`, in the place of predicted organs
    <id>/targets.nii.gz   optional: tumour (1) and nodes (2)
"""

from __future__ import annotations

from pathlib import Path

from hyoid.io.cohorts.case_files import CaseFiles, existing

NAMES = ("report.json", "report.txt")  # the first that is there counts
_TRUTH = "truth.json"  # of a virtual patient, which has a report too


def report_beside(folder: Path) -> Path | None:
    """Find the report of a patient's folder; None without one, and for a virtual patient whose truth is known."""
    if (folder / _TRUTH).is_file():
        return None
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def find_report_cases(folder: Path) -> tuple[CaseFiles, ...]:
    """Find the patients with a CT and a report below a folder, in order of name."""
    found = []
    for place in sorted(p for p in folder.glob("*") if p.is_dir() and not p.name.startswith(".")):
        report, series = report_beside(place), place / "ct"
        ct = existing(place / "ct.nii.gz") or (series if series.is_dir() else None)
        if report is None or ct is None:
            continue
        organs, targets = existing(place / "organs.nii.gz"), existing(place / "targets.nii.gz")
        lesions = targets is not None
        found.append(CaseFiles(place.name, ct, organs, targets, virtual=False, lesions=lesions, report=report))
    return tuple(found)
