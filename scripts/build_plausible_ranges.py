"""Build `src/hyoid/anatomy/plausible_ranges.json` from contours of real patients.

Two data sets: expert contours of 24 patients (Nikolov et al., arXiv 1809.04430, CC BY 4.0) and the training split of
OpenKBP (Babier et al. 2021, DOI 10.1002/mp.14845). Only ranges over patients are kept.

    python scripts/build_plausible_ranges.py ../shared/data/anatomy ../shared/data/openkbp/train
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hyoid.anatomy.plausibility import OutlineFacts
from hyoid.geometry.orientation import to_canonical
from hyoid.io.files.volumes import read_labels
from hyoid.io.masks import boxed
from hyoid.metrics.outline_facts import centroid_lps_mm, outline_facts
from hyoid.training.cases import OPENKBP_ORGANS

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
# Cord contours of over 400 ml, wrong in the data set.
WRONG = {("pt_215", "spinal_cord"), ("pt_216", "spinal_cord")}
# Of every range this share of patients at each end is left out: contours with a slip of the hand.
TRIMMED = 0.05


def cases(expert: Path, openkbp: Path) -> Iterator[tuple[str, Path, dict[int, str]]]:
    """Yield name, label map and meaning of its labels, patient by patient."""
    for path in sorted(expert.glob("*.nii.gz")):
        yield path.name.split(".")[0], path, EXPERT
    for path in sorted(openkbp.glob("*_oar.nii.gz")):
        yield path.name.removesuffix("_oar.nii.gz"), path, OPENKBP_ORGANS


def main() -> None:
    """Measure every contour and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("expert", type=Path)
    parser.add_argument("openkbp", type=Path)
    arguments = parser.parse_args()
    rows: dict[str, list[OutlineFacts]] = defaultdict(list)
    for name, path, meaning in cases(arguments.expert, arguments.openkbp):
        labels = to_canonical(read_labels(path))
        found = {meaning[value]: mask for value, mask in boxed(labels)[0].items() if value in meaning}
        centre = centroid_lps_mm(found["mandible"]) if "mandible" in found else None
        for organ, mask in found.items():
            facts = outline_facts(mask, labels.geometry, centre)
            if facts is not None and (name, organ) not in WRONG:
                rows[organ].append(facts)
    table = {organ: row_of(found) for organ, found in sorted(rows.items())}
    source = (
        "24 expert-contoured patients (arXiv 1809.04430, CC BY 4.0) and OpenKBP's training split (10.1002/mp.14845)"
    )
    OUT.write_text(json.dumps({"source": source, "trimmed": TRIMMED, "structures": table}, indent=1) + "\n")


def row_of(found: list[OutlineFacts]) -> dict[str, object]:
    """Ranges of every measure over patients, the outermost left out."""
    placed = np.array([facts.offset_mm for facts in found if facts.offset_mm is not None])
    return {
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
