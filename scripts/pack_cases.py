"""Pack training cases of a recipe into one small file, to train on another machine.

    python scripts/pack_cases.py organs ../shared/data/openkbp/train --out work/packed

`--data work/packed` then takes the place of the folder of cases.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hyoid.errors import UsageError
from hyoid.training.packed import pack_cases
from hyoid.training.recipe import SegmentationRecipe, load_recipe
from hyoid.training.segmentation import segmentation_cases

LARGEST_MIB = 60


def main() -> None:
    """Write the file; refuse one that would not travel."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="organs, tumour or a YAML file")
    parser.add_argument("data", type=Path, nargs="+", help="Folders of cases")
    parser.add_argument("--preset", default="small", help="Preset of the recipe")
    parser.add_argument("--out", type=Path, required=True, help="Folder that gets cases.npz")
    asked = parser.parse_args()
    recipe = load_recipe(asked.recipe, asked.preset)
    if not isinstance(recipe, SegmentationRecipe):
        raise UsageError(f"Cases of recipe {asked.recipe!r} cannot be packed.", "Choose a recipe of outlines on CT.")
    cases = segmentation_cases(recipe, asked.data)
    file = pack_cases(cases, asked.out)
    mib = file.stat().st_size / 2**20
    print(f"{len(cases)} cases, {mib:.1f} MiB: {file}")
    if mib > LARGEST_MIB:
        raise UsageError(f"The file has {mib:.0f} MiB, more than {LARGEST_MIB}.", "Pack fewer cases.")


if __name__ == "__main__":
    main()
