"""A report as sentences, each with the part of the report it stands in."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from hyoid.anatomy.structures import Side
from hyoid.report.free_text.language import ENGLISH, heading_in_english, in_english, language_of
from hyoid.report.free_text.layout import Row, pieces_of
from hyoid.report.free_text.neighbours import Sides
from hyoid.report.free_text.numerals import with_digits
from hyoid.report.free_text.spelling import plain
from hyoid.report.free_text.vocabulary import NODE, mentions_in


class Part(StrEnum):
    """Part of a report; only findings and impression speak of the present scan."""

    FINDINGS = "findings"
    IMPRESSION = "impression"
    HISTORY = "clinical background"
    COMPARISON = "comparison"
    TECHNIQUE = "technique"
    ADVICE = "advice"
    ELSEWHERE = "another part of the body"
    OTHER_PERSON = "another person"
    UNREAD = "too long to read"


@dataclass(frozen=True)
class Sentence:
    """Sentence of a report and the part it stands in.

    Parameters
    ----------
    text : str
        Words of the report, line breaks and runs of blanks made one blank.
    part : Part
        Part of the report, such as findings or impression.
    plain : str
        Lower case, signs and abbreviations spelled one way, earlier scans cut out; what the rules read.
    """

    text: str
    part: Part
    plain: str


_PARTS: tuple[tuple[Part, str], ...] = (
    (
        Part.FINDINGS,
        r"(?:ct |mr |mri |pet(?:/ct)? |imaging |radiological )?findings?(?: in brief)?|observations?|report|description|results?|additional (?:information|findings)|"
        r"(?:head and |head & |the )?neck|head(?: and |/| & )neck|head (?:and|&) neck findings|local(?:ly)?|local findings",
    ),
    (
        Part.IMPRESSION,
        r"impressions?|imp|conclusions?|opinion|summary|in summary|in total|diagnosis|interpretation|assessment|judge?ments?|(?:final )?comment|evaluation|synthesis|concl",
    ),
    (
        Part.HISTORY,
        r"(?:(?:brief )?clinical|relevant )?(?: )?(?:background|history|hx|h/o|information|info|indications?|details|data|notes?|context|question|features|problem|findings and history|diagnosis)|clinical|"
        r"reason(?: for (?:the )?(?:exam\w*|study|scan|referral))?|h/o|c/o|previous (?:history|treatment)|past history|known case|question|patient history|referral|surgical history|"
        r"treatment|treatment history|oncological history",
    ),
    (Part.COMPARISON, r"comparison(?: (?:studies|study|exams?|scans?))?|prior (?:studies|study|imaging)|compared with"),
    (
        Part.TECHNIQUE,
        r"procedures?(?: performed)?|techniques?|protocol|exam(?:ination)?|study|scan|method(?:ology)?|contrast|exam type|type of exam\w*|sequences?(?: used)?|radiopharmaceutical|"
        r"tracer|dose|modality|acquisition",
    ),
    (Part.ADVICE, r"advice|recommendations?|suggestions?|disclaimer|note|plan|follow-?up|suggest|advised"),
    (
        Part.ELSEWHERE,
        r"chest|thorax|lungs?|abdomen(?: and pelvis|/pelvis)?|abd(?:omen)? ?(?:and|/)? ?pelvis|pelvis|musculoskeletal|brain|upper abdomen|lungs and (?:mediastinum|pleura)|mediastinum|"
        r"whole body|body|liver|chest and abdomen|thorax and abdomen|lung bases|skeleton|rest of (?:the )?body",
    ),
)
_PART_OF = [(part, re.compile(rf"(?:{words})", re.IGNORECASE)) for part, words in _PARTS]
_HEADING = re.compile(r"^[\s*#_]*([A-Za-zÄÖÜäöü][A-Za-zÄÖÜäöüß /,&()-]{1,60}?)[\s*_]*(?::[*_]*(?=\s|$)|\s*[|\t])")
_UPPER_HEADING = re.compile(r"^[\s*#_]*([A-Z][A-Z /&-]{3,50})[\s*_]*$")
_SIDE_HEADING = re.compile(r"(?:the )?(right|left)(?:[- ](?:hand )?sided?|[- ]neck)?", re.IGNORECASE)
_AGO = (
    r"(?:last (?:year|month|week|spring|summer|autumn|fall|winter|time)|"
    r"(?:a|an|one|two|three|four|five|six|seven|eight|nine|ten|several|some|many|\d{1,2}) (?:years?|months?|weeks?) (?:ago|earlier|before)|"
    r"years ago|in (?:(?:january|february|march|april|may|june|july|august|september|october|november|december) )?(?:19|20)\d\d)"
)
"""A time that is over, without naming a scan."""
_TOLD_OF_THEN = re.compile(rf"{_AGO}\b(?!.*\b(?:now|currently|today|at present|since then)\b)", re.IGNORECASE)
_TITLE = re.compile(r"^(?:patient|case)\s*#?\s*\d+\s*$", re.IGNORECASE)
_BULLET = re.compile(r"^\s*(?:[-*•·\u2013]|\(?\d{1,2}[.)](?=\s)|\(?[a-h]\)(?=\s))\s*")
_ABBREVIATION = re.compile(
    r"\b(?:approx|vs|e\.g|i\.e|st|rt|lt|fig|dr|mr|mrs|ms|cf|max|min|dia|resp|ant|post|cart|lat|med|sup|inf|ca|v\.a|v\. a|z\.n|z\. n|bds|li|re|bzw|ggf)\.$|\bin no\.$|\bno\.$",
    re.IGNORECASE,
)
_SHORTENED = re.compile(
    r"\b(?:prevert|retrophar|parapharyng|enh|inv|infilt|infil|susp|poss|prob|epigl|aryt|cric|thyr|pyrif|vall|subgl|supragl|oes|diam|mand|lev|musc|displ|compr|"
    r"destr|necr|conglom|enl|abn|indet|equiv|contralat|ipsilat)\.$",
    re.IGNORECASE,
)
"""Words that a stop shortens where the next word is in lower case."""
_BREAK = re.compile(
    r"(?<=[.!?])(?:\s+)(?=[\"(\[?]?[A-Z0-9$~•*-])|(?<=[a-z)]\.)(?=[A-Z][a-z])|(?<=[a-z)\d][.!])\s+(?=[a-z]{2})"
)
_NODE_HEADING = re.compile(
    r"^(?:the )?(?:cervical |neck )?(?:lymph ?)?(?:nodes?|node stations|nodal stations|nodal status|LNs?)\s*[-:]?$",
    re.IGNORECASE,
)
_TITLE_LINE = re.compile(
    r"^[\s*#_]*(?:(?:post[- ]?contrast|contrast[- ]enhanced|plain and contrast enhanced|plain|fdg|18f-?fdg|follow-?up|staging|laryngeal|mdt summary -) )*"
    r"(?:C?E?CT|MRI?|MRT|PET|FDG|HRCT|Ct|Mri|Computed tomography|Magnetic resonance|Scanner|CECT|pet|ct|mri)\b(?:[^.:\n]|\.(?=\w)|(?<=i)\.|(?<=v)\.)*(?:[:.]|$)",
    re.IGNORECASE,
)
_OF_DISEASE = re.compile(r"\b(?:carcinoma|cancer|tumou?r|scc|malignancy|ca)\b", re.IGNORECASE)
_TELLS_HISTORY = re.compile(
    r"(?:clinical(?:ly)? (?:hx|history|background|information|details)|clinical:|hx\b|history of|known (?!.*\b(?:measur|extend))|k/?c/?o\b|c/o\b|h/o\b|indication|status[- ]post|s/p\b|"
    r"\d+[- ]?(?:years?|yrs?|y/?o|y)\b|\d{2,3} ?[mf]\b|patients? (?:is|known|has a history|with (?:\w+ ){0,3}(?:carcinoma|cancer|tumou?r|scc|ca|history|known|swelling|mass|dysphagia|hoarse\w*|lymphoma))\b|post[- ]?op(?:erative)? status\.?$|follow[- ]?up (?:of|for)|presented with|presents with)",
    re.IGNORECASE,
)
_TREATED_BEFORE = re.compile(
    r"(?:f/?u\b|follow[- ]?up|k/?c/?o\b|operated|post[- ]?op|status[- ]post|s/p\b|treated)", re.IGNORECASE
)
_OF_OTHER_PERSON = re.compile(
    r"\b(?:fathers?|mothers?|brothers?|sisters?|parents?|siblings?|sons?|daughters?(?! (?:lesion|nodule|node|tumou?r|cyst))|uncles?|aunts?|cousins?|"
    r"grand(?:father|mother|parent)s?|twin|wife|husband|spouse|relatives?|famil(?:y|ial))\b",
    re.IGNORECASE,
)
_ADVISES = re.compile(
    r"(?:please |kindly )?(?:recommend|suggest(?:ed|ion)?\b|advi[sc]e|correlat|clinical correlation|further evaluation|consider )",
    re.IGNORECASE,
)
_ITEM = re.compile(r"^\W{0,3}[A-Za-z][^.;:|]{1,90}? [-\u2013\u2014] ?\S")
_UNFINISHED = re.compile(
    r"(?:,|\b(?:the|a|an|of|in|at|on|to|into|and|or|with|without|no|not|is|are|levels?|measuring|right|left|both|bilateral|from|by|for))$",
    re.IGNORECASE,
)
_LONGEST = 2_000  # characters of a sentence; what is longer is a list or a table without breaks, and is not read
_WRAPPED_FROM = 55  # characters; a line as long as this that ends without a stop goes on in the next


def read_sentences(text: str) -> tuple[Sentence, ...]:
    """Cut a report into sentences, in order.

    Headings of the whole report (Findings, Impression, Comparison, Clinical background, ...) set the part and are left
    out; headings that name a structure ("Maxilla/mandible: Normal.") stay in their sentence.

    Parameters
    ----------
    text : str
        Without identifiers.

    Examples
    --------
    >>> found = read_sentences("Comparison: None.\\n\\nFINDINGS:\\nLips: normal. Approx. 2 cm.")
    >>> [(s.part.value, s.text) for s in found]
    [('comparison', 'None.'), ('findings', 'Lips: normal.'), ('findings', 'Approx. 2 cm.')]
    """
    language = language_of(text)
    part = Part.FINDINGS
    spoken, topic = False, ""
    found: list[Sentence] = []
    sides, headed, starts = Sides(), None, False
    for number, block in enumerate(_laid_out(text)):
        if isinstance(block, Row):
            own = part if part in (Part.FINDINGS, Part.IMPRESSION) else Part.FINDINGS
            found.append(Sentence(block.source, own, present(with_digits(plain(block.words)))))
            spoken = True
            continue
        topic = _topic_of(block, topic)
        if not block:
            # A paragraph of background, technique or comparison ends with it; findings and impression go on.
            part = part if part is Part.IMPRESSION or not spoken else Part.FINDINGS
            headed, starts = None, True
            continue
        rest = block
        title = _TITLE_LINE.match(block) if number == 0 or not found else None
        if title is not None:
            found.append(_sentence(title.group(), Part.TECHNIQUE, language))
            if _OF_DISEASE.search(title.group()):
                found.append(_sentence(title.group(), Part.HISTORY, language))
            rest = block[title.end() :]
        heading = _HEADING.match(rest) or _UPPER_HEADING.match(rest) or _bare_heading(rest)
        if heading is not None:
            named = _named_part(heading_in_english(heading.group(1), language))
            sided = _SIDE_HEADING.fullmatch(heading.group(1).strip())
            headed, starts = (Side(sided.group(1).lower()) if sided else None), True
            rest = rest[heading.end() :] if sided else rest
            part = named or (part if part in (Part.FINDINGS, Part.IMPRESSION) else Part.FINDINGS)
            spoken = spoken and not named
            if named and not _of_neck(heading.group(1), rest[heading.end() :]):
                rest = rest[heading.end() :]
        passing = heading is not None and named in (Part.TECHNIQUE, Part.COMPARISON) and re.search(r"\w", rest)
        for piece in _split(rest):
            inner = _HEADING.match(piece)
            named = _named_part(heading_in_english(inner.group(1), language)) if inner else None
            if inner and named:
                part = named
                piece = piece if _of_neck(inner.group(1), piece[inner.end() :]) else piece[inner.end() :].strip()  # noqa: PLW2901 - the heading is not the sentence's
            if re.search(r"\w", piece) and not _TITLE.match(piece):
                told = _sentence(piece, _own_part(piece, part), language)
                if told.part in (Part.FINDINGS, Part.IMPRESSION):
                    told = replace(told, plain=_under_topic(told.plain, topic))
                    told = replace(told, plain=sides.read(told.plain, headed=headed, starts=starts))
                    starts = False
                found.append(told)
                spoken = True
        if passing:
            # "Study: CT neck" or "Comparison: none" is said on its own line; what follows is not.
            part = Part.FINDINGS
    return tuple(found)


_LINE_HEADING = re.compile(r"^[\s*#_]*[A-Z][A-Za-z /&-]{2,40}[\s*_]*:?$")
_SITE_HEADING = re.compile(
    r"(?:primary|index)?(?: ?(?:tumou?r|lesion|site|mass))*(?: (?:site|location))?|site of (?:primary|tumou?r)"
)


def _topic_of(block: str, topic: str) -> str:
    """What lines are said of: "nodes", "tumour" or the place that a heading alone on its line names; ends with a paragraph."""
    if not block:
        return ""
    if _NODE_HEADING.match(block):
        return "nodes"
    if not (_UPPER_HEADING.match(block) or _LINE_HEADING.match(block)):
        return topic
    words = plain(block.strip(" *#_:"))
    if _SITE_HEADING.fullmatch(words) and words:
        return "tumour"
    places = mentions_in(words)
    whole = len(places) == 1 and places[0].start == 0 and places[0].end == len(words)
    if whole and places[0].term.keys and not places[0].term.is_region:
        return words
    return "" if _UPPER_HEADING.match(block) else topic


def _under_topic(words: str, topic: str) -> str:
    """A line under a heading, which says what it speaks of: "AIRWAY" over "- narrowed"."""
    if topic == "nodes":
        return f"nodes : {words}"
    if not topic or NODE.search(words) or re.match(r"tumou?r\b|mass\b|lesion\b|there\b", words) or words == topic:
        return words
    places = mentions_in(words)
    if topic != "tumour":
        return words if places else f"{topic} : {words}"
    sized = re.match(r"(?:size |max\w* )?(?:about |approx )?\d[\d. x]* ?(?:mm|cm)", words)
    return f"tumour : {words}" if sized or (places and not _TELLS.search(words)) else words


_TELLS = re.compile(
    r"\b(?:is|are|was|were|no|not|normal|clear|free|spared|intact|negative|involv\w+|invad\w+|infiltrat\w+|exten\w+|spar\w+|equivocal|possible|\?)\b|[:?]"
)


def _sentence(piece: str, part: Part, language: str = ENGLISH) -> Sentence:
    """A piece of a block as a sentence."""
    if len(piece) > _LONGEST:
        return Sentence(" ".join(piece.split()), Part.UNREAD, "")
    return Sentence(
        " ".join(piece.split()),
        part,
        present(with_digits(plain(in_english(piece.replace("\t", " : "), language)))),
    )


def _own_part(piece: str, part: Part) -> Part:
    """Part that a sentence's own words give it: background or advice among the findings, or another person."""
    if part in (Part.FINDINGS, Part.IMPRESSION, Part.HISTORY) and _OF_OTHER_PERSON.search(piece):
        return Part.OTHER_PERSON
    if part in (Part.FINDINGS, Part.IMPRESSION) and _ADVISES.match(piece):
        return Part.ADVICE
    if part in (Part.FINDINGS, Part.IMPRESSION) and _TOLD_OF_THEN.match(piece):
        return Part.HISTORY
    if part is Part.FINDINGS and _TELLS_HISTORY.match(piece):
        return Part.HISTORY
    if part is Part.IMPRESSION and _TREATED_BEFORE.match(piece):
        return Part.HISTORY
    return part


