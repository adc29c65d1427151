"""Volumes for MONAI and TorchIO, against their own readers."""

import numpy as np
import pytest

import hyoid
from hyoid.errors import UsageError
from hyoid.interfaces.answers import Scan
from hyoid.io.files.volumes import write_nifti
from hyoid.volume import Geometry, Quantity, Volume


@pytest.fixture
def oblique():
    turned = np.array([[0.0, 0.1, 0.9, 5.0], [0.2, 1.2, -0.1, -7.0], [3.0, -0.3, 0.0, 11.0], [0, 0, 0, 1.0]])
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    # NIfTI keeps orthogonal axes exactly; these are made so.
    q, _ = np.linalg.qr(turned[:3, :3])
    turned[:3, :3] = q * np.array([3.0, 1.2, 0.9])
    return Volume(array, Geometry((2, 3, 4), turned), Quantity.HU)


@pytest.mark.filterwarnings("ignore:NvImgCodec")
def test_monai_reads_the_same_image(oblique, tmp_path):
    from monai.transforms import LoadImage

    tensor = hyoid.to_metatensor(oblique)
    read = LoadImage("NibabelReader", image_only=True, ensure_channel_first=True)(
        write_nifti(oblique, tmp_path / "a.nii.gz")
    )
    assert tuple(tensor.shape) == tuple(read.shape) == (1, 4, 3, 2)
    assert np.array_equal(tensor.numpy(), read.numpy())
    assert np.allclose(tensor.affine, read.affine, atol=1e-4)


def test_torchio_reads_the_same_image(oblique, tmp_path):
    torchio = pytest.importorskip("torchio")
    image = hyoid.to_torchio(oblique)
    read = torchio.ScalarImage(write_nifti(oblique, tmp_path / "a.nii.gz"))
    assert isinstance(image, torchio.ScalarImage)
    assert np.array_equal(image.numpy(), read.numpy())
    assert np.allclose(image.affine, read.affine, atol=1e-4)


def test_labels_stay_labels(oblique):
    torchio = pytest.importorskip("torchio")
    labels = oblique.with_array(oblique.array > 3, Quantity.LABEL)
    assert isinstance(hyoid.to_torchio(labels), torchio.LabelMap)
    assert set(np.unique(hyoid.to_metatensor(labels).numpy())) == {0, 1}


def test_a_scan_goes_as_its_voxels(ball_study):
    scan = Scan.of(ball_study)
    assert np.array_equal(hyoid.to_metatensor(scan).numpy()[0].T, scan.to_numpy())


def test_what_holds_no_image_is_refused():
    with pytest.raises(UsageError, match="holds no image"):
        hyoid.to_metatensor(hyoid.structure("CT neck. Mass in the right tonsil."))


def test_torchio_that_is_not_installed(oblique, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torchio", None)
    with pytest.raises(UsageError, match=r"hyoid\[interchange\]"):
        hyoid.to_torchio(oblique)
