"""Many readers' sessions on many scans: what is kept in memory, what on disk, and who is first.

Disk holds one small file per session (what the reader did, never the image), drafts of scans, and signed versions; a
killed process loses nothing that was answered. Memory holds a few scans and the latest outlines; whatever leaves it is
made again when asked for.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock, RLock
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import BaseModel, ValidationError

from hyoid.errors import HyoidError, InputRefusedError, SeriesError, StaleRevisionError, UnreadableFileError, UsageError
from hyoid.geometry.orientation import to_canonical
from hyoid.geometry.resample import resample
from hyoid.io.atomic import write_text
from hyoid.io.dicom.acquisition import patient_key
from hyoid.io.study import Study
from hyoid.progress import Stages
from hyoid.report.content.scene import GTVP_LABEL, Scene
from hyoid.report.content.schema import Report
from hyoid.report.content.versions import open_report
from hyoid.systems.lesion.pipeline import Outline, Scan
from hyoid.systems.lesion.report import (
    Anatomy,
    Answered,
    Measurements,
    anatomy_from,
    changed_lines,
    check_overrule,
    index_of,
    lesion_report,
    scan_inputs,
    scene_of,
)
from hyoid.systems.lesion.response import EarlierLesion, Followed
from hyoid.systems.lesion.session import (
    Accept,
    Action,
    AddAddendum,
    ClickSession,
    CopyEarlier,
    DraftPart,
    DrawOrgan,
    EarlierPart,
    LesionState,
    Overrule,
    Reopen,
    SignOff,
    SplitLesion,
    Stage,
    Step,
)
from hyoid.systems.lesion.steps import next_step
from hyoid.systems.lesion.strokes import Drawn, pieces_of
from hyoid.volume import Quantity, Volume
from hyoid.workspace.corrected import Corrected, check_change, corrected
from hyoid.workspace.drafts import Draft, Drafter, Target, earlier_mask_of, mask_of, read_draft, write_draft
from hyoid.workspace.earlier import carried_name, carry_lesions
from hyoid.workspace.scans import Scans

if TYPE_CHECKING:
    from hyoid.inference.click_network import ClickNetwork

# Of scans and their organs together; the one that was asked for last always stays. Twenty whole necks fit.
STUDY_BYTES_IN_MEMORY = 4 * 1024**3
SESSIONS_IN_MEMORY = 32
OUTLINES_PER_SESSION = 64
MOST_SESSIONS = 2000
"""Sessions that are kept on disk, before old ones must be deleted."""

ReadScans = Callable[[str], Scans]
"""From a study's key to its scans."""
ChooseDrafter = Callable[[Scans], Drafter | None]
"""From the scans of a study to the pipeline that drafts it; None: nothing is drafted."""
AskSubSites = Callable[[Volume, Volume, Volume], Answered | None]
"""From canonical CT, organ labels and the index lesion (1) to the sub-sites that it overlaps."""
DraftState = Literal["off", "waiting", "working", "done", "refused"]
_DRAFTED_TARGET = {"CT", "PT/CT"}
_DRAFTS_IN_MEMORY = 4


@dataclass(eq=False)
class OpenStudy:
    """A study in memory.

    Parameters
    ----------
    scans : Scans
        Images as they were read, with fingerprint and header facts.
    scan : Scan
        Volume turned to canonical orientation, on which clicks are answered.
    anatomy : Anatomy
        Organ outlines and facts from which reports take places and neighbours.
    draft : Draft or None
        What the pipeline found, once it has.
    draft_state : {"off", "waiting", "working", "done", "refused"}
        Progress of the draft: none is made, still to be made, being made, made, or refused with a warning.
    progress : tuple of (str, int, int)
        Stage at which the draft is, steps done, and steps in all.
    """

    scans: Scans
    scan: Scan
    anatomy: Anatomy
    draft: Draft | None = None
    draft_state: DraftState = "off"
    progress: tuple[str, int, int] = ("", 0, 1)

    @property
    def study(self) -> Study:
        """The scan as it was read."""
        return self.scans.study

    @property
    def modality(self) -> str:
        """What was opened, in one word."""
        return self.scans.modality

    @property
    def organs(self) -> Volume | None:
        """Canonical organ labels; None where no organ was outlined."""
        found = None if self.draft is None else self.draft.inputs.organs
        return found if found is not None and found.array.any() else None

    @property
    def second(self) -> Volume | None:
        """The image to lay over the scan; a registered earlier MR once it is there."""
        return self.draft.second if self.draft is not None and self.draft.second is not None else self.scans.second

    @property
    def bytes(self) -> int:
        """Memory of the images in bytes, with the organ labels that are there or may come."""
        own = self.study.volume.array
        turned = self.scan.volume.array
        pet = self.anatomy.inputs.pet
        second = self.scans.second
        more = sum(v.array.nbytes for v in (pet, second) if v is not None)
        return own.nbytes + (0 if np.shares_memory(own, turned) else turned.nbytes) + turned.size + more


