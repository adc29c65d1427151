"""`hyoid serve`: the web workspace on this machine. Needs the extra `serve`."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from hyoid.errors import UnsuitableScanError
from hyoid.interfaces.cli.words import DEVICE_HELP
from hyoid.interfaces.extras import needs_extra
from hyoid.interfaces.installed import OUTLINING, load_model, load_models
from hyoid.interfaces.places import cache_folder, device_named, work_folder
from hyoid.interfaces.terminal import Terminal
from hyoid.interfaces.web.studies import Studies
from hyoid.io.packages.model_package import Manifest
from hyoid.preprocess.gate import check_head_neck_ct
from hyoid.systems.machine import Machine
from hyoid.systems.organs import outline_organs
from hyoid.volume import Volume
from hyoid.workspace.workspace import Workspace

LOCAL = ("127.0.0.1", "localhost", "::1")


def serve(
    studies: Annotated[
        Path | None, typer.Argument(help="Folder of studies, or one study; files can also be dragged into the page.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this machine's own asks for the token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8042,
    data: Annotated[
        Path | None, typer.Option(help="Folder that keeps sessions and uploads; by default in the user's data folder.")
    ] = None,
    token: Annotated[str, typer.Option(help="Token that other machines must give; by default a new one is made.")] = "",
    largest_upload_gb: Annotated[
        float, typer.Option(min=0.001, help="Largest file that can be dragged into the page, GiB.")
    ] = 2.0,
    organs: Annotated[
        bool, typer.Option("--organs/--no-organs", help="Outline the organs of neck CTs in the background.")
    ] = True,
    model: Annotated[str, typer.Option(help="Interactive model to use, by name or folder.")] = "isrg",
    device: Annotated[str, typer.Option(help=DEVICE_HELP)] = "auto",
) -> None:
    """Open the web workspace: viewer, clicks, live report. Research use only."""
    with needs_extra("serve", "The workspace"):
        import uvicorn

        from hyoid.interfaces.web.server import AccessRule, make_app
    from hyoid.inference.click_network import ClickNetwork

    terminal = Terminal(as_json=False)
    local = host in LOCAL
    token = token or ("" if local else secrets.token_urlsafe(24))
    folder = data or work_folder()
    kind = device_named(device)
    network = ClickNetwork(load_model(model), device=kind, cache=cache_folder() / "regions")
    known = Studies(studies, folder / "uploads", int(largest_upload_gb * 1024**3))
    machine = Machine(kind, cache_folder())
    workspace = Workspace(folder, network, known.read, (lambda ct: organs_of(ct, machine)) if organs else None)
    app = make_app(workspace, known, AccessRule(token, tuple({*LOCAL, host})))
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    terminal.say(f"Open {address}{f'?token={token}' if token else ''}   (Ctrl-C stops; sessions are kept)", "bold")
    if not local:
        terminal.note("Other machines can reach this server. The connection is not encrypted.")
    # Uvicorn's own lines would hold addresses with the token.
    uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False)


def organs_of(ct: Volume, machine: Machine) -> tuple[Volume | None, tuple[str, ...], tuple[Manifest, ...]]:
    """Outline the organs of a canonical CT, with warnings and the models; no labels where the scan is not of a neck."""
    try:
        warnings = check_head_neck_ct(ct)
    except UnsuitableScanError as refusal:
        return None, (f"Organs were not outlined: {refusal.problem}",), ()
    packages = load_models(OUTLINING)
    outlines = outline_organs(ct, packages, machine)
    return outlines.labels, (*warnings, *outlines.warnings), tuple(package.manifest for package in packages)
