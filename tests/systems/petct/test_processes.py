"""Data-parallel training of a PET/CT network under `torchrun`, on two processes of a CPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import hyoid
from hyoid.io.files.volumes import write_nifti
from hyoid.io.packages.model_package import read_package
from hyoid.training.recipe import load_recipe
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((40, 40, 44), (6.0, 6.0, 6.0))
RUN = "from hyoid.interfaces.cli.main import main\nif __name__ == '__main__':\n    main()\n"


@pytest.mark.slow
def test_two_processes_take_all_steps_and_write_one_package(tmp_path):
    for number in range(5):
        ct = np.full(GRID.shape, -1000, np.int16)
        ct[:, 8:32, 8:36] = 40
        labels = np.zeros(GRID.shape, np.uint8)
        labels[18:22, 14:18, 14:18], labels[12:15, 16:19, 26:29] = 1, 2
        suv = (np.where(ct > -500, 1.0, 0.02) + 8.0 * (labels > 0)).astype(np.float32)
        case = tmp_path / "data" / f"P{number}"
        case.mkdir(parents=True)
        for ending, array, quantity in (
            ("__CT", ct, Quantity.HU),
            ("__PT", suv, Quantity.SUV),
            ("", labels, Quantity.LABEL),
        ):
            write_nifti(Volume(array, GRID, quantity), case / f"P{number}{ending}.nii.gz")
    (tmp_path / "run.py").write_text(RUN)
    recipe = load_recipe("petct-coarse", "smoke").model_copy(update={"validate_every": 1})
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json") | {"presets": {"small": {}}}))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    command += [
        str(tmp_path / "run.py"),
        "train",
        str(tmp_path / "recipe.yaml"),
        "--data",
        str(tmp_path / "data"),
    ]
    command += ["--out", str(tmp_path / "out"), "--device", "cpu", "--threads", "1", "--fold", "0", "--json"]
    source = str(Path(hyoid.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4]
    assert all(0 <= row["validation_dice_gtvp"] <= 1 for row in rows)
    weights = read_package(tmp_path / "out" / "package").arrays()
    assert all(np.isfinite(value).all() for value in weights.values())