class _Kept(BaseModel):
    """Content of a session's file."""

    study_key: str
    session: ClickSession


@dataclass(frozen=True)
class Carry:
    """Progress of carrying the lesions of an earlier scan onto the present one.

    Parameters
    ----------
    state : {"off", "waiting", "working", "done", "refused"}
        Whether anything is carried, and how far that is.
    progress : tuple of (str, int, int)
        Stage, steps done, and steps in all.
    prior : str
        Session on the earlier scan.
    why : str
        Why nothing was carried, where that was refused.
    """

    state: DraftState = "off"
    progress: tuple[str, int, int] = ("", 0, 1)
    prior: str = ""
    why: str = ""


@dataclass(eq=False)
class _Live:
    """What is kept of a session between clicks."""

    lock: RLock = field(default_factory=RLock)
    session: ClickSession | None = None
    study_key: str = ""
    report: Report | None = None
    measurements: Measurements = field(default_factory=Measurements)
    outlines: OrderedDict[tuple[Step, ...], Outline] = field(default_factory=OrderedDict)
    asked: tuple[object, ...] = ()
    answered: Answered | None = None
    prior: tuple[str, Report | None] = ("", None)
    followed: Followed = field(default_factory=Followed)
    carry: Carry = field(default_factory=Carry)
    corrected: Corrected | None = None


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
        Every lesion with its outline; None in place of an outline before the first step.
    report : Report
        Whole template with the lines on these lesions.
    changed : tuple of str
        Keys of the lines that say something else than before.
    pending : bool
        Whether sub-sites are still to be asked about; their lines follow.
    earlier : Draft or None
        Lesions of the earlier scan on the grid of this one, with that scan; None where there are none.
    carry : Carry
        Progress of carrying these over from the scan that the session is compared with.
    corrected : Corrected or None
        Organs after the reader's strokes; None where nobody drew on an organ.
    """

    session: ClickSession
    study_key: str
    study: OpenStudy
    lesions: tuple[tuple[LesionState, Outline | None], ...]
    report: Report
    changed: tuple[str, ...]
    pending: bool = False
    earlier: Draft | None = None
    carry: Carry = Carry()
    corrected: Corrected | None = None

    @property
    def anatomy(self) -> Anatomy:
        """Organs and facts that the report rests on: those of the draft, as the reader corrected these."""
        return self.study.anatomy if self.corrected is None else self.corrected.anatomy

    @property
    def organs(self) -> Volume | None:
        """Canonical organ labels, as the reader corrected these; None where no organ is outlined."""
        found = self.anatomy.inputs.organs
        return found if self.study.organs is not None or (self.corrected and self.corrected.strokes) else None

    @property
    def second(self) -> Volume | None:
        """The image to lay over the scan: the registered earlier scan, else PET or earlier MR."""
        return _laid_over(self.study, self.earlier)

    @property
    def outlined(self) -> list[tuple[LesionState, Outline]]:
        """Lesions with an outline."""
        return [(lesion, outline) for lesion, outline in self.lesions if outline is not None]


def _laid_over(study: OpenStudy, earlier: Draft | None) -> Volume | None:
    return study.second if earlier is None or earlier.second is None else earlier.second


class Workspace:
    """All sessions of one process.

    Parameters
    ----------
    folder : Path
        Where sessions, drafts and signed versions are kept.
    network : ClickNetwork
        Network that answers clicks with outlines and attributes.
    read : ReadScans
        Reads the study of a key.
    drafter : ChooseDrafter, optional
        Chooses the pipeline that drafts a study; None: nothing is drafted.
    sub_sites : AskSubSites, optional
        Asks which sub-sites a primary overlaps; None: those lines stay unanswered.
    """

    def __init__(
        self,
        folder: Path,
        network: ClickNetwork,
        read: ReadScans,
        drafter: ChooseDrafter | None = None,
        sub_sites: AskSubSites | None = None,
    ) -> None:
        self.folder, self.network = folder, network
        self._read, self._drafter, self._sub_sites = read, drafter, sub_sites
        self._lock = Lock()
        self._studies: OrderedDict[str, OpenStudy] = OrderedDict()
        self._study_locks: dict[str, Lock] = {}
        self._live: OrderedDict[str, _Live] = OrderedDict()
        self._kept_drafts: OrderedDict[str, Draft] = OrderedDict()

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
            opened = _opened(self._read(key))
            if self._drafter is not None and opened.modality in ("CT", "PT/CT", "MR pair"):
                opened.draft_state = "waiting"
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

    def make_draft(self, key: str) -> None:
        """Draft a study unless that is done already: from disk where it was made before, else in seconds to minutes."""
        opened = self.study(key)
        with self._lock:
            if self._drafter is None or opened.draft_state != "waiting":
                return
            opened.draft_state = "working"
        try:
            draft = self._drafted(opened)
        except HyoidError as refusal:
            self._undrafted(opened, refusal.problem)
            return
        except Exception as error:
            # Tried once: a pipeline that fails would fail again at every look.
            self._undrafted(opened, f"the pipeline failed ({type(error).__name__}).")
            raise
        images = {"image": opened.anatomy.inputs.image, "pet": opened.anatomy.inputs.pet}
        opened.draft, opened.anatomy = (
            draft,
            anatomy_from(replace(draft.inputs, **images), draft.outlined_by, draft.source),  # type: ignore[arg-type]
        )
        opened.draft_state = "done"

    def _undrafted(self, opened: OpenStudy, why: str) -> None:
        """Say in every report that there is no draft, and why."""
        inputs = opened.anatomy.inputs
        words = f"Nothing was drafted: {why}"
        opened.anatomy = anatomy_from(replace(inputs, warnings=(*inputs.warnings, words)))
        opened.draft_state = "refused"

    def _drafted(self, opened: OpenStudy) -> Draft:
        assert self._drafter is not None
        drafter = self._drafter(opened.scans)
        if drafter is None:
            raise UsageError("No pipeline drafts such a study.", "Outline it yourself.")
        name = drafter.name(opened.scans)
        found = read_draft(self._draft_folder, name, opened.scan.volume.geometry)
        if found is None:

            def told(stage: str, done: int, total: int) -> None:
                opened.progress = (stage, done, total)

            report: Stages = told
            found = drafter.make(name, opened.scans, report)
            write_draft(self._draft_folder, found)
        return found

    def begin(self, study_key: str, owner: str = "", when: str = "") -> View:
        """Begin a session on a scan; where a draft is at hand, its lesions are there from the start.

        Parameters
        ----------
        study_key : str
            Key of the study.
        owner : str
            Reader who begins; empty where readers have no names.
        when : str
            Time of the beginning, UTC, ISO 8601.

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
        session = ClickSession(session=secrets.token_hex(8), study=opened.scan.fingerprint, owner=owner)
        if opened.draft is not None and opened.draft.lesions:
            session = session.done(opened.draft.action.model_copy(update={"when": when}))
        live = _Live(session=session, study_key=study_key)
        self._keep(session, study_key, {"who": owner, "when": when, "did": "begin"})
        with self._lock:
            self._remember(session.session, live)
        with live.lock:
            return self._view(live)

    def take_draft(self, name: str, revision: int, when: str = "") -> View:
        """Bring the lesions of the draft into a session that was begun before the draft was there.

        Raises
        ------
        StaleRevisionError
            When the session is not at that revision any more.
        UsageError
            When there is no draft yet, or it was taken before.
        """

        def change(live: _Live, session: ClickSession) -> ClickSession:
            draft = self.study(live.study_key).draft
            if draft is None:
                raise UsageError("There is no draft of this study yet.", "Wait until the pipeline has finished.")
            return session.done(draft.action.model_copy(update={"when": when}))

        return self._changed(name, revision, change, {"when": when, "did": "draft"})

    def sessions(self) -> list[dict[str, object]]:
        """List the sessions on disk, the latest first: name, study, owner, lesions, steps, acceptance, signature."""
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
                    "owner": session.owner,
                    "lesions": len(state.lesions),
                    "clicks": sum(len(lesion.steps) for lesion in state.lesions),
                    "accepted": state.accepted,
                    "signed": state.version if state.signed is not None else 0,
                    "prior": session.prior,
                }
            )
        return rows

    def study_of(self, name: str) -> OpenStudy:
        """Return the scan that a session is about, without its outlines and report.

        Parameters
        ----------
        name : str
            Name of the session.

        Raises
        ------
        UsageError
            When no session has that name.
        InputRefusedError
            When the scan cannot be read, or is not the one on which the session was begun.
        """
        return self._study_under(self._of(name))

    def second_of(self, name: str) -> Volume | None:
        """Return the image that is laid over the scan of a session: a registered earlier scan, a PET; None: no other.

        Raises
        ------
        UsageError
            When no session has that name.
        """
        with self._held(name) as live:
            opened = self._study_under(live)
            return _laid_over(opened, self._earlier(live, opened))

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
            asked = action
            if isinstance(asked, SplitLesion):
                outline = self._outline(live, session.state.lesion(asked.lesion))
                pieces = 0 if outline is None else len(pieces_of(outline.drawn))
                asked = asked.model_copy(update={"pieces": pieces})
            if isinstance(asked, CopyEarlier):
                earlier = self._earlier(live, self._study_under(live))
                earlier_mask_of(earlier, asked.part)
                asked = asked.model_copy(update={"source": "" if earlier is None else earlier.name})
            changed = session.done(asked)
            if isinstance(asked, Overrule):
                check_overrule(live.report or self._view(live).report, asked.key)
            if isinstance(asked, SignOff):
                self._freeze(live, changed)
            elif isinstance(asked, DrawOrgan):
                before = self._corrected(live, session)
                check_change(before, self._corrected(live, changed), asked.label)
            elif not isinstance(asked, Overrule | Accept | Stage | AddAddendum | Reopen):
                # Refusals come before anything is kept.
                for lesion in changed.state.lesions:
                    self._outline(live, lesion)
            return changed

        return self._changed(name, revision, change, {"who": action.who, "when": action.when, "did": action.do})

    def delete(self, name: str) -> None:
        """Delete a session with its history and signed versions, from memory and disk.

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
            (self._session_folder / f"{name}.log").unlink(missing_ok=True)
            for version in (self.folder / "signed").glob(f"{name}-*.json"):
                version.unlink()

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

    def undo(self, name: str, revision: int, who: str = "", when: str = "") -> View:
        """Undo the last action of a session; raises what `act` raises."""
        entry = {"who": who, "when": when, "did": "undo"}
        return self._changed(name, revision, lambda live, session: session.undone(), entry)

    def redo(self, name: str, revision: int, who: str = "", when: str = "") -> View:
        """Redo the action of a session that was undone last; raises what `act` raises."""
        entry = {"who": who, "when": when, "did": "redo"}
        return self._changed(name, revision, lambda live, session: session.redone(), entry)

    def compare(self, name: str, revision: int, prior: str, who: str = "", when: str = "") -> View:
        """Compare a session with a signed one on an earlier scan of the patient.

        Parameters
        ----------
        name : str
            Session to change.
        revision : int
            Revision that the reader looks at.
        prior : str
            Name of the signed session; empty: compare with nothing.
        who, when : str
            Reader, and time in UTC, ISO 8601.

        Raises
        ------
        UsageError
            When the other session is not signed, or is on the same scan.
        InputRefusedError
            When the other scan is of another patient.
        StaleRevisionError
            When the session is not at that revision any more.
        """

        def change(live: _Live, session: ClickSession) -> ClickSession:
            if prior:
                self._check_prior(live, prior)
            return session.compared(prior)

        return self._changed(name, revision, change, {"who": who, "when": when, "did": "compare"})

    def owner(self, name: str) -> str:
        """Return the reader who began a session; empty where readers have no names.

        Raises
        ------
        UsageError
            When no session has that name.
        """
        session = self._of(name).session
        assert session is not None
        return session.owner

    def is_drafted(self, key: str) -> bool:
        """Tell whether the study of a key is open and drafted."""
        with self._lock:
            opened = self._studies.get(key)
        return opened is not None and opened.draft_state == "done"

    def history(self, name: str) -> list[dict[str, object]]:
        """List every change of a session in order: revision, who, when, what was done; undone ones included.

        Raises
        ------
        UsageError
            When no session has that name.
        """
        self._of(name)
        file = self._session_folder / f"{name}.log"
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        rows = []
        for line in lines:
            try:
                rows.append(json.loads(line))
            except ValueError:
                continue  # cut short when the process was killed; the session itself was kept before
        return rows

    def note(self, name: str, entry: Mapping[str, object]) -> None:
        """Add a line to the history of a session that does not change the session, such as where a report was sent.

        Parameters
        ----------
        name : str
            Session.
        entry : mapping of str to object
            Who, when, what was done, and how that went.

        Raises
        ------
        UsageError
            When no session has that name.
        """
        with self._held(name) as live:
            assert live.session is not None
            self._log(live.session, entry)

    def signed_report(self, name: str, version: int) -> Report:
        """Return a report as it was signed.

        Parameters
        ----------
        name : str
            Session.
        version : int
            Number of the signed version, from 1.

        Raises
        ------
        UsageError
            When no such version was signed.
        """
        file = self.folder / "signed" / f"{name}-{int(version)}.json"
        if not name.isalnum() or not file.is_file():
            raise UsageError(f"Version {version} of this session was not signed.", "Choose one that was.")
        return open_report(file.read_text(encoding="utf-8"))

    def answer_sub_sites(self, name: str) -> None:
        """Ask the network which sub-sites the index lesion of a session overlaps, unless that is known."""
        with self._held(name) as live:
            asked, volumes = self._question(live)
            if not asked or asked == live.asked:
                return
        assert self._sub_sites is not None and volumes is not None
        answered = self._sub_sites(*volumes)
        with self._held(name) as live:
            live.asked, live.answered = asked, answered

    @property
    def _session_folder(self) -> Path:
        return self.folder / "sessions"

    @property
    def _draft_folder(self) -> Path:
        return self.folder / "drafts"

    def _changed(
        self,
        name: str,
        revision: int,
        change: Callable[[_Live, ClickSession], ClickSession],
        entry: Mapping[str, object],
    ) -> View:
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
            self._keep(new, live.study_key, entry)
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
        opened, lesions, scene = self._scene(live, session)
        outlined = [(lesion, outline) for lesion, outline in lesions if outline is not None]
        anatomy = self._corrected(live, session).anatomy
        asked = self._key(opened, scene, session)
        pending = bool(asked) and asked != live.asked
        earlier = self._earlier(live, opened)
        before: tuple[EarlierLesion, ...] = () if earlier is None else earlier.earlier
        looked = bool(session.state.lesions or session.state.drafts)
        report = lesion_report(
            anatomy,
            outlined,
            session.state,
            self.network.manifest,
            scene,
            answered=live.answered if asked and not pending else None,
            prior=self._prior(live, session),
            followed=live.followed.rows(before, outlined, opened.scan.volume.geometry) if before and looked else (),
        )
        changed = changed_lines(live.report, report) if live.report is not None else ()
        live.report = report
        return View(
            session,
            live.study_key,
            opened,
            lesions,
            report,
            changed,
            pending,
            earlier,
            self._carry(live, earlier),
            live.corrected,
        )

    def _scene(
        self, live: _Live, session: ClickSession
    ) -> tuple[OpenStudy, tuple[tuple[LesionState, Outline | None], ...], Scene]:
        """The study, every lesion with its outline, and all of these among the organs."""
        opened = self._study_under(live)
        lesions = tuple((lesion, self._outline(live, lesion)) for lesion in session.state.lesions)
        outlined = [(lesion, outline) for lesion, outline in lesions if outline is not None]
        return opened, lesions, scene_of(self._corrected(live, session).anatomy, outlined, live.measurements)

    def _corrected(self, live: _Live, session: ClickSession) -> Corrected:
        """Organs of a session after its strokes on these."""
        live.corrected = corrected(self._study_under(live).anatomy, session.state.organs, live.corrected)
        return live.corrected

    def _study_under(self, live: _Live) -> OpenStudy:
        """The study of a session, refused where it is not the one that the session was begun on."""
        assert live.session is not None
        opened = self.study(live.study_key)
        if opened.scan.fingerprint != live.session.study:
            raise InputRefusedError(
                "The scan under this session is not the one it was begun on.", "Give the folder with the same scan."
            )
        return opened

    def _key(self, opened: OpenStudy, scene: Scene, session: ClickSession) -> tuple[object, ...]:
        """What the answer on sub-sites depends on; empty where nothing is asked."""
        patch = index_of(scene)
        if self._sub_sites is None or patch is None or opened.organs is None or opened.modality not in _DRAFTED_TARGET:
            return ()
        organs = session.state.organs
        return opened.draft and opened.draft.name, organs, patch.box, hashlib.sha256(patch.mask.tobytes()).hexdigest()

    def _question(self, live: _Live) -> tuple[tuple[object, ...], tuple[Volume, Volume, Volume] | None]:
        """The key of the question on sub-sites, and the volumes that it is asked with."""
        assert live.session is not None
        opened, _, scene = self._scene(live, live.session)
        asked, patch = self._key(opened, scene, live.session), index_of(scene)
        if not asked or patch is None or opened.organs is None:
            return (), None
        ct = opened.scan.volume
        lesions = np.zeros(ct.geometry.shape, np.uint8)
        lesions[patch.box.slices][patch.mask] = GTVP_LABEL
        organs = self._corrected(live, live.session).anatomy.inputs.organs
        return asked, (ct, organs, Volume(lesions, ct.geometry, Quantity.LABEL))

    def _freeze(self, live: _Live, signed: ClickSession) -> None:
        """Keep the report as it is signed, with every line answered."""
        rests_on_draft = bool(signed.state.drafts or signed.state.organs)
        if rests_on_draft and self._study_under(live).draft_state in ("waiting", "working"):
            raise UsageError("The draft that this report rests on is still being loaded.", "Sign in a moment.")
        asked, volumes = self._question(live)
        if asked and asked != live.asked and volumes is not None and self._sub_sites is not None:
            live.asked, live.answered = asked, self._sub_sites(*volumes)
        before = live.session
        live.session = signed
        try:
            report = self._view(live).report
        finally:
            live.session = before
        write_text(
            self.folder / "signed" / f"{signed.session}-{signed.state.version}.json", report.model_dump_json(indent=1)
        )

    def _check_prior(self, live: _Live, prior: str) -> None:
        assert live.session is not None
        other = self._of(prior).session
        assert other is not None
        if other.study == live.session.study:
            raise UsageError("The other session is on the same scan.", "Choose one on an earlier scan.")
        if not other.state.version:
            raise UsageError("The other session was not signed.", "Sign it first.")
        mine, theirs = self.study(live.study_key).study.headers, self.study(self._of(prior).study_key).study.headers
        if mine and theirs:
            pairs = zip(patient_key(mine[0]), patient_key(theirs[0]), strict=True)
            if any(a and b and a != b for a, b in pairs):
                raise InputRefusedError("The other scan is of another patient.", "Choose an earlier scan of this one.")

    def _prior(self, live: _Live, session: ClickSession) -> Report | None:
        """The report to compare with: the latest signed version of the other session."""
        if not session.prior:
            return None
        if live.prior[0] != session.prior:
            versions = sorted((self.folder / "signed").glob(f"{session.prior}-*.json"), key=_version_of)
            live.prior = (session.prior, open_report(versions[-1].read_text(encoding="utf-8")) if versions else None)
        return live.prior[1]

    def _outline(self, live: _Live, lesion: LesionState) -> Outline | None:
        """Outline of a lesion, from the longest part of its steps that is still in memory; None before the first."""
        steps = lesion.steps
        if not steps:
            return None
        opened = self.study(live.study_key)
        known, outline = len(steps), live.outlines.get(steps)
        while known and outline is None:
            known -= 1
            outline = live.outlines.get(steps[:known])

        def drafts(part: DraftPart | EarlierPart) -> Drawn:
            return self._draft_mask(opened, part)

        for count in range(known + 1, len(steps) + 1):
            outline = next_step(opened.scan, steps[:count], self.network, outline, drafts)
            live.outlines[steps[:count]] = outline
        live.outlines.move_to_end(steps)
        while len(live.outlines) > OUTLINES_PER_SESSION:
            live.outlines.popitem(last=False)
        return outline

    def _draft_mask(self, opened: OpenStudy, part: DraftPart | EarlierPart) -> Drawn:
        if isinstance(part, EarlierPart):
            return earlier_mask_of(self._kept_draft(opened, part.source), part.part)
        return mask_of(self._kept_draft(opened, part.draft), part.part)

    def _kept_draft(self, opened: OpenStudy, name: str) -> Draft | None:
        """A draft of a scan by name: that of the open study, else one from disk; None where there is none."""
        if opened.draft is not None and opened.draft.name == name:
            return opened.draft
        if name not in self._kept_drafts:
            found = read_draft(self._draft_folder, name, opened.scan.volume.geometry)
            if found is None:
                return None
            self._kept_drafts[name] = found
        self._kept_drafts.move_to_end(name)
        while len(self._kept_drafts) > _DRAFTS_IN_MEMORY:
            self._kept_drafts.popitem(last=False)
        return self._kept_drafts.get(name)

    def _earlier(self, live: _Live, opened: OpenStudy) -> Draft | None:
        """Lesions of the earlier scan on the present one: of the session compared with, else of the pair of MR."""
        assert live.session is not None
        prior = live.session.prior
        if prior:
            return self._kept_draft(opened, carried_name(prior, self._signed_version(prior), live.session.study))
        return opened.draft if opened.draft is not None and opened.draft.earlier else None

    def _carry(self, live: _Live, earlier: Draft | None) -> Carry:
        assert live.session is not None
        if not live.session.prior:
            return Carry()
        if earlier is not None:
            return Carry("done")
        refused = live.carry.state == "refused" and live.carry.prior == live.session.prior
        return live.carry if refused or live.carry.state == "working" else Carry("waiting")

    def carry_prior(self, name: str) -> None:
        """Carry the lesions of the scan that a session is compared with onto its own, unless that was done before.

        Takes a minute: the scans are registered.
        """
        with self._held(name) as live:
            opened, session = self._study_under(live), live.session
            assert session is not None
            prior = session.prior
            if not prior or live.carry.state == "working" or self._earlier(live, opened) is not None:
                return
            live.carry = Carry("working", prior=prior)
        try:
            before, lesions = self._signed_lesions(prior)
            carried = carried_name(prior, self._signed_version(prior), session.study)
            inputs = scan_inputs(opened.study, opened.scans.report_modality)

            def told(stage: str, done: int, total: int) -> None:
                live.carry = Carry("working", (stage, done, total), prior)

            found = carry_lesions(carried, before, lesions, opened.scan.volume, inputs, told)
            write_draft(self._draft_folder, found)
            live.carry = Carry("done")
        except HyoidError as refusal:
            live.carry = Carry("refused", prior=prior, why=refusal.problem)

    def _signed_version(self, name: str) -> int:
        """Number of the version of a session that was signed last; 0 before the first."""
        session = self._of(name).session
        assert session is not None
        return session.state.version

    def _signed_lesions(self, name: str) -> tuple[Volume, list[tuple[Target, Drawn]]]:
        """The scan of a session, and its lesions as they were signed last."""
        with self._held(name) as live:
            session = live.session
            assert session is not None
            outlines = [(lesion.target, self._outline(live, lesion)) for lesion in session.as_signed().state.lesions]
            drawn = [(target, outline.drawn) for target, outline in outlines if outline is not None]
            return self._study_under(live).scan.volume, drawn

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

    def _keep(self, session: ClickSession, study_key: str, entry: Mapping[str, object]) -> None:
        content = _Kept(study_key=study_key, session=session).model_dump_json()
        write_text(self._session_folder / f"{session.session}.json", content)
        self._log(session, entry)

    def _log(self, session: ClickSession, entry: Mapping[str, object]) -> None:
        with (self._session_folder / f"{session.session}.log").open("a", encoding="utf-8") as log:
            log.write(json.dumps({"revision": session.revision, **entry}) + "\n")


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


def _opened(scans: Scans) -> OpenStudy:
    """A study with its images on the canonical grid, before anything is drafted."""
    volume = to_canonical(scans.study.volume)
    inputs = replace(scan_inputs(scans.study, scans.report_modality), image=volume)
    if scans.petct is not None and scans.petct.pet is not None:
        pet = resample(scans.petct.pet.volume, volume.geometry, interpolation="nearest")
        inputs = replace(inputs, pet=pet, warnings=(*scans.petct.warnings, f"SUV: {scans.petct.suv_words}."))
    if scans.pair is not None:
        inputs = replace(inputs, warnings=scans.pair.warnings)
    return OpenStudy(scans, Scan(volume, scans.study.fingerprint), anatomy_from(inputs))


def _version_of(file: Path) -> int:
    return int(file.stem.rpartition("-")[2])


def _read_session(file: Path) -> tuple[ClickSession, str]:
    try:
        kept = _Kept.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise InputRefusedError("The file of this session is damaged.", "Begin a new session.") from error
    return kept.session, kept.study_key
