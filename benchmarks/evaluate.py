"""Evaluation: hyoid against the straightforward script on MedPy and SimpleITK, same cases, same numbers.

    python benchmarks/evaluate.py [--cases 100]

Both read the same files in one process each and score what hecktor2025-style asks for (Dice of GTVp, aggregated Dice
and lesion F1 of GTVn) and HD95 of both. hyoid measures more than that in its time: all connectivities and matchers,
mean surface distances, outcome of every lesion, intervals. Needs the extra `test` (MedPy).
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import SimpleITK as sitk

from hyoid.evaluation.evaluate import evaluate_masks
from hyoid.evaluation.protocols import HECKTOR_2025_STYLE
from hyoid.io.files.volumes import write_nifti
from hyoid.metrics.detection import Detection, set_f1
from hyoid.volume import Geometry, Quantity, Volume

SHAPE, SPACING_MM = (160, 256, 256), (2.0, 1.2, 1.2)


@dataclass
class Scored:
    """What the straightforward script knows of one case."""

    gtvp_dice: float
    gtvn_twice_mm3: float
    gtvn_sum_mm3: float
    detection: Detection
    hd95_mm: tuple[float, float]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=100)
    n = parser.parse_args().cases
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        names = make_cases(root, n)
        began = [time.perf_counter()]
        evaluation, _ = evaluate_masks(
            root / "prediction",
            root / "reference",
            HECKTOR_2025_STYLE,
            progress=lambda done, total: began.append(time.perf_counter()),
        )
        whole_s = time.perf_counter() - began[0]
        ours_s = np.diff(began)
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        theirs, theirs_s = [], []
        for name in names:
            start = time.perf_counter()
            theirs.append(straightforward(root / "reference" / name, root / "prediction" / name))
            theirs_s.append(time.perf_counter() - start)
    compare_numbers(evaluation, theirs)
    ratio = np.array(theirs_s) / ours_s
    low, middle, high = np.percentile(ratio, [0, 50, 100])
    size = "x".join(str(length) for length in SHAPE[::-1])
    print(f"{n} cases of {size}, one process each, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    print(f"MedPy + SimpleITK  {np.mean(theirs_s):7.2f} s per case ({np.min(theirs_s):.2f} to {np.max(theirs_s):.2f})")
    print(f"hyoid              {np.mean(ours_s):7.2f} s per case ({np.min(ours_s):.2f} to {np.max(ours_s):.2f})")
    print(f"ratio per case     median {middle:.1f}, from {low:.1f} to {high:.1f}")
    whole_ratio = np.sum(theirs_s) / whole_s
    print(f"ratio of the whole {whole_ratio:.1f} (hyoid with pairing, intervals and overlays: {whole_s:.2f} s)")
    print(f"peak memory of the process after hyoid: {peak_mb:.0f} MB; same numbers: yes")


def make_cases(root: Path, n: int) -> list[str]:
    """Reference and prediction of n cases: one primary, up to six nodes, some missed, some invented."""
    rng = np.random.default_rng(0)
    geometry = Geometry.axial(SHAPE, SPACING_MM)
    names = [f"case{index:03d}.nii.gz" for index in range(n)]
    for name in names:
        reference, prediction = np.zeros((2, *SHAPE), np.uint8)
        lesions = [(1, rng.uniform(12, 22))] + [(2, rng.uniform(6, 16)) for _ in range(rng.integers(1, 7))]
        for index, (label, radius_mm) in enumerate(lesions):
            centre = rng.uniform([90, 90, 80], [220, 210, 220])
            draw(reference, centre, radius_mm * rng.uniform(0.7, 1.3, 3), label)
            # MedPy refuses an empty mask, so the primary and the first node are always found.
            if index < 2 or rng.random() < 0.9:
                draw(prediction, centre + rng.normal(0, 2, 3), radius_mm * rng.uniform(0.7, 1.3, 3), label)
        if rng.random() < 0.3:
            draw(prediction, rng.uniform([90, 90, 80], [220, 210, 220]), np.full(3, 6.0), 2)
        for side, array in (("reference", reference), ("prediction", prediction)):
            (root / side).mkdir(exist_ok=True)
            write_nifti(Volume(array, geometry, Quantity.LABEL), root / side / name)
    return names


def draw(array: np.ndarray, centre_mm: np.ndarray, radii_mm: np.ndarray, label: int) -> None:
    axes = [(np.arange(n) * s - c) / r for n, s, c, r in zip(SHAPE, SPACING_MM, centre_mm, radii_mm, strict=True)]
    inside = axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2 <= 1
    array[inside & (array == 0)] = label


def straightforward(reference_file: Path, prediction_file: Path) -> Scored:
    """What challenge teams write: whole images, MedPy for Dice and HD95, SimpleITK for components."""
    from medpy.metric import binary

    reference_image, prediction_image = sitk.ReadImage(str(reference_file)), sitk.ReadImage(str(prediction_file))
    reference, prediction = sitk.GetArrayFromImage(reference_image), sitk.GetArrayFromImage(prediction_image)
    spacing = reference_image.GetSpacing()[::-1]
    voxel_mm3 = float(np.prod(spacing))
    hd95 = tuple(binary.hd95(prediction == label, reference == label, spacing) for label in (1, 2))
    gtvn_reference, gtvn_prediction = reference == 2, prediction == 2
    return Scored(
        binary.dc(prediction == 1, reference == 1),
        2 * np.sum(gtvn_reference & gtvn_prediction) * voxel_mm3,
        (np.sum(gtvn_reference) + np.sum(gtvn_prediction)) * voxel_mm3,
        match(components(reference_image == 2), components(prediction_image == 2)),
        hd95,
    )


def components(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ConnectedComponent(image, True))


def match(reference: np.ndarray, prediction: np.ndarray) -> Detection:
    """Best free prediction of every lesion; equals the best matching when no lesion has two above the threshold."""
    free = set(range(1, prediction.max() + 1))
    found = 0
    for r in range(1, reference.max() + 1):
        lesion = reference == r
        ious = {p: np.sum(lesion & (prediction == p)) / np.sum(lesion | (prediction == p)) for p in free}
        best = max(ious, key=lambda p: ious[p], default=None)
        if best is not None and ious[best] > 0.3:
            free.discard(best)
            found += 1
    return Detection(found, len(free), int(reference.max()) - found)


def compare_numbers(evaluation, theirs: list[Scored]) -> None:
    """Stop unless every number agrees."""
    summary = evaluation.summary
    expected = {
        "GTVp.dsc_mean": np.mean([s.gtvp_dice for s in theirs]),
        "GTVn.dsc_agg": sum(s.gtvn_twice_mm3 for s in theirs) / sum(s.gtvn_sum_mm3 for s in theirs),
        "GTVn.f1": set_f1(s.detection for s in theirs),
        "GTVp.hd95_medpy_mm": np.mean([s.hd95_mm[0] for s in theirs]),
        "GTVn.hd95_medpy_mm": np.mean([s.hd95_mm[1] for s in theirs]),
    }
    for key, value in expected.items():
        np.testing.assert_allclose(summary[key], value, rtol=1e-9, err_msg=key)
        print(f"{key:20s} {summary[key]:.12f}")


if __name__ == "__main__":
    main()
