"""Build `src/hyoid/phantom/data/shape_model.npz` from expert contours and real scans.

Run from the project folder, about ten minutes on one core, no random numbers::

    python scripts/build_shape_model.py ../shared/data src/hyoid/phantom/data/shape_model.npz

Reads `anatomy/` (contours of 24 patients, Nikolov et al., CC BY 4.0) and `openkbp/train` (170 CTs, Babier et al. 2021,
MIT; the validation part is never read). Writes population statistics only: means, principal modes and covariances.

All patients are brought into one frame, mm, (z, y, x) = (to the head, to the back, to the left), origin in the centre
of the mandible: a similarity in the sagittal plane on four landmarks of mandible and parotids, then, below the jaw, a
shift along the spinal cord and a stretch so that larynx and lung tops meet.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage as ndi

GRID_MM = 4.0
LOW_MM, HIGH_MM = np.array([-240.0, -112.0, -232.0]), np.array([188.0, 188.0, 232.0])
CORD_Z_MM = np.arange(-240.0, 41.0, 10.0)
ORGANS = {"mandible": (5, 5), "parotid": (6, 7), "submandibular": (8, 9), "orbit": (10, 11), "brain": (1, 1),
          "brainstem": (2, 2)}  # fmt: skip
ORGAN_GRID_MM = {"mandible": 3.0, "parotid": 2.5, "submandibular": 2.0, "orbit": 2.0, "brain": 5.0, "brainstem": 2.5}
CLIP_MM = 12.7
Z_MANDIBLE_MM, Z_LARYNX_MM, Z_APEX_MM = -32.0, -62.0, -104.0
LANDMARK_WEIGHTS = np.array([1.0, 0.7, 1.0, 1.0])


@dataclass
class Case:
    """One patient in its own mm, and the way into the common frame."""

    path: Path
    landmarks: np.ndarray
    cord: np.ndarray
    labels: np.ndarray
    spacing: np.ndarray
    frame: tuple = ()
    larynx: np.ndarray | None = None
    apex_z: float = np.nan
    scan_z: tuple[float, float] = (0.0, 0.0)
    neck: dict = field(default_factory=dict)

    def to_common(self, points: np.ndarray) -> np.ndarray:
        """Patient mm -> common frame."""
        scale, rotation, source, target, x0 = self.frame
        points = np.atleast_2d(points)
        return np.column_stack([(points[:, :2] - source) @ rotation.T * scale + target, (points[:, 2] - x0) * scale])

    def to_patient(self, points: np.ndarray) -> np.ndarray:
        """Inverse of `to_common`, shape (..., 3)."""
        scale, rotation, source, target, x0 = self.frame
        out = np.empty(points.shape)
        out[..., :2] = (points[..., :2] - target) / scale @ rotation + source
        out[..., 2] = points[..., 2] / scale + x0
        return out


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Array (z, y, x) and spacing of a NIfTI file."""
    image = sitk.ReadImage(str(path))
    return sitk.GetArrayFromImage(image), np.array(image.GetSpacing())[::-1]


