"""Take some structures of a trained outlining network out as a package of its own.

    python scripts/cut_package.py work/outlines/package work/tumour/package --name tumour \
        --words "Localises the high-dose target region on CT." target_region
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hyoid.io.packages.model_package import read_package
from hyoid.training.cut import cut_package


def main() -> None:
    """Write the package."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="Package to take structures from")
    parser.add_argument("out", type=Path, help="Folder of the new package")
    parser.add_argument("labels", nargs="+", help="Structures to keep")
    parser.add_argument("--name", required=True, help="Name of the new package")
    parser.add_argument("--words", required=True, help="What the new package does, as a sentence")
    asked = parser.parse_args()
    print(cut_package(read_package(asked.source), asked.labels, asked.out, name=asked.name, words=asked.words))


if __name__ == "__main__":
    main()
