"""Nodal levels: told against the truth of virtual patients, and against planned targets on real CTs.

Run from the project folder::

    python benchmarks/levels.py [--virtual 20] [--real ../shared/data/openkbp/validation] [--cases 33] [--out OUT]

Every patient's counts are stored in OUT when they are there, and a call that goes on there does not measure them again.

Virtual patients: share of nodes whose level is the one that they were placed in (named first, and among all levels that
a report names), with the true landmarks, with those of them that the default networks outline, and with these as the
networks outline them. Real CTs have no contours of levels: printed is the share of the drawn levels II to IV within
15 mm of the jugular vein that lies in the elective and high-dose targets (PTV56, 63 and 70 together), against the same
map moved by 1, 2 and 3 cm to the front, where hardly any target lies, and up and down.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import ndimage

from hyoid.anatomy.levels import LEVELS
from hyoid.anatomy.structures import BY_LABEL, ORGANS
from hyoid.geometry.orientation import to_canonical
from hyoid.interfaces.installed import OUTLINING, load_models
from hyoid.interfaces.places import cache_folder
from hyoid.io.files.volumes import read_image, read_labels
from hyoid.metrics.comparison import Ratio, bootstrap_interval
from hyoid.phantom.patient import PhantomOptions, virtual_patient
from hyoid.report.content.levels import find_landmarks, level_map, level_of_node
from hyoid.report.content.patches import Patch, cut_out
from hyoid.report.content.scene import PREDICTED_ERROR_MM, body_midline_x_mm
from hyoid.systems.machine import Machine
from hyoid.systems.organs import outline_organs
from hyoid.volume import Quantity, Volume

SEED = 5000
NEAR_VEIN_MM = 15.0
SHIFTS_MM = (10.0, 20.0, 30.0)
Shared = tuple[int, int]
WORDS = {row.label: row.words for row in ORGANS}


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--virtual", type=int, default=20, help="number of virtual patients")
    parser.add_argument("--real", type=Path, help="folder in OpenKBP's layout")
    parser.add_argument("--cases", type=int, default=33, help="real CTs to look at")
    parser.add_argument("--out", type=Path, default=Path("work/levels"), help="folder for the counts of each patient")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    machine, packages = Machine("cpu", cache_folder()), load_models(OUTLINING)
    rows: dict[str, list[Shared]] = {}
    for number in range(arguments.virtual):
        counts = stored(
            arguments.out / f"virtual-{SEED + number}.json",
            lambda seed=SEED + number: told_on_virtual(seed, packages, machine),
        )
        for landmarks, counted in counts.items():
            rows.setdefault(landmarks, []).append(counted)
        show("| landmarks | nodes told their level |\n|---|---|", rows, "nodes, in virtual patients:")
    found: dict[str, list[Shared]] = {}
    files = sorted(arguments.real.glob("pt_*_ct.nii.gz"))[: arguments.cases] if arguments.real else []
    for file in files:
        counts = stored(
            arguments.out / f"real-{file.name.partition('_ct')[0]}.json",
            lambda file=file: inside_targets(file, packages, machine),
        )
        for name, counted in counts.items():
            found.setdefault(name, []).append(counted)
        show("| map of levels II to IV | share inside PTV56, 63 and 70 |\n|---|---|", found, "voxels, on CTs:")


def stored(file: Path, measure: Callable[[], dict[str, Shared]]) -> dict[str, Shared]:
    """Counts of a patient from a file; measured and written where there is none yet."""
    if not file.exists():
        file.write_text(json.dumps(measure()))
    return {name: (counts[0], counts[1]) for name, counts in json.loads(file.read_text()).items()}


def show(heading: str, rows: dict[str, list[Shared]], of: str) -> None:
    """Print the table as far as it goes."""
    print(f"\n{heading}")
    for name, counts in rows.items():
        print(f"| {name} | {_share(counts)} of {sum(n for _, n in counts)} {of} {len(counts)} |", flush=True)


def told_on_virtual(seed: int, packages, machine) -> dict[str, tuple[int, int]]:  # type: ignore[no-untyped-def]
    """Nodes whose level is right, and all nodes, by the landmarks that were used."""
    options = PhantomOptions(nodes=(5, 8), wide_hu=False)
    patient = virtual_patient(np.random.default_rng(seed), spacing_mm=(3.0, 2.5, 2.5), options=options)
    ids = to_canonical(patient.lesion_ids)
    nodes = cut_out(ids.array, dict.fromkeys(range(2, 2 + len(patient.truth.nodes)), "node"))
    true = organs_of(to_canonical(patient.organs))
    predicted = organs_of(outline_organs(to_canonical(patient.ct), packages, machine).labels)
    known = {name for package in packages for name in package.manifest.supported}
    sets = {
        "true": (true, 0.0),
        "true, of what the default networks outline": (
            {k: v for k, v in true.items() if k in known},
            PREDICTED_ERROR_MM,
        ),
        "as the default networks outline them": (predicted, PREDICTED_ERROR_MM),
    }
    told: dict[str, Shared] = {}
    for name, (organs, error_mm) in sets.items():
        midline = body_midline_x_mm(organs, ids.geometry)
        landmarks = find_landmarks(organs, ids.geometry, midline, error_mm=error_mm)
        levels = {n: level_of_node(nodes[n], landmarks) for n in nodes}
        truth = {n: node.level for n, node in enumerate(patient.truth.nodes, 2) if n in nodes}
        first = sum(levels[n].names[:1] == (level,) for n, level in truth.items())
        named = sum(level in (*levels[n].names, *levels[n].alternatives) for n, level in truth.items())
        told[f"{name}: first"], told[f"{name}: among those named"] = (first, len(truth)), (named, len(truth))
    return told


def inside_targets(file: Path, packages, machine) -> dict[str, Shared]:  # type: ignore[no-untyped-def]
    """Voxels of levels II to IV inside the planned targets, and all of them, for the map and its shifted copies."""
    ct = to_canonical(read_image(file, Quantity.HU))
    targets = to_canonical(read_labels(file.with_name(file.name.replace("_ct", "_ptv")))).array > 0
    organs = organs_of(outline_organs(ct, packages, machine).labels)
    landmarks = find_landmarks(organs, ct.geometry, body_midline_x_mm(organs, ct.geometry))
    veins = np.zeros(ct.array.shape, bool)
    for side in ("left", "right"):
        if patch := organs.get(f"jugular_{side}"):
            veins[patch.box.slices] |= patch.mask
    if not veins.any():
        return {}
    near = ndimage.distance_transform_edt(~veins, sampling=ct.geometry.spacing_mm) <= NEAR_VEIN_MM
    drawn = level_map(near & (ct.array > -200) & (ct.array < 250), landmarks)
    wanted = {n for n, level in enumerate(LEVELS, 1) if level.coarse in ("II", "III", "IV")}
    levels = np.isin(drawn, list(wanted))
    if not levels.any():
        return {}
    spacing = ct.geometry.spacing_mm
    found = {"as drawn": levels}
    # Canonical order: slices feet to head, rows front to back.
    for mm in SHIFTS_MM:
        for words, axis, sign in (("up", 0, 1), ("down", 0, -1), ("to the front", 1, -1)):
            found[f"moved {mm / 10:.0f} cm {words}"] = _moved(levels, axis, sign * round(mm / spacing[axis]))
    return {name: (int((mask & targets).sum()), int(mask.sum())) for name, mask in found.items() if mask.any()}


def organs_of(labels: Volume) -> dict[str, Patch]:
    """Organs of a canonical label map by name."""
    return {BY_LABEL[label].name: patch for label, patch in cut_out(labels.array, WORDS).items()}


def _moved(mask: np.ndarray, axis: int, by: int) -> np.ndarray:
    """The mask moved along an axis; what leaves the grid is lost."""
    moved = np.roll(mask, by, axis)
    edge = [slice(None)] * 3
    edge[axis] = slice(0, by) if by > 0 else slice(by, None)
    moved[tuple(edge)] = False
    return moved


def _share(shared: list[Shared]) -> str:
    """Pooled share with its interval over patients."""
    part, whole = (np.array(column, float) for column in zip(*shared, strict=True))
    ratio = Ratio(part, whole)
    interval = bootstrap_interval([ratio], np.random.default_rng(0))
    limits = "" if interval is None else f" ({interval.low:.2f} to {interval.high:.2f})"
    return f"{ratio.value:.2f}{limits}"


if __name__ == "__main__":
    main()
