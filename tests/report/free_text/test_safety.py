"""Sentences in which a later word takes back an earlier one, or whose subject is another: never a status that is wrong."""

import pytest

from hyoid.report.free_text.structure import structure_text


def answers(text):
    return {line.key: line.value for line in structure_text(f"CT neck. {text}").lines if line.status == "text"}


@pytest.mark.parametrize(
    ("sentence", "key", "value"),
    [
        ("Both pyriform sinuses are effaced but not invaded.", "pyriform_sinus", "Not involved, both sides"),
        (
            "The left parapharyngeal fat is effaced and infiltration cannot be excluded.",
            "parapharyngeal_space",
            "Equivocal, left",
        ),
        ("The left tonsil is enlarged; tumour is not excluded.", "tonsil", "L - equivocal"),
        ("The right parotid gland is displaced but not infiltrated.", "parotid_gland", "Not involved, right"),
        ("Nodes at right level II, margins ill-defined - ?ENE.", "extranodal_extension", "Equivocal"),
        ("Right level II LN, 3 in no., no ENE.", "extranodal_extension", "Absent"),
        ("Right level II LN, 3 in no., no ENE.", "number_of_nodes", "3 (right level II)"),
        ("The epiglottis is thickened, likely post-treatment.", "epiglottis", "Changed, likely by treatment"),
        ("Thickening of the epiglottis, residual tumour versus post-radiation change.", "epiglottis", "Equivocal"),
        ("It is uncertain whether the cricoid is invaded.", "cricoid_cartilage", "Equivocal"),
        ("No evidence that the mass involves the epiglottis.", "epiglottis", "Not involved"),
        ("The right tonsil abuts the tumour without definite infiltration.", "tonsil", "R - not involved"),
        (
            "The right submandibular gland is not separately seen from the lesion.",
            "submandibular_gland",
            "Equivocal, right",
        ),
        ("Thyroid cart. - no erosion.", "thyroid_cartilage", "Not involved"),
        ("Carotid encasement is not seen.", "carotid_arteries_ijv", "Not involved"),
        ("Tumour cannot be excluded in the left vallecula.", "valleculae", "Equivocal, left"),
        ("Medial wall of the right pyriform sinus involved, apex free.", "pyriform_sinus", "Involved, right"),
    ],
)
def test_the_later_word_counts(sentence, key, value):
    assert answers(f"Mass of the floor of mouth. {sentence}")[key] == value


@pytest.mark.parametrize(
    ("sentence", "key"),
    [
        ("The left submandibular gland is not seen.", "submandibular_gland"),
        ("The right submandibular gland has been resected.", "submandibular_gland"),
        ("The epiglottis is surgically absent.", "epiglottis"),
        ("On the previous CT the epiglottis was involved.", "epiglottis"),
        ("No nodes below the cricoid cartilage.", "cricoid_cartilage"),
        ("Mass in the right upper lobe of the lung, 3 cm.", "size_of_the_mass"),
        ("Enlarged mediastinal nodes, 3 cm.", "max_size"),
        ("Mass in the tongue.", "oral_tongue"),
        ("Mass in the tongue.", "base_of_tongue"),
        ("The tumour extends to the level of the hyoid and the cricoid.", "cricoid_cartilage"),
        ("The floor of mouth is near the mass and the uncinate process is eroded.", "floor_of_mouth"),
        ("No calculus in the left submandibular gland.", "submandibular_gland"),
    ],
)
def test_what_is_not_said_fills_nothing(sentence, key):
    assert key not in answers(f"The lip is normal. {sentence}")


def test_a_nodal_mass_is_no_primary():
    found = answers("Nodal mass at right level II measuring 5.4 x 4.1 cm. No primary tumour is identified.")
    assert "primary_location_of_the_mass" not in found
    assert "size_of_the_mass" not in found
    assert found["max_size"] == "5.4 x 4.1 cm"