def _of_neck(heading: str, rest: str) -> bool:
    """Whether "Neck:" heads nodes by their levels: "Neck: left IIa, 28 mm"."""
    return (
        heading.strip().lower() in ("neck", "the neck")
        and re.search(r"^.{0,30}\b(?:II|III|IV|I[AB]|VI?)[ab]?\b", rest) is not None
    )


def _bare_heading(line: str) -> re.Match[str] | None:
    """A line that is a heading of the whole report without a colon: "Findings"."""
    alone = re.match(r"([A-Z][A-Za-z ]+)$", line)
    return alone if alone and _named_part(alone.group(1)) else None


def _named_part(words: str) -> Part | None:
    words = words.strip().replace("_", " ")
    return next((part for part, pattern in _PART_OF if pattern.fullmatch(words)), None)


def _laid_out(text: str) -> list[str | Row]:
    """Blocks of a report in order, with the rows whose layout was read among them."""
    width = _width(text)
    found: list[str | Row] = []
    run: list[str] = []
    for piece in pieces_of(text):
        if isinstance(piece, Row):
            found += [*_blocks(run, width), piece]
            run = []
        else:
            run.append(piece)
    return [*found, *_blocks(run, width)]


def _blocks(lines: list[str], width: int) -> list[str]:
    """Lines, those that only go on from the line above joined to it, without bullets; empty where a paragraph ends."""
    blocks: list[str] = []
    open_line, length = False, 0
    for raw in lines:
        line = re.sub(r" +", " ", re.sub(r"\s*(?:\t|(?<=\S)\s{4,}(?=\S))\s*", "\t", raw.strip()).replace("\u00a0", " "))
        if not line:
            open_line = False
            blocks.append("")
            continue
        starts = (
            "|" in line
            or "\t" in line
            or _BULLET.match(raw)
            or _ITEM.match(line)
            or line[0] == "?"
            or _HEADING.match(line)
            or _UPPER_HEADING.match(line)
            or _bare_heading(line)
        )
        goes_on = open_line and not starts and (line[0].islower() or _is_wrapped(blocks[-1], length, line, width))
        if goes_on:
            blocks[-1] += " " + line
        else:
            blocks.append(_BULLET.sub("", line))
        open_line, length = not re.search(r"[.!?:]$", line) and not _bare_heading(line), len(line)
    return blocks


