"""Virtual patients beside real ones: organ volumes, positions and shapes, and attenuation of tissues.

Run from the project folder after `hyoid phantom --n 100 --seed 1 --spacing 3,4,4 --out work/virtual`; it takes minutes
and draws no random numbers::

    python benchmarks/phantom_organs.py work/virtual ../shared/data

Prints two tables in Markdown. Organs: median and 10th to 90th percentile of the experts' contours (`anatomy`, 24
patients) and of the virtual patients; positions are relative to the centre of the mandible (mm to the head, to the
back, to the side), the half axis is the longest of the ellipsoid with the same second moments. Organs that touch the
border of their image are left out: the scan field cuts them. Attenuation: quantiles
over patients' medians, for `openkbp/train` and the virtual patients, by one rule: parotid and mandible by their
contours; inside the body eroded by 8 mm, fat is what lies between -180 and -30 HU, muscle between 10 and 110, airway
below -700, bone above 250.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage as ndi

EXPERT = {"mandible": 5, "brainstem": 2, "parotid_left": 6, "parotid_right": 7, "submandibular_left": 8,
          "submandibular_right": 9}  # fmt: skip
VIRTUAL = {"mandible": 22, "brainstem": 25, "parotid_left": 23, "parotid_right": 24, "submandibular_left": 12,
           "submandibular_right": 13}  # fmt: skip
Row = dict[str, float]


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Array (z, y, x) and spacing in the same order."""
    image = sitk.ReadImage(str(path))
    return sitk.GetArrayFromImage(image), np.array(image.GetSpacing()[::-1])


def organs(labels: np.ndarray, spacing_mm: np.ndarray, numbers: dict[str, int]) -> Row:
    """Volume, position and longest half axis of each organ that the scan field does not cut."""
    out: Row = {}
    boxes = ndi.find_objects(labels.astype(np.uint8), max_label=max(numbers.values()))
    centres = {}
    for name, number in numbers.items():
        box = boxes[number - 1]
        if box is None:
            continue
        if any(s.start == 0 or s.stop == n for s, n in zip(box, labels.shape, strict=True)):
            continue
        points = (np.argwhere(labels[box] == number) + [s.start for s in box]) * spacing_mm
        centres[name] = points.mean(0)
        out[f"{name} volume mL"] = len(points) * float(np.prod(spacing_mm)) / 1000
        spread = np.cov(points.T) + np.diag(spacing_mm**2 / 12)
        out[f"{name} half axis mm"] = float(np.sqrt(5 * np.linalg.eigvalsh(spread)[-1]))
    for name, centre in centres.items():
        if name != "mandible" and "mandible" in centres:
            away = centre - centres["mandible"]
            out[f"{name} up mm"], out[f"{name} back mm"], out[f"{name} aside mm"] = (
                float(away[0]), float(away[1]), float(abs(away[2])),
            )  # fmt: skip
    return out


def attenuation(hu: np.ndarray, labels: np.ndarray, numbers: dict[str, int], spacing_mm: np.ndarray) -> Row:
    """Median HU of tissues."""
    body = hu > -400
    parts, _ = ndi.label(body)
    body = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    body = np.stack([ndi.binary_fill_holes(s) for s in body])
    inner = ndi.distance_transform_edt(body, sampling=spacing_mm) > 8
    values = hu[inner]
    out: Row = {}
    for name, low, high in (("fat", -180, -30), ("muscle", 10, 110), ("airway", -1100, -700), ("bone", 250, 3000)):
        found = values[(values > low) & (values < high)]
        if len(found) > 20:
            out[name] = float(np.median(found))
    for name, number in numbers.items():
        mask = labels == number
        if mask.sum() > 20:
            out[name] = float(np.median(hu[mask]))
    return out


def quantiles(rows: list[Row], name: str) -> tuple[np.ndarray, int]:
    """10th, 50th and 90th percentile over patients, and how many they are."""
    values = [row[name] for row in rows if name in row]
    return np.quantile(values, (0.1, 0.5, 0.9)), len(values)


def table(title: str, real: list[Row], virtual: list[Row]) -> None:
    """Print one table."""
    print(f"\n{title}\n\n| | real, n: median (10-90 %) | virtual, n: median (10-90 %) | within |\n|---|---|---|---|")
    names = dict.fromkeys(name for row in real for name in row if any(name in other for other in virtual))
    for name in names:
        (a, n), (b, m) = quantiles(real, name), quantiles(virtual, name)
        inside = "yes" if a[0] <= b[1] <= a[2] else "no"
        cells = [f"{k}: {q[1]:.1f} ({q[0]:.1f} to {q[2]:.1f})" for q, k in ((a, n), (b, m))]
        print(f"| {name} | {cells[0]} | {cells[1]} | {inside} |")


def main(virtual: Path, shared: Path) -> None:
    """Read everything and print."""
    expert_rows = []
    for path in sorted((shared / "anatomy").glob("*.nii.gz")):
        labels, spacing_mm = read(path)
        expert_rows.append(organs(labels[:, ::2, ::2], spacing_mm * (1, 2, 2), EXPERT))
    made, virtual_hu = [], []
    for folder in sorted(virtual.glob("phantom_*")):
        labels, spacing_mm = read(folder / "organs.nii.gz")
        made.append(organs(labels, spacing_mm, VIRTUAL))
        hu, _ = read(folder / "ct.nii.gz")
        virtual_hu.append(attenuation(hu, labels, {"parotid": VIRTUAL["parotid_left"], "mandible": 22}, spacing_mm))
    table(f"Organs: {len(expert_rows)} experts' contours, {len(made)} virtual patients", expert_rows, made)
    real_hu = []
    for path in sorted((shared / "openkbp" / "train").glob("*_ct.nii.gz"))[::2]:
        hu, spacing_mm = read(path)
        labels, _ = read(path.with_name(path.name.replace("_ct", "_oar")))
        real_hu.append(attenuation(hu, labels, {"parotid": 4, "mandible": 7}, spacing_mm))
    table(f"Attenuation, HU: {len(real_hu)} real CTs, {len(virtual_hu)} virtual ones", real_hu, virtual_hu)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
