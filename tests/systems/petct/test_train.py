"""Training of the PET/CT networks on drawn cases."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from hyoid.errors import UsageError
from hyoid.io.files.volumes import write_nifti
from hyoid.io.packages.model_package import read_package
from hyoid.systems.petct.cases import ct_foreground, ct_normalised, find_petct_cases, load_petct_case
from hyoid.systems.petct.patches import PetctPatches, changed, cut
from hyoid.systems.petct.train import train_petct
from hyoid.training.recipe import load_recipe
from hyoid.training.run import Run
from hyoid.volume import Geometry, Quantity, Volume

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's advice about workers and loggers
GRID = Geometry.axial((40, 40, 44), (6.0, 6.0, 6.0))


def drawn(folder, name, seed=0):
    """A block of tissue with a hot tumour and a hot node, in HECKTOR's layout."""
    rng = np.random.default_rng(seed)
    ct = np.full(GRID.shape, -1000, np.int16)
    ct[:, 8:32, 8:36] = 40
    ct[20:24, 20:22, 10:30] = 900
    labels = np.zeros(GRID.shape, np.uint8)
    labels[18:22, 14:18, 14:18] = 1
    labels[12:15, 16:19, 26:29] = 2
    suv = np.where(ct > -500, 1.0, 0.02) + 8.0 * (labels == 1) + 6.0 * (labels == 2)
    suv = (suv + rng.normal(0, 0.05, suv.shape)).clip(0).astype(np.float32)
    case = folder / name
    case.mkdir(parents=True)
    write_nifti(Volume(ct, GRID, Quantity.HU), case / f"{name}__CT.nii.gz")
    write_nifti(Volume(suv, GRID, Quantity.SUV), case / f"{name}__PT.nii.gz")
    write_nifti(Volume(labels, GRID, Quantity.LABEL), case / f"{name}.nii.gz")
    head = (ct > -500).astype(np.uint8)
    write_nifti(Volume(head, GRID, Quantity.LABEL), case / f"{name}__HEAD.nii.gz")
    return case


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hecktor")
    for number in range(3):
        drawn(folder, f"P{number}", number)
    return folder


@pytest.mark.parametrize("stage", ["head", "coarse", "resenc", "segresnet"])
@pytest.mark.parametrize("preset", ["small", "paper", "smoke"])
def test_every_recipe_reads_and_is_what_the_tables_say(stage, preset):
    recipe = load_recipe(f"petct-{stage}", preset)
    assert recipe.name.startswith(f"petct-{stage}")
    if preset == "paper":
        edges = {"head": (96, 160, 160), "coarse": (128,) * 3, "resenc": (160,) * 3, "segresnet": (144,) * 3}
        assert recipe.patch == edges[stage]
        steps = {"head": 500 * 250, "coarse": 1000 * 250, "resenc": 1000 * 250, "segresnet": 300 * 544}
        assert recipe.optimiser.steps == steps[stage]
        assert recipe.optimiser.name == ("adamw" if stage == "segresnet" else "sgd")


def test_the_paper_presets_hold_nothing_of_ours():
    resenc, segresnet = (load_recipe(f"petct-{name}", "paper") for name in ("resenc", "segresnet"))
    for recipe in (resenc, segresnet):
        assert (recipe.region.jitter_mm, recipe.region.decision, recipe.region.coarse_outside) == (
            0,
            "threshold",
            False,
        )
        assert recipe.loss.squared
        assert recipe.augmentation.without_pet == 0
    assert load_recipe("petct-coarse", "paper").region.margin_mm == 0
    assert (resenc.input.ct_normalisation, resenc.region.beyond) == ("foreground", "zeros")
    assert segresnet.augmentation.gamma[0] == 0 and segresnet.augmentation.shift == (0.5, 0.1)


def test_presets_combine_in_order():
    both = load_recipe("petct-resenc", "paper+plain_ct")
    assert both.input.channels == ("ct", "pet") and both.patch == (160, 160, 160)
    with pytest.raises(UsageError, match="no preset 'nothing'"):
        load_recipe("petct-resenc", "paper+nothing")


