"""Fixtures that every test folder may use."""

from pathlib import Path

import pytest

_SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with real scans and masks; the test is skipped where it is absent."""
    if not _SHARED.is_dir():
        pytest.skip("needs ../shared/data")
    return _SHARED


@pytest.fixture
def make_nnunet_folder(tmp_path):
    """Write a small nnU-Net v2 folder as nnU-Net would: `make(labels=..., patch=..., ...)` gives its path."""
    return lambda **options: write_nnunet_folder(tmp_path, **options)


def write_nnunet_folder(
    root, *, labels=None, regions_class_order=None, channels=("CT",), schemes=("CTNormalization",), patch=(8, 16, 16),
    spacing=(3.0, 2.0, 2.0), encoder="PlainConvUNet", old=False, transpose=(0, 1, 2), folds=("0",), mirror=(0, 1, 2),
    configuration="3d_fullres", previous=None, masked=False, extra=None, seed=0,
):  # fmt: skip
    """A two-stage network with random weights behind plans of either format."""
    import json

    import torch

    from hyoid.models.build import build_network

    labels = labels or {"background": 0, "GTVp": 1, "GTVn": 2}
    flat = [v for value in labels.values() for v in (value if isinstance(value, list) else [value])]
    heads = len(regions_class_order) if regions_class_order else len(set(flat))
    dimensions = len(patch)
    kernels, strides = [[3] * dimensions] * 2, [[1] * dimensions, [2] * dimensions]
    settings = {
        "preprocessor_name": "DefaultPreprocessor",
        "patch_size": list(patch),
        "spacing": list(spacing[-dimensions:]),
        "normalization_schemes": list(schemes),
        "use_mask_for_norm": [masked] * len(schemes),
    }
    if previous:
        settings["previous_stage"] = previous
    if old:
        settings |= {
            "UNet_class_name": encoder, "UNet_base_num_features": 4, "unet_max_num_features": 6,
            "n_conv_per_stage_encoder": [1, 1], "n_conv_per_stage_decoder": [1], "conv_kernel_sizes": kernels,
            "pool_op_kernel_sizes": strides, "num_pool_per_axis": [1] * dimensions,
        }  # fmt: skip
    else:
        blocks = "n_blocks_per_stage" if encoder == "ResidualEncoderUNet" else "n_conv_per_stage"
        settings["architecture"] = {
            "network_class_name": f"dynamic_network_architectures.architectures.unet.{encoder}",
            "arch_kwargs": {
                "n_stages": 2, "features_per_stage": [4, 6], "conv_op": f"torch.nn.modules.conv.Conv{dimensions}d",
                "kernel_sizes": kernels, "strides": strides, blocks: [1, 1], "n_conv_per_stage_decoder": [1],
                "conv_bias": True, "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimensions}d",
                "norm_op_kwargs": {"eps": 1e-5, "affine": True}, "dropout_op": None, "dropout_op_kwargs": None,
                "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": True},
            },
        }  # fmt: skip
    intensities = {"mean": 20.0, "std": 150.0, "percentile_00_5": -900.0, "percentile_99_5": 900.0}
    plans = {
        "dataset_name": "Dataset001_Test",
        "transpose_forward": list(transpose),
        "image_reader_writer": "SimpleITKIO",
        "configurations": {configuration: settings},
        "foreground_intensity_properties_per_channel": {str(k): intensities for k in range(len(channels))},
    }
    dataset = {"channel_names": {str(k): c for k, c in enumerate(channels)}, "labels": labels, "file_ending": ".nii.gz"}
    if regions_class_order:
        dataset["regions_class_order"] = list(regions_class_order)
    folder = root / f"nnUNetTrainerOfTheirOwn__nnUNetPlans__{configuration}"
    inputs = len(channels) + (len(set(flat) - {0}) if previous else 0)
    for fold in folds:
        torch.manual_seed(seed + (0 if fold == "all" else int(fold)))
        network = build_network({
            "kind": "unet_stages", "encoder": "residual" if encoder == "ResidualEncoderUNet" else "plain",
            "in_channels": inputs, "out_channels": heads, "features": [4, 6], "kernels": kernels, "strides": strides,
            "encoder_blocks": [1, 1], "decoder_convs": [1],
        })  # fmt: skip
        (folder / f"fold_{fold}").mkdir(parents=True)
        content = {
            "network_weights": network.state_dict(),
            "trainer_name": "nnUNetTrainerOfTheirOwn",
            "inference_allowed_mirroring_axes": mirror,
            "init_args": {"configuration": configuration},
        }
        torch.save(content | (extra or {}), folder / f"fold_{fold}" / "checkpoint_final.pth")
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    return folder
