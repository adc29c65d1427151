"""Model folders made by nnunetv2 itself: planned by it, shrunk, and trained for some steps on virtual patients.

Run as a script, in a process of its own: `python nnunet_folders.py ROOT NAME STEPS`. ROOT/raw, ROOT/preprocessed and
ROOT/results are nnU-Net's three folders.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TRAINED, HELD_OUT = 5, 1  # nnU-Net splits into five folds
STRUCTURES = {"brainstem": "brainstem", "mandible": "mandible", "tongue": "tongue"}


@dataclass(frozen=True)
class Made:
    """One configuration of the suite.

    Parameters
    ----------
    number : int
        Of nnU-Net's dataset.
    patch : tuple of int
    configuration, planner : str
    folds : tuple of int
    spacing_mm : tuple of float
        Of the virtual patients.
    regions : dict, optional
        Region name to labels, in place of plain labels.
    channels : tuple of str
    """

    number: int
    patch: tuple[int, ...]
    configuration: str = "3d_fullres"
    planner: str = "ExperimentPlanner"
    folds: tuple[int, ...] = (0,)
    spacing_mm: tuple[float, float, float] = (3.0, 2.5, 2.5)
    regions: dict[str, list[int]] = field(default_factory=dict)
    channels: tuple[str, ...] = ("CT",)


ALL = {
    "anisotropic": Made(901, (16, 48, 48), spacing_mm=(5.0, 1.6, 1.6), folds=(0, 1)),
    "isotropic": Made(902, (40, 40, 40), spacing_mm=(4.0, 4.0, 4.0)),
    "regions": Made(903, (24, 48, 48), regions={"all": [1, 2, 3], "jaw_and_tongue": [2, 3], "tongue": [3]}),
    "two_channels": Made(904, (24, 48, 48), channels=("CT", "PET")),
    "residual": Made(905, (24, 48, 48), planner="nnUNetPlannerResEncM"),
    "flat": Made(906, (96, 96), configuration="2d"),
}


def case_files(folder: Path, channels: int) -> list[list[str]]:
    """Files of every case in a folder, by channel."""
    first = sorted(folder.glob("*_0000.nii.gz"))
    return [[str(p).replace("_0000", f"_{k:04d}") for k in range(channels)] for p in first]


def write_raw(root: Path, name: str, made: Made) -> None:
    """nnU-Net's raw folder, with patients held out in imagesTs."""
    from hyoid.anatomy.structures import BY_NAME
    from hyoid.io.files.volumes import write_nifti
    from hyoid.phantom.patient import virtual_patient
    from hyoid.volume import Quantity, Volume

    folder = root / "raw" / f"Dataset{made.number}_{name}"
    for number in range(TRAINED + HELD_OUT):
        rng = np.random.default_rng(number)
        patient = virtual_patient(rng, spacing_mm=made.spacing_mm)
        kind = "Tr" if number < TRAINED else "Ts"
        labels = np.zeros(patient.organs.array.shape, np.uint8)
        for value, structure in enumerate(STRUCTURES.values(), start=1):
            labels[patient.organs.array == BY_NAME[structure].label] = value
        images = [patient.ct]
        if len(made.channels) == 2:
            uptake = np.where(patient.ct.array > -500, rng.gamma(4, 0.3, labels.shape), 0) + 3 * (labels == 1)
            images.append(Volume(uptake.astype(np.float32), patient.ct.geometry, Quantity.SUV))
        volumes = [*images, Volume(labels, patient.ct.geometry, Quantity.LABEL)]
        if kind == "Ts":
            volumes = around_structures(volumes, labels, made.patch)
        for channel, image in enumerate(volumes[:-1]):
            write_nifti(image, folder / f"images{kind}" / f"v{number}_{channel:04d}.nii.gz")
        write_nifti(volumes[-1], folder / f"labels{kind}" / f"v{number}.nii.gz")
    named = made.regions or {n: value for value, n in enumerate(STRUCTURES, start=1)}
    dataset = {
        "channel_names": {str(k): n for k, n in enumerate(made.channels)},
        "labels": {"background": 0, **named},
        "numTraining": TRAINED,
        "file_ending": ".nii.gz",
    }
    if made.regions:
        dataset["regions_class_order"] = [1, 2, 3]
    (folder / "dataset.json").write_text(json.dumps(dataset), encoding="utf-8")


