"""`hyoid petct` with ten fine networks of the paper's size, and the same ten one after the other: time, memory, Dice.

    python benchmarks/petct.py [STUDY] [--peer PYTHON] [--folds N] [--precision bf16 f32] [--trained] [--scratch DIR]

STUDY is a DICOM folder with CT and PET; without one a virtual patient is made. PYTHON is the interpreter of an
environment with nnunetv2 (`pip install '.[nnunet]'`): its predictor runs the U-Nets there; without it they run in plain
torch over the same tiles. SegResNetDS runs in MONAI's `sliding_window_inference`. Both peers compute in float32, on the
regions and channels that hyoid prepares, without mirror images.

Networks have the paper's shapes and random weights, on which time does not depend; the last layer alone is fitted to
bands of SUV by least squares, so that there are outlines to compare. Such networks magnify every rounding: with
`--trained`, hyoid's four default networks take their place, and the Dice means something. Whole processes are timed,
start of Python included, after one run that compiles hyoid's graphs; hyoid's also writes report, SEG and RTSTRUCT.
Memory is that of a process and its children. Ten compiled networks take about 8 GB of disk in the scratch folder.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import resources
from pathlib import Path

import numpy as np

from nnunet import measured
from report import say_machine

FINE = ("petct-resenc", "petct-segresnet")
HOT_SUV, WARM_SUV, BODY_HU = 5.0, 2.5, -300.0
LABELS = "targets.nii.gz"


def main() -> None:
    """Make networks, compile, time all, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, nargs="?")
    parser.add_argument("--peer", type=Path, help="Python with nnunetv2")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--precision", nargs="+", default=["bf16", "f32"])
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--trained", action="store_true", help="hyoid's own networks: for the Dice")
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--packages", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.packages:
        run_peer(arguments)
        return
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as name:
        folder = Path(name)
        os.environ["HYOID_CACHE"] = str(folder / "cache")  # compiled graphs go with the scratch folder
        study = arguments.study or virtual_study(folder)
        began = time.perf_counter()
        if arguments.trained:
            names = own_packages(folder)
        else:
            names = make_packages(folder, study, arguments.preset, arguments.folds)
        print(f"({len(names)} networks made in {time.perf_counter() - began:.0f} s)", flush=True)
        say_machine()
        compare(arguments, study, folder, names)


