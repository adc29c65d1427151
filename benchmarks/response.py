"""Volume of each lesion in mid-treatment over before, from pairs of masks: the table of `phantom/followup.py`.

Run from the project folder, seconds, no random numbers::

    python benchmarks/response.py ../shared/data/hntsmrg_pairs

Reference masks are mid-treatment, the masks of the same name under `prediction` are those from before treatment,
registered. A lesion is a component (26-connectivity) of a label of at least 0.1 mL before treatment; what is found in
mid-treatment inside its mask grown by 10 mm, and nearest to it, is the same lesion.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cc3d
import numpy as np
import SimpleITK as sitk
from scipy import ndimage as ndi

NAMES = {1: "gtvp", 2: "gtvn"}


def ratios(before: np.ndarray, after: np.ndarray, spacing_mm: tuple[float, ...]) -> list[tuple[float, float]]:
    """Volume before (mL) and ratio after / before of every component."""
    voxel_ml = float(np.prod(spacing_mm)) / 1000
    lesions = cc3d.connected_components(before.astype(np.uint8), connectivity=26)
    box = ndi.find_objects((before | after).astype(np.uint8))
    if not box:
        return []
    lesions, after = lesions[box[0]], after[box[0]]
    distance, nearest = ndi.distance_transform_edt(lesions == 0, sampling=spacing_mm, return_indices=True)
    owner = np.where(distance <= 10, lesions[tuple(nearest)], 0)
    found = []
    for number in range(1, int(lesions.max()) + 1):
        volume = float((lesions == number).sum()) * voxel_ml
        if volume >= 0.1:
            found.append((volume, float((after & (owner == number)).sum()) * voxel_ml / volume))
    return found


def main(source: Path) -> None:
    """Print quantiles per target."""
    rows: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    for path in sorted((source / "reference").glob("*.nii.gz")):
        after = sitk.ReadImage(str(path))
        before = sitk.GetArrayFromImage(sitk.ReadImage(str(source / "prediction" / path.name)))
        spacing_mm = after.GetSpacing()[::-1]
        for label in rows:
            rows[label] += ratios(before == label, sitk.GetArrayFromImage(after) == label, spacing_mm)
    for label, found in rows.items():
        volumes, changes = np.array(found).T
        levels = np.quantile(changes, np.linspace(0, 1, 11)).round(3).tolist()
        print(f"{NAMES[label]}: n={len(found)}, before mL quartiles {np.quantile(volumes, (0.25, 0.5, 0.75)).round(2)}")
        print(
            f"  after/before deciles {levels}; vanished {np.mean(changes == 0):.2f}, grown {np.mean(changes > 1):.2f}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
