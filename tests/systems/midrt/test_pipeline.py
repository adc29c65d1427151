import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from hyoid.errors import GeometryError, ModelUnusableError, UnsuitableScanError
from hyoid.inference.runtime import Runtime
from hyoid.io.cohorts.hntsmrg import find_hntsmrg_cases, read_hntsmrg_case
from hyoid.io.files.volumes import read_image, read_labels
from hyoid.io.packages.model_package import ModelPackage, read_package
from hyoid.metrics.presence import PresenceCurve
from hyoid.systems.machine import Machine
from hyoid.systems.midrt import pipeline
from hyoid.systems.midrt.cases import load_midrt_cases
from hyoid.systems.midrt.pipeline import Pair, Prior, decide, input_form, midrt, prior_of
from hyoid.systems.midrt.train import train_on
from hyoid.training.recipe import load_recipe
from hyoid.training.run import Run
from hyoid.volume import Geometry, Quantity, Volume

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's advice about workers and loggers


@pytest.fixture(scope="module")
def package(make_midrt_case, tmp_path_factory):
    """A package whose network is as good as untrained."""
    root = tmp_path_factory.mktemp("learn")
    make_midrt_case(root, "p0", seed=0)
    recipe = load_recipe("midrt", "smoke")
    optimiser = recipe.optimiser.model_copy(update={"steps": 1, "steps_per_epoch": 1})
    channels = ("t2", "gradient", "outline_gtvp", "outline_gtvn")
    recipe = recipe.model_copy(update={"optimiser": optimiser, "channels": channels})
    return read_package(train_on(recipe, load_midrt_cases(find_hntsmrg_cases(root), recipe), Run(root / "run", "cpu")))


@pytest.fixture
def seeing(monkeypatch):
    """In the network's place: what is bright is tumour, and of the kind of the outline next to it."""

    def run(block):
        t2, _, primary, nodes = block[0]
        near = [ndimage.binary_dilation(mask > 0, iterations=2) for mask in (primary, nodes)]
        bright = t2 > 2.0
        return np.stack([np.where(bright, -4.0, 4.0), *[np.where(bright & n, 6.0, -6.0) for n in near]])[None].astype(
            np.float32
        )

    monkeypatch.setattr(pipeline, "load_runtime", lambda *a, **k: Runtime(run, "cpu", "f32", False))


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    return Machine("cpu", tmp_path_factory.mktemp("cache"), "f32")


def pair_of(folder, *, registered=False):
    case = read_hntsmrg_case(folder)
    carried = read_labels(case.pre_mask_registered) if registered else None
    return Pair(
        read_image(case.pre, Quantity.MR), read_labels(case.pre_mask), read_image(case.mid, Quantity.MR), carried
    )


def with_presence(package, **curve):
    manifest = package.manifest
    constants = {**manifest.preprocessing, "presence": curve}
    return ModelPackage(manifest.model_copy(update={"preprocessing": constants}), package.weights)


def test_from_two_images_and_outlines_to_the_response_of_every_lesion(
    seeing, package, machine, make_midrt_case, tmp_path
):
    folder = make_midrt_case(tmp_path, "a", seed=9)
    stages = []
    result = midrt(pair_of(folder), [package], machine, lambda *a: stages.append(a))
    truth = read_labels(read_hntsmrg_case(folder).mid_mask).array
    found = result.labels.array > 0
    assert 2 * (found & (truth > 0)).sum() / (found.sum() + (truth > 0).sum()) > 0.5
    report = result.report
    assert [line.name for line in report.response][:2] == ["GTVp 1", "GTVn 1"]
    before = {line.name: line.before_ml for line in report.response}
    assert before["GTVp 1"] == pytest.approx(14.1, rel=0.1)  # a ball of 15 mm
    assert report.registration.similarity > 0.5 and report.gradient == "hyoid"
    assert result.gradient.array.max() == 1 and (result.gradient.array > 0).mean() < 0.3
    assert set(np.unique(result.labels.array)) <= {0, 101, 102}
    assert {s[0] for s in stages} == {"check", "register", "gradient", "tiles", "response"}
    assert any("no calibration" in w for w in report.warnings)


