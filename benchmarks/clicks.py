"""How long a click takes, beside networks that run as a whole at every click: `python benchmarks/clicks.py`.

One process, one run: first click (region encoded) and every later click at the workspace (outline and whole report),
and one forward pass of networks of the shape of SAM-Med3D (ViT-B on 128^3) and nnInteractive (residual U-Net on 192^3)
with random weights, which users of those run at every click.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from hyoid.inference.click_network import ClickNetwork
from hyoid.interfaces.installed import load_model
from hyoid.io.study import Study
from hyoid.models.build import build_network
from hyoid.pipelines.click_session import AddLesion, AddPrompt
from hyoid.pipelines.click_workspace import Workspace
from hyoid.volume import Geometry, Quantity, Volume

SAM_MED3D = {
    "kind": "isrg", "variant": "vanilla", "heads": 8,
    "vision": {
        "image": (128, 128, 128), "in_channels": 1, "patch": 16, "dim": 768, "depth": 12, "heads": 12, "window": 14,
        "global_layers": (2, 5, 8, 11), "channels": 384,
    },
}  # fmt: skip
NNINTERACTIVE = {
    "kind": "unet", "encoder": "residual", "in_channels": 8, "out_channels": 2,
    "features": [32, 64, 128, 256, 320, 320], "encoder_blocks": [1, 3, 4, 6, 6, 6], "decoder_convs": [1, 1, 1, 1, 1],
}  # fmt: skip


def scan(shape: tuple[int, int, int]) -> Study:
    rng = np.random.default_rng(0)
    hu = rng.normal(40, 15, shape).astype(np.float32)
    return Study(Volume(hu, Geometry.axial(shape, (3.0, 1.0, 1.0)), Quantity.HU), None, (), (), "benchmark")


def clicks(shape: tuple[int, int, int], count: int) -> dict[str, float]:
    study = scan(shape)
    with tempfile.TemporaryDirectory() as folder:
        network = ClickNetwork(load_model("isrg"), cache=Path(folder) / "regions")
        workspace = Workspace(Path(folder), network, lambda key: (study, "CT"))
        began = time.perf_counter()
        view = workspace.begin("s")
        opened = time.perf_counter() - began
        name = view.session.session
        workspace.act(name, 0, AddLesion(target="GTVp"))
        rng, times, work = np.random.default_rng(1), [], []
        middle = np.array(shape) // 2
        for number in range(count):
            point = tuple(int(v) for v in middle + rng.integers(-6, 7, 3) * (number > 0))
            began, worked = time.perf_counter(), time.process_time()
            workspace.act(name, 1 + number, AddPrompt(lesion=1, kind="add", point_ijk=point))  # type: ignore[arg-type]
            times.append(time.perf_counter() - began)
            work.append(time.process_time() - worked)
    # On a busy machine the clock says more about its other users; CPU time says what a click costs.
    later, cost = np.array(times[1:]), np.array(work[1:])
    return {
        "open_s": round(opened, 3), "first_click_s": round(times[0], 3),
        "later_median_ms": round(1000 * float(np.median(later)), 1),
        "later_p95_ms": round(1000 * float(np.percentile(later, 95)), 1),
        "first_click_cpu_s": round(work[0], 3),
        "later_cpu_median_ms": round(1000 * float(np.median(cost)), 1),
        "later_cpu_p95_ms": round(1000 * float(np.percentile(cost, 95)), 1), "clicks": count,
    }  # fmt: skip


def whole_networks() -> dict[str, float]:
    result = {}
    with torch.inference_mode():
        sam = build_network(SAM_MED3D).eval()
        points, kinds = torch.zeros(1, 2, 3), torch.ones(1, 2, dtype=torch.long)
        began = time.perf_counter()
        sam(torch.zeros(1, 1, 128, 128, 128), points, kinds)
        result["sam_med3d_shaped_s"] = round(time.perf_counter() - began, 3)
        del sam
        unet = build_network(NNINTERACTIVE).eval()
        began = time.perf_counter()
        unet(torch.zeros(1, 8, 192, 192, 192))
        result["nninteractive_shaped_s"] = round(time.perf_counter() - began, 3)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", default="125,512,512")
    parser.add_argument("--clicks", type=int, default=60)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-whole", action="store_true", help="Leave out the networks that run as a whole.")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    d, h, w = (int(n) for n in chosen.shape.split(","))
    result = {"shape": chosen.shape, "threads": chosen.threads, **clicks((d, h, w), chosen.clicks)}
    if not chosen.no_whole:
        result |= whole_networks()
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
