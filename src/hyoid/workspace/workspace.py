"""Many readers' sessions on many scans: what is kept in memory, what on disk, and who is first.

Disk holds one small file per session (what the reader did, never the image), so a killed process loses nothing that
was answered. Memory holds a few scans and the latest outlines; whatever leaves it is made again when asked for.
"""

from __future__ import annotations

import json
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, RLock
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import ValidationError

from hyoid.errors import HyoidError, InputRefusedError, SeriesError, StaleRevisionError, UnreadableFileError, UsageError
from hyoid.geometry.orientation import to_canonical
from hyoid.io.atomic import write_text
from hyoid.io.study import Study
from hyoid.report.content.schema import Report
from hyoid.systems.lesion.pipeline import Outline, Prompt, Scan, next_outline
from hyoid.systems.lesion.report import (
    Anatomy,
    Measurements,
    anatomy_of,
    changed_lines,
    check_overrule,
    lesion_report,
)
from hyoid.systems.lesion.session import Action, AddPrompt, ClickSession, LesionState, Overrule
from hyoid.volume import Volume

if TYPE_CHECKING:
    from hyoid.inference.click_network import ClickNetwork

# Of scans and their organs together; the one that was asked for last always stays. Twenty whole necks fit.
STUDY_BYTES_IN_MEMORY = 4 * 1024**3
SESSIONS_IN_MEMORY = 32
OUTLINES_PER_SESSION = 64
MOST_SESSIONS = 2000
"""Sessions that are kept on disk, before old ones must be deleted."""

ReadStudy = Callable[[str], tuple[Study, str]]
"""From a study's key to the study and its modality."""
FindOrgans = Callable[[Volume], tuple[Volume | None, tuple[str, ...], tuple]]
"""From a canonical CT to organ labels (None: not outlined), warnings and the manifests of the models."""


@dataclass(eq=False)
class OpenStudy:
    """A scan in memory.

    Parameters
    ----------
    study : Study
        Scan as it was read, with its fingerprint and header facts.
    modality : str
        Modality under which the scan was read: CT, MR or PT.
    scan : Scan
        Volume turned to canonical orientation, on which clicks are answered.
    anatomy : Anatomy
        Organ outlines and model cards from which the lesion report takes places and neighbours.
    organs : Volume or None
        Canonical labels, once they are there.
    organ_state : {"off", "waiting", "done", "refused"}
        Progress of the organ outlines: not asked for, still to be made, made, or refused with a warning.
    """

    study: Study
    modality: str
    scan: Scan
    anatomy: Anatomy
    organs: Volume | None = None
    organ_state: Literal["off", "waiting", "done", "refused"] = "off"

    @property
    def bytes(self) -> int:
        """Memory of the scan in bytes, with the organ labels that are there or may come."""
        own = self.study.volume.array
        turned = self.scan.volume.array
        return own.nbytes + (0 if np.shares_memory(own, turned) else turned.nbytes) + turned.size


@dataclass(eq=False)
class _Live:
    """What is kept of a session between clicks."""

    lock: RLock = field(default_factory=RLock)
    session: ClickSession | None = None
    study_key: str = ""
    report: Report | None = None
    measurements: Measurements = field(default_factory=Measurements)
    outlines: OrderedDict[tuple[Prompt, ...], Outline] = field(default_factory=OrderedDict)


@dataclass(frozen=True, eq=False)
class View:
    """A session as a reader sees it.

    Parameters
    ----------
    session : ClickSession
        Clicks and answers of the reader up to the present revision.
    study_key : str
        Key under which the study is found again.
    study : OpenStudy
        Scan that the session is about.
    lesions : tuple of (LesionState, Outline or None)
        Every lesion with its outline; None in place of an outline before the first click.
    report : Report
        Whole template with the lines on these lesions.
    changed : tuple of str
        Keys of the lines that say something else than before.
    """

    session: ClickSession
    study_key: str
    study: OpenStudy
    lesions: tuple[tuple[LesionState, Outline | None], ...]
    report: Report
    changed: tuple[str, ...]

    @property
    def outlined(self) -> list[tuple[LesionState, Outline]]:
        """Lesions with an outline."""
        return [(lesion, outline) for lesion, outline in self.lesions if outline is not None]


