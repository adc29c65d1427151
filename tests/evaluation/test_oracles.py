"""Second opinions on whole evaluations; every difference is a convention with a name."""

from dataclasses import replace

import numpy as np
import pytest

from hyoid.evaluation.evaluate import evaluate_masks
from hyoid.evaluation.protocols import HNTSMRG_2024
from hyoid.io.files.volumes import write_nifti
from hyoid.metrics.overlap import EmptyRule
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((6, 20, 20), (3.0, 1.0, 1.0))


@pytest.fixture
def folders(tmp_path):
    """Four cases; the GTVn of the last is empty on both sides, that of the third only in the prediction."""
    rng = np.random.default_rng(8)
    for case in range(4):
        for side in ("ref", "pred"):
            array = np.zeros(GRID.shape, np.uint8)
            start = rng.integers(1, 6, 3)
            array[start[0] : start[0] + 2, start[1] : start[1] + 7, start[2] : start[2] + 7] = 1
            if case < 2 or (case == 2 and side == "ref"):
                array[1:4, 13:19, 12 + rng.integers(0, 3) : 18] = 2
            (tmp_path / side).mkdir(exist_ok=True)
            write_nifti(Volume(array, GRID, Quantity.LABEL), tmp_path / side / f"case{case}.nii.gz")
    return tmp_path / "pred", tmp_path / "ref"


def summary(folders, rule):
    return evaluate_masks(*folders, replace(HNTSMRG_2024, dice_empty=rule))[0].summary


def test_nnunets_evaluator_leaves_out_where_both_are_empty(folders):
    evaluator = pytest.importorskip("nnunetv2.evaluation.evaluate_predictions")
    from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO

    predictions, references = folders
    rows = [
        evaluator.compute_metrics(str(path), str(predictions / path.name), SimpleITKIO(), [1, 2])["metrics"]
        for path in sorted(references.iterdir())
    ]
    ours = summary(folders, EmptyRule.BOTH_EMPTY_EXCLUDED)
    for label, name in ((1, "GTVp"), (2, "GTVn")):
        assert ours[f"{name}.dsc_mean"] == pytest.approx(np.nanmean([row[label]["Dice"] for row in rows]))
    assert ours["GTVn.dsc_mean.n_excluded"] == 1


def test_monais_dice_leaves_out_where_the_reference_is_empty(folders):
    import torch
    from monai.metrics import compute_dice

    from hyoid.io.files.volumes import read_labels

    predictions, references = folders
    values = []
    for path in sorted(references.iterdir()):
        reference, prediction = read_labels(path).array, read_labels(predictions / path.name).array
        one_hot = [torch.from_numpy(np.stack([a == 1, a == 2])[None]) for a in (prediction, reference)]
        values.append(compute_dice(*one_hot, include_background=True, ignore_empty=True)[0].numpy())
    ours = summary(folders, EmptyRule.REFERENCE_EMPTY_EXCLUDED)
    theirs = np.nanmean(values, axis=0)
    assert [ours["GTVp.dsc_mean"], ours["GTVn.dsc_mean"]] == pytest.approx(theirs.tolist(), abs=1e-6)
