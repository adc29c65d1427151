import pytest

from hyoid.anatomy.structures import Side
from hyoid.report.free_text.assertions import State, assertions_in
from hyoid.report.free_text.sentences import plain

YES, NO, DOUBT, TREATED = State.INVOLVED, State.NOT_INVOLVED, State.EQUIVOCAL, State.TREATED


def found(text):
    return {a.mention.term.keys[0]: a.state for a in assertions_in(plain(text))}


@pytest.mark.parametrize(
    ("text", "states"),
    [
        ("The mass involves the tonsil and the soft palate is spared.", {"tonsil": YES, "soft_palate": NO}),
        ("The mass involves the tonsil, the soft palate and epiglottis are spared.",
         {"tonsil": YES, "soft_palate": NO, "epiglottis": NO}),
        ("No thyroid cartilage invasion.", {"thyroid_cartilage": NO}),
        ("The thyroid cartilage shows no erosion.", {"thyroid_cartilage": NO}),
        ("No evidence of invasion of the lip, cricoid cartilage or orbit.",
         {"lip": NO, "cricoid_cartilage": NO, "orbit": NO}),
        ("No erosion or invasion of the skull base.", {"skull_base": NO}),
        ("Invasion of the prevertebral space cannot be excluded.", {"prevertebral_space": DOUBT}),
        ("Invasion of the prevertebral space is not seen.", {"prevertebral_space": NO}),
        ("Possible infiltration of the lip.", {"lip": DOUBT}),
        ("The mass abuts the carotid artery.", {"carotid_arteries_ijv": DOUBT}),
        ("Thyroid, cricoid and arytenoid cartilages are intact.",
         {"thyroid_cartilage": NO, "cricoid_cartilage": NO, "arytenoid_cartilages": NO}),
        ("No perineural spread or intracranial extension.", {"cranial_nerves": NO, "intracranial_extension": NO}),
        ("Neither the esophagus nor the trachea is involved.", {"esophagus": NO, "tracheal_cartilages": NO}),
        ("The lip does not appear to be involved.", {"lip": NO}),
        ("Oedematous thickening of the epiglottis, likely post RT change.", {"epiglottis": TREATED}),
        ("Diffuse oedema of the epiglottis.", {"epiglottis": State.CHANGED}),
        ("The pterygoid muscles are preserved but the parapharyngeal fat is effaced.",
         {"pterygoid_muscles": NO, "parapharyngeal_space": YES}),
        ("Subglottic extension to the level of the inferior border of the cricoid.", {"subglottis": YES}),
        ("It involves both the false and true vocal cords.", {"false_cords": YES, "true_vocal_cords": YES}),
        ("The lip cannot be assessed due to artefact.", {}),
        ("Mucosal thickening is seen in the right maxillary sinus.", {}),
        ("The epiglottis lies above the hyoid bone.", {}),
    ],
)  # fmt: skip
def test_states(text, states):
    assert found(text) == states


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        ("The mass involves the right tonsil.", {Side.RIGHT}),
        ("The mass involves the tonsil on the left and the lip.", {Side.LEFT}),
        ("Both tonsils are infiltrated.", {Side.RIGHT, Side.LEFT}),
        ("The right and left tonsils are infiltrated.", {Side.RIGHT, Side.LEFT}),
        ("The tonsil is infiltrated on the left.", {Side.LEFT}),
        ("The left soft palate and tonsil are infiltrated.", {Side.LEFT}),
        ("The left soft palate and the tonsil are infiltrated.", set()),
        ("The tonsil is infiltrated.", set()),
    ],
)
def test_sides(text, sides):
    assert [set(a.sides) for a in assertions_in(plain(text)) if a.mention.term.keys == ("tonsil",)] == [sides]


