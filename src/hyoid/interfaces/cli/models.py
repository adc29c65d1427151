"""`hyoid models`: what is installed, what it was trained on, whether it is intact, and how public weights get here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from hyoid.anatomy.structures import ORGANS
from hyoid.errors import UsageError
from hyoid.interfaces.chosen_models import organ_source, outlining, tables_here
from hyoid.interfaces.cli.options import AsJson
from hyoid.interfaces.installed import load_model, package_folder, packages, public_models, pulled_folder
from hyoid.interfaces.places import sources_file, weights_folder
from hyoid.interfaces.terminal import Terminal
from hyoid.io.atomic import write_text
from hyoid.io.packages import public_weights
from hyoid.io.packages.model_package import CARD, read_manifest
from hyoid.io.packages.models_file import Entry
from hyoid.io.packages.public_weights import Provenance, PublicModel
from hyoid.io.packages.signature import sign, signature_of
from hyoid.io.packages.source_table import Ranked, require_organ, source_table_text

app = typer.Typer(help="List, describe, fetch, pack and verify models.", no_args_is_help=True, add_completion=False)

USED = {
    "report": "hyoid report, petct and lesion take from them what they outline best: see hyoid models use.",
    "midrt": "They are used where they are named: hyoid midrt ... --model hntsmrg_gradient",
}
"""What becomes of the weights of a command."""

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
        here = "yes" if pulled_folder(model.name) else "no"
        public.add_row(model.name, model.words, _licence(model), _size(model).removesuffix(" MB"), here)
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
def use(
    source: Annotated[
        str | None,
        typer.Argument(help="Package, fetched weights or nnU-Net folder to prefer; without one, show the table."),
    ] = None,
    structures: Annotated[
        list[str] | None,
        typer.Option("--for", help="Structure to take from SOURCE; repeat for several. By default all its structures."),
    ] = None,
    default: Annotated[bool, typer.Option("--default", help="Forget your own choices.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show which network outlines which structure and why, or prefer one for some structures."""
    terminal = Terminal(as_json=as_json)
    if default:
        sources_file().unlink(missing_ok=True)
        terminal.say("hyoid's own table is used again.")
    if source is not None:
        prefer(source, structures or ())
    elif structures:
        raise UsageError("--for needs a network to take structures from.", "Write: hyoid models use SOURCE --for NAME")
    choices = outlining().choices
    rows = Table("structure", "outlined by", "why", "also here", title="Outlines on CT", title_justify="left")
    for choice in choices:
        rows.add_row(choice.structure, choice.source, choice.why, ", ".join(choice.others))
        terminal.event("choice", **vars(choice) | {"others": list(choice.others)})
    if not as_json:
        Console().print(rows)
    known = {choice.structure for choice in choices}
    if missing := [organ.name for organ in ORGANS if organ.name not in known]:
        terminal.say(f"No network here outlines {', '.join(missing)}. See: hyoid models pull --for report")


