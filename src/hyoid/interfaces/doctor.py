"""What this machine can do and what is missing: one check per line, each with its cure."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

import hyoid
from hyoid.errors import ModelUnusableError
from hyoid.inference.memory import available_bytes, usable_cores
from hyoid.inference.runtime import computes_bf16
from hyoid.interfaces.installed import packages
from hyoid.interfaces.places import cache_folder, weights_folder, work_folder
from hyoid.io.packages.model_package import read_package
from hyoid.io.packages.public_weights import PROVENANCE

State = Literal["good", "note", "bad"]
NEEDED_GIB, ROOM_GIB = 3.0, 2.0
"""Memory of the largest default system, and disk space for compiled graphs and results, GiB."""
_GIB = 1024.0**3
_PYTHONS = ((3, 11), (3, 14))
_FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")
_FOR_DEVELOPERS = frozenset({"dev", "docs", "nnunet", "peer", "test"})
_FOR = {
    "train": "hyoid train and ablate",
    "serve": "hyoid serve",
    "cohort": "hyoid cohort",
    "ray": "cohorts on a Ray cluster",
    "interchange": "hyoid.to_torchio",
    "node": "hyoid node",
    "fhir": "FHIR results",
    "pdf": "PDF results",
    "quantize": "int8 networks",
}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Parameters
    ----------
    name : str
        What was looked at.
    state : {"good", "note", "bad"}
        "bad": hyoid does not run well without a cure; "note": something optional is not there.
    value : str
        What was found.
    cure : str
        What to do; empty where nothing is to be done.
    """

    name: str
    state: State
    value: str
    cure: str = ""


def examine() -> tuple[Check, ...]:
    """Look at Python, processor, memory, GPU, folders, networks and extras of this machine.

    Returns
    -------
    tuple of Check
        In the order in which they are shown.
    """
    folders = {"cache": cache_folder(), "pulled weights": weights_folder(), "workspace": work_folder()}
    folders["temporary files"] = Path(tempfile.gettempdir())
    return (
        python_check(sys.version_info[:2]),
        *machine_checks(),
        gpu_check(),
        *(folder_check(name, folder) for name, folder in folders.items()),
        *model_checks(packages()),
        pulled_check(weights_folder()),
        *extra_checks(requires("hyoid") or ()),
    )


def python_check(found: tuple[int, int]) -> Check:
    """Tell versions, and whether hyoid is tried on this Python.

    Parameters
    ----------
    found : (major, minor)
        Version of Python.
    """
    words = f"hyoid {hyoid.__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    low, high = _PYTHONS
    if low <= found <= high:
        return Check("versions", "good", words)
    tried = f"Python {low[0]}.{low[1]} to {high[0]}.{high[1]}"
    state: State = "bad" if found < low else "note"
    return Check("versions", state, words, f"hyoid is made for {tried}: make an environment with one of these.")


def machine_checks() -> Iterator[Check]:
    """Look at processor and memory."""
    yield processor_check(usable_cores(), cpu_flags(), bf16=computes_bf16())
    yield memory_check(available_bytes())


