"""`hyoid structure`: a free-text radiology report -> the template, every answer with the sentence it came from."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from hyoid.errors import UnreadableFileError, UsageError
from hyoid.interfaces.cli.options import AsJson
from hyoid.interfaces.terminal import Terminal
from hyoid.io.atomic import write_text
from hyoid.report.content.schema import Report
from hyoid.report.free_text.agreement import BothEngine
from hyoid.report.free_text.chat import ChatEngine
from hyoid.report.free_text.structure import Engine, fill_with_rules, structure_text
from hyoid.report.pages.text import quoted_text

KEY_VARIABLE = "HYOID_CHAT_KEY"
_EMPTY = 5
_LONGEST_FILE = 2_000_000  # bytes; reports have a few thousand


def structure(
    report: Annotated[Path, typer.Argument(help="Text file with one radiology report of the head and neck.")],
    out: Annotated[
        Path | None, typer.Option(help="JSON file, or text where the name ends in .txt; else text to standard output.")
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            help="Engine: rules (offline), chat (an OpenAI-compatible endpoint) or both (what both agree on)."
        ),
    ] = "rules",
    endpoint: Annotated[
        str,
        typer.Option(
            help="Address for --engine chat or both, or llama.cpp or ollama for a server on this machine. "
            "The report's text is sent there."
        ),
    ] = "",
    model: Annotated[str, typer.Option(help="Model for --engine chat or both.")] = "",
    timeout_s: Annotated[float, typer.Option(min=1.0, help="Longest wait for each answer of the endpoint.")] = 120.0,
    as_json: AsJson = False,
) -> None:
    """Fill the template from a free-text report. Research use only.

    The key of a chat endpoint is read from the environment variable HYOID_CHAT_KEY.
    """
    terminal = Terminal(as_json=as_json)
    chosen = _engine(engine, endpoint, model, timeout_s)
    text = _read(report)
    terminal.progress("structure", 0, 1)
    result = structure_text(text, chosen)
    terminal.progress("structure", 1, 1)
    if out is not None:
        write_text(out, _written(result, out))
    elif not as_json:
        typer.echo(quoted_text(result))
    answered = sum(line.status != "Missing" for line in result.lines)
    contents = {} if out is not None else {"report": json.loads(result.model_dump_json())}
    terminal.event(
        "done", out=None if out is None else str(out), answered=answered, warnings=list(result.warnings), **contents
    )
    for warning in result.warnings if out is not None else ():
        terminal.say(f"WARNING: {warning}")
    if out is not None:
        terminal.say(f"{answered} of {len(result.lines) - 1} lines answered, in {out}")
    if result.empty:
        raise typer.Exit(_EMPTY)


def _engine(name: str, endpoint: str, model: str, timeout_s: float) -> Engine:
    if name == "rules":
        if endpoint or model:
            raise UsageError(
                "--endpoint and --model belong to --engine chat and both.", "Add --engine chat, or leave them out."
            )
        return fill_with_rules
    if name in ("chat", "both"):
        chat = ChatEngine(endpoint, model, key=os.environ.get(KEY_VARIABLE, ""), timeout_s=timeout_s)
        return chat if name == "chat" else BothEngine(chat)
    raise UsageError(f"There is no engine {name!r}.", "Choose rules, chat or both.")


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _LONGEST_FILE:
            raise UnreadableFileError("The file is too long for one report.", "Give the text of one report.")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFileError("The file is not UTF-8 text.", "Save the report as plain text in UTF-8.") from error
    except OSError as error:
        raise UnreadableFileError(f"The file cannot be read ({error.strerror}).", "Check the path.") from error


def _written(report: Report, out: Path) -> str:
    return quoted_text(report) + "\n" if out.suffix == ".txt" else report.model_dump_json(indent=2) + "\n"
