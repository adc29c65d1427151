"""The table of tasks covers every recipe, and only options that the training takes."""

import inspect
from pathlib import Path

import pytest
import torch

from hyoid.errors import UsageError
from hyoid.models.build import build_network
from hyoid.systems.ct_report import train as ct_report_train
from hyoid.systems.lesion import train as lesion_train
from hyoid.systems.midrt import train as midrt_train
from hyoid.systems.petct import train as petct_train
from hyoid.systems.tasks import TASKS, every_fold, require_taken
from hyoid.training import segmentation
from hyoid.training.recipe import TASK_NAMES, load_recipe, recipe_names
from hyoid.training.run import Processes


def test_every_task_of_a_recipe_is_in_the_table():
    assert set(TASKS) == set(TASK_NAMES) == {load_recipe(name).task for name in recipe_names()}


@pytest.mark.parametrize("name", TASKS)
def test_the_options_of_a_task_are_parameters_of_its_training(name):
    task = TASKS[name]
    parameters = list(inspect.signature(task.train).parameters)
    assert parameters[:3] == ["recipe", "folders", "run"]
    # Data-parallel processes are part of the run.
    assert set(parameters[3:]) - {"find_head"} == set(task.options) - {"processes"}


@pytest.mark.parametrize("name", recipe_names())
def test_a_fold_is_taken_up_to_the_last_one(name):
    recipe = load_recipe(name)
    folds = TASKS[recipe.task].folds(recipe)
    for fold in range(folds):
        require_taken(recipe, {"fold": fold, "start": None, "organs": [], "processes": Processes()})
    with pytest.raises(UsageError, match=r"no fold|no --fold"):
        require_taken(recipe, {"fold": folds})


def test_a_folder_without_cases_is_refused_by_every_task(tmp_path):
    from hyoid.errors import HyoidError

    for task in TASKS.values():
        with pytest.raises(HyoidError, match=r"No|no"):
            task.find(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "preset", "millions"),
    [
        ("ct_report", "paper", 11.99),
        ("tumour", "paper_cuboids", 31.20),
        ("petct-head", "paper", 30.79),
        ("petct-coarse", "paper", 31.20),
        ("petct-resenc", "paper", 102.35),
        ("petct-segresnet", "paper", 87.17),
        ("lesion", "paper", 117.42),
        ("midrt", "paper", 101.86),
    ],
)
def test_the_networks_of_the_paper_presets_have_the_sizes_that_the_documentation_lists(recipe, preset, millions):
    describe = {
        "ct_report": ct_report_train.network_description,
        "segmentation": segmentation.network_description,
        "petct": petct_train.network_description,
        "lesion": lesion_train.network_description,
        "midrt": midrt_train.network_description,
    }
    chosen = load_recipe(recipe, preset)
    with torch.device("meta"):
        network = build_network(describe[chosen.task](chosen))
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)
    assert f"| `{recipe}`, `{preset}` | {millions:.2f} |" in Path("docs/fidelity.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_sgrnet_of_the_paper_works_on_feature_maps_of_42_x_32_x_32():
    chosen = load_recipe("ct_report", "paper")
    with torch.device("meta"):
        network = build_network(ct_report_train.network_description(chosen)).eval()
        image = torch.zeros(1, 1, *chosen.grid)
        assert network.ct_encoder(image).shape == (1, 64, 42, 32, 32)


def test_every_fold_is_listed_once_and_an_ensemble_is_two_recipes():
    ten = every_fold("petct", "paper")
    assert [recipe.name for recipe, _ in ten] == [
        *(f"petct-resenc-{k}" for k in range(5)), *(f"petct-segresnet-{k}" for k in range(5)),
    ]  # fmt: skip
    assert [fold for _, fold in ten] == [*range(5), *range(5)]
    assert len(every_fold("organs", "small")) == 2
    with pytest.raises(UsageError, match="has no folds"):
        every_fold("lesion", "small")
