"""The former words for systems: every one stands for something that exists, in recipes, tables and manifests."""

import pytest
import yaml
from typer.testing import CliRunner

from hyoid.errors import UsageError
from hyoid.interfaces.cli import main as cli
from hyoid.interfaces.installed import package_folder
from hyoid.io.packages.model_package import read_manifest
from hyoid.names import FORMER_NAMES, current_name
from hyoid.systems.ct_report.ablate import TABLES as CT_REPORT_TABLES
from hyoid.systems.lesion.ablate import TABLES as LESION_TABLES
from hyoid.systems.midrt.ablate import TABLES as MIDRT_TABLES
from hyoid.systems.petct.ablate import TABLES as PETCT_TABLES
from hyoid.training.recipe import load_recipe, recipe_names, require_same_recipe

TABLES = {*CT_REPORT_TABLES, *LESION_TABLES, *MIDRT_TABLES, *PETCT_TABLES}


def test_no_former_name_is_in_use_and_every_one_stands_for_a_recipe_a_task_or_a_table():
    tasks = {load_recipe(name).task for name in recipe_names()}
    assert not set(FORMER_NAMES) & {*tasks, *recipe_names(), *TABLES}
    assert set(FORMER_NAMES.values()) <= {*tasks, *recipe_names(), *TABLES}
    assert current_name("organs") == "organs"


@pytest.mark.parametrize(("former", "present"), [("sgrnet", "ct_report"), ("isrg", "lesion")])
def test_a_recipe_is_found_by_its_former_name(former, present):
    assert load_recipe(former, "smoke") == load_recipe(present, "smoke")


@pytest.mark.parametrize("former", ["sgrnet-table1", "isrg-clicks", "gradient-fold0", "hecktor-table5"])
def test_a_table_is_found_by_its_former_name(former, make_midrt_case, tmp_path):
    make_midrt_case(tmp_path / "data", "p0", shape=(8, 16, 16), spacing=(12.0, 12.0, 12.0))
    arguments = ["ablate", former, "--data", tmp_path / "data", "--out", tmp_path / "out", "--dry-run", "--json"]
    more = ["--preset", "ablation" if "table1" not in former else "small"]
    more += [] if "fold0" in former else ["--validation", tmp_path]
    more += ["--tumour", "a"] if "table1" in former else []
    result = CliRunner().invoke(cli.app, [str(a) for a in [*arguments, *more]])
    assert f'"table": "{current_name(former)}"' in result.output


def test_a_shipped_manifest_of_before_still_loads():
    manifest = read_manifest(package_folder("sgrnet"))
    assert (manifest.task, manifest.recipe["task"]) == ("ct_report", "classification")


@pytest.mark.parametrize(
    ("package", "task", "present", "former"),
    [("isrg", "lesion", "lesion", "clicks"), ("petct-head", "segmentation", "petct", "targets")],
)
def test_a_manifest_with_former_names_still_loads(package, task, present, former, tmp_path):
    text = (package_folder(package) / "manifest.yaml").read_text()
    (tmp_path / "manifest.yaml").write_text(text.replace(f"task: {present}", f"task: {former}"))
    manifest = read_manifest(tmp_path)
    assert (manifest.task, manifest.recipe["task"]) == (task, former)


def test_a_run_begun_under_the_former_name_of_its_task_goes_on(tmp_path):
    recipe = load_recipe("lesion", "smoke")
    before = recipe.model_dump(mode="json") | {"task": "clicks"}
    require_same_recipe(before, recipe, tmp_path)
    with pytest.raises(UsageError, match="of another recipe"):
        require_same_recipe(before | {"seed": 1}, recipe, tmp_path)


def test_a_recipe_file_of_before_is_read(tmp_path):
    content = load_recipe("petct-head", "smoke").model_dump(mode="json") | {"task": "targets", "presets": {"small": {}}}
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump(content))
    assert load_recipe(str(file)) == load_recipe("petct-head", "smoke")
