"""The protocol of nnInteractive's remote clients (2.6), so that viewers that speak it work with `hyoid serve`.

Points, boxes, scribbles, lassos, a mask to begin with, and undo. The network knows points and a first box: a scribble
is a dozen points along it, a lasso a box with points inside, later points (`systems.lesion.areas`). A client sends
an image without directions: its axes are taken as slices (feet to head), rows (front to back), columns (right to left).
Nothing of these sessions is kept on disk but encoded regions.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool

from hyoid.errors import HyoidError, InputRefusedError, UsageError
from hyoid.geometry.boxes import hull
from hyoid.inference.click_network import ClickNetwork
from hyoid.interfaces.web.connections import body_of
from hyoid.io.files.packed_array import pack_array, unpack_array
from hyoid.io.study import fingerprint
from hyoid.systems.lesion.areas import along, deep_box, filled, inside
from hyoid.systems.lesion.pipeline import Outline, Prompt, Scan, next_outline
from hyoid.systems.lesion.strokes import NOTHING, Drawn, whole_of
from hyoid.volume import Geometry, Quantity, Volume

MOST_LEASES = 4
IDLE_S, LIVENESS_S = 600.0, 60.0
# Values of a CT reach below this, those of other images do not.
_CT_HAS_BELOW = -500.0
_META, _LEASE = "X-Meta", "X-Lease-Token"


@dataclass(eq=False)
class Lease:
    """Image and prompts of one client; a mask among the steps is one to begin with."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    active: float = field(default_factory=time.monotonic)
    seen: float = field(default_factory=time.monotonic)
    scan: Scan | None = None
    steps: tuple[Prompt | Drawn, ...] = ()
    outlines: list[Outline] = field(default_factory=list)
    shown: Outline | None = None


class Leases:
    """Clients that are connected; who says nothing for long is forgotten.

    Parameters
    ----------
    most : int
        Clients at once, each with one image in memory.
    """

    def __init__(self, most: int = MOST_LEASES) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._held: dict[str, Lease] = {}

    def claim(self) -> str | None:
        """Give a new client's token; None when there is no place."""
        with self._lock:
            now = time.monotonic()
            self._held = {
                token: lease
                for token, lease in self._held.items()
                if now - lease.seen < LIVENESS_S and now - lease.active < IDLE_S
            }
            if len(self._held) >= self.most:
                return None
            token = secrets.token_hex(16)
            self._held[token] = Lease()
            return token

    def of(self, token: str | None, *, acts: bool = True) -> Lease | None:
        """Find the lease that a token belongs to; None when there is no such lease."""
        with self._lock:
            lease = self._held.get(token or "")
            if lease is not None:
                lease.seen = time.monotonic()
                lease.active = lease.seen if acts else lease.active
            return lease

    def release(self, token: str | None) -> None:
        """Forget a client."""
        with self._lock:
            self._held.pop(token or "", None)


def nninteractive_routes(network: ClickNetwork, largest_bytes: int, leases: Leases | None = None) -> APIRouter:
    """Make the routes of nnInteractive's remote protocol.

    Parameters
    ----------
    network : ClickNetwork
        Interactive network that answers the clicks.
    largest_bytes : int
        Largest image that is accepted, as sent and as unpacked, bytes.
    leases : Leases, optional
        Clients that hold a place; by default nobody yet.
    """
    router = APIRouter()
    held = leases or Leases()
    _add_connection(router, held, network)
    _add_image(router, held, largest_bytes)
    _add_points(router, held, network)
    _add_areas(router, held, network, largest_bytes)
    return router


def _answered(held: Leases, request: Request, act: Callable[[Lease], Response], *, acts: bool = True) -> Response:
    lease = held.of(request.headers.get(_LEASE), acts=acts)
    if lease is None:
        return _said("This connection has ended, or the server was started again. Connect again.", 410)
    try:
        with lease.lock:
            return act(lease)
    except HyoidError as refusal:
        return _said(str(refusal), 400)


