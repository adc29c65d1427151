"""The part of MONAI Label's protocol that an interactive outline needs: `/info` and `/infer`, for its viewers.

A viewer names an image of the list of studies, or sends one, with points in voxels of that image (column, row, slice),
and gets a label map on the image's own grid. Nothing is kept, and no report is made.
"""

from __future__ import annotations

import json
import secrets
import tempfile
from email import policy
from email.parser import BytesParser
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from hyoid.errors import InputRefusedError, UsageError
from hyoid.geometry.orientation import from_canonical, to_canonical
from hyoid.inference.click_network import ClickNetwork
from hyoid.interfaces.web.connections import body_of
from hyoid.interfaces.web.studies import Studies
from hyoid.io.files.volumes import SUFFIXES, write_nifti
from hyoid.io.study import MODALITIES, Study, read_study
from hyoid.systems.lesion.pipeline import Prompt, Scan, outlined
from hyoid.volume import Quantity, Volume
from hyoid.workspace.workspace import first_readable

LABEL = "lesion"
_NIFTI = "application/octet-stream"


def monailabel_routes(network: ClickNetwork, studies: Studies) -> APIRouter:
    """Make the routes `/info` and `/infer` of MONAI Label.

    Parameters
    ----------
    network : ClickNetwork
        Interactive network that answers points.
    studies : Studies
        Studies that a viewer may name.
    """
    router = APIRouter()

    @router.get("/info")
    @router.get("/info/")
    def info() -> dict[str, Any]:
        return info_json(network)

    @router.post("/infer/{model}")
    async def infer(model: str, request: Request, image: str = "", output: str = "image") -> Response:
        content = await body_of(request, studies.largest_bytes)
        if content is None:
            raise InputRefusedError("The image is larger than any that is taken here.", "Name one of the list.")
        parts = _parts(request.headers.get("content-type", ""), content)
        answered = partial(_inferred, network, studies, model, image, output, parts)
        return await run_in_threadpool(answered)

    return router


def info_json(network: ClickNetwork) -> dict[str, Any]:
    """Write what MONAI Label's clients are told of the server and its one model.

    Parameters
    ----------
    network : ClickNetwork
        Interactive network that answers points.
    """
    manifest = network.manifest
    model = {
        "type": "deepgrow",
        "labels": [LABEL],
        "dimension": 3,
        "description": f"{manifest.words} Research use only.",
        "config": {},
    }
    return {
        "name": "hyoid",
        "description": "Interactive outlines of lesions of the head and neck. Research use only.",
        "version": manifest.version,
        "labels": [LABEL],
        "models": {manifest.name: model},
        "trainers": {},
        "strategies": {},
        "scoring": {},
        "train_stats": {},
        "datastore": {},
    }


def _inferred(
    network: ClickNetwork, studies: Studies, model: str, image: str, output: str, parts: dict[str, bytes]
) -> Response:
    if model != network.manifest.name:
        raise UsageError(f"There is no model {model!r} here.", f"Ask for {network.manifest.name}.")
    if output not in ("image", "json", "all"):
        raise UsageError(f"There is no output {output!r}.", "Ask for image, json or all.")
    try:
        asked = json.loads(parts.get("params", b"{}") or b"{}")
    except ValueError as error:
        raise UsageError("The parameters are no JSON.", "Send params as a JSON object.") from error
    study = _study(studies, image, parts.get("file", b""))
    own = study.volume.geometry
    scan = Scan(to_canonical(study.volume), study.fingerprint)
    prompts = []
    for name, kind in (("foreground", "add"), ("background", "remove")):
        for point in _points(asked, name):
            at = scan.volume.geometry.to_ijk(own.to_lps(point[::-1]))
            d, h, w = (round(float(v)) for v in at)
            prompts.append(Prompt(kind, (d, h, w)))  # type: ignore[arg-type]
    if not prompts:
        raise UsageError("No point is given.", "Send at least one under foreground, as [column, row, slice].")
    outline = outlined(scan, prompts, network)
    said = {"label_names": {LABEL: 1}, "expected_iou": outline.expected_iou, "voxels": outline.voxels}
    if output == "json":
        return JSONResponse(said)
    mask = from_canonical(outline.painted(scan.volume.geometry.shape).astype(np.uint8), own)
    packed = _nifti(Volume(mask, own, Quantity.LABEL))
    return Response(packed, media_type=_NIFTI) if output == "image" else _together(said, packed)


def _study(studies: Studies, image: str, content: bytes) -> Study:
    """The image that was sent, else the one that was named."""
    if not content:
        return studies.read(image).study
    suffix = ".nrrd" if content[:4] == b"NRRD" else ".nii.gz" if content[:2] == b"\x1f\x8b" else ".nii"
    assert suffix in SUFFIXES
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"image{suffix}"
        path.write_bytes(content)
        return first_readable({m: partial(read_study, path, modality=m) for m in MODALITIES})[0]


def _points(asked: Any, name: str) -> list[list[float]]:
    said = asked.get(name) or [] if isinstance(asked, dict) else []
    try:
        points = [[float(v) for v in point] for point in said]
    except (TypeError, ValueError) as error:
        raise UsageError(f"The points under {name} are not numbers.", "Send [column, row, slice].") from error
    if any(len(point) != 3 or not np.isfinite(point).all() for point in points):
        raise UsageError(f"A point under {name} is not three numbers.", "Send [column, row, slice].")
    return points


def _parts(content_type: str, content: bytes) -> dict[str, bytes]:
    """Fields of a form by their names."""
    if not content_type.startswith("multipart/"):
        return {"params": content} if content_type.startswith("application/json") else {}
    whole = b"Content-Type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n" + content
    message = BytesParser(policy=policy.HTTP).parsebytes(whole)
    found = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes):
            found[name] = payload
    return found


def _nifti(mask: Volume) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mask.nii.gz"
        write_nifti(mask, path)
        return path.read_bytes()


def _together(said: dict[str, Any], packed: bytes) -> Response:
    """Parameters and label map in one form, as MONAI Label answers `output=all`."""
    mark = secrets.token_hex(16)
    head = f'--{mark}\r\nContent-Disposition: form-data; name="params"\r\nContent-Type: application/json\r\n\r\n'
    middle = (
        f'\r\n--{mark}\r\nContent-Disposition: form-data; name="image"; filename="mask.nii.gz"\r\n'
        f"Content-Type: {_NIFTI}\r\n\r\n"
    )
    content = head.encode() + json.dumps(said).encode() + middle.encode() + packed + f"\r\n--{mark}--\r\n".encode()
    return Response(content, media_type=f"multipart/form-data; boundary={mark}")
