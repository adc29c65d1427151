"""Free-text reports of virtual patients: what is true, what a report says of it, and the text.

Wording comes from sets of phrasing templates that share no template: `TUNING_1` and `TUNING_2`, on which the rules of
`hyoid structure` were tuned; other sets, for measuring these rules, lie in `benchmarks/written`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hyoid.anatomy.subsites import SUBSITE_BY_NAME
from hyoid.phantom.cohort.truth import Truth
from hyoid.phantom.text.phrasings import NAMES, Phrasing

SIDED = (
    "tonsil", "retromolar_trigone", "pyriform_sinus", "parapharyngeal_space", "pterygoid_muscles", "parotid_gland",
    "submandibular_gland", "aryepiglottic_folds", "false_cords", "true_vocal_cords", "arytenoid_cartilages",
    "paraglottic_space", "valleculae", "carotid_arteries_ijv",
)  # fmt: skip
"""Fields of which there are two, one on each side."""

_SPELLED = dict(enumerate(("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), start=1))
_SPELLED |= {n: str(n) for n in range(11, 40)}


@dataclass(frozen=True)
class Stated:
    """What a report says for one line of the template.

    Parameters
    ----------
    state : {"involved", "not involved", "equivocal", "treated"}
        Finding that the sentence states for the line.
    side : {"", "right", "left", "both"}
        Side that the sentence names; empty where the sentence gives no side.
    """

    state: str
    side: str = ""


@dataclass(frozen=True)
class WrittenReport:
    """A report and what it says; nothing else may be read from it.

    Parameters
    ----------
    text : str
        The report as a reader receives it.
    stated : dict of str to Stated
        Involvement, airway, tube, extranodal extension, fat planes of nodes.
    site : str
        Field of the template in which the primary lies.
    site_side : {"", "right", "left"}
        Side of the primary as written; empty where the report gives no side.
    size_cm : tuple of float
        Diameters of the primary as written, in centimetres; empty where the report gives no size.
    nodes : int or None
        Number of nodes as written; None where the report gives no number, -1 for "multiple".
    node_side : {"", "right", "left", "both"}
        Side of the nodes as written; empty where the report gives no side.
    node_levels : frozenset of str
        Levels of the nodes as written, such as "IIa".
    node_size_cm : tuple of float
        Diameters of the largest node as written, in centimetres.
    sentences : dict of str to str
        Sentence in which a line is stated, where the writer keeps it, before slips.
    """

    text: str
    stated: dict[str, Stated] = field(default_factory=dict)
    site: str = ""
    site_side: str = ""
    size_cm: tuple[float, ...] = ()
    nodes: int | None = None
    node_side: str = ""
    node_levels: frozenset[str] = frozenset()
    node_size_cm: tuple[float, ...] = ()
    sentences: dict[str, str] = field(default_factory=dict)


def spelled(count: int) -> str:
    """Write a count in words up to ten.

    Examples
    --------
    >>> spelled(3), spelled(12)
    ('three', '12')
    """
    return _SPELLED[count]


def write_report(truth: Truth, phrasing: Phrasing, rng: np.random.Generator) -> WrittenReport:
    """Write a truth in free text, with statements that must not be read as findings among it.

    Parameters
    ----------
    truth : Truth
        Findings to state, with a primary.
    phrasing : Phrasing
        A set of `hyoid.phantom.text.phrasings`.
    rng : numpy.random.Generator
        Chooses wording, and which statements are made.
    """
    return _Writer(truth, phrasing, rng).report()


@dataclass
class _Writer:
    """One report while it is written."""

    truth: Truth
    phrasing: Phrasing
    rng: np.random.Generator
    stated: dict[str, Stated] = field(default_factory=dict)

    def report(self) -> WrittenReport:
        """All parts, put together."""
        site = SUBSITE_BY_NAME[self.truth.primary].field
        size, size_words = self._size(self.truth.size_cm * 10, self.truth.size_cm * 10 * self.rng.uniform(0.5, 0.95))
        side = self.truth.side if site in SIDED and self.truth.side != "midline" else ""
        place = self._named(site, side)
        sentences = [self._pick(self.phrasing.mass).format(place=place, size=size_words)]
        self.stated[site] = Stated("involved", side)
        sentences += self._involved(site)
        free = [k for k, involved in self.truth.involved.items() if not involved]
        free = [str(k) for k in self.rng.permutation(free)]
        sentences += self._spared(free)
        sentences += self._doubtful(free)
        sentences += self._airway()
        nodes = self._nodes()
        sentences += [nodes.text]
        traps = self._traps(free)
        text = self._pick(self.phrasing.frame).format(
            background=self._pick(self.phrasing.background),
            findings=" ".join(sentences),
            outside=self._pick(self.phrasing.outside),
            traps=" ".join(traps),
        )
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
        )

    def _pick(self, choices: Sequence[str]) -> str:
        return choices[int(self.rng.integers(len(choices)))]

    def _named(self, key: str, side: str = "") -> str:
        """A place in words: "the right tonsil", "the epiglottis"."""
        choices = self.phrasing.names.get(key) or NAMES[key]
        if side == "both":  # those of which there is a plural
            choices = tuple(n for n in choices if not n.endswith(("fat", "tongue", "base", "muscles"))) or choices
        names = self._pick(choices)
        if not side:
            return f"the {names}"
        template = self._pick(self.phrasing.both if side == "both" else self.phrasing.sided)
        return template.format(side=side, name=names)

    def _listed(self, keys: Sequence[str], sides: Sequence[str], last: str = "and") -> str:
        words = [self._named(k, s) for k, s in zip(keys, sides, strict=True)]
        return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"

    def _sides(self, keys: Sequence[str]) -> list[str]:
        """A side for each place that has two, mostly that of the tumour."""
        other = {"left": "right", "right": "left"}
        found = []
        for key in keys:
            side = ""
            if key in SIDED and self.truth.side != "midline" and self.rng.random() < 0.8:
                side = str(self.rng.choice([self.truth.side, other[self.truth.side], "both"], p=[0.7, 0.15, 0.15]))
            found.append(side)
        return found

    def _state(self, keys: Sequence[str], sides: Sequence[str], state: str) -> None:
        for key, side in zip(keys, sides, strict=True):
            self.stated[key] = Stated(state, side)

    def _involved(self, site: str) -> list[str]:
        keys = [k for k, involved in self.truth.involved.items() if involved and k != site]
        nerves = [k for k in keys if k in ("cranial_nerves", "intracranial_extension")]
        keys = [str(k) for k in self.rng.permutation([k for k in keys if k not in nerves])]
        sentences = []
        while keys:
            count = int(self.rng.integers(1, 4))
            now, keys = keys[:count], keys[count:]
            sides = self._sides(now)
            self._state(now, sides, "involved")
            template = self._pick(self.phrasing.involved if len(now) > 1 else self.phrasing.involved_one)
            sentences.append(_sentence(template.format(places=self._listed(now, sides))))
        for key in nerves:
            self._state([key], [""], "involved")
            sentences.append(
                self._pick(self.phrasing.nerves if key == "cranial_nerves" else self.phrasing.intracranial)
            )
        return sentences

    def _spared(self, free: list[str]) -> list[str]:
        """Some of the places that are not involved, said so; they are taken from `free`."""
        sentences = []
        for _ in range(int(self.rng.integers(1, 5))):
            count = int(self.rng.integers(1, 4))
            now = [free.pop() for _ in range(min(count, len(free)))]
            sides = ["" for _ in now]
            self._state(now, sides, "not involved")
            if len(now) == 1:
                template = self._pick(self.phrasing.spared_one)
                sentences.append(
                    _sentence(template.format(places=self._listed(now, sides), bare=self._named(now[0])[len("the ") :]))
                )
            else:
                choice = int(self.rng.integers(2))
                template = self._pick((self.phrasing.spared, self.phrasing.spared_or)[choice])
                sentences.append(_sentence(template.format(places=self._listed(now, sides, ("and", "or")[choice]))))
        return sentences

    def _doubtful(self, free: list[str]) -> list[str]:
        """Places called doubtful or changed by treatment."""
        sentences = []
        if self.rng.random() < 0.35:
            key = free.pop()
            side = self._sides([key])
            self._state([key], side, "equivocal")
            sentences.append(_sentence(self._pick(self.phrasing.equivocal).format(places=self._listed([key], side))))
        larynx = [k for k in free if k in ("aryepiglottic_folds", "epiglottis", "true_vocal_cords", "false_cords")]
        if larynx and self.rng.random() < 0.35:
            key = larynx[0]
            free.remove(key)
            side = ["both"] if key in SIDED else [""]
            self._state([key], side, "treated")
            sentences.append(_sentence(self._pick(self.phrasing.treated).format(places=self._listed([key], side))))
        return sentences

    def _airway(self) -> list[str]:
        sentences = []
        for key, yes, no in (
            ("airway_compromise", self.phrasing.airway_narrow, self.phrasing.airway_open),
            ("et_tube_in_situ", self.phrasing.tube, self.phrasing.no_tube),
        ):
            if self.rng.random() < 0.4:
                there = bool(self.rng.random() < 0.4)
                self.stated[key] = Stated("involved" if there else "not involved")
                sentences.append(self._pick(yes if there else no))
        return sentences

    def _traps(self, free: list[str]) -> list[str]:
        """Statements on earlier scans, limits of the scan and history: nothing may be read from them."""
        traps = [self._pick(self.phrasing.earlier).format(place=self._named(free.pop()))]
        if self.rng.random() < 0.5:
            traps.append(self._pick(self.phrasing.unseen).format(place=self._named(free.pop()).removeprefix("the ")))
        return [_sentence(t) for t in traps]

    def _nodes(self) -> WrittenReport:
        """Text and truth of the nodes."""
        nodes = self.truth.nodes
        if not nodes:
            return WrittenReport(self._pick(self.phrasing.no_nodes), nodes=0)
        groups: dict[tuple[str, str], int] = {}
        for node in nodes:
            groups[node.side, node.level] = groups.get((node.side, node.level), 0) + 1
        largest = max(nodes, key=lambda n: n.longest_mm)
        size, size_words = self._size(largest.longest_mm, largest.axial_short_mm)
        sides = {node.side for node in nodes}
        side = "both" if len(sides) > 1 else next(iter(sides))
        levels = frozenset(node.level for node in nodes)
        if len(groups) == 1:
            kind = self.phrasing.node if len(nodes) == 1 else self.phrasing.nodes_together
        else:
            kind = self.phrasing.nodes_by_group
        listed = [
            self._pick(self.phrasing.node_group).format(
                count=_SPELLED[count], side=s, level=self._level(level), s="" if count == 1 else "s"
            )
            for (s, level), count in groups.items()
        ]
        words = listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} and {listed[-1]}"
        text = self._pick(kind).format(
            count=_SPELLED[len(nodes)],
            Count=_SPELLED[len(nodes)].capitalize(),
            side=largest.side,
            level=self._level(largest.level),
            groups=words,
            size=size_words,
        )
        if self.rng.random() < 0.4:
            there = bool(self.rng.random() < 0.5)
            self.stated["extranodal_extension"] = Stated("involved" if there else "not involved")
            text += " " + self._pick(self.phrasing.extranodal if there else self.phrasing.no_extranodal)
        return WrittenReport(_sentence(text), nodes=len(nodes), node_side=side, node_levels=levels, node_size_cm=size)

    def _level(self, level: str) -> str:
        return self._pick((level, level.replace("a", "A").replace("b", "B")))

    def _size(self, long_mm: float, short_mm: float) -> tuple[tuple[float, ...], str]:
        """A size in centimetres as it is written, and the words: one or two axes, cm or mm."""
        axes = (round(long_mm), round(short_mm)) if self.rng.random() < 0.6 else (round(long_mm),)
        template = self._pick(self.phrasing.size_two if len(axes) == 2 else self.phrasing.size_one)
        millimetres = "mm" in template
        numbers = [f"{a}" if millimetres else f"{a / 10:g}" for a in axes]
        words = template.format(a=numbers[0], b=numbers[-1])
        return tuple(a / 10 for a in axes), words


def _sentence(text: str) -> str:
    """The text with a capital at its start."""
    return text[0].upper() + text[1:]
