"""The web workspace's server: HTTP in front of `hyoid.workspace.workspace`. Needs the extra `serve`."""

from __future__ import annotations

import hmac
import io
import tempfile
import zipfile
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, ValidationError

from hyoid.anatomy.lesion_attributes import ATTRIBUTE_WORDS
from hyoid.anatomy.staging import Site
from hyoid.errors import HyoidError, InputRefusedError, ModelUnusableError, OutputError, StaleRevisionError, UsageError
from hyoid.interfaces.delivery import deliver
from hyoid.interfaces.further import USUAL
from hyoid.interfaces.results import lesion_results
from hyoid.interfaces.terminal import Terminal
from hyoid.interfaces.web.connections import BodyTimeout
from hyoid.interfaces.web.monailabel import monailabel_routes
from hyoid.interfaces.web.nninteractive import nninteractive_routes
from hyoid.interfaces.web.readers import NAMELESS, Readers
from hyoid.interfaces.web.sending import NOWHERE, Sending
from hyoid.interfaces.web.shown import as_json, corrected_json, pixels
from hyoid.interfaces.web.studies import Studies
from hyoid.report.content.schema import STATEMENT
from hyoid.systems.lesion.session import ACTION
from hyoid.systems.machine import Machine
from hyoid.workspace.workspace import View, Workspace

PAGE = Path(__file__).parent / "page"
COOKIE = "hyoid_token"
"""Name of the page's cookie, before the port: servers of one machine do not take each other's."""
_LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


class Ask(BaseModel):
    """Change that the page asks for, and the revision that the page is looking at."""

    model_config = ConfigDict(extra="forbid")
    revision: int
    action: dict[str, Any] | None = None


class Compare(BaseModel):
    """Session on an earlier scan to compare with, and the revision that the page is looking at."""

    model_config = ConfigDict(extra="forbid")
    revision: int
    prior: str = ""


class Send(BaseModel):
    """Destination that gets what was signed."""

    model_config = ConfigDict(extra="forbid")
    to: str


class Begin(BaseModel):
    """A study to work on."""

    model_config = ConfigDict(extra="forbid")
    study: str


@dataclass(frozen=True)
class AccessRule:
    """Rule of who may talk to the server.

    Parameters
    ----------
    token : str
        What every request must give; empty: anybody on this machine, other accounts too, and nobody else.
    hosts : tuple of str
        Names under which the server may be called; a page of somebody else's site calls it by another.
    """

    token: str = ""
    hosts: tuple[str, ...] = _LOCAL_HOSTS

    def refusal(self, request: Request) -> str:
        """Say why a request is refused; empty when it is not."""
        host = (request.url.hostname or "").strip("[]")
        if not self.token and host not in self.hosts:
            return f"This server answers to {', '.join(self.hosts)} only."
        origin = request.headers.get("origin")
        if origin and request.method not in ("GET", "HEAD") and origin.split("://")[-1] != request.headers.get("host"):
            return "This request comes from a page of another site."
        if self.token:
            said = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
            said = said or request.query_params.get("token", "") or request.cookies.get(_cookie(request), "")
            if not hmac.compare_digest(said.encode(), self.token.encode()):
                return "The token is missing or wrong. Open the address that `hyoid serve` printed."
        return ""


