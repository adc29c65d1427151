"""`hyoid petct`'s ten networks at the paper's size on one study, and the same ten in plain torch, one after the other.

    python benchmarks/petct.py STUDY [--folds N] [--precision bf16] [--scratch DIR]

STUDY is a DICOM folder with CT and PET. Networks have the paper's shapes and random weights (time does not depend on
them, and Dice is measured on their labels). The peer prepares the same regions and runs the same tiles in float32:
U-Nets in torch as nnU-Net's predictor does (without mirroring), SegResNetDS in MONAI's `sliding_window_inference`.
Graphs are compiled before the timing. Prints a table for `docs/benchmarks.md`. Ten compiled networks take about 8 GB
of disk in the scratch folder.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from monai.inferers import sliding_window_inference

from hyoid.io.model_package import ModelPackage, read_package, write_package
from hyoid.io.petct import read_petct
from hyoid.models.build import build_network
from hyoid.pipelines import petct
from hyoid.pipelines.structured_report import Machine
from hyoid.training.recipe import load_recipe
from hyoid.training.targets import targets_network

FINE = ("petct-resenc", "petct-segresnet")


def main() -> None:
    """Make packages, compile, time both, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--only", choices=("hyoid", "peer"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        one(arguments)
        return
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
        make_packages(Path(folder), arguments.preset, arguments.folds)
        rows = {}
        for system in ("hyoid", "hyoid", "peer"):  # the first run compiles
            command = [sys.executable, __file__, str(arguments.study), "--only", system, "--scratch", folder]
            command += ["--folds", str(arguments.folds), "--precision", arguments.precision]
            began = time.perf_counter()
            answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            rows[system] = json.loads(answer.splitlines()[-1]) | {"whole": time.perf_counter() - began}
        labels = {system: np.load(Path(folder) / f"{system}.npy") for system in rows}
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {2 * arguments.folds} fine networks")
    print("| | hyoid, s | torch one after the other, s |\n|---|---|---|")
    for stage in ("networks", "whole"):
        print(f"| {stage} | {rows['hyoid'][stage]:.1f} | {rows['peer'][stage]:.1f} |")
    print(f"ratio of the whole: {rows['peer']['whole'] / rows['hyoid']['whole']:.2f}")
    print(f"peak memory: {rows['hyoid']['peak_gb']:.2f} and {rows['peer']['peak_gb']:.2f} GB")
    for label, name in ((1, "GTVp"), (2, "GTVn")):
        a, b = (labels[system] == label for system in ("hyoid", "peer"))
        total = int(a.sum() + b.sum())
        print(f"Dice {name}: {2 * int((a & b).sum()) / total if total else 1.0:.5f} ({int(b.sum())} voxels)")


def one(arguments: argparse.Namespace) -> None:
    """One system in a process of its own; its numbers as one line of JSON, its labels beside."""
    folder = arguments.scratch
    models = read_models(folder, arguments.folds)
    machine = Machine("cpu", folder / "cache", arguments.precision)
    if arguments.only == "peer":
        petct.stage_probabilities = peer_probabilities  # type: ignore[assignment]
    study = read_petct(arguments.study)
    assert study.pet is not None
    began = time.perf_counter()
    result = petct.find_targets(study.ct.volume, study.pet.volume, models, machine)
    seconds = time.perf_counter() - began
    np.save(folder / f"{arguments.only}.npy", result.labels.array)
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"networks": seconds, "peak_gb": peak_gb}))


def peer_probabilities(packages, ct, pet, grid, machine, on_progress=lambda done, total: None):
    """`stage_probabilities` as a script would do it: torch in float32, every network loaded in turn."""
    first = packages[0].manifest
    region, rule = first.preprocessing["region"], petct.ChannelRule.of(first.preprocessing["input"])
    hu = petct.resample(ct, grid, interpolation=region["interpolation"], outside=petct.AIR_HU).array
    suv = petct.on_ct(pet, grid).array if pet is not None and "pet" in rule.channels else None
    image = petct.network_channels(hu, suv, rule)
    mean = 0
    for package in packages:
        network = build_network(package.manifest.network).eval()
        network.load_state_dict({n: torch.from_numpy(a) for n, a in package.arrays().items()})
        with torch.inference_mode():
            if package.manifest.network["kind"] == "segresnet_ds":
                edges = [(0, 0)] + [(0, max(0, p - n)) for p, n in zip(first.patch, image.shape[1:], strict=True)]
                padded = torch.from_numpy(np.pad(image, edges))[None]
                logits = sliding_window_inference(padded, first.patch, 1, network, overlap=0.5, mode="gaussian")
                logits = logits[0, :, : grid.shape[0], : grid.shape[1], : grid.shape[2]].numpy()
            else:
                logits = petct.predict_tiles(
                    image,
                    [lambda block, network=network: network(torch.from_numpy(block)).numpy()],
                    petct.Tiling(first.patch, region["step"], padding="constant" if rule.zscore else "edge"),
                    outputs=len(first.labels),
                )
        mean = mean + petct.softmax(logits) / len(packages)
    return mean, "f32"


def make_packages(folder: Path, preset: str, folds: int) -> None:
    """Packages of every stage with random weights whose outputs are not constant."""
    names = ["petct-head", "petct-coarse", *[f"{name}@{fold}" for name in FINE for fold in range(folds)]]
    for number, name in enumerate(names):
        recipe = load_recipe(name.split("@")[0], preset)
        torch.manual_seed(number)
        network = build_network(targets_network(recipe))
        write_package(
            folder / name,
            {
                "name": name.replace("@", "-"),
                "version": "0",
                "words": "Random weights.",
                "task": "segmentation",
                "network": targets_network(recipe),
                "labels": recipe.labels,
                "supported": recipe.labels[1:],
                "spacing_mm": recipe.spacing_mm,
                "patch": recipe.patch,
                "preprocessing": {
                    "stage": recipe.stage,
                    "input": recipe.input.model_dump(mode="json"),
                    "region": recipe.region.model_dump(mode="json") | {"min_volume_ml": 0.0},
                },
                "training_data": "none",
                "licence": "Apache-2.0",
            },
            {key: value.numpy() for key, value in network.state_dict().items()},
            licence="",
            card="",
        )


def read_models(folder: Path, folds: int) -> petct.PetCtModels:
    """The packages that `make_packages` wrote."""

    def package(name: str) -> ModelPackage:
        return read_package(folder / name)

    fine = tuple(package(f"{name}@{fold}") for name in FINE for fold in range(folds))
    return petct.PetCtModels(package("petct-head"), package("petct-coarse"), fine)


if __name__ == "__main__":
    main()
