"""How work tells how far it is: one kind of callback for counted steps, one for named stages."""

from __future__ import annotations

from collections.abc import Callable

Steps = Callable[[int, int], None]
"""Called with (done, total)."""
Stages = Callable[[str, int, int], None]
"""Called with (stage, done, total); a stage ends when done equals total."""


def ignore_steps(done: int, total: int) -> None:
    """Tell nobody how many steps are done.

    Parameters
    ----------
    done, total : int
        Steps that are done, and all steps.
    """


def ignore_stages(stage: str, done: int, total: int) -> None:
    """Tell nobody which stage runs, and how far it is.

    Parameters
    ----------
    stage : str
        Name of the stage.
    done, total : int
        Steps of the stage that are done, and all its steps.
    """
