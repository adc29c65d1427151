import json

import numpy as np
import pytest

from hyoid.errors import UsageError
from hyoid.io.files.volumes import write_nifti
from hyoid.systems.machine import Machine
from hyoid.systems.petct import ablate as petct_ablation
from hyoid.systems.petct.pipeline import TargetsResult
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((8, 8, 8), (5.0, 5.0, 5.0))


@pytest.fixture
def cohort(tmp_path):
    for k in range(3):
        folder = tmp_path / "test" / f"P{k}"
        folder.mkdir(parents=True)
        labels = np.zeros(GRID.shape, np.uint8)
        labels[1:4, 1:4, 1:4], labels[5:7, 5:7, 5:7] = 1, 2
        hu = np.where(labels > 0, 40, -1000).astype(np.int16)
        hu[0, 0, 0] = 900
        write_nifti(Volume(hu, GRID, Quantity.HU), folder / f"P{k}__CT.nii.gz")
        write_nifti(Volume(labels + np.float32(0.5), GRID, Quantity.SUV), folder / f"P{k}__PT.nii.gz")
        write_nifti(Volume(labels, GRID, Quantity.LABEL), folder / f"P{k}.nii.gz")
    return tmp_path


def test_rows_share_networks_and_numbers_have_intervals(cohort, monkeypatch):
    trained = []
    monkeypatch.setattr(
        petct_ablation,
        "_trained",
        lambda s, network, seed, fold: trained.append((network, seed, fold)) or (*network, fold),
    )
    monkeypatch.setattr(petct_ablation, "PetCtModels", lambda head, coarse, fine: fine)

    located = []
    monkeypatch.setattr(
        petct_ablation, "locate_targets", lambda ct, pet, models, machine: located.append(ct) or (ct, pet)
    )

    def outline(found, models, machine):
        ct, pet = found
        labels = np.round(pet.array - 0.5).astype(np.uint8)
        # The enhanced network is right; the plain one misses the node.
        if ("petct-resenc", "plain_ct", None) in models:
            labels[labels == 2] = 0
        found = Volume(labels, ct.geometry, Quantity.LABEL)
        return TargetsResult(found, found, None, (), {})

    monkeypatch.setattr(petct_ablation, "outline_targets", outline)
    setting = petct_ablation.Setting(
        cohort / "train", cohort / "test", cohort / "out", None, None, Machine("cpu", cohort), seeds=2
    )
    table = petct_ablation.ablate(setting, ("full", "baseline"))
    assert len(trained) == 3 * 2
    # Two rows and two seeds share the first two stages of each of three patients.
    assert len(located) == 3
    assert table["full"]["GTVp.dsc_mean"] == 1 and table["full"]["GTVn.f1"] == 1
    assert table["baseline"]["GTVn.dsc_agg"] == 0
    document = json.loads((cohort / "out" / "table.json").read_text())
    assert document["patients"] == 3 and document["seeds"] == 2
    text = (cohort / "out" / "table.md").read_text()
    assert "0.8718, 0.7222, 0.7500" in text and "1.000 (1.000 to 1.000)" in text
    assert document["less_full"]["baseline"]["GTVn.dsc_agg.difference"] == -1
    assert "| nL-RU (baseline) | +0.000 (+0.000 to +0.000) | -1.000 (-1.000 to -1.000) |" in text


def test_ten_models_are_five_folds_of_two_networks_and_rows_share_these():
    tables = petct_ablation.TABLES
    ten, plain = tables["petct-table6"][:2]
    assert len(petct_ablation.needed([ten])) == 10
    # The second row shares the five SegResNets.
    assert len(petct_ablation.needed([ten, plain])) == 15
    assert [row.paper[0] for row in tables["petct-table5"] if row.paper] == [0.8851, 0.8778, 0.8727, 0.8718]
    assert [row.paper[0] for row in tables["petct-table6"] if row.paper] == [0.7547, 0.7217]


def test_rows_change_the_preset_that_is_asked_for(tmp_path):
    setting = petct_ablation.Setting(
        tmp_path, tmp_path, tmp_path, None, None, Machine("cpu", tmp_path), table="petct-table6", preset="paper"
    )
    recipe = petct_ablation.row_recipe(setting, petct_ablation.PLAIN, 2)
    assert (recipe.name, recipe.input.channels, recipe.patch) == ("petct-resenc-plain", ("ct", "pet"), (160, 160, 160))
    source = petct_ablation.row_recipe(setting, ("petct-resenc", "resampled_source"), 0)
    assert source.region.source_mm == (3.0, 2.0, 2.0)
    assert recipe.seed == source.seed + 2000


def test_an_unknown_row_is_refused(tmp_path):
    setting = petct_ablation.Setting(tmp_path, tmp_path, tmp_path, None, None, Machine("cpu", tmp_path))
    with pytest.raises(UsageError, match="no row"):
        petct_ablation.ablate(setting, ["best"])


def test_every_row_names_recipes_that_exist():
    from hyoid.training.recipe import load_recipe

    for recipe, change in {
        network for rows in petct_ablation.TABLES.values() for row in rows for network in row.networks
    }:
        assert load_recipe(recipe, f"ablation+{change}" if change else "ablation").stage == "fine"


def test_a_shorter_training_keeps_the_shares_of_its_schedule():
    from hyoid.training.recipe import load_recipe

    whole = load_recipe("petct-resenc").optimiser.model_copy(
        update={"steps": 1000, "warmup_steps": 50, "ema_decay": 0.99, "steps_per_epoch": 100}
    )
    short = petct_ablation.shortened(whole, 100)
    assert (short.steps, short.warmup_steps, short.steps_per_epoch) == (100, 5, 100)
    assert short.ema_decay == pytest.approx(0.9)
    assert petct_ablation.shortened(whole, 5).ema_decay == 0


def test_a_finished_network_of_another_recipe_is_refused(leave_package, tmp_path, monkeypatch):
    from hyoid.training.recipe import load_recipe

    monkeypatch.setattr(petct_ablation, "train_petct", lambda *a, **k: pytest.fail("trained again"))
    leave_package(tmp_path / "networks" / "petct-resenc-small-0", load_recipe("petct-resenc"))
    machine = Machine("cpu", tmp_path)

    def trained(steps):
        setting = petct_ablation.Setting(tmp_path, tmp_path, tmp_path, None, None, machine, steps=steps)
        return petct_ablation._trained(setting, petct_ablation.RESENC, 0, None)

    assert trained(None).manifest.recipe["name"] == "petct-resenc"
    with pytest.raises(UsageError, match="another recipe"):
        trained(3)
