"""The three stages with networks that are rules: what is bright is tissue, what is hot is a target."""

import json

import numpy as np
import pytest

from hyoid.errors import GeometryError, ModelUnusableError, UnsuitableScanError
from hyoid.inference.runtime import Runtime
from hyoid.io.packages.model_package import Manifest, ModelPackage
from hyoid.systems.machine import Machine
from hyoid.systems.petct import pipeline as petct
from hyoid.systems.petct.pipeline import PetCtModels, find_targets
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((60, 50, 60), (4.0, 4.0, 4.0), (-100.0, -80.0, 50.0), "1.2.3")
INPUT = {
    "channels": ["ct", "pet"], "window_hu": [-110, 190], "ct_range": "symmetric", "pet_scale": "window",
    "window_suv": [0, 20], "zscore": False,
}  # fmt: skip
REGION = {
    "grid": None, "margin_mm": 10.0, "box_mm": 144.0, "min_volume_ml": 0.1, "interpolation": "linear", "step": 0.5,
    "mirror_axes": [], "jitter_mm": 0.0,
}  # fmt: skip


def package(name, stage, *, spacing=(4.0, 4.0, 4.0), patch=(36, 36, 36), labels=("background", "gtvp", "gtvn"), **more):
    manifest = Manifest(
        name=name, version="1", words="", task="segmentation", network={"kind": "rule", "rule": name}, labels=labels,
        supported=labels[1:], spacing_mm=spacing, patch=patch, training_data="rules", licence="none", sha256=name,
        preprocessing={"stage": stage, "input": INPUT | more.pop("input", {}), "region": REGION | more},
    )  # fmt: skip
    return ModelPackage(manifest, b"")


HEAD = package(
    "head", "head", spacing=(8.0, 8.0, 8.0), patch=(30, 30, 30), labels=("background", "head"),
    grid=[30, 30, 30], input={"channels": ["ct"]},
)  # fmt: skip
COARSE = package("coarse", "coarse")
FINE = package("fine", "fine")


def head_rule(block):
    return np.stack([np.zeros_like(block[0, 0]), 8 * block[0, 0] + 4])[None]


def hot(block):
    """GTVp above SUV 6, GTVn from 3 to 6: half of what the drawn targets have, so that edges stay where they are."""
    suv = 20 * block[0, -1]
    return np.stack([np.full_like(suv, 5.0), np.where(suv > 6, 9.0, 0.0), np.where((suv > 3) & (suv <= 6), 9.0, 0.0)])[
        None
    ]


@pytest.fixture
def rules(monkeypatch):
    """What the networks answer, by name of the package; a test may change it."""
    answers = {"head": head_rule, "coarse": hot, "fine": hot}

    def load(model, shapes, **_):
        return Runtime(answers[model.manifest.name], "cpu", "f32", False)

    monkeypatch.setattr(petct, "load_runtime", load)
    return answers


def patient(*, far=False):
    """Tissue in the upper 200 mm, a tumour of SUV 12 and a node of SUV 6, by request also a node 100 mm below."""
    hu = np.full(GRID.shape, -1000, np.int16)
    hu[10:, 10:40, 12:48] = 40
    suv = np.where(hu > 0, 1.0, 0.0).astype(np.float32)
    truth = np.zeros(GRID.shape, np.uint8)
    truth[44:49, 20:25, 26:31], truth[36:40, 22:26, 38:42] = 1, 2
    if far:
        truth[13:17, 22:26, 30:34] = 2
    suv[truth == 1], suv[truth == 2] = 12.0, 6.0
    return Volume(hu, GRID, Quantity.HU), Volume(suv, GRID, Quantity.SUV), truth


MODELS = PetCtModels(HEAD, COARSE, (FINE, FINE))
MACHINE = Machine("cpu", None)


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_targets_are_found_where_they_are(rules):
    ct, pet, truth = patient()
    found = find_targets(ct, pet, MODELS, MACHINE)
    assert found.labels.geometry is ct.geometry
    for label in (1, 2):
        assert dice(found.labels.array == label, truth == label) > 0.7
    assert not found.outside.array.any()
    assert found.pet.array.max() == 12
    assert found.alignment.score > 0.9
    assert found.facts["fine_networks"] == 2 and not found.failed
    json.dumps(found.facts)


def test_a_flipped_and_transposed_scan_gives_the_same_targets(rules):
    ct, pet, truth = patient()
    matrix = GRID.ijk_to_lps.copy()
    matrix[:3, :3] = matrix[:3, :3][:, [2, 0, 1]]
    turned = Geometry((60, 60, 50), matrix, "1.2.3")
    moved = Volume(ct.array.transpose(2, 0, 1), turned, Quantity.HU)
    found = find_targets(moved, pet, MODELS, MACHINE)
    assert dice(found.labels.array.transpose(1, 2, 0) == 1, truth == 1) > 0.9


