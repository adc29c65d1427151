"""Retention: scans go after delivery, results later; what killed nodes left goes too."""

from __future__ import annotations

import shutil
from pathlib import Path

from hyoid.interfaces.node.place import Place

_LEFTOVER_S = 3600.0


def clean(place: Place) -> None:
    """Delete what the configuration no longer keeps, and what killed nodes left.

    Parameters
    ----------
    place : Place
        State folder of the node.
    """
    keep, hour = place.config.retention, 3600.0
    arrivals, jobs = place.ledger.arrivals, place.ledger.jobs
    scans = arrivals.expire_scans(keep.scans_hours * hour, keep.unwanted_hours * hour, keep.quarantine_hours * hour)
    place.spool.delete(scans, arrivals.expire_rejected(keep.quarantine_hours * hour))
    results = jobs.expire_results(keep.results_hours * hour, keep.quarantine_hours * hour)
    for job in results:
        shutil.rmtree(place.results(job), ignore_errors=True)
    swept = place.spool.sweep(_LEFTOVER_S)
    kept = jobs.with_results()
    for folder in (*(place.work_folder).iterdir(), *(place.results_folder).iterdir()):
        job = folder.name.split("-")[0]
        if folder.name not in kept and not place.ledger.leases.is_live(f"job:{job}") and _is_old(place, folder):
            shutil.rmtree(folder, ignore_errors=True)
            swept += 1
    if scans or results or swept:
        place.log.event("cleaned", scans=len(scans), results=len(results), leftovers=swept)


def _is_old(place: Place, folder: Path) -> bool:
    try:
        return place.clock() - folder.stat().st_mtime > (0 if folder.parent == place.work_folder else _LEFTOVER_S)
    except FileNotFoundError:
        return False