def make_app(
    workspace: Workspace,
    studies: Studies,
    access: AccessRule = AccessRule(),
    readers: Readers = NAMELESS,
    sending: Sending = NOWHERE,
) -> FastAPI:
    """Make the web application of the workspace.

    Parameters
    ----------
    workspace : Workspace
        Sessions of clicks, and the network behind these.
    studies : Studies
        Studies that can be opened.
    access : AccessRule
        Who may talk to the server.
    readers : Readers
        Who readers are, and who of them may change something.
    sending : Sending
        Where signed reports may be sent.
    """
    app = FastAPI(title="hyoid", docs_url=None, redoc_url=None, openapi_url=None)
    background = Background(workspace, studies)

    @app.middleware("http")
    async def guard(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        if refusal := access.refusal(request):
            return _refused(refusal, "", 403)
        if refused := readers.refusal(request):
            return _refused(*refused, 403)
        response = await call(request)
        response.headers["Content-Security-Policy"] = (
            "default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'"
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-store"
        if access.token and request.query_params.get("token"):
            response.set_cookie(_cookie(request), access.token, httponly=True, samesite="strict")
        return response

    app.add_middleware(BodyTimeout)

    @app.exception_handler(HyoidError)
    async def refuse(request: Request, error: HyoidError) -> Response:
        return _refused(error.problem, error.cure, _status_of(error))

    @app.exception_handler(RequestValidationError)
    async def misunderstand(request: Request, error: RequestValidationError) -> Response:
        return _refused(f"The request is not understood ({len(error.errors())} error(s)).", "Reload the page.", 400)

    @app.exception_handler(Exception)
    async def fail(request: Request, error: Exception) -> Response:
        return _refused(f"The server failed ({type(error).__name__}).", "Your clicks are kept; reload the page.", 500)

    _add_studies(app, workspace, studies, readers, background, tuple(sending.destinations))
    _add_sessions(app, workspace, readers, background)
    _add_changes(app, workspace, readers, background, sending)
    app.include_router(monailabel_routes(workspace.network, studies))
    app.include_router(nninteractive_routes(workspace.network, studies.largest_bytes))
    app.mount("/", StaticFiles(directory=PAGE, html=True))
    return app


def _add_studies(
    app: FastAPI,
    workspace: Workspace,
    studies: Studies,
    readers: Readers,
    background: Background,
    destinations: tuple[str, ...],
) -> None:
    @app.get("/api/about")
    def about(request: Request) -> dict[str, Any]:
        manifest = workspace.network.manifest
        return {
            "statement": STATEMENT,
            "model": f"{manifest.name} {manifest.version}",
            "trained_on": manifest.training_data,
            "attributes": ATTRIBUTE_WORDS,
            "largest_upload_bytes": studies.largest_bytes,
            "who": readers.who(request),
            "may_change": readers.may_change(readers.who(request)),
            "sites": [str(site) for site in Site],
            "destinations": destinations,
        }

    @app.get("/api/studies")
    def list_studies() -> list[dict[str, Any]]:
        background.look_around()
        return [
            {
                "key": entry.key,
                "name": entry.name,
                "modality": "" if look is None else look.kind,
                "slices": 0 if look is None else look.slices,
                "drafted": workspace.is_drafted(entry.key),
            }
            for entry, look in studies.looked()
        ]

    @app.post("/api/uploads")
    async def upload(request: Request, name: str) -> dict[str, str]:
        length = request.headers.get("content-length")
        announced = int(length) if length and length.isdigit() else None
        entry = await studies.receive(name, announced, request.stream())
        return {"key": entry.key, "name": entry.name}

    @app.delete("/api/uploads/{key}")
    def delete_upload(key: str) -> dict[str, int]:
        studies.delete(key)
        return {"sessions_deleted": workspace.delete_study(key)}

    @app.get("/api/sessions")
    def list_sessions() -> list[dict[str, Any]]:
        names = {entry.key: entry.name for entry in studies.entries()}
        return [row | {"name": names.get(str(row["study"]), "")} for row in workspace.sessions()]


def _add_sessions(app: FastAPI, workspace: Workspace, readers: Readers, background: Background) -> None:
    @app.post("/api/sessions")
    def begin(asked: Begin, request: Request) -> Response:
        view = workspace.begin(asked.study, readers.who(request), _now())
        return background.shown(view, whole=True)

    @app.get("/api/sessions/{name}")
    def look(name: str) -> Response:
        return background.shown(workspace.view(name), whole=True)

    @app.get("/api/sessions/{name}/brief")
    def look_briefly(name: str) -> Response:
        return background.shown(workspace.view(name))

    @app.get("/api/sessions/{name}/image")
    def image(name: str) -> Response:
        return Response(pixels(workspace.study_of(name).scan.volume), media_type="application/octet-stream")

    @app.get("/api/sessions/{name}/second")
    def second(name: str) -> Response:
        found = workspace.second_of(name)
        if found is None:
            return _refused("No other image belongs to this scan.", "Open a PET/CT or a pair of MR.", 404)
        return Response(pixels(found), media_type="application/octet-stream")

    @app.get("/api/sessions/{name}/organs")
    def organs(name: str) -> Response:
        labels = workspace.study_of(name).organs
        if labels is None:
            return _refused("The organs are not outlined.", "Wait a little.", 404)
        return Response(
            zlib.compress(labels.array.astype(np.uint8).tobytes(), 1), media_type="application/octet-stream"
        )

    @app.get("/api/sessions/{name}/corrected")
    def corrected(name: str) -> dict[str, Any]:
        return corrected_json(workspace.view(name))

    @app.get("/api/sessions/{name}/history")
    def history(name: str) -> list[dict[str, Any]]:
        return workspace.history(name)

    @app.get("/api/sessions/{name}/signed/{version}")
    def signed(name: str, version: int) -> Response:
        report = workspace.signed_report(name, version)
        return Response(report.model_dump_json(indent=1), media_type="application/json")

    @app.get("/api/sessions/{name}/export.zip")
    def export(name: str) -> Response:
        content = exported(workspace, workspace.view(name))
        headers = {"Content-Disposition": 'attachment; filename="hyoid-export.zip"'}
        return Response(content, media_type="application/zip", headers=headers)


def _add_changes(
    app: FastAPI, workspace: Workspace, readers: Readers, background: Background, sending: Sending
) -> None:
    def own(name: str, request: Request) -> dict[str, str]:
        """Who asks and when; refused where the session is somebody else's."""
        who = readers.who(request)
        owner = workspace.owner(name)
        if owner and who != owner:
            raise InputRefusedError("This session is another reader's; it can be looked at.", "Begin one of your own.")
        return {"who": who, "when": _now()}

    @app.post("/api/sessions/{name}/actions")
    def act(name: str, asked: Ask, request: Request) -> Response:
        said = own(name, request)
        try:
            action = ACTION.validate_python((asked.action or {}) | said)
        except ValidationError as error:
            raise UsageError(
                f"The request is not understood ({error.error_count()} error(s)).", "Reload the page."
            ) from error
        return background.shown(workspace.act(name, asked.revision, action))

    @app.post("/api/sessions/{name}/draft")
    def take_draft(name: str, asked: Ask, request: Request) -> Response:
        return background.shown(workspace.take_draft(name, asked.revision, own(name, request)["when"]))

    @app.post("/api/sessions/{name}/undo")
    def undo(name: str, asked: Ask, request: Request) -> Response:
        return background.shown(workspace.undo(name, asked.revision, **own(name, request)))

    @app.post("/api/sessions/{name}/redo")
    def redo(name: str, asked: Ask, request: Request) -> Response:
        return background.shown(workspace.redo(name, asked.revision, **own(name, request)))

    @app.delete("/api/sessions/{name}")
    def delete_session(name: str, request: Request) -> dict[str, bool]:
        own(name, request)
        workspace.delete(name)
        return {"deleted": True}

    @app.post("/api/sessions/{name}/send")
    def send(name: str, asked: Send, request: Request) -> dict[str, int]:
        said = own(name, request)
        view = workspace.view(name)
        if view.session.state.signed is None:
            raise InputRefusedError("This report is not signed.", "Sign it first: what is sent changes no more.")
        with tempfile.TemporaryDirectory() as folder:
            results = Path(folder) / f"{name}-{view.session.state.version}"
            leave_results(workspace, view, results)
            sent = {**said, "did": "send", "to": sending.known(asked.to), "version": view.session.state.version}
            try:
                objects = sending.send(asked.to, results)
            except HyoidError as refusal:
                workspace.note(name, sent | {"result": f"refused: {refusal.problem}"})
                raise
            workspace.note(name, sent | {"result": f"{objects} object(s)"})
            return {"objects": objects}

    @app.post("/api/sessions/{name}/prior")
    def compare(name: str, asked: Compare, request: Request) -> Response:
        return background.shown(workspace.compare(name, asked.revision, asked.prior, **own(name, request)))


class Background:
    """Work that no answer waits for: drafts one after the other, sub-sites, looks at studies.

    Parameters
    ----------
    workspace : Workspace
        Sessions whose studies are drafted.
    studies : Studies
        Studies that are looked at.
    """

    def __init__(self, workspace: Workspace, studies: Studies) -> None:
        self._workspace, self._studies = workspace, studies
        self._drafts, self._answers, self._looks = Lock(), Lock(), Lock()
        self._asked: set[str] = set()
        self._carried: set[str] = set()

    def shown(self, view: View, *, whole: bool = False) -> Response:
        """Answer with a session, and begin whatever work its view waits for.

        Parameters
        ----------
        view : View
            Session as it is now.
        whole : bool
            Add what does not change from click to click.
        """
        if view.study.draft_state == "waiting":
            Thread(target=self._draft, args=(view.study_key,), daemon=True).start()
        name = view.session.session
        if view.carry.state == "waiting" and name not in self._carried:
            self._carried.add(name)
            Thread(target=self._carry, args=(name,), daemon=True).start()
        if view.pending and name not in self._asked:
            self._asked.add(name)
            Thread(target=self._answer, args=(name,), daemon=True).start()
        # A response of its own: FastAPI would walk through every value once more to make it fit for JSON, which it is.
        return JSONResponse(as_json(view, whole=whole))

    def look_around(self) -> None:
        """Look at studies that nobody has looked at, unless somebody does already."""
        if self._looks.acquire(blocking=False):
            Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        try:
            self._studies.look_around()
        finally:
            self._looks.release()

    def _draft(self, key: str) -> None:
        # One scan after the other: two would only slow each other down.
        with self._drafts:
            self._workspace.make_draft(key)

    def _carry(self, name: str) -> None:
        try:
            with self._drafts:
                self._workspace.carry_prior(name)
        except HyoidError:
            pass  # the session is gone, or a scan is
        finally:
            self._carried.discard(name)

    def _answer(self, name: str) -> None:
        try:
            with self._answers:
                self._asked.discard(name)
                self._workspace.answer_sub_sites(name)
        except HyoidError:
            pass  # the session is gone, or its scan is; the lines stay unanswered


def leave_results(workspace: Workspace, view: View, out: Path) -> None:
    """Write all files of a report into a folder to make.

    Raises
    ------
    InputRefusedError
        When nothing is outlined.
    """
    if not any(outline.box is not None for _, outline in view.outlined):
        raise InputRefusedError("There is nothing to export: no lesion is outlined.", "Click on a lesion first.")
    if view.pending:
        workspace.answer_sub_sites(view.session.session)
        view = workspace.view(view.session.session)
    opened, network = view.study, workspace.network
    results = lesion_results(
        opened.study,
        view.report,
        view.outlined,
        view.organs,
        view.session,
        network.manifest,
        Machine(network.device, workspace.folder),
        view.anatomy.outlined_by,
        view.anatomy.inputs.pet,
    )
    deliver(out, results, Terminal(as_json=False), further=USUAL)


def exported(workspace: Workspace, view: View) -> bytes:
    """Pack all files of a report in one zip.

    Raises
    ------
    InputRefusedError
        When nothing is outlined.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "export"
        leave_results(workspace, view, out)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(out.iterdir()):
                archive.write(file, file.name)
        return packed.getvalue()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _cookie(request: Request) -> str:
    return f"{COOKIE}_{request.url.port or 80}"


def _refused(problem: str, cure: str, status: int) -> Response:
    return JSONResponse({"problem": problem, "cure": cure}, status_code=status)


def _status_of(error: HyoidError) -> int:
    if isinstance(error, StaleRevisionError):
        return 409
    if isinstance(error, ModelUnusableError):
        return 500
    if isinstance(error, OutputError):
        return 503
    return 422 if isinstance(error, InputRefusedError) else 400
