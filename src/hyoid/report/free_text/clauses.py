"""A sentence as clauses, and which words of a clause speak of which place.

A clause ends at ";", "but" and the like, and where a new subject with its own predicate begins ("..., the lips are
free"). Inside a clause a place belongs to the verb or noun in front of it ("invasion of the tonsil"), or to the
predicate behind it ("the tonsil is infiltrated"). What is said later of the same places is kept in order, also
in a following clause without a subject of its own ("effaced but not invaded").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from hyoid.report.free_text.cutting import clauses_of, says
from hyoid.report.free_text.lexicon import Kind, Sense, Token, tokens_in
from hyoid.report.free_text.scopes import ARTICLE, reaches_back

_FILLER = re.compile(
    r"the|a|an|it|its|this|these|those|they|also|and|is|are|was|were|clearly|any|definite|definitive|frank|gross|obvious|clear|overt|radiological|ct|mr|"
    r"imaging|evidence|signs?|of|for|early|tumou?r|mass|lesion|direct|further|other|significant|convincing|suspicious|macroscopic|"
    r"\w+ly|beginning|incipient|initial|superficial|deep|discrete|focal|local|mild|moderate|severe|minimal|partial|features?|small|large|entire|full|extent|thickness|"
    r"features|there|has|have|been|be|being|marked|still|now|mucosal|some|subtle|slight|irregular|loss|left|right|both|on|in|side|sides|both sides|so|only|normal|"
    r"therefore|thus|hence|consequently|accordingly|we|i|our|my|review|opinion|view|would|consider|regard|judge|think|feel|find|call|report|hold|read|nonspecific|non-specific|considered|deemed|felt|regarded|judged|thought|at|this|level|point|time|here|as|well|to|by|enhancing|heterogeneous\w*|ill-defined|infiltrative|residual|recurrent|underlying|associated"
)
_PRONOUN = re.compile(r"it|them|this|these|those|either|both|the latter|one|ones")
_NOTE = 11  # words of a note between a topic and what is told of it
_LISTING = (Kind.AND, Kind.COMMA)


@dataclass(frozen=True)
class Told:
    """Word that tells something of a place.

    Parameters
    ----------
    token : Token
        The word that tells.
    denied, doubted : bool
        Whether the sentence denies, or doubts, what the word tells.
    bare : bool
        Told of a place that was governed before, without naming it again.
    """

    token: Token
    denied: bool = False
    doubted: bool = False
    bare: bool = False

    @property
    def sense(self) -> Sense:
        """What the word says."""
        assert self.token.sense is not None
        return self.token.sense


@dataclass
class Governed:
    """A place and everything that its sentence tells of it, in order.

    Parameters
    ----------
    place : Token
        Words of the place.
    told : list of Told
        Words that tell something of the place, in order.
    loose : bool
        A denial or doubt of its clause could not be given to any word.
    own_sides : tuple of Token
        Side words of the clause that tells of a place named in an earlier clause ("left replaced; right normal").
    """

    place: Token
    told: list[Told] = field(default_factory=list)
    own_sides: tuple[Token, ...] = ()
    loose: bool = False


@dataclass(frozen=True)
class Reading:
    """Sentence with what it tells of each place.

    Parameters
    ----------
    governed : tuple of Governed
        Places of the sentence, each with what is told of it.
    bare : tuple of Told
        What a sentence without places tells of those of the sentence before.
    treated : bool
        The sentence speaks of the effect of treatment.
    tokens : tuple of Token
        Stretches of the sentence, in order.
    """

    governed: tuple[Governed, ...]
    bare: tuple[Told, ...]
    treated: bool
    tokens: tuple[Token, ...]


@lru_cache(maxsize=256)
def read_sentence(words: str) -> Reading:
    """Read what a plain sentence tells of each place it names.

    Parameters
    ----------
    words : str
        Sentence in plain spelling, see `hyoid.report.free_text.sentences.plain`.

    Examples
    --------
    >>> found = read_sentence("both pyriform sinuses are effaced but not invaded")
    >>> [(g.place.text, [(t.token.text, t.denied) for t in g.told]) for g in found.governed]
    [('pyriform sinuses', [('effaced', False), ('invaded', True)])]
    """
    tokens = tokens_in(words)
    governed: list[Governed] = []
    bare: list[Told] = []
    topic: list[Governed] = []
    last: list[Governed] = []
    for clause in clauses_of(tokens):
        reader = _Clause(clause, topic, last)
        reader.read()
        governed += reader.found
        bare += reader.bare
        topic = reader.topic or topic
        last = reader.last or ([] if reader.found and says(clause) else reader.pending) or last
    treated = any(token.kind is Kind.TREATED for token in tokens)
    return Reading(tuple(governed), tuple(bare), treated, tuple(tokens))


class _Clause:
    """One clause while it is read."""

    def __init__(self, tokens: list[Token], topic: list[Governed], last: list[Governed]) -> None:
        self.tokens = tokens
        self.before = last
        self.topic: list[Governed] = []
        self.inherited = topic
        self.last: list[Governed] = []
        self.found: list[Governed] = []
        self.bare: list[Told] = []
        self.pending: list[Governed] = []
        self.used: set[int] = set()
        self.opened: Told | None = None
        self.landmarks: set[int] = set()

    def read(self) -> None:
        """Give every place of the clause what is told of it."""
        opened_at = -1
        for at, token in enumerate(self.tokens):
            if token.kind is Kind.PLACE:
                self._place(at, token, self.opened, opened_at)
            elif token.kind is Kind.COLON and self.pending and not says(self.tokens[:at]):
                self.topic = list(self.pending)
                self.pending = []
            elif token.kind in (Kind.OPEN, Kind.GONE):
                self._look_back(at, token)
            elif token.kind is Kind.HEDGE and not any(
                t.speaks or t.kind in (Kind.TREATED, Kind.NODE) for t in self.tokens[at + 1 :]
            ):
                self._look_back(at, replace(token, kind=Kind.OPEN))
            elif token.speaks:
                if self._is_idle(at, token):
                    continue
                told = Told(self._softened(at, token), self._denied(at), self._doubted(at))
                if self._speaks_of_pronoun(at, token):
                    self._back_to_pronoun(told)
                elif self._goes_ahead(at, token):
                    self.opened, opened_at = told, at
                    if token.kind is Kind.VERB:
                        self._subjects_of_verb(told, at)
                elif self._back(told, at):
                    self.opened = None
        self._end_with_not()
        self._guard()
        if not self.found and not self.bare:
            self.last = []

    def _end_with_not(self) -> None:
        """Read an ellipsis: "the buccinator is infiltrated; the masseter is not"."""
        rest = [t for t in self.tokens if t.kind is not Kind.STOP]
        ends = len(rest) > 1 and rest[-1].text == "not" and rest[-2].kind is Kind.BE
        tumour = any(told.sense in (Sense.INVADE, Sense.WEAK) for place in self.before for told in place.told)
        if self.pending and ends and tumour:
            self._govern(self.pending, Told(replace(rest[-1], sense=Sense.FREE)))
            self.pending = []

    def _speaks_of_pronoun(self, at: int, token: Token) -> bool:
        """Whether what is told stands for a place named before: "without affecting it", "its infiltration"."""
        if token.kind is Kind.VERB and at + 1 < len(self.tokens):
            alone = at + 2 == len(self.tokens) or self.tokens[at + 2].kind not in (Kind.WORD, Kind.PLACE, Kind.SIDE)
            return alone and _PRONOUN.fullmatch(self.tokens[at + 1].text) is not None
        return (
            token.kind is Kind.NOUN
            and token.sense in (Sense.INVADE, Sense.WEAK)
            and any(t.text in ("its", "their") for t in self.tokens[max(0, at - 3) : at])
            and not any(t.kind is Kind.PLACE for t in self.tokens[at + 1 : at + 4])
        )

    def _back_to_pronoun(self, told: Told) -> None:
        """Tell it of the place that was named last, in this clause or in the one before."""
        places = self.found[-1:] or self.before[-1:]
        if places and places[0] in self.last:
            places = self.last
        if places:
            self._govern(places, replace(told, bare=True))
            self.pending = [place for place in self.pending if place not in places]
        else:
            self.bare.append(told)

    def _softened(self, at: int, token: Token) -> Token:
        """A verb whose subject is oedema or the like says no more than that: "oedema involving the cords"."""
        if token.kind is not Kind.VERB or token.sense not in (Sense.INVADE, Sense.WEAK):
            return token
        for other in reversed(self.tokens[max(0, at - 4) : at]):
            if other.kind is Kind.NOUN:
                return replace(token, sense=Sense.SOFT) if other.sense is Sense.SOFT else token
            if other.kind not in (Kind.WORD, Kind.BE, Kind.COMMA, Kind.TREATED):
                return token
        return token

    def _place(self, at: int, token: Token, opened: Told | None, opened_at: int) -> None:
        place = Governed(token)
        self.found.append(place)
        if self._is_landmark(at):
            self.landmarks.add(at)
            return
        source = self.last or self.before
        if source and any(
            t.text == "so" and self.tokens[n + 1].text in ("is", "are", "does", "do", "was", "were")
            for n, t in enumerate(self.tokens[:at], start=0)
            if at - 5 <= n < at - 1
        ):
            # "The gum looks clean, and so does the lip."
            place.told += source[-1].told
            return
        if token.sense is Sense.FINDING:
            place.told.append(Told(token, self._denied(at), self._doubted(at)))
            self.last = [place]
            return
        compound = self._compound(at)
        if compound is not None:
            told = Told(
                self.tokens[compound],
                self._denied(compound, through_places=True),
                self._doubted(compound, through_places=True),
            )
            place.told.append(told)
            self.used.add(compound)
            if told.doubted:
                # "Signal change in the thyroid cartilage, suspicious for cartilage invasion"
                for soft in self.last:
                    if soft.told and soft.told[-1].sense is Sense.SOFT:
                        soft.told.append(replace(told, bare=True))
            self.last = [*([p for p in self.last if p.told and p.told[-1].token is told.token]), place]
        elif opened is not None and self._reaches(opened, opened_at, at):
            place.told.append(opened)
            self.last = [*([p for p in self.last if p.told and p.told[-1].token is opened.token]), place]
        else:
            self.pending.append(place)

    def _is_landmark(self, at: int) -> bool:
        for step in range(at - 1, max(0, at - 5) - 1, -1):
            token = self.tokens[step]
            if token.kind is Kind.BESIDE or step in self.landmarks:
                return True
            if token.kind in _LISTING and any(step - 2 <= n < step for n in self.landmarks):
                continue
            if token.kind not in (Kind.SIDE, Kind.WORD, Kind.PREPOSITION):
                return False
        return False

    def _compound(self, at: int) -> int | None:
        """Place of the noun that the place is part of: "thyroid cartilage invasion", "tonsil or tongue base mass"."""
        step = at + 1
        while step < len(self.tokens):
            token = self.tokens[step]
            if token.kind is Kind.NOUN and token.sense is not Sense.TOUCH:
                following = self.tokens[step + 1] if step + 1 < len(self.tokens) else None
                own = (
                    following is not None
                    and following.kind is Kind.PREPOSITION
                    and following.text in ("of", "into", "to", "in", "along", "through")
                    and step > at + 1
                )
                return None if own else step
            if token.kind in (Kind.AND, Kind.PLACE) or (token.kind is Kind.COMMA and self._list_goes_on(step)):
                step += 1
            elif (
                token.kind is Kind.WORD
                and re.fullmatch(
                    r"tumou?r|bone|bony|cortical|marrow|wall|mucosal|fat|\w+al|inner|outer|cortex|focal|soft|early",
                    token.text,
                )
                and step - at <= 3
            ):
                step += 1
            else:
                return None
        return None

    def _list_goes_on(self, at: int) -> bool:
        following = self.tokens[at + 1 : at + 3]
        return any(t.kind is Kind.PLACE for t in following[:1]) or (
            len(following) == 2 and following[0].kind is Kind.AND
        )

    def _reaches(self, opened: Told, opened_at: int, at: int) -> bool:
        """Whether a verb or noun ahead still governs here."""
        between = self.tokens[opened_at + 1 : at]
        if opened.token.kind is not Kind.VERB and between and between[0].kind is Kind.COLON:
            return not any(t.speaks and t.kind is not Kind.PLACE for t in between)
        if any(
            t.kind in (Kind.WHICH, Kind.COLON) or (t.kind is Kind.BE and not self._is_seen_behind(t)) for t in between
        ):
            return False
        if opened.sense is Sense.MASS or opened.token.kind is Kind.NOUN:
            first = next((t for t in between if t.kind is Kind.PLACE), None)
            upto = between[: between.index(first)] if first is not None else between
            beside = opened.sense is Sense.MASS and all(t.kind is Kind.SIDE for t in upto)
            if not beside and not any(t.kind is Kind.PREPOSITION and t.text not in ("for", "by") for t in upto):
                return False
            if any(t.kind in (Kind.WITH, Kind.NODE, Kind.SHOW) for t in upto):
                return False
        if any(t.kind is Kind.WITH for t in between):
            return self._with_lists(between)
        if any(t.kind is Kind.NODE for t in between):
            return False
        # A place behind "in" or "of" after another place says where, as "the fat in the tonsil".
        return not any(t.kind is Kind.SHOW for t in between)

    def _is_seen_behind(self, token: Token) -> bool:
        at = self.tokens.index(token)
        return (
            at + 1 < len(self.tokens)
            and re.fullmatch(
                r"seen|identified|demonstrated|present|noted|evident|found|observed|detected|visible|appreciated",
                self.tokens[at + 1].text,
            )
            is not None
        )

    def _with_lists(self, between: Sequence[Token]) -> bool:
        return all(t.text in ("including", "plus") for t in between if t.kind is Kind.WITH)

    def _is_idle(self, at: int, token: Token) -> bool:
        """Whether a word only describes something else: "enlarged nodes", "tumour" as the subject of a verb."""
        following = self.tokens[at + 1] if at + 1 < len(self.tokens) else None
        if at in self.used:
            return True
        if token.kind is Kind.DONE and following is not None:
            nearby = self.tokens[at + 1 : at + 4]
            for t in nearby:
                if t.kind is Kind.NODE:
                    return True
                if t.kind is not Kind.WORD or not re.fullmatch(r"\w+(?:al|ic|ed|ing|ar)|lymph|cervical|level", t.text):
                    break
            if (
                following.kind is Kind.NOUN
                and token.sense in (Sense.SOFT, Sense.NORMAL, Sense.WEAK, Sense.TOUCH, Sense.INVADE)
                and not self._after_be(at)
            ):
                return True
        if token.text.startswith("symmetric") and following is not None and following.sense is Sense.SOFT:
            return True  # "Larynx: symmetrical oedema of the epiglottis"
        if token.sense is Sense.MASS:
            if (
                following is not None
                and following.kind in (Kind.VERB, Kind.NOUN)
                and following.text not in ("in contact with",)
            ):
                return True
            before = self.tokens[at - 1] if at else None
            if before is not None and before.kind is Kind.NODE:
                return True
            # "abuts the tumour", "separate from the lesion", "by tumour": the other side of a relation
            near = [
                t
                for t in self.tokens[max(0, at - 3) : at]
                if not (t.kind is Kind.WORD and t.text in ("the", "a", "this"))
            ]
            placed = following is not None and following.text in ("in", "within", "along", "of", "at")
            if near and near[-1].kind is Kind.WITH and placed:
                return False
            if near and (near[-1].kind is Kind.VERB or near[-1].text in ("by", "from", "with", "to")):
                return True
        return token.kind is Kind.NOUN and bool(self.tokens[at - 1].kind is Kind.NODE if at else False)

    def _after_be(self, at: int) -> bool:
        near = [
            t
            for t in self.tokens[max(0, at - 3) : at]
            if not t.text.endswith("ly") and t.kind not in (Kind.DENY, Kind.HEDGE)
        ]
        return bool(near) and (near[-1].kind in (Kind.BE, Kind.COLON, Kind.PLACE))

    def _goes_ahead(self, at: int, token: Token) -> bool:
        """Whether a word governs the places that follow."""
        following = self.tokens[at + 1 :]
        places = any(t.kind is Kind.PLACE for t in following)
        if token.kind is Kind.VERB:
            if token.sense in (Sense.TOUCH, Sense.FREE) and (self.pending or self.inherited or self.topic):
                near = [t for t in following[:4] if not (t.kind is Kind.WORD and t.text in ("the", "a", "this"))]
                if not places or (near and near[0].sense is Sense.MASS):
                    return False
            return True if places else not (self.pending or self._topics())
        if not places:
            return False
        if token.kind is Kind.NOUN:
            if token.sense is Sense.MASS:
                return self._mass_ahead(at) and not self._answers_topic(at)
            if following[0].kind is Kind.COLON and not self.pending and not self._topics():
                return True
            for step, t in enumerate(following[:6]):
                if t.kind is Kind.PREPOSITION and t.text not in ("by", "for"):
                    return True
                if t.kind is Kind.PLACE:
                    return False
                if t.kind in (Kind.COMMA, Kind.WITH, Kind.STOP, Kind.BE, Kind.OPEN, Kind.GONE) and step < 6:
                    return False
                if t.kind is Kind.AND and not any(
                    n.kind is Kind.NOUN or n.text == "of" for n in following[step + 1 : step + 4]
                ):
                    return False
            return False
        # An adjective right in front of a place, not a predicate.
        if self._after_be(at) and (self.pending or self._topics()):
            return False
        if following[0].kind is Kind.COLON and not self.pending and at < 4:
            return True
        for t in following[:5]:
            if t.kind is Kind.PLACE:
                return True
            if (
                t.kind is Kind.SIDE
                or ARTICLE.fullmatch(t.text)
                or re.fullmatch(r"appear\w*|looking|contour|configuration|visuali[sz]ed|signal", t.text)
            ):
                continue
            if t.kind is Kind.DONE or (t.kind is Kind.AND and not self._after_be(at)):
                continue
            return False
        return False

    def _mass_ahead(self, at: int) -> bool:
        if at + 1 < len(self.tokens) and self.tokens[at + 1].kind is Kind.COLON:
            return any(t.kind is Kind.PLACE for t in self.tokens[at + 2 : at + 6])
        for step, t in enumerate(self.tokens[at + 1 : at + 16], start=at + 1):
            sized = any(n.kind is Kind.SIZE or n.text in ("size", "up") for n in self.tokens[step + 1 : step + 3])
            if t.kind is Kind.PREPOSITION and t.text in ("of", "on") and sized:
                continue
            if t.kind is Kind.PREPOSITION and t.text in (
                "of",
                "in",
                "at",
                "within",
                "on",
                "along",
                "over",
                "from",
                "across",
                "throughout",
                "inside",
            ):
                return True
            if t.kind in (Kind.VERB, Kind.WHICH, Kind.NODE, Kind.WITH, Kind.STOP) or (
                t.kind is Kind.BE and not self._is_seen_behind(t)
            ):
                return False
            if t.kind is Kind.PLACE:
                # "Mass right tonsil, 3 cm", as notes put it
                return at < 4 and all(n.kind is Kind.SIDE for n in self.tokens[at + 1 : step])
        return False

    def _answers_topic(self, at: int) -> bool:
        return bool(self.topic) and not any(
            t.kind is Kind.PLACE and t.term is not None and t.term.keys for t in self.tokens[at:]
        )

    def _topics(self) -> list[Governed]:
        return self.topic or self.inherited

    def _subjects_of_verb(self, told: Told, at: int) -> None:
        """Places before a verb are its subject; nothing is told of these, but "the mass of the tonsil" was before."""
        if told.sense is Sense.TOUCH and not any(t.kind is Kind.PLACE for t in self.tokens[at + 1 :]):
            self._govern(self.pending or self.last or [], told)
        self.pending = []

    def _back(self, told: Told, at: int) -> bool:
        """Give a predicate to the places in front of it, or to those of the clause before; whether there are any."""
        mass = told.sense is Sense.MASS
        if self.pending:
            subjects = self.pending
            if (mass and not self._mass_of_subject(at)) or self._has_other_subject(at):
                return False
            self._govern(subjects, told)
            self.pending = []
            return True
        gap = self._gap(at)
        if self.topic and any(t.kind is Kind.SIDE for t in gap) and self._fills(gap, of_topic=True):
            # "Submandibular glands: right normal, left absent"
            sides = tuple(t for t in gap if t.kind is Kind.SIDE)
            self.found += [Governed(place.place, [told], sides) for place in self.topic]
            return True
        if self.topic and (not self.last or self.last is self.topic):
            asked = any(t.kind is Kind.OPEN for t in self.tokens[at + 1 : at + 3])
            if self._fills(gap, of_topic=True) or (asked and told.sense is Sense.INVADE):
                self._govern(self.topic, told)
                self.last = self.topic
                return True
            return False
        asked = any(t.kind is Kind.OPEN for t in self.tokens[at + 1 : at + 5])
        open_invasion = asked and told.sense is Sense.INVADE and bool(self.last)
        in_question = open_invasion or (mass and (told.doubted or told.denied or asked))
        in_question = in_question and not any(t.kind is Kind.NODE for t in gap)
        if self.last and (in_question or self._fills(gap)):
            self._govern(self.last, replace(told, bare=True))
            return True
        own_places = any(t.kind is Kind.PLACE for t in self.tokens)
        if own_places or not self._fills(gap):
            return False
        sides = tuple(t for t in self.tokens[: at + 4] if t.kind is Kind.SIDE)
        if self.before and sides and told.token.kind is not Kind.NOUN:
            self.last = [Governed(p.place, [told], sides) for p in self.before]
            self.found += self.last
        elif self.before or self.inherited:
            self._govern(self.before or self.inherited, replace(told, bare=True))
        else:
            self.bare.append(told)
        return True

    def _mass_of_subject(self, at: int) -> bool:
        """Whether "mass" says what the places before it hold: "in the tonsil there is a mass", "tonsil: mass"."""
        after = self.pending[-1].place
        between = [t for t in self.tokens[:at] if t.start >= after.end]
        return any(t.kind in (Kind.SHOW, Kind.COLON, Kind.DENY) for t in between) or len(between) == 0

    def _has_other_subject(self, at: int) -> bool:
        """Whether another subject stands between the places and a predicate: "the lip is near and the process is eroded"."""
        gap = [t for t in self.tokens[:at] if t.start >= self.pending[-1].place.end]
        joints = [n for n, t in enumerate(gap) if t.kind in _LISTING]
        if not joints or not any(t.kind in (Kind.BE, Kind.SHOW) for t in gap[: joints[-1]]):
            return False
        return not self._fills(gap[joints[-1] :])

    def _gap(self, at: int) -> list[Token]:
        """Words between the last thing told, or the clause's begin, and a predicate."""
        start = 0
        for step in range(at - 1, -1, -1):
            token = self.tokens[step]
            if token.speaks or token.kind in (Kind.PLACE, Kind.COLON, Kind.OPEN, Kind.GONE):
                start = step + 1
                break
        return self.tokens[start:at]

    def _fills(self, gap: Sequence[Token], *, of_topic: bool = False) -> bool:
        """Whether nothing among these words could be another subject."""
        for token in gap:
            if token.kind is Kind.NODE:
                return False
            if token.kind is Kind.WORD and not _FILLER.fullmatch(token.text) and not (of_topic and len(gap) < _NOTE):
                return False
        return True

    def _govern(self, places: Sequence[Governed], told: Told) -> None:
        if told.sense is Sense.UNSEEN:
            # "Extranodal extension and vessel involvement cannot be assessed"
            for finding in self.found:
                if finding not in places and finding.place.sense is Sense.FINDING and self._joined_to(finding, told):
                    finding.told.append(told)
        for place in places:
            if place.told and place.told[-1].sense is Sense.FINDING and told.token.text in ("absent", "negative"):
                place.told[-1] = replace(place.told[-1], denied=True)
                continue
            place.told.append(told)
        self.last = list(places)

    def _joined_to(self, finding: Governed, told: Told) -> bool:
        """Whether nothing but a list lies between a finding and what is told behind the list."""
        gap = [t for t in self.tokens if finding.place.end <= t.start < told.token.start]
        listing = (Kind.AND, Kind.COMMA, Kind.PLACE, Kind.NOUN, Kind.SIDE, Kind.BE)
        return bool(gap) and all(t.kind in listing or t.text == "or" for t in gap)

    def _look_back(self, at: int, token: Token) -> None:
        """Let "is not seen" or "cannot be excluded" change the noun before it, or tell of the places before it."""
        doubt = token.kind is Kind.OPEN
        if token.text == "gone" and self.pending and all("fat" in place.place.text for place in self.pending):
            # Fat that is gone is replaced, not spared
            self._govern(self.pending, Told(replace(token, sense=Sense.WEAK)))
            self.pending = []
            return
        if at and token.text in ("no", "none", "nil", "negative") and self.tokens[at - 1].kind is Kind.PLACE:
            own = [place for place in self.found if place.place is self.tokens[at - 1] and self.opened in place.told]
            if own:
                # "Extension: soft palate yes, tongue base no" denies it of the last place alone
                own[0].told = [replace(told, denied=True) if told is self.opened else told for told in own[0].told]
                return
        noun = self._noun_before(at)
        if noun is not None:
            changed = False
            if self.opened is not None and self.opened.token in noun:
                self.opened = replace(
                    self.opened, doubted=self.opened.doubted or doubt, denied=self.opened.denied or not doubt
                )
            for place in [*self.found, *self.before, *self.inherited]:
                for step, told in enumerate(place.told):
                    if told.token in noun:
                        place.told[step] = replace(
                            told,
                            doubted=told.doubted or doubt,
                            denied=told.denied != (not doubt) if not doubt else told.denied,
                        )
                        changed = True
            for step, told in enumerate(self.bare):
                if told.token in noun:
                    self.bare[step] = replace(told, doubted=told.doubted or doubt, denied=told.denied or not doubt)
                    changed = True
            if changed:
                return
            return
        subjects = self.pending or (
            (self.topic or self.last or self.before) if self._fills(self._gap(at), of_topic=bool(self.topic)) else []
        )
        if not subjects:
            if not any(t.kind in (Kind.PLACE, Kind.NODE) for t in self.tokens) and self._fills(self._gap(at)):
                self.bare.append(Told(replace(token, sense=Sense.INVADE), denied=not doubt, doubted=doubt))
            return
        findings = [p for p in subjects if p.told and p.told[-1].sense is Sense.FINDING]
        if findings:
            for place in findings:
                told = place.told[-1]
                place.told[-1] = replace(told, doubted=told.doubted or doubt, denied=told.denied or not doubt)
            return
        sense = Sense.INVADE if doubt else Sense.UNSEEN
        if not doubt and re.fullmatch(r"negative|none|nil|-ve|no", token.text):
            sense = Sense.FREE
        if self.pending or self.topic or doubt:
            self._govern(subjects, Told(replace(token, sense=sense), doubted=doubt))
            self.pending = []

    def _noun_before(self, at: int) -> list[Token] | None:
        """Nouns that a later "is not seen" speaks of, those joined by "or" too."""
        nouns: list[Token] = []
        # "Carotid encasement: no" denies the noun of its label.
        before = self.tokens[: at - 1] if at and self.tokens[at - 1].kind is Kind.COLON else self.tokens[:at]
        joined = False
        for token in reversed(before):
            joined = token.kind is Kind.AND or (joined and token.kind is not Kind.NOUN)
            if token.kind is Kind.NOUN:
                nouns.append(token)
            elif token.kind is Kind.PLACE and token.sense is Sense.FINDING and (not nouns or joined):
                nouns.append(token)
            elif token.kind is Kind.NODE and not nouns:
                return None
            elif token.kind in (Kind.VERB, Kind.DONE, Kind.WHICH, Kind.COLON, Kind.OPEN, Kind.GONE):
                break
            elif nouns and token.kind in (Kind.COMMA, Kind.WITH, Kind.BE):
                break
        return nouns or None

    def _denied(self, at: int, *, through_places: bool = False) -> bool:
        return reaches_back(self.tokens, at, Kind.DENY, through_places=through_places)

    def _doubted(self, at: int, *, through_places: bool = False) -> bool:
        return reaches_back(self.tokens, at, Kind.HEDGE, through_places=through_places)

    def _guard(self) -> None:
        """Mark places whose clause holds a denial or doubt that was given to nothing: what is told of them is loose."""
        for at, token in enumerate(self.tokens):
            if token.kind not in (Kind.DENY, Kind.HEDGE):
                continue
            ahead = self.tokens[at + 1 : at + 8]
            target = next((t for t in ahead if t.speaks or t.kind in (Kind.NODE, Kind.TREATED)), None)
            if target is None and not any(t.kind is Kind.PLACE for t in ahead):
                before = self.tokens[at - 1] if at else None
                if token.text == "not" and before is not None and before.kind is Kind.BE and self.opened is not None:
                    # "Invasion of the lip is not ...": denied in words that are not known
                    for place in self.found:
                        place.loose = place.loose or (bool(place.told) and place.told[0].token.kind is Kind.NOUN)
                continue
            if target is None:
                for place in self.found:
                    if place.place.start > token.start:
                        place.loose = True
            elif token.kind is Kind.DENY and target.kind in (Kind.VERB, Kind.NOUN):
                # A denial right in front that its reach did not cover: "nor any subglottic spread"
                for place in self.found:
                    if any(t.token.start == target.start and not (t.denied or t.doubted) for t in place.told):
                        place.loose = True
