"""`hyoid serve`: the web workspace on this machine. Needs the extra `serve`."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from hyoid.errors import UsageError
from hyoid.interfaces.chosen_models import (
    NOTHING_ASKED,
    asked_models,
    lesion_package,
    midrt_sources,
    outlining,
    petct_models,
    report_models,
    template_package,
)
from hyoid.interfaces.cli.options import (
    ClassifierNetwork,
    DeviceName,
    InteractiveNetwork,
    ModelsPath,
    OrganNetworks,
    TumourNetwork,
)
from hyoid.interfaces.extras import needs_extra
from hyoid.interfaces.places import cache_folder, device_named, make_private, work_folder
from hyoid.interfaces.terminal import Terminal
from hyoid.interfaces.web.studies import Studies
from hyoid.io.atomic import write_text
from hyoid.io.packages.model_package import ModelPackage
from hyoid.io.packages.models_file import ModelsFile
from hyoid.io.petct import PetRequest
from hyoid.systems.involvement import classify_outlined
from hyoid.systems.lesion.report import Answered
from hyoid.systems.machine import Machine
from hyoid.systems.organs import model_use
from hyoid.volume import Volume
from hyoid.workspace.drafts import Drafter, ct_drafter, midrt_drafter, petct_drafter
from hyoid.workspace.scans import Scans
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
    draft: Annotated[
        bool,
        typer.Option("--draft/--no-draft", help="Run the pipeline of every study that is opened in the background."),
    ] = True,
    pet_units: Annotated[
        str | None, typer.Option(help="Units of PET files whose names do not tell: suv or bqml.")
    ] = None,
    user_header: Annotated[
        str, typer.Option(help="Header in which a proxy that authenticates names the reader, e.g. X-Remote-User.")
    ] = "",
    viewer: Annotated[
        list[str] | None, typer.Option(help="Reader who may look and change nothing; repeat for each.")
    ] = None,
    send_to: Annotated[
        Path | None,
        typer.Option(help="YAML file with `destinations`, such as a node's; signed reports may be sent there."),
    ] = None,
    models: ModelsPath = None,
    organs: OrganNetworks = None,
    tumour: TumourNetwork = None,
    classifier: ClassifierNetwork = None,
    model: InteractiveNetwork = None,
    device: DeviceName = "auto",
) -> None:
    """Open the web workspace: viewer, clicks, live report. Research use only."""
    with needs_extra("serve", "The workspace"):
        import uvicorn

        from hyoid.interfaces.web.connections import PromptProtocol
        from hyoid.interfaces.web.readers import Readers
        from hyoid.interfaces.web.sending import NOWHERE, read_destinations
        from hyoid.interfaces.web.server import AccessRule, make_app
    from hyoid.inference.click_network import ClickNetwork

    terminal = Terminal(as_json=False)
    pet = PetRequest(units=pet_units)
    if viewer and not user_header:
        raise UsageError("Viewers have names, and nobody says who asks.", "Add --user-header.")
    sending = NOWHERE if send_to is None else read_destinations(send_to)
    # Scans, clicks and encoded regions are this account's alone.
    os.umask(0o077)
    folder, regions = make_private(data or work_folder()), make_private(cache_folder() / "regions")
    token = token or kept_token(folder)
    kind = device_named(device)
    asked = asked_models(models, organs=organs, tumour=tumour, classifier=classifier, lesion=model)
    network = ClickNetwork(lesion_package(asked), device=kind, cache=regions)
    limits = int(largest_upload_gb * 1024**3), int(all_uploads_gb * 1024**3)
    known = Studies(studies, folder / "uploads", *limits, pet)
    machine = Machine(kind, cache_folder())
    drafters = Drafters(machine, asked) if draft else None
    workspace = Workspace(
        folder,
        network,
        known.read,
        None if drafters is None else drafters.choose,
        None if drafters is None else drafters.sub_sites,
    )
    readers = Readers(user_header, tuple(viewer or ()))
    app = make_app(workspace, known, AccessRule(token, tuple({*LOCAL, host})), readers, sending)
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


class Drafters:
    """Pipelines that draft studies, with their networks loaded when they are first needed.

    Parameters
    ----------
    machine : Machine
        Device, precision and folder for compiled graphs.
    asked : ModelsFile
        Networks in the places of hyoid's own.
    """

    def __init__(self, machine: Machine, asked: ModelsFile = NOTHING_ASKED) -> None:
        self.machine, self.asked = machine, asked
        self._kept: dict[str, Drafter] = {}
        self._template: ModelPackage | None = None

    def choose(self, scans: Scans) -> Drafter | None:
        """Choose the pipeline of a study by its modality; None where no pipeline takes it.

        Parameters
        ----------
        scans : Scans
            Images of the study.
        """
        kind = scans.modality
        if kind not in self._kept:
            if kind == "CT":
                self._kept[kind] = ct_drafter(report_models(self.asked), self.machine)
            elif kind == "PT/CT":
                self._kept[kind] = petct_drafter(petct_models(self.asked), outlining(self.asked).sources, self.machine)
            elif kind == "MR pair":
                self._kept[kind] = midrt_drafter(midrt_sources(self.asked), self.machine)
        return self._kept.get(kind)

    def sub_sites(self, ct: Volume, organs: Volume, lesions: Volume) -> Answered | None:
        """Ask which sub-sites an outlined primary overlaps; None without a primary.

        Parameters
        ----------
        ct, organs : Volume
            Canonical scan and organ labels on one grid.
        lesions : Volume
            1 in the primary, on the same grid.
        """
        self._template = self._template or template_package(self.asked)
        said = classify_outlined(ct, organs, lesions, self._template, self.machine)
        return None if said is None else Answered(said.answers, model_use(self._template.manifest), said.warnings)
