"""U-Nets of one stage in nnU-Net's own predictor; `petct.py` runs this under a Python with nnunetv2.

    PYTHON petct_nnunet.py FOLDER

FOLDER holds `image.npy` (channels, d, h, w) and `request.json` (network, patch, weights); `logits_K.npy` are written.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from safetensors.torch import load_file


def main(folder: Path) -> None:
    """Each network over the whole image, one after the other."""
    request = json.loads((folder / "request.json").read_text())
    image = torch.from_numpy(np.load(folder / "image.npy"))
    heads = request["network"]["out_channels"]
    for number, file in enumerate(request["weights"]):
        network = nnunet_network(request["network"])
        weights = {name: value.float() for name, value in load_file(file).items()}
        missing, unexpected = network.load_state_dict(weights, strict=False)
        # nnU-Net registers its modules under several names; these share their weights.
        own = [name for name in missing if ".all_modules." not in name and not name.startswith("decoder.encoder.")]
        if own or unexpected:
            raise SystemExit(f"The weights do not fit nnU-Net's network: {own} {unexpected}")
        predictor = nnUNetPredictor(
            tile_step_size=0.5,
            use_gaussian=True,
            use_mirroring=False,
            perform_everything_on_device=False,
            device=torch.device("cpu"),
            allow_tqdm=False,
        )
        plans = SimpleNamespace(get_label_manager=lambda _: SimpleNamespace(num_segmentation_heads=heads))
        configuration = SimpleNamespace(patch_size=request["patch"])
        predictor.manual_initialization(network, plans, configuration, None, {}, "", None)
        with torch.inference_mode():
            logits = predictor.predict_sliding_window_return_logits(image)
        np.save(folder / f"logits_{number}.npy", logits.float().numpy())


def nnunet_network(description: dict) -> torch.nn.Module:
    """nnU-Net's class for a description."""
    shared = {
        "input_channels": description["in_channels"],
        "n_stages": len(description["features"]),
        "features_per_stage": description["features"],
        "conv_op": torch.nn.Conv3d,
        "kernel_sizes": description["kernels"],
        "strides": description["strides"],
        "num_classes": description["out_channels"],
        "n_conv_per_stage_decoder": description["decoder_convs"],
        "conv_bias": True,
        "norm_op": torch.nn.InstanceNorm3d,
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "nonlin": torch.nn.LeakyReLU,
        "nonlin_kwargs": {"inplace": True},
        "deep_supervision": False,
    }
    if description["encoder"] == "plain":
        return PlainConvUNet(**shared, n_conv_per_stage=description["encoder_blocks"])
    return ResidualEncoderUNet(**shared, n_blocks_per_stage=description["encoder_blocks"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
