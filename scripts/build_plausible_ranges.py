"""Build `src/hyoid/anatomy/plausible_ranges.json` from contours of real patients, and of virtual ones for the rest.

Two data sets: expert contours of 24 patients (Nikolov et al., arXiv 1809.04430, CC BY 4.0) and the training split of
OpenKBP (Babier et al. 2021, DOI 10.1002/mp.14845); the air of the larynx is what is air on the CT inside its contour.
Structures that nobody contoured there are measured on virtual patients. Only ranges over patients are kept.

    python scripts/build_plausible_ranges.py ../shared/data/anatomy ../shared/data/openkbp/train
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.plausibility import REAL, VIRTUAL, OutlineFacts
from hyoid.anatomy.structures import BY_LABEL, BY_NAME, ORGANS, structure_mask
from hyoid.geometry.orientation import to_canonical
from hyoid.io.cohorts.openkbp import organs_of
from hyoid.io.files.volumes import read_image, read_labels
from hyoid.io.masks import boxed
from hyoid.metrics.outline_facts import centroid_lps_mm, outline_facts
from hyoid.phantom.patient import virtual_patient
from hyoid.volume import AIR_BELOW_HU, Geometry, Quantity, Volume

OUT = Path(__file__).resolve().parents[1] / "src" / "hyoid" / "anatomy" / "plausible_ranges.json"
EXPERT = {
    2: "brainstem",
    4: "spinal_cord",
    5: "mandible",
    6: "parotid_left",
    7: "parotid_right",
    8: "submandibular_left",
    9: "submandibular_right",
}
# Of every range this share of patients at each end is left out: contours with a slip of the hand.
TRIMMED = 0.05
VIRTUAL_SPACING_MM = (3.0, 3.0, 3.0)


def contoured(expert: Path, openkbp: Path) -> Iterator[tuple[dict[str, Volume], Geometry]]:
    """Yield the contoured structures of every real patient, each in its box, and the grid of the scan."""
    for path in sorted(expert.glob("*.nii.gz")):
        labels = to_canonical(read_labels(path))
        yield named({name: labels.array == value for value, name in EXPERT.items()}, labels.geometry), labels.geometry
    for path in sorted(openkbp.glob("*_oar.nii.gz")):
        labels = to_canonical(read_labels(path))
        found = organs_of(labels.array, path.name.removesuffix("_oar.nii.gz"))
        if "larynx" in found:
            ct = to_canonical(read_image(path.with_name(path.name.replace("_oar", "_ct")), Quantity.HU))
            found["larynx_air"] = found["larynx"] & (ct.array < AIR_BELOW_HU)
        yield named(found, labels.geometry), labels.geometry


def drawn(patients: int) -> Iterator[tuple[dict[str, Volume], Geometry]]:
    """Yield the structures of virtual patients likewise."""
    for seed in range(patients):
        organs = to_canonical(virtual_patient(np.random.default_rng(seed), spacing_mm=VIRTUAL_SPACING_MM).organs)
        yield (
            named({row.name: structure_mask(organs.array, row.name) for row in ORGANS}, organs.geometry),
            organs.geometry,
        )


def named(masks: Mapping[str, NDArray[np.bool_]], grid: Geometry) -> dict[str, Volume]:
    """Structures that are not empty, each in its box, by name."""
    found, _ = boxed({BY_NAME[name].label: mask for name, mask in masks.items()}, grid)
    return {BY_LABEL[label].name: mask for label, mask in found.items()}


def measured(patients: Iterable[tuple[dict[str, Volume], Geometry]]) -> dict[str, list[OutlineFacts]]:
    """Measure every structure of every patient, by name of the structure."""
    rows: dict[str, list[OutlineFacts]] = defaultdict(list)
    for found, grid in patients:
        centre = centroid_lps_mm(found["mandible"]) if "mandible" in found else None
        for organ, mask in found.items():
            facts = outline_facts(mask, grid, centre)
            if facts is not None:
                rows[organ].append(facts)
    return rows


def main() -> None:
    """Measure every contour and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("expert", type=Path)
    parser.add_argument("openkbp", type=Path)
    parser.add_argument("--virtual", type=int, default=20, help="Number of virtual patients")
    arguments = parser.parse_args()
    table = {organ: row_of(rows, VIRTUAL) for organ, rows in measured(drawn(arguments.virtual)).items()}
    real = measured(contoured(arguments.expert, arguments.openkbp))
    table |= {organ: row_of(rows, REAL) for organ, rows in real.items()}
    source = (
        "24 expert-contoured patients (arXiv 1809.04430, CC BY 4.0) and OpenKBP's training split "
        f"(10.1002/mp.14845); structures without contours there: {arguments.virtual} virtual patients"
    )
    ordered = dict(sorted(table.items()))
    OUT.write_text(json.dumps({"source": source, "trimmed": TRIMMED, "structures": ordered}, indent=1) + "\n")


def row_of(found: list[OutlineFacts], basis: str) -> dict[str, object]:
    """Ranges of every measure over patients, the outermost left out."""
    placed = np.array([facts.offset_mm for facts in found if facts.offset_mm is not None])
    return {
        "basis": basis,
        "patients": len(found),
        "volume_ml": span([facts.volume_ml for facts in found]),
        "offset_mm": [span(column) for column in placed.T],
        "fill": span([facts.fill for facts in found]),
    }


def span(values: object) -> list[float]:
    """Least and greatest value without the trimmed ends."""
    low, high = np.quantile(np.asarray(values, float), (TRIMMED, 1 - TRIMMED))
    return [round(float(low), 3), round(float(high), 3)]


if __name__ == "__main__":
    main()
