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
    monkeypatch.setattr(petct_ablation, "_trained", lambda s, network, seed: trained.append((network, seed)) or network)
    monkeypatch.setattr(petct_ablation, "PetCtModels", lambda head, coarse, fine: fine)

    located = []
    monkeypatch.setattr(
        petct_ablation, "locate_targets", lambda ct, pet, models, machine: located.append(ct) or (ct, pet)
    )

    def outline(found, models, machine):
        ct, pet = found
        labels = np.round(pet.array - 0.5).astype(np.uint8)
        # The enhanced network is right; the plain one misses the node.
        if ("petct-resenc", "plain_ct") in models:
            labels[labels == 2] = 0
        found = Volume(labels, ct.geometry, Quantity.LABEL)
        return TargetsResult(found, found, None, (), {})

    monkeypatch.setattr(petct_ablation, "outline_targets", outline)
    setting = petct_ablation.Setting(
        cohort / "train", cohort / "test", cohort / "out", None, None, Machine("cpu", cohort), seeds=2
    )
    table = petct_ablation.ablate(setting, ("full", "no_enhancement"))
    assert len(trained) == 3 * 2
    # Two rows and two seeds share the first two stages of each of three patients.
    assert len(located) == 3
    assert table["full"]["GTVp.dsc_mean"] == 1 and table["full"]["GTVn.f1"] == 1
    assert table["no_enhancement"]["GTVn.dsc_agg"] == 0
    document = json.loads((cohort / "out" / "table.json").read_text())
    assert document["patients"] == 3 and document["seeds"] == 2
    text = (cohort / "out" / "table.md").read_text()
    assert "0.7217, 0.7820, 0.5975" in text and "1.000 (1.000 to 1.000)" in text
    assert document["less_full"]["no_enhancement"]["GTVn.dsc_agg.difference"] == -1
    assert "| nL-RU + SRN, CT as it is | +0.000 (+0.000 to +0.000) | -1.000 (-1.000 to -1.000) |" in text


def test_an_unknown_row_is_refused(tmp_path):
    setting = petct_ablation.Setting(tmp_path, tmp_path, tmp_path, None, None, Machine("cpu", tmp_path))
    with pytest.raises(UsageError, match="no row"):
        petct_ablation.ablate(setting, ["best"])


def test_every_row_names_recipes_that_exist():
    from hyoid.training.recipe import load_recipe

    for row in petct_ablation.ROWS:
        for recipe, preset in row.networks:
            assert load_recipe(recipe, preset).stage == "fine"


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
        return petct_ablation._trained(setting, petct_ablation.RESENC, 0)

    assert trained(None).manifest.recipe["name"] == "petct-resenc"
    with pytest.raises(UsageError, match="another recipe"):
        trained(3)
