"""The web workspace's server: HTTP in front of `hyoid.workspace.workspace`. Needs the extra `serve`."""

from __future__ import annotations

import base64
import hmac
import io
import tempfile
import zipfile
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
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
from hyoid.anatomy.structures import BY_NAME, GTVN, GTVP
from hyoid.errors import HyoidError, InputRefusedError, ModelUnusableError, StaleRevisionError, UsageError
from hyoid.interfaces.delivery import deliver
from hyoid.interfaces.results import lesion_results
from hyoid.interfaces.terminal import Terminal
from hyoid.interfaces.web.connections import BodyTimeout
from hyoid.interfaces.web.nninteractive import nninteractive_routes
from hyoid.interfaces.web.studies import Studies
from hyoid.report.content.schema import STATEMENT
from hyoid.report.content.template import TEMPLATE
from hyoid.systems.lesion.pipeline import Outline
from hyoid.systems.lesion.session import ACTION
from hyoid.systems.machine import Machine
from hyoid.volume import Quantity
from hyoid.workspace.workspace import OpenStudy, View, Workspace

PAGE = Path(__file__).parent / "page"
COOKIE = "hyoid_token"
"""Name of the page's cookie, before the port: servers of one machine do not take each other's."""
_LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
_HIGHEST = 4095

# As radiologists name them: (name, width, centre) in HU.
WINDOWS_HU = (
    ("Soft tissue", 400, 40),
    ("Neck with contrast", 350, 70),
    ("Bone", 2500, 500),
    ("Larynx, cartilage", 1000, 200),
    ("Lung", 1500, -600),
    ("Brain", 80, 40),
)


class Ask(BaseModel):
    """Change that the page asks for, and the revision that the page is looking at."""

    model_config = ConfigDict(extra="forbid")
    revision: int
    action: dict[str, Any] | None = None


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


