"""`hyoid models`: what is installed, what it was trained on, whether it is intact, and how public weights get here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from hyoid.errors import UsageError
from hyoid.interfaces.cli.words import JSON_HELP
from hyoid.interfaces.installed import load_model, package_folder, packages, public_models, pulled_folder
from hyoid.interfaces.places import weights_folder
from hyoid.interfaces.terminal import Terminal
from hyoid.io.packages import public_weights
from hyoid.io.packages.model_package import CARD, read_manifest
from hyoid.io.packages.public_weights import Provenance, PublicModel
from hyoid.io.packages.signature import sign, signature_of

app = typer.Typer(help="List, describe, fetch, pack and verify models.", no_args_is_help=True, add_completion=False)

Names = Annotated[
    list[str] | None, typer.Argument(help="Models to check, by name or folder; by default all that are installed.")
]
OtherTable = Annotated[
    Path | None, typer.Option("--table", help="Table of public weights to use in place of the installed one (YAML).")
]


@app.command("list")
def list_models() -> None:
    """List the installed models, and the public weights that can be fetched."""
    table = Table("model", "version", "what it does", "licence", "MB", title="Came with hyoid", title_justify="left")
    for name, folder in packages().items():
        manifest = read_manifest(folder)
        megabytes = sum(p.stat().st_size for p in folder.iterdir()) / 1e6
        table.add_row(name, manifest.version, manifest.words.strip(), manifest.licence, f"{megabytes:.1f}")
    public = Table("model", "what it does", "licence", "MB", "here", title="Public weights", title_justify="left")
    for model in public_models().values():
        size = f"{model.bytes / 1e6:.0f}" if model.bytes else "not stated"
        here = "yes" if pulled_folder(model.name) else "no"
        public.add_row(model.name, model.words, _licence(model), size, here)
    Console().print(table, public)


@app.command()
def info(name: Annotated[str, typer.Argument(help="Model to describe, by name or folder.")]) -> None:
    """Show a model's card: training data, measurements, limits."""
    if name in (public := public_models()):
        Console().print(Markdown(_public_card(public[name])))
        return
    folder = package_folder(name)
    read_manifest(folder)
    Console().print(Markdown((folder / CARD).read_text(encoding="utf-8")))