class Workspace:
    """All sessions of one process.

    Parameters
    ----------
    folder : Path
        Where sessions are kept.
    network : ClickNetwork
        Network that answers clicks with outlines and attributes.
    read : ReadStudy
        Reads the study of a key; returns the study and its modality.
    organs : FindOrgans, optional
        None: organs are not outlined.
    """

    def __init__(self, folder: Path, network: ClickNetwork, read: ReadStudy, organs: FindOrgans | None = None) -> None:
        self.folder, self.network = folder, network
        self._read, self._find_organs = read, organs
        self._lock = Lock()
        self._studies: OrderedDict[str, OpenStudy] = OrderedDict()
        self._study_locks: dict[str, Lock] = {}
        self._live: OrderedDict[str, _Live] = OrderedDict()

    def study(self, key: str) -> OpenStudy:
        """Return the scan of a key, from memory or read anew.

        Raises
        ------
        InputRefusedError
            When it cannot be read.
        """
        with self._lock:
            if key in self._studies:
                self._studies.move_to_end(key)
                return self._studies[key]
            lock = self._study_locks.setdefault(key, Lock())
        with lock:
            with self._lock:
                if key in self._studies:
                    return self._studies[key]
            study, modality = self._read(key)
            scan = Scan(to_canonical(study.volume), study.fingerprint)
            opened = OpenStudy(study, modality, scan, anatomy_of(study, modality))
            if self._find_organs is not None and modality == "CT":
                opened.organ_state = "waiting"
            with self._lock:
                self._studies[key] = opened
                self._make_room()
            return opened

    def _make_room(self) -> None:
        sizes = {key: opened.bytes for key, opened in self._studies.items()}
        for key in list(sizes)[:-1]:
            if sum(sizes.values()) <= STUDY_BYTES_IN_MEMORY:
                return
            del sizes[key], self._studies[key]

    def outline_organs(self, key: str) -> None:
        """Outline the organs of a scan unless that is done already; takes seconds to minutes."""
        opened = self.study(key)
        if self._find_organs is None or opened.organ_state != "waiting":
            return
        try:
            organs, warnings, manifests = self._find_organs(opened.scan.volume)
        except HyoidError as refusal:
            organs, warnings, manifests = None, (f"Organs were not outlined: {refusal.problem}",), ()
        opened.anatomy = anatomy_of(opened.study, opened.modality, organs, manifests, warnings)
        opened.organs, opened.organ_state = organs, "refused" if organs is None else "done"

    def begin(self, study_key: str) -> View:
        """Begin a session on a scan.

        Raises
        ------
        InputRefusedError
            When the scan cannot be read, or as many sessions are kept as may be.
        """
        if sum(1 for _ in self._session_folder.glob("*.json")) >= MOST_SESSIONS:
            raise InputRefusedError(
                f"{MOST_SESSIONS:,} sessions are kept, the most that a workspace holds.", "Delete some that are done."
            )
        opened = self.study(study_key)
        session = ClickSession(session=secrets.token_hex(8), study=opened.scan.fingerprint)
        live = _Live(session=session, study_key=study_key)
        self._keep(session, study_key)
        with self._lock:
            self._remember(session.session, live)
        return self._view(live)

    def sessions(self) -> list[dict[str, object]]:
        """List the sessions on disk, the latest first: name, study, number of lesions and clicks, whether accepted."""
        rows = []
        for file in sorted(self._session_folder.glob("*.json"), key=lambda p: -p.stat().st_mtime):
            try:
                session, study_key = _read_session(file)
            except InputRefusedError:
                continue
            state = session.state
            rows.append(
                {
                    "session": session.session,
                    "study": study_key,
                    "lesions": len(state.lesions),
                    "clicks": sum(len(lesion.prompts) for lesion in state.lesions),
                    "accepted": state.accepted,
                }
            )
        return rows

    def view(self, name: str) -> View:
        """Return a session in its present state.

        Raises
        ------
        UsageError
            When no session has that name.
        """
        with self._held(name) as live:
            return self._view(live)

    def act(self, name: str, revision: int, action: Action) -> View:
        """Change a session by a reader's action and make the outlines and the report anew.

        Raises
        ------
        StaleRevisionError
            When the session is not at that revision any more.
        UsageError, InputRefusedError
            When the action does not fit; then nothing has changed.
        """

        def change(live: _Live, session: ClickSession) -> ClickSession:
            changed = session.done(action)
            if isinstance(action, Overrule):
                check_overrule(live.report or self._view(live).report, action.key)
            if isinstance(action, AddPrompt):
                # Refusals come before anything is kept.
                self._outline(live, changed.state.lesion(action.lesion))
            return changed

        return self._changed(name, revision, change)

    def delete(self, name: str) -> None:
        """Delete a session, from memory and disk.

        Parameters
        ----------
        name : str
            Name of the session.

        Raises
        ------
        UsageError
            When no session has that name.
        """
        with self._held(name):
            with self._lock:
                del self._live[name]
            (self._session_folder / f"{name}.json").unlink(missing_ok=True)

    def delete_study(self, key: str) -> int:
        """Delete every session on a study, forget its scan, and count the sessions.

        Parameters
        ----------
        key : str
            Key of the study.
        """
        names = [str(row["session"]) for row in self.sessions() if row["study"] == key]
        for name in names:
            self.delete(name)
        with self._lock:
            self._studies.pop(key, None)
            self._study_locks.pop(key, None)
        return len(names)

    def undo(self, name: str, revision: int) -> View:
        """Undo the last action of a session; raises what `act` raises."""
        return self._changed(name, revision, lambda live, session: session.undone())

    def redo(self, name: str, revision: int) -> View:
        """Redo the action of a session that was undone last; raises what `act` raises."""
        return self._changed(name, revision, lambda live, session: session.redone())

    @property
    def _session_folder(self) -> Path:
        return self.folder / "sessions"

    def _changed(self, name: str, revision: int, change: Callable[[_Live, ClickSession], ClickSession]) -> View:
        with self._held(name) as live:
            session = live.session
            assert session is not None
            if revision != session.revision:
                raise StaleRevisionError(
                    f"This session is at step {session.revision}; the change was meant for step {revision}, so another "
                    "window was faster.",
                    "Look at what it shows now, and click again.",
                )
            new = change(live, session)
            self._keep(new, live.study_key)
            live.session = new
            return self._view(live)

    @contextmanager
    def _held(self, name: str) -> Iterator[_Live]:
        """A session with its lock held."""
        while True:
            live = self._of(name)
            with live.lock:
                with self._lock:
                    current = self._live.get(name) is live
                # It may have left memory while this thread waited; then another copy of it counts.
                if current:
                    yield live
                    return

    def _view(self, live: _Live) -> View:
        session = live.session
        assert session is not None
        opened = self.study(live.study_key)
        if opened.scan.fingerprint != session.study:
            raise InputRefusedError(
                "The scan under this session is not the one it was begun on.", "Give the folder with the same scan."
            )
        state = session.state
        lesions = tuple((lesion, self._outline(live, lesion) if lesion.prompts else None) for lesion in state.lesions)
        outlined = [(lesion, outline) for lesion, outline in lesions if outline is not None]
        report = lesion_report(opened.anatomy, outlined, state, self.network.manifest, live.measurements)
        changed = changed_lines(live.report, report) if live.report is not None else ()
        live.report = report
        return View(session, live.study_key, opened, lesions, report, changed)

    def _outline(self, live: _Live, lesion: LesionState) -> Outline:
        """Outline of a lesion, from the longest part of its prompts that is still in memory."""
        prompts = tuple(p.prompt for p in lesion.prompts)
        scan = self.study(live.study_key).scan
        known = len(prompts)
        while known and prompts[:known] not in live.outlines:
            known -= 1
        outline = live.outlines.get(prompts[:known])
        for count in range(known + 1, len(prompts) + 1):
            outline = next_outline(scan, prompts[:count], self.network, outline)
            live.outlines[prompts[:count]] = outline
        live.outlines.move_to_end(prompts)
        while len(live.outlines) > OUTLINES_PER_SESSION:
            live.outlines.popitem(last=False)
        assert outline is not None
        return outline

    def _of(self, name: str) -> _Live:
        with self._lock:
            if name in self._live:
                self._live.move_to_end(name)
                return self._live[name]
            file = self._session_folder / f"{name}.json"
            if not name.isalnum() or not file.is_file():
                raise UsageError("There is no such session.", "Begin one from the list of studies.")
            session, study_key = _read_session(file)
            live = _Live(session=session, study_key=study_key)
            self._remember(name, live)
            return live

    def _remember(self, name: str, live: _Live) -> None:
        self._live[name] = live
        idle = [n for n, kept in self._live.items() if n != name and kept.lock.acquire(blocking=False)]
        for other in idle:
            self._live[other].lock.release()
        for other in idle[: max(0, len(self._live) - SESSIONS_IN_MEMORY)]:
            del self._live[other]

    def _keep(self, session: ClickSession, study_key: str) -> None:
        content = {"study_key": study_key, "session": session.model_dump(mode="json")}
        write_text(self._session_folder / f"{session.session}.json", json.dumps(content))


def first_readable(attempts: dict[str, Callable[[], Study]]) -> tuple[Study, str]:
    """Read a study as the first modality that succeeds.

    Parameters
    ----------
    attempts : dict of str to callable
        Reader of each modality, in the order in which to try.

    Raises
    ------
    InputRefusedError
        The first refusal, when none can be read.
    """
    refusals: list[InputRefusedError] = []
    for modality, read in attempts.items():
        try:
            return read(), modality
        except (SeriesError, UsageError) as error:
            # Another modality may be there; a broken archive is broken for all.
            refusals.append(error if isinstance(error, InputRefusedError) else SeriesError(error.problem, error.cure))
        except UnreadableFileError:
            raise
        except InputRefusedError as error:
            refusals.append(error)
    raise refusals[0]


def _read_session(file: Path) -> tuple[ClickSession, str]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return ClickSession.model_validate(content["session"]), str(content["study_key"])
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise InputRefusedError("The file of this session is damaged.", "Begin a new session.") from error
