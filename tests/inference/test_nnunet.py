"""The engine against a plain transcription of nnU-Net's predictor, on random networks."""

import itertools
import shutil

import numpy as np
import pytest
import torch
from scipy import ndimage

from hyoid.errors import InputRefusedError, ModelUnusableError
from hyoid.geometry.orientation import to_canonical
from hyoid.inference import nnunet as engine
from hyoid.inference.checkpoints import fold_package
from hyoid.inference.nnunet import Options, predict_case
from hyoid.io.packages.nnunet_folder import read_nnunet_folder
from hyoid.models.build import build_network
from hyoid.volume import Geometry, Quantity, Volume

F32 = Options(precision="f32")
CT = {"mean": 20.0, "std": 150.0, "percentile_00_5": -900.0, "percentile_99_5": 900.0}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def scan(shape=(9, 24, 20), spacing=(4.0, 1.5, 2.0), seed=0):
    rng = np.random.default_rng(seed)
    array = (ndimage.gaussian_filter(rng.normal(size=shape), 1.5) * 2000).astype(np.float32)
    array[:2], array[:, :3] = 0, 0
    return Volume(array, Geometry.axial(shape, spacing, (-10, -20, 30)), Quantity.HU)


def zoomed(array, shape, order):
    out = ndimage.zoom(array, [m / n for n, m in zip(array.shape, shape, strict=True)], order=order, mode="nearest",
                       grid_mode=True)  # fmt: skip
    return np.clip(out, array.min(), array.max())


