"""The table of tasks covers every recipe, and only options that the training takes."""

import inspect

import pytest

from hyoid.errors import UsageError
from hyoid.systems.tasks import TASKS, require_taken
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
