"""How long and how large a cohort may become: from its own finished cases, else a rough guess."""

from __future__ import annotations

from statistics import median

from hyoid.errors import UnreadableFileError
from hyoid.interfaces.cohorts.driver import Plan
from hyoid.io.run_record import read_run

# Seconds of one worker and megabytes of results for one case before any case is done: guesses, not measured.
_GUESSES = {
    "report": (30.0, 6.0),
    "petct": (60.0, 8.0),
    "midrt": (60.0, 30.0),
    "lesion": (15.0, 6.0),
    "predict": (90.0, 1.0),
    "measure": (0.1, 0.01),
    "structure": (0.2, 0.1),
    "evaluate": (5.0, 0.2),
    "train": (36_000.0, 100.0),
}
_MOST_LOOKED_AT = 20


def expected(job: str, plan: Plan) -> tuple[float, float, str]:
    """Estimate what one case costs.

    Parameters
    ----------
    job : str
        Name of the command.
    plan : Plan
        What is done already.

    Returns
    -------
    float
        Seconds of one worker.
    float
        Megabytes of results.
    str
        What the estimate rests on.
    """
    seconds, megabytes = [], []
    for case in plan.done[:_MOST_LOOKED_AT]:
        megabytes.append(sum(f.stat().st_size for f in case.folder.rglob("*") if f.is_file()) / 1e6)
        try:
            seconds.append(sum(read_run(case.folder).seconds.values()))
        except UnreadableFileError:
            continue
    if not megabytes:
        return *_GUESSES[job], "a rough guess; after the first cases it rests on these"
    timed = median(seconds) if seconds else _GUESSES[job][0]
    return timed, median(megabytes), f"estimated from {len(megabytes)} finished case(s)"
