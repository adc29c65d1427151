"""Manifests of packages that never were, and those that came with hyoid."""

from pathlib import Path

import pytest

import hyoid
from hyoid.io.packages.model_package import Manifest, read_manifest


@pytest.fixture(scope="session")
def shipped():
    """Folder and manifest of every package that came with hyoid, by name."""
    folders = sorted(p.parent for p in (Path(hyoid.__file__).parent / "weights").glob("*/manifest.yaml"))
    return {folder.name: (folder, read_manifest(folder)) for folder in folders}


@pytest.fixture
def manifest():
    """Makes a manifest; keywords replace its fields."""

    def make(**changes):
        fields = {
            "name": "tiny", "version": "2", "words": "Outlines the tongue.", "task": "segmentation", "network": {},
            "labels": ("tongue", "larynx"), "supported": ("tongue",), "spacing_mm": (3, 3, 3), "patch": (8, 8, 8),
            "preprocessing": {"windows_hu": [[-160, 240]]}, "learned_from": {"real": ("tongue", "larynx")},
            "training_data": "Two patients.", "licence": "MIT", "recipe": {"seed": 7}, "sha256": "0",
        }  # fmt: skip
        return Manifest(**(fields | changes))

    return make
