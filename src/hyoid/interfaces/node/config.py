"""Configuration of the node: what listens, which job a study gets, where results go; an unknown key is an error."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from hyoid.interfaces.dicomweb.settings import Settings, Tls, WebServer, read_settings

AeTitle = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[^\\\x00-\x1f\x7f]*\S[^\\\x00-\x1f\x7f]*$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.-]{0,39}$")]
Words = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]+$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Pattern = Annotated[str, Field(min_length=1)]
Job = Literal["report", "petct", "midrt", "predict", "prior"]


class Listener(Settings):
    """A DICOM listener: C-STORE and C-ECHO.

    Attributes
    ----------
    ae_title : str
        Own application entity title, which callers must use.
    host : str
        Address to listen on.
    port : int
        TCP port; 11112 is the registered port without TLS, 2762 the one with TLS.
    callers : tuple of str
        Calling AE titles that are let in; any when empty.
    tls : Tls or None
        Files of the encrypted connection; None: not encrypted.
    """

    ae_title: AeTitle = "HYOID"
    host: str = "0.0.0.0"
    port: Port = 11112
    callers: tuple[AeTitle, ...] = ()
    tls: Tls | None = None

    @field_validator("tls")
    @classmethod
    def _has_certificate(cls, tls: Tls | None) -> Tls | None:
        if tls is not None and tls.certificate is None:
            raise ValueError("a listener with TLS needs certificate and key")
        return tls


class WatchedFolder(Settings):
    """A folder whose DICOM files, zips and subfolders are taken in.

    Attributes
    ----------
    name : str
        Source that rules and the audit log know.
    path : Path
        Folder to watch, with what lies below.
    after : {"keep", "delete"}
        What happens to a file once it is on the node's own disk.
    every_s : float
        Seconds between two looks. A file that changed between two looks is still being written.
    """

    name: Name = "folder"
    path: Path
    after: Literal["keep", "delete"] = "keep"
    every_s: float = Field(default=2.0, gt=0)


class WatchedServer(WebServer):
    """A DICOMweb server that is asked for new studies.

    Attributes
    ----------
    name : str
        Source that rules and the audit log know.
    modalities : tuple of str
        Series of these modalities are fetched.
    days : int
        Studies whose date is at most so many days back are looked at.
    every_s : float
        Seconds between two questions. A series that grew between two questions is still being written.
    """

    name: Name = "dicomweb"
    modalities: tuple[str, ...] = ("CT", "MR", "PT")
    days: int = Field(default=2, ge=0)
    every_s: float = Field(default=30.0, gt=0)


class DicomDestination(Settings):
    """A DICOM peer that results are sent to by C-STORE.

    Attributes
    ----------
    ae_title : str
        The peer's AE title.
    host, port : str, int
        Where the peer listens.
    calling : str
        Own AE title towards the peer.
    tls : Tls or None
        Files of the encrypted connection; None: not encrypted.
    timeout_s : float
        Seconds without an answer after which the peer counts as down.
    """

    kind: Literal["dicom"]
    ae_title: AeTitle
    host: str
    port: Port
    calling: AeTitle = "HYOID"
    tls: Tls | None = None
    timeout_s: float = Field(default=60.0, gt=0)


class WebDestination(WebServer):
    """A DICOMweb server that results are sent to by STOW-RS."""

    kind: Literal["dicomweb"]


class FolderDestination(Settings):
    """A folder that results are copied into, one folder for each run.

    Attributes
    ----------
    path : Path
        Made where absent.
    files : {"all", "dicom"}
        Every file of the run, or its DICOM objects alone.
    """

    kind: Literal["folder"]
    path: Path
    files: Literal["all", "dicom"] = "all"


Destination = Annotated[DicomDestination | WebDestination | FolderDestination, Field(discriminator="kind")]


class When(Settings):
    """Conditions on a series; all that are given must hold.

    Attributes
    ----------
    modality : tuple of str
        Modality (0008,0060). With several, a study needs a series of each.
    body_part : str
        Regular expression, found anywhere in BodyPartExamined (0018,0015); case does not count.
    description : str
        The same for SeriesDescription (0008,103E) or StudyDescription (0008,1030).
    source : tuple of str
        Calling AE titles, or names of watched folders and servers.
    images : int
        Fewest objects that the series may hold.
    """

    modality: tuple[str, ...] = Field(min_length=1)
    body_part: Pattern | None = None
    description: Pattern | None = None
    source: tuple[str, ...] = ()
    images: int = Field(default=1, ge=1)

    @field_validator("modality", "source", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("body_part", "description")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"not a regular expression ({error})") from error
        return pattern


class Rule(Settings):
    """What is done with a study.

    Attributes
    ----------
    name : str
        Name in logs and on the status page.
    when : When
        Conditions; the first rule of the list that fits a study decides.
    job : {"report", "petct", "midrt", "predict", "prior"}
        Command of hyoid that is run. `prior` runs nothing: the study is kept for a later `midrt` of the same patient.
    model : str
        For `predict`: nnU-Net v2 folder or name of fetched weights.
    options : tuple of str
        Further options of the command, such as ["--names", "hyoid"].
    to : tuple of str
        Destinations of the results.
    send_empty : bool
        Send results in which nothing was outlined; otherwise a person decides (quarantine).
    keep_hours : float
        For `prior`: how long the study is kept.
    wait_hours : float
        For `midrt`: how long its prior is waited for.
    """

    name: Words
    when: When
    job: Job
    model: str = ""
    options: tuple[str, ...] = ()
    to: tuple[Name, ...] = ()
    send_empty: bool = False
    keep_hours: float = Field(default=24 * 90.0, gt=0)
    wait_hours: float = Field(default=24.0, ge=0)

    @model_validator(mode="after")
    def _complete(self) -> Rule:
        if (self.job == "predict") != bool(self.model):
            raise ValueError("model belongs to the job predict, which needs it")
        if self.job == "prior" and self.to:
            raise ValueError("a prior is kept, not sent: leave out to")
        if self.job != "prior" and not self.to:
            raise ValueError("results need a destination: name one with to")
        return self


class Limits(Settings):
    """When to wait, when to try again, when to give up.

    Attributes
    ----------
    quiet_s : float
        A study is complete when no object came for so long, s.
    jobs : int
        Jobs that run at once.
    job_timeout_s : float
        A job that takes longer is ended, s.
    attempts : int
        Failed runs, or refusals of an object by a destination, before a person must look.
    interruptions : int
        Runs that ended with the node itself, before a person must look.
    retry_s, longest_retry_s : float
        Wait before the second attempt, which doubles up to the longest, s.
    lease_s : float
        A node that was not heard of for so long has lost its work to another node on the same ledger, s.
    free_gb : float
        Free space of the state folder below which nothing is taken in and no job begins, GiB.
    """

    quiet_s: float = Field(default=60.0, gt=0)
    jobs: int = Field(default=1, ge=1, le=64)
    job_timeout_s: float = Field(default=3600.0, gt=0)
    attempts: int = Field(default=5, ge=1)
    interruptions: int = Field(default=20, ge=1)
    retry_s: float = Field(default=30.0, gt=0)
    longest_retry_s: float = Field(default=3600.0, gt=0)
    lease_s: float = Field(default=30.0, ge=1)
    free_gb: float = Field(default=5.0, ge=0)


class Retention(Settings):
    """How long files stay, hours.

    Attributes
    ----------
    scans_hours : float
        Scans of a study, from the delivery of all its results on.
    unwanted_hours : float
        Scans of a study that no rule fits yet, from its last object on.
    results_hours : float
        Results, from their delivery on.
    quarantine_hours : float
        Studies and objects that a person should look at.
    """

    scans_hours: float = Field(default=0.0, ge=0)
    unwanted_hours: float = Field(default=24.0, ge=0)
    results_hours: float = Field(default=24.0, ge=0)
    quarantine_hours: float = Field(default=24 * 30.0, gt=0)


class StatusPage(Settings):
    """A read-only page with numbers and no patient: address and port."""

    host: str = "127.0.0.1"
    port: Port = 8104


class NodeConfig(Settings):
    """Configuration of a node.

    Attributes
    ----------
    state : Path
        Folder of the ledger, spool and logs, on a local disk; nodes that share it share the work.
    dicom : Listener or None
        DICOM listener.
    folders : tuple of WatchedFolder
        Folders to take studies from.
    dicomweb : tuple of WatchedServer
        DICOMweb servers to take studies from.
    rules : tuple of Rule
        In the order in which they are tried.
    destinations : dict of str to Destination
        Where results go, by name.
    limits : Limits
        When to wait, try again, give up.
    retention : Retention
        How long files stay.
    status : StatusPage or None
        The status page; none is served without it.
    command : tuple of str
        Program that jobs are run with; this hyoid when empty.
    """

    state: Path
    dicom: Listener | None = None
    folders: tuple[WatchedFolder, ...] = ()
    dicomweb: tuple[WatchedServer, ...] = ()
    rules: tuple[Rule, ...] = Field(min_length=1)
    destinations: dict[Name, Destination] = Field(default_factory=dict)
    limits: Limits = Limits()
    retention: Retention = Retention()
    status: StatusPage | None = None
    command: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> NodeConfig:
        if self.dicom is None and not self.folders and not self.dicomweb:
            raise ValueError("nothing is listened to: give dicom, folders or dicomweb")
        sources = [folder.name for folder in self.folders] + [server.name for server in self.dicomweb]
        for what, names in (("rules", [rule.name for rule in self.rules]), ("folders and dicomweb", sources)):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{what}: the name {twice[0]!r} is there twice")
        for rule in self.rules:
            if unknown := [name for name in rule.to if name not in self.destinations]:
                raise ValueError(f"rule {rule.name!r} sends to {unknown[0]!r}, which is not among destinations")
        return self

    def rule(self, name: str) -> Rule | None:
        """Find a rule by its name; None where the configuration has no longer such a rule."""
        return next((rule for rule in self.rules if rule.name == name), None)


def read_config(path: Path) -> NodeConfig:
    """Read the configuration of a node; paths in it are relative to the file's folder.

    Raises
    ------
    UnreadableFileError
        When the file cannot be read or is not YAML.
    UsageError
        When a key is unknown, missing or wrong; every such key is named.
    """
    return read_settings(path, NodeConfig, "configuration", "docs/hospital.md")
