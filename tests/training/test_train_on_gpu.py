"""The scripts that train on a borrowed GPU, at toy size on the CPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hyoid.io.packages.model_package import read_package

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_packed_cases_become_a_package_and_a_checkpoint_in_one_command(openkbp, tmp_path):
    toy = {"PYTHON": sys.executable, "MINUTES": "0.3", "PRESET": "smoke", "DEVICE": "cpu", "WORKERS": "0", "TIMED": "2"}
    environment = os.environ | toy
    packed, out = tmp_path / "packed", tmp_path / "out"
    pack = [sys.executable, ROOT / "scripts" / "pack_cases.py", "organs", openkbp, "--preset", "smoke", "--out", packed]
    paths = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    subprocess.run(pack, check=True, env=environment | {"PYTHONPATH": paths})
    subprocess.run([ROOT / "scripts" / "train_on_gpu.sh", packed, out], check=True, env=environment)
    plan = json.loads((out / "plan.json").read_text())
    assert plan["steps"] >= 1
    assert plan["voxels_per_second"] > 0
    package = read_package(out / "package")
    assert package.manifest.recipe["optimiser"]["steps"] == plan["steps"]
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == plan["steps"]
    assert sum(part.stat().st_size for part in out.glob("checkpoint.part-*")) > 0
