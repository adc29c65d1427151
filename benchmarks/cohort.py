"""Cohorts under stress, on tiny label maps: `python benchmarks/cohort.py kills|many|overhead|ray`.

`kills`: 200 cases, and 100 times a random worker or the driver is killed at a random moment; the results are compared
byte for byte with those of an undisturbed run. `many`: 10,000 cases; the driver's memory and the time per case.
`overhead`: what a case costs beyond its own work, workers already running. `ray`: the same stand-in of a counted busy
loop on 1, 2 and 4 nodes of a Ray cluster on this machine.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np

from hyoid.io.files.volumes import write_nifti
from hyoid.volume import Geometry, Quantity, Volume

HYOID = [sys.executable, "-c", "from hyoid.interfaces.cli.main import main; main()"]


def make_maps(folder: Path, n: int, shape: tuple[int, int, int]) -> Path:
    """Label maps, each with a few boxes as nodes; many of them are links to a few files."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    kinds = min(n, 50)
    for k in range(kinds):
        labels = np.zeros(shape, np.uint8)
        for _ in range(4):
            low = [int(rng.integers(0, size - 3)) for size in shape]
            labels[tuple(slice(a, a + 3) for a in low)] = rng.integers(1, 3)
        write_nifti(Volume(labels, Geometry.axial(shape, (3, 2, 2)), Quantity.LABEL), folder / f"m{k:05d}.nii.gz")
    for k in range(kinds, n):
        os.link(folder / f"m{k % kinds:05d}.nii.gz", folder / f"m{k:05d}.nii.gz")
    return folder


