import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from hyoid.anatomy.lesion_attributes import ATTRIBUTES
from hyoid.errors import UsageError
from hyoid.io.files.volumes import write_nifti
from hyoid.io.packages.model_package import read_package
from hyoid.models.build import build_network
from hyoid.models.lesion_head import feature_count
from hyoid.models.prompts import PointKind
from hyoid.systems.lesion.cases import UNKNOWN, load_lesions, of_part
from hyoid.systems.lesion.head import fit_head, looked_at
from hyoid.systems.lesion.rounds import Clicks, attribute_loss
from hyoid.systems.lesion.samples import LesionDataset, drawing_weights, drawn_region
from hyoid.systems.lesion.train import LesionTraining, network_description, train_lesion
from hyoid.training.folds import parts_of
from hyoid.training.recipe import HeadRecipe, load_recipe
from hyoid.training.run import Run, package_weights
from hyoid.volume import Geometry, Quantity, Volume

SHAPE = (30, 40, 40)


def write_patient(folder, number, *, described):
    rng = np.random.default_rng(number)
    place = folder / f"phantom_0_{number:04d}"
    place.mkdir(parents=True)
    geometry = Geometry.axial(SHAPE, (3.0, 3.0, 3.0))
    hu = rng.normal(-90, 8, SHAPE)
    ids = np.zeros(SHAPE, np.uint8)
    ids[8:14, 10:18, 10:18] = 1
    ids[20:24, 26:31, 26:31] = 2
    hu[ids > 0] += 150
    for name, array, quantity in (
        ("ct", hu.astype(np.int16), Quantity.HU),
        ("lesions", ids, Quantity.LABEL),
        *([("lesion_ids", ids, Quantity.LABEL)] if described else []),
    ):
        write_nifti(Volume(array, geometry, quantity), place / f"{name}.nii.gz")
    words = {name: of[number % len(of)] for name, of in ATTRIBUTES.items()}
    rows = [
        {"id": 1, "kind": "lipoma", "zero_shot": False, "attributes": words},
        {"id": 2, "kind": "cyst", "zero_shot": True, "attributes": words},
    ]
    (place / "truth.json").write_text(json.dumps({"lesions": rows} if described else {}))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    for number in range(5):
        write_patient(folder, number, described=True)
    return folder


@pytest.fixture(scope="module")
def recipe():
    return load_recipe("lesion", "smoke")


def test_lesions_with_and_without_descriptions(cohort, tmp_path):
    cases = load_lesions([cohort])
    assert [(c.kind, c.zero_shot) for c in cases[:2]] == [("lipoma", False), ("cyst", True)]
    assert cases[0].attributes == (0, 0, 0, 0, 0)
    assert cases[2].attributes == (1, 1, 1, 1, 1)
    write_patient(tmp_path, 0, described=False)
    plain = load_lesions([tmp_path])
    assert [c.kind for c in plain] == ["primary", "node"]
    assert plain[0].attributes == (UNKNOWN,) * 5
    assert plain[0].extent_mm == 24.0
    with pytest.raises(UsageError, match="No lesions"):
        load_lesions([tmp_path / "phantom_0_0000"])


def test_no_patient_is_in_two_parts_and_zero_shot_types_are_in_none(cohort):
    cases = load_lesions([cohort])
    parts = [of_part(cases, (0.6, 0.2, 0.2), 0, part) for part in ("training", "validation", "test")]
    names = [{c.patient.name for c in part} for part in parts]
    assert [len(n) for n in names] == [3, 1, 1]
    assert not names[0] & names[1] | names[0] & names[2] | names[1] & names[2]
    assert not any(c.zero_shot for part in parts for c in part)
    many = [f"p{k}" for k in range(50)]
    assert parts_of(many, (0.6, 0.2, 0.2), 1) == parts_of(many[::-1], (0.6, 0.2, 0.2), 1)