def around_structures(volumes: list[Any], labels: NDArray[np.uint8], patch: tuple[int, ...]) -> list[Any]:
    """The part around the structures, about two patches wide: several tiles, yet minutes instead of hours."""
    from hyoid.volume import Geometry, Volume

    edges = (24, *patch) if len(patch) == 2 else patch
    middle = np.argwhere(labels).mean(axis=0)
    part = []
    for axis, edge in enumerate(edges):
        size = min(2 * edge + 5, labels.shape[axis])
        start = int(np.clip(middle[axis] - size / 2, 0, labels.shape[axis] - size))
        part.append(slice(start, start + size))
    cut = [np.ascontiguousarray(v.array[tuple(part)]) for v in volumes]
    spacing = volumes[0].geometry.spacing_mm
    grids = [Geometry.axial(array.shape, spacing) for array in cut]
    return [Volume(a, g, v.quantity) for a, g, v in zip(cut, grids, volumes, strict=True)]


def plan(root: Path, made: Made) -> str:
    """Plan and preprocess, with four narrow stages so that a CPU can train the network; returns the plans' name."""
    from nnunetv2.experiment_planning import plan_and_preprocess_api as api

    api.extract_fingerprints([made.number], num_processes=1, check_dataset_integrity=False)
    name = api.plan_experiments([made.number], experiment_planner_class_name=made.planner, gpu_memory_target_in_gb=2)
    file = next((root / "preprocessed").glob(f"Dataset{made.number}_*")) / f"{name}.json"
    plans = json.loads(file.read_text(encoding="utf-8"))
    chosen = plans["configurations"][made.configuration]
    chosen |= {"patch_size": list(made.patch), "batch_size": 2}
    network = chosen["architecture"]["arch_kwargs"]
    stages = 4
    network |= {"n_stages": stages, "features_per_stage": [8, 16, 24, 32]}
    for key in ("kernel_sizes", "strides", "n_conv_per_stage", "n_blocks_per_stage"):
        if key in network:
            network[key] = network[key][:stages]
    network["n_conv_per_stage_decoder"] = network["n_conv_per_stage_decoder"][: stages - 1]
    file.write_text(json.dumps(plans, indent=1), encoding="utf-8")
    api.preprocess([made.number], name, configurations=(made.configuration,), num_processes=(1,), verbose=False)
    return name


def train(made: Made, plans: str, steps: int) -> None:
    """One short epoch per fold, by nnU-Net's own trainer."""
    import torch
    from nnunetv2.run.run_training import get_trainer_from_args

    os.environ |= {"nnUNet_n_proc_DA": "0"}  # patches are made in this process
    for fold in made.folds:
        torch.manual_seed(fold)
        trainer = get_trainer_from_args(
            str(made.number), made.configuration, fold, "nnUNetTrainer", plans, device=torch.device("cpu")
        )
        trainer.num_epochs, trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch = 1, steps, 1
        # So that a few hundred steps leave background behind: every patch around a structure, and AdamW.
        trainer.oversample_foreground_percent = 1.0
        trainer.configure_optimizers = partial(adamw, trainer)
        trainer.run_training()


def adamw(trainer: Any) -> tuple[Any, Any]:
    """Optimiser and schedule in place of nnU-Net's, which needs some epochs to start."""
    import torch

    optimiser = torch.optim.AdamW(trainer.network.parameters(), lr=3e-3)
    return optimiser, torch.optim.lr_scheduler.ConstantLR(optimiser, 1.0)


def main(root: Path, name: str, steps: int) -> None:
    """Make one folder, where it is not there yet."""
    for variable, folder in (("raw", "raw"), ("preprocessed", "preprocessed"), ("results", "results")):
        (root / folder).mkdir(parents=True, exist_ok=True)
        os.environ[f"nnUNet_{variable}"] = str(root / folder)
    os.environ |= {"nnUNet_n_proc_DA": "1", "nnUNet_compile": "f"}
    made = ALL[name]
    if not list((root / "results").glob(f"Dataset{made.number}_*/*/fold_{made.folds[-1]}/checkpoint_final.pth")):
        if not list((root / "raw").glob(f"Dataset{made.number}_*")):
            write_raw(root, name, made)
        train(made, plan(root, made), steps)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
