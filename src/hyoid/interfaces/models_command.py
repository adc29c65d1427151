"""`hyoid models`: what is installed, what it was trained on, and whether it is intact."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from hyoid.errors import UsageError
from hyoid.interfaces.places import WEIGHTS
from hyoid.io.model_package import CARD, MANIFEST, read_manifest, read_package

app = typer.Typer(help="Model packages: list, info, verify.", no_args_is_help=True)


def packages() -> dict[str, Path]:
    """Folders of the packages that came with hyoid, by name."""
    return {p.parent.name: p.parent for p in sorted(WEIGHTS.glob(f"*/{MANIFEST}"))}


def package_folder(name: str) -> Path:
    """Folder of a package by name or path.

    Raises
    ------
    UsageError
        When there is none.
    """
    if (Path(name) / MANIFEST).is_file():
        return Path(name)
    if name not in packages():
        raise UsageError(f"There is no model {name!r}.", f"Choose one of: {', '.join(packages())}; or give a folder.")
    return packages()[name]


@app.command("list")
def list_models() -> None:
    """Say which models came with hyoid."""
    table = Table("model", "version", "what it does", "licence", "MB")
    for name, folder in packages().items():
        manifest = read_manifest(folder)
        megabytes = sum(p.stat().st_size for p in folder.iterdir()) / 1e6
        table.add_row(name, manifest.version, manifest.words.strip(), manifest.licence, f"{megabytes:.1f}")
    Console().print(table)


@app.command()
def info(name: Annotated[str, typer.Argument(help="Model name, or the folder of a package.")]) -> None:
    """Show a model's card: training data, measurements, limits."""
    folder = package_folder(name)
    read_manifest(folder)
    Console().print(Markdown((folder / CARD).read_text(encoding="utf-8")))


@app.command()
def verify(
    names: Annotated[list[str] | None, typer.Argument(help="Model names or folders; all that are installed.")] = None,
) -> None:
    """Check that weights are those of the manifest and can be read. Exit code 4 when not."""
    for name in names or packages():
        package = read_package(package_folder(name))
        count = sum(array.size for array in package.arrays().values())
        Console().print(
            f"{name}: intact, {count:,} weights, SHA-256 {package.manifest.sha256[:16]}...", highlight=False
        )