def test_what_lies_outside_the_cube_is_kept_and_marked(rules):
    ct, pet, truth = patient(far=True)
    found = find_targets(ct, pet, MODELS, MACHINE)
    # The centroid lies near the upper two; the lower node is farther than 72 mm from it.
    lower = truth[:20] == 2
    assert dice(found.labels.array[:20] == 2, lower) > 0.8
    assert found.outside.array[:20].any() and not found.outside.array[30:].any()
    assert any("1 part(s) of GTVn" in words and "coarse network's" in words for words in found.warnings)


def test_without_a_coarse_target_the_whole_head_is_searched(rules):
    rules["coarse"] = lambda block: np.stack([np.ones_like(block[0, 0]), *[np.zeros_like(block[0, 0])] * 2])[None]
    ct, pet, truth = patient(far=True)
    found = find_targets(ct, pet, MODELS, MACHINE)
    assert dice(found.labels.array > 0, truth > 0) > 0.85
    assert any("whole head region" in words for words in found.warnings)
    assert found.facts["fine_centre_lps_mm"] is None


def test_without_a_head_the_whole_scan_is_searched(rules):
    rules["head"] = lambda block: np.stack([np.ones_like(block[0, 0]), np.zeros_like(block[0, 0])])[None]
    ct, pet, truth = patient()
    found = find_targets(ct, pet, MODELS, MACHINE)
    assert any("whole scan was searched" in words for words in found.warnings)
    assert dice(found.labels.array > 0, truth > 0) > 0.85


def test_without_any_target_the_labels_are_empty(rules):
    ct, pet, _ = patient()
    cold = pet.with_array(np.minimum(pet.array, 2.0))
    found = find_targets(ct, cold, MODELS, MACHINE)
    assert not found.labels.array.any()


def test_ct_alone_is_said(rules):
    ct, _, _ = patient()
    found = find_targets(ct, None, MODELS, MACHINE)
    assert found.warnings[0].startswith("No PET")
    assert found.pet is None and found.facts["pet"] is False


def test_the_mean_is_taken_over_probabilities_of_each_class(rules):
    # One network is certain of the node, two lean a little towards background: the mean of probabilities decides.
    sure, doubt = np.array([0.0, 0.0, 20.0]), np.array([0.3, 0.0, 0.0])
    answers = [sure, doubt, doubt]
    fines = tuple(package(f"fine{k}", "fine") for k in range(3))
    for k, logits in enumerate(answers):
        rules[f"fine{k}"] = lambda block, logits=logits: np.broadcast_to(
            logits[None, :, None, None, None], (1, 3, *block.shape[2:])
        ).astype(np.float32)
    ct, pet, _ = patient()
    found = find_targets(ct, pet, PetCtModels(HEAD, COARSE, fines), MACHINE)
    p = np.mean([np.exp(a) / np.exp(a).sum() for a in answers], axis=0)
    inside = found.labels.array[30:45, 20:30, 20:40]
    assert (inside == int(p.argmax())).all() and int(p.argmax()) == 2


def test_fine_networks_of_different_spacings_meet(rules):
    other = package("coarser", "fine", spacing=(8.0, 8.0, 8.0), patch=(18, 18, 18))
    rules["coarser"] = hot
    ct, pet, truth = patient()
    found = find_targets(ct, pet, PetCtModels(HEAD, COARSE, (FINE, other)), MACHINE)
    assert dice(found.labels.array > 0, truth > 0) > 0.7


def test_bad_pets_are_refused(rules):
    ct, pet, _ = patient()
    with pytest.raises(UnsuitableScanError, match="impossible SUV"):
        find_targets(ct, pet.with_array(pet.array * 5000), MODELS, MACHINE)
    half = Volume(pet.array[:30], Geometry((30, 50, 60), GRID.ijk_to_lps, "1.2.3"), Quantity.SUV)
    with pytest.raises(UnsuitableScanError, match=r"covers \d+%"):
        find_targets(ct, half.with_array(np.maximum(half.array, 0)), MODELS, MACHINE)
    other = Volume(pet.array, Geometry(GRID.shape, GRID.ijk_to_lps, "9.9"), Quantity.SUV)
    with pytest.raises(GeometryError, match="frames of reference"):
        find_targets(ct, other, MODELS, MACHINE)


def test_targets_larger_than_a_neck_fail(rules):
    rules["fine"] = rules["coarse"] = lambda block: np.stack(
        [np.zeros_like(block[0, 0]), 10 * np.ones_like(block[0, 0]), np.zeros_like(block[0, 0])]
    )[None]
    ct, pet, _ = patient()
    found = find_targets(ct, pet, MODELS, MACHINE)
    assert found.failed and "exceed 1500 ml" in found.warnings[-1]


def test_networks_of_other_stages_are_refused():
    with pytest.raises(ModelUnusableError, match="no coarse network"):
        PetCtModels(HEAD, FINE, (FINE,))
    with pytest.raises(ModelUnusableError, match="no fine network"):
        PetCtModels(HEAD, COARSE, ())
    with pytest.raises(ModelUnusableError, match="different edges"):
        PetCtModels(HEAD, COARSE, (FINE, package("wide", "fine", box_mm=160.0)))
