"""Virtual PET/CT patients whose scanners are those of chosen centres: train on some, measure on others.

python scripts/make_petct_cohort.py OUT --seed 71 --n 300 --centres abcd --workers 2
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from hyoid.phantom.cohort.make import write_patient
from hyoid.phantom.patient import PhantomOptions, virtual_patient


def make(k: int, out: Path, seed: int, centres: str) -> None:
    """Draw patient k from the generator (seed, k) at the k-th centre in turn, unless the patient is already there."""
    folder = out / f"phantom_{seed}_{k:04d}"
    if not folder.is_dir():
        centre = centres[k % len(centres)]
        options = PhantomOptions(modalities=("ct", "pet"), nodes=None, real_sizes=True, centre=centre)
        patient = virtual_patient(np.random.default_rng([seed, k]), spacing_mm=(3.0, 3.0, 3.0), options=options)
        write_patient(patient, folder)


def main() -> None:
    """Draw the patients of a cohort; those already there are kept, so a stopped call goes on where it was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--n", type=int, required=True)
    parser.add_argument("--centres", required=True, help="letters a to f")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw at once")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    draw = partial(make, out=arguments.out, seed=arguments.seed, centres=arguments.centres)
    with ProcessPoolExecutor(arguments.workers) as pool:
        list(pool.map(draw, range(arguments.n)))


if __name__ == "__main__":
    main()
