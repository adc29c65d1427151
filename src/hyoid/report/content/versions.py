"""Opening reports of any schema version; the older ones become what they would be today."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from hyoid.anatomy.structures import STRUCTURES
from hyoid.errors import UnreadableFileError
from hyoid.report.content.schema import SCHEMA_VERSION, Report
from hyoid.report.content.template import ADDENDUM, FIELDS, TARGET

_OUTSIDE_1 = "Outside the template"
_NO_OUTLINE = "Not assessed: no outline"
_TITLES = {"CT": "CT of the head and neck", "PT/CT": "PET/CT of the head and neck", "MR": "MR of the head and neck"}
_NAMES = {s.words: s.name for s in STRUCTURES}


def open_report(text: str) -> Report:
    """Read a `report.json`, whatever version of the schema the file was written in.

    Parameters
    ----------
    text : str
        Content of the file.

    Raises
    ------
    UnreadableFileError
        When it is no report, or one of a later version.
    """
    try:
        content = json.loads(text)
        version = content["schema_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableFileError("The file is no report.json of hyoid.", "Give the file that a run wrote.") from error
    if version == "1.0":
        content = _from_1(content)
    elif version != SCHEMA_VERSION:
        raise UnreadableFileError(
            f"The report has schema version {str(version)[:20]!r}; this hyoid reads 1.0 and {SCHEMA_VERSION}.",
            "Use the hyoid that wrote it, or a later one.",
        )
    try:
        return Report.model_validate(content)
    except ValidationError as error:
        raise UnreadableFileError(
            f"The report does not fit schema version {version}: {error.error_count()} value(s) are wrong or missing.",
            "Give the file as the run wrote it.",
        ) from error


def _from_1(old: dict[str, Any]) -> dict[str, Any]:
    """Content of version 1.0 in the form of this version."""
    content = dict(old)
    modality = (content.get("study") or {}).get("modality", "")
    is_target = any(lesion.get("kind") == "target region" for lesion in content.get("lesions", ()))
    content["schema_version"] = SCHEMA_VERSION
    content["title"] = _TITLES.get(modality, "Report of the head and neck")
    content["impression"] = [{"words": content.pop("summary", "")}]
    lines: list[dict[str, Any]] = []
    moved: list[dict[str, Any]] = []
    for line in content.get("lines", ()):
        new, target = _line_from_1(line, is_target=is_target)
        moved += [target] if target else []
        lines += [new] if new else []
    content["lines"] = lines + moved
    content["lesions"] = [_lesion_from_1(lesion) for lesion in content.get("lesions", ())]
    content["missing_organs"] = [
        {"name": _NAMES.get(words, words), "words": words, "why": "looked for and not found"}
        for words in content.get("missing_organs", ())
    ]
    return content


def _line_from_1(line: dict[str, Any], *, is_target: bool) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """A line, and the line of the target's section that it becomes where it spoke of a predicted target."""
    new = dict(line)
    if new.get("section") == _OUTSIDE_1:
        new["section"] = ADDENDUM
    if new.get("status") == "measured" and any(e.get("status") == "model" for e in new.get("evidence", ())):
        new["status"] = "model, measured"
    if not is_target or new.get("status") != "model":
        return new, None
    target = new | {"key": f"target_{new['key']}", "section": TARGET}
    if new["key"] not in {field.key for field in FIELDS}:
        return None, target
    blank = {name: new[name] for name in ("key", "words", "section")}
    return blank | {"value": _NO_OUTLINE, "status": "Missing"}, target


def _lesion_from_1(lesion: dict[str, Any]) -> dict[str, Any]:
    kind, number = lesion.get("kind"), lesion.get("lesion")
    if kind == "GTVp":
        role = "index lesion" if number == 1 else "further focus"
    else:
        role = "node" if kind == "GTVn" else "target region"
    return lesion | {"role": role}
