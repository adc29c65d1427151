"""Registration of mid-treatment pairs: hyoid (rigid, convexAdam) beside SimpleITK (rigid, B-spline), and whole studies.

    python benchmarks/midrt.py CASES [--n 4] [--model PACKAGE ...] [--threads 2]

CASES is a folder of the HNTS-MRG layout whose `_preRT_mask_registered` was made by a known field (virtual patients of
`scripts/make_midrt_cohort.py` without --register). Both start from the same rigid step. Prints the Dice of the carried
outlines against the known ones, the time of each deformable step, and the time of a whole study from arrays to report:
registration, map and five networks. Fewer packages than five are used again until there are five: what the numbers in
them are does not change the time. The target: overlap not below B-spline's at half its time, a study within 60 s on
two cores.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from hyoid.geometry.orientation import to_canonical
from hyoid.geometry.resample import grid_with_spacing, resample, to_sitk
from hyoid.interfaces.chosen_models import asked_models, midrt_sources
from hyoid.interfaces.places import cache_folder
from hyoid.io.cohorts.hntsmrg import find_hntsmrg_cases
from hyoid.io.files.volumes import read_image, read_labels
from hyoid.preprocess.registration import WORKING_MM, carry, register, rigid_matrix
from hyoid.systems.machine import Machine
from hyoid.systems.midrt.pipeline import Pair, midrt
from hyoid.volume import Quantity, Volume

NODE_MM = 30.0  # spacing of the B-spline's control points
FOLDS = 5


def main() -> None:
    """Print one line per case and the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--n", type=int, default=4)
    parser.add_argument("--model", action="append", help="packages of the ensemble; by default hyoid's own")
    parser.add_argument("--threads", type=int, default=2, help="of SimpleITK; OpenVINO uses every core it is given")
    arguments = parser.parse_args()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(arguments.threads)
    models = midrt_sources(asked_models(midrt=arguments.model))
    models = [models[k % len(models)] for k in range(max(FOLDS, len(models)))]
    machine = Machine("cpu", cache_folder())
    rows, studies = [], []
    for case in find_hntsmrg_cases(arguments.cases)[: arguments.n]:
        pre, mid = (to_canonical(read_image(path, Quantity.MR)) for path in (case.pre, case.mid))
        outlines, true = (to_canonical(read_labels(p)) for p in (case.pre_mask, case.pre_mask_registered))  # type: ignore[arg-type]
        began = time.perf_counter()
        rigid = rigid_matrix(pre, mid)
        rigid_s = time.perf_counter() - began
        began = time.perf_counter()
        found, quality = register(pre, mid)
        ours_s = time.perf_counter() - began - rigid_s
        ours = carry(outlines, found, mid.geometry).array
        began = time.perf_counter()
        transform = b_spline(pre, mid, rigid)
        theirs_s = time.perf_counter() - began
        theirs = carried(outlines, transform, mid)
        row = [overlap(ours, true.array), overlap(theirs, true.array), rigid_s, ours_s, theirs_s, quality.folding]
        rows.append(row)
        print(f"{case.name}: Dice {row[0]:.3f} against {row[1]:.3f}; rigid {rigid_s:.1f} s, convexAdam and checks "
              f"{ours_s:.1f} s, B-spline {theirs_s:.1f} s", flush=True)  # fmt: skip
        if not studies:  # compiled once and kept on disk, as for every user's second study
            midrt(Pair(pre, outlines, mid, true), models, machine)
        began = time.perf_counter()
        midrt(Pair(pre, outlines, mid), models, machine)
        studies.append(time.perf_counter() - began)
        print(f"  whole study, {len(models)} networks: {studies[-1]:.1f} s", flush=True)
    mean = np.mean(rows, axis=0)
    print(f"mean of {len(rows)}: Dice {mean[0]:.3f} against {mean[1]:.3f}; time {mean[3]:.1f} s against "
          f"{mean[4]:.1f} s, ratio {mean[3] / mean[4]:.2f}; folding {mean[5]:.4f}")  # fmt: skip
    print(f"whole study: mean {np.mean(studies):.1f} s, longest {max(studies):.1f} s")


def b_spline(pre: Volume, mid: Volume, rigid: np.ndarray) -> sitk.Transform:
    """SimpleITK's own deformable registration on the same 2 mm grid, after the same rigid step."""
    fixed, moving = (
        sitk.Cast(to_sitk(resample(v, grid_with_spacing(v.geometry, (WORKING_MM,) * 3))), sitk.sitkFloat32)
        for v in (mid, pre)
    )
    affine = sitk.AffineTransform(3)
    affine.SetMatrix(rigid[:3, :3].ravel().tolist())
    affine.SetTranslation(rigid[:3, 3].tolist())
    nodes = [max(1, round(n * s / NODE_MM)) for n, s in zip(fixed.GetSize(), fixed.GetSpacing(), strict=True)]
    spline = sitk.BSplineTransformInitializer(fixed, nodes)
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(0.1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetMovingInitialTransform(affine)
    method.SetInitialTransformAsBSpline(spline, inPlace=True, scaleFactors=[1, 2])
    # As in SimpleITK's own example of several levels (ImageRegistrationMethodBSpline3); L-BFGS-B cannot change grids.
    method.SetOptimizerAsGradientDescentLineSearch(5.0, 50, convergenceMinimumValue=1e-4, convergenceWindowSize=5)
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([2, 1])
    method.Execute(fixed, moving)
    together = sitk.CompositeTransform(3)
    together.AddTransform(affine)
    together.AddTransform(spline)
    return together


def carried(labels: Volume, transform: sitk.Transform, mid: Volume) -> np.ndarray:
    """Outlines on the mid grid by nearest neighbour."""
    grid = to_sitk(mid)
    return sitk.GetArrayFromImage(sitk.Resample(to_sitk(labels), grid, transform, sitk.sitkNearestNeighbor, 0))


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Dice of all tumour."""
    a, b = a > 0, b > 0
    return float(2 * (a & b).sum() / max(1, a.sum() + b.sum()))


if __name__ == "__main__":
    main()
