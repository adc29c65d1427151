"""Free-text reports composed of a grammar, a vocabulary, a style of layout and slips; what each states is known.

A style holds rules such as `"involved": ("<tumour> <invades> {places}", ...)`: symbols in <> are expanded until none is
left, slots in {} are filled with what is true. So one style writes many thousand sentences, and two styles share none
but by chance.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hyoid.anatomy.subsites import SUBSITE_BY_NAME
from hyoid.phantom.cohort.truth import Truth
from hyoid.phantom.text.free_text import SIDED, Stated, WrittenReport, spelled
from hyoid.phantom.text.phrasings import NAMES

Rules = Mapping[str, tuple[str, ...]]

_FLUID = (
    "epiglottis",
    "aryepiglottic_folds",
    "false_cords",
    "true_vocal_cords",
    "arytenoid_cartilages",
    "post_cricoid_region",
)
_UNSTATED = ("cranial_nerves", "intracranial_extension", "airway_compromise", "et_tube_in_situ")


@dataclass(frozen=True)
class Style:
    """How one writer reports.

    Parameters
    ----------
    name : str
        Name of the style, by which evaluations group reports.
    rules : mapping of str to tuple of str
        What may stand for each symbol; `report` is the first.
    names : mapping of str to tuple of str
        Words for places in place of the common ones.
    sided : tuple of str
        How a side goes with a place, with {side}, {name}.
    slips : float
        Share of words of six and more letters that are written with a slip.
    lower : bool
        No capitals, as dictation leaves them.
    words : mapping of str to str
        Sides, numbers, "and" and "or" in another language.
    """

    name: str
    rules: Rules
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sided: tuple[str, ...] = ("the {side} {name}",)
    slips: float = 0.0
    lower: bool = False
    words: Mapping[str, str] = field(default_factory=dict)


def compose_report(truth: Truth, style: Style, rng: np.random.Generator) -> WrittenReport:
    """Write a truth in a style.

    Parameters
    ----------
    truth : Truth
        Findings to state, with a primary.
    style : Style
        Grammar, names of places and habits of the writer.
    rng : numpy.random.Generator
        Chooses wording and slips.

    Returns
    -------
    WrittenReport
        With the sentence in which each line of the template is stated.
    """
    return _Composer(truth, style, rng).report()


@dataclass
class _Composer:
    """One report while it is written."""

    truth: Truth
    style: Style
    rng: np.random.Generator
    stated: dict[str, Stated] = field(default_factory=dict)
    sentences: dict[str, str] = field(default_factory=dict)

    def report(self) -> WrittenReport:
        """Write every part, then put the slips in."""
        site = SUBSITE_BY_NAME[self.truth.primary].field
        side = self.truth.side if site in SIDED and self.truth.side != "midline" else ""
        size, size_words = self._size(self.truth.size_cm * 10)
        mass = self._say("mass", [site], [side], "involved", size=size_words)
        free = [k for k, involved in self.truth.involved.items() if not involved and k not in _UNSTATED]
        free = [str(k) for k in self.rng.permutation(free)]
        body = [*self._involved(site), *self._spared(free), *self._doubted(free), *self._treated(free)]
        body = [body[int(n)] for n in self.rng.permutation(len(body))]
        traps = self._traps(free)
        nodes = self._nodes()
        text = self._expand("report").format(
            findings=self._expand("joint").join([mass, *body]),
            nodes=nodes.text,
            traps=self._expand("joint").join(traps),
        )
        text = self._noisy(text)
        return WrittenReport(
            text=text,
            stated=self.stated,
            site=site,
            site_side=side,
            size_cm=size,
            nodes=nodes.nodes,
            node_side=nodes.node_side,
            node_levels=nodes.node_levels,
            node_size_cm=nodes.node_size_cm,
            sentences=self.sentences,
        )

    def _word(self, word: str) -> str:
        """A side, a number, "and" or "or" in the style's language."""
        return self.style.words.get(word, word)

    def _pick(self, choices: Sequence[str]) -> str:
        return choices[int(self.rng.integers(len(choices)))]

    def _expand(self, symbol: str) -> str:
        """One of the things that a symbol stands for, without symbols."""
        return re.sub(r"<(\w+)>", lambda m: self._expand(m.group(1)), self._pick(self.style.rules[symbol]))

    def _named(self, key: str, side: str) -> tuple[str, bool]:
        """A place in words, and whether it is plural."""
        name = self._pick(self.style.names.get(key) or NAMES[key])
        if side == "both":
            plural = name if name.endswith(("s", "fat", "tongue", "mucosa")) else f"{name}s"
            plural = re.sub(r"sinuss$", "sinuses", re.sub(r"fossas$", "fossae", plural))
            return f"both {plural}", True
        plain = self._pick(self.style.sided).format(side=self._word(side), name=name) if side else f"the {name}"
        return plain, name.endswith("s") and not name.endswith(
            ("sinus", "palatus", "isthmus", "vestibulus", "pharynx", "glottis")
        )

    def _say(self, symbol: str, keys: Sequence[str], sides: Sequence[str], state: str, **slots: str) -> str:
        """One sentence on some places; remembers what it states."""
        named = [self._named(k, s) for k, s in zip(keys, sides, strict=True)]
        words = [n for n, _ in named]
        listed = (
            words[0]
            if len(words) == 1
            else f"{', '.join(words[:-1])} {self._word('or' if symbol.endswith('_or') else 'and')} {words[-1]}"
        )
        plural = len(named) > 1 or named[0][1]
        sentence = self._expand(symbol).format(
            places=listed, bare=re.sub(r"^the ", "", listed),
            be="are" if plural else "is", have="have" if plural else "has",
            show="show" if plural else "shows", **slots,
        )  # fmt: skip
        sentence = sentence[0].upper() + sentence[1:]
        for key, side in zip(keys, sides, strict=True):
            self.stated[key] = Stated(state, side)
            self.sentences[key] = sentence
        return sentence

    def _sides(self, keys: Sequence[str]) -> list[str]:
        """The tumour's side for most places that have two."""
        own = self.truth.side
        return [own if k in SIDED and own != "midline" and self.rng.random() < 0.8 else "" for k in keys]

    def _involved(self, site: str) -> list[str]:
        keys = [k for k, involved in self.truth.involved.items() if involved and k != site and k not in _UNSTATED]
        keys = [str(k) for k in self.rng.permutation(keys)]
        sentences = []
        while keys:
            count = int(self.rng.integers(1, 3))
            now, keys = keys[:count], keys[count:]
            sentences.append(self._say("involved", now, self._sides(now), "involved"))
        return sentences

    def _spared(self, free: list[str]) -> list[str]:
        sentences = []
        for _ in range(int(self.rng.integers(2, 5))):
            now = [free.pop() for _ in range(min(int(self.rng.integers(1, 4)), len(free) - 4))]
            if now:
                symbol = self._pick(("spared", "spared_or")) if len(now) > 1 else "spared"
                sentences.append(self._say(symbol, now, self._sides(now), "not involved"))
        return sentences

    def _doubted(self, free: list[str]) -> list[str]:
        now = [free.pop() for _ in range(int(self.rng.integers(0, 3)))]
        return [self._say("doubted", [k], self._sides([k]), "equivocal") for k in now]

    def _treated(self, free: list[str]) -> list[str]:
        fluid = [k for k in free if k in _FLUID]
        if not fluid or self.rng.random() < 0.5:
            return []
        free.remove(fluid[0])
        return [self._say("treated", fluid[:1], self._sides(fluid[:1]), "treated")]

    def _traps(self, free: list[str]) -> list[str]:
        """Sentences on other times, other parts of the body, and places not seen: nothing may be read from these."""
        chosen = [self._pick(("earlier", "unseen", "elsewhere", "landmark")) for _ in range(2)]
        sentences = []
        for symbol in dict.fromkeys(chosen):
            name, plural = self._named(free.pop(), "")
            slots = {"places": name, "bare": name.removeprefix("the "), "be": "are" if plural else "is"}
            sentences.append(self._expand(symbol).format(**slots))
        return [sentence[0].upper() + sentence[1:] for sentence in sentences]

    def _nodes(self) -> WrittenReport:
        nodes = self.truth.nodes
        if not nodes:
            return WrittenReport(self._expand("no_nodes"), nodes=0)
        groups: dict[tuple[str, str], int] = {}
        for node in nodes:
            groups[node.side, node.level] = groups.get((node.side, node.level), 0) + 1
        largest = max(nodes, key=lambda n: n.longest_mm)
        size, words = self._size(largest.longest_mm)
        sides = {node.side for node in nodes}
        listed = [
            self._expand("node_group").format(
                count=self._word(spelled(count)), side=self._word(s), level=level, s="" if count == 1 else "s"
            )
            for (s, level), count in groups.items()
        ]
        joined = listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} {self._word('and')} {listed[-1]}"
        text = self._expand("nodes").format(groups=joined, size=words)
        text = text[0].upper() + text[1:]
        if self.rng.random() < 0.5:
            state = self._pick(("involved", "not involved", "equivocal"))
            sentence = self._expand({"involved": "ene", "not involved": "no_ene", "equivocal": "ene_doubted"}[state])
            self.stated["extranodal_extension"] = Stated(state)
            self.sentences["extranodal_extension"] = sentence
            text += self._expand("joint") + sentence
        levels = frozenset(node.level for node in nodes)
        side = "both" if len(sides) > 1 else next(iter(sides))
        return WrittenReport(text, nodes=len(nodes), node_side=side, node_levels=levels, node_size_cm=size)

    def _size(self, long_mm: float) -> tuple[tuple[float, ...], str]:
        """A size in centimetres, and as it is written."""
        axes = [round(long_mm)]
        if self.rng.random() < 0.6:
            axes.append(max(1, round(long_mm * self.rng.uniform(0.5, 0.95))))
        template = self._expand("size_two" if len(axes) == 2 else "size_one")
        numbers = [f"{a}" if "mm" in template else f"{a / 10:g}" for a in axes]
        return tuple(a / 10 for a in axes), template.format(a=numbers[0], b=numbers[-1])

    def _noisy(self, text: str) -> str:
        """Slips in long words, and no capitals where the style has none."""
        text = re.sub(
            r"[A-Za-z]{7,}",
            lambda m: self._slip(m.group()) if self.rng.random() < self.style.slips else m.group(),
            text,
        )
        return text.lower() if self.style.lower else text

    def _slip(self, word: str) -> str:
        """One letter left out, doubled or swapped with the next, inside the word."""
        at = int(self.rng.integers(2, len(word) - 2))
        kind = int(self.rng.integers(3))
        if kind == 0:
            return word[:at] + word[at + 1 :]
        if kind == 1:
            return word[:at] + word[at] + word[at:]
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
