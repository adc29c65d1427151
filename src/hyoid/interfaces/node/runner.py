"""One job: hyoid in a process of its own, so that a crash or a memory kill ends the job and not the node."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hyoid.errors import InputRefusedError, ModelUnusableError, UsageError
from hyoid.interfaces.node.config import Rule
from hyoid.io.atomic import DISK_FULL
from hyoid.io.run_record import EMPTY_OR_FAILED, RUN_FILE

_THIS_HYOID = (sys.executable, "-c", "from hyoid.interfaces.cli.main import main; main()")
_LOOK_EVERY_S, _END_AFTER_S = 0.2, 10.0
# A run whose node is killed ends too (PR_SET_PDEATHSIG is 1), or two runs of one job would share the machine.
_ENDS_WITH_THE_NODE = (
    sys.executable, "-I", "-c",
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); "
    "os.getppid() == int(sys.argv[1]) or os._exit(1); os.execvp(sys.argv[2], sys.argv[2:])",
)  # fmt: skip
# Refusals whose words were written for people and name nobody; what else a process says may quote a header.
_REFUSALS = {kind.exit_code: kind.exit_words for kind in (UsageError, InputRefusedError, ModelUnusableError)}

Verdict = Literal["done", "person", "again", "wait", "stopped"]


@dataclass(frozen=True)
class Inputs:
    """Folders that a job reads.

    Parameters
    ----------
    study : Path
        Folder of the study's series.
    prior, prior_outlines : Path or None
        For `midrt`: folder of the earlier study, and its RTSTRUCT or SEG.
    """

    study: Path
    prior: Path | None = None
    prior_outlines: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Parameters
    ----------
    verdict : {"done", "person", "again", "wait", "stopped"}
        "person": trying again would change nothing. "again": it may succeed. "wait": something else has
        to come first, such as free disk space.
        "stopped": the node ended the run.
    reason : str
        Why, in words without identifiers.
    """

    verdict: Verdict
    reason: str = ""


def command_line(rule: Rule, inputs: Inputs, out: Path, program: Sequence[str] = ()) -> list[str]:
    """Write the command of a job.

    Parameters
    ----------
    rule : Rule
        Rule that chose the job, with its options.
    inputs : Inputs
        Folders to read.
    out : Path
        Folder of results that the command makes.
    program : sequence of str
        Program to run instead of this hyoid.
    """
    given: list[str] = [str(inputs.study)]
    if rule.job == "predict":
        given = [rule.model, *given, "--dicom"]
    elif rule.job == "midrt":
        given = [str(inputs.prior), *given, "--pre-masks", str(inputs.prior_outlines)]
    return [*(program or _THIS_HYOID), rule.job, *given, "--out", str(out), "--json", *rule.options]


def run_command(
    command: Sequence[str],
    out: Path,
    *,
    timeout_s: float,
    goes_on: Callable[[], bool],
    send_empty: bool = False,
) -> Outcome:
    """Run a command to its end, and say what its end means.

    Parameters
    ----------
    command : sequence of str
        From `command_line`.
    out : Path
        Its folder of results; what it prints lies beside it.
    timeout_s : float
        Time after which it is ended, s.
    goes_on : callable
        Asked every moment; False ends the run.
    send_empty : bool
        Whether results in which nothing was outlined are results.
    """
    with (out.parent / "stdout").open("wb") as words, (out.parent / "stderr").open("wb") as troubles:
        bound = (*_ENDS_WITH_THE_NODE, str(os.getpid())) if sys.platform == "linux" else ()
        process = subprocess.Popen(
            [*bound, *command], stdin=subprocess.DEVNULL, stdout=words, stderr=troubles, start_new_session=True
        )
        try:
            verdict = _watch(process, timeout_s, goes_on)
        finally:
            _end(process)
    if verdict is not None:
        return verdict
    return judge(process.returncode, (out.parent / "stderr").read_text(errors="replace"), out, send_empty=send_empty)