def test_the_mean_of_two_equal_networks_is_one_network_and_registered_input_needs_no_registration(
    seeing, package, machine, make_midrt_case, tmp_path
):
    pair = pair_of(make_midrt_case(tmp_path, "a", seed=9), registered=True)
    one, two = (midrt(pair, [package] * n, machine) for n in (1, 2))
    assert np.array_equal(one.labels.array, two.labels.array) and len(two.report.models) == 2
    assert one.report.registration.similarity is None and "Registered before" in one.report.registration.method
    # Volumes before are those on the pre-treatment scan, not of the carried outlines.
    assert one.report.response[0].before_ml == pytest.approx(
        (pair.outlines.array == 1).sum() * pair.outlines.geometry.voxel_ml, abs=1e-4
    )


def test_a_lesion_that_is_not_there_any_more_can_come_out_empty(seeing, package, machine, make_midrt_case, tmp_path):
    pair = pair_of(make_midrt_case(tmp_path, "a", seed=9), registered=True)
    never = with_presence(package, slope=1.0, intercept=-50.0, threshold=0.5, new_at_least=1.1)
    result = midrt(pair, [never], machine)
    assert result.report.empty and not result.labels.array.any()
    assert {line.change for line in result.report.response} == {"may have vanished"}
    assert all(line.present < 0.01 and line.percent == -100 for line in result.report.response)
    assert any("not evidence that there is none" in w for w in result.report.warnings)


def small_prior(shape=(6, 20, 20)):
    geometry = Geometry.axial(shape, (1.0, 1.0, 1.0))
    numbers = np.zeros(shape, np.uint16)
    numbers[2:4, 4:8, 4:8] = 1
    numbers[2:4, 14:17, 14:17] = 2
    outlines = Volume(np.array([0, 1, 2], np.uint8)[numbers], geometry, Quantity.LABEL)
    mid = Volume(np.ones(shape, np.float32), geometry, Quantity.MR)
    return Prior(mid, outlines, numbers, (1, 2), (0.032, 0.018), None, None), mid


def test_presence_removes_one_lesion_and_leaves_the_other_and_new_ones_need_more():
    prior, mid = small_prior()
    outlined = np.zeros(mid.array.shape, np.uint8)
    outlined[2:4, 5:7, 5:7] = 1
    outlined[2:4, 15, 15] = 2
    outlined[2, 2, 18] = 2  # new
    probability = {1: np.where(outlined == 1, 0.9, 0.01), 2: np.where(outlined == 2, 0.55, 0.01)}
    curve = PresenceCurve(slope=1.0, intercept=0.0, threshold=0.5, new_at_least=0.6, new_ml=0.0)
    labels, followed, present = decide(outlined, probability, prior, curve, mid)
    # 2 voxels of 0.55 and 16 of 0.01 in the node's place of 0.018 ml: mean evidence 0.07.
    assert present[1] > 0.2 > present[2]
    keep = PresenceCurve(slope=1.0, intercept=2.0, threshold=0.5, new_at_least=0.6, new_ml=0.0)
    labels, followed, present = decide(outlined, probability, prior, keep, mid)
    assert present[1] > 0.5 > present[2]
    assert (labels == 1).sum() == 8 and not (labels == 2).any() and followed.max() == 1


def test_growth_beyond_the_old_outline_counts_as_evidence_and_is_kept():
    prior, mid = small_prior()
    outlined = np.zeros(mid.array.shape, np.uint8)
    outlined[2:4, 4:8, 8:18] = 1  # everything lies outside the old outline
    probability = {1: np.where(outlined == 1, 0.95, 0.0), 2: np.zeros(mid.array.shape)}
    labels, followed, present = decide(outlined, probability, prior, PresenceCurve(), mid)
    assert present[1] > 0.6 and np.array_equal(labels, outlined) and (followed == 1).sum() == 80


