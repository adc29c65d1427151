import pytest

from hyoid.errors import UsageError
from hyoid.systems.ablation import finished_package, require_known
from hyoid.training.recipe import load_recipe


@pytest.fixture
def recipe():
    return load_recipe("organs", "smoke")


def test_a_run_without_a_package_is_not_finished(tmp_path, recipe):
    (tmp_path / "checkpoints").mkdir()
    assert finished_package(tmp_path, recipe) is None


@pytest.mark.parametrize("name", ["organs", "ct_report", "petct-resenc", "lesion", "midrt"])
def test_a_recipe_is_the_same_after_a_package_was_written_and_read(tmp_path, leave_package, name):
    recipe = load_recipe(name)
    leave_package(tmp_path, recipe)
    package = finished_package(tmp_path, recipe)
    assert package is not None and package.manifest.name == "n"


def test_a_run_of_another_recipe_is_refused(tmp_path, leave_package, recipe):
    leave_package(tmp_path / "seed-0", recipe)
    other = recipe.model_copy(update={"seed": recipe.seed + 1})
    with pytest.raises(UsageError, match="run in seed-0 is of another recipe"):
        finished_package(tmp_path / "seed-0", other)


def test_the_first_unknown_name_is_told_with_those_that_exist():
    require_known("row", ["b"], ["b", "a"])
    with pytest.raises(UsageError, match="There is no row 'c'") as caught:
        require_known("row", ["d", "a", "c"], ["b", "a"])
    assert caught.value.cure == "Choose among: b, a."
