"""`hyoid predict` and `nnUNetv2_predict_from_modelfolder` on the same folder and the same CT: wall time and memory.

    python benchmarks/nnunet.py --peer PYTHON [--study STUDY] [--folds 1 5] [--classes 3 20] [--mirror] [--runs N]

PYTHON is the interpreter of an environment with nnunetv2 (`pip install '.[nnunet]'`). Whole processes are timed, start
of Python included, after one run that compiles hyoid's graphs. The network is nnU-Net's plain U-Net, weights random:
time does not depend on them. Memory is the sum over a process and its children of what each holds for itself, plus its
part of what they share. Also prints how fast this machine multiplies for such convolutions, and what share is reached.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from report import STUDY, say_machine

FEATURES = (24, 48, 96, 192, 240)
PATCH = (40, 112, 112)
SPACING_MM = (3.0, 2.5, 2.5)

# Run by the peer's Python, so that the checkpoints hold every key that nnU-Net asks for.
MAKE_CHECKPOINTS = """
import json, sys
from pathlib import Path
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

folder = Path(sys.argv[1])
configuration = PlansManager(json.loads((folder / "plans.json").read_text())).get_configuration("3d_fullres")
classes = len(json.loads((folder / "dataset.json").read_text())["labels"])
for fold, place in enumerate(sorted(folder.glob("fold_*"))):
    torch.manual_seed(fold)
    network = get_network_from_plans(
        configuration.network_arch_class_name,
        configuration.network_arch_init_kwargs,
        configuration.network_arch_init_kwargs_req_import,
        1, classes, deep_supervision=False,
    )
    torch.save({
        "network_weights": network.state_dict(),
        "trainer_name": "nnUNetTrainer",
        "init_args": {"configuration": "3d_fullres"},
        "inference_allowed_mirroring_axes": (0, 1, 2),
    }, place / "checkpoint_final.pth")
