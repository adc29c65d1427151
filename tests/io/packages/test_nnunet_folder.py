import json

import pytest

from hyoid.errors import ModelUnusableError
from hyoid.io.packages.nnunet_folder import Labels, is_nnunet_folder, read_nnunet_folder


def edited(folder, file, change):
    content = json.loads((folder / file).read_text())
    change(content)
    (folder / file).write_text(json.dumps(content))
    return folder


def settings(content):
    return content["configurations"]["3d_fullres"]


def test_old_and_new_plans_give_the_same_model(make_nnunet_folder, tmp_path):
    new = read_nnunet_folder(make_nnunet_folder(configuration="3d_fullres"))
    old = read_nnunet_folder(make_nnunet_folder(configuration="3d_lowres", old=True))
    assert new.network == old.network
    assert (new.patch, new.spacing_mm, new.channels) == (old.patch, old.spacing_mm, old.channels)
    assert new.network["encoder"] == "plain"
    assert new.labels == Labels({"GTVp": 1, "GTVn": 2}, (0, 1, 2), False, (1, 2))


def test_any_trainer_and_residual_encoders(make_nnunet_folder):
    folder = make_nnunet_folder(encoder="ResidualEncoderUNet", folds=("0", "3"))
    model = read_nnunet_folder(folder)
    assert model.network["encoder"] == "residual"
    assert list(model.checkpoints) == ["0", "3"]
    assert list(read_nnunet_folder(folder, folds=("3",)).checkpoints) == ["3"]
    assert is_nnunet_folder(folder)
    assert not is_nnunet_folder(folder / "fold_0")


def test_regions_are_painted_in_their_order(make_nnunet_folder):
    labels = {"background": 0, "whole": [1, 2], "core": 2, "ignore": 3}
    model = read_nnunet_folder(make_nnunet_folder(labels=labels, regions_class_order=(1, 2)))
    assert model.labels == Labels({"whole": (1, 2), "core": 2}, (1, 2), True, (1, 2))
    assert model.network["out_channels"] == 2


def test_a_cascade_takes_the_labels_of_its_first_stage(make_nnunet_folder):
    folder = make_nnunet_folder(configuration="3d_cascade_fullres", previous="3d_lowres")
    model = read_nnunet_folder(folder)
    assert model.previous == "3d_lowres"
    assert model.network["in_channels"] == 1 + 2


def test_configurations_inherit(make_nnunet_folder):
    folder = make_nnunet_folder()

    def change(plans):
        plans["configurations"]["wide"] = {"inherits_from": "3d_fullres", "patch_size": [8, 32, 32]}

    edited(folder, "plans.json", change)
    wide = read_nnunet_folder(folder, configuration="wide")
    assert wide.patch == (8, 32, 32)
    assert wide.spacing_mm == read_nnunet_folder(folder, configuration="3d_fullres").spacing_mm


def kernels(plans):
    return settings(plans)["architecture"]["arch_kwargs"]["kernel_sizes"]


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("plans.json", lambda c: settings(c)["architecture"].update(network_class_name="x.UMambaBot"), "'UMambaBot'"),
        ("plans.json", lambda c: settings(c)["architecture"]["arch_kwargs"].update(nonlin="torch.nn.ReLU"), "nonlin"),
        ("plans.json", lambda c: settings(c).update(normalization_schemes=["HistogramMatching"]), "HistogramMatching"),
        ("plans.json", lambda c: settings(c).update(resampling_fn_data="resample_torch"), "resample_torch"),
        ("plans.json", lambda c: settings(c).update(preprocessor_name="MyPreprocessor"), "MyPreprocessor"),
        ("plans.json", lambda c: c.update(image_reader_writer="Tiff3DIO"), "Tiff3DIO"),
        ("plans.json", lambda c: settings(c).pop("patch_size"), "patch_size"),
        ("plans.json", lambda c: kernels(c).append(kernels(c)[0]), "kernels, strides and blocks per stage"),
        ("dataset.json", lambda c: c.pop("labels"), "labels"),
    ],
)
def test_what_is_not_known_is_refused_by_name(make_nnunet_folder, file, change, said):
    folder = edited(make_nnunet_folder(), file, change)
    with pytest.raises(ModelUnusableError, match=said):
        read_nnunet_folder(folder)


def test_missing_parts_are_named(make_nnunet_folder, tmp_path):
    folder = make_nnunet_folder()
    with pytest.raises(ModelUnusableError, match=r"no checkpoint_final.pth of fold 4"):
        read_nnunet_folder(folder, folds=("4",))
    with pytest.raises(ModelUnusableError, match=r"no fold with a checkpoint_best.pth"):
        read_nnunet_folder(folder, checkpoint="best")
    with pytest.raises(ModelUnusableError, match=r"not in its plans"):
        read_nnunet_folder(folder, configuration="2d")
    (folder / "plans.json").write_text("{")
    with pytest.raises(ModelUnusableError, match=r"no readable plans.json"):
        read_nnunet_folder(folder)