def test_no_laryngeal_mass_is_not_a_mass_of_the_larynx():
    found = answers("No laryngeal mass.")
    assert "primary_location_of_the_mass" not in found
    assert found["epiglottis"] == "Not involved"


@pytest.mark.parametrize(
    "text",
    [
        "The medial wall of the right pyriform sinus is involved. The apex of the right pyriform sinus is free.",
        "The right carotid artery is encased. The right internal jugular vein is patent.",
        "Right level II nodes are enlarged. No new adenopathy. No mediastinal nodes. No nodes below the cricoid.",
        "The right tonsil is involved. The left tonsil is normal.",
        "The larynx is normal. The tumour reaches the epiglottis, which is involved.",
        "The tonsil may be involved. The tonsil is symmetric.",
    ],
)
def test_statements_of_other_places_sides_and_times_do_not_contradict(text):
    assert structure_text(f"CT neck. {text}").warnings == ()


def test_a_doubt_in_the_next_sentence_counts():
    assert answers("The left tonsil is full. Tumour cannot be excluded.")["tonsil"] == "L - equivocal"


@pytest.mark.parametrize(
    ("sentence", "key", "value"),
    [
        ("Whether the cricoid is invaded cannot be decided.", "cricoid_cartilage", "Equivocal"),
        ("Whether the epiglottis is involved remains open.", "epiglottis", "Equivocal"),
        ("We could not decide if the left tonsil is infiltrated.", "tonsil", "L - equivocal"),
        ("Invasion of the left tonsil was raised; this is not the case.", "tonsil", "L - equivocal"),
        ("Invasion of the left tonsil was described. On our review this is not confirmed.", "tonsil", "L - equivocal"),
        ("I do not believe that the epiglottis is involved.", "epiglottis", "Equivocal"),
        ("Unless the epiglottis is involved, partial laryngectomy is possible.", "epiglottis", "Equivocal"),
        ("Invasion of the cricoid would mean T4.", "cricoid_cartilage", "Equivocal"),
        ("There is hardly any invasion of the epiglottis.", "epiglottis", "Equivocal"),
        ("The thyroid cartilage seems eroded, though this may be ossification.", "thyroid_cartilage", "Equivocal"),
        ("The epiglottis is far from normal.", "epiglottis", "Equivocal"),
        ("There is no doubt that the epiglottis is involved.", "epiglottis", "Involved"),
        ("The tumour falls short of the cricoid.", "cricoid_cartilage", "Not involved"),
    ],
)
def test_what_is_left_open_is_equivocal(sentence, key, value):
    assert answers(f"Mass of the floor of mouth. {sentence}")[key] == value


@pytest.mark.parametrize(
    ("sentence", "key", "value"),
    [
        ("The epiglottis was involved before treatment and is now normal.", "epiglottis", "Not involved"),
        ("The formerly infiltrated epiglottis is now normal.", "epiglottis", "Not involved"),
        ("The epiglottis, involved at diagnosis, is clear.", "epiglottis", "Not involved"),
        ("The former invasion of the epiglottis has vanished.", "epiglottis", "Not involved"),
        ("The right level II node, which had been 32 mm, is now 12 mm.", "max_size", "1.2 cm"),
        (
            "The mass was expected in the left tonsil but is in the right tonsil.",
            "primary_location_of_the_mass",
            "Tonsil, right side",
        ),
        ("The lip was thought to be normal but the right tonsil is involved.", "tonsil", "R - involved"),
    ],
)
def test_what_was_is_not_what_is(sentence, key, value):
    assert answers(sentence)[key] == value


def test_a_node_that_has_vanished_is_none():
    assert (
        "III" not in answers("Right level II node, 12 mm. The node in right level III has vanished.")["number_of_nodes"]
    )


@pytest.mark.parametrize(
    "sentence",
    [
        "His father had laryngeal cancer involving the epiglottis.",
        "Family history: brother with cancer of the left tonsil.",
    ],
)
def test_another_person_fills_nothing(sentence):
    assert answers(f"The lip is normal. {sentence}").keys() == {"lip"}
