"""`hyoid train midrt`: from HNTS-MRG folders to the package of a mid-treatment network. Needs the extra `train`."""

from __future__ import annotations

from pathlib import Path

from hyoid.interfaces.console import Teller
from hyoid.interfaces.places import device_named
from hyoid.io.hntsmrg import find_hntsmrg_cases
from hyoid.training.recipe import MidrtRecipe


def train_midrt_package(
    recipe: MidrtRecipe,
    data: list[Path],
    out: Path,
    *,
    fold: int | None,
    device: str,
    threads: int,
    teller: Teller,
    dry_run: bool,
) -> None:
    """Train one network, or say what a run would do."""
    import torch

    from hyoid.training.midrt_training import train_midrt

    optimiser = recipe.optimiser
    if dry_run:
        counts = {folder.name: len(find_hntsmrg_cases(folder)) for folder in data}
        teller.event(
            "plan", recipe=recipe.name, cases=counts, steps=optimiser.steps, batch=optimiser.batch, out=str(out)
        )
        told = ", ".join(f"{n} patients in {name}" for name, n in counts.items())
        left_out = "" if fold is None else f", fold {fold} left out"
        teller.say(
            f"{recipe.name}: {optimiser.steps} steps of batch {optimiser.batch} on {told}{left_out} -> {out}/package."
        )
        return
    if threads:
        torch.set_num_threads(threads)
    with teller.bars():
        package = train_midrt(
            recipe,
            data,
            out,
            fold=fold,
            device="gpu" if device_named(device) == "cuda" else "cpu",
            on_progress=teller.progress,
        )
    teller.event("done", package=str(package))
    teller.say(f"Package: {package}")