def compare(arguments: argparse.Namespace, study: Path, folder: Path, names: list[str]) -> None:
    """Rows of the table."""
    from hyoid.io.files.volumes import read_labels

    command = [sys.executable, __file__, str(study), "--packages", str(folder), "--folds", str(arguments.folds)]
    command += [] if arguments.peer is None else ["--peer", str(arguments.peer)]
    theirs = measured(command)
    seconds = json.loads((folder / "peer.json").read_text())
    who = "nnunetv2's predictor" if arguments.peer else "torch"
    print(f"\n{len(names) - 2} fine networks, one patient.\n")
    print("| who | whole, s | peak, GB | times faster | Dice GTVp | Dice GTVn |\n|---|---|---|---|---|---|")
    print(f"| {who} and MONAI | {theirs[0]:.1f} | {theirs[1]:.2f} | 1.00 | | |", flush=True)
    reference = read_labels(folder / "peer" / LABELS).array
    stages = []
    for precision in arguments.precision:
        out = folder / precision
        ours = [str(Path(sys.executable).with_name("hyoid")), "petct", str(study), "--no-organs", "--json"]
        ours += ["--precision", precision, "--out", str(out)]
        for option, stage in (("--head", names[:1]), ("--coarse", names[1:2]), ("--fine", names[2:])):
            ours += [word for package in stage for word in (option, str(folder / package))]
        began = time.perf_counter()
        measured(ours)  # compiles
        compiling = time.perf_counter() - began
        wall, peak = measured(ours)
        labels = read_labels(out / LABELS).array
        agreement = " | ".join(f"{dice(labels == k, reference == k):.5f}" for k in (1, 2))
        print(f"| hyoid {precision} | {wall:.1f} | {peak:.2f} | {theirs[0] / wall:.2f} | {agreement} |", flush=True)
        mine = json.loads((out / "run.json").read_text())["seconds"]
        parts = ", ".join(f"{name} {value:.1f} s" for name, value in mine.items())
        stages.append(f"hyoid {precision}: {parts}; compiling once took {max(0.0, compiling - wall):.0f} s more")
    parts = ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items())
    print(f"\nPeer: {parts}.", *[f"{line}." for line in stages], sep="\n")
    voxels = [int((reference == k).sum()) for k in (1, 2)]
    print(f"Voxels in the reference: {voxels[0]} GTVp, {voxels[1]} GTVn.")
    if not all(voxels):
        raise SystemExit("The networks outline nothing of a class: its Dice says nothing. Take another study.")


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Of two masks; two empty ones agree."""
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else 1.0


def virtual_study(folder: Path) -> Path:
    """One virtual patient as DICOM."""
    hyoid = str(Path(sys.executable).with_name("hyoid"))
    command = [hyoid, "phantom", "--modality", "ct,pet", "--layout", "dicom", "--seed", "7", "--spacing", "3,1,1"]
    subprocess.run([*command, "--out", str(folder / "virtual")], check=True, stdout=subprocess.DEVNULL)
    return next(p for p in sorted((folder / "virtual").iterdir()) if p.is_dir())


def run_peer(arguments: argparse.Namespace) -> None:
    """The same system with every network in the peers' code; labels and seconds by stage go to the folder."""
    from hyoid.io.files.volumes import write_nifti
    from hyoid.io.packages.model_package import read_package
    from hyoid.io.petct import read_petct
    from hyoid.systems.machine import Machine
    from hyoid.systems.petct import pipeline as petct

    folder, seconds = arguments.packages, {}

    def probabilities(packages, ct, pet, grid, machine, on_progress=None):
        began = time.perf_counter()
        image = channels(packages[0], ct, pet, grid)
        kind = packages[0].manifest.network["kind"]
        if kind == "segresnet_ds":
            logits = (in_monai(package, image) for package in packages)
        elif arguments.peer is None:
            logits = (in_torch(package, image) for package in packages)
        else:
            logits = in_nnunet(arguments.peer, folder, packages, image)
        mean = sum(petct.softmax(one) / len(packages) for one in logits)
        seconds[f"{packages[0].manifest.preprocessing['stage']} {kind}"] = time.perf_counter() - began
        return mean, "f32"

    petct.stage_probabilities = probabilities
    packages = {p.name: read_package(p) for p in sorted(folder.iterdir()) if (p / "manifest.yaml").is_file()}
    fine = tuple(package for name, package in packages.items() if name.startswith(FINE))
    models = petct.PetCtModels(packages["petct-head"], packages["petct-coarse"], fine)
    study = read_petct(arguments.study)
    pet = None if study.pet is None else study.pet.volume
    result = petct.find_targets(study.ct.volume, pet, models, Machine("cpu", folder, "f32"))
    (folder / "peer").mkdir()
    write_nifti(result.labels, folder / "peer" / LABELS)
    (folder / "peer.json").write_text(json.dumps(seconds))


def channels(package, ct, pet, grid) -> np.ndarray:
    """What a network sees of a region."""
    from hyoid.systems.petct import pipeline as petct

    region, rule = (
        package.manifest.preprocessing["region"],
        petct.ChannelRule.of(package.manifest.preprocessing["input"]),
    )
    hu = petct.resample(ct, grid, interpolation=region["interpolation"], outside=petct.AIR_HU).array
    suv = None
    if pet is not None and "pet" in rule.channels:
        suv = petct.on_ct(pet, grid, interpolation=region["interpolation"]).array
    return petct.network_channels(hu, suv, rule)


def in_monai(package, image: np.ndarray) -> np.ndarray:
    """Logits by MONAI's sliding window."""
    import torch
    from monai.inferers import sliding_window_inference

    from hyoid.inference.runtime import torch_network

    network = torch_network(package)
    with torch.inference_mode():
        logits = sliding_window_inference(
            torch.from_numpy(image)[None], package.manifest.patch, 1, network, overlap=0.5, mode="gaussian"
        )
    return logits[0].numpy()


def in_torch(package, image: np.ndarray) -> np.ndarray:
    """Logits by plain torch over hyoid's tiles."""
    import torch

    from hyoid.inference.runtime import torch_network
    from hyoid.inference.sliding_window import Tiling, predict_tiles
    from hyoid.systems.petct.pipeline import tile_weight

    network = torch_network(package)

    def run(block: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(block)).numpy()

    zscore = package.manifest.preprocessing["input"]["zscore"]
    tiling = Tiling(package.manifest.patch, 0.5, tile_weight(package), "constant" if zscore else "edge")
    return predict_tiles(image, [run], tiling, outputs=len(package.manifest.labels))


