"""Words of the mid-treatment report that follow from the package, not from its prose."""

from types import SimpleNamespace

import pytest

from hyoid.io.packages.model_package import LearnedFrom
from hyoid.systems.midrt.report import doubts

LABELS = ("gtvp", "gtvn")


def package(learned_from, words):
    return SimpleNamespace(manifest=SimpleNamespace(learned_from=learned_from, supported=LABELS, training_data=words))


@pytest.mark.parametrize(
    ("learned_from", "words", "said"),
    [
        (LearnedFrom(virtual=LABELS), "anything", ["virtual patients only"]),
        (LearnedFrom(real=LABELS), "virtual and real patients", []),
        (LearnedFrom(real=LABELS, virtual=LABELS), "both", []),
        (LearnedFrom(real=("gtvp",)), "real", ["does not state"]),
    ],
)
def test_who_taught_the_network_is_said_from_its_manifest(learned_from, words, said):
    found = doubts([], [], object(), [package(learned_from, words)], empty=False)
    assert len(found) == len(said)
    assert all(part in line for part, line in zip(said, found, strict=True))