def test_the_same_view_every_time_and_the_lesion_in_it(cohort, recipe):
    cases = of_part(load_lesions([cohort]), recipe.split, recipe.seed, "training")
    first, again = (LesionDataset(cases, recipe, 0)[1] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    image, mask, attributes, spacing_mm = first
    assert image.shape == (2, 32, 32, 32)
    assert mask.any()
    assert attributes.shape == (5,)
    assert spacing_mm.shape == ()
    assert float(image.abs().max()) <= 1.0


def test_a_view_without_turning_is_the_patient(cohort, recipe):
    case = load_lesions([cohort])[0]
    still = recipe.augmentation.model_copy(update={"rotation_deg": 0.0, "scale": (1.0, 1.0)})
    values, mask, _ = drawn_region(
        case, recipe.model_copy(update={"augmentation": still, "in_use_share": 1.0}), np.random.default_rng(0)
    )
    assert values[mask].mean() == pytest.approx(60, abs=15)
    assert values[~mask & (values > -500)].mean() < -50


def test_a_view_teaches_only_what_it_still_shows(cohort, recipe):
    case = load_lesions([cohort])[2]
    assert case.attributes == (1, 1, 1, 1, 1)

    def taught(**changes):
        of_view = recipe.model_copy(update=changes)
        rows = [LesionDataset([case], of_view, epoch)[0][2].tolist() for epoch in range(4)]
        assert all(row == rows[0] for row in rows)
        return [name for name, value in zip(ATTRIBUTES, rows[0], strict=True) if value != UNKNOWN]

    assert taught(in_use_share=1.0, remap_share=0.0) == list(ATTRIBUTES)
    assert taught(in_use_share=1.0, remap_share=1.0) == ["shape", "invasion"]
    enlarged = {"in_use_share": 0.0, "lesion_share": (1.2, 1.3)}
    assert taught(**enlarged, remap_share=0.0) == ["invasion", "density", "heterogeneity"]
    assert taught(**enlarged, remap_share=1.0) == ["invasion"]


def real(case, quantity=Quantity.MR, person="A"):
    """The same lesion as if of a real image."""
    image = Volume(case.patient.image.array.astype(np.float32) + 1000, case.patient.geometry, quantity)
    patient = replace(case.patient, name=f"{person}-{quantity.name}", image=image, virtual=False, person=person)
    return replace(case, patient=patient)


def test_real_lesions_get_their_share_of_the_views(cohort):
    virtual = [case for case in load_lesions([cohort]) if not case.zero_shot]
    cases = [*virtual, real(virtual[0])]
    weight = drawing_weights(cases, 0.5)
    assert weight[-1] == pytest.approx(0.5) and weight.sum() == pytest.approx(1)
    by_type = drawing_weights(cases, None)  # five of one type weigh as the square root of five
    assert by_type[-1] == pytest.approx(1 / (1 + np.sqrt(5)))
    assert drawing_weights(virtual, 0.5).tolist() == pytest.approx([0.2] * 5)


def test_images_of_one_person_never_part(cohort):
    virtual = load_lesions([cohort])
    cases = [real(virtual[0], quantity, f"P{k}") for k in range(10) for quantity in (Quantity.MR, Quantity.SUV)]
    for part in ("training", "validation", "test"):
        chosen = of_part(cases, (0.5, 0.3, 0.2), 3, part)
        assert len(chosen) == 2 * len({case.patient.person for case in chosen}) > 0


def test_grey_values_of_a_real_mr_are_its_own_and_teach_no_density(cohort, recipe):
    case = real(load_lesions([cohort])[2])
    plain = recipe.augmentation.model_copy(update={"noise_hu": 0.0, "blur_probability": 0.0})
    of_view = recipe.model_copy(update={"augmentation": plain, "in_use_share": 1.0, "remap_share": 1.0})
    image, mask, attributes, _ = LesionDataset([case], of_view, 0)[0]
    assert image[0, mask[0] > 0].mean() > image[0, mask[0] == 0].mean()  # as it lies there: the lesion is brighter
    assert torch.equal(image[0], image[1])
    taught = [name for name, value in zip(ATTRIBUTES, attributes.tolist(), strict=True) if value != UNKNOWN]
    assert taught == ["shape", "invasion"]


def test_frozen_parts_keep_their_weights(cohort):
    recipe = load_recipe("lesion", "smoke").model_copy(update={"frozen": ("lesion_head",)})
    training = LesionTraining(recipe, load_lesions([cohort])[:1])
    moving = {name for name, p in training.network.named_parameters() if p.requires_grad}
    still = {name for name, p in training.network.named_parameters() if not p.requires_grad}
    assert still and all(name.startswith("lesion_head.") for name in still)
    assert not any(name.startswith("lesion_head.") for name in moving)


def test_a_lesion_enlarged_fills_the_region(cohort, recipe):
    case = load_lesions([cohort])[0]
    of_view = recipe.model_copy(update={"in_use_share": 0.0, "lesion_share": (1.0, 1.01)})
    views = [drawn_region(case, of_view, np.random.default_rng(k)) for k in range(6)]
    assert all(0.1 < mask.mean() < 1 for _, mask, _ in views)
    assert all(spacing < 1 for _, _, spacing in views)


def test_clicks_come_from_the_error():
    mask = torch.zeros(2, 1, 8, 8, 8)
    mask[:, :, 2:5, 2:5, 2:5] = 1
    rng = np.random.default_rng(0)
    first = Clicks.empty(mask, 0.0, rng).with_next(mask, torch.ones_like(mask, dtype=torch.bool), rng)
    assert first.kinds[:, 2].tolist() == [PointKind.ADD] * 2
    assert all(mask[0, 0][tuple(p.int().tolist())] for p in first.points[:1, 2])
    wrong = torch.zeros_like(mask, dtype=torch.bool)
    wrong[0, 0, 7, 7, 7] = True
    second = first.with_next(mask, wrong, rng)
    assert second.points[0, 3].tolist() == [7, 7, 7]
    assert second.kinds[:, 3].tolist() == [PointKind.REMOVE, PointKind.NOTHING]  # no error left: nothing


def test_clicks_of_the_paper_come_from_anywhere_in_the_error():
    mask = torch.ones(1, 1, 5, 5, 5)
    everywhere = torch.ones_like(mask, dtype=torch.bool)

    def places(share):
        rng = np.random.default_rng(0)
        draws = [Clicks.empty(mask, 0.0, rng).with_next(mask, everywhere, rng, share) for _ in range(20)]
        return {tuple(draw.points[0, 2].int().tolist()) for draw in draws}

    assert places(0.0) == {(2, 2, 2)}
    assert len(places(1.0)) > 15


def test_a_box_is_the_first_prompt():
    mask = torch.zeros(1, 1, 8, 8, 8)
    mask[:, :, 2:5, 2:5, 2:5] = 1
    rng = np.random.default_rng(0)
    boxed = Clicks.empty(mask, 1.0, rng)
    assert boxed.kinds.tolist() == [[PointKind.BOX_LOW, PointKind.BOX_HIGH]]
    assert bool((boxed.points[0, 0] <= 2).all() and (boxed.points[0, 1] >= 4).all())
    after = boxed.with_next(mask, torch.ones_like(mask, dtype=torch.bool), rng)
    assert after.kinds[0, 2] == PointKind.NOTHING


def test_attribute_loss_by_hand():
    logits = torch.zeros(1, 13)
    classes = torch.tensor([[0, 1, 2, 0, 1]])
    assert float(attribute_loss(logits, classes)) == pytest.approx(np.log([4, 2, 3, 2, 2]).mean(), abs=1e-6)
    assert float(attribute_loss(logits, torch.full((1, 5), UNKNOWN))) == 0
    one = torch.tensor([[UNKNOWN, UNKNOWN, 2, UNKNOWN, UNKNOWN]])
    assert float(attribute_loss(logits, one)) == pytest.approx(np.log(3), abs=1e-6)


def test_attribute_loss_of_sigmoids_by_hand():
    logits = torch.zeros(1, 13)
    one = torch.tensor([[UNKNOWN, UNKNOWN, 2, UNKNOWN, UNKNOWN]])
    assert float(attribute_loss(logits, one, "sigmoid")) == pytest.approx(3 * np.log(2), abs=1e-6)
    logits[0, 6:8], logits[0, 8] = -20.0, 20.0
    assert float(attribute_loss(logits, one, "sigmoid")) == pytest.approx(0, abs=1e-6)
    logits[0, 6:8] = 20.0  # all of them is not the answer
    assert float(attribute_loss(logits, one, "sigmoid")) == pytest.approx(40, abs=1e-4)
    assert float(attribute_loss(logits, torch.full((1, 5), UNKNOWN), "sigmoid")) == 0


def test_the_paper_preset_is_as_printed():
    recipe = load_recipe("lesion", "paper")
    assert recipe.random_click_share == 1.0
    assert recipe.box_share == recipe.remap_share == recipe.bce_weight == 0
    network = network_description(recipe)
    assert network["refined_alone"]
    assert network["attribute_activation"] == "sigmoid"
    assert network["mask_tokens"] > 1
    assert network["vision"]["window"] < recipe.region[0] // network["vision"]["patch"]


def test_lambda_is_learned_or_fixed(recipe):
    learned = LesionTraining(recipe, [])
    a, b = torch.tensor(0.5), torch.tensor(2.0)
    assert float(learned.together(a, b).detach()) == pytest.approx(2.5)
    fixed = LesionTraining(recipe.model_copy(update={"attribute_weight": 0.1}), [])
    assert float(fixed.together(a, b).detach()) == pytest.approx(0.7)


@pytest.mark.filterwarnings("ignore")
def test_training_makes_a_package(cohort, recipe, tmp_path):
    package = read_package(train_lesion(recipe, [cohort], Run(tmp_path, "cpu")))
    assert package.manifest.task == "lesion"
    assert package.manifest.supported == ("lesion", *ATTRIBUTES)
    assert package.manifest.spacing_mm == (2.5, 2.5, 2.5)
    assert (tmp_path / "metrics.jsonl").read_text().count("\n") == 2


@pytest.mark.filterwarnings("ignore")
def test_the_lesion_head_learns_alone_and_nothing_else_moves(cohort, recipe, tmp_path):
    start = train_lesion(recipe, [cohort], Run(tmp_path / "start", "cpu"))
    head = HeadRecipe(views=1, steps=20, batch=8, learning_rate=1e-2, weight_decay=0.0)
    of_head = recipe.model_copy(update={"head": head})
    package = read_package(train_lesion(of_head, [cohort], Run(tmp_path / "head", "cpu"), start=package_weights(start)))
    before, after = read_package(start).arrays(), package.arrays()
    moved = {name.split(".")[0] for name, array in after.items() if not np.array_equal(array, before[name])}
    assert moved == {"lesion_head"}
    assert package.manifest.supported == ("lesion", *ATTRIBUTES)
    again = read_package(train_lesion(of_head, [cohort], Run(tmp_path / "again", "cpu"), start=package_weights(start)))
    assert all(np.array_equal(array, again.arrays()[name]) for name, array in after.items())
    narrow = of_head.model_copy(update={"network": recipe.network.model_copy(update={"mask_tokens": 1})})
    with pytest.raises(UsageError, match="mask_token first"):
        train_lesion(narrow, [cohort], Run(tmp_path / "narrow", "cpu"), start=package_weights(start))
    with pytest.raises(UsageError, match="Only the lesion head is to learn"):
        train_lesion(of_head, [cohort], Run(tmp_path / "nothing", "cpu"))


def test_the_lesion_head_fits_what_can_be_told_apart():
    torch.manual_seed(0)
    description = network_description(load_recipe("lesion", "smoke"))
    network = build_network(description)
    features = torch.randn(64, feature_count(2))
    classes = torch.full((64, 5), UNKNOWN)
    classes[:, 0] = (features[:, 0] > 0).long() + (features[:, 1] > 0).long()
    recipe = HeadRecipe(views=1, steps=200, batch=32, learning_rate=1e-2, weight_decay=0.0)
    assert fit_head(network, features, classes, recipe, 0) < 0.2
    told = network.lesion_head.words(features)[:, :4].argmax(dim=1)
    assert float((told == classes[:, 0]).float().mean()) > 0.95


def test_a_view_gives_its_true_mask_and_one_mask_a_round(cohort, recipe):
    network = build_network(network_description(recipe)).eval()
    cases = load_lesions([cohort])[:2]
    features, classes = looked_at(network, recipe, cases, [0], lambda *_: None)
    assert features.shape == (2 * (recipe.rounds + 1), feature_count(2))
    assert classes.shape == (2 * (recipe.rounds + 1), 5)
    assert bool(features[0].any())  # the true mask is never empty