def make_app(workspace: Workspace, studies: Studies, access: AccessRule = AccessRule()) -> FastAPI:
    """Make the web application of the workspace.

    Parameters
    ----------
    workspace : Workspace
        Sessions of clicks, and the network behind these.
    studies : Studies
        Studies that can be opened.
    access : AccessRule
        Who may talk to the server.
    """
    app = FastAPI(title="hyoid", docs_url=None, redoc_url=None, openapi_url=None)
    organ_work = Lock()

    @app.middleware("http")
    async def guard(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        if refusal := access.refusal(request):
            return _refused(refusal, "", 403)
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

    @app.get("/api/about")
    def about() -> dict[str, Any]:
        manifest = workspace.network.manifest
        return {
            "statement": STATEMENT,
            "model": f"{manifest.name} {manifest.version}",
            "trained_on": manifest.training_data,
            "attributes": ATTRIBUTE_WORDS,
            "largest_upload_bytes": studies.largest_bytes,
        }

    @app.get("/api/studies")
    def list_studies() -> list[dict[str, str]]:
        return [{"key": entry.key, "name": entry.name} for entry in studies.entries()]

    @app.post("/api/uploads")
    async def upload(request: Request, name: str) -> dict[str, str]:
        length = request.headers.get("content-length")
        announced = int(length) if length and length.isdigit() else None
        entry = await studies.receive(name, announced, request.stream())
        return {"key": entry.key, "name": entry.name}

    @app.get("/api/sessions")
    def list_sessions() -> list[dict[str, Any]]:
        names = {entry.key: entry.name for entry in studies.entries()}
        return [row | {"name": names.get(str(row["study"]), "")} for row in workspace.sessions()]

    @app.post("/api/sessions")
    def begin(asked: Begin) -> Response:
        return shown(workspace.begin(asked.study), whole=True)

    @app.get("/api/sessions/{name}")
    def look(name: str) -> Response:
        return shown(workspace.view(name), whole=True)

    @app.get("/api/sessions/{name}/image")
    def image(name: str) -> Response:
        return Response(pixels(workspace.view(name).study), media_type="application/octet-stream")

    @app.get("/api/sessions/{name}/organs")
    def organs(name: str) -> Response:
        labels = workspace.view(name).study.organs
        if labels is None:
            return _refused("The organs are not outlined.", "Wait a little.", 404)
        return Response(
            zlib.compress(labels.array.astype(np.uint8).tobytes(), 1), media_type="application/octet-stream"
        )

    @app.post("/api/sessions/{name}/actions")
    def act(name: str, asked: Ask) -> Response:
        try:
            action = ACTION.validate_python(asked.action)
        except ValidationError as error:
            raise UsageError(
                f"The request is not understood ({error.error_count()} error(s)).", "Reload the page."
            ) from error
        return shown(workspace.act(name, asked.revision, action))

    @app.post("/api/sessions/{name}/undo")
    def undo(name: str, asked: Ask) -> Response:
        return shown(workspace.undo(name, asked.revision))

    @app.post("/api/sessions/{name}/redo")
    def redo(name: str, asked: Ask) -> Response:
        return shown(workspace.redo(name, asked.revision))

    @app.get("/api/sessions/{name}/export.zip")
    def export(name: str) -> Response:
        content = exported(workspace, workspace.view(name))
        headers = {"Content-Disposition": 'attachment; filename="hyoid-export.zip"'}
        return Response(content, media_type="application/zip", headers=headers)

    def shown(view: View, *, whole: bool = False) -> Response:
        # One scan after the other: two would only slow each other down.
        if view.study.organ_state == "waiting":
            Thread(target=_organs_in_turn, args=(workspace, view.study_key, organ_work), daemon=True).start()
        # A response of its own: FastAPI would walk through every value once more to make it fit for JSON, which it is.
        return JSONResponse(as_json(view, whole=whole))

    @app.delete("/api/sessions/{name}")
    def delete_session(name: str) -> dict[str, bool]:
        workspace.delete(name)
        return {"deleted": True}

    @app.delete("/api/uploads/{key}")
    def delete_upload(key: str) -> dict[str, int]:
        studies.delete(key)
        return {"sessions_deleted": workspace.delete_study(key)}

    app.include_router(nninteractive_routes(workspace.network, studies.largest_bytes))
    app.mount("/", StaticFiles(directory=PAGE, html=True))
    return app


def as_json(view: View, *, whole: bool) -> dict[str, Any]:
    """Write a session as JSON for the page; `whole` adds what does not change from click to click."""
    session, state = view.session, view.session.state
    answer: dict[str, Any] = {
        "session": session.session,
        "revision": session.revision,
        "can_undo": session.can_undo,
        "can_redo": session.can_redo,
        "accepted": state.accepted,
        "overruled": state.overruled,
        "organs": view.study.organ_state,
        "changed": view.changed,
        "lesions": [
            {
                "number": lesion.number,
                "target": lesion.target,
                "prompts": [p.model_dump(include={"kind", "point_ijk", "to_ijk"}) for p in lesion.prompts],
                "mask": None if outline is None else mask_json(outline),
                "expected_iou": None if outline is None else round(outline.answer.iou, 3),
            }
            for lesion, outline in view.lesions
        ],
        "report": report_json(view),
    }
    return answer | (study_json(view) if whole else {})


def mask_json(outline: Outline) -> dict[str, Any] | None:
    """Write the box and the bits of a mask as JSON: rows of bits, packed and deflated."""
    if outline.box is None:
        return None
    bits = zlib.compress(np.packbits(outline.mask.ravel(), bitorder="little").tobytes(), 1)
    return {"start": outline.box.start, "stop": outline.box.stop, "bits": base64.b64encode(bits).decode()}


def report_json(view: View) -> dict[str, Any]:
    """Write the report's lines as JSON, with the voxel that each line is about."""
    report, geometry = view.report, view.study.scan.volume.geometry
    headings = {row.words: "sub" if row.kind.value == "subheading" else "main" for row in TEMPLATE if row.is_heading}

    def voxel(point: tuple[float, float, float]) -> list[int]:
        at = np.rint(geometry.to_ijk(point)).astype(int)
        return [int(v) for v in np.clip(at, 0, np.array(geometry.shape) - 1)]

    lines = []
    for line in report.lines:
        where = line.region
        lines.append(
            {
                "key": line.key,
                "words": line.words,
                "section": line.section,
                "value": line.value,
                "status": line.status,
                "probability": line.probability,
                "flags": line.flags,
                "notes": [f"{e.source}: {e.note}" if e.note else e.source for e in line.evidence],
                "voxel": None if where is None else voxel(where.point_lps_mm),
            }
        )
    sizes = [
        {
            "name": lesion.name,
            "ml": round(lesion.volume_ml, 2),
            "longest_mm": round(lesion.longest_diameter_mm, 1),
            "axial_mm": [round(lesion.axial_long_mm, 1), round(lesion.axial_short_mm, 1)],
            "side": lesion.side,
            "level": lesion.level,
            "voxel": voxel(lesion.point_lps_mm),
        }
        for lesion in report.lesions
    ]
    return {
        "summary": report.summary,
        "lines": lines,
        "headings": headings,
        "lesions": sizes,
        "warnings": report.warnings,
        "statement": report.statement,
    }


def study_json(view: View) -> dict[str, Any]:
    """Write grid, grey values and windows of the scan as JSON."""
    opened = view.study
    volume = opened.scan.volume
    low, high = _range(opened)
    if volume.quantity is Quantity.HU:
        slope, intercept = 1.0, 0.0
        windows = [{"name": name, "width": width, "centre": centre} for name, width, centre in WINDOWS_HU]
        unit = "HU"
    else:
        slope, intercept = (high - low) / _HIGHEST, low
        window_low, window_high = (float(v) for v in np.percentile(volume.array[::2, ::2, ::2], (1, 99.7)))
        windows = [
            {"name": "Automatic", "width": window_high - window_low, "centre": (window_low + window_high) / 2},
            {"name": "Full range", "width": high - low, "centre": (low + high) / 2},
        ]
        unit = volume.quantity.value
    return {
        "study": {
            "key": view.study_key,
            "modality": opened.modality,
            "shape": volume.geometry.shape,
            "spacing_mm": volume.geometry.spacing_mm,
            "slope": slope,
            "intercept": intercept,
            "unit": unit,
            "windows": windows,
            "inverted": opened.modality == "PT",
            "colours": {"GTVp": BY_NAME["gtvp"].rgb, "GTVn": BY_NAME["gtvn"].rgb},
            "labels": {"GTVp": GTVP, "GTVn": GTVN},
        }
    }


def pixels(opened: OpenStudy) -> bytes:
    """Pack the voxels as little-endian int16, slices slowest."""
    array = opened.scan.volume.array
    if opened.scan.volume.quantity is Quantity.HU:
        return np.clip(np.round(array), -32768, 32767).astype("<i2").tobytes()
    low, high = _range(opened)
    return np.round((array - low) * (_HIGHEST / (high - low))).astype("<i2").tobytes()


def exported(workspace: Workspace, view: View) -> bytes:
    """Pack all files of a report in one zip.

    Raises
    ------
    InputRefusedError
        When nothing is outlined.
    """
    if not any(outline.box is not None for _, outline in view.outlined):
        raise InputRefusedError("There is nothing to export: no lesion is outlined.", "Click on a lesion first.")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "export"
        opened, network = view.study, workspace.network
        results = lesion_results(
            opened.study,
            view.report,
            view.outlined,
            opened.organs,
            view.session,
            network.manifest,
            Machine(network.device, workspace.folder),
            opened.anatomy.outlined_by,
        )
        deliver(out, results, Terminal(as_json=False))
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(out.iterdir()):
                archive.write(file, file.name)
        return packed.getvalue()


def _organs_in_turn(workspace: Workspace, study_key: str, turn: Lock) -> None:
    with turn:
        workspace.outline_organs(study_key)


def _range(opened: OpenStudy) -> tuple[float, float]:
    array = opened.scan.volume.array
    low, high = float(array.min()), float(array.max())
    return low, high if high > low else low + 1.0


def _cookie(request: Request) -> str:
    return f"{COOKIE}_{request.url.port or 80}"


def _refused(problem: str, cure: str, status: int) -> Response:
    return JSONResponse({"problem": problem, "cure": cure}, status_code=status)


def _status_of(error: HyoidError) -> int:
    if isinstance(error, StaleRevisionError):
        return 409
    if isinstance(error, ModelUnusableError):
        return 500
    return 422 if isinstance(error, InputRefusedError) else 400
