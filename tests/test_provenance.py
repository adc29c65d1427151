import pytest

from hyoid.provenance import by_reader, edited, measured_on, network, program


@pytest.mark.parametrize(
    ("provenance", "words", "generation"),
    [
        (network("organs", "1.2"), "network organs 1.2", "AUTOMATIC"),
        (network("organs"), "network organs", "AUTOMATIC"),
        (by_reader("MD"), "reader", "MANUAL"),
        (edited("organs", "1.2"), "reader edited organs 1.2", "SEMIAUTOMATIC"),
        (measured_on(by_reader()), "measured on reader", "MANUAL"),
        (measured_on(edited("net", "3")), "measured on reader edited net 3", "SEMIAUTOMATIC"),
        (program("virtual patient", "3"), "program virtual patient 3", "AUTOMATIC"),
    ],
)
def test_words_and_dicom_generation(provenance, words, generation):
    assert str(provenance) == words
    assert provenance.generation == generation


def test_a_measurement_of_a_measurement_leads_back_to_the_outline():
    assert measured_on(measured_on(network("a", "1"))).outline == network("a", "1")


def test_equal_makers_are_equal_and_hash_alike():
    assert len({network("a", "1"), network("a", "1"), network("a", "2")}) == 2