def _width(text: str) -> int:
    """Width at which a text is wrapped: that of its longest line where others come near; else no line is."""
    lengths = sorted(len(raw.strip()) for raw in text.splitlines() if raw.strip())
    near = sum(length >= 0.8 * lengths[-1] for length in lengths) if lengths else 0
    return lengths[-1] if near > 1 and near >= 0.3 * len(lengths) else max(lengths[-1:], default=0) + 1000


def _is_wrapped(line: str, length: int, following: str, width: int) -> bool:
    """Whether a line was broken because the next line's first word did not fit on it, or ends where no sentence can."""
    if length >= _WRAPPED_FROM and _UNFINISHED.search(line):
        return True
    if _ITEM.match(line):
        return False
    return length >= _WRAPPED_FROM and length + 1 + len(following.split(maxsplit=1)[0]) > width


def _split(block: str) -> list[str]:
    """Sentences of a block; stops of abbreviations and numbers do not end one."""
    pieces: list[str] = []
    for piece in _dictated(block) or _BREAK.split(block):
        goes_on = pieces and piece[:1].islower() and _SHORTENED.search(pieces[-1])
        if pieces and (goes_on or _ABBREVIATION.search(pieces[-1])) and not pieces[-1].endswith("RT."):
            pieces[-1] += " " + piece
        else:
            pieces.append(piece)
    return [stripped for piece in pieces if (stripped := _BULLET.sub("", piece).strip())]