def _watch(process: subprocess.Popen[bytes], timeout_s: float, goes_on: Callable[[], bool]) -> Outcome | None:
    """Wait for the end of a run; an outcome where it must be ended."""
    deadline = time.monotonic() + timeout_s
    while process.poll() is None:
        if time.monotonic() > deadline:
            return Outcome("again", f"It took longer than {timeout_s:g} s.")
        if not goes_on():
            return Outcome("stopped")
        with suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK_EVERY_S)
    return None


def judge(code: int, troubles: str, out: Path, *, send_empty: bool = False) -> Outcome:
    """Say what the end of a command means.

    Parameters
    ----------
    code : int
        Exit code; negative for a signal.
    troubles : str
        What it wrote to standard error.
    out : Path
        Its folder of results.
    send_empty : bool
        Whether results in which nothing was outlined are results.
    """
    if code not in (0, EMPTY_OR_FAILED):
        return _failure(code, troubles)
    records = _records(out)
    if not records:
        return Outcome("again", f"The run left no {RUN_FILE}.")
    if any(record.get("failed") for record in records):
        return Outcome("person", "The result failed its own check.")
    if any(record.get("empty") for record in records) and not send_empty:
        return Outcome("person", "Nothing was outlined.")
    return Outcome("done")


def _failure(code: int, troubles: str) -> Outcome:
    """How a run ended that has no result."""
    if code < 0 or code > 128:
        number = abs(code) % 128
        name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
        memory = " Was there too little memory?" if name == "SIGKILL" else ""
        return Outcome("again", f"The run was killed ({name}).{memory}")
    if DISK_FULL in " ".join(troubles.split()):
        return Outcome("wait", DISK_FULL)
    if code in _REFUSALS:
        return Outcome("person", refusal_words(troubles, _REFUSALS[code]) or f"Refused (exit code {code}).")
    return Outcome("again", f"The run crashed (exit code {code}){crash_words(troubles)}.")


def crash_words(troubles: str) -> str:
    """Find kind and place of an error in a traceback; never its message, which may quote a header.

    Examples
    --------
    >>> crash_words('Traceback:\\n  File "/opt/hyoid/seg.py", line 7, in write\\n    x\\nKeyError: \\'Smith\\'')
    ': KeyError at seg.py:7'
    >>> crash_words("")
    ''
    """
    places = re.findall(r'^ +File "(?:[^"]*/)?([^"/]+)", line (\d+)', troubles, re.M)
    kinds = re.findall(r"^([A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt))\b", troubles, re.M)
    return f": {kinds[-1]} at {places[-1][0]}:{places[-1][1]}" if places and kinds else ""


def refusal_words(troubles: str, words: str) -> str:
    """Find the refusal among what a command wrote, on one line.

    Examples
    --------
    >>> refusal_words("... Input refused: A slice is\\nmissing. What to do: Send it.", "Input refused:")
    'A slice is missing. Send it.'
    """
    _, _, after = " ".join(troubles.split()).partition(words)
    return after.replace("What to do: ", "").strip()[:500]


def dicom_files(results: Path) -> list[Path]:
    """List the DICOM objects that a run left, in the order of names."""
    return sorted(results.rglob("*.dcm"))


def _records(out: Path) -> list[dict[str, object]]:
    found = []
    for path in out.rglob(RUN_FILE):
        try:
            found.append(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return []
    return found


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a run that has not ended, with all its children: first kindly."""
    if process.poll() is not None:
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_END_AFTER_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def link_inputs(files: Sequence[Path], folder: Path) -> None:
    """Lay out the input of a job as links: objects that come later change nothing in it.

    Raises
    ------
    FileNotFoundError
        When a file is gone.
    """
    folder.mkdir(parents=True)
    for number, path in enumerate(files):
        try:
            os.link(path, folder / f"{number:06d}.dcm")
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                raise
            shutil.copyfile(path, folder / f"{number:06d}.dcm")  # file systems without links
