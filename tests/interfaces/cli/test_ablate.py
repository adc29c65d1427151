"""`hyoid ablate --dry-run`: every paper's plan, and what is refused before anything is done."""

import json

import pytest
from typer.testing import CliRunner

from hyoid.errors import UsageError
from hyoid.interfaces.cli import main as cli
from hyoid.systems.ct_report.ablate import TABLES


@pytest.fixture
def plan(tmp_path):
    def run(table, *more):
        arguments = ["ablate", table, "--data", str(tmp_path), "--out", str(tmp_path / "out"), "--dry-run", "--json"]
        result = CliRunner().invoke(cli.app, [*arguments, *map(str, more)])
        if result.exception:
            raise result.exception
        assert not (tmp_path / "out").exists()
        return json.loads(result.output)

    return run


def test_sgrnet_trains_every_row_per_fold_and_seed(plan, tmp_path):
    of_all = plan("ct_report-table1", "--validation", tmp_path, "--tumour", "a", "--folds", 4, "--seeds", 2)
    assert of_all["rows"] == [row.name for row in TABLES["ct_report-table1"]]
    assert of_all["runs"] == 4 * 2 * len(of_all["rows"])
    with pytest.raises(UsageError, match="need --validation"):
        plan("ct_report-table1", "--validation", tmp_path)


def test_isrg_trains_every_row_per_seed(plan):
    assert plan("lesion-clicks", "--row", "full", "--row", "unet", "--seeds", 2)["rows"] == ["unet", "full"]
    assert plan("lesion-clicks")["runs"] == 5 * 3


def test_petct_trains_every_network_once_per_seed(plan, tmp_path):
    told = plan("petct-table5", "--validation", tmp_path, "--row", "full", "--row", "resenc")
    assert told["networks"] == ["petct-resenc ablation", "petct-segresnet ablation"] and told["seeds"] == 3
    with pytest.raises(UsageError, match="patients of other centres"):
        plan("petct-table5")


def test_midrt_trains_every_row_per_fold_and_seed(plan, tmp_path, make_midrt_case):
    make_midrt_case(tmp_path, "p1")
    told = plan("midrt-5fold", "--row", "t2", "--seeds", 2)
    assert (told["rows"], told["runs"], told["patients"]) == (["t2"], 5 * 2, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("lesion-table9",), "no table 'lesion-table9'"),
        (("nonsense",), "no table 'nonsense'"),
        (("lesion-table2", "--row", "nonsense"), "no row 'nonsense'"),
    ],
)
def test_what_does_not_exist_is_refused_in_a_dry_run_too(plan, arguments, words):
    with pytest.raises(UsageError, match=words):
        plan(*arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("midrt-fold0", "--validation", "x"), "midrt-fold0 takes no --validation"),
        (("lesion-table2", "--steps", 3), "lesion-table2 takes no --steps"),
        (("ct_report-localiser", "--seeds", 3), "ct_report-localiser takes no --seeds"),
        (("petct-table5", "--tumour-of-all", "tumour"), "petct-table5 takes no --tumour-of-all"),
    ],
)
def test_an_option_that_a_table_does_not_take_is_refused(plan, arguments, words):
    with pytest.raises(UsageError, match=words) as caught:
        plan(*arguments)
    assert caught.value.cure.startswith(f"Leave it out; {arguments[0]} takes --")
