"""Train a recipe of outlines on CT for as long as there is time: measure a few steps, then plan the rest.

    python scripts/train_within.py organs --preset gpu --data work/packed --out work/outlines --minutes 9 --device cuda

The number of steps goes into the recipe before the training begins, so that its learning rate has fallen to zero at the
end; the package then says how it was made. OUT gets what `hyoid train` leaves, and `plan.json`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch

from hyoid.training.recipe import SegmentationRecipe, load_recipe
from hyoid.training.run import Run
from hyoid.training.segmentation import train_segmentation

SPARED = 0.1  # of the time: checkpoints, and steps that are slower than those that were timed


def main() -> None:
    """Time, plan, train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="organs, tumour or a YAML file")
    parser.add_argument("--preset", default="small", help="Preset of the recipe")
    parser.add_argument("--data", type=Path, action="append", required=True, help="Folder of cases, packed or not")
    parser.add_argument("--out", type=Path, required=True, help="Folder of the run")
    parser.add_argument("--minutes", type=float, required=True, help="Time for everything, reading cases included")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--workers", type=int, default=1, help="Processes that draw patches")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of this process")
    parser.add_argument("--timed", type=int, default=40, help="Steps to measure")
    asked = parser.parse_args()
    began = time.monotonic()
    torch.set_num_threads(asked.threads)
    recipe = load_recipe(asked.recipe, asked.preset)
    assert isinstance(recipe, SegmentationRecipe)

    def run(steps: int, per_epoch: int, out: Path) -> list[dict[str, float]]:
        """Train for so many steps; what every epoch told."""
        change = {"steps": steps, "steps_per_epoch": per_epoch}
        chosen = recipe.model_copy(update={"optimiser": recipe.optimiser.model_copy(update=change)})
        train_segmentation(chosen, asked.data, Run(out, asked.device, asked.workers))
        return [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]

    with tempfile.TemporaryDirectory() as folder:
        # The first epoch also starts kernels and workers; the second tells what a step takes.
        timed = run(2 * asked.timed, asked.timed, Path(folder))
    seconds = (timed[1]["seconds"] - timed[0]["seconds"]) / asked.timed
    spent = time.monotonic() - began
    reading = spent - timed[1]["seconds"]
    left = 60 * asked.minutes * (1 - SPARED) - spent - reading
    steps = max(1, int(left / seconds))
    batch, voxels = recipe.optimiser.batch, int(torch.tensor(recipe.patch).prod())
    plan = {
        "steps": steps,
        "seconds_per_step": round(seconds, 4),
        "voxels_per_second": round(batch * voxels / seconds),
        "seconds_to_read": round(reading, 1),
    }
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "plan.json").write_text(json.dumps(plan, indent=1), encoding="utf-8")
    print(json.dumps(plan), flush=True)
    run(steps, min(recipe.optimiser.steps_per_epoch, steps), asked.out)


if __name__ == "__main__":
    main()
