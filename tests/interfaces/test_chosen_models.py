"""Which networks a run uses: hyoid's own, fetched weights, folders of the user's, and refusals of what does not fit.

Fetched weights are stand-ins: tiny networks behind the labels that the tasks' authors publish.
"""

import json

import pytest

from hyoid.anatomy.structures import BY_LABEL
from hyoid.errors import ModelUnusableError, UsageError
from hyoid.interfaces.chosen_models import (
    asked_models,
    midrt_sources,
    networks_of,
    organ_source,
    outlining,
    petct_models,
    report_models,
    tumour_source,
)
from hyoid.interfaces.installed import packages, public_models
from hyoid.interfaces.places import sources_file
from hyoid.io.packages.model_package import ModelPackage, read_manifest
from hyoid.io.packages.models_file import Entry
from hyoid.io.packages.nnunet_source import NnunetSource
from hyoid.io.packages.public_weights import PROVENANCE, Provenance
from hyoid.io.packages.source_table import NAMED_NOW, Ranked, SourceTable, source_table_text

# Labels of TotalSegmentator's tasks: class_map, class_map_5_parts and class_map_parts_headneck_muscles of its
# `map_to_binary.py`.
TASKS = {
    "ts_headneck_bones_vessels": (
        "larynx_air thyroid_cartilage hyoid cricoid_cartilage zygomatic_arch_right zygomatic_arch_left "
        "styloid_process_right styloid_process_left internal_carotid_artery_right internal_carotid_artery_left "
        "internal_jugular_vein_right internal_jugular_vein_left"
    ),
    "ts_head_muscles": (
        "masseter_right masseter_left temporalis_right temporalis_left lateral_pterygoid_right lateral_pterygoid_left "
        "medial_pterygoid_right medial_pterygoid_left tongue digastric_right digastric_left"
    ),
    "ts_headneck_muscles": (
        "anterior_scalene_right anterior_scalene_left middle_scalene_right middle_scalene_left posterior_scalene_right "
        "posterior_scalene_left sterno_thyroid_right sterno_thyroid_left thyrohyoid_right thyrohyoid_left "
        "prevertebral_right prevertebral_left"
    ),
    "ts_head_glands_cavities": (
        "eye_left eye_right eye_lens_left eye_lens_right optic_nerve_left optic_nerve_right parotid_gland_left "
        "parotid_gland_right submandibular_gland_right submandibular_gland_left nasopharynx oropharynx hypopharynx "
        "nasal_cavity_right nasal_cavity_left auditory_canal_right auditory_canal_left soft_palate hard_palate"
    ),
    "ts_total_organs": (
        "spleen kidney_right kidney_left gallbladder liver stomach pancreas adrenal_gland_right adrenal_gland_left "
        "lung_upper_lobe_left lung_lower_lobe_left lung_upper_lobe_right lung_middle_lobe_right lung_lower_lobe_right "
        "esophagus trachea thyroid_gland small_bowel duodenum colon urinary_bladder prostate kidney_cyst_left "
        "kidney_cyst_right"
    ),
}
APPENDIX_E = tuple(BY_LABEL[label].name for label in range(1, 22))


@pytest.fixture(autouse=True)
def weights(tmp_path, monkeypatch):
    """A data folder of its own, without weights of whoever runs the tests."""
    monkeypatch.setenv("HYOID_WEIGHTS", str(tmp_path / "data" / "weights"))
    return tmp_path / "data" / "weights"


@pytest.fixture
def pulled(weights, make_nnunet_folder):
    """Stand-ins in the place of fetched weights; `pulled(name, labels, ...)` gives the folder."""

    def make(name, labels, **options):
        numbered = {"background": 0} | {label: k for k, label in enumerate(labels.split(), start=1)}
        folder = make_nnunet_folder(weights / name / "Dataset1", labels=numbered, **options)
        record = Provenance(model=public_models()[name], hash_from_source=True, files={})
        (weights / name / PROVENANCE).write_text(record.model_dump_json())
        return folder

    return make


def sources_of(found):
    return {source.manifest.name: source.manifest.supported for source in found.sources}


