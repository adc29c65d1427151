"""Networks that stay loaded, in a process that works on case after case; a single run lets go of each after its stage.

This is the one value that is not handed from function to function: every pipeline would have to pass it on, and none
uses it. A `ContextVar` holds it for the time of a block, in this thread alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, eq=False)
class KeptNetworks:
    """Networks that stay loaded, for a process that works on case after case.

    Parameters
    ----------
    threads : int
        Threads of each network on a CPU, where its caller does not say; 0 uses every core.
    loaded : dict
        What is loaded, by graph, device, precision and threads.
    """

    threads: int = 0
    loaded: dict[tuple[object, ...], Any] = field(default_factory=dict)


_KEPT: ContextVar[KeptNetworks | None] = ContextVar("kept_networks", default=None)


@contextmanager
def keep_networks(kept: KeptNetworks) -> Iterator[None]:
    """Let `load_runtime` keep what it loads, and find what was loaded before, while the block runs.

    Parameters
    ----------
    kept : KeptNetworks
        Where loaded networks stay.
    """
    token = _KEPT.set(kept)
    try:
        yield
    finally:
        _KEPT.reset(token)


def kept_networks() -> KeptNetworks | None:
    """Tell where networks are kept; None outside a block of `keep_networks`."""
    return _KEPT.get()
