"""Virtual PET/CT patients whose scanners are those of chosen centres: train on some, measure on others.

python scripts/make_petct_cohort.py OUT --seed 71 --n 18 --centres abcd
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from hyoid.phantom.cohort.make import write_patient
from hyoid.phantom.patient import PhantomOptions, virtual_patient


def main() -> None:
    """Patient k comes from the generator (seed, k) and the k-th centre in turn; those already there are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--n", type=int, required=True)
    parser.add_argument("--centres", required=True, help="letters a to f")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for k in range(arguments.n):
        folder = arguments.out / f"phantom_{arguments.seed}_{k:04d}"
        if not folder.is_dir():
            centre = arguments.centres[k % len(arguments.centres)]
            options = PhantomOptions(modalities=("ct", "pet"), nodes=None, real_sizes=True, centre=centre)
            rng = np.random.default_rng([arguments.seed, k])
            write_patient(virtual_patient(rng, spacing_mm=(3.0, 3.0, 3.0), options=options), folder)


if __name__ == "__main__":
    main()
