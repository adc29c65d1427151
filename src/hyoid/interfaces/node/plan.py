"""What a configuration does, in sentences, and whether the files that it names are there."""

from __future__ import annotations

from hyoid.errors import UsageError
from hyoid.interfaces.node.config import (
    Destination,
    DicomDestination,
    FolderDestination,
    NodeConfig,
    Rule,
    Tls,
    WebDestination,
    WebServer,
)
from hyoid.interfaces.node.tls import client_context, server_context


def plan(config: NodeConfig) -> list[str]:
    """Say what a node with this configuration would do, a sentence a line.

    Parameters
    ----------
    config : NodeConfig
        From `read_config`.
    """
    limits, keep = config.limits, config.retention
    lines = []
    if config.dicom is not None:
        listener = config.dicom
        callers = f"from {', '.join(listener.callers)}" if listener.callers else "from any caller"
        lines.append(
            f"Listen for DICOM as {listener.ae_title} on {listener.host}:{listener.port}, {_secured(listener.tls)}, "
            f"{callers}."
        )
    after = {"keep": "kept", "delete": "deleted once taken in"}
    lines += [f"Watch the folder {f.path} ({f.name}); files are {after[f.after]}." for f in config.folders]
    lines += [
        f"Ask {s.url} ({s.name}) every {s.every_s:g} s for {', '.join(s.modalities)} of the last {s.days} days."
        for s in config.dicomweb
    ]
    lines.append(f"Take a study as complete when nothing came for {limits.quiet_s:g} s.")
    lines += [f"Rule {number}, {rule.name}: {_rule(rule)}" for number, rule in enumerate(config.rules, start=1)]
    lines.append(f"Leave a study that fits no rule alone, and delete its scans after {keep.unwanted_hours:g} h.")
    lines += [f"Destination {name}: {_destination(there)}" for name, there in config.destinations.items()]
    lines.append(
        f"Run {limits.jobs} job(s) at once, each for at most {limits.job_timeout_s:g} s; "
        f"after {limits.attempts} failed runs a person decides."
    )
    lines.append(
        f"Delete scans {keep.scans_hours:g} h and results {keep.results_hours:g} h after delivery, what lies in "
        f"quarantine after {keep.quarantine_hours:g} h."
    )
    lines.append(f"Take nothing in and run nothing with less than {limits.free_gb:g} GiB free in {config.state}.")
    return lines


def check_surroundings(config: NodeConfig) -> None:
    """Refuse a configuration whose folders, certificates or secrets are not there: now, not when a study has come.

    Parameters
    ----------
    config : NodeConfig
        From `read_config`.

    Raises
    ------
    UsageError
        When a watched folder does not exist, or a file of an encrypted connection or a secret cannot be used.
    """
    for folder in config.folders:
        if not folder.path.is_dir():
            raise UsageError(f"The watched folder of {folder.name!r} does not exist.", "Make the folder, or its mount.")
    if config.dicom is not None and config.dicom.tls is not None:
        server_context(config.dicom.tls)
    for there in (*config.destinations.values(), *config.dicomweb):
        if isinstance(there, FolderDestination):
            continue
        if there.tls is not None:
            client_context(there.tls)
        if isinstance(there, WebServer):
            from hyoid.interfaces.dicomweb.client import web_client

            web_client(there)


def _rule(rule: Rule) -> str:
    when = rule.when
    parts = [f"a study with {' and '.join(when.modality)}"]
    parts += [f"body part like {when.body_part!r}"] if when.body_part else []
    parts += [f"description like {when.description!r}"] if when.description else []
    parts += [f"from {' or '.join(when.source)}"] if when.source else []
    parts += [f"at least {when.images} images a series"] if when.images > 1 else []
    does = {
        "prior": f"is kept for {rule.keep_hours:g} h as a prior",
        "predict": f"goes through predict {rule.model}",
        "midrt": f"goes through midrt with the prior of its patient, waited for {rule.wait_hours:g} h",
    }.get(rule.job, f"goes through {rule.job}")
    options = f" with {' '.join(rule.options)}" if rule.options else ""
    to = f"; results go to {', '.join(rule.to)}" if rule.to else ""
    empty = ", empty ones too" if rule.send_empty else ""
    return f"{', '.join(parts)} {does}{options}{to}{empty}."


def _destination(there: Destination) -> str:
    if isinstance(there, DicomDestination):
        return f"C-STORE to {there.ae_title} at {there.host}:{there.port}, {_secured(there.tls)}."
    if isinstance(there, WebDestination):
        return f"STOW-RS to {there.url}."
    assert isinstance(there, FolderDestination)
    return f"{'all files' if there.files == 'all' else 'DICOM objects'} into {there.path}."


def _secured(tls: Tls | None) -> str:
    if tls is None:
        return "not encrypted"
    return "TLS, certificates of callers checked" if tls.ca is not None else "TLS"