def _add_connection(router: APIRouter, held: Leases, network: ClickNetwork) -> None:
    @router.get("/healthz")
    def healthz() -> dict[str, bool]:
        return {"ok": True}

    @router.post("/claim")
    def claim() -> Response:
        token = held.claim()
        if token is None:
            return _said(f"The server has its {held.most} clients already. Close one, or wait ten minutes.", 503)
        said = {"lease_token": token, "idle_timeout_seconds": IDLE_S, "liveness_timeout_seconds": LIVENESS_S}
        return JSONResponse(said | {"max_sessions": held.most})

    @router.post("/release")
    def release(request: Request) -> dict[str, bool]:
        held.release(request.headers.get(_LEASE))
        return {"released": True}

    @router.post("/heartbeat")
    def heartbeat(request: Request) -> Response:
        return _answered(held, request, _remaining, acts=False)

    @router.get("/lease_status")
    def lease_status(request: Request) -> Response:
        return _answered(held, request, _remaining, acts=False)

    @router.get("/capabilities")
    def capabilities() -> dict[str, Any]:
        return _capabilities(network)


def _add_image(router: APIRouter, held: Leases, largest_bytes: int) -> None:
    @router.post("/set_image")
    async def set_image(request: Request) -> Response:
        content = await body_of(request, largest_bytes)
        if content is None:
            return _said(f"The image is larger than the {largest_bytes / 1024**3:.1f} GiB taken here.", 413)

        def act(lease: Lease) -> Response:
            said = _json(request.headers.get(_META, "{}"))
            image = unpack_array(content, largest_bytes=largest_bytes)
            lease.scan = _scan(image, said.get("image_properties"))
            lease.steps, lease.outlines, lease.shown = (), [], None
            return JSONResponse({"original_image_shape": image.shape})

        return await run_in_threadpool(_answered, held, request, act)

    @router.post("/set_target_buffer")
    async def set_target_buffer(request: Request) -> Response:
        asked = _json(await request.body())

        def act(lease: Lease) -> Response:
            shape = _scan_of(lease).volume.geometry.shape
            if list(asked.get("shape", ())) != list(shape):
                raise InputRefusedError(
                    f"The mask has another grid than the image: {asked.get('shape')}, not {list(shape)}.",
                    "Send a mask of the image's shape.",
                )
            lease.shown = None
            return JSONResponse({})

        return await run_in_threadpool(_answered, held, request, act)

    @router.post("/set_do_autozoom")
    def set_do_autozoom(request: Request) -> Response:
        # The region always follows the lesion here.
        return _answered(held, request, lambda lease: JSONResponse({}))


def _add_points(router: APIRouter, held: Leases, network: ClickNetwork) -> None:
    @router.post("/reset_interactions")
    def reset_interactions(request: Request) -> Response:
        def act(lease: Lease) -> Response:
            lease.steps, lease.outlines, lease.shown = (), [], None
            return JSONResponse({})

        return _answered(held, request, act)

    @router.post("/add_point_interaction")
    async def add_point(request: Request) -> Response:
        asked = _json(await request.body())

        def act(lease: Lease) -> Response:
            point = _point(asked.get("coordinates"))
            return _added(lease, asked, Prompt(_kind(asked), point), network)

        return await run_in_threadpool(_answered, held, request, act)

    @router.post("/predict")
    def predict(request: Request) -> Response:
        def act(lease: Lease) -> Response:
            if len(lease.outlines) == len(lease.steps):
                return _nothing(ran=False)
            _outlined(_scan_of(lease), lease, lease.steps, network)
            return _changed(lease)

        return _answered(held, request, act)

    @router.post("/undo")
    def undo(request: Request) -> Response:
        def act(lease: Lease) -> Response:
            if not lease.steps:
                return _nothing(ran=False)
            lease.steps = lease.steps[:-1]
            del lease.outlines[len(lease.steps) :]
            return _changed(lease)

        return _answered(held, request, act)


