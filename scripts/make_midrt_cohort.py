"""Virtual patients before and during treatment in the layout of HNTS-MRG 2024, as the default model saw them.

    python scripts/make_midrt_cohort.py OUT --n 36 --seed 61

A patient that is there already is not made again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from hyoid.errors import HyoidError
from hyoid.io.atomic import output_folder
from hyoid.io.files.volumes import write_nifti
from hyoid.phantom.patient import PhantomOptions, virtual_patient

PAINTED_MM, MR_MM = (3.0, 2.0, 2.0), (3.0, 1.5, 1.5)


def main() -> None:
    """Write the cohort."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--n", type=int, default=36)
    parser.add_argument("--seed", type=int, default=61)
    arguments = parser.parse_args()
    options = PhantomOptions(modalities=("ct", "mr"), nodes=(0, 4), real_sizes=True, mr_spacing_mm=MR_MM)
    for number in range(arguments.n):
        name = f"virtual{arguments.seed}-{number:03d}"
        if (arguments.out / name).is_dir():
            continue
        try:
            pair = virtual_patient(
                np.random.default_rng([arguments.seed, number]), spacing_mm=PAINTED_MM, options=options
            ).mr
        except HyoidError as error:
            print(f"{name}: left out, {error}")
            continue
        assert pair is not None
        files = {
            "preRT/{}_preRT_T2": pair.pre,
            "preRT/{}_preRT_mask": pair.pre_lesions,
            "midRT/{}_midRT_T2": pair.mid,
            "midRT/{}_midRT_mask": pair.mid_lesions,
            "midRT/{}_preRT_T2_registered": pair.pre_registered,
            "midRT/{}_preRT_mask_registered": pair.pre_lesions_registered,
        }
        with output_folder(arguments.out / name) as folder:
            for path, volume in files.items():
                target = folder / f"{path.format(name)}.nii.gz"
                target.parent.mkdir(exist_ok=True)
                write_nifti(volume, target)
        changes = ", ".join(f"{c.target} {c.before_ml:.2f} -> {c.after_ml:.2f}" for c in pair.changes)
        print(f"{name}: {changes}", flush=True)


if __name__ == "__main__":
    main()
