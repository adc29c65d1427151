"""The state folder of a node: ledger, spool, logs, and the folders of runs."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydicom.dataset import Dataset

from hyoid.errors import UnreadableFileError
from hyoid.interfaces.node.config import NodeConfig
from hyoid.interfaces.node.ledger.ledger import LEDGER_FILE, Ledger
from hyoid.interfaces.node.log import Log
from hyoid.interfaces.node.pseudonyms import Pseudonyms, read_key
from hyoid.interfaces.node.spool import Spool
from hyoid.io.dicom import headers


class Place:
    """One node's hold of a state folder, which other nodes may share.

    Parameters
    ----------
    config : NodeConfig
        What the node does.
    clock : callable
        Returns seconds since the epoch.
    echo : bool
        Write events to standard output too.
    """

    def __init__(self, config: NodeConfig, clock: Callable[[], float], *, echo: bool = False) -> None:
        self.config, self.clock, self.began = config, clock, clock()
        self.results_folder, self.work_folder = config.state / "results", config.state / "work"
        for folder in (config.state, self.results_folder, self.work_folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.owner = secrets.token_hex(8)
        self._kept: set[str] = set()
        self.pseudonyms = Pseudonyms(read_key(config.state))
        self.log = Log(config.state, clock, echo=echo)
        self.ledger = Ledger(config.state / LEDGER_FILE, clock)
        self.spool = Spool(config.state, self.ledger, self.pseudonyms, self.log, config.limits.free_gb)

    @contextmanager
    def keeping(self, lease: str) -> Iterator[None]:
        """Have `renew` prolong a lease while the block runs; after trouble it runs out, and any node goes on."""
        self._kept.add(lease)
        try:
            yield
        finally:
            self._kept.discard(lease)

    def renew(self) -> None:
        """Prolong the leases of work that is under way, and count this node among those at work."""
        seconds, leases = self.config.limits.lease_s, self.ledger.leases
        leases.renew(list(self._kept), self.owner, seconds)
        leases.hold(f"node:{self.owner}", self.owner, seconds)

    def results(self, job: str) -> Path:
        """Locate the results of a job; they are there whole or not at all."""
        return self.results_folder / job

    def later(self, attempts: int) -> float:
        """Choose the time of the next attempt: the wait doubles with every one that failed before the last.

        Parameters
        ----------
        attempts : int
            Attempts that failed before the last one.
        """
        limits = self.config.limits
        return self.clock() + min(limits.longest_retry_s, limits.retry_s * 2.0 ** min(attempts, 30))


def header_of(path: Path) -> Dataset:
    """Read the header of an object of the spool or of results.

    Raises
    ------
    UnreadableFileError
        When it holds no DICOM object.
    """
    header = headers.parse(path.read_bytes())
    if header is None:
        raise UnreadableFileError("A DICOMDIR lies where an object should.", "Send the study again.")
    return header