def start(maps: Path, out: Path, workers: int, **more: Any) -> subprocess.Popen[bytes]:
    command = [*HYOID, "cohort", "measure", str(maps), "--out", str(out), "--workers", str(workers), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


def finish(maps: Path, out: Path, workers: int) -> None:
    run = start(maps, out, workers)
    _, said = run.communicate()
    if run.returncode:
        sys.exit(f"The run ended with {run.returncode}: {said.decode()[-500:]}")


def children(pid: int) -> list[int]:
    """Worker processes of a driver: its children that were spawned, without the one that tracks shared memory."""
    found = []
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
    return found


def contents(out: Path) -> dict[str, bytes]:
    files = (p for p in sorted(out.rglob("*")) if p.is_file() and p.name != ".lock")
    return {str(p.relative_to(out)): p.read_bytes() for p in files}


def kills(place: Path, cases: int, kills: int, workers: int, seed: int, most_s: float) -> None:
    """Kill workers and drivers until all kills are spent; the same command goes on each time."""
    maps = make_maps(place / "maps", cases, (16, 32, 32))
    began = time.monotonic()
    finish(maps, place / "undisturbed", workers)
    print(f"undisturbed run: {time.monotonic() - began:.0f} s", flush=True)
    rng, out, spent = random.Random(seed), place / "killed", {"worker": 0, "driver": 0}
    done = lambda: len(list((out / "cases").glob("[!.]*"))) if (out / "cases").is_dir() else 0  # noqa: E731
    began, run, restarts = time.monotonic(), start(maps, out, workers), 0
    while sum(spent.values()) < kills and time.monotonic() - began < most_s:
        # Kills are spread over the cases; the moment within is drawn.
        wanted = (sum(spent.values()) * (cases - 2)) // kills
        while done() < wanted and run.poll() is None:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.6))
        if run.poll() is not None:
            if run.returncode:
                sys.exit(f"A driver ended by itself with {run.returncode}: {run.stderr.read().decode()[-500:]}")
            print(f"all cases were done after {sum(spent.values())} kills", flush=True)
            break
        working = children(run.pid)
        if working and rng.random() < 0.75:
            with suppress(ProcessLookupError):
                os.kill(rng.choice(working), signal.SIGKILL)
            spent["worker"] += 1
        else:
            run.send_signal(rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
            run.communicate()
            spent["driver"] += 1
            run, restarts = start(maps, out, workers), restarts + 1
        if sum(spent.values()) % 10 == 0:
            print(f"{sum(spent.values())} kills, {done()} cases done, {time.monotonic() - began:.0f} s", flush=True)
    run.communicate()
    finish(maps, out, workers)
    one, other = contents(place / "undisturbed"), contents(out)
    differing = [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
    left = [p.name for p in (out / "cases").glob(".*")]
    print(
        f"{cases} cases, kills: {spent['worker']} of workers, {spent['driver']} of drivers, {restarts} restarts, "
        f"{time.monotonic() - began:.0f} s; files compared: {len(one)}, differing: {differing[:5] or 'none'}, "
        f"left half made: {left or 'none'}",
        flush=True,
    )
    sys.exit(bool(differing or left))


def events(run: subprocess.Popen[bytes]) -> Iterator[tuple[float, dict[str, Any]]]:
    for line in run.stdout:
        if line.startswith(b"{"):
            yield time.monotonic(), json.loads(line)


def many(place: Path, cases: int, workers: int) -> None:
    """Many tiny cases: memory of the driver, overhead of a case, and a second run that finds all done."""
    maps = make_maps(place / "maps", cases, (4, 8, 8))
    for what in ("first run", "second run"):
        began, run, peak, times, seconds = time.monotonic(), start(maps, place / "out", workers), 0, [], []
        driver = {"plan": 0.0, "first": 0.0, "last": 0.0}
        for now, event in events(run):
            if event["event"] == "plan":
                driver["plan"] = processor_s(run.pid)
            if event["event"] == "case":
                driver["last" if times else "first"] = processor_s(run.pid)
                times.append(now)
                seconds.append(event["seconds"])
                if len(times) % 2000 == 0:
                    print(f"{len(times)} cases, {now - began:.0f} s, {memory_mb(run.pid)} MB", flush=True)
            if event["event"] in ("plan", "done") or len(times) % 500 == 1:
                peak = max(peak, memory_mb(run.pid))
        run.wait()
        text = f"{what}: {cases} cases, {time.monotonic() - began:.0f} s in all, driver at most {peak} MB"
        if times:
            each = (times[-1] - times[0]) / (len(times) - 1)
            text += (
                f"; {1000 * each:.1f} ms a case with {workers} worker(s), of which work {1000 * mean(seconds):.1f} ms "
                f"(median {1000 * median(seconds):.1f})"
            )
            own = (driver["last"] - driver["first"]) / (len(times) - 1)
            text += f"; the driver itself {1000 * own:.2f} ms of processor"
        text += f"; planning {1000 * driver['plan'] / cases:.2f} ms of processor a case"
        print(text, flush=True)


def processor_s(pid: int) -> float:
    """Processor seconds of a process so far."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def memory_mb(pid: int) -> int:
    """Largest memory that a process had so far."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) // 1024
    return 0


def count(turns: int) -> float:
    """The stand-in: a counted loop, no waiting; its own processor seconds."""
    began = time.process_time()
    total = 0
    for k in range(turns):
        total += k & 7
    return time.process_time() - began


def make_count(turns: int) -> Any:
    return partial(_counted, turns)


def _counted(turns: int, job: int) -> float:
    return count(turns)


def on_ray(nodes: list[int], cases: int, seconds: float) -> None:
    """The loop of the cohorts over actors of a cluster with one processor a node."""
    from ray.cluster_utils import Cluster

    from hyoid.jobs.executor import run_jobs
    from hyoid.jobs.ray_cluster import RayExecutor, cluster

    # Actors import the stand-in by the name of this file: `__main__` is another module there.
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    make_count = importlib.import_module("cohort").make_count
    turns = int(1_000_000 * seconds / count(1_000_000))
    print(f"{os.cpu_count()} cores; a case is {turns} turns of a loop, {seconds} s of one idle core", flush=True)
    for n in nodes:
        there = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        for _ in range(n):
            there.add_node(num_cpus=1)
        with cluster(there.address):
            executor: Any = RayExecutor(partial(make_count, turns), cpus=1)
            times, work = [], []
            for outcome in run_jobs(executor, range(cases)):
                times.append(time.monotonic())
                work.append(outcome.result)
            tail = times[n:]
            each = (tail[-1] - tail[0]) / (len(tail) - 1)
            print(f"{n} node(s): {each:.3f} s a case; {mean(work):.3f} processor seconds of work in it", flush=True)
            empty: Any = RayExecutor(partial(make_count, 0), cpus=1)
            times = [time.monotonic() for _ in run_jobs(empty, range(400))]
            each = (times[-1] - times[n]) / (len(times) - 1 - n)
            print(f"{n} node(s), cases without work: {1000 * each:.1f} ms a case", flush=True)
        there.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("kills", "many", "overhead", "ray"))
    parser.add_argument("--cases", type=int, help="200 for kills, 10,000 for many, 300 for overhead, 40 for ray")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--most-s", type=float, default=7200, help="no kill after so many seconds")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--nodes", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--seconds", type=float, default=0.5, help="cost of the stand-in on Ray")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"load of the machine at the beginning: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    with tempfile.TemporaryDirectory(prefix="cohort-") as folder:
        if options.what == "kills":
            kills(Path(folder), options.cases or 200, options.kills, options.workers, options.seed, options.most_s)
        elif options.what == "ray":
            on_ray(options.nodes, options.cases or 40, options.seconds)
        else:
            many(Path(folder), options.cases or {"many": 10_000, "overhead": 300}[options.what], options.workers)


if __name__ == "__main__":
    main()
