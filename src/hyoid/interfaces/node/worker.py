"""From job to results: a run in a scratch folder, which is renamed into place."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path
from threading import Event

from hyoid.errors import HyoidError
from hyoid.interfaces.node.config import FolderDestination, Rule
from hyoid.interfaces.node.destinations import WHOLE_RUN
from hyoid.interfaces.node.ledger.jobs import Job, LostLeaseError
from hyoid.interfaces.node.place import Place, header_of
from hyoid.interfaces.node.runner import Inputs, Outcome, command_line, dicom_files, link_inputs, run_command
from hyoid.interfaces.node.spool import object_pseudonym, sync
from hyoid.io.dicom import headers

_OUTLINES = ("RTSTRUCT", "SEG")
_DELETED = "Scans of the study were deleted after an earlier delivery. Send the whole study again."


def work(place: Place, stop: Event | None = None) -> bool:
    """Run one job that is due; True where there was one.

    Parameters
    ----------
    place : Place
        State folder of the node.
    stop : Event, optional
        Ends the run when set.
    """
    limits = place.config.limits
    if not place.spool.has_room():
        return False
    job = place.ledger.jobs.claim(place.owner, limits.lease_s, limits.interruptions)
    if job is None:
        return False
    with place.keeping(f"job:{job.job}"):
        _work_on(place, job, stop or Event())
    return True


def _work_on(place: Place, job: Job, stop: Event) -> None:
    rule, began = place.config.rule(job.rule), place.clock()
    try:
        if rule is None:
            place.ledger.jobs.quarantine(job.job, place.owner, "The configuration has no longer the rule of this job.")
            return
        # A node that was killed between the rename and its entry left the results in their place.
        there = place.results(job.job).is_dir()
        outcome = Outcome("done") if there else _run(place, job, rule, stop)
        _conclude(place, job, rule, outcome)
    except LostLeaseError:
        place.log.event("job given up", job=job.job, reason="another node has it, or newer objects came")
        return
    seconds = round(place.clock() - began, 1)
    ended: dict[str, str | float] = {"verdict": outcome.verdict, "reason": outcome.reason, "seconds": seconds}
    place.log.event("job ended", job=job.job, rule=job.rule, **ended)


def _run(place: Place, job: Job, rule: Rule, stop: Event) -> Outcome:
    scratch = place.work_folder / f"{job.job}-{secrets.token_hex(4)}"
    out = scratch / "out"
    try:
        objects = [o for o in place.ledger.arrivals.objects(job.study) if o.series in job.series]
        files = [place.spool.path(o.file) for o in objects if o.file is not None]
        if len(files) < len(objects):
            return Outcome("person", _DELETED)
        try:
            link_inputs(files, scratch / "study")
        except FileNotFoundError:
            return Outcome("person", _DELETED)
        inputs = Inputs(scratch / "study")
        if rule.job == "midrt":
            inputs = _with_prior(place, inputs, job, files[0], scratch)
        outcome = run_command(
            command_line(rule, inputs, out, place.config.command),
            out,
            timeout_s=place.config.limits.job_timeout_s,
            goes_on=lambda: not stop.is_set() and place.ledger.jobs.is_running(job.job, place.owner),
            send_empty=rule.send_empty,
        )
        if outcome.verdict == "done":
            if not place.ledger.jobs.is_running(job.job, place.owner):
                return Outcome("stopped")
            _sync_files(out)
            out.replace(place.results(job.job))
            sync(place.results_folder)
        return outcome
    except _NoPriorError as error:
        late = place.clock() - job.created > rule.wait_hours * 3600
        return Outcome("person" if late or error.cure else "wait", error.problem)
    except OSError as error:
        return Outcome("wait", f"The state folder cannot be written ({error.strerror or type(error).__name__}).")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _conclude(place: Place, job: Job, rule: Rule, outcome: Outcome) -> None:
    """Enter how a run ended."""
    jobs, limits = place.ledger.jobs, place.config.limits
    if outcome.verdict == "done":
        jobs.finish(job.job, place.owner, _deliveries(place, job, rule))
    elif outcome.verdict == "person":
        jobs.quarantine(job.job, place.owner, outcome.reason)
    elif outcome.verdict == "again":
        if job.attempts + 1 >= limits.attempts:
            jobs.quarantine(job.job, place.owner, f"{outcome.reason} Tried {job.attempts + 1} times.")
        else:
            jobs.retry(job.job, place.owner, outcome.reason, place.later(job.attempts), counts=True)
    else:
        wait = limits.retry_s if outcome.verdict == "wait" else 0.0
        jobs.retry(job.job, place.owner, outcome.reason, place.clock() + wait, counts=False)


def _with_prior(place: Place, inputs: Inputs, job: Job, image: Path, scratch: Path) -> Inputs:
    """Inputs with the newest earlier study of the patient that is kept as a prior, and its outlines."""
    now = header_of(image)
    patient = next(o.patient for o in place.ledger.arrivals.objects(job.study))
    found: dict[str, tuple[str, list[Path], list[Path]]] = {}
    for study in place.ledger.arrivals.priors(patient, but=job.study):
        images, outlines, date = [], [], ""
        for item in place.ledger.arrivals.objects(study):
            if item.file is None:
                continue
            path = place.spool.path(item.file)
            header = header_of(path)
            if headers.text(header, "Modality") in _OUTLINES:
                outlines.append(path)
            elif headers.text(header, "Modality") == "MR":
                images.append(path)
                date = headers.text(header, "StudyDate")
        if images and outlines and date < headers.text(now, "StudyDate"):
            found[date] = (study, images, outlines)
    if not found:
        raise _NoPriorError("No earlier study of this patient with MR and outlines is kept as a prior.")
    _, images, outlines = found[max(found)]
    if len(outlines) > 1:
        raise _NoPriorError(
            f"The prior holds {len(outlines)} objects with outlines, and nothing says which counts.",
            "Send the study before treatment with one RTSTRUCT or SEG.",
        )
    link_inputs(images, scratch / "prior")
    link_inputs(outlines, scratch / "outlines")
    return Inputs(inputs.study, scratch / "prior", next((scratch / "outlines").iterdir()))


def _deliveries(place: Place, job: Job, rule: Rule) -> dict[tuple[str, str], str]:
    """What has to be sent: file below the results, by destination and object."""
    results = place.results(job.job)
    objects = {object_pseudonym(place.pseudonyms, header_of(p)): p for p in dicom_files(results)}
    files: dict[tuple[str, str], str] = {}
    for name in rule.to:
        if isinstance(place.config.destinations[name], FolderDestination):
            files[name, place.pseudonyms.of("run", job.job)] = WHOLE_RUN
        else:
            files |= {(name, key): str(path.relative_to(results)) for key, path in objects.items()}
    return files


class _NoPriorError(HyoidError):
    """Raised when a mid-treatment study has no prior; with a cure where waiting would not help."""


def _sync_files(folder: Path) -> None:
    """Bring every file of a run to the disk before its folder is renamed."""
    for path in folder.rglob("*"):
        if path.is_file():
            sync(path)
    sync(folder)
