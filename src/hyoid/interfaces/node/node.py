"""The node: sources, jobs and destinations around one ledger, each in a thread of its own."""

from __future__ import annotations

import shutil
import sqlite3
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread

from hyoid.errors import HyoidError
from hyoid.interfaces.node.cleaning import clean
from hyoid.interfaces.node.page import serving
from hyoid.interfaces.node.place import Place
from hyoid.interfaces.node.sender import send
from hyoid.interfaces.node.settling import settle
from hyoid.interfaces.node.watchers import FolderWatcher, ServerWatcher
from hyoid.interfaces.node.worker import work

_LOOK_EVERY_S, _CLEAN_EVERY_S = 0.5, 60.0


class Node:
    """One node, alone or beside others on the same state folder.

    Parameters
    ----------
    place : Place
        Its state folder, with the configuration.
    """

    def __init__(self, place: Place) -> None:
        self.place = place

    def run(self, stop: Event) -> None:
        """Work until `stop` is set; every part in a thread of its own.

        Raises
        ------
        OSError
            When a port cannot be had.
        """
        place, limits = self.place, self.place.config.limits
        with ExitStack() as stack:
            if self.place.config.dicom is not None:
                from hyoid.interfaces.node.listener import listening

                stack.enter_context(listening(self.place.config.dicom, self.place.spool, self.place.log))
            if self.place.config.status is not None:
                stack.enter_context(serving(self.place.config.status, self.status))
            place.renew()
            parts: list[tuple[str, Callable[[], object], float]] = [
                ("heartbeat", place.renew, limits.lease_s / 3),
                ("settle", lambda: settle(place), _LOOK_EVERY_S),
                ("clean", lambda: clean(place), _CLEAN_EVERY_S),
                *((f"job {n + 1}", lambda: work(place, stop), _LOOK_EVERY_S) for n in range(limits.jobs)),
                *((f"to {name}", self._sender(name), _LOOK_EVERY_S) for name in self.place.config.destinations),
                *self._watchers(),
            ]
            threads = [Thread(target=self._repeat, args=(*part, stop), name=part[0]) for part in parts]
            self.place.log.event("node began", node=self.place.owner)
            try:
                for thread in threads:
                    thread.start()
                stop.wait()
            finally:
                stop.set()
                for thread in threads:
                    if thread.is_alive():
                        thread.join()
                self.place.ledger.leases.drop(self.place.owner)
                self.place.log.event("node ended", node=self.place.owner)

    def status(self) -> dict[str, object]:
        """Gather the numbers of the status page."""
        place, free = self.place, shutil.disk_usage(self.place.config.state).free
        return place.ledger.summary() | {"free_gb": round(free / 1024**3, 1), "has_room": place.spool.has_room()}

    def _sender(self, name: str) -> Callable[[], bool]:
        return lambda: send(self.place, name)

    def _watchers(self) -> list[tuple[str, Callable[[], object], float]]:
        place = self.place
        arriving = place.spool, place.ledger, place.pseudonyms
        watchers: list[FolderWatcher | ServerWatcher] = [
            FolderWatcher(folder, *arriving, place.log) for folder in place.config.folders
        ]
        watchers += [ServerWatcher(server, *arriving) for server in place.config.dicomweb]
        return [(f"from {w.config.name}", self._looker(w.config.name, w.look), w.config.every_s) for w in watchers]

    def _looker(self, name: str, look: Callable[[], int]) -> Callable[[], None]:
        def looks() -> None:
            lease, place = f"from:{name}", self.place
            if place.ledger.leases.hold(lease, place.owner, place.config.limits.lease_s):
                with place.keeping(lease):
                    look()

        return looks

    def _repeat(self, name: str, step: Callable[[], object], every_s: float, stop: Event) -> None:
        """One part of the node: trouble is told and does not end it."""
        while not stop.is_set():
            try:
                busy = step() is True
            except (HyoidError, OSError, sqlite3.OperationalError) as error:
                # The kind alone: messages of the system and of libraries hold paths and addresses.
                reason = error.problem if isinstance(error, HyoidError) else type(error).__name__
                self.place.log.event("waits", part=name, reason=reason)
                # Leases must not run out meanwhile.
                stop.wait(every_s if step == self.place.renew else self.place.config.limits.retry_s)
                continue
            except Exception as error:
                frame = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{Path(frame.filename).name}:{frame.lineno}"
                self.place.log.event("fault", part=name, reason=type(error).__name__, where=where)
                stop.wait(self.place.config.limits.retry_s)
                continue
            if not busy:
                stop.wait(every_s)