def test_beyond_a_case_lies_its_edge_or_nothing_as_the_recipe_says(cases):
    recipe = load_recipe("petct-resenc", "smoke")
    case = load_petct_case(find_petct_cases(cases)[0], recipe)
    n = case.labels.shape[0]
    edge = cut(case, np.full(3, (n - 1) / 2), np.eye(3), (n + 4,) * 3)[0]
    zeros = cut(case, np.full(3, (n - 1) / 2), np.eye(3), (n + 4,) * 3, "zeros")[0]
    inner = (slice(None), slice(2, -2), slice(2, -2), slice(2, -2))
    assert torch.equal(edge[inner], zeros[inner])
    assert float(zeros[:, 0].abs().max()) < 1e-3
    assert torch.allclose(edge[:, 0], edge[:, 2], atol=1e-3)


def test_ct_is_normalised_by_the_targets_of_the_training_cases(cases):
    recipe = load_recipe("petct-resenc", "smoke")
    changed_input = recipe.input.model_copy(update={"zscore": True, "ct_normalisation": "foreground"})
    recipe = recipe.model_copy(update={"input": changed_input})
    loaded = [load_petct_case(files, recipe) for files in find_petct_cases(cases)]
    low, high, mean, _ = ct_foreground(loaded, recipe)
    values = np.concatenate([case.image[0][case.labels > 0] for case in loaded]).astype(float)
    assert mean == pytest.approx(values.mean(), abs=1e-3) and low <= mean <= high
    done = ct_normalised(loaded[0], recipe, (-1.0, 0.5, 0.25, 0.5))
    assert done.image[0].max() == pytest.approx(0.5, abs=1e-3) and done.image[0].min() == pytest.approx(-0.5, abs=0.51)
    assert np.array_equal(done.image[1:], loaded[0].image[1:])
    # Used alike on a patient: the manifest's constants do the same.
    from hyoid.preprocess.petct import ChannelRule, network_channels

    hu = np.linspace(-200, 300, 27).reshape(3, 3, 3)
    rule = ChannelRule(**changed_input.model_dump(), ct_foreground=(0.2, 0.8, 0.5, 0.1))
    assert network_channels(hu, None, rule)[0].max() == pytest.approx(3.0, abs=1e-4)


def test_level_shifts_as_auto3dseg_does():
    recipe = load_recipe("petct-segresnet", "paper").augmentation
    still = {"noise": (0.0, 0.0), "blur": (0.0, 1.0, 1.0), "brightness": (0.0, 1.0, 1.0), "shift": (1.0, 0.1)}
    image = torch.zeros(2, 3, 3, 3)
    moved = changed(image, recipe.model_copy(update=still), np.random.default_rng(0))
    assert 0 < float(moved.abs().max()) <= 0.1
    assert len(torch.unique(moved[0])) == 1


def test_each_stage_sees_its_own_region(cases):
    files = find_petct_cases(cases)[0]
    coarse = load_petct_case(files, load_recipe("petct-coarse", "smoke"))
    # The block is 240 x 144 x 168 mm; 10 mm margin, 16 mm voxels.
    assert coarse.labels.shape == (15, 11, 12)
    fine_recipe = load_recipe("petct-resenc", "smoke")
    fine = load_petct_case(files, fine_recipe)
    assert fine.image.shape == (4, 20, 20, 20)
    assert set(fine.voxels) == {1, 2}
    # Both targets, weighed by their voxels, lie around the middle of the cube.
    middle = np.argwhere(fine.labels > 0).mean(axis=0)
    assert np.abs(middle - 9.5).max() < 1.0
    head = load_petct_case(files, load_recipe("petct-head", "smoke"))
    assert head.image.shape == (1, 16, 16, 16)


def test_a_case_without_what_a_stage_learns_is_refused(cases):
    files = find_petct_cases(cases)[0]
    with pytest.raises(UsageError, match="HEAD"):
        load_petct_case(replace(files, head=None), load_recipe("petct-head", "smoke"))
    with pytest.raises(UsageError, match="no outlines of tumour"):
        load_petct_case(replace(files, targets=None), load_recipe("petct-coarse", "smoke"))


