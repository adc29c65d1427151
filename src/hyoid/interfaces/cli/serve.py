"""`hyoid serve`: the web workspace on this machine. Needs the extra `serve`."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from hyoid.errors import UnsuitableScanError
from hyoid.interfaces.cli.words import DEVICE_HELP
from hyoid.interfaces.extras import needs_extra
from hyoid.interfaces.installed import OUTLINING, load_model, load_models
from hyoid.interfaces.places import cache_folder, device_named, make_private, work_folder
from hyoid.interfaces.terminal import Terminal
from hyoid.interfaces.web.studies import Studies
from hyoid.io.atomic import write_text
from hyoid.io.packages.model_package import Manifest
from hyoid.preprocess.gate import check_head_neck_ct
from hyoid.systems.machine import Machine
from hyoid.systems.organs import outline_organs
from hyoid.volume import Volume
from hyoid.workspace.workspace import Workspace

_TOKEN_CHARACTERS = 32  # 24 random bytes
LOCAL = ("127.0.0.1", "localhost", "::1")


def serve(
    studies: Annotated[
        Path | None, typer.Argument(help="Folder of studies, or one study; files can also be dragged into the page.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; by default other machines cannot call.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8042,
    data: Annotated[
        Path | None, typer.Option(help="Folder that keeps sessions and uploads; by default in the user's data folder.")
    ] = None,
    token: Annotated[
        str, typer.Option(help="Token that every page must give; by default one is made and kept in --data.")
    ] = "",
    largest_upload_gb: Annotated[
        float, typer.Option(min=0.001, help="Largest file that can be dragged into the page, GiB.")
    ] = 2.0,
    all_uploads_gb: Annotated[
        float, typer.Option(min=0.001, help="Largest size of all files dragged into the page together, GiB.")
    ] = 20.0,
    organs: Annotated[
        bool, typer.Option("--organs/--no-organs", help="Outline the organs of neck CTs in the background.")
    ] = True,
    model: Annotated[str, typer.Option(help="Interactive model to use, by name or folder.")] = "isrg",
    device: Annotated[str, typer.Option(help=DEVICE_HELP)] = "auto",
) -> None:
    """Open the web workspace: viewer, clicks, live report. Research use only."""
    with needs_extra("serve", "The workspace"):
        import uvicorn

        from hyoid.interfaces.web.connections import PromptProtocol
        from hyoid.interfaces.web.server import AccessRule, make_app
    from hyoid.inference.click_network import ClickNetwork

    terminal = Terminal(as_json=False)
    # Scans, clicks and encoded regions are this account's alone.
    os.umask(0o077)
    folder, regions = make_private(data or work_folder()), make_private(cache_folder() / "regions")
    token = token or kept_token(folder)
    kind = device_named(device)
    network = ClickNetwork(load_model(model), device=kind, cache=regions)
    known = Studies(studies, folder / "uploads", int(largest_upload_gb * 1024**3), int(all_uploads_gb * 1024**3))
    machine = Machine(kind, cache_folder())
    workspace = Workspace(folder, network, known.read, (lambda ct: organs_of(ct, machine)) if organs else None)
    app = make_app(workspace, known, AccessRule(token, tuple({*LOCAL, host})))
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    terminal.say(f"Open {address}?token={token}   (Ctrl-C stops; sessions are kept)", "bold")
    if host not in LOCAL:
        terminal.note("Other machines can reach this server. The connection is not encrypted.")
    # Uvicorn's own lines would hold addresses with the token.
    uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False, http=PromptProtocol)


def kept_token(folder: Path) -> str:
    """Read the token of a workspace, made at its first start: a page stays open when the server is started again.

    Parameters
    ----------
    folder : Path
        Private folder of the workspace.
    """
    file = folder / "token"
    try:
        kept = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        kept = ""
    if len(kept) < _TOKEN_CHARACTERS:
        kept = secrets.token_urlsafe(24)
        write_text(file, kept + "\n")
        file.chmod(0o600)
    return kept


def organs_of(ct: Volume, machine: Machine) -> tuple[Volume | None, tuple[str, ...], tuple[Manifest, ...]]:
    """Outline the organs of a canonical CT, with warnings and the models; no labels where the scan is not of a neck."""
    try:
        warnings = check_head_neck_ct(ct)
    except UnsuitableScanError as refusal:
        return None, (f"Organs were not outlined: {refusal.problem}",), ()
    packages = load_models(OUTLINING)
    outlines = outline_organs(ct, packages, machine)
    return outlines.labels, (*warnings, *outlines.warnings), tuple(package.manifest for package in packages)
