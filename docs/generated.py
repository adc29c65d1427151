"""Pages that are made from the code, so that they cannot go stale: commands, schemas, recipes."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from typer.main import get_command

from hyoid.interfaces.cli.main import app
from hyoid.report.content.schema import json_schema
from hyoid.training.recipe import load_recipe, recipe_names


def write(folder: Path) -> None:
    """Write the generated pages into `reference`, where they changed."""
    pages = {"cli.md": cli_page(), "schemas.md": schemas_page(folder), "recipes.md": recipes_page()}
    for name, text in pages.items():
        path = folder / "reference" / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def cli_page() -> str:
    """Write every command with its options."""
    rows = [
        "# Command line",
        "",
        "This page lists every command with its options, as the command line has them.",
        "",
        "Exit codes: 0 done, 2 wrong usage, 3 input refused, 4 model unusable, 5 finished but empty or in doubt.",
        "",
    ]
    for name, command in sorted(commands(get_command(app))):
        rows += [f"## hyoid {name}", "", _escaped((command.help or "").strip()), ""]
        given = [p for p in command.params if p.param_type_name == "argument"]
        arguments = " ".join(p.metavar or p.name.upper() for p in given)
        rows += ["```text", f"hyoid {name} {arguments} [OPTIONS]".replace("  ", " "), "```", ""]
        options = [p for p in command.params if p.name != "help"]
        if options:
            rows += ["| option | does | default |", "|---|---|---|"]
        for option in options:
            spelled = "/".join((*option.opts, *option.secondary_opts))
            if option.param_type_name == "argument":
                spelled = option.metavar or option.name.upper()
            words = _escaped(getattr(option, "help", "") or "")
            default = option.default
            shown = "" if default in (None, (), [], "", False) or callable(default) else f"`{default}`"
            rows.append(f"| `{spelled}` | {words} | {shown} |")
        rows.append("")
    return "\n".join(rows)


def commands(group: Any, above: str = "") -> list[tuple[str, Any]]:
    """List every command with its whole name."""
    found = []
    for name, command in group.commands.items():
        whole = f"{above} {name}".strip()
        found += commands(command, whole) if hasattr(command, "commands") else [(whole, command)]
    return found


def schemas_page(folder: Path) -> str:
    """Write the members of `report.json` and `run.json`."""
    run = json.loads((folder / "run.schema.json").read_text(encoding="utf-8"))
    rows = [
        "# Schemas",
        "",
        "This page lists the members of the JSON files that a run leaves, for programs that read these.",
        "",
        "Both files have a version of their own; a changed meaning is a new version.",
        "",
    ]
    for name, schema in {"report.json": json_schema(), "run.json": run}.items():
        rows += [f"## {name}", "", "| member | type | must be there |", "|---|---|---|"]
        needed = set(schema.get("required", ()))
        for member, facts in schema["properties"].items():
            rows.append(f"| `{member}` | {_type(facts)} | {'yes' if member in needed else 'no'} |")
        rows.append("")
    rows += ["The whole schema of `run.json`: {download}`run.schema.json <../run.schema.json>`.", ""]
    return "\n".join(rows)


def recipes_page() -> str:
    """Write what can be trained, with presets."""
    rows = ["# Recipes", "", "This page lists what `hyoid train` can train, and the presets of each recipe.", ""]
    rows += ["| recipe | task | presets |", "|---|---|---|"]
    for name in recipe_names():
        presets = ", ".join(f"`{preset}`" for preset in _presets(name))
        rows.append(f"| `{name}` | {load_recipe(name).task} | {presets} |")
    return "\n".join([*rows, ""])


def _presets(name: str) -> list[str]:
    text = (files("hyoid") / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
    return sorted(yaml.safe_load(text).get("presets", {}))


def _type(facts: dict[str, Any]) -> str:
    if "$ref" in facts:
        return facts["$ref"].rsplit("/", 1)[-1]
    if "anyOf" in facts:
        return " or ".join(_type(part) for part in facts["anyOf"])
    if facts.get("type") == "array":
        return f"list of {_type(facts.get('items', {}))}"
    return facts.get("type", "any")


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ").replace("*", "\\*")
