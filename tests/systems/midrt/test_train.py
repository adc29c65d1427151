import numpy as np
import pytest
import torch

from hyoid.errors import UsageError
from hyoid.io.cohorts.hntsmrg import find_hntsmrg_cases
from hyoid.io.packages.model_package import read_package
from hyoid.models.build import build_network
from hyoid.systems.midrt.cases import load_midrt_cases
from hyoid.systems.midrt.train import (
    MidrtPatches,
    MidrtTraining,
    network_description,
    patch_centre,
    sampled_patch,
    train_midrt,
)
from hyoid.training.recipe import load_recipe
from hyoid.training.run import Run

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's advice about workers and loggers


@pytest.fixture(scope="module")
def folder(make_midrt_case, tmp_path_factory):
    root = tmp_path_factory.mktemp("cohort")
    for k in range(2):
        make_midrt_case(root, f"p{k}", seed=k)
    return root


@pytest.fixture(scope="module")
def smoke():
    return load_recipe("midrt", "smoke")


@pytest.fixture(scope="module")
def cases(folder, smoke):
    return load_midrt_cases(find_hntsmrg_cases(folder), smoke)


def test_held_out_patients_are_validated_on_their_mid_treatment_image(make_midrt_case, smoke, tmp_path, monkeypatch):
    import json

    monkeypatch.setattr(MidrtTraining, "validate_every", 1)
    for k in range(5):
        make_midrt_case(tmp_path / "five", f"p{k}", seed=k)
    train_midrt(smoke, [tmp_path / "five"], Run(tmp_path / "run", "cpu"), fold=0)
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert all(0 <= row["validation_dice_gtvp"] <= 1 for row in rows)


def test_a_validation_patch_is_the_same_every_time(cases, smoke):
    mid = [case for case in cases if case.name.endswith("-mid")]
    module = MidrtTraining(smoke, cases, mid)
    first, again = (next(iter(module.val_dataloader())) for _ in range(2))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert (first[1] > 0).any()
    assert MidrtTraining(smoke, cases).val_dataloader() == []


def still(recipe, **more):
    change = {"rotation_deg": 0, "scale": (1, 1), "gamma": (1, 1), "contrast": (1, 1), "noise": 0}
    change |= {"blur_probability": 0, "mirror": ()}
    return recipe.model_copy(update={"augmentation": recipe.augmentation.model_copy(update=change), **more})


def test_the_papers_network_is_the_printed_one():
    recipe = load_recipe("midrt", "paper")
    assert recipe.patch == (48, 192, 192) and recipe.optimiser.batch == 8
    assert recipe.network.encoder_blocks == (1, 3, 4, 6, 6, 6) and recipe.network.kernels[0] == (1, 3, 3)
    assert recipe.optimiser.steps == 1000 * recipe.optimiser.steps_per_epoch
    with torch.device("meta"):
        network = build_network(network_description(recipe))
    assert 95e6 < sum(p.numel() for p in network.parameters()) < 110e6  # nnU-Net's ResEnc-M has about 102 million
    assert all(n % d == 0 for n, d in zip(recipe.patch, network.shape.divisor, strict=True))


def test_a_patch_without_changes_is_a_piece_of_the_case(cases, smoke):
    case, recipe = cases[0], still(smoke)
    centre = np.array([12.5, 20.5, 20.5])
    image, labels = sampled_patch(case, 0, centre, recipe, np.random.default_rng(0))
    piece = (slice(5, 21), slice(13, 29), slice(13, 29))
    assert np.allclose(image[0], case.t2[piece], atol=2e-3)
    assert np.allclose(image[1] * 255, case.maps[0][piece], atol=0.1)
    assert np.array_equal(labels, case.target[piece])


def test_a_map_is_z_scored_over_the_image_not_over_the_patch(cases, smoke):
    recipe = still(smoke, zscore_map=True)
    image, _ = sampled_patch(cases[0], 1, np.array([12.5, 20.5, 20.5]), recipe, np.random.default_rng(0))
    whole = cases[0].maps[1] / 255
    expected = (whole - whole.mean()) / whole.std()
    assert np.allclose(image[1], expected[5:21, 13:29, 13:29], atol=1e-3)
    assert abs(float(image[1].mean())) > 0.1


def test_outline_channels_are_masks_of_the_drawn_version(cases, smoke):
    recipe = still(smoke, channels=("outline_gtvp", "outline_gtvn"))
    image, _ = sampled_patch(cases[0], 1, np.array([12.5, 20.5, 20.5]), recipe, np.random.default_rng(0))
    piece = (slice(5, 21), slice(13, 29), slice(13, 29))
    assert np.array_equal(image[0], cases[0].outlines[1][piece] == 1)
    assert np.array_equal(image[1], cases[0].outlines[1][piece] == 2)


def test_a_mirrored_patch_mirrors_image_and_labels_alike(cases, smoke):
    recipe = still(smoke)
    mirrored = recipe.model_copy(update={"augmentation": recipe.augmentation.model_copy(update={"mirror": (2,)})})
    centre = np.array([12.5, 20.5, 20.5])
    plain = sampled_patch(cases[0], 0, centre, recipe, np.random.default_rng(0))
    seen = set()
    for seed in range(8):
        image, labels = sampled_patch(cases[0], 0, centre, mirrored, np.random.default_rng(seed))
        flipped = not torch.allclose(image[0], plain[0][0], atol=1e-4)
        seen.add(flipped)
        expected = (plain[0].flip(3), plain[1].flip(2)) if flipped else plain
        assert torch.allclose(image, expected[0], atol=1e-3) and torch.equal(labels, expected[1])
    assert seen == {True, False}


def test_patches_lie_on_tumour_as_often_as_asked_and_come_again(cases, smoke):
    always = smoke.model_copy(update={"tumour_share": 1.0, "outline_share": 0.0})
    rng = np.random.default_rng(0)
    for _ in range(10):
        voxel = patch_centre(cases[0], 0, always, rng)
        near = np.argwhere(cases[0].target) - voxel
        assert np.abs(near / smoke.patch).max(axis=1).min() <= 0.126
    a, b = (MidrtPatches(cases, smoke, epoch=1)[3] for _ in range(2))
    assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])


def test_a_smoke_training_gives_a_package_that_says_what_it_sees_and_leaves_the_fold_out(folder, tmp_path, smoke):
    package = read_package(train_midrt(smoke, [folder], Run(tmp_path, "cpu"), fold=None))
    assert package.manifest.preprocessing["channels"] == ["t2", "gradient"]
    assert package.manifest.labels == ("background", "gtvp", "gtvn")
    build_network(package.manifest.network).load_state_dict(
        {n: torch.from_numpy(a) for n, a in package.arrays().items()}
    )
    rows = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert len(rows) == 2


def test_a_fold_without_patients_is_refused(make_midrt_case, tmp_path, smoke):
    make_midrt_case(tmp_path / "one", "only")
    with pytest.raises(UsageError, match="No patient is left"):
        train_midrt(smoke, [tmp_path / "one"], Run(tmp_path / "out", "cpu"), fold=0)
