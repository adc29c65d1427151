"""`hyoid report` on a real 512 x 512 study: wall time per stage and peak memory, and the same networks in plain torch.

    python benchmarks/report.py [STUDY] [--runs N]

Whole processes are timed, Python's start included, after one run that compiles the graphs. The peer is what a script
would do with the same weights: torch in float32, the same tiles, one network after the other. Prints a table for
`docs/benchmarks.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

STUDY = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "dicom" / "openkbp_pt_207_512.zip"

TORCH_PEER = """
import json, sys
from pathlib import Path
import torch
from hyoid.inference.runtime import Runtime, torch_network
from hyoid.interfaces.terminal import Terminal
from hyoid.interfaces.chosen_models import report_models
from hyoid.io.study import read_study
from hyoid.systems import involvement
from hyoid.systems.ct_report import pipeline as structured_report
from hyoid.systems.machine import Machine

def load_runtime(package, shapes, **_):
    network = torch_network(package)
    def run(*arrays):
        with torch.inference_mode():
            return network(*map(torch.from_numpy, arrays)).numpy()
    return Runtime(run, "cpu", "f32", False)

structured_report.load_runtime = involvement.load_runtime = load_runtime
terminal = Terminal(as_json=True)
terminal.event = lambda *a, **k: None
machine = Machine("cpu", Path("unused"))
study = read_study(Path(sys.argv[1]))
structured_report.structured_report(study, report_models(), machine, on_progress=terminal.progress)
print(json.dumps(terminal.seconds))
"""


def main() -> None:
    """Time both, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, nargs="?", default=STUDY)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    hyoid = Path(sys.executable).with_name("hyoid")
    with tempfile.TemporaryDirectory() as folder:
        command = [str(hyoid), "report", str(arguments.study), "--out", f"{folder}/out", "--json"]
        first, _, _ = timed(command)
        walls, peaks, stages = [], [], []
        for _ in range(arguments.runs):
            wall, peak, _ = timed(command)
            walls.append(wall)
            peaks.append(peak)
            stages.append(json.loads(Path(f"{folder}/out/run.json").read_text())["seconds"])
        peer = [timed([sys.executable, "-c", TORCH_PEER, str(arguments.study)]) for _ in range(arguments.runs)]
    say_machine()
    print(f"\nfirst run (compiles graphs): {first:.1f} s\n")
    print("| stage | median, s | spread, s |\n|---|---|---|")
    for stage in stages[0]:
        row(stage, [s[stage] for s in stages])
    row("whole process", walls)
    print(f"\npeak memory: {max(peaks):.2f} GB\n")
    networks = [json.loads(text.splitlines()[-1]) for _, _, text in peer]
    names = ("organs", "neck", "tumour", "involvement")
    ours = [sum(s[n] for n in names) for s in stages]
    theirs = [sum(s[n] for n in names) for s in networks]
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    print("| the four networks | median, s | spread, s |\n|---|---|---|")
    row("hyoid (OpenVINO)", ours)
    row("torch, float32", theirs)
    print(f"\nratio: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    print(f"peak memory of the peer: {max(p for _, p, _ in peer):.2f} GB")


def timed(command: list[str]) -> tuple[float, float, str]:
    """Wall seconds, peak resident GB and standard output of a process that must succeed."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 5):
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    scale = 1e9 if platform.system() == "Darwin" else 1e6
    return time.perf_counter() - began, usage.ru_maxrss / scale, text


def row(name: str, seconds: list[float]) -> None:
    """One row of a table."""
    print(f"| {name} | {statistics.median(seconds):.2f} | {min(seconds):.2f} to {max(seconds):.2f} |")


def say_machine() -> None:
    """What it ran on."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("hyoid", "openvino", "torch", "numpy"))
    processor = platform.processor() or platform.machine()
    print(f"{os.cpu_count()} cores, {processor}; Python {platform.python_version()}; {packages}")
    print(f"load before: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