def test_without_anything_fetched_hyoids_own_networks_outline_as_they_did():
    found = outlining()
    own = {name: read_manifest(packages()[name]).supported for name in ("organs", "neck")}
    assert sources_of(found) == own and list(sources_of(found)) == ["organs", "neck"]


def test_the_five_tasks_of_totalsegmentator_fill_appendix_e(pulled):
    for name, labels in TASKS.items():
        pulled(name, labels)
    found = outlining()
    by = {choice.structure: choice.source for choice in found.choices}
    assert {structure: by[structure] for structure in APPENDIX_E if not by[structure].startswith("ts_")} == {}
    assert {by[structure] for structure in APPENDIX_E} == set(TASKS)
    assert by["mandible"] == by["larynx"] == by["parotid_left"] == "organs"
    # Nothing is left for the network that virtual patients taught, so it does not run.
    assert "neck" not in sources_of(found)
    told = [name for source in found.sources for name in source.manifest.supported]
    assert len(told) == len(set(told)) == len(by)
    assert all(choice.why for choice in found.choices)
    bones = next(s for s in found.sources if s.manifest.name == "ts_headneck_bones_vessels")
    assert (bones.values["carotid_left"], bones.values["cricoid_cartilage"]) == ((10,), (4,))


def test_one_task_takes_its_structures_from_the_neck_network(pulled):
    pulled("ts_head_muscles", TASKS["ts_head_muscles"])
    found = sources_of(outlining())
    assert found["ts_head_muscles"] == ("tongue", "digastric_left", "digastric_right")
    assert "tongue" not in found["neck"] and "trachea" in found["neck"]
    assert list(found)[-1] == "neck"


def test_a_table_that_does_not_fit_the_folder_is_refused(pulled):
    pulled("ts_head_muscles", TASKS["ts_head_muscles"].replace("digastric_right", "digastric_left_too"))
    with pytest.raises(ModelUnusableError, match=r"label 10 .* for digastric_right.*names it 'digastric_left_too'"):
        outlining()


def test_a_users_own_table_goes_before_hyoids(pulled):
    pulled("ts_head_muscles", TASKS["ts_head_muscles"])
    sources_file().write_text(source_table_text(SourceTable({"tongue": (Ranked(source="neck", why="mine"),)})))
    by = {choice.structure: choice for choice in outlining().choices}
    assert (by["tongue"].source, by["tongue"].why, by["tongue"].others) == ("neck", "mine", ("ts_head_muscles",))
    assert by["digastric_left"].source == "ts_head_muscles"


def test_networks_of_a_file_stand_alone_or_beside_the_usual_ones(make_nnunet_folder, tmp_path):
    folder = make_nnunet_folder(labels={"background": 0, "Mandible": 1, "hyoid": 2})
    (tmp_path / "m.yaml").write_text(f"organs: {{model: {folder.name}, name: mine}}\n")
    assert sources_of(outlining(asked_models(tmp_path / "m.yaml"))) == {"mine": ("hyoid_bone", "mandible")}
    (tmp_path / "m.yaml").write_text(f"organs: [default, {{model: {folder.name}, name: mine}}]\n")
    found = outlining(asked_models(tmp_path / "m.yaml"))
    by = {choice.structure: choice for choice in found.choices}
    assert (by["hyoid_bone"].source, by["mandible"].source, by["mandible"].why) == ("mine", "mine", NAMED_NOW)
    assert by["larynx"].source == "organs" and "mandible" not in sources_of(found)["organs"]
    (tmp_path / "m.yaml").write_text(
        f"organs: [default, {{model: {folder.name}, name: mine}}]\nuse: {{mandible: organs}}\n"
    )
    by = {choice.structure: choice.source for choice in outlining(asked_models(tmp_path / "m.yaml")).choices}
    assert (by["mandible"], by["hyoid_bone"]) == ("organs", "mine")


def test_a_single_option_goes_before_the_file(tmp_path):
    (tmp_path / "m.yaml").write_text("organs: neck\ntumour: tumour\n")
    asked = asked_models(tmp_path / "m.yaml", organs=["organs"], tumour=None)
    assert list(sources_of(outlining(asked))) == ["organs"]
    assert report_models(asked).tumour.manifest.name == "tumour"


