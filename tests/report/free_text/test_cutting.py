import pytest

from hyoid.report.free_text.cutting import clauses_of, says
from hyoid.report.free_text.lexicon import tokens_in


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("the lip is involved; the orbit is spared", 2),
        ("the lip is effaced but not invaded", 2),
        ("the mass involves the lip and the orbit is spared", 2),
        ("the mass involves the lip, the orbit and the tonsil", 1),
        ("the lip and the orbit are spared", 1),
        ("", 0),
    ],
)
def test_a_clause_ends_at_a_new_subject_with_its_own_predicate(text, clauses):
    assert len(clauses_of(tokens_in(text))) == clauses


def test_nothing_but_what_parts_clauses_is_lost():
    tokens = tokens_in("the lip is involved, the orbit is spared")
    assert sum(len(clause) for clause in clauses_of(tokens)) == len(tokens) - 1


def test_places_alone_say_nothing():
    assert not says(tokens_in("the lip and the orbit"))
    assert says(tokens_in("the lip is spared"))