_SPOKEN = re.compile(r"\s*\b(?:full stop|period|new line|new paragraph)\b[.,]?\s*")
_NEW_CLAUSE = re.compile(
    r"\s+(?=(?:there (?:is|are|was|were)|it (?:is|measures|extends|involves|reaches|abuts|crosses)|no (?:enlarged |suspicious |further )?(?:lymph )?nodes?|"
    r"(?<!\bon )(?<!\bof )(?<!\bat )(?<!\bto )(?<!\bin )the (?:(?!the\b|there\b|it\b|which\b)[a-z-]+ ){1,5}?(?:(?:on|of|in) the (?:right|left) (?:side )?)?(?<!and )(?:is|are|measures?|appears?|shows?|looks?|remains?|seems?))\b|no (?:evidence|signs?|extra-?nodal|extra-?capsular|(?:\w+ )?(?:invasion|involvement|extension))\b)"
)
_PREDICATES = (
    "normal",
    "preserved",
    "unremarkable",
    "clear",
    "intact",
    "involved",
    "invaded",
    "spared",
    "infiltrated",
    "suspected",
    "patent",
    "free",
)
_TOLD = re.compile(
    "(?:"
    + "|".join(rf"(?<= {be} {word})" for be in ("is", "are", "looks", "look") for word in _PREDICATES)
    + r")\s+(?!(?:and|or|but|in|on|at|with|by|to|for|from|as|without|because|bilaterally|except|of|too|on|limits|however|although|while)\b)"
)
"""Behind a predicate that nothing follows."""
_LEAST_DICTATED, _MOST_DICTATED = 25, 2_000  # words in a row without a stop; more are no dictation


