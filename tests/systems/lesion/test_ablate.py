import json

import numpy as np
import pytest

from hyoid.anatomy.lesion_attributes import ATTRIBUTES
from hyoid.errors import UsageError
from hyoid.io.files.volumes import write_nifti
from hyoid.systems.lesion.ablate import ROWS, ClickBudget, ablate, markdown
from hyoid.training.recipe import load_recipe
from hyoid.volume import Geometry, Quantity, Volume

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    for number in range(5):
        place = folder / f"phantom_0_{number:04d}"
        place.mkdir()
        geometry = Geometry.axial((16, 24, 24), (3.0, 3.0, 3.0))
        ids = np.zeros(geometry.shape, np.uint8)
        ids[5:10, 8:14, 8:14] = 1
        ids[12:14, 18:21, 18:21] = 2
        hu = np.random.default_rng(number).normal(-90, 8, geometry.shape) + 150 * (ids > 0)
        for name, array, quantity in (
            ("ct", hu.astype(np.int16), Quantity.HU),
            ("lesions", ids, Quantity.LABEL),
            ("lesion_ids", ids, Quantity.LABEL),
        ):
            write_nifti(Volume(array, geometry, quantity), place / f"{name}.nii.gz")
        words = {name: of[number % len(of)] for name, of in ATTRIBUTES.items()}
        rows = [{"id": n, "kind": f"k{n}", "zero_shot": n == 2, "attributes": words} for n in (1, 2)]
        (place / "truth.json").write_text(json.dumps({"lesions": rows}))
    return folder


def test_rows_are_trained_once_and_shown_in_every_table(cohort, tmp_path):
    recipe = load_recipe("lesion", "smoke")
    budget = ClickBudget(seeds=1, clicks=2)

    def table(name):
        return ablate(
            name,
            recipe,
            [cohort],
            tmp_path,
            zero_shot=[cohort],
            budget=budget,
            only=["unet", "vanilla", "full"],
            device="cpu",
        )

    result = table("lesion-table2")
    assert result["trained_on"] == {"lesions": 3, "patients": 3}
    run = result["runs"]["full"][0]
    assert run["test"]["n"] == 1
    assert run["zero-shot"]["n"] == 5
    trained = {p: p.stat().st_mtime_ns for p in tmp_path.glob("runs/*/*/scores.json")}
    assert len(trained) == 3
    texts = {
        "lesion-table2": "Ball of the median volume",
        "lesion-table3": "Always the most frequent",
        "lesion-clicks": "noisy",
    }
    for name, words in texts.items():
        table(name)
        text = (tmp_path / f"{name}.md").read_text()
        assert words in text
        assert ROWS["full"] in text
    assert all(p.stat().st_mtime_ns == at for p, at in trained.items())
    assert markdown(result).startswith("# lesion-table2")
    with pytest.raises(UsageError, match="another recipe"):
        ablate(
            "lesion-clicks", recipe.model_copy(update={"rounds": 1}), [cohort], tmp_path, budget=budget, device="cpu"
        )


def test_unknown_tables_and_rows_are_refused(cohort, tmp_path):
    recipe = load_recipe("lesion", "smoke")
    with pytest.raises(UsageError, match="no table"):
        ablate("lesion-table9", recipe, [cohort], tmp_path)
    with pytest.raises(UsageError, match="no row"):
        ablate("lesion-table2", recipe, [cohort], tmp_path, only=["best"])
