"""How long a click takes, beside networks that run as a whole at every click: `python benchmarks/clicks.py [--page]`.

One process, one run. A server with a scan of 512 x 512 x 125 and a client over a real connection: first click (region
encoded, mask and report made, mask encoded for the page) and every later click, from request to answer. In turn with
these, one forward pass of networks of the published shapes of SAM-Med3D (ViT-B on 128^3) and nnInteractive (residual
U-Net on 192^3, eight channels) with random weights, which users of those run at every click; the ratio is taken round
by round. `--page` also clicks in a Chromium, from the change to the redrawn page.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import torch
from fastapi import FastAPI

from hyoid.inference.click_network import ClickNetwork
from hyoid.interfaces.installed import load_model
from hyoid.interfaces.web.server import make_app
from hyoid.interfaces.web.studies import Studies
from hyoid.io.files.volumes import write_nifti
from hyoid.models.build import build_network
from hyoid.volume import Geometry, Quantity, Volume
from hyoid.workspace.workspace import Workspace
from served import served

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
SPACING_MM = (3.0, 1.0, 1.0)


def balls(shape: tuple[int, int, int], places: np.ndarray) -> Volume:
    """A body of noise with a denser ball of 3 cm around every place."""
    rng = np.random.default_rng(0)
    hu = rng.normal(0, 15, shape).astype(np.float32)
    index = np.indices(shape, np.float32, sparse=True)
    for place in places:
        away = sum((((i - p) * mm) ** 2 for i, p, mm in zip(index, place, SPACING_MM, strict=True)), np.float32(0))
        hu[away < 15**2] += 80
    return Volume(np.round(hu).astype(np.int16), Geometry.axial(shape, SPACING_MM), Quantity.HU)


def app_of(folder: Path) -> FastAPI:
    """The workspace on the studies of a folder."""
    network = ClickNetwork(load_model("isrg"), cache=folder / "regions")
    studies = Studies(folder / "studies", folder / "uploads", 10**10)
    return make_app(Workspace(folder, network, studies.read), studies)


class Reader:
    """A session that is clicked on; seconds and CPU seconds of every answer."""

    def __init__(self, address: str) -> None:
        self.client = httpx.Client(base_url=address, timeout=600)
        key = self.client.get("/api/studies").json()[0]["key"]
        began = time.perf_counter()
        self.view = self.client.post("/api/sessions", json={"study": key}).raise_for_status().json()
        self.opened_s = time.perf_counter() - began

    def act(self, **action: Any) -> tuple[float, float]:
        """Do something; how long it took."""
        # The CPU time is this process's: server and client.
        began, worked = time.perf_counter(), time.process_time()
        answer = self.client.post(
            f"/api/sessions/{self.view['session']}/actions",
            json={"revision": self.view["revision"], "action": action},
        )
        took = time.perf_counter() - began, time.process_time() - worked
        self.view |= answer.raise_for_status().json()
        return took

    def click(self, lesion: int, point: np.ndarray) -> tuple[float, float]:
        """One click that adds."""
        return self.act(do="prompt", lesion=lesion, kind="add", point_ijk=[int(v) for v in point])


def once(build: Callable[[], Callable[[], object]]) -> float:
    """Seconds of one forward pass; the network is made and dropped around it."""
    with torch.inference_mode():
        run = build()
        began = time.perf_counter()
        run()
        return time.perf_counter() - began


def sam_med3d() -> Callable[[], object]:
    """A pass over image and two points."""
    network = build_network(SAM_MED3D).eval()
    points, kinds = torch.zeros(1, 2, 3), torch.ones(1, 2, dtype=torch.long)
    image = torch.zeros(1, 1, 128, 128, 128)
    return lambda: network(image, points, kinds)


def nninteractive() -> Callable[[], object]:
    """A pass over image, mask before and maps of the prompts."""
    network = build_network(NNINTERACTIVE).eval()
    image = torch.zeros(1, 8, 192, 192, 192)
    return lambda: network(image)


def over(values: list[float], digits: int = 1) -> dict[str, float]:
    """Median and spread."""
    return {
        "median": round(float(np.median(values)), digits), "p95": round(float(np.percentile(values, 95)), digits),
        "least": round(min(values), digits), "most": round(max(values), digits), "n": len(values),
    }  # fmt: skip


def in_page(address: str, places: np.ndarray, clicks: int, profile: str) -> list[float]:
    """Milliseconds from a click's change to the redrawn page, as the page measures them."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "interfaces" / "web"))
    import chromium

    rng, times = np.random.default_rng(2), []
    idle = "window.hyoid?.view && !document.body.dataset.busy"
    with chromium.browser(profile) as new_tab:
        tab = new_tab(address)
        tab.until("document.querySelectorAll('#studies button').length")
        tab.js("document.querySelector('#studies button').click()")
        tab.until(f"{idle} && document.querySelector('#message').hidden")
        for number in range(clicks + 1):
            voxel = [int(v) for v in places[0] + rng.integers(-4, 5, 3) * (number > 0)]
            tab.js("document.body.dataset.lastMs = ''")
            tab.js(f"window.hyoid.viewer.jump({voxel})")
            tab.js("document.querySelector('#axial').focus()")
            tab.key(" ")
            tab.until(f"{idle} && document.body.dataset.lastMs")
            times.append(float(tab.js("document.body.dataset.lastMs")))
            tab.js("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return times[1:]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", default="125,512,512")
    parser.add_argument("--rounds", type=int, default=4, help="Of one lesion and one pass of each whole network.")
    parser.add_argument("--clicks", type=int, default=15, help="Later clicks per round.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-whole", action="store_true", help="Leave out the networks that run as a whole.")
    parser.add_argument("--page", action="store_true", help="Also in a Chromium.")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    d, h, w = (int(n) for n in chosen.shape.split(","))
    rng = np.random.default_rng(1)
    # Lesions so far apart that no region is met twice.
    places = np.stack([np.linspace(0.2, 0.8, chosen.rounds) * n for n in (d, h, w)], axis=1).astype(int)
    first, later, later_cpu, ratios = [], [], [], {"sam_med3d_shaped": [], "nninteractive_shaped": []}  # type: ignore[var-annotated]
    whole: dict[str, list[float]] = {name: [] for name in ratios}
    result: dict[str, Any] = {"shape": chosen.shape, "threads": chosen.threads}
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        (folder / "studies").mkdir()
        write_nifti(balls((d, h, w), places), folder / "studies" / "ct.nii.gz")
        with served(app_of(folder)) as address:
            reader = Reader(address)
            result["open_s"] = round(reader.opened_s, 2)
            for number, place in enumerate(places, start=1):
                reader.act(do="lesion", target="GTVp" if number == 1 else "GTVn")
                first.append(reader.click(number, place)[0])
                of_round = [reader.click(number, place + rng.integers(-4, 5, 3)) for _ in range(chosen.clicks)]
                later += [took for took, _ in of_round]
                later_cpu += [work for _, work in of_round]
                if not chosen.no_whole:
                    for name, build in (("sam_med3d_shaped", sam_med3d), ("nninteractive_shaped", nninteractive)):
                        whole[name].append(once(build))
                        ratios[name].append(whole[name][-1] / float(np.median([took for took, _ in of_round])))
            if chosen.page:
                result["page_ms"] = over(in_page(address, places, 2 * chosen.clicks, str(folder / "profile")))
    result["first_click_s"] = over(first, 3)
    result["later_click_ms"] = over([1000 * t for t in later])
    result["later_click_cpu_ms"] = over([1000 * t for t in later_cpu])
    if not chosen.no_whole:
        result["whole_network_s"] = {name: over(times, 2) for name, times in whole.items()}
        result["times_a_later_click"] = {name: over(times) for name, times in ratios.items()}
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
