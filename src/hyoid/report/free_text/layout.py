"""Layout that says something: tables with a column per side, forms, boxes, questions with answers; as sentences.

A reader takes "II | 0 | 3 (24 mm)" under "Level | Right | Left" for "three nodes in left level II, 24 mm". Here such
lines become those words, each with the lines that it was taken from; everything else stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hyoid.report.free_text.numerals import in_words, number_in
from hyoid.report.free_text.spelling import plain
from hyoid.report.free_text.vocabulary import NODE_WORDS, mentions_in

_SIDE_CELL = re.compile(r"(?:the )?(?P<side>right|left|r|l|rt|lt)\.?(?:[- ]?(?:hand )?(?:sided?|neck))?", re.IGNORECASE)
_LEVEL_CELL = re.compile(
    r"(?:levels?|stations?)?\s*(?P<level>(?:VII|VI|IV|V|III|II|I|[1-7])(?: ?[ab](?:/[ab])?)?)", re.IGNORECASE
)
_OF_NODES = re.compile(rf"\b(?:levels?|stations?|{NODE_WORDS})\b", re.IGNORECASE)
_RULE = re.compile(r"[\s|:+=-]+")
_LEGEND = re.compile(r"\s*\(?\s*(?:[-+?]|\+/-)\s*[=:]?\s*[A-Za-z ]+[,;]\s*(?:[-+?]|\+/-)")
_NONE = re.compile(r"(?:0|o|nil|none|no|-|normal|clear|negative|(?:no|not|without) .*)", re.IGNORECASE)
_YES = re.compile(r"(?:yes|y|present|positive|\+{1,3}|involved|affected)\b|\+{1,3}$", re.IGNORECASE)
_NO = re.compile(r"(?:no|n|nil|none|absent|negative|not (?:involved|seen|present|reached|invaded))\b|-$", re.IGNORECASE)
_DOUBT = re.compile(
    r"(?:\+ ?/ ?-|\u00b1|\(\+\)|\?)$|.*\b(?:doubtful|possibl[ey]|probabl[ey]|suspected|unclear|equivocal|uncertain|perhaps|maybe|can ?not be excluded)\b",
    re.IGNORECASE,
)
_BOX = re.compile(
    r"[\[(](?P<mark>[ xXvV\u2713\u2714]?)[\])]\s*(?P<label>[^\[\]()]+?)(?=\s*(?:[\[(][ xXvV\u2713\u2714]?[\])]|[;,.]?$))"
)
_QUESTION = re.compile(r"\s*(?:[QF]?\d{1,2}[.):]?\s+)?(?P<label>[A-Z][^?]{3,80})\?\s+(?P<value>\S.*)")
_FIELD = re.compile(r"\s*(?P<label>[A-Za-z][^:|?=]{0,60}?)\s*(?:\.{2,}|[:=]|\s-\s|\s{2,})\s*(?P<value>\S.*)")
_LEADER = re.compile(r"\.{3,}")
_BULLET = re.compile(r"^\s*(?:[-*\u2022]\s+)?")
_LONGEST_MARKED = 200  # characters of a line that answers by a mark
_LEAST_FIELDS, _LEAST_SHARE, _LONGEST_VALUE, _LONGEST_LABEL = 4, 0.6, 70, 6

_SITE = re.compile(
    r"(?:primary|tumou?r|lesion|mass)?(?: ?(?:site|location|seat))|primary|tumou?r|where|origin|(?:in |at )?which (?:structure|site|organ)",
    re.IGNORECASE,
)
_LATERALITY = re.compile(r"(?:tumou?r |primary )?(?:laterality|side)", re.IGNORECASE)
_SIZE = re.compile(
    r"(?:(?:tumou?r|lesion|mass|primary|greatest|largest|max(?:imum)?|longest)\b[ ,.]*)*(?:size|dimensions?|diameter|extent|measurements?)|how (?:large|big)",
    re.IGNORECASE,
)
_NODE_LABEL = re.compile(
    rf"\b(?:{NODE_WORDS})\b|^n\b[ ,-]|^(?:on |at |in )?which (?:side|levels?)$|^the largest$|^how many$|^levels?\b|^number$",
    re.IGNORECASE,
)
_LARGEST = re.compile(r"\b(?:largest|greatest|size|biggest|max\w*|diameter)\b", re.IGNORECASE)
_LEVELS = re.compile(r"\b(?:levels?|stations?)\b", re.IGNORECASE)
_NUMBER = re.compile(r"\b(?:number|count|how many|total)\b|^n$", re.IGNORECASE)
_SIDED = re.compile(r"\b(right|left|both|bilateral)\b", re.IGNORECASE)
_EXTRANODAL = re.compile(r"\b(?:extra-?(?:nodal|capsular)\w*|ene|ecs|ece)\b", re.IGNORECASE)
_THEN = re.compile(r"\b(?:prior|previous(?:ly)?|earlier|before|baseline|formerly|last|ago)\b", re.IGNORECASE)
"""What is said of an earlier scan keeps its words."""
_MARGINAL = re.compile(r"\b(?:technique|indication|question|history|comparison|contrast|date|reason)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """Lines of a report and what their layout says.

    Parameters
    ----------
    source : str
        The lines as they stand in the report, joined by blanks.
    words : str
        The same as a sentence.
    """

    source: str
    words: str


Piece = str | Row


def pieces_of(text: str) -> tuple[Piece, ...]:
    """Divide a report into lines as they are and rows whose layout was read, in order.

    Parameters
    ----------
    text : str
        Report without identifiers.

    Examples
    --------
    >>> rows = pieces_of("Level   Right   Left\\nII   0   2 (14 mm)\\nIII   0   1\\nLarynx normal.")
    >>> rows[0].words
    'two nodes in left level II (14 mm), one node in left level III; no nodes on the right.'
    >>> rows[1]
    'Larynx normal.'
    """
    given = text.splitlines()
    lines = [_without_bars(line) for line in given]
    form = _form_lines(lines)
    asked = sum(_QUESTION.fullmatch(line) is not None for line in lines) >= 3
    found: list[Piece] = []
    at = 0
    while at < len(lines):
        table = _side_table(lines, at)
        if table is not None:
            rows, at = table
            found += rows
            continue
        marked = _marked(lines[at])
        if marked:
            found += marked
            at += 1
            continue
        end = at
        fields: list[tuple[str, str, str]] = []
        while end < len(lines) and _side_table(lines, end) is None:
            if _marked(lines[end]) or (field := _field(lines[end], end, form, asked=asked)) is None:
                break
            fields.append(field)
            end += 1
        end = max(end, at + 1)
        if any(label for _, label, _ in fields):
            found += _form_rows(fields)
        else:
            for line in lines[at:end]:
                found += _boxes(line) or [line]
        at = end
    return tuple(_as_given(piece, lines, given) for piece in found)


_MARK = r"\+{1,3}|\+ ?/ ?-|\u00b1|-|\u2013|\?|0|yes|no|y|n|present|absent|positive|negative|clear|free|normal|spared|involved|possible|equivocal"
_ASIDE = r"(?P<aside>\s*\([^()]*\)|[,;] .*)?"
_BY_SIDE = re.compile(
    rf"\s*(?:[-*\u2022]\s+)?(?P<label>[A-Za-z][^:|=\t]*?)[ ,]*\(?\b(?P<first>R|L|Rt|Lt|right|left) ?/ ?(?P<second>R|L|Rt|Lt|right|left)\b\)?\s*[:=]?\s*(?P<one>{_MARK}) ?/ ?(?P<two>{_MARK}){_ASIDE}\s*",
    re.IGNORECASE,
)
_SIDE_VALUES = re.compile(
    rf"\s*(?:[-*\u2022]\s+)?(?P<label>[A-Za-z][^:|=\t]*?)\s*[:=]\s*(?P<first>right|left|rt|lt|r|l)[ :=-]+(?P<one>{_MARK})[,;/ ]+(?:and )?(?P<second>right|left|rt|lt|r|l)[ :=-]+(?P<two>{_MARK}){_ASIDE}\s*",
    re.IGNORECASE,
)
_ONE_VALUE = re.compile(
    rf"\s*(?:[-*\u2022]\s+)?(?P<label>[A-Za-z][^:|=\t?]*?)(?:\s*[:=]\s*|\t\s*|\s{{2,}}|\s+(?=[-+?]))(?P<one>\+{{1,3}}|\+ ?/ ?-|\u00b1|-|\?|yes|no|present|absent){_ASIDE}\s*",
    re.IGNORECASE,
)


def _marked(line: str) -> list[Piece]:
    """Rows of a line that answers by marks: "false cords R/L  +/-", "Tonsil: right yes, left no", "vallecula  +"."""
    if len(line) > _LONGEST_MARKED:
        return []
    source = " ".join(line.split())
    match = _BY_SIDE.fullmatch(line) or _SIDE_VALUES.fullmatch(line)
    if match is not None:
        if not mentions_in(plain(match["label"])) or match["first"][0].lower() == match["second"][0].lower():
            return []
        named = {"r": "right", "l": "left"}
        pairs = ((match["first"], match["one"]), (match["second"], match["two"]))
        return [Row(source, f"{named[s[0].lower()]} {match['label'].strip()}: {_state(value)}.") for s, value in pairs]
    match = _ONE_VALUE.fullmatch(line)
    if match is None:
        return []
    places = mentions_in(plain(match["label"]))
    if _EXTRANODAL.search(match["label"]):
        return []
    if not places or not any(place.term.keys for place in places) or len(match["label"].split()) > _LONGEST_LABEL:
        return []
    side = _side_in(match["aside"] or "")
    label = f"{side} {match['label'].strip()}" if side and not _side_in(match["label"]) else match["label"].strip()
    return [Row(source, f"{_asked(label, match['one'])}.")]


_NUMBERED = re.compile(r"\s*(?:Q?\d{1,2}|#)\s*\|\s*(?P<label>[^|]+?)\s*\|\s*(?P<value>[^|]+?)\s*\|?\s*")


def _without_bars(line: str) -> str:
    """A numbered row as label and value: "3 | Tonsil | free" as "Tonsil: free", "1.2 Side: left" as "Side: left"."""
    match = _NUMBERED.fullmatch(line)
    if match is None:
        return re.sub(r"^\s*\d{1,2}(?:\.\d{1,2})+\s+(?=[A-Za-z].*(?:\.{2,}|[:=]))", "", line)
    return f"{match['label']}: {match['value']}"


def _as_given(piece: Piece, lines: Sequence[str], given: Sequence[str]) -> Piece:
    """A row whose source is that of the report, where its lines were read without bars or numbers."""
    if isinstance(piece, str):
        own = next((own for line, own in zip(lines, given, strict=True) if line == piece != own), None)
        return piece if own is None or piece in given else Row(" ".join(own.split()), piece)
    source = piece.source
    for line, own in zip(lines, given, strict=True):
        if line != own:
            source = source.replace(" ".join(line.split()), " ".join(own.split()), 1)
    return Row(source, piece.words)


def _cells(line: str) -> list[str]:
    """Cells of a line of a table: between bars, tabs or two blanks."""
    if "|" in line:
        return [cell.strip() for cell in line.strip().strip("|").split("|")]
    return [cell.strip() for cell in re.split(r"\t+|\s{2,}", line.strip())]


def _side_table(lines: Sequence[str], at: int) -> tuple[list[Piece], int] | None:
    """Rows of a table whose last two columns are the two sides, and the line behind it; None where there is none."""
    head = _cells(lines[at])
    sides = [match["side"][0].lower() if (match := _SIDE_CELL.fullmatch(cell)) else "" for cell in head[-2:]]
    if sorted(sides) != ["l", "r"] or len(head) > 3:
        return None
    named = [{"r": "right", "l": "left"}[side] for side in sides]
    context = head[0] if len(head) == 3 else ""
    body: list[tuple[str, list[str]]] = []
    end = at + 1
    while end < len(lines) and lines[end].strip():
        if not _RULE.fullmatch(lines[end]):
            cells = _cells(lines[end])
            if len(cells) != 3:
                break
            body.append((lines[end], cells))
        end += 1
    if not body:
        return None
    if end < len(lines) and _LEGEND.match(lines[end]):
        end += 1
    rows: list[Piece] = []
    nodal: list[tuple[str, list[str]]] = []
    for line, cells in body:
        level = _LEVEL_CELL.fullmatch(cells[0])
        if level is not None and (
            _OF_NODES.search(context) or level.group() != level["level"] or len(level["level"]) > 1
        ):
            nodal.append((line, [level["level"], *cells[1:]]))
            continue
        for side, cell in zip(named, cells[1:], strict=True):
            if cell:
                rows.append(Row(" ".join(line.split()), f"{_sided_state(side, cells[0], cell)}."))
    if nodal:
        rows.append(_node_row(nodal, named))
    return rows, end


def _sided_state(side: str, label: str, cell: str) -> str:
    """What the cell of one side says of the label of its row."""
    if _EXTRANODAL.search(label):
        return f"Extranodal extension on the {side}: {_extranodal(cell)}"
    if re.fullmatch(rf"(?:(?:neck|cervical|regional) )?{NODE_WORDS}", label, re.IGNORECASE):
        return f"no nodes on the {side}" if _NONE.fullmatch(cell) else f"{side} nodes: {cell}"
    return f"{side} {label}: {_state(cell)}"


def _state(value: str) -> str:
    """A cell or an answer as words: signs, yes and no become states."""
    if _DOUBT.match(value):
        return "equivocal"
    if _YES.match(value):
        return f"involved{value[3:]}" if value[:3].lower() == "yes" else "involved"
    if _NO.fullmatch(value) or value in ("0", "-"):
        return "not involved"
    return value


def _node_row(rows: list[tuple[str, list[str]]], sides: list[str]) -> Row:
    """All nodes of a table in one sentence, level by level."""
    told, clear = [], dict.fromkeys(sides, True)
    for _, (level, *cells) in rows:
        for side, cell in zip(sides, cells, strict=True):
            if not cell or _NONE.fullmatch(cell):
                continue
            clear[side] = False
            told.append(_nodes_words(cell, f"in {side} level {level}"))
    empty = [side for side in sides if clear[side]]
    words = [", ".join(told)] if told else []
    words += ["no enlarged nodes"] if len(empty) == 2 else [f"no nodes on the {empty[0]}"] if empty else []
    return Row(" ".join(" ".join(line.split()) for line, _ in rows), f"{'; '.join(words)}.")


def _nodes_words(value: str, where: str) -> str:
    """ "3 (largest 24 mm)" as "3 nodes in left level II (largest 24 mm)"."""
    number, rest = number_in(value)
    rest = re.sub(rf"^\s*(?:{NODE_WORDS})\b", "", rest, flags=re.IGNORECASE).strip()
    noun = "node" if number == 1 else "nodes"
    # In words: a digit behind a level would read as one.
    head = f"{in_words(number)} {noun}" if number is not None else noun
    joint = "" if not rest or rest[0] in "(," else ", "
    return f"{head} {where}{' ' if rest.startswith('(') else ''}{joint}{rest}".rstrip(" .")


def _form_lines(lines: Sequence[str]) -> frozenset[int]:
    """Numbers of the lines that belong to a form: short values behind labels, many in a row."""
    found: set[int] = set()
    start = 0
    for end in range(len(lines) + 1):
        if end < len(lines) and lines[end].strip():
            continue
        block = range(start, end)
        fields = [n for n in block if _short_field(lines[n]) or _BOX.search(lines[n])]
        if len(fields) >= _LEAST_FIELDS and len(fields) >= _LEAST_SHARE * len(block):
            found.update(block)
        start = end + 1
    return frozenset(found)


def _short_field(line: str) -> bool:
    match = _FIELD.fullmatch(line)
    return match is not None and len(match["value"]) <= _LONGEST_VALUE and len(match["label"].split()) <= 7


def _field(line: str, at: int, form: frozenset[int], *, asked: bool) -> tuple[str, str, str] | None:
    """Line, label and value of a field of a form, or of a question with its answer; no label where only its words count."""
    question = _QUESTION.fullmatch(line) if asked else None
    if question is not None:
        return line, question["label"], question["value"].rstrip(".")
    if at not in form or "[" in line:
        return None
    match = _FIELD.fullmatch(_BULLET.sub("", line))
    if match is None or not _short_field(line):
        return line, "", ""
    label, value = match["label"].strip(" ."), match["value"].strip()
    if (
        _LEADER.search(line)
        or _listed_nodes(label, value)
        or _kind(label)
        or (mentions_in(plain(label)) and (_YES.match(value) or _NO.fullmatch(value)))
    ):
        return line, label, value.rstrip(".")
    return line, "", ""


def _kind(label: str) -> str:
    """What a field asks for: "site", "side", "size", "node", "extranodal", or empty."""
    if _EXTRANODAL.search(label):
        return "extranodal"
    if _NODE_LABEL.search(label) and not mentions_in(plain(label)):
        return "node" if _NODE_FIELD.search(label) else ""
    for kind, pattern in (("site", _SITE), ("side", _LATERALITY), ("size", _SIZE)):
        if pattern.fullmatch(label.strip()):
            return kind
    return ""


_NODE_FIELD = re.compile(
    rf"{_LARGEST.pattern}|{_LEVELS.pattern}|{_NUMBER.pattern}|\bside\b|^(?:{NODE_WORDS})[ ,]*(?:\(?(?:right|left)\)?)$",
    re.IGNORECASE,
)


def _form_rows(fields: list[tuple[str, str, str]]) -> list[Piece]:
    """Rows of the fields of a form: site with side, size, nodes together, states of structures; the rest as it is."""
    kinds = [_kind(label) for _, label, _ in fields]
    for number, (_, label, _) in enumerate(fields[1:], start=1):
        if kinds[number - 1] == "node" and re.fullmatch(r"(?:its|their|the) size", label, re.IGNORECASE):
            kinds[number] = "node"
    sided = _side_in(next((value for kind, (_, _, value) in zip(kinds, fields, strict=True) if kind == "side"), ""))
    nodal = [n for n, kind in enumerate(kinds) if kind == "node"]
    rows: list[Piece] = []
    for number, (kind, (line, label, value)) in enumerate(zip(kinds, fields, strict=True)):
        source = " ".join(line.split())
        if not label:
            rows.append(line)
            continue
        if kind == "side" or _MARGINAL.search(label):
            continue
        if kind == "site" and mentions_in(plain(value)):
            place = value[0].lower() + value[1:] if value[1:2].islower() else value
            own = "" if _side_in(value) or not sided else f"{sided} "
            rows.append(Row(source, f"Tumour of the {own}{place}."))
        elif kind == "size":
            rows.append(Row(source, f"The mass measures {value}."))
        elif kind == "extranodal":
            rows.append(Row(source, f"Extranodal extension: {_extranodal(value)}."))
        elif kind == "node":
            if number == nodal[0]:
                rows.append(_node_form([fields[n] for n in nodal], fields[nodal[0] : nodal[-1] + 1]))
        else:
            rows.append(Row(source, f"{_listed_nodes(label, value) or _asked(label, value)}."))
    return rows


_LISTED_NODES = re.compile(
    r"\b(?P<count>one|two|three|four|five|six|seven|eight|nine|ten|\d{1,2}) (?P<side>right|left) (?:level )?"
    r"(?P<level>(?:VII|VI|IV|V|III|II|I)[ab]?)\b",
    re.IGNORECASE,
)


def _listed_nodes(label: str, value: str) -> str:
    """ "Two left IIb and one right III; MAX=29 mm" as a sentence; empty for other values."""
    if not re.fullmatch(NODE_WORDS, label, re.IGNORECASE) or not _LISTED_NODES.search(value):
        return ""
    told, _, more = value.partition(";")
    words = [
        _nodes_words(match["count"], f"in {match['side'].lower()} level {match['level']}")
        for match in _LISTED_NODES.finditer(told)
    ]
    size = re.search(r"\d.*", more) if _LARGEST.search(more) else None
    return ", ".join(words) + (f", the largest {size.group()}" if size else "")


def _side_in(text: str) -> str:
    """First side that a label or value names: "right", "left", "both" or "bilateral"; empty without one."""
    match = _SIDED.search(text)
    return match.group(1).lower() if match else ""


def _extranodal(value: str) -> str:
    return (
        "suspected"
        if _DOUBT.match(value)
        else "present"
        if _YES.match(value)
        else "absent"
        if _NO.match(value)
        else value
    )


def _asked(label: str, value: str) -> str:
    """A field or question on a structure as a statement: "Does it reach the tonsil?" - "Yes" as "tonsil: involved"."""
    words = plain(label)
    places = mentions_in(words)
    answers = _DOUBT.match(value) or _YES.match(value) or _NO.match(value)
    if not places or not answers or _THEN.search(value):
        return f"{label}: {value}"
    denied = re.search(r"\b(?:free|spared|normal|intact|preserved)\b", words) is not None
    side = _side_in(f"{label} {value}")
    named = words[places[0].start : places[-1].end]
    said = "equivocal" if _DOUBT.match(value) else "involved" if bool(_YES.match(value)) != denied else "not involved"
    return f"{f'{side} ' if side and side not in named else ''}{named}: {said}"


def _where(side: str) -> str:
    """Words for a side that `_side_in` found; empty without one."""
    if side in ("both", "bilateral"):
        return " on both sides"
    return f" on the {side}" if side else ""


def _node_form(fields: list[tuple[str, str, str]], stretch: list[tuple[str, str, str]]) -> Row:
    """All fields on nodes in one sentence."""
    told: list[str] = []
    where = levels = size = ""
    count: int | None = None
    for _, label, value in fields:
        side = _side_in(label)
        if _LARGEST.search(label):
            size = f", the largest {value}"
        elif _LEVELS.search(label):
            levels = f" in level {value}"
        elif re.search(r"\bside\b", label, re.IGNORECASE):
            where = _where(_side_in(value))
        elif side:
            number, rest = number_in(value)
            if number == 0 or (number is None and _NONE.fullmatch(value)):
                told.append(f"no nodes on the {side}")
            else:
                level = re.match(r"[ ,]*(?:levels? )?((?:and|&|,|\s|[IViv]+[abAB]?|[1-6][ab]?)+?)(?=,|$|;|\s\d)", rest)
                if level and level.group(1).strip(" ,"):
                    told.append(
                        f"{in_words(number) if number else ''} nodes in {side} level {level.group(1).strip(' ,')}{rest[level.end() :]}"
                    )
                else:
                    told.append(_nodes_words(value, f"on the {side}"))
        else:
            count, _ = number_in(value)
            where = _where(_side_in(value)) or where
    positive = [words for words in told if not words.startswith("no ")]
    if count is not None:
        told.insert(0, f"{in_words(count)} nodes{where}{levels}{size}" if count else "no enlarged nodes")
    elif positive and (levels or size):
        told[told.index(positive[-1])] = f"{positive[-1]}{levels}{size}"
    elif levels or size or where:
        told.append(f"nodes{where}{levels}{size}")
    order = [w for w in told if not w.startswith("no ")] + [w for w in told if w.startswith("no ")]
    return Row(" ".join(" ".join(line.split()) for line, *_ in stretch), f"{'; '.join(order)}.")


def _boxes(line: str) -> list[Piece]:
    """Rows of a line of boxes; none where the line holds none."""
    found = list(_BOX.finditer(line))
    if not found or not any("[" in match.group() for match in found):
        return []
    source = " ".join(line.split())
    rows: list[Piece] = []
    for match in found:
        label = match["label"].strip(" ;,.")
        places = mentions_in(plain(label))
        if any(not place.term.is_region for place in places) or (places and match["mark"].strip()):
            rows.append(Row(source, f"{label}: {'tumour' if match['mark'].strip() else 'not involved'}."))
    return rows
