"""What a worker does with a case: the single command, in a process that keeps its networks, into the case's folder."""

from __future__ import annotations

import errno
import io
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import typer

import hyoid
from hyoid.errors import HyoidError, InputRefusedError, OutputError
from hyoid.inference.kept import KeptNetworks, keep_networks
from hyoid.interfaces.cohorts.jobs import JOBS, CaseJob, command_of, urls_among
from hyoid.interfaces.cohorts.remote import fetched
from hyoid.jobs.ledger import CASE_FILE, CaseRecord, case_folder

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
_FINISHED = (0, 5)  # 5: a result is empty or failed its own check, and says so


@dataclass(frozen=True)
class Answer:
    """What became of a case.

    Parameters
    ----------
    state : {"done", "refused", "stop"}
        "stop": the disk of the results cannot be written, and no further case can be.
    problem, cure : str
        Why it was refused, and what to do about it; empty when done.
    kind : str
        Kind of refusal in words.
    seconds : float
        Time that the case took.
    """

    state: Literal["done", "refused", "stop"]
    problem: str = ""
    cure: str = ""
    kind: str = ""
    seconds: float = 0.0


class CaseWork:
    """Work of a worker's process on one case after another.

    Parameters
    ----------
    threads : int
        Threads of each network on a CPU; 0 uses every core.
    """

    def __init__(self, threads: int = 0) -> None:
        self._networks = KeptNetworks(threads)

    def __call__(self, job: CaseJob) -> Answer:
        """Run the command of a case, and put its results in place."""
        began = time.perf_counter()
        try:
            with keep_networks(self._networks):
                _run(job)
        except HyoidError as error:
            full = isinstance(error, OutputError) and getattr(error.__cause__, "errno", None) in _DISK
            words = type(error).exit_words.rstrip(":")
            answer = Answer("stop" if full else "refused", error.problem, error.cure, words)
        except Exception as error:
            # The message of an unforeseen error may quote a file; its kind and place do not.
            answer = Answer("refused", f"{type(error).__name__} in {_place(error)}.", "Report this fault.", "Failed")
        else:
            answer = Answer("done")
        return replace(answer, seconds=round(time.perf_counter() - began, 3))


def _run(job: CaseJob) -> None:
    kind = JOBS[job.job]
    with case_folder(job.folder, resumes=kind.resumes) as folder:
        with tempfile.TemporaryDirectory(prefix="hyoid-") as temporary:
            words = fetched(job.words, urls_among(job.job, job.words), Path(temporary))
            code = run_command(job.job, [*words, "--out", str(folder / kind.out if kind.out else folder)])
        if kind.nested:
            _unpack(folder)
        record = CaseRecord(case=job.case, order=job.order, hyoid=hyoid.__version__, exit_code=code)
        (folder / CASE_FILE).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")


def run_command(name: str, words: Sequence[str]) -> int:
    """Run a command of `hyoid` in this process, silently.

    Parameters
    ----------
    name : str
        Name of the command.
    words : sequence of str
        Arguments and options.

    Returns
    -------
    int
        0, or 5 where a result is empty or failed its own check.

    Raises
    ------
    HyoidError
        When the command refuses, or ends with another code.
    """
    command = command_of(name)
    as_json = ["--json"] if any("--json" in parameter.opts for parameter in command.params) else []
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said), command.make_context(name, [*words, *as_json]) as context:
        try:
            command.invoke(context)
            code = 0
        except typer.Exit as end:
            code = end.exit_code
    if code not in _FINISHED:
        raise HyoidError(f"The command ended with code {code}.", "Run it alone on this case.")
    return code


def _unpack(folder: Path) -> None:
    """Results of the only folder in a folder, moved up."""
    inner, *others = [p for p in folder.iterdir() if p.is_dir()]
    if others:
        raise InputRefusedError(
            f"The path of one case holds {len(others) + 1} cases.",
            "Give the cohort the folder, or a row for each case.",
        )
    for file in inner.iterdir():
        file.rename(folder / file.name)
    inner.rmdir()


def _place(error: BaseException) -> str:
    """File and line where an unforeseen error came from."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}, line {last.lineno}"
