"""`hyoid card` for the networks of `make weights`, by the folders that it leaves: docs/cards.md has the commands.

    python scripts/measure_models.py organs|tumour|sgrnet|template WORK VALIDATION [--figure FILE] [--against PACKAGE]
    python scripts/measure_models.py organs WORK VALIDATION --dry-run

A package of an earlier training that does not state who taught it gets that statement first.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hyoid.interfaces.cli.main import main as hyoid
from hyoid.io.packages.model_package import LearnedFrom, read_manifest, write_manifest

NOTES = Path(__file__).resolve().parents[1] / "src" / "hyoid" / "weights"


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=("organs", "tumour", "sgrnet", "template"))
    parser.add_argument("work", type=Path)
    parser.add_argument("validation", type=Path)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--dry-run", action="store_true")
    asked = parser.parse_args()
    work, validation = asked.work, asked.validation
    package = {name: work / name / "package" for name in ("organs", "neck", "tumour", "sgrnet", "sgrnet-template")}
    outlining = ["--organs", package["organs"], "--organs", package["neck"]]
    beside = [f"ct_only={work / 'sgrnet-ct-only' / 'package'}"] + ([f"before={asked.against}"] if asked.against else [])
    held_out = sorted(work.glob("sgrnet-template-?/held_out.json"))
    words: dict[str, list[str | Path]] = {
        "organs": [package["organs"], package["neck"], "--virtual", work / "virtual-held-out"],
        "tumour": [package["tumour"]],
        "sgrnet": [package["sgrnet"], *outlining, "--tumour", package["tumour"], *_each("--beside", beside)],
        "template": [
            package["sgrnet-template"], *outlining, "--virtual", work / "virtual-template-held-out",
            *_each("--held-out", held_out),
        ],
    }  # fmt: skip
    order = [*words[asked.model], "--data", validation, "--whom", "OpenKBP's validation split", "--notes", NOTES]
    order += ["--figure", asked.figure] if asked.figure else []
    order += ["--dry-run"] if asked.dry_run else []
    for folder in package.values():
        if folder.is_dir() and folder in order:
            state_teachers(folder)
    sys.argv = ["hyoid", "card", *map(str, order)]
    hyoid()


def state_teachers(folder: Path) -> None:
    """Write who taught a default package into its manifest, where that is not stated."""
    manifest = read_manifest(folder)
    if manifest.learned_from != LearnedFrom():
        return
    virtual = set(manifest.recipe.get("virtual_only", ()))
    if manifest.preprocessing.get("heatmap") == "outline":
        virtual = set(manifest.labels)
    told = LearnedFrom(
        real=tuple(name for name in manifest.labels if name not in virtual),
        virtual=tuple(name for name in manifest.labels if name in virtual),
    )
    write_manifest(folder, manifest.model_copy(update={"learned_from": told}))


def _each(option: str, values: list[str] | list[Path]) -> list[str | Path]:
    return [word for value in values for word in (option, value)]


if __name__ == "__main__":
    main()
