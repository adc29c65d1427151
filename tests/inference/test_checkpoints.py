import json
import pathlib
import zipfile

import numpy as np
import pytest
import torch

from hyoid.errors import ModelUnusableError
from hyoid.inference import checkpoints
from hyoid.inference.checkpoints import fold_package
from hyoid.io.packages.nnunet_folder import read_nnunet_folder


class RunsCode:
    """What a malicious file would hold."""

    def __reduce__(self):
        return (pathlib.Path.touch, (pathlib.Path("owned"),))


def test_a_checkpoint_becomes_a_package(make_nnunet_folder, tmp_path):
    model = read_nnunet_folder(make_nnunet_folder(mirror=(1, 2)))
    package = fold_package(model, "0", tmp_path / "cache")
    assert (package.mirror_axes, package.trainer) == ((1, 2), "nnUNetTrainerOfTheirOwn")
    assert package.manifest.patch == (8, 16, 16)
    assert package.manifest.labels == ("background", "GTVp", "GTVn")
    weights = torch.load(model.checkpoints["0"], weights_only=True)["network_weights"]
    arrays = package.arrays()
    assert set(arrays) == set(weights)
    assert all(np.array_equal(arrays[name], weights[name].numpy()) for name in arrays)


def test_a_known_checkpoint_is_not_opened_again(make_nnunet_folder, tmp_path, monkeypatch):
    model = read_nnunet_folder(make_nnunet_folder())
    first = fold_package(model, "0", tmp_path / "cache")

    def never(path):
        raise AssertionError("opened")

    monkeypatch.setattr(checkpoints, "_loaded", never)
    assert fold_package(model, "0", tmp_path / "cache").manifest == first.manifest


@pytest.mark.parametrize("number", [np.float64(0.5), np.float32(0.5), np.int64(3)])
def test_numbers_that_a_trainer_logs_are_read(make_nnunet_folder, tmp_path, number):
    model = read_nnunet_folder(make_nnunet_folder(extra={"logging": {"losses": [number]}, "_best_ema": number}))
    assert fold_package(model, "0", tmp_path / "cache").trainer == "nnUNetTrainerOfTheirOwn"


def test_numbers_under_their_old_name_are_read(make_nnunet_folder, tmp_path):
    folder = make_nnunet_folder(extra={"_best_ema": np.float64(0.5)})
    path = folder / "fold_0" / "checkpoint_final.pth"
    with zipfile.ZipFile(path) as archive:
        entries = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert b"numpy.core.multiarray" in path.read_bytes()
    assert fold_package(read_nnunet_folder(folder), "0", tmp_path / "cache").mirror_axes == (0, 1, 2)


def test_a_file_that_would_run_code_is_refused_and_does_not_run(make_nnunet_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = read_nnunet_folder(make_nnunet_folder(extra={"surprise": RunsCode()}))
    with pytest.raises(ModelUnusableError, match="does not run code"):
        fold_package(model, "0", tmp_path / "cache")
    assert not (tmp_path / "owned").exists()


def test_damaged_files_are_named(make_nnunet_folder, tmp_path):
    model = read_nnunet_folder(make_nnunet_folder())
    path = model.checkpoints["0"]
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelUnusableError, match="fold_0 is damaged"):
        fold_package(model, "0", tmp_path / "cache")
    torch.save({"weights": 1}, path)
    with pytest.raises(ModelUnusableError, match="no network_weights"):
        fold_package(model, "0", tmp_path / "cache")
    torch.save({"network_weights": {"bias": 1.0}}, path)
    with pytest.raises(ModelUnusableError, match="no network_weights"):
        fold_package(model, "0", tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.json"))


def test_a_damaged_pickle_is_refused_whatever_it_raises(make_nnunet_folder, tmp_path):
    model = read_nnunet_folder(make_nnunet_folder())
    path = model.checkpoints["0"]
    with zipfile.ZipFile(path) as archive:
        entries = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            # Protocol 2, and an element appended to a list that is not there.
            archive.writestr(name, b"\x80\x02a." if name.endswith("data.pkl") else data)
    with pytest.raises(ModelUnusableError, match="fold_0 is damaged"):
        fold_package(model, "0", tmp_path / "cache")


@pytest.mark.parametrize("axes", ["012", (0, 3), {"0": 1}, (None,)])
def test_axes_that_are_none_are_refused(make_nnunet_folder, tmp_path, axes):
    model = read_nnunet_folder(make_nnunet_folder(mirror=axes))
    with pytest.raises(ModelUnusableError, match="axes that do not exist"):
        fold_package(model, "0", tmp_path / "cache")


def test_notes_hold_nothing_of_the_patient_or_the_path(make_nnunet_folder, tmp_path):
    model = read_nnunet_folder(make_nnunet_folder())
    fold_package(model, "0", tmp_path / "cache")
    notes = [json.loads(p.read_text()) for p in (tmp_path / "cache").glob("*.json")]
    assert notes == [{"mirror_axes": [0, 1, 2], "trainer": "nnUNetTrainerOfTheirOwn"}]