def test_swapping_left_and_right_swaps_the_answer():
    text = "The mass involves the left tonsil, right vallecula and right parotid gland; the left orbit is spared."
    swapped = text.replace("left", "L#").replace("right", "left").replace("L#", "right")
    other = {Side.LEFT: Side.RIGHT, Side.RIGHT: Side.LEFT}
    before = [(a.mention.term.keys, a.state, {other[s] for s in a.sides}) for a in assertions_in(plain(text))]
    assert [(a.mention.term.keys, a.state, set(a.sides)) for a in assertions_in(plain(swapped))] == before


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ("it arrives to the right vallecula without affecting it", "not involved"),
        ("the lesion lies next to the tonsil and has probably grown into it", "equivocal"),
        ("i can not promise you that the left arytenoid is clear", "equivocal"),
        ("i am not sure about the subglottis", "equivocal"),
        ("recurrence in the tongue base can not be separated from post-radiation change", "equivocal"),
        ("prevertebral muscles: t2 bright, tumour vs oedema", "equivocal"),
        ("i do not see convincing subglottic spread", "not involved"),
        ("the radiation has left the arytenoid cartilage swollen", "treated"),
        ("submandibular glands: involuted, in keeping with irradiation", "treated"),
        ("the lesion is confined to the right true cord", "involved"),
        ("radiation change is favoured over recurrence in the left arytenoid", "equivocal"),
        ("post-treatment oedema is more likely than tumour in the epiglottis", "equivocal"),
        ("fibrosis is preferred over residual tumour at the right tonsil", "equivocal"),
        ("radionecrosis is favoured over intracranial extension", "equivocal"),
        ("prevertebral infiltration not to be assumed", "not involved"),
        ("infiltration of the thyroid cartilage is not to be expected", "not involved"),
        ("invasion of the orbit is to be assumed", "equivocal"),
        ("extranodal extension, to be judged at the meeting", "equivocal"),
        ("the valleculae are full of tumour", "involved"),
        ("the piriform sinus is full of secretions", "changed"),
        ("preepiglottic fat gone", "involved"),
        ("airway down to 4 mm", "involved"),
        ("oedema of the medial pterygoid, probably reactive, but infiltration can not be excluded", "equivocal"),
        ("radiation oedema of both arytenoids without evidence of recurrence", "treated"),
        ("i would call that extracapsular spread", "involved"),
        ("i would not call this extracapsular spread", "equivocal"),
        ("tumour would involve the tonsil", "equivocal"),
        ("no endocranial extension", "not involved"),
        ("perineural spread: none seen", "not involved"),
        ("extranodal extension negative negative", "not involved"),
        ("skull base: no bone erosion", "not involved"),
        ("sphenoid floor with regular marrow signal", "not involved"),
        ("the tonsils are small and equal", "not involved"),
        ("infiltration of the parapharyngeal fatty tissue", "involved"),
        ("lysis of the floor of the right middle cranial fossa", "involved"),
    ],
)
def test_doubts_pronouns_and_everyday_words(words, state):
    assert [a.state.value for a in assertions_in(words)] == [state]


@pytest.mark.parametrize(
    ("words", "states"),
    [
        ("uptake in the tonsils and in both vocal cords is symmetrical and physiological", ["not involved"] * 2),
        ("no tumour in the tonsil and in the tongue base there is a mass", ["not involved", "involved"]),
        ("extranodal extension and carotid encasement are not seen", ["not involved"] * 2),
        ("extranodal extension and vessel involvement can not be assessed without contrast", []),
        ("perineural spread and skull base invasion can not be evaluated", []),
    ],
)
def test_a_predicate_behind_a_list_is_that_of_every_member(words, states):
    assert [a.state.value for a in assertions_in(words)] == states


def test_the_side_of_a_half_is_the_side():
    (palate, *_) = assertions_in("the soft palate is reached, infiltration of its left half questionable")
    assert palate.sides == {Side.LEFT}


def test_a_no_behind_one_place_of_a_list_is_that_places_own():
    found = assertions_in("extension: soft palate yes, tongue base no")
    assert [(a.mention.term.keys[0], a.state.value) for a in found] == [
        ("soft_palate", "involved"),
        ("base_of_tongue", "not involved"),
    ]
