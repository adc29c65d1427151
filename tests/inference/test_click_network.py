import numpy as np
import pytest
import torch

from hyoid.anatomy.lesion_attributes import ATTRIBUTES
from hyoid.errors import ModelUnusableError
from hyoid.inference import click_network
from hyoid.inference.click_network import ClickNetwork
from hyoid.io.packages.model_package import read_package, write_package
from hyoid.models.build import build_network
from hyoid.models.prompts import PointKind
from hyoid.volume import Geometry, Quantity, Volume

NETWORK = {
    "kind": "isrg", "variant": "full", "heads": 2, "hybrid_layers": 1, "mask_layers": 1, "fine_clicks": True,
    "vision": {
        "image": (16, 16, 16), "in_channels": 2, "patch": 8, "dim": 16, "depth": 1, "heads": 2, "window": 2,
        "global_layers": (0,), "channels": 32, "stem": "convolution", "stem_channels": (4, 8),
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("package")
    arrays = {name: tensor.numpy() for name, tensor in build_network(NETWORK).state_dict().items()}
    manifest = {
        "name": "tiny", "version": "1", "words": "", "task": "lesion", "network": NETWORK,
        "labels": ("lesion", *ATTRIBUTES), "supported": ("lesion", "shape"), "spacing_mm": (3.0, 3.0, 3.0),
        "patch": (16, 16, 16), "preprocessing": {"windows_hu": [[-160, 240], [-1000, 1500]], "spacings_mm": [3.0, 1.5]},
        "training_data": "", "licence": "",
    }  # fmt: skip
    write_package(folder, manifest, arrays, licence="", card="")
    return read_package(folder)


@pytest.fixture
def scan():
    hu = np.random.default_rng(0).normal(0, 50, (20, 20, 20)).astype(np.float32)
    return Volume(hu, Geometry.axial(hu.shape, (2, 2, 2)), Quantity.HU)


def asked(network, scan, previous=None):
    encoded = network.encode(scan, "scan", network.region(np.array([20.0, 20.0, 20.0]), 3.0))
    return network.decode(encoded, np.array([[7.5, 7.5, 7.5]]), [PointKind.ADD], previous)


def test_answer(package, scan):
    answer = asked(ClickNetwork(package), scan)
    assert answer.logits.shape == (8, 8, 8)
    assert 0 <= answer.iou <= 1
    assert list(answer.attributes) == ["shape"]  # what the package was not taught is not said
    assert sum(answer.attributes["shape"].values()) == pytest.approx(1, abs=1e-5)
    assert ClickNetwork(package).spacings_mm == (1.5, 3.0)


def test_classes_answer_each_for_themselves_by_sigmoid(package, scan, tmp_path):
    manifest = package.manifest.model_dump(mode="json") | {"network": NETWORK | {"attribute_activation": "sigmoid"}}
    write_package(tmp_path, {k: v for k, v in manifest.items() if k != "sha256"}, package.arrays(), licence="", card="")
    together = np.array(list(asked(ClickNetwork(package), scan).attributes["shape"].values()))
    alone = np.array(list(asked(ClickNetwork(read_package(tmp_path)), scan).attributes["shape"].values()))
    odds = alone / (1 - alone)
    assert np.allclose(odds / odds.sum(), together, atol=1e-4)


def test_regions_are_kept_by_content_and_answer_alike_after_a_restart(package, scan, tmp_path):
    first = asked(ClickNetwork(package, cache=tmp_path), scan)
    (entry,) = tmp_path.glob("*.safetensors")
    changed = entry.stat().st_mtime_ns
    again = asked(ClickNetwork(package, cache=tmp_path), scan)
    assert entry.stat().st_mtime_ns == changed
    assert np.array_equal(first.logits, again.logits)
    other = ClickNetwork(package, cache=tmp_path)
    other.encode(scan, "another scan", other.region(np.array([20.0, 20.0, 20.0]), 3.0))
    assert len(list(tmp_path.glob("*.safetensors"))) == 2


def test_a_damaged_entry_is_made_again(package, scan, tmp_path):
    first = asked(ClickNetwork(package, cache=tmp_path), scan)
    (entry,) = tmp_path.glob("*.safetensors")
    entry.write_bytes(b"nothing")
    assert np.array_equal(asked(ClickNetwork(package, cache=tmp_path), scan).logits, first.logits)
    assert entry.stat().st_size > 1000


def test_memory_and_disk_are_bounded(package, scan, tmp_path, monkeypatch):
    monkeypatch.setattr(click_network, "MEMORY_REGIONS", 2)
    monkeypatch.setattr(click_network, "DISK_REGIONS", 3)
    network = ClickNetwork(package, cache=tmp_path)
    for x in range(6):
        network.encode(scan, "scan", network.region(np.array([20.0 + x, 20.0, 20.0]), 3.0))
    assert len(network._kept) == 2
    assert len(list(tmp_path.glob("*.safetensors"))) == 3


@pytest.fixture(scope="module")
def describing(tmp_path_factory):
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("describing")
    description = NETWORK | {"lesion_head": True}
    arrays = {name: tensor.numpy() for name, tensor in build_network(description).state_dict().items()}
    manifest = {
        "name": "tiny", "version": "2", "words": "", "task": "lesion", "network": description,
        "labels": ("lesion", *ATTRIBUTES), "supported": ("lesion", "density"), "spacing_mm": (3.0, 3.0, 3.0),
        "patch": (16, 16, 16), "preprocessing": {"windows_hu": [[-160, 240], [-1000, 1500]], "spacings_mm": [3.0, 1.5]},
        "training_data": "", "licence": "",
    }  # fmt: skip
    write_package(folder, manifest, arrays, licence="", card="")
    return read_package(folder)


def test_attributes_follow_from_the_mask_whoever_drew_it(describing, scan, tmp_path):
    network = ClickNetwork(describing, cache=tmp_path)
    answer = asked(network, scan)
    encoded = network.encode(scan, "scan", network.region(np.array([20.0, 20.0, 20.0]), 3.0))
    own = network.describe(encoded, answer.logits)
    assert own == answer.attributes
    assert list(own) == ["density"]
    # The same mask at the resolution of the region.
    fine = network.describe(encoded, answer.logits.repeat(2, 0).repeat(2, 1).repeat(2, 2))
    assert fine == own
    other = np.full((8, 8, 8), -1.0, np.float32)
    other[2:5, 2:5, 2:5] = 1.0
    assert network.describe(encoded, other) != own
    # After a restart, from disk.
    assert asked(ClickNetwork(describing, cache=tmp_path), scan).attributes == own


def test_attributes_are_told_of_ct_alone(describing, scan):
    network = ClickNetwork(describing)
    assert asked(network, Volume(scan.array, scan.geometry, Quantity.MR)).attributes == {}


def test_a_network_without_a_lesion_head_describes_its_own_masks_only(package, scan):
    network = ClickNetwork(package)
    assert not network.describes_masks
    encoded = network.encode(scan, "scan", network.region(np.array([20.0, 20.0, 20.0]), 3.0))
    with pytest.raises(ModelUnusableError, match="describes only what it outlined itself"):
        network.describe(encoded, np.zeros((8, 8, 8), np.float32))


def test_the_previous_mask_counts(package, scan):
    network = ClickNetwork(package)
    first = asked(network, scan)
    assert not np.array_equal(asked(network, scan, first.logits).logits, first.logits)


def test_a_package_of_another_task_is_refused(package):
    from dataclasses import replace

    wrong = replace(package, manifest=package.manifest.model_copy(update={"task": "segmentation"}))
    with pytest.raises(ModelUnusableError, match="does segmentation, not clicks"):
        ClickNetwork(wrong)
    misfit = replace(
        package, manifest=package.manifest.model_copy(update={"network": NETWORK | {"variant": "vanilla"}})
    )
    with pytest.raises(ModelUnusableError, match="do not fit"):
        ClickNetwork(misfit)


def test_entries_that_are_being_written_or_just_taken_away_disturb_nobody(package, scan, tmp_path, monkeypatch):
    monkeypatch.setattr(click_network, "DISK_REGIONS", 1)
    unfinished = tmp_path / ".unfinished-1.safetensors"
    unfinished.symlink_to(tmp_path / "not there")
    gone = tmp_path / "gone.safetensors"
    gone.symlink_to(tmp_path / "not there")
    asked(ClickNetwork(package, cache=tmp_path), scan)
    assert unfinished.is_symlink()
    assert not gone.is_symlink()
    assert len(list(tmp_path.glob("[!.]*.safetensors"))) == 1
