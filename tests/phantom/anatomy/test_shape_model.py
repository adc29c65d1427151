"""The shipped population statistics."""

from importlib.resources import files

import numpy as np
import pytest

from hyoid.phantom.anatomy.shape_model import draw_organs, load_shape_model

# Mean volumes (ml) of the experts' contours in `anatomy/`, in the patients' own size.
EXPERT_ML = {"mandible": 59.7, "parotid_left": 29.6, "submandibular_left": 9.4, "orbit_left": 8.5, "brain": 1372.0}


def test_the_data_file_is_small_and_attributed():
    data = files("hyoid.phantom") / "data"
    assert len((data / "shape_model.npz").read_bytes()) < 2e6
    attribution = (data / "ATTRIBUTION.md").read_text()
    for words in ("1809.04430", "CC BY 4.0", "OpenKBP", "CC\nBY-SA 4.0"):
        assert words in attribution


def test_mean_organs_have_the_volume_of_the_experts_contours():
    model = load_shape_model()
    for name, volume in EXPERT_ML.items():
        mean, _ = model.organs[name.removesuffix("_left")]
        grid = model.organ_grid_mm[name.removesuffix("_left")]
        drawn = (mean > 0).sum() * grid**3 / 1000
        # The common frame is about 5 % smaller than these patients in every direction.
        assert 0.75 * volume < drawn < 1.05 * volume


def test_drawn_organs_differ_and_keep_their_side():
    model, rng = load_shape_model(), np.random.default_rng(0)
    drawn = [draw_organs(model, rng) for _ in range(30)]
    for organs in drawn:
        assert organs["parotid_left"].centre_mm[2] > 35
        assert organs["parotid_right"].centre_mm[2] < -35
        assert organs["orbit_left"].centre_mm[0] > organs["mandible"].centre_mm[0] + 50
    volumes = [(o["parotid_left"].distance_mm > 0).sum() * o["parotid_left"].grid_mm ** 3 for o in drawn]
    assert 0.1 < np.std(volumes) / np.mean(volumes) < 0.5


def test_maps_describe_a_neck():
    model = load_shape_model()

    def at(name, z, y, x):
        index = [(z - model.grid_low_mm[0]), (y - model.grid_low_mm[1]), x]
        return model.maps[name][tuple(round(v / model.grid_mm) for v in index)]

    assert at("body", -60, 60, 0) > 20
    assert at("body", -60, -100, 0) < -20
    assert at("bone", -60, 68, 0) > 0
    assert at("air", -140, 90, 60) > 0
    assert 0 <= model.maps["fat"].min() <= model.maps["fat"].max() <= 1


@pytest.mark.shared
def test_expert_volumes_are_those_of_the_contours(shared_data):
    sitk = pytest.importorskip("SimpleITK")
    labels = {"mandible": (5,), "orbit_left": (10, 12)}
    volumes = {name: [] for name in labels}
    for path in sorted((shared_data / "anatomy").glob("0522c0[0-4]*.nii.gz")):
        image = sitk.ReadImage(str(path))
        array = sitk.GetArrayFromImage(image)
        for name, of in labels.items():
            volumes[name].append(np.isin(array, of).sum() * np.prod(image.GetSpacing()) / 1000)
    for name, values in volumes.items():
        assert np.mean(values) == pytest.approx(EXPERT_ML[name], rel=0.15)
