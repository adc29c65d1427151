"""One training step of every `paper` preset: seconds and peak memory, at a share of the patch's edges and of the batch.

Run from the project folder::

    python benchmarks/paper_steps.py [--only ct_report lesion ...] [--edge 1.0] [--batch 0]

`--edge 0.5` halves every edge (to a multiple of 32), `--batch 0` takes the recipe's batch. float32 on the CPU; peak
memory is that of the whole process, a process for each network. Activations grow with the number of voxels; what does
not (weights, gradients, moments) is printed beside them.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from hyoid.models.build import build_network
from hyoid.systems.ct_report import train as ct_report
from hyoid.systems.lesion import train as lesion
from hyoid.systems.midrt import train as midrt
from hyoid.systems.petct import train as petct
from hyoid.training import segmentation
from hyoid.training.losses import asymmetric_loss, deep_dice_bce, deep_dice_ce
from hyoid.training.recipe import Recipe, load_recipe
from hyoid.training.schedule import optimiser_and_schedule

PRESETS = {
    "ct_report": "paper",
    "tumour": "paper_cuboids",
    "petct-head": "paper",
    "petct-coarse": "paper",
    "petct-resenc": "paper",
    "petct-segresnet": "paper",
    "lesion": "paper",
    "midrt": "paper",
}
_DESCRIBE: dict[str, Callable[..., dict]] = {
    "ct_report": ct_report.network_description,
    "segmentation": segmentation.network_description,
    "petct": petct.network_description,
    "lesion": lesion.network_description,
    "midrt": midrt.network_description,
}


def main() -> None:
    """Print a row for every network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=list(PRESETS))
    parser.add_argument("--edge", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(step(asked.one, asked.edge, asked.batch))
        return
    print("| recipe | patch | batch | weights, gradients, moments | peak | seconds |\n|---|---|---|---|---|---|")
    for name in asked.only:
        words = [sys.executable, __file__, "--one", name, "--edge", str(asked.edge), "--batch", str(asked.batch)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        print(done.stdout.strip() or f"| {name} | failed: {done.stderr.strip().splitlines()[-1:]} |", flush=True)


def step(name: str, edge: float, batch: int) -> str:
    """Take one step and write its row."""
    recipe = load_recipe(name, PRESETS[name])
    size = tuple(_edges(recipe)) if edge == 1 else tuple(max(32, round(n * edge / 32) * 32) for n in _edges(recipe))
    count = batch or recipe.optimiser.batch
    torch.manual_seed(0)
    network = build_network(_DESCRIBE[recipe.task](recipe))
    optimiser = optimiser_and_schedule(network.parameters(), recipe.optimiser)["optimizer"]
    began = time.monotonic()
    loss = _loss(recipe, network, size, count)
    loss.backward()
    optimiser.step()
    seconds = time.monotonic() - began
    assert torch.isfinite(loss)
    copies = 3 if recipe.optimiser.name == "sgd" else 4
    fixed = copies * sum(p.numel() * 4 for p in network.parameters()) / 2**30
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    edges = " x ".join(map(str, size))
    return f"| {name} | {edges} | {count} | {fixed:.1f} GiB | {peak:.1f} GiB | {seconds:.0f} |"


def _edges(recipe: Recipe) -> tuple[int, ...]:
    for key in ("patch", "grid", "region"):
        if isinstance(found := getattr(recipe, key, None), tuple):
            return found
    raise AssertionError(recipe.name)


def _loss(recipe: Recipe, network: nn.Module, size: tuple[int, ...], count: int) -> Tensor:
    """Loss of random images."""
    if recipe.task == "ct_report":
        image, organs, heatmap = (
            torch.randn(count, 1, *size),
            torch.randint(0, 22, (count, 1, *size)),
            torch.rand(count, 1, *size),
        )
        return asymmetric_loss(network(image, organs.float(), heatmap), torch.ones(count, len(recipe.fields)))
    if recipe.task == "lesion":
        image, mask = torch.randn(count, len(recipe.windows_hu), *size), torch.zeros(count, 1, *size)
        mask[:, :, 40:60, 40:60, 40:60] = 1
        features, finer = network.encode(image)
        points, kinds = torch.full((count, 3, 3), 50.0), torch.tensor([[-1, -1, 1]]).expand(count, -1)
        loss, previous = torch.zeros(()), None
        for _ in range(recipe.rounds):
            answer = network.decode(features, finer, points, kinds, previous)
            loss = loss + answer.mask.sigmoid().mean() + answer.attributes.square().mean() + answer.iou.mean()
            previous = answer.mask.detach()
        return loss
    if recipe.task == "segmentation":
        image = torch.randn(count, len(recipe.windows_hu), *size)
        truth = torch.randint(0, 2, (count, len(recipe.labels), *size)).float()
        return deep_dice_bce(network.deep(image)[: recipe.supervised_stages], truth)
    channels = len(recipe.channels if recipe.task == "midrt" else recipe.input.channels)
    classes = 3 if recipe.task == "midrt" else len(recipe.labels)
    return deep_dice_ce(network.deep(torch.randn(count, channels, *size)), torch.randint(0, classes, (count, *size)))


if __name__ == "__main__":
    main()
