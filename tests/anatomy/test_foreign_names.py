import pytest

from hyoid.anatomy.foreign_names import _ELSEWHERE, plain_name, structure_named
from hyoid.anatomy.structures import BY_NAME, STRUCTURES

# As TotalSegmentator's class maps name the 21 structures of SGRNet's Appendix E.
TOTALSEGMENTATOR = {
    "larynx_air": 1, "thyroid_cartilage": 2, "cricoid_cartilage": 3, "hyoid": 4, "tongue": 5, "digastric_left": 6,
    "digastric_right": 7, "sterno_thyroid_left": 8, "sterno_thyroid_right": 9, "thyrohyoid_left": 10,
    "thyrohyoid_right": 11, "submandibular_gland_left": 12, "submandibular_gland_right": 13, "thyroid_gland": 14,
    "internal_carotid_artery_left": 15, "internal_carotid_artery_right": 16, "internal_jugular_vein_left": 17,
    "internal_jugular_vein_right": 18, "trachea": 19, "oropharynx": 20, "hypopharynx": 21,
}  # fmt: skip


def test_the_names_of_appendix_e_are_known():
    assert {name: BY_NAME[structure_named(name)].label for name in TOTALSEGMENTATOR} == TOTALSEGMENTATOR


@pytest.mark.parametrize("structure", STRUCTURES, ids=lambda s: s.name)
def test_hyoids_own_names_and_those_of_tg263_mean_their_structure(structure):
    assert structure_named(structure.name) == structure.name
    assert structure_named(structure.tg263) == structure.name


@pytest.mark.parametrize(
    ("name", "structure"),
    [
        ("Left Parotid", "parotid_left"),
        ("parotid_R", "parotid_right"),
        ("GTV-p", "gtvp"),
        ("SpinalCord", "spinal_cord"),
    ],
)
def test_sides_and_spellings(name, structure):
    assert structure_named(name) == structure


@pytest.mark.parametrize("name", ["", "left", "masseter_left", "parotid", "mandible_left", "aorta"])
def test_what_is_no_structure_of_hyoid_has_no_name_here(name):
    assert structure_named(name) is None


def test_every_row_leads_to_a_structure():
    known = {name.removesuffix("_left") for name in BY_NAME}
    assert set(_ELSEWHERE.values()) <= known
    assert all(plain_name(name) == name for name in _ELSEWHERE)