def in_nnunet(peer: Path, folder: Path, packages, image: np.ndarray):
    """Logits by nnU-Net's predictor, one process for the networks of a stage."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        work = Path(name)
        np.save(work / "image.npy", image)
        manifest = packages[0].manifest
        request = {
            "network": manifest.network,
            "patch": manifest.patch,
            "weights": [str(folder / package_folder(p) / "model.safetensors") for p in packages],
        }
        (work / "request.json").write_text(json.dumps(request))
        script = Path(__file__).with_name("petct_nnunet.py")
        subprocess.run([str(peer), str(script), str(work)], check=True, stdout=subprocess.DEVNULL)
        for number in range(len(packages)):
            yield np.load(work / f"logits_{number}.npy")


def package_folder(package) -> str:
    """Name of the folder a package was written to."""
    return package.manifest.name


def own_packages(folder: Path) -> list[str]:
    """hyoid's default packages."""
    names = ["petct-head", "petct-coarse", *FINE]
    for name in names:
        shutil.copytree(str(resources.files("hyoid") / "weights" / name), folder / name)
    return names


def make_packages(folder: Path, study: Path, preset: str, folds: int) -> list[str]:
    """Packages of every stage: random weights, the last layer fitted to what is warm and hot in the study."""
    import torch

    from hyoid.io.packages.model_package import write_package
    from hyoid.io.petct import read_petct
    from hyoid.models.build import build_network
    from hyoid.systems.petct.train import network_description
    from hyoid.training.recipe import load_recipe

    read = read_petct(study)
    names = ["petct-head", "petct-coarse", *[f"{name}-{fold}" for name in FINE for fold in range(folds)]]
    for number, name in enumerate(names):
        recipe = load_recipe(name if number < 2 else name.rsplit("-", 1)[0], preset)
        torch.manual_seed(number)
        network = build_network(network_description(recipe)).eval()
        fit_last_layer(network, recipe, read)
        write_package(
            folder / name,
            {
                "name": name,
                "version": "0",
                "words": "Random weights.",
                "task": "segmentation",
                "network": network_description(recipe),
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
    return names


def fit_last_layer(network, recipe, study) -> None:
    """Least squares from the features before the last layer, in one patch, to classes: body, or warm and hot in PET."""
    import torch

    from hyoid.geometry.orientation import to_canonical
    from hyoid.geometry.regions import grid_around
    from hyoid.geometry.resample import resample
    from hyoid.preprocess.pet import on_ct
    from hyoid.preprocess.petct import ChannelRule, network_channels

    ct, pet = to_canonical(study.ct.volume), to_canonical(study.pet.volume)
    hot = np.argwhere(on_ct(pet, ct.geometry, interpolation="linear").array > HOT_SUV)
    middle = (np.array(ct.geometry.shape) - 1) / 2 if recipe.stage == "head" or not len(hot) else hot.mean(axis=0)
    grid = grid_around(ct.geometry, ct.geometry.to_lps(middle), recipe.patch, recipe.spacing_mm)
    hu = resample(ct, grid, outside=-1024.0).array
    suv = on_ct(pet, grid, interpolation="linear").array
    image = network_channels(hu, suv, ChannelRule.of(recipe.input.model_dump(mode="json")))
    classes = (hu > BODY_HU).astype(int) if recipe.stage == "head" else (suv > WARM_SUV) * 2 - (suv > HOT_SUV)
    layer = network.decoder.seg_layers[-1] if hasattr(network, "decoder") else network.up_layers[-1]["head"]
    seen = []
    hook = layer.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    with torch.inference_mode():
        network(torch.from_numpy(image)[None])
    hook.remove()
    rng = np.random.default_rng(0)
    rows = [np.flatnonzero(classes.ravel() == k) for k in range(len(recipe.labels))]
    chosen = np.concatenate([rng.choice(r, min(len(r), 20000), replace=False) for r in rows])
    x = seen[0][0].flatten(1).T[torch.from_numpy(chosen)].double().numpy()
    x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    y = 10.0 * (classes.ravel()[chosen, None] == np.arange(len(recipe.labels)))
    # Few voxels are hot: every class weighs the same.
    share = np.concatenate([np.full(min(len(r), 20000), 1 / max(min(len(r), 20000), 1)) for r in rows])[:, None]
    weights = np.linalg.solve(x.T @ (share * x) + 1e-6 * np.eye(x.shape[1]), x.T @ (share * y))
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights[:-1].T.reshape(layer.weight.shape).astype(np.float32)))
        if layer.bias is not None:
            layer.bias.copy_(torch.from_numpy(weights[-1].astype(np.float32)))


if __name__ == "__main__":
    main()
