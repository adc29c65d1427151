"""The same labels as nnunetv2's own predictor, on folders that nnunetv2 planned and trained.

Needs `pip install '.[nnunet]'` and some minutes per configuration: `pytest -m nnunet tests/parity`. Set HYOID_PARITY to
a folder to keep what nnunetv2 made. What can differ: nnU-Net resamples logits with another implementation of the same
spline, so voxels whose two best logits are almost equal may fall either way.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hyoid.geometry.overlap import dice_of_masks
from hyoid.inference.nnunet import Options, predict_case
from hyoid.io.files.volumes import read_image
from hyoid.io.packages.nnunet_folder import read_nnunet_folder
from hyoid.volume import Quantity

sys.path.insert(0, str(Path(__file__).parent))
from nnunet_folders import ALL, case_files

pytestmark = [pytest.mark.nnunet, pytest.mark.filterwarnings("ignore")]
STEPS = 250
LOWEST_DICE = 0.999
FEW_VOXELS = 10  # in a label of a thousand voxels five that fall the other way are already 0.998
LOWEST_DICE_BF16 = 0.998  # its check is against hyoid's own float32, tile by tile


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    return Path(os.environ.get("HYOID_PARITY") or tmp_path_factory.mktemp("nnunet"))


@pytest.fixture(scope="session", params=list(ALL))
def trained(root, request):
    script = Path(__file__).with_name("nnunet_folders.py")
    subprocess.run([sys.executable, str(script), str(root), request.param, str(STEPS)], check=True)
    return request.param


def theirs(root, name, folder, files, *, mirror):
    """Labels by nnunetv2."""
    import torch
    from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(
        use_mirroring=mirror, perform_everything_on_device=False, device=torch.device("cpu"), allow_tqdm=False
    )
    predictor.initialize_from_trained_model_folder(str(folder), ALL[name].folds, "checkpoint_final.pth")
    image, properties = SimpleITKIO().read_images(files)
    return predictor.predict_single_npy_array(image, properties, None, None, False)


@pytest.mark.parametrize("mirror", [True, False], ids=["mirrored", "plain"])
@pytest.mark.parametrize("precision", ["f32", None], ids=["f32", "chosen"])
def test_labels_are_those_of_nnunetv2(root, trained, mirror, precision, tmp_path_factory, record_property):
    made = ALL[trained]
    folder = next((root / "results").glob(f"Dataset{made.number}_*/*"))
    files = case_files(next((root / "raw").glob(f"Dataset{made.number}_*")) / "imagesTs", len(made.channels))[0]
    expected = theirs(root, trained, folder, files, mirror=mirror)
    kinds = [Quantity.HU, Quantity.SUV]
    channels = [read_image(file, kind) for file, kind in zip(files, kinds, strict=False)]
    cache = Path(os.environ.get("HYOID_CACHE") or tmp_path_factory.getbasetemp() / "cache")
    found = predict_case(read_nnunet_folder(folder), channels, Options(mirror=mirror, precision=precision), cache)
    labels = np.unique(expected)
    assert len(labels) > 2, "trained too briefly to say anything"
    scores = {int(label): dice_of_masks(found.labels.array == label, expected == label) for label in labels if label}
    differing = int((found.labels.array != expected).sum())
    print(f"{trained}, mirror {mirror}, {found.precision}: {differing} of {expected.size} voxels differ, Dice {scores}")
    lowest = LOWEST_DICE_BF16 if found.precision == "bf16" else LOWEST_DICE
    assert min(scores.values()) >= lowest or differing <= FEW_VOXELS


def test_the_network_sees_what_nnunetv2_prepares(root, trained):
    from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    from hyoid.inference import nnunet as ours
    from hyoid.preprocess import nnunet as prepare

    made = ALL[trained]
    folder = next((root / "results").glob(f"Dataset{made.number}_*/*"))
    files = case_files(next((root / "raw").glob(f"Dataset{made.number}_*")) / "imagesTs", len(made.channels))[0]
    plans = PlansManager(str(folder / "plans.json"))
    configuration = plans.get_configuration(made.configuration)
    image, properties = SimpleITKIO().read_images(files)
    dataset = json.loads((folder / "dataset.json").read_text())
    expected, *_ = configuration.preprocessor_class(verbose=False).run_case_npy(
        image, None, properties, plans, configuration, dataset
    )
    model = read_nnunet_folder(folder)
    volumes = [read_image(f, k) for f, k in zip(files, [Quantity.HU, Quantity.SUV], strict=False)]
    scan = np.stack([v.array for v in volumes]).transpose(0, *(a + 1 for a in model.transpose))
    spacing = ours._spacing(model, volumes[0], from_dicom=False)
    found, _ = ours._prepared(model, scan, prepare.nonzero_box(scan), spacing, None, fast=False)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=2e-3)