def plain_predictor(model, channels, *, mirror=True):
    """Labels by nnU-Net's steps, one voxel-visiting function after the other; 3D, isotropic enough, softmax."""
    data = np.stack([c.array for c in channels]).astype(np.float64).transpose(0, *(a + 1 for a in model.transpose))
    spacing = [channels[0].geometry.spacing_mm[a] for a in model.transpose]
    where = np.argwhere((data != 0).any(axis=0))
    box = tuple(slice(a, b + 1) for a, b in zip(where.min(axis=0), where.max(axis=0), strict=True))
    part = data[(slice(None), *box)]
    shape = [round(s / t * n) for n, s, t in zip(part.shape[1:], spacing, model.spacing_mm, strict=True)]
    part = (np.clip(part, CT["percentile_00_5"], CT["percentile_99_5"]) - CT["mean"]) / CT["std"]
    image = np.stack([zoomed(c, shape, 3) for c in part]).astype(np.float32)
    short = [max(0, p - n) for p, n in zip(model.patch, shape, strict=True)]
    image = np.pad(image, [(0, 0), *[(s // 2, s - s // 2) for s in short]])
    impulse = np.zeros(model.patch)
    impulse[tuple(n // 2 for n in model.patch)] = 1
    weight = ndimage.gaussian_filter(impulse, [n / 8 for n in model.patch], mode="constant")
    weight = np.maximum(weight / weight.max(), 6e-9)
    total, norm = np.zeros((len(model.labels.heads), *image.shape[1:])), np.zeros(image.shape[1:])
    steps = []
    for n, p in zip(image.shape[1:], model.patch, strict=True):
        count = int(np.ceil((n - p) / (p * 0.5))) + 1
        steps.append([int(np.round((n - p) / max(1, count - 1) * i)) for i in range(count)])
    axes = (2, 3, 4) if mirror else ()
    flips = [c for n in range(len(axes) + 1) for c in itertools.combinations(axes, n)]
    for path in model.checkpoints.values():
        network = build_network(model.network)
        network.load_state_dict(torch.load(path, weights_only=True)["network_weights"])
        network.eval()
        for corner in itertools.product(*steps):
            place = tuple(slice(c, c + p) for c, p in zip(corner, model.patch, strict=True))
            x = torch.from_numpy(image[(slice(None), *place)])[None]
            with torch.inference_mode():
                out = sum(torch.flip(network(torch.flip(x, f)), f) for f in flips) / len(flips)
            total[(slice(None), *place)] += out[0].numpy() * weight
            norm[place] += weight
    logits = total / norm
    inner = tuple(slice(s // 2, s // 2 + n) for s, n in zip(short, shape, strict=True))
    logits = logits[(slice(None), *inner)]
    full = np.stack([zoomed(c, [s.stop - s.start for s in box], 1) for c in logits])
    labels = np.zeros(data.shape[1:], int)
    labels[box] = full.argmax(axis=0)
    return labels.transpose(np.argsort(model.transpose))


def agreement(a, b):
    return min(2 * ((a == k) & (b == k)).sum() / ((a == k).sum() + (b == k).sum()) for k in np.unique(b))


@pytest.mark.parametrize(
    "options",
    [{}, {"encoder": "ResidualEncoderUNet", "transpose": (2, 0, 1)}, {"folds": ("0", "1"), "patch": (16, 16, 16)}],
    ids=["plain", "residual, transposed", "two folds, patch larger than the scan"],
)
@pytest.mark.parametrize("mirror", [True, False])
def test_labels_are_those_of_the_plain_predictor(make_nnunet_folder, cache, options, mirror):
    model = read_nnunet_folder(make_nnunet_folder(spacing=(3.0, 2.0, 2.0), **options))
    volume = scan()
    found = predict_case(model, [volume], Options(mirror=mirror, precision="f32"), cache)
    wanted = plain_predictor(model, [volume], mirror=mirror)
    assert len(np.unique(wanted)) > 1
    assert agreement(found.labels.array, wanted) > 0.999
    assert found.labels.geometry.same_grid(volume.geometry)


def test_two_channels_keep_their_order(make_nnunet_folder, cache):
    folder = make_nnunet_folder(channels=("CT", "PET"), schemes=("CTNormalization", "CTNormalization"))
    model = read_nnunet_folder(folder)
    volumes = [scan(), scan(seed=1)]
    found = predict_case(model, volumes, F32, cache).labels.array
    assert agreement(found, plain_predictor(model, volumes)) > 0.999
    assert agreement(predict_case(model, volumes[::-1], F32, cache).labels.array, found) < 0.99


def test_a_flat_network_sees_every_slice_once(make_nnunet_folder, cache):
    model = read_nnunet_folder(make_nnunet_folder(patch=(16, 16), configuration="2d", mirror=(0, 1)))
    volume = scan()
    seen = []
    found = predict_case(model, [volume], F32, cache, on_progress=lambda *event: seen.append(event)).labels.array
    tiles = next(total for stage, _, total in seen if stage == "tiles")
    per_slice = 2 * 2 if volume.array.shape[1] else 0
    assert tiles % 7 == 0  # the seven slices that are not empty
    assert tiles // 7 <= 3 * per_slice
    # Every slice is predicted on its own: without its neighbours it gets the same labels.
    alone = Volume(np.zeros_like(volume.array), volume.geometry, volume.quantity)
    alone.array[4] = volume.array[4]
    assert np.array_equal(predict_case(model, [alone], F32, cache).labels.array[4], found[4])


def test_regions_and_probabilities(make_nnunet_folder, cache):
    labels = {"background": 0, "whole": [1, 2], "core": 2}
    model = read_nnunet_folder(make_nnunet_folder(labels=labels, regions_class_order=(1, 2)))
    result = predict_case(model, [scan()], Options(precision="f32", probabilities=True), cache)
    whole, core = result.probabilities
    wanted = np.where(core > 0.5, 2, np.where(whole > 0.5, 1, 0))
    assert (result.labels.array == wanted).mean() > 0.9999
    assert not result.probabilities[:, :2].any()  # cropped away


def test_a_cascade_runs_its_first_stage(make_nnunet_folder, cache):
    folder = make_nnunet_folder(configuration="3d_cascade_fullres", previous="3d_lowres")
    model = read_nnunet_folder(folder)
    with pytest.raises(ModelUnusableError, match="needs the folder"):
        predict_case(model, [scan()], F32, cache)
    low = make_nnunet_folder(configuration="3d_lowres", spacing=(4.0, 4.0, 4.0), seed=5)
    stages = []
    second = predict_case(model, [scan()], F32, cache, on_progress=lambda stage, *_: stages.append(stage))
    assert "tiles (first stage)" in stages
    # Another first stage gives other labels: they are an input.
    shutil.rmtree(low)
    make_nnunet_folder(configuration="3d_lowres", spacing=(4.0, 4.0, 4.0), seed=9)
    other = predict_case(model, [scan()], F32, cache)
    assert not np.array_equal(other.labels.array, second.labels.array)


def test_dicom_order_follows_the_patient_and_not_the_array(make_nnunet_folder, cache):
    model = read_nnunet_folder(make_nnunet_folder())
    volume = scan()
    matrix = volume.geometry.ijk_to_lps.copy()
    matrix[:3, 3] += matrix[:3, 0] * (volume.array.shape[0] - 1)
    matrix[:3, 0] *= -1
    turned = Volume(np.ascontiguousarray(volume.array[::-1]), Geometry(volume.geometry.shape, matrix), volume.quantity)
    straight = predict_case(model, [volume], F32, cache, from_dicom=True).labels
    found = predict_case(model, [turned], F32, cache, from_dicom=True).labels
    assert np.array_equal(to_canonical(found).array, to_canonical(straight).array)


def test_fast_leaves_out_tiles_without_body_only(make_nnunet_folder, cache):
    model = read_nnunet_folder(make_nnunet_folder(patch=(8, 8, 8), spacing=(2.0, 2.0, 2.0)))
    volume = scan((12, 12, 40), (2.0, 2.0, 2.0))
    volume.array[...] = -1000
    volume.array[:, :, :12] = scan((12, 12, 12), seed=3).array + 100
    counts = {}
    for fast in (False, True):
        seen = []
        options = Options(precision="f32", fast=fast)
        result = predict_case(model, [volume], options, cache, on_progress=lambda *event, seen=seen: seen.append(event))
        counts[fast] = next(total for stage, _, total in seen if stage == "tiles"), result.labels.array
    assert counts[True][0] < counts[False][0]
    assert np.array_equal(counts[True][1][:, :, :12], counts[False][1][:, :, :12])
    assert not counts[True][1][:, :, 30:].any()


def test_channels_that_do_not_suit_are_refused(make_nnunet_folder, cache):
    model = read_nnunet_folder(make_nnunet_folder(channels=("CT", "PET"), schemes=("CTNormalization",) * 2))
    with pytest.raises(InputRefusedError, match=r"takes 2 channel\(s\) \(CT, PET\); 1 were given"):
        predict_case(model, [scan()], F32, cache)
    with pytest.raises(InputRefusedError, match="'PET' lies on another grid than 'CT'"):
        predict_case(model, [scan(), scan((9, 24, 21))], F32, cache)


def test_memory_that_does_not_suffice_is_refused_with_the_numbers(make_nnunet_folder, cache, monkeypatch):
    model = read_nnunet_folder(make_nnunet_folder())
    monkeypatch.setattr(engine, "available_bytes", lambda: 1_000_000)
    with pytest.raises(InputRefusedError, match=r"About 0\.0 GB of memory are needed .* 3 outputs"):
        predict_case(model, [scan()], F32, cache)


def test_bfloat16_is_refused_for_one_rare_label_anywhere(make_nnunet_folder, tmp_path, monkeypatch):
    model = read_nnunet_folder(make_nnunet_folder())
    package = fold_package(model, "0", tmp_path)
    edge = [2 * n for n in package.manifest.patch]
    image = np.zeros((1, *edge), np.float32)
    image[0, : edge[0] // 2] = 1
    image[0, -1, -1, -6:] = 2  # six voxels of the rare label, in the last tile

    def network(package, precision, device, cache):
        def run(block):
            told = np.eye(3, dtype=np.float32)[block[:, 0].astype(int)].transpose(0, 4, 1, 2, 3)
            if precision == "bf16":
                told[:, 2, :, :, -1] = -1
            return told

        return run

    monkeypatch.setattr(engine, "_network", network)
    assert engine.bf16_agrees(model, package, image, tmp_path) == pytest.approx(2 * 5 / 11)
    image[0, -1, -1, -1] = 0  # what bfloat16 gets wrong is not there any more
    assert engine.bf16_agrees(model, package, image, tmp_path) == 1
    assert engine.bf16_agrees(model, package, np.zeros_like(image), tmp_path) is None


def test_bfloat16_is_refused_for_what_one_region_has_over_another(make_nnunet_folder, tmp_path, monkeypatch):
    labels = {"background": 0, "whole": [1, 2], "core": [2]}
    model = read_nnunet_folder(make_nnunet_folder(labels=labels, regions_class_order=[1, 2]))
    package = fold_package(model, "0", tmp_path)
    image = np.full((1, *package.manifest.patch), 2, np.float32)
    image[0, 0, 0, :6] = 1  # all that the whole has over the core

    def network(package, precision, device, cache):
        def run(block):
            told = np.stack([block[:, 0] - 0.5, block[:, 0] - 1.5], axis=1)
            if precision == "bf16":
                told[:, :, 0, 0, 0] = 1
            return told

        return run

    monkeypatch.setattr(engine, "_network", network)
    assert engine.bf16_agrees(model, package, image, tmp_path) == pytest.approx(2 * 5 / 11)