"""


def main() -> None:
    """Time both, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=Path, required=True, help="Python with nnunetv2")
    parser.add_argument("--study", type=Path, default=STUDY)
    parser.add_argument("--folds", type=int, nargs="+", default=[1, 5])
    parser.add_argument("--classes", type=int, nargs="+", default=[3, 20])
    parser.add_argument("--mirror", action="store_true", help="eight mirror images, as nnU-Net does by default")
    parser.add_argument("--runs", type=int, default=1)
    arguments = parser.parse_args()
    say_machine()
    print("| folds | classes | who | wall, s | peak, GB | times faster |\n|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        images = as_nifti(arguments.study, root / "images")
        for classes in arguments.classes:
            folder = write_folder(root / f"Dataset900_Bench{classes}", classes, max(arguments.folds), arguments.peer)
            for folds in arguments.folds:
                compare(arguments, root, images, folder, folds, classes)
        print(f"\n{tiles_and_operations(folder)}")


def compare(arguments: argparse.Namespace, root: Path, images: Path, folder: Path, folds: int, classes: int) -> None:
    """Rows of one setting."""
    hyoid = Path(sys.executable).with_name("hyoid")
    chosen = [str(f) for f in range(folds)]
    ours: dict[str, list[str]] = {}
    for precision in ("f32", "bf16"):
        ours[precision] = [str(hyoid), "predict", str(folder), str(images), "--out", str(root / precision)]
        ours[precision] += ["--folds", ",".join(chosen), "--precision", precision, "--overwrite", "--json"]
        ours[precision] += [] if arguments.mirror else ["--no-mirror"]
        measured(ours[precision])  # compiles
    peer = [str(arguments.peer.with_name("nnUNetv2_predict_from_modelfolder")), "-i", str(images), "-m", str(folder)]
    peer += ["-o", str(root / "peer"), "-f", *chosen, "-device", "cpu", "-npp", "1", "-nps", "1"]
    peer += [] if arguments.mirror else ["--disable_tta"]
    theirs = [measured(peer) for _ in range(arguments.runs)]
    say_row(folds, classes, "nnunetv2", theirs, theirs)
    for precision, command in ours.items():
        say_row(folds, classes, f"hyoid {precision}", [measured(command) for _ in range(arguments.runs)], theirs)
    stages = json.loads((root / "bf16" / "scan" / "run.json").read_text())["seconds"]
    print(f"(bf16: {', '.join(f'{name} {seconds:.1f} s' for name, seconds in stages.items())})", flush=True)


def say_row(
    folds: int, classes: int, who: str, runs: list[tuple[float, float]], peer: list[tuple[float, float]]
) -> None:
    """One row, with the spread of the ratio where there are several runs."""
    ratios = [theirs[0] / mine[0] for mine, theirs in zip(runs, peer, strict=True)]
    spread = f" ({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 else ""
    wall, peak = statistics.median(r[0] for r in runs), max(r[1] for r in runs)
    print(
        f"| {folds} | {classes} | {who} | {wall:.1f} | {peak:.2f} | {statistics.median(ratios):.2f}{spread} |",
        flush=True,
    )


def as_nifti(study: Path, folder: Path) -> Path:
    """The study as nnU-Net's input file, so that both read the same."""
    from hyoid.io.files.volumes import write_nifti
    from hyoid.io.study import read_study

    write_nifti(read_study(study).volume, folder / "scan_0000.nii.gz")
    return folder


def write_folder(root: Path, classes: int, folds: int, peer: Path) -> Path:
    """A model folder as nnU-Net writes it, with random weights of nnU-Net's own making."""
    stages = len(FEATURES)
    network = {
        "n_stages": stages,
        "features_per_stage": list(FEATURES),
        "conv_op": "torch.nn.modules.conv.Conv3d",
        "kernel_sizes": [[1, 3, 3]] + [[3, 3, 3]] * (stages - 1),
        "strides": [[1, 1, 1], [1, 2, 2]] + [[2, 2, 2]] * (stages - 2),
        "n_conv_per_stage": [2] * stages,
        "n_conv_per_stage_decoder": [2] * (stages - 1),
        "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
    resampling = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    settings = {
        "data_identifier": "x",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": list(PATCH),
        "median_image_size_in_voxels": [120.0, 200.0, 200.0],
        "spacing": list(SPACING_MM),
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": resampling,
        "resampling_fn_seg_kwargs": resampling | {"is_seg": True, "order": 1},
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": resampling | {"order": 1},
        "architecture": {
            "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": network,
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
        "batch_dice": False,
    }
    intensities = dict.fromkeys(("max", "mean", "median", "min", "percentile_00_5", "percentile_99_5", "std"), 0.0)
    intensities |= {"mean": 20.0, "std": 150.0, "percentile_00_5": -900.0, "percentile_99_5": 900.0}
    plans = {
        "dataset_name": root.name,
        "plans_name": "nnUNetPlans",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "image_reader_writer": "SimpleITKIO",
        "label_manager": "LabelManager",
        "experiment_planner_used": "ExperimentPlanner",
        "configurations": {"3d_fullres": settings},
        "foreground_intensity_properties_per_channel": {"0": intensities},
    }
    labels = {"background": 0} | {f"class_{k}": k for k in range(1, classes)}
    dataset = {"channel_names": {"0": "CT"}, "labels": labels, "numTraining": 1, "file_ending": ".nii.gz"}
    folder = root / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    for fold in range(folds):
        (folder / f"fold_{fold}").mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps(plans), encoding="utf-8")
    (folder / "dataset.json").write_text(json.dumps(dataset), encoding="utf-8")
    subprocess.run([peer, "-W", "ignore", "-c", MAKE_CHECKPOINTS, str(folder)], check=True)
    return folder


def measured(command: list[str]) -> tuple[float, float]:
    """Wall seconds and peak GB of a process and its children; it must succeed."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    peak = [0.0]

    def watch() -> None:
        while process.poll() is None:
            peak[0] = max(peak[0], sum(proportional_gb(pid) for pid in tree(process.pid)))
            time.sleep(1.0)  # reading it costs tens of milliseconds, and stops the process for as long

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, error = process.communicate()
    watcher.join()
    if process.returncode not in (0, 5):
        raise SystemExit(f"{command[0]} ended with {process.returncode}:\n{error[-2000:]}")
    return time.perf_counter() - began, peak[0]


def tree(pid: int) -> list[int]:
    """A process and all below it (Linux)."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(below for child in children for below in tree(int(child)))]


def proportional_gb(pid: int) -> float:
    """Memory of a process, with its part of what it shares."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1e6 for line in lines if line.startswith("Pss:")), 0.0)


def tiles_and_operations(folder: Path) -> str:
    """How many operations the folder's network needs, and the rate at which this machine does such convolutions."""
    import numpy as np
    import openvino as ov
    import torch
    from torch import nn

    from hyoid.io.packages.nnunet_folder import read_nnunet_folder
    from hyoid.models.build import build_network

    network = build_network(read_nnunet_folder(folder).network).eval()
    counted = [0]

    def count(module: nn.Module, _: object, output: torch.Tensor) -> None:
        counted[0] += 2 * output.numel() * int(np.prod(module.weight.shape[1:]))  # type: ignore[union-attr,operator]

    for module in network.modules():
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
            module.register_forward_hook(count)
    with torch.inference_mode():
        network(torch.zeros(1, 1, *PATCH))
    layer = nn.Conv3d(96, 96, 3, padding=1).eval()
    shape = (1, 96, 20, 28, 28)
    rates = []
    for precision in ("f32", "bf16"):
        model = ov.convert_model(layer, example_input=torch.zeros(shape))
        compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})
        x = np.zeros(shape, np.float32)
        compiled(x)
        began = time.perf_counter()
        for _ in range(50):
            compiled(x)
        operations = 50 * 2 * 96 * 96 * 27 * int(np.prod(shape[2:]))
        rates.append(f"{precision} {operations / (time.perf_counter() - began) / 1e9:.0f} GFLOP/s")
    return f"{counted[0] / 1e9:.0f} GFLOP per tile; a 96 x 96 channel convolution alone reaches {', '.join(rates)}."


if __name__ == "__main__":
    main()