@pytest.mark.parametrize(
    ("organs", "said"),
    [
        ("petct-resenc", "'petct-resenc' is a network of the PET/CT system, and this place takes a network that outl"),
        ("tumour", "'tumour' is a network that localises the target region"),
        ("sgrnet", "is a classifier of involvement"),
        ("isrg", "is an interactive network"),
        ("midrt", "is a network for MR during treatment"),
    ],
)
def test_a_package_in_the_wrong_place_is_named(organs, said):
    with pytest.raises(ModelUnusableError, match=said) as caught:
        outlining(asked_models(organs=[organs]))
    assert "docs/models.md" in caught.value.cure


def test_other_places_refuse_what_does_not_belong_there(make_nnunet_folder):
    folder = str(make_nnunet_folder(labels={"background": 0, "GTVp": 1}))
    for place in ("classifier", "template", "head", "lesion"):
        wanted = {"head": petct_models, "lesion": lambda asked: networks_of("lesion", model=folder)}
        with pytest.raises(ModelUnusableError, match="is an nnU-Net folder, and this place takes"):
            wanted.get(place, report_models)(asked_models(**{place: folder}))
    with pytest.raises(ModelUnusableError, match="no head network"):
        petct_models(asked_models(head="petct-coarse"))
    with pytest.raises(ModelUnusableError, match="'organs' is a network that outlines organs"):
        report_models(asked_models(tumour="organs"))
    with pytest.raises(ModelUnusableError, match="is a classifier of sub-sites"):
        report_models(asked_models(classifier="sgrnet-template"))


def test_folders_that_do_not_fit_are_named(make_nnunet_folder, tmp_path):
    pet = make_nnunet_folder(tmp_path / "a", labels={"background": 0, "tongue": 1}, channels=("CT", "PET"),
                             schemes=("CTNormalization", "ZScoreNormalization"))  # fmt: skip
    with pytest.raises(ModelUnusableError, match=r"sees 2 channel\(s\) \(CT, PET\), and this place gives it a CT"):
        organ_source(Entry(model=str(pet)))
    tumour = make_nnunet_folder(tmp_path / "b")
    with pytest.raises(ModelUnusableError, match="outlines gtvp, gtvn: not an organ"):
        organ_source(Entry(model=str(tumour)))
    assert tumour_source(Entry(model=str(tumour))).manifest.supported == ("gtvp", "gtvn")
    tongue = make_nnunet_folder(tmp_path / "c", labels={"background": 0, "tongue": 1})
    with pytest.raises(ModelUnusableError, match="outlines tongue: not a tumour"):
        tumour_source(Entry(model=str(tongue)))
    with pytest.raises(ModelUnusableError, match="does not outline larynx"):
        organ_source(Entry(model=str(tongue), structures=("larynx",)))


def test_names_that_lead_nowhere_are_refused_with_the_cure():
    with pytest.raises(UsageError, match="'ts_head_muscles' are not on this machine") as caught:
        organ_source(Entry(model="ts_head_muscles"))
    assert "hyoid models pull ts_head_muscles" in caught.value.cure
    with pytest.raises(UsageError, match="no model 'nothing'"):
        organ_source(Entry(model="nothing"))


def test_two_networks_for_one_structure_are_refused_until_somebody_chooses(make_nnunet_folder, tmp_path):
    labels = {"background": 0, "tongue": 1}
    a, b = (make_nnunet_folder(tmp_path / name, labels=labels) for name in "ab")
    text = f"organs: [{{model: {a}, name: a}}, {{model: {b}, name: b}}]\n"
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(UsageError, match="Both 'a' and 'b' outline tongue"):
        outlining(asked_models(tmp_path / "m.yaml"))
    (tmp_path / "m.yaml").write_text(text + "use: {tongue: b}\n")
    assert sources_of(outlining(asked_models(tmp_path / "m.yaml"))) == {"b": ("tongue",)}
    with pytest.raises(UsageError, match="called 'Dataset001_Test 3d_fullres'"):
        outlining(asked_models(organs=[str(a), str(b)]))


