"""Many readers at once, each with a study of their own: `python benchmarks/sessions.py [--sessions 20] [--clicks 200]`.

A server, and a client per reader that adds, removes, undoes and redoes. At the end every session must hold exactly what
its reader did, the masks of a few are made again by a server that knows no other session, and memory is told.
"""

from __future__ import annotations

import argparse
import base64
import json
import resource
import tempfile
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import torch

from hyoid.inference.click_network import ClickNetwork
from hyoid.interfaces.installed import load_model
from hyoid.interfaces.web.server import make_app
from hyoid.interfaces.web.studies import Studies
from hyoid.io.study import Study, fingerprint
from hyoid.volume import Geometry, Quantity, Volume
from hyoid.workspace.scans import Scans
from hyoid.workspace.workspace import Workspace
from served import served

SHAPE, SPACING = (60, 120, 120), (3.0, 2.0, 2.0)
AT = (30, 60, 60)


def study(number: int) -> Study:
    """A body with a ball in it whose size and density are this reader's own."""
    rng = np.random.default_rng(number)
    index = np.indices(SHAPE).transpose(1, 2, 3, 0)
    away = np.linalg.norm((index - np.array(AT)) * SPACING, axis=-1)
    hu = np.where(away < 8 + number, 60 + 3 * number, -80) + rng.normal(0, 6, SHAPE)
    volume = Volume(hu.astype(np.float32), Geometry.axial(SHAPE, SPACING), Quantity.HU)
    return Study(volume, None, (), (), fingerprint(volume))


def reader(client: httpx.Client, number: int, clicks: int) -> dict[str, Any]:
    """What one reader does; the answers of the server on the way and at the end."""
    rng = np.random.default_rng((7, number))
    view = client.post("/api/sessions", json={"study": str(number)}).raise_for_status().json()
    at = f"/api/sessions/{view['session']}"
    revision, refused, times = view["revision"], 0, []

    def act(path: str, **action: Any) -> bool:
        nonlocal revision, refused
        began = time.perf_counter()
        answer = client.post(f"{at}/{path}", json={"revision": revision} | ({"action": action} if action else {}))
        times.append(time.perf_counter() - began)
        if answer.status_code == 422:
            refused += 1  # a contradiction of an earlier click
            return False
        answer.raise_for_status()
        assert answer.json()["revision"] == revision + 1, "an update was lost"
        revision = answer.json()["revision"]
        return True

    act("actions", do="lesion", target="GTVp")
    kept: list[list[int]] = []
    for count in range(clicks):
        point = [int(v) for v in np.array(AT) + rng.integers(-5, 6, 3) * (count > 0)]
        if act("actions", do="prompt", lesion=1, kind="remove" if count and rng.random() < 0.4 else "add",
               point_ijk=point):  # fmt: skip
            kept.append(point)
        if count % 20 == 19:
            act("undo")
            if count % 40 == 39:
                kept.pop()
            else:
                act("redo")
    final = client.get(at).raise_for_status().json()
    clicked = [prompt["point_ijk"] for prompt in final["lesions"][0]["prompts"]]
    assert clicked == kept, f"session {number} holds other clicks than its reader made"
    return {"session": view["session"], "mask": final["lesions"][0]["mask"], "times": times, "refused": refused}


def megabytes() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Run, check, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--clicks", type=int, default=200)
    parser.add_argument("--again", type=int, default=2, help="Sessions whose masks are made again alone.")
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    package = load_model("isrg")
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        network = ClickNetwork(package, cache=folder / "regions")
        workspace = Workspace(folder, network, lambda key: Scans(study(int(key)), "CT"))
        with served(make_app(workspace, Studies(None, folder / "uploads", 10**9))) as address:
            before, began = megabytes(), time.perf_counter()
            with httpx.Client(base_url=address, timeout=600) as client, ThreadPoolExecutor(chosen.sessions) as pool:
                rows = list(pool.map(lambda n: reader(client, n, chosen.clicks), range(chosen.sessions)))
            seconds, after = time.perf_counter() - began, megabytes()
        held = {
            "scans": len(workspace._studies), "sessions": len(workspace._live),
            "outlines": sum(len(live.outlines) for live in workspace._live.values()),
            "regions": len(workspace.network._kept),
        }  # fmt: skip
        alone = Workspace(folder, ClickNetwork(package), lambda key: Scans(study(int(key)), "CT"))
        for row in rows[: chosen.again]:
            ((_, outline),) = alone.view(row["session"]).lesions
            assert outline is not None and outline.box is not None
            assert row["mask"]["start"] == list(outline.box.start), "another mask than alone"
            bits = np.packbits(outline.mask.ravel(), bitorder="little")
            assert unpacked(row["mask"]["bits"]) == bits.tobytes(), "another mask than alone"
    times = np.concatenate([row["times"] for row in rows])
    print(json.dumps({
        "sessions": chosen.sessions, "clicks_each": chosen.clicks, "changes": len(times),
        "refused": sum(row["refused"] for row in rows), "same_masks_alone": chosen.again,
        "seconds": round(seconds, 1), "median_ms": round(1000 * float(np.median(times))),
        "p95_ms": round(1000 * float(np.percentile(times, 95))),
        "peak_mb_before": round(before), "peak_mb_after": round(after), "held_in_memory": held,
    }, indent=1))  # fmt: skip


def unpacked(bits: str) -> bytes:
    """Bits of a mask as the page gets them."""
    return zlib.decompress(base64.b64decode(bits))


if __name__ == "__main__":
    main()
