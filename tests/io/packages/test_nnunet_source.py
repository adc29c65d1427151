import hashlib

import pytest

from hyoid.errors import ModelUnusableError
from hyoid.interfaces.installed import public_models
from hyoid.io.packages.download import sha256_of
from hyoid.io.packages.nnunet_folder import read_nnunet_folder
from hyoid.io.packages.nnunet_source import NOT_TOLD, answering, label_values, nnunet_source, weights_hash

LABELS = {"background": 0, "masseter_left": 1, "hyoid": 2, "internal_carotid_artery_right": 3, "Tongue": 4}


@pytest.fixture
def model(make_nnunet_folder):
    return read_nnunet_folder(make_nnunet_folder(labels=LABELS))


def test_names_in_dataset_json_tell_structures(model):
    source = nnunet_source(model, name="mine")
    assert source.values == {"hyoid_bone": (2,), "tongue": (4,), "carotid_right": (3,)}
    manifest = source.manifest
    assert manifest.supported == ("hyoid_bone", "tongue", "carotid_right")
    assert (manifest.name, manifest.licence, manifest.training_data) == ("mine", NOT_TOLD, NOT_TOLD)
    assert manifest.sha256 == sha256_of(model.checkpoints["0"])
    assert manifest.learned_from.words("tongue")


def test_what_a_user_states_counts_alone(model):
    assert label_values(model, {"masseter-left": "digastric_left"}, {2: "tongue"}) == {"digastric_left": (1,)}


def test_the_table_of_public_weights_is_compared_with_the_names(model):
    assert label_values(model, {}, {3: "carotid_right"}) == {"carotid_right": (3,)}
    with pytest.raises(ModelUnusableError, match=r"label 2 of .* for carotid_left.*names it 'hyoid'"):
        label_values(model, {}, {2: "carotid_left"})
    with pytest.raises(ModelUnusableError, match="has no such label"):
        label_values(model, {}, {9: "carotid_left"})


@pytest.mark.parametrize(
    ("stated", "said"),
    [({"Zunge": "tongue"}, "no label 'Zunge'"), ({"hyoid": "neck bone"}, "no structure 'neck bone'"),
     ({"hyoid": "tongue", "Tongue": "tongue"}, "Several labels .* are tongue: 'hyoid', 'Tongue'")],
)  # fmt: skip
def test_a_wrong_statement_is_refused(model, stated, said):
    with pytest.raises(ModelUnusableError, match=said):
        label_values(model, stated, {})


def test_a_folder_without_a_structure_of_hyoid_is_refused(make_nnunet_folder):
    model = read_nnunet_folder(make_nnunet_folder(labels={"background": 0, "femur": 1}))
    with pytest.raises(ModelUnusableError, match=r"No label of .* \(femur\) has the name of a structure") as caught:
        nnunet_source(model, name="mine")
    assert "labels: {NAME: STRUCTURE}" in caught.value.cure


def test_regions_are_all_their_values(make_nnunet_folder):
    labels = {"background": 0, "tongue": [1, 2], "GTVp": 2}
    model = read_nnunet_folder(make_nnunet_folder(labels=labels, regions_class_order=(1, 2)))
    assert label_values(model, {}, {}) == {"tongue": (1, 2), "gtvp": (2,)}


def test_public_weights_bring_words_licence_and_teachers(make_nnunet_folder):
    row = public_models()["ts_head_muscles"]
    labels = {"background": 0, **{f"masseter_{n}": n for n in range(1, 9)}, "tongue": 9, "digastric_right": 10,
              "digastric_left": 11}  # fmt: skip
    source = nnunet_source(read_nnunet_folder(make_nnunet_folder(labels=labels)), name=row.name, row=row)
    assert source.values == {"tongue": (9,), "digastric_left": (11,), "digastric_right": (10,)}
    assert source.manifest.licence == "Apache-2.0" and "Walter" in source.manifest.training_data
    assert source.manifest.learned_from.words("tongue") == ""


def test_a_source_is_limited_to_what_it_is_asked_for(model):
    source = nnunet_source(model, name="mine")
    assert answering(source, ["carotid_right", "tongue"]).manifest.supported == ("tongue", "carotid_right")
    with pytest.raises(ModelUnusableError, match="'mine' does not outline larynx") as caught:
        answering(source, ["larynx"])
    assert "hyoid_bone, tongue, carotid_right" in caught.value.cure


def test_folds_have_one_hash_together(make_nnunet_folder):
    model = read_nnunet_folder(make_nnunet_folder(folds=("0", "1")))
    files = list(model.checkpoints.values())
    both = hashlib.sha256("".join(map(sha256_of, files)).encode()).hexdigest()
    assert weights_hash(files) == both != sha256_of(files[0])