def test_without_removal_every_voxel_stays_as_the_networks_said():
    prior, mid = small_prior((6, 20, 40))
    outlined = np.zeros(mid.array.shape, np.uint8)
    outlined[0, 0, 0] = 2  # a speck
    outlined[2:4, 4:8, 4:8] = 1  # no evidence of this one
    probability = {label: np.zeros(mid.array.shape) for label in (1, 2)}
    labels, _, present = decide(outlined, probability, prior, PresenceCurve(), mid, removes=False)
    assert np.array_equal(labels, outlined) and present == {}
    assert load_recipe("midrt", "paper").postprocessing == "none"


def test_packages_of_the_paper_preset_remove_nothing(package):
    preprocessing = package.manifest.preprocessing
    assert pipeline.removes_lesions(package) and preprocessing["postprocessing"] == "presence"
    changed = package.manifest.model_copy(update={"preprocessing": preprocessing | {"postprocessing": "none"}})
    assert not pipeline.removes_lesions(dataclasses.replace(package, manifest=changed))


def test_specks_without_an_earlier_outline_are_dropped_even_without_a_curve():
    prior, mid = small_prior((6, 20, 40))
    outlined = np.zeros(mid.array.shape, np.uint8)
    outlined[2:4, 4:8, 4:8] = 1
    outlined[0, 0, 0] = 2  # 0.001 ml
    outlined[:, 10:17, 30:36] = 2  # 0.252 ml
    probability = {label: np.where(outlined == label, 0.9, 0.0) for label in (1, 2)}
    labels, followed, present = decide(outlined, probability, prior, None, mid)
    assert present == {} and labels[0, 0, 0] == 0 and labels[0, 10, 30] == 2 and (labels == 1).sum() == 32
    assert followed.max() == 3


def test_a_lesion_outside_the_mid_scan_is_not_called_vanished(make_midrt_case, tmp_path):
    pair = pair_of(make_midrt_case(tmp_path, "a", seed=9))
    cut = pair.mid.geometry
    high = slice(0, 9)  # the balls lie around slice 11
    mid = Volume(pair.mid.array[high], Geometry((9, *cut.shape[1:]), cut.ijk_to_lps), Quantity.MR)
    numbers = np.zeros(mid.array.shape, np.uint16)
    rows = pipeline.responses((5.0,), (1,), numbers, numbers, 0.036)
    line = pipeline.response_line(1, rows[0], numbers, numbers, mid, {}, (1,))
    assert line.change == "not in the field of view" and line.after_ml is None and line.percent is None


def test_empty_outlines_outlines_on_another_grid_and_foreign_models_are_refused(package, make_midrt_case, tmp_path):
    pair = pair_of(make_midrt_case(tmp_path, "a", seed=9), registered=True)
    empty = dataclasses.replace(pair, outlines=pair.outlines.with_array(pair.outlines.array * 0))
    with pytest.raises(UnsuitableScanError, match="Nothing is outlined before"):
        prior_of(empty)
    moved = Geometry.axial(pair.mid.geometry.shape, (4.0, 3.0, 3.0))
    with pytest.raises(GeometryError, match="another grid"):
        prior_of(dataclasses.replace(pair, carried=Volume(pair.carried.array, moved, Quantity.LABEL)))
    other = package.manifest.model_copy(update={"preprocessing": {"windows_hu": []}})
    with pytest.raises(ModelUnusableError, match="no mid-treatment model"):
        input_form([ModelPackage(other, b"")])
    changed = {**package.manifest.preprocessing, "gradient": "paper"}
    fold = ModelPackage(package.manifest.model_copy(update={"preprocessing": changed}), package.weights)
    with pytest.raises(ModelUnusableError, match="different inputs"):
        input_form([package, fold])
