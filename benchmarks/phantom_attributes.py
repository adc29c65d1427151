"""How often each attribute of a virtual lesion is measured back as it was drawn.

Run from the project folder::

    python benchmarks/phantom_attributes.py --n 8 --spacing 1.5,1,1

Makes n patients with three lesions for each of the 15 types and prints agreement per attribute and type, and per
attribute agreement with its 95 % interval over patients, and Cohen's kappa.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from dataclasses import asdict

import numpy as np

from hyoid.anatomy.lesion_attributes import ATTRIBUTES
from hyoid.errors import UsageError
from hyoid.metrics.comparison import Ratio, bootstrap_interval
from hyoid.phantom.disease.lesion_types import LESION_TYPES
from hyoid.phantom.patient import PhantomOptions, virtual_patient


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--spacing", default="1.5,1,1")
    arguments = parser.parse_args()
    d, h, w = (float(v) for v in arguments.spacing.split(","))
    pairs: dict[str, Counter[tuple[str, str]]] = {name: Counter() for name in ATTRIBUTES}
    by_type: dict[str, list[list[bool]]] = defaultdict(list)
    refused = 0
    agreed_in: dict[str, list[tuple[int, int]]] = {name: [] for name in ATTRIBUTES}
    for row, kind in enumerate(LESION_TYPES):
        for k in range(arguments.n):
            rng = np.random.default_rng([arguments.seed, row, k])
            options = PhantomOptions(lesion_kinds=(kind,) * 3)
            try:
                patient = virtual_patient(rng, spacing_mm=(d, h, w), options=options)
            except UsageError:
                refused += 1
                continue
            found = [(asdict(lesion.attributes), asdict(lesion.measured)) for lesion in patient.truth.lesions]
            for name in ATTRIBUTES:
                agreed_in[name].append((sum(a[name] == b[name] for a, b in found), len(found)))
            for drawn, measured in found:
                by_type[kind].append([drawn[name] == measured[name] for name in ATTRIBUTES])
                for name in ATTRIBUTES:
                    pairs[name][drawn[name], measured[name]] += 1
    total = sum(len(v) for v in by_type.values())
    print(f"{total} lesions at {arguments.spacing} mm; {refused} of {arguments.n * len(LESION_TYPES)} patients refused")
    for kind, rows in by_type.items():
        shares = " ".join(f"{name} {share:.2f}" for name, share in zip(ATTRIBUTES, np.mean(rows, axis=0), strict=True))
        print(f"{kind:20s} n={len(rows):3d} {shares}")
    for name, counts in pairs.items():
        n = sum(counts.values())
        agreed = sum(c for (a, b), c in counts.items() if a == b) / n
        chance = (
            sum(
                sum(c for (a, _), c in counts.items() if a == word)
                * sum(c for (_, b), c in counts.items() if b == word)
                for word in ATTRIBUTES[name]
            )
            / n**2
        )
        kappa = (agreed - chance) / (1 - chance) if chance < 1 else float("nan")
        ratio = Ratio(*np.array(agreed_in[name], float).T)
        limits = bootstrap_interval([ratio], np.random.default_rng(arguments.seed))
        assert limits is not None
        interval = f"({limits.low:.3f} to {limits.high:.3f})"
        print(f"{name:14s} agreement {agreed:.3f} {interval} kappa {kappa:.2f}", dict(counts))


if __name__ == "__main__":
    main()
