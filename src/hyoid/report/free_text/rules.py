"""The engine of rules: populate every line with what the sentences say, then refine to one answer a line.

The two steps are those of SGRNet's section 4.1; there a language model takes both.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace

from hyoid.anatomy.structures import Side
from hyoid.report.content.schema import Evidence, Line, ModelUse
from hyoid.report.content.template import BY_KEY, Field, Kind
from hyoid.report.free_text.answers import (
    NO_MASS,
    NO_NODES,
    NO_SIZE,
    answerable,
    blank,
    count_words,
    side_words,
    state_words,
)
from hyoid.report.free_text.assertions import Assertion, State, assertions_of
from hyoid.report.free_text.clauses import read_sentence
from hyoid.report.free_text.lexicon import Sense
from hyoid.report.free_text.lymph_nodes import (
    MULTIPLE,
    NodeGroup,
    NodeStatement,
    current,
    node_statements,
    speaks_of_nodes,
)
from hyoid.report.free_text.mass import Place, denials_of_mass, mass_sizes, places_of_mass
from hyoid.report.free_text.reservations import questions_before, takes_back
from hyoid.report.free_text.sentences import Part, Sentence
from hyoid.report.free_text.sizes import Size
from hyoid.report.free_text.vocabulary import MASS_WORDS, mentions_in, sides_in

RULES = ModelUse(
    name="rules for free text", version="1", licence="Apache-2.0", trained_on="nothing; rules written by hand"
)
CONTRADICTORY = "Contradictory sentences, both kept"
_PRESENT = (Part.FINDINGS, Part.IMPRESSION)
_NODE_KEYS = ("number_of_nodes", "side", "max_size")
_FAT_PLANES = re.compile(
    r"\b(?:loss|effacement|obliteration|blurring) of (?:the )?(?:\w+ )?fat ?planes?|"
    r"\bfat ?planes? (?:\w+ ){0,4}?(?:is|are) (?:\w+ )?"
    r"(?P<done>lost|effaced|obliterated|blurred|maintained|preserved|intact|clear)"
)
_LIKEWISE = re.compile(
    r"\b(?:likewise|similarly|ditto|idem|the same (?:applies|holds|goes|is true|is seen|finding)|as (?:is|are)|so (?:is|are|do|does)|same for|also|too|as well)\b"
)
_MASS = re.compile(rf"(?<![\w-])(?:{MASS_WORDS})(?![\w])")
_LABELLED = re.compile(r"[^:]{1,60}:")
"""A label with its value speaks of nothing before."""
_FAT_DENIED = re.compile(r"\b(?:no|without)\b[^,;]*$")


@dataclass(frozen=True)
class Said:
    """Statement about one line of the template.

    Parameters
    ----------
    state : State
        State that the sentence gives the place.
    sides : frozenset of Side
        Sides named for the place; empty when no side is named.
    sentence : Sentence
        Sentence that gives the state.
    cue : str
        Words that give the state.
    region : bool
        The state is that of a region which the line belongs to.
    rest_only : bool
        The state holds for the rest of the place, or for a part of it.
    place : str
        The words for the place: a line may hold several, as carotid artery and jugular vein.
    """

    state: State
    sides: frozenset[Side]
    sentence: Sentence
    cue: str = ""
    region: bool = False
    rest_only: bool = False
    place: str = ""


@dataclass(frozen=True)
class Populated:
    """All statements, line by line, before one answer is chosen.

    Parameters
    ----------
    said : dict of str to list of Said
        Statements by key of the line: involvement, findings and yes-or-no lines.
    places : tuple of Place
        Sites of the mass, best said first.
    sizes : tuple of (Size, Sentence)
        Sizes of the mass, each with the sentence that gives it.
    no_mass : tuple of Sentence
        Sentences that say there is no mass at all.
    nodes : tuple of NodeStatement
        Sentences on nodes and what each says.
    """

    said: dict[str, list[Said]]
    places: tuple[Place, ...]
    sizes: tuple[tuple[Size, Sentence], ...]
    no_mass: tuple[Sentence, ...]
    nodes: tuple[NodeStatement, ...]


def fill_by_rules(sentences: tuple[Sentence, ...]) -> dict[str, Line]:
    """Answer lines of the template from sentences, by key of the line.

    Parameters
    ----------
    sentences : tuple of Sentence
        Sentences of the whole report, in order.
    """
    return refine(populate(sentences))


def populate(sentences: tuple[Sentence, ...]) -> Populated:
    """Collect what every sentence says for every line; nothing is weighed yet.

    Parameters
    ----------
    sentences : tuple of Sentence
        Sentences of the whole report, in order.
    """
    present = tuple(s for s in sentences if s.part in _PRESENT)
    said: dict[str, list[Said]] = defaultdict(list)
    of_nodes = False
    before: tuple[Assertion, ...] = ()
    part_before = Part.FINDINGS
    sentence_before: Sentence | None = None
    for sentence in present:
        reading = read_sentence(sentence.plain)
        found = assertions_of(reading, sentence.plain)
        if not reading.governed and any(told.doubted for told in reading.bare) and not _LABELLED.match(sentence.plain):
            # "The tonsil is full. Tumour cannot be excluded."
            of_invasion = any(told.doubted and told.sense is not Sense.MASS for told in reading.bare)
            open_to_doubt = {State.CHANGED, State.EQUIVOCAL} | ({State.NOT_INVOLVED} if of_invasion else set())
            same_part = sentence.part is part_before
            found = tuple(
                replace(a, state=State.EQUIVOCAL)
                for a in before
                if same_part and a.state in open_to_doubt and not a.mention.term.is_region
            )
        if not found and (questions_before(sentence.plain) or (not reading.governed and takes_back(sentence.plain))):
            # "The other hospital saw invasion of the tonsil. We cannot confirm this."
            found = tuple(replace(a, state=State.EQUIVOCAL) for a in before if sentence.part is part_before)
            for assertion in found:
                for key in assertion.mention.term.keys:
                    said[key] = [s for s in said[key] if s.sentence is not sentence_before]
        if not found and before and sentence.part is part_before:
            found = _likewise(sentence.plain, before)
        found = _without_mixed_regions(found)
        for assertion in found:
            for key in assertion.mention.term.keys:
                if _counts(assertion, key) and (of_nodes or not _is_loose_capsule(assertion, sentence.plain)):
                    said[key].append(_said(assertion, sentence))
        before, part_before, sentence_before = found, sentence.part, sentence
        _add_tube(said, sentence)
        of_nodes = speaks_of_nodes(sentence.plain) or (of_nodes and _MASS.search(sentence.plain) is None)
        _add_fat_planes(said, sentence, of_nodes=of_nodes)
    places = places_of_mass(tuple(s for s in sentences if s.part in (*_PRESENT, Part.HISTORY)))
    return Populated(said, places, mass_sizes(present), denials_of_mass(present), node_statements(present))


def _likewise(words: str, before: tuple[Assertion, ...]) -> tuple[Assertion, ...]:
    """What a sentence takes from the one before: "Parotid glands likewise." """
    if _LIKEWISE.search(words) is None or len({a.state for a in before}) != 1:
        return ()
    return tuple(Assertion(m, before[0].state, sides_in(words), "likewise") for m in mentions_in(words) if m.term.keys)


def refine(populated: Populated) -> dict[str, Line]:
    """Choose one answer a line, with every sentence that it rests on; contradictions are kept and flagged.

    Parameters
    ----------
    populated : Populated
        Statements from `populate`.
    """
    lines = {}
    for row in answerable():
        said = populated.said.get(row.key)
        if said:
            lines[row.key] = _stated(row, said)
    lines.update(_mass_lines(populated))
    lines.update(_node_lines(populated))
    return lines


def _counts(assertion: Assertion, key: str) -> bool:
    """Whether an assertion may fill a line: a region only when it is spared, the tube by its own rule."""
    if key == "et_tube_in_situ":
        return False
    return not assertion.mention.term.is_region or assertion.state is State.NOT_INVOLVED


def _without_mixed_regions(found: tuple[Assertion, ...]) -> tuple[Assertion, ...]:
    """What a sentence says of a region, but for one whose parts it calls changed: "Larynx: oedema of the arytenoids"."""
    other = {
        key
        for a in found
        if a.state is not State.NOT_INVOLVED and not a.mention.term.is_region
        for key in a.mention.term.keys
    }
    mixed = [
        a for a in found if a.mention.term.is_region and not a.rest_only and other.intersection(a.mention.term.keys)
    ]
    return tuple(a for a in found if a not in mixed)


def _is_loose_capsule(assertion: Assertion, words: str) -> bool:
    """Whether a capsule is named in a sentence without nodes: glands have capsules too."""
    named = words[assertion.mention.start : assertion.mention.end]
    return re.fullmatch(r"capsules?", named) is not None and not speaks_of_nodes(words)


def _said(assertion: Assertion, sentence: Sentence) -> Said:
    return Said(
        assertion.state,
        assertion.sides,
        sentence,
        assertion.cue,
        assertion.mention.term.is_region,
        assertion.rest_only,
        assertion.mention.term.pattern,
    )


def _add_tube(said: dict[str, list[Said]], sentence: Sentence) -> None:
    """A tube that is named is there, unless it is denied."""
    for mention in mentions_in(sentence.plain):
        if "et_tube_in_situ" in mention.term.keys:
            before, behind = sentence.plain[: mention.start], sentence.plain[mention.end :]
            denied = re.search(r"\b(?:no|without|not|removed|absent)\b[^,;]*$", before) or re.match(
                r"[^,;]*\b(?:not|no|n|none|never|absent|removed|nil|negative|without|out)\b", behind
            )
            state = State.NOT_INVOLVED if denied else State.INVOLVED
            said["et_tube_in_situ"].append(
                Said(state, frozenset(), sentence, sentence.plain[mention.start : mention.end])
            )


def _add_fat_planes(said: dict[str, list[Said]], sentence: Sentence, *, of_nodes: bool) -> None:
    """Fat planes count here where the sentence, or the one before, speaks of nodes; the line stands under nodes."""
    match = _FAT_PLANES.search(sentence.plain)
    if match is None or not of_nodes or _MASS.search(sentence.plain[: match.start()]):
        return
    kept = match.group("done") in ("maintained", "preserved", "intact", "clear")
    denied = kept or _FAT_DENIED.search(sentence.plain[: match.start()]) is not None
    said["loss_of_fat_planes"].append(
        Said(State.NOT_INVOLVED if denied else State.INVOLVED, frozenset(), sentence, match.group())
    )


def _stated(row: Field, said: list[Said]) -> Line:
    """One line from everything said for it."""
    closest = [s for s in said if not s.rest_only] or said
    states = {s.state for s in closest}
    flags = []
    if _contradict(closest):
        flags.append(CONTRADICTORY)
        parts = [state_words(row, state, _joint_sides(closest, state)) for state in State if state in states]
        value, kept = "; ".join(parts), closest
    else:
        if State.EQUIVOCAL in states and _only_uptake(closest):
            states = states - {State.INVOLVED}
        state = next(state for state in State if state in states and not _is_weaker(state, states))
        value = state_words(row, state, _joint_sides(closest, state))
        kept = [s for s in closest if s.state is state]
        kept += [s for s in closest if s.state is not state]
        if row.kind is Kind.SIDED_INVOLVEMENT and state is State.INVOLVED and not _joint_sides(closest, state):
            flags.append("Side not stated")
    if all(s.region for s in kept):
        flags.append("Said of the region as a whole")
    evidence = _evidence([(s.sentence, _note(row, s)) for s in kept])
    return blank(row).model_copy(update={"value": value, "status": "text", "evidence": evidence, "flags": tuple(flags)})


def _only_uptake(said: list[Said]) -> bool:
    """Whether involvement rests on uptake or enhancement alone, which a doubt said elsewhere outweighs."""
    rows = [s for s in said if s.state is State.INVOLVED]
    return bool(rows) and all(
        re.fullmatch(r"(?:[\w-]+ )*(?:uptake|activity|focus|foci|avidity|enhancement)", s.cue) for s in rows
    )


def _is_weaker(state: State, states: set[State]) -> bool:
    """Whether another state in the set says more: involved over all, doubt over spared, a change over spared."""
    order = (State.INVOLVED, State.EQUIVOCAL, State.TREATED, State.CHANGED, State.NOT_INVOLVED)
    return any(order.index(other) < order.index(state) for other in states)


def _contradict(said: list[Said]) -> bool:
    """Whether the same place is called involved and spared, on the same side or both times without one."""
    for one in said:
        for other in said:
            opposed = one.state is State.INVOLVED and other.state is State.NOT_INVOLVED
            same = one.place == other.place and not one.region and not other.region
            if opposed and same and (one.sides & other.sides or (not one.sides and not other.sides)):
                return True
    return False


def _joint_sides(said: list[Said], state: State) -> frozenset[Side]:
    """Sides of everything said in one state."""
    return frozenset().union(*(s.sides for s in said if s.state is state))


def _note(row: Field, said: Said) -> str:
    return f"{state_words(row, said.state, said.sides)}; by the words {said.cue!r}" if said.cue else ""


def _evidence(rows: list[tuple[Sentence, str]]) -> tuple[Evidence, ...]:
    """One piece of evidence a sentence."""
    notes: dict[str, list[str]] = {}
    for sentence, note in rows:
        notes.setdefault(sentence.text, []).append(note)
    return tuple(
        Evidence(status="text", source=text, note=". ".join(dict.fromkeys(n for n in found if n)))
        for text, found in notes.items()
    )


def _answer(key: str, value: str, rows: list[tuple[Sentence, str]], flags: tuple[str, ...] = ()) -> Line:
    line = blank(BY_KEY[key])
    return line.model_copy(update={"value": value, "status": "text", "evidence": _evidence(rows), "flags": flags})


def _mass_lines(populated: Populated) -> dict[str, Line]:
    """Location and size of the mass."""
    lines = {}
    current_places = [p for p in populated.places if p.sentence.part in _PRESENT]
    seen = bool(current_places or populated.sizes)
    if populated.no_mass and not seen and not _has_nodes(populated):
        rows = [(s, "") for s in populated.no_mass]
        return {
            "primary_location_of_the_mass": _answer("primary_location_of_the_mass", NO_MASS, rows),
            "size_of_the_mass": _answer("size_of_the_mass", NO_SIZE, rows),
        }
    if populated.no_mass and not seen and not populated.places:
        return {}  # an unknown primary: nodes without a mass
    if populated.places:
        best = populated.places[0]
        side = side_words(best.sides)
        value = f"{best.site}, {side if side == 'both sides' else side + ' side'}" if side else best.site
        flags = ["From the clinical background"] if best.sentence.part is Part.HISTORY else []
        rows = [(best.sentence, "")]
        if populated.no_mass:
            flags.append(CONTRADICTORY)
            rows += [(s, NO_MASS) for s in populated.no_mass]
        lines["primary_location_of_the_mass"] = _answer("primary_location_of_the_mass", value, rows, tuple(flags))
    if populated.sizes:
        lines["size_of_the_mass"] = _largest("size_of_the_mass", list(populated.sizes), "")
    return lines


def _has_nodes(populated: Populated) -> bool:
    return any(s.groups and not s.denied and not s.harmless for s in populated.nodes)


def _largest(key: str, sizes: list[tuple[Size, Sentence]], where: str) -> Line:
    """The greatest size said in findings, else in the impression; another greatest size in the other is flagged."""
    findings = [row for row in sizes if row[1].part is Part.FINDINGS] or sizes
    size, sentence = max(findings, key=lambda row: row[0].longest_cm)
    differing = [
        other
        for other in sizes
        if other[1].part is not sentence.part
        and abs(other[0].longest_cm - size.longest_cm) > 0.051
        and other[0].longest_cm > size.longest_cm
    ]
    rows = [(sentence, size.words), *((s, z.words) for z, s in differing)]
    return _answer(key, f"{size.words}{where}", rows, (CONTRADICTORY,) if differing else ())


def _node_lines(populated: Populated) -> dict[str, Line]:
    """Number, side and greatest size of the nodes."""
    statements = current(populated.nodes)
    positive = [s for s in statements if not s.denied and not s.harmless and (s.groups or s.sizes)]
    denied = [s for s in populated.nodes if s.denied]
    if not positive:
        everywhere = any(not s.sides for s in denied) or len(frozenset().union(*(s.sides for s in denied))) > 1
        if denied and everywhere:
            rows = [(s.sentence, "") for s in denied]
            values = ("0", NO_NODES, NO_NODES)
            return {key: _answer(key, value, rows) for key, value in zip(_NODE_KEYS, values, strict=True)}
        return {}
    against = [s for s in denied if not s.sides and not re.search(r"\bother\b", s.sentence.plain)]
    flags = (CONTRADICTORY,) if against else ()
    rows = [(s.sentence, "") for s in (*positive, *against)]
    groups = _merged([group for s in positive for group in s.groups])
    totals = [s.total for s in positive if s.total]
    lines = {"number_of_nodes": _answer("number_of_nodes", _number(groups, totals), rows, flags)}
    if answer := _side_answer(groups, populated):
        sided = [s for s in positive if any(g.sides for g in s.groups)]
        lines["side"] = _answer("side", answer, [(s.sentence, "") for s in sided], flags)
    sizes = [(size, s.sentence, s) for s in positive for size in s.sizes]
    sizes += [(z, s.sentence, s) for s in populated.nodes if s not in positive and not s.denied for z in s.sizes]
    if sizes:
        lines["max_size"] = _largest("max_size", [(size, sentence) for size, sentence, _ in sizes], "")
    return lines


def _merged(groups: list[NodeGroup]) -> list[NodeGroup]:
    """Groups without those that only repeat others: named without a number, by the same or fewer sides and levels."""
    kept: list[NodeGroup] = []
    for group in sorted(groups, key=lambda g: (g.count == 0, not g.levels)):
        if not group.count and any(group.sides <= k.sides and set(group.levels) <= set(k.levels) for k in kept):
            continue
        if not group.count and not group.levels and kept and group.sides <= frozenset().union(*(k.sides for k in kept)):
            continue
        if group in kept and not group.levels:
            continue
        kept.append(group)
    return kept


def _number(groups: list[NodeGroup], totals: list[int]) -> str:
    """Number and where: "3 (2 right level IIa, 1 left level III)"."""
    counts = [group.count for group in groups]
    if totals:
        head = count_words(MULTIPLE if MULTIPLE in totals else max(totals))
    elif counts and all(count > 0 for count in counts):
        head = str(sum(counts))
    else:
        spread = any(len(group.levels) > 1 for group in groups)
        head = count_words(MULTIPLE if MULTIPLE in counts or len(groups) > 1 or sum(counts) > 0 or spread else 0)
    several = len(groups) > 1
    named = []
    for group in groups:
        levels = f"level {', '.join(group.levels)}" if group.levels else ""
        number = str(group.count) if several and group.count > 0 else ""
        words = " ".join(part for part in (number, side_words(group.sides), levels) if part)
        if words and (group.sides or group.levels):
            named.append(words)
    return f"{head} ({'; '.join(named)})" if named else head


def _side_answer(groups: list[NodeGroup], populated: Populated) -> str:
    """Ipsi, Bi or Contra to the primary; only the side where the primary's side is not said."""
    sides = frozenset[Side]().union(*(group.sides for group in groups))
    if not sides:
        return ""
    if len(sides) == 2:
        return "Bi"
    word = side_words(sides)
    primary = next((p.sides for p in populated.places if p.sides), frozenset[Side]())
    if len(primary) != 1:
        return f"{word.capitalize()}, side of the primary not stated"
    return f"{'Ipsi' if sides == primary else 'Contra'} ({word})"