def points_mm(mask: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Voxel centres of a mask in mm from the first voxel."""
    return np.argwhere(mask) * spacing


def make_case(path: Path, mandible: int, parotids: tuple[int, int], cord: int) -> Case | None:
    """Landmarks and cord of one patient; None where the contours are missing or too small to be whole."""
    labels, spacing = read(path)
    voxel_ml = spacing.prod() / 1000
    volumes = {label: (labels == label).sum() * voxel_ml for label in (mandible, *parotids, cord)}
    if volumes[mandible] < 30 or min(volumes.values()) < 3 or volumes[cord] > 200:
        return None
    bone = points_mm(labels == mandible, spacing)
    chin = bone[bone[:, 1] <= np.percentile(bone[:, 1], 4)].mean(0)
    condyles = bone[bone[:, 0] >= np.percentile(bone[:, 0], 96)].mean(0)
    glands = np.mean([points_mm(labels == label, spacing).mean(0) for label in parotids], axis=0)
    levels = np.flatnonzero((labels == cord).any((1, 2)))
    line = np.array([[k * spacing[0], *(np.argwhere(labels[k] == cord).mean(0) * spacing[1:])] for k in levels])
    return Case(path, np.array([chin, condyles, bone.mean(0), glands]), line, labels, spacing)


def similarity(source: np.ndarray, target: np.ndarray) -> tuple:
    """Weighted least-squares similarity of the sagittal plane."""
    weights = LANDMARK_WEIGHTS / LANDMARK_WEIGHTS.sum()
    centre_s, centre_t = weights @ source, weights @ target
    a, b = source - centre_s, target - centre_t
    sine = weights @ (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    angle = np.arctan2(sine, weights @ (a * b).sum(1))
    scale = np.sqrt((weights @ (b**2).sum(1)) / (weights @ (a**2).sum(1)))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return scale, rotation, centre_s, centre_t


def align(cases: list[Case]) -> None:
    """Give every case its frame (generalised Procrustes, size and pitch fixed to the first mean)."""
    mean = np.mean([c.landmarks[:, :2] - c.landmarks[2, :2] for c in cases], axis=0)
    for _ in range(5):
        moved = []
        for case in cases:
            scale, rotation, source, target = similarity(case.landmarks[:, :2], mean)
            moved.append((case.landmarks[:, :2] - source) @ rotation.T * scale + target)
        new = np.mean(moved, axis=0)
        scale, rotation, source, target = similarity(new - new[2], mean)
        mean = (new - new[2] - source) @ rotation.T * scale + target
    for case in cases:
        x0 = case.landmarks[2:, 2].mean()
        case.frame = (*similarity(case.landmarks[:, :2], mean), x0)


def body_and_apex(case: Case, ct: np.ndarray) -> np.ndarray:
    """Body mask; fills in the level of the lung tops."""
    tissue = ndi.binary_opening(ct > -500)
    labels, _ = ndi.label(tissue)
    tissue = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    body = np.array([ndi.binary_fill_holes(s) for s in ndi.binary_closing(tissue) | tissue])
    levels = np.flatnonzero((ct > -500).any((1, 2)))
    case.scan_z = (levels[0] * case.spacing[0], levels[-1] * case.spacing[0])
    air, _ = ndi.label(ndi.binary_opening((ct < -600) & body))
    sizes = np.bincount(air.ravel())[1:] * case.spacing.prod() / 1000
    for label in 1 + np.argsort(-sizes)[:3]:
        z = np.argwhere(air == label)[:, 0]
        if sizes[label - 1] > 60 and z.min() <= levels[0] + 3:  # a lung enters through the lowest slice
            top = np.percentile(z, 99.5) * case.spacing[0]
            y = case.cord[np.argmin(np.abs(case.cord[:, 0] - top)), 1]
            case.apex_z = np.nanmax([case.apex_z, case.to_common(np.array([top, y, 0.0]))[0, 0]])
    return body


def smoothstep(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def signed_distance(mask: np.ndarray, spacing: np.ndarray, clip: float) -> np.ndarray:
    """mm to the border, positive inside."""
    inside = ndi.distance_transform_edt(mask, sampling=spacing)
    return np.clip(inside - ndi.distance_transform_edt(~mask, sampling=spacing), -clip, clip).astype(np.float32)


def neck_shift_weight(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How far a point of the common frame follows the spine: all of the neck, and what lies behind in the head."""
    return np.maximum(1 - smoothstep(z, -40, -10), smoothstep(y, 30, 60) * (1 - smoothstep(z, 30, 70)))


def population_maps(cases: list[Case], mean_cord: np.ndarray) -> dict[str, np.ndarray]:
    """Mean distance maps of body, bone and air, fat fraction, body modes, all on the common grid."""
    axes = [np.arange(a, b + 0.1, GRID_MM) for a, b in zip(LOW_MM, HIGH_MM, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    total = {k: np.zeros(grid.shape[:3], np.float32) for k in ("body", "bone", "air", "fat", "soft", "n")}
    bodies, volumes = [], []
    weight = neck_shift_weight(grid[..., 0], grid[..., 1])
    for case in cases:
        ct, spacing = read(case.path.with_name(case.path.name.replace("_oar", "_ct")))
        body = case.neck["body"]
        points = grid.copy()
        z = np.interp(axes[0], *case.neck["stretch"])
        points[..., 0] = z[:, None, None]
        shift = np.interp(z, CORD_Z_MM, case.neck["cord_y"]) - np.interp(axes[0], CORD_Z_MM, mean_cord)
        points[..., 1] += shift[:, None, None] * weight
        points[..., 2] += np.interp(z, CORD_Z_MM, case.neck["cord_x"])[:, None, None] * weight
        index = np.moveaxis(case.to_patient(points) / spacing, -1, 0).astype(np.float32)
        seen = ((index[0] * spacing[0] >= case.scan_z[0]) & (index[0] * spacing[0] <= case.scan_z[1])).astype("f4")

        def sample(array: np.ndarray, outside: float, at: np.ndarray = index) -> np.ndarray:
            return ndi.map_coordinates(array.astype(np.float32), at, order=1, mode="constant", cval=outside)

        soft = (ct >= -180) & (ct < 150) & body
        bone, air = ct > 180, (ct < -350) & body
        skin = sample(signed_distance(body, spacing, 40), -40)
        total["n"] += seen
        total["body"] += seen * skin
        total["bone"] += seen * sample(signed_distance(bone, spacing, 10), -10)
        total["air"] += seen * sample(signed_distance(air, spacing, 10), -10)
        total["soft"] += seen * sample(soft, 0)
        total["fat"] += seen * sample(soft & (ct < -25), 0)
        inner = (slice(20, 80), slice(None), slice(30, -30))
        volumes.append([(seen * sample(m, 0))[inner].mean() / seen[inner].mean() for m in (bone, air)])
        skin[seen == 0] = np.nan
        bodies.append(skin[::2, ::2, ::2])
    n = np.maximum(total["n"], 1)
    maps = {k: total[k] / n for k in ("body", "bone", "air")}
    maps["fat"] = (total["fat"] + 0.3) / (total["soft"] + 1)
    for k, mean in maps.items():
        both = (mean + mean[:, :, ::-1]) / 2
        fill = np.flatnonzero(total["n"].max((1, 2)) > 4)
        both[: fill[0]], both[fill[-1] + 1 :] = both[fill[0]], both[fill[-1]]
        maps[k] = both
    for position, k in enumerate(("bone", "air")):
        share = np.mean([v[position] for v in volumes])
        maps[k] = maps[k] - np.quantile(maps[k][20:80, :, 30:-30], 1 - share)
    modes = body_modes(np.array(bodies), maps["body"][::2, ::2, ::2])
    return {**maps, "body_modes": modes}


def body_modes(bodies: np.ndarray, mean: np.ndarray, n_modes: int = 6) -> np.ndarray:
    """Principal modes of the body's distance map, symmetric, one standard deviation each."""
    bodies = (bodies + bodies[..., ::-1]) / 2
    deviation = np.where(np.isnan(bodies), 0, bodies - mean).reshape(len(bodies), -1)
    _, singular, rows = np.linalg.svd(deviation, full_matrices=False)
    scaled = rows[:n_modes] * singular[:n_modes, None] / np.sqrt(len(bodies) - 1)
    print("body modes explain", np.round((singular**2 / (singular**2).sum())[:n_modes], 3))
    return scaled.reshape(n_modes, *mean.shape)


def organ_model(cases: list[Case], name: str) -> dict[str, np.ndarray]:
    """Mean and modes of one organ's distance map around its own centroid; right organs are mirrored to the left."""
    step = ORGAN_GRID_MM[name]
    samples, volumes, extents = [], [], []
    for case in cases:
        for side, label in zip((1, -1), dict.fromkeys(ORGANS[name]), strict=False):
            mask = _whole(case.labels, name, label)
            if mask.sum() * case.spacing.prod() < 500:
                continue
            samples.append((case, mask, side))
            common = case.to_common(points_mm(mask, case.spacing)) * (1, 1, side)
            extents.append(np.abs(common - common.mean(0)).max(0))
    half = np.ceil((np.percentile(extents, 90, axis=0) + 8) / step)
    axes = [np.arange(-h, h + 1) * step for h in half]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    maps = []
    for case, mask, side in samples:
        corner = np.maximum(np.argwhere(mask).min(0) - 18, 0)
        stop = np.argwhere(mask).max(0) + 19
        part = mask[tuple(slice(a, b) for a, b in zip(corner, stop, strict=True))]
        distance = signed_distance(part, case.spacing, CLIP_MM)
        centre = case.to_common(points_mm(mask, case.spacing).mean(0))[0]
        index = case.to_patient(grid * (1, 1, side) + centre) / case.spacing - corner
        maps.append(ndi.map_coordinates(distance, np.moveaxis(index, -1, 0), order=1, mode="constant", cval=-CLIP_MM))
        volumes.append(mask.sum() * case.spacing.prod() * case.frame[0] ** 3 / 1000)
    maps_array = np.array(maps)
    if ORGANS[name][0] == ORGANS[name][1]:
        maps_array = (maps_array + maps_array[..., ::-1]) / 2
    mean = maps_array.mean(0)
    mean -= np.quantile(mean, 1 - np.mean(volumes) * 1000 / step**3 / mean.size)
    _, singular, rows = np.linalg.svd((maps_array - maps_array.mean(0)).reshape(len(maps), -1), full_matrices=False)
    modes = rows[:3] * singular[:3, None] / np.sqrt(len(maps) - 1)
    print(f"{name}: n {len(maps)}, {np.mean(volumes):.1f} ml, grid {mean.shape}")
    return {f"{name}_mean": _pack(mean), f"{name}_modes": _pack(modes.reshape(3, *mean.shape) * 2)}


def _whole(labels: np.ndarray, name: str, label: int) -> np.ndarray:
    """Organ mask; the orbit holds its lens."""
    return (labels == label) | (labels == label + 2) if name == "orbit" else labels == label


def _pack(distance_mm: np.ndarray) -> np.ndarray:
    """int8 in tenths of a millimetre."""
    return np.clip(np.round(distance_mm * 10), -127, 127).astype(np.int8)


def placement(cases: list[Case]) -> dict[str, np.ndarray]:
    """Mean and square root of the covariance of organ centroids (mm) and log volumes."""
    rows = []
    for case in cases:
        row: list[float] = []
        for name, pair in ORGANS.items():
            for label in dict.fromkeys(pair):
                mask = _whole(case.labels, name, label)
                n = mask.sum()
                centre = case.to_common(points_mm(mask, case.spacing).mean(0))[0] if n else np.full(3, np.nan)
                row += [*centre, np.log(n * case.spacing.prod() * case.frame[0] ** 3) if n else np.nan]
        rows.append(row)
    table = np.array(rows)
    table = np.where(np.isnan(table), np.nanmean(table, axis=0), table)
    mean = table.mean(0)
    _, singular, vectors = np.linalg.svd(table - mean, full_matrices=False)
    return {"placement_mean": mean.astype("f4"), "placement_root": _root(singular, vectors, len(table), 10)}


def _root(singular: np.ndarray, rows: np.ndarray, n: int, keep: int) -> np.ndarray:
    return (rows[:keep] * singular[:keep, None] / np.sqrt(n - 1)).astype(np.float32)


def neck_statistics(cases: list[Case], mean_cord: np.ndarray) -> dict[str, np.ndarray]:
    """Joint statistics of pose: cord curve, larynx level, lung level, size, pitch."""
    rows = [
        [*(c.neck["cord_y"] - mean_cord), c.larynx[0], c.apex_z, 1 / c.frame[0], np.arctan2(*c.frame[1][1])]
        for c in cases
        if c.larynx is not None
    ]
    table = np.array(rows)
    mean = table.mean(0)
    _, singular, vectors = np.linalg.svd((table - mean) / table.std(0), full_matrices=False)
    return {
        "pose_mean": mean.astype("f4"),
        "pose_root": _root(singular, vectors, len(table), 8) * table.std(0).astype("f4"),
    }


def prepare_necks(cases: list[Case], mean_cord: np.ndarray) -> list[Case]:
    """Cord, larynx and lungs of the CT patients in the common frame; those with a larynx contour are returned."""
    for case in cases:
        larynx = case.labels == 6
        if larynx.sum() * case.spacing.prod() < 1000:
            continue
        ct, _ = read(case.path.with_name(case.path.name.replace("_oar", "_ct")))
        case.neck["body"] = body_and_apex(case, ct)
        case.larynx = case.to_common(points_mm(larynx, case.spacing).mean(0))[0]
    chosen = [c for c in cases if c.larynx is not None]
    typical = np.nanmedian([c.larynx[0] - c.apex_z for c in chosen])
    for case in chosen:
        line = case.to_common(case.cord)
        line = line[np.argsort(line[:, 0])]
        offset = line[:, 1] - np.interp(line[:, 0], CORD_Z_MM, mean_cord)
        case.neck["cord_y"] = mean_cord + np.interp(CORD_Z_MM, line[:, 0], offset)
        case.neck["cord_x"] = np.interp(CORD_Z_MM, line[:, 0], line[:, 2])
        if np.isnan(case.apex_z):
            case.apex_z = case.larynx[0] - typical
        case.apex_z = min(case.apex_z, case.larynx[0] - 20)
        levels = [case.apex_z - 200, case.apex_z, min(case.larynx[0], -36.0), Z_MANDIBLE_MM, 200]
        case.neck["stretch"] = ([Z_APEX_MM - 200, Z_APEX_MM, Z_LARYNX_MM, Z_MANDIBLE_MM, 200], levels)
    return chosen


def mean_cord_curve(cases: list[Case]) -> np.ndarray:
    """Mean y of the spinal cord at the levels `CORD_Z_MM`; constant slope ends."""
    curves = []
    for case in cases:
        line = case.to_common(case.cord)
        line = line[np.argsort(line[:, 0])]
        curves.append(np.interp(CORD_Z_MM, line[:, 0], line[:, 1], left=np.nan, right=np.nan))
    curves_array = np.array(curves)
    n = np.isfinite(curves_array).sum(0)
    mean = np.nansum(curves_array, 0) / np.maximum(n, 1)
    good = n >= 20
    return np.interp(CORD_Z_MM, CORD_Z_MM[good], ndi.gaussian_filter1d(mean[good], 1))


def main(data: Path, out: Path) -> None:
    """Read the data, write the model."""
    experts = [make_case(p, 5, (6, 7), 4) for p in sorted((data / "anatomy").glob("*.nii.gz"))]
    scans = [make_case(p, 7, (3, 4), 2) for p in sorted((data / "openkbp" / "train").glob("*_oar.nii.gz"))]
    expert_cases, scan_cases = [c for c in experts if c], [c for c in scans if c]
    align(expert_cases + scan_cases)
    mean_cord = mean_cord_curve(expert_cases + scan_cases)
    with_larynx = prepare_necks(scan_cases, mean_cord)
    print(f"{len(expert_cases)} experts, {len(scan_cases)} scans, {len(with_larynx)} with a larynx")
    maps = population_maps(with_larynx, mean_cord)
    middle = maps["body"].shape[2] // 2
    model = {
        "cord_z": CORD_Z_MM, "cord_y": mean_cord.astype("f4"), "grid_mm": GRID_MM, "grid_low": LOW_MM,
        "knots_z": np.array([Z_MANDIBLE_MM, Z_LARYNX_MM, Z_APEX_MM]),
        "body": np.round(maps["body"][..., middle:] * 3).astype(np.int8),
        "bone": _pack(maps["bone"][..., middle:]), "air": _pack(maps["air"][..., middle:]),
        "fat": np.round(maps["fat"][..., middle:] * 255).astype(np.uint8),
        "body_modes": np.clip(np.round(maps["body_modes"][..., middle // 2 :] * 5), -127, 127).astype(np.int8),
        "organ_grid_mm": np.array([ORGAN_GRID_MM[name] for name in ORGANS]),
        **placement(expert_cases), **neck_statistics(with_larynx, mean_cord),
    }  # fmt: skip
    for name in ORGANS:
        model |= organ_model(expert_cases, name)
    np.savez_compressed(out, **model)
    print(f"{out}: {out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
