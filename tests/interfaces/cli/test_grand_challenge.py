"""The file behaviour of the challenge containers, with networks that are rules."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from tests.interfaces.planted import NAME, found_in
from typer.testing import CliRunner

from hyoid.errors import UnreadableFileError, UsageError
from hyoid.geometry.resample import to_sitk
from hyoid.inference.runtime import Runtime
from hyoid.interfaces.cli import grand_challenge as grand_challenge_command
from hyoid.interfaces.cli.main import app
from hyoid.io.packages.model_package import write_package
from hyoid.systems.petct import pipeline as petct
from hyoid.volume import Geometry, Quantity, Volume

RUN = CliRunner()
GRID = Geometry.axial((50, 40, 44), (5.0, 5.0, 5.0), (-110.0, -90.0, 20.0))
PET_GRID = Geometry.axial((62, 50, 55), (4.0, 4.0, 4.0), (-110.0, -90.0, 20.0))
FOLDERS = {"hecktor2025": "tumor-lymph-node-segmentation", "hecktor2026": "head-neck-tumor-segmentation"}


def inside(grid, low, high):
    """Voxels of a grid whose centres lie in a box of the patient."""
    points = grid.to_lps(np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1))
    return ((points >= low) & (points <= high)).all(axis=-1)


@pytest.fixture
def challenge(tmp_path):
    """One patient in /input, as grand-challenge.org mounts it."""
    body, tumour = ((-80, -60, 20), (80, 80, 260)), ((-20, -20, 180), (10, 10, 205))
    hu = np.where(inside(GRID, *body), 40, -1000).astype(np.int16)
    hu[inside(GRID, (-10, 40, 20), (10, 60, 260))] = 700
    suv = np.where(inside(PET_GRID, *body), 1.0, 0.0) + np.where(inside(PET_GRID, *tumour), 11.0, 0.0)
    for name, array, grid in (("ct", hu, GRID), ("pet", suv.astype(np.float32), PET_GRID)):
        folder = tmp_path / "input" / "images" / name
        folder.mkdir(parents=True)
        sitk.WriteImage(to_sitk(Volume(array, grid, Quantity.HU)), str(folder / f"{NAME}-{name}.mha"), True)
    (tmp_path / "input" / "ehr.json").write_text(json.dumps({"Age": 60}))
    return tmp_path


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A folder of packages as uploaded beside a container."""
    base = {"window_hu": [-110, 190], "ct_range": "symmetric", "pet_scale": "window", "window_suv": [0, 20]}
    region = {"margin_mm": 10, "box_mm": 144, "min_volume_ml": 0.1, "interpolation": "linear", "step": 0.5}
    for name, stage in (("petct-head", "head"), ("petct-coarse", "coarse"), ("fold-0", "fine"), ("fold-1", "fine")):
        head = stage == "head"
        labels = ("background", "head") if head else ("background", "gtvp", "gtvn")
        rule = base | {"channels": ["ct"] if head else ["ct", "pet"], "zscore": False}
        manifest = {
            "name": name, "version": "1", "words": "", "task": "segmentation", "network": {"kind": "rule"},
            "labels": labels, "supported": labels[1:], "spacing_mm": (8.0, 8.0, 8.0) if head else (4.0, 4.0, 4.0),
            "patch": (32, 32, 32) if head else (36, 36, 36), "training_data": "rules", "licence": "none",
            "preprocessing": {"stage": stage, "input": rule,
                              "region": region | {"grid": [32, 32, 32], "mirror_axes": [], "jitter_mm": 0}},
        }  # fmt: skip
        write_package(tmp_path / "model" / name, manifest, {"w": np.zeros(1, np.float32)}, licence="", card="")

    def load(package, shapes, **_):
        def run(block):
            last = block[0, -1]
            score = 8 * last + 4 if package.manifest.name == "petct-head" else 40 * last - 10
            rest = [] if package.manifest.name == "petct-head" else [np.full_like(last, -9.0)]
            return np.stack([np.zeros_like(last), score, *rest])[None]

        return Runtime(run, "cpu", "f32", False)

    monkeypatch.setattr(petct, "load_runtime", load)
    return tmp_path / "model"


@pytest.mark.parametrize("name", FOLDERS)
def test_the_mask_lies_where_the_challenge_wants_it(challenge, models, name):
    arguments = ["grand-challenge", name, "--input", str(challenge / "input"), "--output", str(challenge / "output")]
    result = RUN.invoke(app, [*arguments, "--models", str(models), "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    folder = challenge / "output" / "images" / FOLDERS[name]
    assert [p.name for p in folder.iterdir()] == ["output.mha"]
    stages = sorted((challenge / "output").glob("*-stage.json"))
    assert [json.loads(p.read_text()) for p in stages] == ([] if name == "hecktor2025" else ["N0", "T3"])
    mask, ct = (sitk.ReadImage(str(p)) for p in (folder / "output.mha", challenge / f"input/images/ct/{NAME}-ct.mha"))
    assert mask.GetPixelID() == sitk.sitkUInt8
    for part in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(mask, part)() == pytest.approx(getattr(ct, part)())
    array = sitk.GetArrayFromImage(mask)
    assert set(np.unique(array)) == {0, 1}
    true = inside(GRID, (-20, -20, 180), (10, 10, 205))
    assert 2 * ((array == 1) & true).sum() / ((array == 1).sum() + true.sum()) > 0.7
    done = json.loads(result.stdout.splitlines()[-1])
    assert NAME not in result.output and found_in(challenge / "output") == []
    assert done["stages"]["fine_networks"] == 2 and done["voxels"]["GTVn"] == 0


def test_an_input_without_its_one_image_is_refused(challenge, models):
    (challenge / f"input/images/pet/{NAME}-pet.mha").unlink()
    arguments = ["grand-challenge", "hecktor2025", "--input", str(challenge / "input"), "--models", str(models)]
    with pytest.raises(UnreadableFileError, match="PET folder holds 0 images") as refused:
        RUN.invoke(app, [*arguments, "--output", str(challenge / "output")], catch_exceptions=False)
    assert not (challenge / "output").exists() and NAME not in str(refused.value)


def test_an_unknown_challenge_and_an_incomplete_folder_of_models_are_refused(challenge, tmp_path):
    with pytest.raises(UsageError, match="hecktor2025, hecktor2026"):
        RUN.invoke(app, ["grand-challenge", "hecktor1999"], catch_exceptions=False)
    with pytest.raises(UsageError, match="lacks petct-head, petct-coarse"):
        grand_challenge_command._models_in(tmp_path)