@app.command()
def pull(
    names: Annotated[
        list[str] | None, typer.Argument(help="Public weights to fetch; names as in `hyoid models list`.")
    ] = None,
    command: Annotated[
        str | None,
        typer.Option("--for", help="Command whose weights are meant: report or midrt. Shows a plan; --yes fetches."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Fetch what --for names.")] = False,
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
    as_json: AsJson = False,
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
    if not names and command is None:
        raise UsageError("No model is named.", "Choose from `hyoid models list`; or give --for report, or --pack FILE.")
    known = public_models(table)
    chosen = [_known(name, known) for name in names or ()]
    if command is not None:
        chosen += [model for model in used_by(command, known) if model not in chosen]
        if not (yes or dry_run):
            dry_run = True
            terminal.note("Nothing is fetched yet: this is what would be. Add --yes to fetch it.")
    for model in chosen:
        public_weights.refuse_noncommercial(model, allowed=allow_noncommercial)
    for model in chosen:
        here = (folder / model.name / public_weights.PROVENANCE).is_file()
        _tell_plan(model, terminal, here=here)
        if dry_run or (here and command is not None):
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
    if command is not None:
        _tell_sum(chosen, "" if dry_run else command, terminal)


@app.command("pack")
def pack_models(
    out: Annotated[Path, typer.Option(help="Zip file to write.")],
    names: Annotated[list[str] | None, typer.Argument(help="Fetched models to pack, by name.")] = None,
    command: Annotated[
        str | None, typer.Option("--for", help="Command whose weights are packed, as for `pull`: report or midrt.")
    ] = None,
    sign_with: Annotated[
        Path | None,
        typer.Option("--sign", help="Secret key of minisign without password; writes the signature beside the pack."),
    ] = None,
) -> None:
    """Pack fetched weights into one file, to carry to a machine without a network."""
    wanted = [*(names or ()), *([] if command is None else (m.name for m in used_by(command, public_models())))]
    if not wanted:
        raise UsageError("No model is named.", "Name fetched models, or give --for report.")
    folders = []
    for name in dict.fromkeys(wanted):
        folder = pulled_folder(name)
        if folder is None:
            raise UsageError(f"{name!r} is not here.", f"Run: hyoid models pull {name}")
        folders.append(folder)
    target = public_weights.pack(folders, out)
    signed = "unsigned"
    if sign_with is not None:
        signature = sign(target, sign_with, f"hyoid models: {', '.join(dict.fromkeys(wanted))}")
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


def prefer(source: str, structures: Sequence[str]) -> None:
    """Put a network first for some structures in the user's own table of sources.

    Parameters
    ----------
    source : str
        Package, fetched weights, or nnU-Net folder.
    structures : sequence of str
        Structures to take from it; all that it outlines when empty.

    Raises
    ------
    UsageError
        When there is no such network, or it does not outline one of the structures.
    ModelUnusableError
        When it does not outline organs on CT.
    """
    able = organ_source(Entry(model=source)).manifest.supported
    # A folder with its whole path, so that it is found from anywhere.
    name = str(Path(source).resolve()) if Path(source).is_dir() else source
    table = tables_here()[0]
    for structure in structures or able:
        require_organ(structure)
        if structure not in able:
            raise UsageError(f"{source!r} does not outline {structure}.", f"{source!r} outlines: {', '.join(able)}.")
        table = table.with_first(structure, Ranked(source=name, why="your choice"))
    sources_file().parent.mkdir(parents=True, exist_ok=True)
    write_text(sources_file(), source_table_text(table))


def used_by(command: str, known: dict[str, PublicModel]) -> list[PublicModel]:
    """Find the public weights that a command uses, in the order of the table.

    Parameters
    ----------
    command : str
        Name of the command.
    known : dict of str to PublicModel
        Table of public weights.

    Raises
    ------
    UsageError
        When no weights are for that command.
    """
    found = [model for model in known.values() if command in model.used_by]
    if not found:
        commands = sorted({name for model in known.values() for name in model.used_by})
        raise UsageError(f"There are no public weights for {command!r}.", f"Choose one of: {', '.join(commands)}.")
    return found


def _tell_plan(model: PublicModel, terminal: Terminal, *, here: bool) -> None:
    said = ", here already" if here else ""
    terminal.say(f"{model.name}: {_size(model)}, {_licence(model)}, from {model.source.page}{said}")
    if model.structures:
        terminal.say(f"  outlines {', '.join(model.structures.values())}")
    about = {"bytes": model.bytes, "licence": model.licence, "source": model.source.page, "here": here}
    terminal.event("plan", model=model.name, **about)


def _tell_sum(chosen: Sequence[PublicModel], fetched_for: str, terminal: Terminal) -> None:
    stated, unknown = sum(model.bytes or 0 for model in chosen), sum(model.bytes is None for model in chosen)
    more = f", and {unknown} whose size is not stated" if unknown else ""
    terminal.say(f"{len(chosen)} model(s): {stated / 1e6:.0f} MB{more}.")
    if fetched_for:
        terminal.say(USED[fetched_for])


def _size(model: PublicModel) -> str:
    return f"{model.bytes / 1e6:.0f} MB" if model.bytes else "size not stated"


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
