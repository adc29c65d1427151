import re

import pytest

from hyoid.report.free_text.lexicon import PATTERNS, Kind, Sense, tokens_in


@pytest.mark.parametrize(
    ("words", "kind", "sense"),
    [
        ("involves", Kind.VERB, Sense.INVADE), ("abuts", Kind.VERB, Sense.TOUCH), ("sparing", Kind.VERB, Sense.FREE),
        ("infiltrated", Kind.DONE, Sense.INVADE), ("effaced", Kind.DONE, Sense.WEAK), ("thickened", Kind.DONE, Sense.SOFT),
        ("unremarkable", Kind.DONE, Sense.NORMAL), ("resected", Kind.DONE, Sense.UNSEEN), ("invasion", Kind.NOUN, Sense.INVADE),
        ("cannot be excluded".replace("cannot", "can not"), Kind.OPEN, None), ("is not seen", Kind.GONE, None),
        ("without", Kind.DENY, None), ("possible", Kind.HEDGE, None), ("post-radiation", Kind.TREATED, None),
        ("at the level of", Kind.BESIDE, None), ("contrast-enhanced", Kind.WORD, None),
    ],
)  # fmt: skip
def test_words_are_known_by_what_they_do(words, kind, sense):
    assert [(t.kind, t.sense) for t in tokens_in(words)] == [(kind, sense)]


@pytest.mark.parametrize("adverb", ["possibly", "probably", "not", "never", "presumably", "likely", "suspiciously"])
@pytest.mark.parametrize(
    "verb", ["has {} invaded the lip", "has {} extended into the lip", "grows {} into the lip", "goes {} into the lip"]
)
def test_a_denial_or_doubt_is_never_swallowed_by_a_verb(adverb, verb):
    kinds = {t.kind for t in tokens_in(verb.format(adverb)) if adverb in t.text.split()}
    assert kinds <= {Kind.DENY, Kind.HEDGE, Kind.OPEN, Kind.WORD}


def test_patterns_compile_and_match_no_empty_words():
    assert all(re.compile(pattern).fullmatch("") is None for pattern in PATTERNS)


def test_tokens_cover_the_sentence_in_order():
    tokens = tokens_in("the lip, 2 x 3 cm, is not involved.")
    assert [t.start for t in tokens] == sorted(t.start for t in tokens)
    assert "".join(t.text for t in tokens).replace(" ", "") == "thelip,2x3cm,isnotinvolved."
