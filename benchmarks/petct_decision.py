"""Arg-max or threshold of the averaged maps, with and without the coarse labels outside the fine cube.

Run from the project folder::

    hyoid phantom --n 4 --seed 72 --modality ct,pet --layout hecktor2025 --out work/decision
    python benchmarks/petct_decision.py work/decision

The default networks on virtual PET/CT: the fine networks run once for each patient, and their averaged maps are decided
in every way. Dice over all patients' voxels (aggregated), by class.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any
from unittest import mock

from hyoid.interfaces.installed import petct_models
from hyoid.interfaces.places import cache_folder
from hyoid.io.files.volumes import read_labels
from hyoid.io.petct import PetRequest, read_petct
from hyoid.systems.machine import Machine
from hyoid.systems.petct import pipeline
from hyoid.systems.petct.cases import find_petct_cases
from hyoid.systems.petct.decision import RULES

CLASSES = {"GTVp": 1, "GTVn": 2}


def main() -> None:
    """Print a row for every way to decide."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    models, machine = petct_models(), Machine("cpu", cache_folder())
    shared: Counter[tuple] = Counter()
    both: Counter[tuple] = Counter()
    files = find_petct_cases(asked.folder)
    for case in files:
        study = read_petct(case.ct, PetRequest(file=case.pet, units="suv"))
        assert study.pet is not None and case.targets is not None
        located = pipeline.locate_targets(study.ct.volume, study.pet.volume, models, machine)
        truth = read_labels(case.targets).array
        # The same arguments every time: the networks run once.
        kept: dict[str, Any] = {}
        run = pipeline._ensemble

        def ensemble(*arguments: Any, run: Any = run, kept: dict[str, Any] = kept) -> Any:
            if "maps" not in kept:
                kept["maps"] = run(*arguments)
            return kept["maps"]

        for rule, outside in product(RULES, (True, False)):
            with mock.patch.object(pipeline, "_ensemble", ensemble):
                found = pipeline.outline_targets(
                    located, models, machine, decision=replace(models.decision, rule=rule, coarse_outside=outside)
                )
            for name, label in CLASSES.items():
                ours, true = found.labels.array == label, truth == label
                shared[rule, outside, name] += 2 * int((ours & true).sum())
                both[rule, outside, name] += int(ours.sum() + true.sum())
    print(f"| {len(files)} patients | {' | '.join(f'{name} DSCagg' for name in CLASSES)} |\n|---|---|---|")
    for rule, outside in product(RULES, (True, False)):
        cells = [f"{shared[rule, outside, n] / max(both[rule, outside, n], 1):.3f}" for n in CLASSES]
        print(f"| {rule}, coarse labels outside {'kept' if outside else 'left out'} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
