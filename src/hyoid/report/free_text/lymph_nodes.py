"""Nodes in free text: groups by number, side and level, sizes, and what is said of their borders."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from hyoid.anatomy.structures import Side
from hyoid.report.free_text.node_levels import LEVELS, ONE_LEVEL, levels_in
from hyoid.report.free_text.sentences import Part, Sentence
from hyoid.report.free_text.sizes import Size, sizes_in
from hyoid.report.free_text.vocabulary import MASS_WORDS, NODE, NODE_WORDS, sides_in

MULTIPLE = -1
"""Stands for a number that is only called "multiple", "several", "few"."""

_SUBJECT = re.compile(
    rf"(?<![\w-])(?:(?P<node>(?:{NODE_WORDS})(?: (?:metasta\w+|mass(?:es)?|conglomerates?|deposits?))?|conglomerates?)|(?P<mass>{MASS_WORDS}|uptake)|(?P<other>airway|nodule|cyst|abscess|"
    r"collection|thyroid lobe))(?![\w])"
)
_SOON = 24  # characters in which a note under "Nodes:" names its level
_ALL_LEVELS = 5  # a denial for as many levels as I to V speaks of the whole neck
_NODES_ELSEWHERE = re.compile(
    r"\b(?:mediastin\w+|hil(?:ar|um)|axill\w+|inguinal|abdom\w+|pelvic|para-?aortic|mesenteric|internal mammary|epicardial|portocaval|iliac|"
    r"granulomatous|subcarinal|para-?tracheal (?!level)|pulmonary)\b"
)
_SEVERAL = ["multiple", "several", "few", "numerous", "many", "conglomerate", "conglomerated", "matted", "some"]
_COUNTS = {
    "a": 1, "an": 1, "one": 1, "single": 1, "solitary": 1, "two": 2, "both": 2, "couple": 2, "three": 3, "four": 4,
    "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, **dict.fromkeys(_SEVERAL, MULTIPLE),
}  # fmt: skip
_ADJECTIVES = r"(?:[a-z][\w-]*,? (?:and )?){0,6}?"
_COUNT = re.compile(
    rf"(?<![\w./-])(?P<count>{'|'.join(_COUNTS)}|\d{{1,2}}(?!\s*-?(?:cm|mm|milli|centi|x|\.|-|/|"
    rf"%)))\s+(?P<between>{_ADJECTIVES})(?P<what>{NODE_WORDS})(?![\w])"
)
_LEVEL_WITHOUT = re.compile(
    rf"\b(?:levels? )?{ONE_LEVEL}(?:(?:,| and|, and| to|-|/| &) ?(?:levels? )?{ONE_LEVEL})* ?[:-]? ?(?:is |are )?"
    r"(?:nil|none|clear|negative|normal|free|unremarkable)\b(?: (?:on )?(?:both sides|bilaterally|right|left)\b)?"
)
_GROWN_BY = re.compile(
    rf"\bby (?:the |an? )?(?:[a-z-]+ ){{0,2}}?(?:levels? )?{ONE_LEVEL} (?:lymph ?node|node|ln|nodal mass)\b"
)
"""A node that another place is reached by; the node is told elsewhere."""
_EACH = re.compile(r"\beach (?:with )?(?:one|a|1)\b|\b(?:one|1) (?:node |ln )?(?:in |at )?each\b")
_HEADED = re.compile(rf"(?:cervical |neck )?(?:{NODE_WORDS})(?: status)? ?(?:[:|-])")
_COUNT_BEHIND = re.compile(
    rf"(?<![\w.])(?P<count>{'|'.join(_COUNTS)}|\d{{1,2}}) (?:in (?:no\b\.?|number|total)|nos?\b\.?(?! \w)|of (?:them|these|which))|(?<![\d.\w]) ?x ?(?P<times>\d{{1,2}}|one|two|three|four|five|six)(?![\w.]|\s*(?:x|cm|mm))"
)
_ONE_NODE = re.compile(
    r"\bnodal (?:mass|deposit|metastasis)\b|(?<!dominant )(?<!largest )(?<!biggest )(?<!index )(?<!the )\b(?:lymph ?)?(?:node|ln)\b(?! (?:dissection|metastases|"
    r"involve))"
)
_PLURAL = re.compile(r"\b(?:nodes|lns|(?:lymph)?adenopathy|lad)\b")
_NODES = re.compile(r"\b(?:nodes|lns|(?:lymph)?adenopathy|lad|nodal(?! (?:mass|deposit|metastasis)\b))\b")
_SIZED_ONE = re.compile(
    r"\b(?:a|an|one|another)(?: (?:further|second|third|smaller|larger|single|necrotic|enlarged))? \d[\d. x]*-? ?(?:cm|mm)[\d. xcm]*(?:[a-z-]+,? ){0,6}?(?:lymph ?node|"
    r"node|ln|nodal (?:mass|deposit|metastasis))(?![\w])"
)
_SINGULAR = re.compile(r"\b(?:lymph)?adenopathy (?:of|measuring) \d[\d. x]* ?(?:cm|mm)\b")
_LABELLED_COUNT = re.compile(rf"(?:{NODE_WORDS}) ?: ?(\d{{1,2}})(?= ?(?:[(,;]|\.?$))")
_UNDER = re.compile(r"\b(?:below|above|beneath|under) (?:it|this|them|these)\b")
_TOLD_BEHIND = re.compile(
    rf"\s*(?:on the )?(?:right|left|both)?(?: side| neck)?\s*(?:[:=(,-]|there (?:is|are)|shows?|contains?|has|have)\s*(?:{'|'.join(_COUNTS)}|\d{{1,2}}) (?:(?!levels?\b|right\b|left\b|both\b|bilateral\b|in\b|at\b)[a-z0-9.-]+ ){{0,4}}?"
    rf"(?:{NODE_WORDS})\)?(?=\s*(?:[,;.)]|and\b|$))"
)
_COUNT_AT_LEVEL = re.compile(
    r"\s*(?:\((\d)\)|[:-]? ?(\d{1,2}) (?:nos?|nodes?|lns?)\b|x ?(\d)(?!\d|\.\d| ?(?:x|cm|mm))|[:-]? ?(?<!\d)(\d)(?= ?(?:[,;)]|\.(?!\d)|$)))"
)
_ONE_DEPOSIT = re.compile(r" (?:metastasis|deposit|mass)\b")
_ELLIPSIS = re.compile(
    r"(?:^|[(,:] ?|\b(?:and|comprising|including|includes?|namely|with|of) ?)(?P<count>a|an|one|another|two|three|four|five|six|\d)(?: (?:further|more|other|"
    r"additional|smaller|similar))?"
    r" (?:(?:is |are )?(?:in|at|on|within) )?(?:the )?(?=(?:right|left|level|both|bilateral))"
)
_DENIED = re.compile(
    rf"\b(?:no|without|absence of|negative for|nil|there (?:are|is) not)\b(?![^,;.]*\b(?:change|necrosis|extra-?nodal|extra-?capsular|"
    rf"ene)\b)[^;.]{{0,60}}?(?:{NODE_WORDS})|"
    rf"(?:{NODE_WORDS})\b[^,;.]*\b(?:(?:not|no longer) (?:\w+ )?(?:identifiable|detectable|visible|demonstrable|measurable|discernible|there|seen|enlarged|present|identified|noted|"
    rf"visuali[sz]ed|evident)|resolved|absent|vanished|disappeared|(?:completely|fully|entirely) regressed|"
    rf"normal|unremarkable|inconspicuous|negative)|\b(?:{NODE_WORDS}) ?(?:[:=-]|\|) ?(?:none|nil|negative|no\b|normal|nad|not enlarged|not involved|uninvolved|unremarkable|clear)|"
    rf"\b(?:{NODE_WORDS}) ?: ?(?:right|left)(?: side| neck)? ?[:-] ?(?:nil|none|no\b(?! \w)|normal|clear|negative)|"
    r"\b(?:right|left)(?: side)?(?: of the)? neck(?: side)? ?(?:[-:]|is)? ?(?:clear|normal|negative|unremarkable|free)"
)
_DISTANT = re.compile(
    r"\b(?:other|further|additional|more|contralateral|elsewhere|remaining|new|newly|supraclavicular|retropharyngeal|below|above|beyond|enlarging|residual)\b"
)
_HARMLESS = re.compile(
    r"\b(?:sub-?centi\w+|sub ?cm|reactive|benign|(?:without|of no) (?:\w+ )?(?:significance|suspicion|relevance)|non-?specific|insignificant|normal[- ]sized|not (?:\w+ )?enlarged|"
    r"shotty|symmetric(?:al)?(?! enlarge)|fatty hil\w+|not significant|not suspicious|not fdg[- ]avid|unsuspicious|inconspicuous|physiological|indeterminate|equivocal|doubtful significance|"
    r"(?:no|without|low[- ]grade) (?:significant )?uptake|not pathological\w*|(?:does|do) not (?:meet|fulfil|fulfill|reach) (?:\w+ )*(?:criteria|threshold)|(?:below|under) (?:the )?(?:size )?(?:criteria|threshold)|stable small|normal in (?:size|morphology|appearance)|(?:of )?normal (?:number|size)(?: and (?:size|shape|morphology))?|within normal limits|of normal (?:size|morphology|appearance)|does not meet (?:\w+ )*criteria)\b|\bborderline\b|\? ?significan\w+"
)
_PATHOLOGICAL = re.compile(
    r"\b(?:necro\w+|metasta\w+|(?<!without )(?<!no )pathological|(?<!not )suspicious|malignant|enlarged|involved|abnormal)\b"
)
_LARGEST = re.compile(r"\b(?:largest|biggest|dominant|maximum|max)\b")


@dataclass(frozen=True)
class NodeGroup:
    """Nodes that a sentence names together, by number, side and level.

    Parameters
    ----------
    count : int
        0 where only nodes are named, without a number; `MULTIPLE` for "several".
    sides : frozenset of Side
        Sides named for the group; empty when no side is named.
    levels : tuple of str
        Levels named for the group, in the order of the neck.
    """

    count: int
    sides: frozenset[Side]
    levels: tuple[str, ...]


@dataclass(frozen=True)
class NodeStatement:
    """Sentence on nodes and what it says of these.

    Parameters
    ----------
    sentence : Sentence
        Sentence that says it.
    groups : tuple of NodeGroup
        Nodes that the sentence says together, by side and level.
    sizes : tuple of Size
        Sizes given for nodes, each with the side named nearest, if any.
    denied : bool
        It says that there are none, at all or on `sides`.
    harmless : bool
        It speaks of small or reactive nodes only.
    sides : frozenset of Side
        Sides that a denial is limited to.
    total : int
        Number that the sentence gives for all nodes together; 0 where it gives none.
    """

    sentence: Sentence
    groups: tuple[NodeGroup, ...] = ()
    sizes: tuple[Size, ...] = ()
    denied: bool = False
    harmless: bool = False
    sides: frozenset[Side] = frozenset()
    total: int = 0


def node_statements(sentences: tuple[Sentence, ...]) -> tuple[NodeStatement, ...]:
    """Read the sentences on nodes; one without the word follows the one before ("The largest measures 2 cm").

    Parameters
    ----------
    sentences : tuple of Sentence
        Findings and impression.
    """
    found: list[NodeStatement] = []
    of_nodes = False
    for sentence in sentences:
        words = sentence.plain
        if re.fullmatch(rf"(?:nodes : )?(?:neck |cervical |regional )?(?:{NODE_WORDS}) ?:?", words):
            of_nodes = True  # a heading
            continue
        if _NODES_ELSEWHERE.search(words) and not levels_in(words):
            of_nodes = False
            continue
        if NODE.search(words) or _DENIED.search(words) or (LEVELS.search(words) and sizes_in(words)):
            found.append(_on_same_side(_statement(sentence), found))
            last = list(_SUBJECT.finditer(words))
            of_nodes = bool(last) and last[-1].lastgroup == "node"
        elif of_nodes and re.match(r"(?:right|left|bilateral|level|ipsilateral|contralateral)\b", words):
            headed = replace(sentence, plain=f"nodes : {words}")
            if any(start < _SOON for start, *_ in levels_in(headed.plain)):
                found.append(_statement(headed))
        elif of_nodes and (
            re.match(r"(?:the |it |they |these |those |one |two |another |a )", words) or _LARGEST.search(words)
        ):
            if not _SUBJECT.search(words) and (sizes_in(words) or LEVELS.search(words)):
                found.append(_statement(sentence))
        else:
            of_nodes = False
    return tuple(found)


def _on_same_side(statement: NodeStatement, before: list[NodeStatement]) -> NodeStatement:
    """ "On the same side" is the side of the nodes told last."""
    if not re.search(r"\bsame side\b", statement.sentence.plain):
        return statement
    sides = next((g.sides for s in reversed(before) for g in reversed(s.groups) if g.sides), frozenset[Side]())
    return replace(statement, groups=tuple(replace(g, sides=g.sides or sides) for g in statement.groups))


def speaks_of_nodes(words: str) -> bool:
    """Tell whether a plain sentence names nodes."""
    return NODE.search(words) is not None


def _statement(sentence: Sentence) -> NodeStatement:
    words = sentence.plain
    headed = _HEADED.match(words)
    if headed is not None and NODE.search(words[headed.end() :]) and not _DENIED.match(words):
        words = " " * headed.end() + words[headed.end() :]
    words = _GROWN_BY.sub(lambda m: " " * len(m.group()), words)
    kept = _LEVEL_WITHOUT.sub(lambda m: " " * len(m.group()), words)
    emptied = kept != words and not levels_in(kept) and not sizes_in(kept) and not _COUNT.search(kept)
    if emptied and not _DENIED.search(words):
        return NodeStatement(sentence)
    words = kept
    denial = _DENIED.search(words)
    whole = (
        denial is not None and not _COUNT.search(words[: denial.start()]) and not _affirmed_behind(words, denial.end())
    )
    if denial is not None and whole:
        limited = sides_in(words) if not _names_both(words) else frozenset()
        stop = re.search(r"[,;] (?:and |or )?no\b", words[denial.end() :])
        scope = words[: denial.end() + stop.start()] if stop else words
        named = {level for *_, found in levels_in(scope) for level in found}
        only_rest = (
            _DISTANT.search(scope) is not None
            or _NODES_ELSEWHERE.search(words) is not None
            or 0 < len(named) < _ALL_LEVELS
        )
        return NodeStatement(sentence, denied=not only_rest, sides=limited)
    if denial is not None:
        words = words[: denial.start()] + " " * (denial.end() - denial.start()) + words[denial.end() :]
        if denial.end() < len(words) and not _affirmed_behind(words, denial.end()):
            words = words[: denial.start()]
    words = _without_harmless(words)
    if denial is not None and _HARMLESS.search(words) and not _PATHOLOGICAL.search(words.replace("not enlarged", "")):
        return NodeStatement(sentence, denied=not sides_in(sentence.plain[: denial.end()]), harmless=True)
    if _HARMLESS.search(words) and not _PATHOLOGICAL.search(words.replace("not enlarged", "")):
        return NodeStatement(sentence, harmless=True)
    groups, total = _groups(words)
    return NodeStatement(sentence, groups, _node_sizes(words), total=total)


def _without_harmless(words: str) -> str:
    """Words without the stretches between semicolons that speak of small nodes, where another stretch does not."""
    stretches = words.split(";")
    harmless = [
        bool(_HARMLESS.search(s)) and not _PATHOLOGICAL.search(s.replace("not enlarged", "")) for s in stretches
    ]
    told = [not h and bool(levels_in(f"nodes {s}") or sizes_in(s)) for h, s in zip(harmless, stretches, strict=True)]
    if not any(told):
        return words
    return ";".join(" " * len(s) if h else s for h, s in zip(harmless, stretches, strict=True))


def _affirmed_behind(words: str, end: int) -> bool:
    if re.match(r"[,; ]*(?:and |or )?(?:no|without)\b", words[end:]):
        return False
    return re.search(r"[;,]|\bbut\b|\bexcept\b|\bother than\b|\bapart from\b", words[end:]) is not None and (
        _COUNT.search(words[end:]) is not None or levels_in(words[end:]) != () or sizes_in(words[end:]) != ()
    )


def _names_both(words: str) -> bool:
    return len(sides_in(words)) != 1


def _groups(words: str) -> tuple[tuple[NodeGroup, ...], int]:
    """Groups of nodes, each level list with the number and the side that go with it; and a total, when one is given."""
    counts = _counts(words)
    places = levels_in(words)
    if not places:
        sides = sides_in(_about_nodes(words))
        return (NodeGroup(counts[0][1] if counts else 0, sides, ()),), 0
    starts = [_start_of(words, places, at, counts) for at in range(len(places))]
    each = [] if counts else _one_each(words, places)
    counts = counts or each
    groups: list[NodeGroup] = []
    for at, (start, end, levels) in enumerate(places):
        stop = starts[at + 1] if at + 1 < len(places) else len(words)
        stretch = words[starts[at] : start]
        own = [count for place, count in counts if starts[at] <= place < stop]
        sides = sides_in(stretch) or _side_behind(words[end:stop])
        if not sides and len(places) == 1:
            sides = sides_in(words[:start]) or sides_in(words[end:])
        if not sides and at and (each or not own or _UNDER.search(stretch)):
            sides = groups[-1].sides
        count = own[-1] if own else 0
        groups.append(NodeGroup(MULTIPLE if count == 1 and len(sides) > 1 else count, sides, levels))
    in_groups = [count for place, count in counts if place >= starts[0]]
    early = [count for place, count in counts if place < starts[0]]
    ahead = [row for row in counts if row[0] < places[0][0]]
    if len(ahead) > 1 and len(groups) == 1 and (parted := _parted(words[: places[0][0]], ahead, groups[0].levels)):
        return parted, 0
    if len(groups) == 1 and groups[0].count == 1 and _EACH.search(words):
        groups = [replace(groups[0], count=len(groups[0].levels) * max(1, len(groups[0].sides)))]
        return tuple(groups), 0
    if early and not in_groups and len(groups) == 1:
        groups = [NodeGroup(early[0], groups[0].sides or sides_in(words[: starts[0]]), groups[0].levels)]
        return tuple(groups), 0
    if early:
        return tuple(groups), early[0]
    if len(groups) > 1 and groups[0].count and not any(group.count for group in groups[1:]):
        # "Three nodes in right level II and left level III": the number is that of both.
        total = groups[0].count
        return tuple(NodeGroup(0, group.sides, group.levels) for group in groups), total
    return tuple(groups), 0


def _one_each(words: str, places: tuple[tuple[int, int, tuple[str, ...]], ...]) -> list[tuple[int, int]]:
    """One node for every level that is named with a size of its own: "right II (24 mm), right III (11 mm)"."""
    if len(places) < 2 or _LARGEST.search(words) or re.search(r"\bup to\b", words):
        return []
    sizes = sizes_in(words)
    stops = [start for start, *_ in places[1:]] + [len(words)]
    alone = all(
        len(levels) == 1 and sum(end <= size.start < stop for size in sizes) == 1
        for (_, end, levels), stop in zip(places, stops, strict=True)
    )
    return [(start, 1) for start, *_ in places] if alone and len(sizes) == len(places) else []


def _parted(words: str, counts: list[tuple[int, int]], levels: tuple[str, ...]) -> tuple[NodeGroup, ...]:
    """Groups of "two on the right and one on the left, all in level II"; none where a number has no side of its own."""
    if len(counts) > 2 and counts[0][1] == sum(count for _, count in counts[1:]):
        counts = counts[1:]
    ends = [place for place, _ in counts[1:]] + [len(words)]
    groups = tuple(
        NodeGroup(count, sides_in(words[place:end]), levels) for (place, count), end in zip(counts, ends, strict=True)
    )
    return groups if all(len(group.sides) == 1 and group.count > 0 for group in groups) else ()


def _counts(words: str) -> list[tuple[int, int]]:
    """Numbers of nodes with their places."""
    found: dict[int, int] = {}
    for match in _COUNT.finditer(words):
        if not re.search(r"\b(?:in|at|on|of|with|the|is|are)\b", match.group("between")):
            word = match.group("count")
            value = _COUNTS[word] if word in _COUNTS else int(word)
            # "A right level II node" is one; "a necrotic lymphadenopathy" is no number.
            named = re.search(r"nodes?$|ln$", match.group("what")) or _ONE_DEPOSIT.match(words, match.end())
            if value == 1 and not named and word in ("a", "an"):
                continue
            inner = re.search(rf"\b(?:{'|'.join(_COUNTS)}|\d)\b(?= )", match.group("between"))
            if inner is not None and word in ("a", "an"):
                # "a further two nodes"
                value = _COUNTS[inner.group()] if inner.group() in _COUNTS else int(inner.group())
                found[match.start("between") + inner.start()] = value
                continue
            if re.search(r"(?:\b(?:more than|over|at least|upwards of)|>) ?$", words[: match.start()]):
                value = MULTIPLE
            more = re.search(r"\b(multiple|several|few|numerous|conglomerated?|matted)\b", match.group("between"))
            plural = word in ("both",)
            found[match.start()] = MULTIPLE if (more and value <= 1) or plural else value
    for match in _COUNT_BEHIND.finditer(words):
        if not any(place <= match.start() < place + 40 for place in found):
            told = match.group("count") or match.group("times")
            found[match.start()] = _COUNTS[told] if told in _COUNTS else int(told)
    for match in re.finditer(r"\b(multiple|several|numerous|conglomerated?|matted)\b", words):
        if not any(abs(match.start() - place) < 40 for place in found):
            found[match.start()] = MULTIPLE
    if len(found) == 1 and re.match(r"an? ", words[next(iter(found)) :]) and _PLURAL.search(words):
        found = {}  # "lymphadenopathy, where a large node measures": not one
    singles = [start for start, end, _ in levels_in(words) if _ONE_NODE.match(words, end + 1)]
    if not found and len(singles) > 1 and not _NODES.search(words):
        found = dict.fromkeys(singles, 1)  # "left level IV node 14 mm, right level VI node 9 mm"
    single = _ONE_NODE.search(words)
    if single is not None and re.search(r"\bby (?:the |an? |this |that )?(?:[\w-]+ ){0,3}$", words[: single.start()]):
        single = None  # "invaded by a level Ib node": one that is told elsewhere
    if not found and single is not None and not _NODES.search(words):
        found[single.start()] = 1
    labelled = _LABELLED_COUNT.search(words)
    if not found and labelled is not None:
        found[labelled.start(1)] = int(labelled[1])  # "right level I nodes: 3 (largest 14 mm)"
    singular = _SINGULAR.search(words)
    if not found and singular is not None and len(_NODES.findall(words)) == 1:
        found[singular.start()] = 1  # "right Ib adenopathy of 17 mm"
    for match in _SIZED_ONE.finditer(words):
        if not any(match.start() <= place < match.end() for place in found):
            found[match.start()] = 1
    for match in _ELLIPSIS.finditer(words):
        word = match.group("count")
        place = match.start("count")
        if not any(abs(place - other) < 3 for other in found):
            found[place] = 1 if word in ("a", "an", "another") else _COUNTS[word] if word in _COUNTS else int(word)
    for _, end, _levels in levels_in(words):
        if (behind := _COUNT_AT_LEVEL.match(words, end)) is not None:
            found = {place: n for place, n in found.items() if not behind.start() <= place < behind.end()}
            found[behind.start(behind.lastindex or 0)] = int(behind[behind.lastindex or 0])
    return sorted(found.items())


def _start_of(
    words: str, places: tuple[tuple[int, int, tuple[str, ...]], ...], at: int, counts: list[tuple[int, int]]
) -> int:
    """Where the words that belong to a list of levels begin: at its own number or behind the list before."""
    previous = places[at - 1][1] if at else 0
    bracket = _COUNT_AT_LEVEL.match(words, previous) if at else None
    previous = bracket.end() if bracket else previous
    # "Level II right: two nodes" - a number told behind levels belongs to them.
    told = _TOLD_BEHIND.match(words, previous) if at else None
    previous = told.end() if told else previous
    joint = list(re.finditer(r"[;:(]|,|\band\b|\bwith\b|\bplus\b", words[previous : places[at][0]]))
    inside = [place for place, _ in counts if previous <= place < places[at][0]]
    if inside:
        return inside[-1]
    if at == 0:
        return 0
    return previous + (joint[0].end() if joint else 0)


def _side_behind(words: str) -> frozenset[Side]:
    match = re.match(
        r"\s*(?:lymph ?nodes?|nodes?|regions?|stations?|levels?|lad|lns?|lymphadenopathy|,|\(|on|in|of|the|"
        r"cervical|neck| )*\s*"
        r"(right|left|bilateral(?:ly)?|both)\b",
        words,
    )
    return sides_in(match.group(1)) if match else frozenset()


def _about_nodes(words: str) -> str:
    """Stretch of a sentence around its nodes, up to the next other subject."""
    match = NODE.search(words)
    if match is None:
        return words
    before = [
        m.end()
        for m in re.finditer(
            rf";|\bwith\b|,|\band (?:there|the)\b|(?<![\w-])(?:{MASS_WORDS})(?![\w])", words[: match.start()]
        )
    ]
    after = re.search(r";|,|\bwith\b|\bmeasur", words[match.end() :])
    return words[before[-1] if before else 0 : match.end() + (after.start() if after else len(words))]


def _node_sizes(words: str) -> tuple[Size, ...]:
    """Sizes whose subject is nodes: the last thing named before the size, or the one right behind it."""
    kept = []
    for size in sizes_in(words):
        behind = re.match(
            rf"\s*(?:[a-z][\w-]* ){{0,6}}?(?:(?P<node>{NODE_WORDS})|(?P<mass>{MASS_WORDS}))(?![\w])", words[size.end :]
        )
        subjects = list(_SUBJECT.finditer(words[: size.start]))
        if behind is not None and re.search(
            r"\b(?:a|an|the|one|single|solitary|and|enlarged|,) ?(?:\w+ )?$", words[: size.start]
        ):
            kept += [size] if behind.lastgroup == "node" else []
        elif not subjects or subjects[-1].lastgroup == "node":
            kept.append(size)
    return tuple(kept)


def current(statements: tuple[NodeStatement, ...]) -> tuple[NodeStatement, ...]:
    """Choose the statements that count: the findings', else the impression's, so that nothing counts twice."""
    findings = tuple(s for s in statements if s.sentence.part is Part.FINDINGS)
    return findings or statements