def _add_areas(router: APIRouter, held: Leases, network: ClickNetwork, largest_bytes: int) -> None:
    @router.post("/add_bbox_interaction")
    async def add_box(request: Request) -> Response:
        asked = _json(await request.body())

        def act(lease: Lease) -> Response:
            geometry = _scan_of(lease).volume.geometry
            area = whole_of(_painted_box(asked.get("bbox_coords"), geometry.shape))
            return _added(lease, asked, _prompt_of(lease, area, asked, drawn=False), network)

        return await run_in_threadpool(_answered, held, request, act)

    async def sent(request: Request) -> tuple[dict[str, Any], bytes]:
        content = await body_of(request, largest_bytes)
        if content is None:
            raise InputRefusedError("The mask is larger than any that is taken here.", "Send a mask of the image.")
        return _json(request.headers.get(_META, "{}")), content

    @router.post("/add_scribble_interaction")
    async def add_scribble(request: Request) -> Response:
        asked, content = await sent(request)

        def act(lease: Lease) -> Response:
            area = _area(lease, asked, content, largest_bytes)
            first, *more = along(area)
            return _added(lease, asked, Prompt(_kind(asked), first, more_ijk=tuple(more)), network)

        return await run_in_threadpool(_answered, held, request, act)

    @router.post("/add_lasso_interaction")
    async def add_lasso(request: Request) -> Response:
        asked, content = await sent(request)

        def act(lease: Lease) -> Response:
            area = filled(_area(lease, asked, content, largest_bytes))
            return _added(lease, asked, _prompt_of(lease, area, asked, drawn=True), network)

        return await run_in_threadpool(_answered, held, request, act)

    @router.post("/add_initial_seg_interaction")
    async def add_initial_seg(request: Request) -> Response:
        asked, content = await sent(request)

        def act(lease: Lease) -> Response:
            mask = _area(lease, asked, content, largest_bytes)
            lease.steps, lease.outlines = (mask,), [Outline(mask.mask, mask.box)]
            # The client painted its own copy before it asked.
            lease.shown = lease.outlines[-1]
            return _nothing(ran=False)

        return await run_in_threadpool(_answered, held, request, act)


def _capabilities(network: ClickNetwork) -> dict[str, Any]:
    kinds = ("points", "bbox2d", "bbox3d", "scribble", "lasso")
    return {
        "supported_interactions": dict.fromkeys(kinds, True),
        "channel_mapping": dict.fromkeys(kinds, (0, 1)),
        "num_interaction_channels": 2,
        "supports_initial_label": True,
        "supports_zero_shot_label_refinement": False,
        "preferred_scribble_thickness": None,
        "interaction_decay": None,
        "patch_size": network.manifest.patch,
        "do_autozoom": True,
        "supports_undo": True,
        "inference_session_version": 2,
        "license": f"{network.manifest.licence}; research use only, not a medical device",
    }


def _remaining(lease: Lease) -> Response:
    left = max(0.0, IDLE_S - (time.monotonic() - lease.active))
    return JSONResponse({"remaining_seconds": left, "idle_timeout_seconds": IDLE_S})


def _scan(image: NDArray[Any], properties: Any) -> Scan:
    """First channel of an image (C, D, H, W) as a scan; without a spacing, voxels of 1 mm."""
    if image.ndim != 4 or image.dtype == bool:
        raise InputRefusedError(
            f"The image has {image.ndim} axes of {image.dtype}.", "Send grey values (channel, slice, row, column)."
        )
    said = properties.get("spacing") if isinstance(properties, dict) else None
    try:
        d, h, w = (float(mm) for mm in (said if said is not None else (1, 1, 1)))
    except (TypeError, ValueError) as error:
        raise InputRefusedError("The spacing is not three numbers.", "Send slice, row and column in mm.") from error
    if not all(0 < mm < 100 for mm in (d, h, w)):
        raise InputRefusedError(f"The spacing {d:g} x {h:g} x {w:g} mm cannot be.", "Send slice, row, column in mm.")
    values = image[0].astype(np.float32)
    if not np.isfinite(values).all():
        raise InputRefusedError("The image holds values that are not finite.", "Replace them before sending.")
    quantity = Quantity.HU if float(values.min()) < _CT_HAS_BELOW else Quantity.MR
    volume = Volume(values, Geometry.axial(values.shape, (d, h, w)), quantity)
    return Scan(volume, fingerprint(volume))


def _scan_of(lease: Lease) -> Scan:
    if lease.scan is None:
        raise UsageError("There is no image yet.", "Send one before the mask and the points.")
    return lease.scan


def _point(said: Any) -> tuple[int, int, int]:
    try:
        d, h, w = (round(float(v)) for v in said)
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError("The point is not three numbers.", "Send slice, row and column.") from error
    return d, h, w


def _kind(asked: dict[str, Any]) -> Literal["add", "remove"]:
    return "add" if asked.get("include_interaction", True) else "remove"