def cpu_flags() -> frozenset[str] | None:
    """Read which instructions the processor has; None where the system does not say."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", text, re.M)
    return None if found is None else frozenset(found.group(1).split())


def processor_check(cores: int, flags: frozenset[str] | None, *, bf16: bool) -> Check:
    """Tell cores and instructions, and whether bfloat16 is computed in the processor.

    Parameters
    ----------
    cores : int
        Cores that this process may use.
    flags : frozenset of str or None
        Instructions of the processor; None: not known.
    bf16 : bool
        Whether OpenVINO computes in bfloat16 on this processor.
    """
    words = f"{cores} core(s); bfloat16: {'yes' if bf16 else 'no'}"
    if flags is None:
        return Check("processor", "good", f"{words}; instructions not told by this system")
    words += f"; {', '.join(name for name in _FEATURES if name in flags) or 'no vector instructions'}"
    if {"avx2", "asimd"} & flags:
        return Check("processor", "good", words)
    return Check("processor", "note", words, "Networks will be slow here: take a processor with AVX2.")


def memory_check(available: int | None) -> Check:
    """Tell the memory that a run may take.

    Parameters
    ----------
    available : int or None
        Bytes; None: not known.
    """
    if available is None:
        return Check("memory", "good", "not told by this system")
    words = f"{available / _GIB:.1f} GiB free"
    if available >= NEEDED_GIB * _GIB:
        return Check("memory", "good", words)
    return Check("memory", "bad", words, f"Close other programs: a run takes up to {NEEDED_GIB:.0f} GiB.")


def gpu_check() -> Check:
    """Look for an NVIDIA GPU and for a torch that can use one."""
    if shutil.which("nvidia-smi") is None:
        return Check("GPU", "good", "none found; networks run on the processor")
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return Check("GPU", "note", "the NVIDIA driver does not answer", "Run nvidia-smi and mend what it says.")
    words = "; ".join(line.strip() for line in said.splitlines() if line.strip())
    if "+cpu" in version("torch"):
        return Check("GPU", "note", f"{words}; torch is a build for processors", "Install torch with CUDA to use it.")
    return Check("GPU", "good", words)


def folder_check(name: str, folder: Path) -> Check:
    """Tell whether a folder can be written, and how much room is there.

    Parameters
    ----------
    name : str
        What the folder is for.
    folder : Path
        Folder, which need not exist.
    """
    there = next((p for p in (folder, *folder.parents) if p.exists()), None)
    cure = "Name another folder: HYOID_CACHE, HYOID_WEIGHTS or HYOID_WORK, and TMPDIR for temporary files."
    if there is None or not there.is_dir():
        return Check(name, "bad", f"{folder}: cannot be made", cure)
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
        free = shutil.disk_usage(there).free / _GIB
    except OSError as error:
        return Check(name, "bad", f"{folder}: not writable ({error.strerror})", cure)
    words = f"{folder}: writable, {free:.0f} GiB free"
    if free < ROOM_GIB:
        return Check(name, "bad", words, f"Free some space: {ROOM_GIB:.0f} GiB are wanted.")
    return Check(name, "good", words)


def model_checks(found: dict[str, Path]) -> Iterator[Check]:
    """Verify the weights of every package that came with hyoid.

    Parameters
    ----------
    found : dict of str to Path
        Folders of the packages, by name.
    """
    if not found:
        yield Check("networks", "bad", "none found", "Install hyoid again: its wheel holds them.")
        return
    whole = []
    for name, folder in found.items():
        try:
            read_package(folder)
        except ModelUnusableError as error:
            yield Check(f"network {name}", "bad", error.problem, error.cure or "Install hyoid again.")
        else:
            whole.append(name)
    yield Check("networks", "good" if whole else "bad", f"{', '.join(whole) or 'none'}: weights verified")


def pulled_check(folder: Path) -> Check:
    """Count the public weights that were pulled.

    Parameters
    ----------
    folder : Path
        Folder of pulled weights, which need not exist.
    """
    names = sorted(p.parent.name for p in folder.glob(f"*/{PROVENANCE}")) if folder.is_dir() else []
    if names:
        return Check("public weights", "good", ", ".join(names))
    return Check("public weights", "note", "none pulled", "`hyoid models list` shows what can be pulled.")


def extra_checks(requirements: Sequence[str]) -> Iterator[Check]:
    """Tell of every extra whether its packages are installed.

    Parameters
    ----------
    requirements : sequence of str
        Requirements in hyoid's own metadata, such as "fastapi<1; extra == 'serve'".
    """
    needs: dict[str, list[str]] = {}
    for requirement in requirements:
        named = re.search(r"""extra\s*==\s*['"]([\w-]+)['"]""", requirement)
        package = re.match(r"[\w.-]+", requirement)
        if named and package and package.group() != "hyoid" and named.group(1) not in _FOR_DEVELOPERS:
            needs.setdefault(named.group(1), []).append(package.group())
    for extra, wanted in sorted(needs.items()):
        lacking = [name for name in wanted if not _installed(name)]
        what = _FOR.get(extra, f"extra {extra}")
        if lacking:
            words = f"{what}: {', '.join(lacking)} not installed"
            yield Check(f"extra {extra}", "note", words, f"Run: pip install 'hyoid[{extra}]'")
        else:
            yield Check(f"extra {extra}", "good", what)


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