@pytest.mark.parametrize(
    ("use", "said"),
    [
        ("{larynx: nobody}", "'nobody' for larynx, which is not among"),
        ("{tongue: organs}", "'organs' for tongue, which"),
    ],
)
def test_a_choice_that_no_network_can_answer_is_refused(tmp_path, use, said):
    (tmp_path / "m.yaml").write_text(f"use: {use}\n")
    with pytest.raises(UsageError, match=said):
        outlining(asked_models(tmp_path / "m.yaml"))


def shown_as(preset):
    """Constants of a two-channel folder, whose outlines stay as they are."""
    return {"channels": ["t2", "gradient"], "gradient": preset, "postprocessing": "none"}


def test_published_gradient_networks_see_t2_and_map(pulled):
    pulled("hntsmrg_gradient", "GTVp GTVn", channels=("T2", "gradient"), schemes=("ZScoreNormalization",) * 2)
    [source] = midrt_sources(asked_models(midrt=["hntsmrg_gradient"]))
    assert isinstance(source, NnunetSource)
    assert source.manifest.preprocessing == shown_as("code")
    assert source.manifest.name == "hntsmrg_gradient" and source.manifest.supported == ("gtvp", "gtvn")


def test_channels_on_mid_treatment_mr_are_known_by_name_or_stated(make_nnunet_folder, tmp_path):
    names = ("T2", "preRT_T2_registered", "preRT_mask_registered")
    three = make_nnunet_folder(tmp_path / "a", channels=names, schemes=("ZScoreNormalization",) * 3)
    [source] = midrt_sources(asked_models(midrt=[str(three)]))
    assert source.manifest.preprocessing["channels"] == ["t2", "pre_t2", "outlines"]
    other = make_nnunet_folder(tmp_path / "b", channels=("MR_T1", "noNorm"), schemes=("ZScoreNormalization",) * 2)
    with pytest.raises(ModelUnusableError, match=r"What channel 'MR_T1' of .* holds is not known"):
        midrt_sources(asked_models(midrt=[str(other)]))
    (tmp_path / "m.yaml").write_text(f"midrt: {{model: {other}, channels: [t2, gradient], gradient: paper}}\n")
    [stated] = midrt_sources(asked_models(tmp_path / "m.yaml"))
    assert stated.manifest.preprocessing == shown_as("paper")
    (tmp_path / "m.yaml").write_text(f"midrt: {{model: {other}, channels: [t2]}}\n")
    with pytest.raises(ModelUnusableError, match=r"sees 2 channel\(s\) .* and 1 are stated"):
        midrt_sources(asked_models(tmp_path / "m.yaml"))
    one = make_nnunet_folder(tmp_path / "c", labels={"background": 0, "GTVp": 1})
    with pytest.raises(ModelUnusableError, match="does not outline gtvn"):
        midrt_sources(asked_models(midrt=[str(one)]))


def test_every_commands_networks_are_listed():
    def names(command, **options):
        return {source.manifest.name for source in networks_of(command, **options)}

    assert names("report") == {"organs", "neck", "tumour", "sgrnet", "sgrnet-template"}
    assert names("petct", no_organs=True) == {"petct-head", "petct-coarse", "petct-resenc", "petct-segresnet"}
    assert names("lesion") == {"isrg", "organs", "neck"}
    assert names("midrt") == {"midrt"}
    assert all(isinstance(source, ModelPackage) for source in networks_of("midrt"))


@pytest.mark.shared
def test_real_plans_of_the_challenge_are_read_or_refused_by_name(shared_data):
    plans = shared_data / "nnunet_plans" / "hntsmrg24_resenc" / "Dataset031"
    [folder] = plans.iterdir()
    names = json.loads((folder / "dataset.json").read_text())["channel_names"]
    assert list(names.values()) == ["MR_T1", "MR_T1", "noNorm"]
    with pytest.raises(ModelUnusableError, match=r"DilatedPremaskAsFgPreprocessor|resampling function"):
        midrt_sources(asked_models(midrt=[str(folder)]))