def test_a_folder_without_cases_is_refused(tmp_path):
    with pytest.raises(UsageError, match="No PET/CT cases"):
        find_petct_cases(tmp_path)


def test_patches_are_a_function_of_their_number(cases):
    recipe = load_recipe("petct-resenc", "smoke")
    loaded = [load_petct_case(f, recipe) for f in find_petct_cases(cases)]
    first, again = (PetctPatches(loaded, recipe, 3, 4)[2] for _ in range(2))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], PetctPatches(loaded, recipe, 4, 4)[2][0])
    assert first[0].shape == (4, 16, 16, 16) and first[1].shape == (16, 16, 16)


def test_some_patches_have_no_pet(cases):
    recipe = load_recipe("petct-resenc", "smoke")
    always = recipe.model_copy(update={"augmentation": recipe.augmentation.model_copy(update={"without_pet": 1.0})})
    loaded = [load_petct_case(f, recipe) for f in find_petct_cases(cases)[:1]]
    image, _ = PetctPatches(loaded, always, 0, 1)[0]
    assert not image[3].any() and image[0].any()


def test_unchanged_when_no_change_is_likely():
    recipe = load_recipe("petct-resenc", "smoke").augmentation
    never = recipe.model_copy(
        update={n: (0.0, *getattr(recipe, n)[1:]) for n in ("noise", "blur", "brightness", "contrast")}
        | {"low_resolution": (0.0, 0.5, 1.0), "gamma": (0.0, 0.7, 1.5)}
    )
    image = torch.randn(2, 4, 4, 4)
    assert torch.equal(changed(image, never, np.random.default_rng(0)), image)


@pytest.mark.parametrize("stage", ["coarse", "segresnet"])
def test_training_writes_a_package_a_journal_and_pictures(cases, tmp_path, stage):
    recipe = load_recipe(f"petct-{stage}", "smoke").model_copy(update={"validate_every": 1})
    package = read_package(train_petct(recipe, [cases], Run(tmp_path, "cpu"), fold=0))
    assert package.manifest.labels == ("background", "gtvp", "gtvn")
    assert package.manifest.preprocessing["stage"] == recipe.stage
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4]
    assert 0 <= rows[-1]["validation_dice_gtvp"] <= 1
    assert len(list((tmp_path / "pictures").glob("*.png"))) == 2


def test_a_killed_run_goes_on_to_the_same_result(cases, tmp_path):
    class KilledError(Exception):
        pass

    def kill(stage, done, total, words):
        if stage == "train" and done == 3:
            raise KilledError

    recipe = load_recipe("petct-coarse", "smoke")
    with pytest.raises(KilledError):
        train_petct(recipe, [cases], Run(tmp_path / "parts", "cpu", on_progress=kill))
    parts = read_package(train_petct(recipe, [cases], Run(tmp_path / "parts", "cpu"))).arrays()
    whole = read_package(train_petct(recipe, [cases], Run(tmp_path / "whole", "cpu"))).arrays()
    assert all(np.allclose(parts[name], whole[name], atol=1e-3) for name in whole)
    other = recipe.model_copy(update={"seed": 5})
    fresh = read_package(train_petct(other, [cases], Run(tmp_path / "other", "cpu"))).arrays()
    assert any(not np.allclose(fresh[name], whole[name], atol=1e-3) for name in whole)


def test_nothing_left_to_learn_is_refused(cases, tmp_path):
    recipe = load_recipe("petct-coarse", "smoke").model_copy(update={"folds": 1})
    with pytest.raises(UsageError, match="No case is left"):
        train_petct(recipe, [cases], Run(tmp_path, "cpu"), fold=0)


def test_an_unknown_logger_is_refused(cases, tmp_path):
    with pytest.raises(UsageError, match="no logger"):
        train_petct(load_recipe("petct-coarse", "smoke"), [cases], Run(tmp_path, "cpu", logger="paper"))
