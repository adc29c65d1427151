"""Boxes of every preset on real shapes: how much mid-treatment tumour lies outside them.

    python benchmarks/midrt_margins.py [../shared/data/hntsmrg_pairs] [--draws 8]

`prediction/` holds the registered pre-treatment masks and `reference/` the mid-treatment masks of 15 patients (masks
only). Prints the table of docs/midrt.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from hyoid.geometry.boxes import bounding_box
from hyoid.geometry.orientation import to_canonical
from hyoid.io.files.volumes import read_labels
from hyoid.preprocess.gradient_map import PRESETS, GradientPreset, share_outside, tumour_boxes

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "hntsmrg_pairs"
FIXED = tuple(
    GradientPreset(f"{mm} mm", "mm", (mm, mm), (mm, mm), 1.0, "box", 0.01, 1.0, 0.0, True, "maximum")  # type: ignore[arg-type]
    for mm in (0, 3, 5, 10, 15)
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", default=DATA)
    parser.add_argument("--draws", type=int, default=8)
    arguments = parser.parse_args()
    presets = (*PRESETS.values(), *FIXED)
    rows: dict[str, list[dict[str, float]]] = {preset.name: [] for preset in presets}
    for path in sorted((arguments.data / "reference").glob("*.nii.gz")):
        now = to_canonical(read_labels(path))
        before = to_canonical(read_labels(arguments.data / "prediction" / path.name))
        # Everything happens near tumour: cut before drawing.
        around = bounding_box((now.array > 0) | (before.array > 0))
        if around is None:
            continue
        part = around.grown(tuple(int(np.ceil(25 / s)) for s in now.geometry.spacing_mm), now.array.shape)  # type: ignore[arg-type]
        new, old = now.array[part.slices], before.array[part.slices]
        for preset in presets:
            rng = np.random.default_rng(0)
            drawn = 1 if preset in FIXED else arguments.draws
            for _ in range(drawn):
                boxes = tumour_boxes(old, now.geometry.spacing_mm, preset, rng)
                shares = share_outside(new, boxes)
                covered = np.zeros(new.shape, bool)
                for found in boxes:
                    covered[found.box.slices] = True
                volume_ml = covered.sum() * now.geometry.voxel_ml
                tumour_ml = (old > 0).sum() * now.geometry.voxel_ml
                rows[preset.name].append(
                    {"boxes_per_tumour": volume_ml / tumour_ml}
                    | {f"{label}": share for label, share in shares.items()}
                    | {
                        f"ml{label}": share * (new == label).sum() * now.geometry.voxel_ml
                        for label, share in shares.items()
                    }
                    | {f"all{label}": (new == label).sum() * now.geometry.voxel_ml for label in shares}
                )
    head = "GTVp outside, of its volume | patients with any | GTVn outside | patients with any | box / tumour"
    print(f"| margins | {head} |")
    print("|---|---|---|---|---|---|")
    for name, found in rows.items():
        cells = []
        for label in ("1", "2"):
            outside = sum(row.get(f"ml{label}", 0.0) for row in found) / sum(
                row.get(f"all{label}", 0.0) for row in found
            )
            shares = [row[label] for row in found if label in row]
            cells += [f"{outside:.2%}", f"{np.mean([s > 0 for s in shares]):.0%}"]
        print(f"| {name} | {' | '.join(cells)} | {np.median([row['boxes_per_tumour'] for row in found]):.1f} |")


if __name__ == "__main__":
    main()
