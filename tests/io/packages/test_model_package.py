from pathlib import Path

import numpy as np
import pytest

import hyoid
from hyoid.errors import ModelUnusableError
from hyoid.io.packages.model_package import (
    MANIFEST,
    NOT_STATED,
    VIRTUAL_ONLY,
    WEIGHTS,
    LearnedFrom,
    read_manifest,
    read_package,
    write_package,
)

WEIGHTS_FOLDER = Path(hyoid.__file__).parent / "weights"
FIELDS = {
    "name": "tiny",
    "version": "1",
    "words": "A network for tests.",
    "task": "segmentation",
    "network": {"kind": "unet"},
    "labels": ("tongue",),
    "supported": ("tongue",),
    "spacing_mm": (3, 3, 3),
    "patch": (8, 8, 8),
    "preprocessing": {},
    "training_data": "none",
    "licence": "Apache-2.0",
}


@pytest.fixture
def folder(tmp_path):
    arrays = {"a.weight": np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4), "steps": np.array([3])}
    write_package(tmp_path / "tiny", FIELDS, arrays, licence="L", card="# C")
    return tmp_path / "tiny"


def test_weights_come_back_as_float32_to_half_precision(folder):
    package = read_package(folder)
    arrays = package.arrays()
    assert arrays["a.weight"].dtype == np.float32
    assert np.allclose(arrays["a.weight"], np.linspace(-1, 1, 12).reshape(3, 4), atol=1e-3)
    assert arrays["steps"].tolist() == [3]
    assert (folder / "LICENSE").read_text() == "L"


def test_damaged_weights_are_refused(folder):
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(ModelUnusableError, match="'tiny' are damaged") as caught:
        read_package(folder)
    assert "Install hyoid again" in caught.value.cure
    assert caught.value.exit_code == 4


def test_missing_weights_and_missing_manifest_are_refused(folder):
    (folder / WEIGHTS).unlink()
    with pytest.raises(ModelUnusableError, match="no readable model"):
        read_package(folder)
    (folder / MANIFEST).unlink()
    with pytest.raises(ModelUnusableError, match="not a model package"):
        read_manifest(folder)


def test_a_manifest_with_an_unknown_key_is_refused(folder):
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text + "colour: red\n")
    with pytest.raises(ModelUnusableError, match="manifest of 'tiny' is not valid"):
        read_manifest(folder)


def test_a_manifest_that_would_run_code_is_refused(folder):
    (folder / MANIFEST).write_text("!!python/object/apply:os.getcwd []\n")
    with pytest.raises(ModelUnusableError, match="not valid"):
        read_manifest(folder)


def test_who_taught_a_label_is_a_field_and_words_are_made_from_it(folder, tmp_path):
    assert read_manifest(folder).learned_from == LearnedFrom()
    assert read_manifest(folder).learned_from.words("tongue") == NOT_STATED
    taught = {"real": ("larynx",), "virtual": ("larynx", "tongue")}
    write_package(tmp_path / "told", FIELDS | {"learned_from": taught}, {"w": np.zeros(1)}, licence="", card="")
    found = read_manifest(tmp_path / "told").learned_from
    assert found == LearnedFrom(**taught)
    assert [found.words(name) for name in ("larynx", "tongue", "lip")] == ["", VIRTUAL_ONLY, NOT_STATED]
    assert found.only(("tongue",)) == LearnedFrom(virtual=("tongue",))
    assert [found.virtual_only(name) for name in ("larynx", "tongue", "lip")] == [False, True, False]


@pytest.mark.parametrize("path", sorted(WEIGHTS_FOLDER.glob("*/manifest.yaml")), ids=lambda path: path.parent.name)
def test_shipped_packages_state_who_taught_every_label_they_answer(path):
    manifest = read_manifest(path.parent)
    assert manifest.supported
    assert NOT_STATED not in {manifest.learned_from.words(name) for name in manifest.supported}
    assert {*manifest.learned_from.real, *manifest.learned_from.virtual} <= set(manifest.labels)