def _dictated(block: str) -> list[str]:
    """Sentences of a dictation without stops, cut where a subject ends or begins; none where there are stops."""
    if not _LEAST_DICTATED <= len(block.split()) <= _MOST_DICTATED or re.search(r"[;:!?]|\.(?=\s)|,.*,", block):
        return []
    spoken = [piece for piece in _SPOKEN.split(block) if piece]
    return [part for piece in spoken for told in _TOLD.split(piece) for part in _NEW_CLAUSE.split(told) if part.strip()]


_SCAN = r"(?:scans?|stud(?:y|ies)|ct|cect|mri|pet(?:/ct)?|exam(?:ination)?s?|imaging|report|one|film)"
_EARLIER = (
    r"(?:(?:the|a|an|his|her|patient's|any) )?(?:prior|previous|earlier|last|old|outside|baseline|"
    rf"pre-?treatment|preceding)(?: \w+){{0,2}}? {_SCAN}"
)
_TO_SCAN = rf"(?:{_EARLIER}|(?:the )?(?:prior|previous|earlier|baseline)(?! (?:\w+[- ])?(?:radi|chemo|treat|surg|therap|irradi|resect|crt|rt\b))|(?:the )?{_SCAN} (?:dated|of|from|done|performed)\b)"
_NOW = r"(?:now|currently|at present|today|presently|on (?:the )?(?:present|current|today's)|in the present|but)"
_SIZE = r"\d+(?:[.,]\d+)?(?:\s*(?:cm|mm))?(?: x \d+(?:[.,]\d+)?)*(?: x \d+(?:[.,]\d+)?)*\s*(?:cm|mm)?"
_PAST_CLAUSE = r"[^,;()]*(?:,? (?:(?:in|on|at) which|when|where) [^,;()]*)?"
_THEN = (
    r"(?: (?:of|from|dated|done|on) [^,;()]*?(?=,|;| and | with |\(|\)|\.|$))?"
    r"(?:,? (?:(?:in|on|at) which|when|where) [^,;()]*)?"
)
_STATE = r"(?:involved|infiltrated|invaded|eroded|destroyed|encased|enlarged|effaced|replaced|thickened|bulky|present|affected)"
_MONTH = r"(?:january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)"
_OTHERS = r"(?:outside|referring|original|initial|first|external|other) (?:report|read(?:er|ing)?|facility|hospital|radiologists?|clinic|institution|interpretation)"
_CUTS = (
    # A state of a time that is over.
    rf"^\s*{_AGO}\b.*?(?=;|\b{_NOW}\b|$)",
    rf"(?<=[,;(])\s*{_AGO}\b.*?(?=;|\b{_NOW}\b|\)|$)",
    rf"\b(?:which|that) (?:was|were|had) [^,;()]*\b{_AGO}\b",
    r"\b(?:which|that) had (?:then |already )?(?!been\b)\w+(?:ed|en|wn|own|ght)\b[^;.]*$",
    rf"\b(?:than|since|versus|vs|from|as on) (?:on |in )?{_TO_SCAN}{_THEN}",
    # A size or a state of then, told in passing.
    rf"\b(?:previously|earlier|formerly) (?:seen|noted|described|reported|demonstrated|identified|known|measured) (?:about )?{_SIZE}(?= )",
    r"(?<=,) (?:previously|formerly|initially|earlier) \w+(?: \w+)?(?=,)",
    rf"\((?:was|were|prior|before|earlier|previously)[^()]*{_SIZE}[^()]*\)",
    rf"\b(?:which|that) (?:had|has) (?:previously |formerly |initially |once |then )?(?:been|measured) (?:about |approx |approximately )?{_SIZE},?",
    rf"\bhad (?:previously |formerly |initially |once )?(?:been|measured) (?:about |approx |approximately )?{_SIZE}",
    # What was held before, up to what is.
    r"\b(?:was|were|had been) (?:\w+ly )?(?:expected|thought|believed|assumed|presumed|said|reported|described|suspected)\b[^,;]*?,? but\b(?= (?:is|are|lies|appears?|remains?|looks?|now|turns out)\b)",
    # A state of then, with its time.
    r"\b(?:was|were|had been) [^,;]*?\b(?:before|prior to) (?:the )?(?:\w+ )?(?:treatment|therapy|radio\w+|chemo\w+|surgery)\b(?: and\b)?",
    rf"\b(?:formerly|previously|initially|originally|earlier|once) {_STATE}\b",
    rf"\b(?:(?:was|were|had been) )?{_STATE} (?:before|pre-? ?(?:rx|treatment|therapy)|at (?:the )?(?:time of )?(?:(?:first|initial|primary) )?(?:diagnosis|baseline|presentation|staging))\b",
    # A state of then, without a verb.
    rf"\b(?:involved|infiltrated|invaded|eroded|encased|enlarged|effaced|thickened|present|involvement|infiltration|invasion) (?:on|in|at) {_TO_SCAN}[^,;]*",
    # Seen before and still described: only the reminder goes.
    r"\(?\b(?:previously|earlier) (?:seen|noted|described|reported|demonstrated|identified|visualised|"
    r"visualized|known)\b",
    rf"\b(?:seen|noted|described|reported|present|visuali[sz]ed) (?:on|in) {_TO_SCAN}",
    rf"\b(?:(?:that|which|as) )?(?:was|were|had been) [^,;]*?\b(?:on|in|at) {_TO_SCAN}",
    rf"^{_EARLIER}[^:;]*:.*$",
    # A statement of what was: all of it, up to what is now.
    rf"\b(?:on|in|at the time of) {_TO_SCAN}\b.*?(?=;|\b{_NOW}\b|\)|$)",
    rf"(?:^|(?<=[,;(]))\s*(?:previously|formerly|earlier|initially|(?:at|on) (?:baseline|presentation|(?:initial )?diagnosis)|pre-? ?(?:rx|treatment|therapy))\b.*?(?=;|\b{_NOW}\b|\)|$)",
    r"\b(?:previously|formerly|earlier|which|that|it)? ?(?:was|were|measured) (?:about |approx |"
    rf"approximately )?{_SIZE}(?= .*\b{_NOW}\b)",
    r"\b(?:previously|formerly|earlier|prior|prev) (?:measur\w+ |was |size )?(?:about |approx |"
    rf"approximately )?{_SIZE}",
    rf"\bfrom (?:about |approx |approximately )?{_SIZE}",
    rf"(?:^|(?<=[,;(])|\band )\s*{_TO_SCAN}(?: \w+)? (?:showed|demonstrated|revealed|described|reported|had|"
    rf"identified|noted|describes|states|mentions|reports|calls|called|concludes|concluded|raises|raised|documents|documented|suggests|suggested|says|said)\b"
    rf".*?(?=;|\b{_NOW}\b|\)|$)",
    rf"\b(?:before|prior to) (?:the )?(?:\w+ )?(?:treatment|therapy|radio\w+|chemo\w+|surgery)\b.*?(?=;|\b{_NOW}\b|\)|$)",
    # What another hospital held.
    rf"(?:^|(?<=[,;(])|\band )\s*(?:the )?{_OTHERS} (?:\w+ly )?(?:report\w*|describ\w*|stat(?:es|ed)|mention\w*|rais\w*|call(?:s|ed)|conclud\w*|suggest\w*|suspect\w*|saw|found|note[ds]?|felt|read)\b"
    rf".*?(?=;|\b{_NOW}\b|\)|$)",
    rf"\b(?:was |were )?(?:called|described|reported|read|interpreted|considered|held)\b[^,;]*\b(?:outside|elsewhere|externally|by (?:the )?{_OTHERS})\b",
    # A mistake that the speaker takes back.
    r"^[^.;]*?\b(?:no,? sorry|sorry,? no|correction,|scratch that|i mean)\b",
    r"\(not (?:the )?(?:right|left)\)",
    # A size of then, told in passing.
    rf"\([^()]*{_SIZE}[^()]*\b(?:in|on|at) (?:{_MONTH}|{_TO_SCAN}|(?:19|20)\d\d)\b[^()]*\)",
    rf"\((?:on (?:the )?)?(?:{_TO_SCAN}|previous|prior)\b[^()]*{_SIZE}[^()]*\)",
    rf"(?<=[,;]) ?(?:was|were|prior|prev|before|initially|originally) (?:about |approx )?{_SIZE}(?= ?(?:[.,;)]|$|before|then|earlier))",
    # The other side, as a measure.
    r"\b(?:with respect|compared|relative|in comparison|in relation) (?:to|with) (?:the |its )?(?:right|left|other|opposite|contralateral)(?: side| one)?\b|\bthan (?:on )?the (?:right|left|other|opposite)(?: side| one)?\b",
    # A comparison: only its other side.
    r"\b(?:when |as )?(?:compared|in comparison|as against|as opposed|relative|with respect|"
    rf"with reference)(?: (?:to|with))? (?:the )?(?:{_TO_SCAN}|{_SIZE}|{_SCAN}){_PAST_CLAUSE}",
    rf"\b(?:to|with) {_EARLIER}{_THEN}",
)
_ONLY_THEN = re.compile(
    rf"^(?![^;]*\b(?:now|currently|is|are|has|have|remains?|measures|shows?)\b)[^,;]*(?<!that )(?<!which )\b(?:was|were|had been) [^,;]*?\b(?:on|in|at) {_TO_SCAN}[^,;]*$"
)
"""A sentence that only says what was seen on an earlier scan."""
_HAD = re.compile(
    r"^(?![^;]*\b(?:now|currently|today)\b)[^;]*?\bhad (?:shown|demonstrated|revealed|described|been|involved|infiltrated|reported|queried|suggested|raised|questioned)\b[^;]*$"
)

_CUT = [re.compile(pattern) for pattern in _CUTS]


def present(words: str) -> str:
    """Cut out of a plain sentence what it says about earlier scans.

    Parameters
    ----------
    words : str
        Sentence from `plain`.

    Examples
    --------
    >>> present("the mass measures 2.2 cm, previously 3.4 cm")
    'the mass measures 2.2 cm,'
    >>> present("on the previous ct the epiglottis was involved")
    ''
    """
    if _ONLY_THEN.match(words) or _HAD.match(words):
        return ""
    for pattern in _CUT:
        words = pattern.sub(" ", words)
    return re.sub(r"\s+", " ", words).strip()