def _prompt_of(lease: Lease, area: Drawn, asked: dict[str, Any], *, drawn: bool) -> Prompt:
    """A box or lasso as the network takes it: a box at first, and points inside later; what was `drawn` has both."""
    begun = lease.outlines[-1].drawn if lease.outlines else NOTHING
    geometry = _scan_of(lease).volume.geometry
    if _kind(asked) == "add" and not lease.steps:
        low, high = deep_box(area, geometry)
        return Prompt("box", low, high, more_ijk=inside(area) if drawn else ())
    first, *more = inside(area, within=None if _kind(asked) == "add" else begun)
    return Prompt(_kind(asked), first, more_ijk=tuple(more))


def _area(lease: Lease, asked: dict[str, Any], content: bytes, largest_bytes: int) -> Drawn:
    """Voxels of a mask that a client sent, whole or cut to a box."""
    shape = _scan_of(lease).volume.geometry.shape
    array = unpack_array(content, largest_bytes=largest_bytes) > 0
    part = asked.get("interaction_bbox")
    whole = np.zeros(shape, bool)
    place = whole if part is None else whole[_box(part, shape)]
    if place.shape != array.shape:
        raise InputRefusedError(
            f"The mask has another grid than its place in the image: {array.shape}, not {place.shape}.",
            "Send a mask of the image's shape, or of its box.",
        )
    place[...] = array
    if not whole.any():
        raise UsageError("The mask is empty.", "Draw something first.")
    return whole_of(whole)


def _painted_box(said: Any, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    mask = np.zeros(shape, bool)
    mask[_box(said, shape)] = True
    if not mask.any():
        raise UsageError("The box is empty, or lies outside the image.", "Send [start, stop] along all three axes.")
    return mask


def _box(said: Any, shape: tuple[int, int, int]) -> tuple[slice, ...]:
    refusal = UsageError("The box is not three pairs of numbers.", "Send [start, stop] along all three axes.")
    try:
        ends = [sorted((round(float(a)), round(float(b)))) for a, b in said]
    except (TypeError, ValueError, OverflowError) as error:
        raise refusal from error
    if len(ends) != 3:
        raise refusal
    return tuple(slice(max(0, a), min(n, max(b, a + 1))) for (a, b), n in zip(ends, shape, strict=True))


def _added(lease: Lease, asked: dict[str, Any], prompt: Prompt, network: ClickNetwork) -> Response:
    """Keep a prompt, and outline unless the client wants to wait; a refused one changes nothing."""
    scan, steps = _scan_of(lease), (*lease.steps, prompt)
    ran = bool(asked.get("run_prediction", True))
    if ran:
        _outlined(scan, lease, steps, network)
    lease.steps = steps
    return _changed(lease) if ran else _nothing(ran=False)


def _outlined(scan: Scan, lease: Lease, steps: tuple[Prompt | Drawn, ...], network: ClickNetwork) -> None:
    for count in range(len(lease.outlines) + 1, len(steps) + 1):
        before = lease.outlines[-1] if lease.outlines else None
        prompts = [step for step in steps[:count] if isinstance(step, Prompt)]
        lease.outlines.append(next_outline(scan, prompts, network, before))


def _changed(lease: Lease) -> Response:
    """The part of the mask that covers what was shown and what is to be shown."""
    scan = _scan_of(lease)
    now = lease.outlines[-1] if lease.outlines else None
    boxes = [outline.box for outline in (lease.shown, now) if outline is not None and outline.box is not None]
    lease.shown = now
    if not boxes:
        return _nothing(ran=True)
    whole = hull(boxes)
    part = np.zeros(whole.shape, np.uint8)
    if now is not None and now.box is not None:
        part[now.box.slices_from(whole.start)] = now.mask
    assert np.all(np.array(whole.stop) <= scan.volume.geometry.shape)
    bounds = [[a, b] for a, b in zip(whole.start, whole.stop, strict=True)]
    said = {"ran_prediction": True, "bbox": bounds, "dtype": "uint8", "shape": part.shape}
    return Response(pack_array(part), media_type="application/octet-stream", headers={_META: json.dumps(said)})


def _nothing(*, ran: bool) -> Response:
    said = json.dumps({"ran_prediction": ran, "bbox": None})
    return Response(b"", media_type="application/octet-stream", headers={_META: said})


def _json(content: str | bytes) -> dict[str, Any]:
    try:
        said = json.loads(content)
    except ValueError:
        said = None
    return said if isinstance(said, dict) else {}


def _said(words: str, status: int) -> Response:
    return JSONResponse({"detail": words}, status_code=status)
