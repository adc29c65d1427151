"""Take some structures of a trained outlining network out as a package of its own.

    python scripts/cut_package.py work/outlines/package work/tumour/package --name tumour \
        --words "Localises the high-dose target region on CT." target_region
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hyoid.errors import UsageError
from hyoid.io.packages.model_package import ModelPackage, read_package, write_package
from hyoid.training.run import licence_text

_ANSWERING = "decoder.seg_layers."  # one row of weights per structure


def cut_package(source: ModelPackage, labels: Sequence[str], folder: Path, *, name: str, words: str) -> Path:
    """Write a package that answers with some of the structures of another.

    Parameters
    ----------
    source : ModelPackage
        Package of a U-Net with one sigmoid per structure.
    labels : sequence of str
        Structures to keep, in the order of the new package's channels.
    folder : Path
        Folder of the new package; its card says that nothing was measured yet.
    name, words : str
        Name of the new package, and words that say what its network does.

    Returns
    -------
    Path
        `folder`.

    Raises
    ------
    UsageError
        When the network does not answer one of the structures, or is no U-Net.
    """
    manifest = source.manifest
    missing = [label for label in labels if label not in manifest.labels]
    if missing or manifest.network.get("kind") != "unet":
        raise UsageError(
            f"Package {manifest.name!r} is no U-Net that answers {', '.join(missing or labels)}.",
            f"Choose among: {', '.join(manifest.labels)}.",
        )
    rows = [manifest.labels.index(label) for label in labels]
    arrays = {
        key: np.ascontiguousarray(array[rows]) if key.startswith(_ANSWERING) else array
        for key, array in source.arrays().items()
    }
    update = {
        "name": name,
        "words": words,
        "network": manifest.network | {"out_channels": len(labels)},
        "labels": tuple(labels),
        "supported": tuple(label for label in labels if label in manifest.supported),
        "learned_from": manifest.learned_from.only(labels),
        "bf16_agreement": {},
        "metrics": {},
    }
    fields = manifest.model_copy(update=update).model_dump(mode="json", exclude={"sha256"})
    card = f"# {name} {manifest.version}\n\n{words}\n\nNot yet measured.\n"
    write_package(folder, fields, arrays, licence=licence_text(), card=card)
    return folder


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