@app.command()
def pull(
    names: Annotated[
        list[str] | None, typer.Argument(help="Public weights to fetch; names as in `hyoid models list`.")
    ] = None,
    pack: Annotated[
        Path | None, typer.Option(help="File of `hyoid models pack` to take weights from, without a network.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="Public key of minisign, file or text, with which --pack must be signed.")
    ] = None,
    into: Annotated[
        Path | None, typer.Option(help="Folder for the weights; by default the user's data folder.")
    ] = None,
    allow_noncommercial: Annotated[
        bool,
        typer.Option(
            "--allow-noncommercial",
            help="Fetch weights under a non-commercial licence: you state that your use is allowed.",
        ),
    ] = False,
    table: OtherTable = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be fetched and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Fetch public weights, resuming a stopped download, or take weights from a pack."""
    terminal = Terminal(as_json=as_json)
    folder = into or weights_folder()
    if pack is not None:
        told = _key(key)
        for done in public_weights.pull_pack(pack, folder, allow_noncommercial=allow_noncommercial, key=told):
            terminal.event("pulled", model=done.model.name, folder=str(folder / done.model.name), signed=done.signed)
            terminal.say(f"{done.model.name}: {_vouched(done)}, {_licence(done.model)}. In {folder / done.model.name}")
        if not told and signature_of(pack).exists():
            terminal.note("A signature lies beside the pack and was not checked: add --key FILE.pub.")
        return
    if key is not None:
        raise UsageError("A key checks a pack, and no pack was named.", "Add --pack FILE, or leave --key out.")
    if not names:
        raise UsageError("No model is named.", "Choose from `hyoid models list`, or give --pack FILE.")
    known = public_models(table)
    chosen = [_known(name, known) for name in names]
    for model in chosen:
        public_weights.refuse_noncommercial(model, allowed=allow_noncommercial)
    for model in chosen:
        size = f"{model.bytes / 1e6:.0f} MB" if model.bytes else "size not stated"
        terminal.say(f"{model.name}: {size}, {_licence(model)}, from {model.source.page}")
        terminal.event("plan", model=model.name, bytes=model.bytes, licence=model.licence, source=model.source.page)
        if dry_run:
            continue
        with terminal.bars():
            done = public_weights.pull(
                model,
                folder,
                allow_noncommercial=allow_noncommercial,
                on_progress=lambda file, had, total: terminal.progress(file, had // 10**6, total // 10**6, "MB"),
            )
        told = (
            "compared with the source's" if done.hash_from_source else "noted now: the source states none for all files"
        )
        terminal.event(
            "pulled", model=model.name, folder=str(folder / model.name), hash_from_source=done.hash_from_source
        )
        terminal.say(f"{model.name}: in {folder / model.name}; SHA-256 {told}. Cite {model.cite}.")


@app.command("pack")
def pack_models(
    names: Annotated[list[str], typer.Argument(help="Fetched models to pack, by name.")],
    out: Annotated[Path, typer.Option(help="Zip file to write.")],
    sign_with: Annotated[
        Path | None,
        typer.Option("--sign", help="Secret key of minisign without password; writes the signature beside the pack."),
    ] = None,
) -> None:
    """Pack fetched weights into one file, to carry to a machine without a network."""
    folders = []
    for name in names:
        folder = pulled_folder(name)
        if folder is None:
            raise UsageError(f"{name!r} is not here.", f"Run: hyoid models pull {name}")
        folders.append(folder)
    target = public_weights.pack(folders, out)
    signed = "unsigned"
    if sign_with is not None:
        signature = sign(target, sign_with, f"hyoid models: {', '.join(names)}")
        signed = f"signed, carry {signature.name} with it"
    megabytes = target.stat().st_size / 1e6
    Console().print(
        f"{target} ({megabytes:.0f} MB, {signed}). There: hyoid models pull --pack {target.name}", highlight=False
    )


@app.command()
def verify(names: Names = None) -> None:
    """Check that weights are undamaged and readable; end with exit code 4 when not."""
    here = [*packages(), *(name for name in public_models() if pulled_folder(name))]
    for name in names or here:
        folder = pulled_folder(name)
        if folder is not None:
            done = public_weights.verify(folder)
            told = f"{name}: {len(done.files)} files, {_vouched(done)}, {_licence(done.model)}"
            Console().print(told, highlight=False)
            continue
        package = load_model(name)
        count = sum(array.size for array in package.arrays().values())
        Console().print(
            f"{name}: intact, {count:,} weights, SHA-256 {package.manifest.sha256[:16]}...", highlight=False
        )


def _known(name: str, known: dict[str, PublicModel]) -> PublicModel:
    if name not in known:
        raise UsageError(f"There are no public weights {name!r}.", f"Choose one of: {', '.join(known)}.")
    return known[name]


def _key(said: str | None) -> str:
    """Text of a public key that was given as a file or as it is; empty without one."""
    if said is None:
        return ""
    try:
        return Path(said).read_text(encoding="utf-8") if Path(said).is_file() else said
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("The file of the public key cannot be read.", "Give a .pub file of minisign.") from error


def _vouched(done: Provenance) -> str:
    """Who vouches for fetched weights: a signer, their source, or nobody."""
    if done.signed:
        return f"as signed by {done.signed}"
    return "as noted when fetched, unsigned"


def _licence(model: PublicModel) -> str:
    return f"{model.licence} (not for commercial use)" if model.noncommercial else model.licence


def _public_card(model: PublicModel) -> str:
    """What the table says of public weights."""
    parts = [f"# {model.name}", model.words, f"Licence: {_licence(model)}. Cite: {model.cite}.", model.source.page]
    if model.structures:
        parts.append("\n".join(f"- label {label}: {name}" for label, name in model.structures.items()))
    parts.append("Not measured by hyoid. Research use only.")
    return "\n\n".join(parts)
