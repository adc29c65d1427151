import pytest

from hyoid.report.free_text.clauses import read_sentence
from hyoid.report.free_text.lexicon import Kind, tokens_in
from hyoid.report.free_text.sentences import plain


def told(text):
    return {
        g.place.text: [(t.token.text, t.denied, t.doubted) for t in g.told]
        for g in read_sentence(plain(text)).governed
        if g.told
    }


def test_of_overlapping_words_the_longer_count():
    assert tokens_in("not visualised separately from the lesion")[0].text == "not visualised separately from"
    assert [t.kind for t in tokens_in("free of tumour")] == [Kind.DONE]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("invasion of the lip", {"lip": [("invasion", False, False)]}),
        ("The lip and the orbit are spared", {"lip": [("spared", False, False)], "orbit": [("spared", False, False)]}),
        (
            "The mass involves the lip and the orbit is spared",
            {"lip": [("involves", False, False)], "orbit": [("spared", False, False)]},
        ),
        ("No mass in the lip or orbit", {"lip": [("mass", True, False)], "orbit": [("mass", True, False)]}),
        ("Possible invasion of the lip", {"lip": [("invasion", False, True)]}),
        ("Invasion of the lip cannot be excluded", {"lip": [("invasion", False, True)]}),
        ("Invasion of the lip is not seen", {"lip": [("invasion", True, False)]}),
        (
            "The orbit is displaced but not invaded",
            {"orbit": [("displaced", False, False), ("invaded", True, False)]},
        ),
        ("The lip is near the mass and the uncinate process is eroded", {}),
    ],
)
def test_who_is_told_what(text, expected):
    assert told(text) == expected


def test_nothing_is_told_of_a_landmark():
    assert told("The mass reaches to the level of the cricoid") == {}


def test_a_predicate_of_another_subject_is_not_given_to_a_place():
    assert told("The mass involves the lip, the dentition is abnormal") == {"lip": [("involves", False, False)]}
