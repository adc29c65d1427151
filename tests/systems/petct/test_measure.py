"""The parts of a card of the PET/CT system that need no network."""

from types import SimpleNamespace

import numpy as np
import pytest

from hyoid.anatomy.structures import BY_NAME
from hyoid.cards.petct import BASELINE, COARSE, KEYS, WHOLE, WITHOUT_PET
from hyoid.errors import UsageError
from hyoid.io.files.volumes import write_nifti
from hyoid.io.packages.model_package import Manifest, ModelPackage
from hyoid.systems.petct.measure import FOUND, FoundTargets, as_fine, hot_parts, stages_of, system_metrics, systems_of
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((6, 8, 8), (4.0, 4.0, 4.0))


def package(name, stage):
    manifest = Manifest(
        name=name, version="1", words="", task="segmentation", network={}, labels=("background", "gtvp", "gtvn"),
        supported=("gtvp", "gtvn"), spacing_mm=(4, 4, 4), patch=(8, 8, 8), training_data="", licence="", sha256=name,
        preprocessing={"stage": stage, "region": {"box_mm": 144.0, "min_volume_ml": 0.0}},
    )  # fmt: skip
    return ModelPackage(manifest, b"")


HEAD, COARSE_NETWORK, ONE, OTHER = (
    package(name, stage) for name, stage in (("h", "head"), ("c", "coarse"), ("a", "fine"), ("b", "fine"))
)


def test_networks_are_sorted_by_stage_in_whatever_order_they_come():
    assert stages_of([OTHER, COARSE_NETWORK, ONE, HEAD]) == (HEAD, COARSE_NETWORK, (OTHER, ONE))


@pytest.mark.parametrize("given", [[HEAD, ONE], [HEAD, COARSE_NETWORK], [HEAD, HEAD, COARSE_NETWORK, ONE], [ONE]])
def test_a_system_with_a_stage_missing_or_twice_is_refused(given):
    with pytest.raises(UsageError, match="measured as a whole") as caught:
        stages_of(given)
    assert "in one call" in caught.value.cure


def test_every_fine_network_has_its_row_and_the_coarse_one_stands_in():
    rows = systems_of(COARSE_NETWORK, (ONE, OTHER))
    assert list(rows) == [WHOLE, "a as the only fine network", "b as the only fine network", COARSE]
    assert rows[WHOLE] == (ONE, OTHER)
    assert list(systems_of(COARSE_NETWORK, (ONE,))) == [WHOLE, COARSE]
    stand_in = as_fine(COARSE_NETWORK).manifest.preprocessing
    assert (stand_in["stage"], stand_in["region"]) == ("fine", {"box_mm": 144.0, "min_volume_ml": 0.1})
    assert COARSE_NETWORK.manifest.preprocessing["stage"] == "coarse"


def test_the_baseline_is_what_is_hot_below_the_brain():
    suv, organs = np.zeros(GRID.shape, np.float32), np.zeros(GRID.shape, np.uint8)
    suv[1, 1:4, 1:4] = 4.0
    suv[2, 6, 6] = 9.0
    suv[5] = 20.0
    organs[4, 4, 4] = BY_NAME["brainstem"].label
    labels = hot_parts(Volume(suv, GRID, Quantity.SUV), Volume(organs, GRID, Quantity.LABEL))
    assert (labels == 1).sum() == 9
    assert (labels == 2).sum() == 1
    assert not labels[4:].any()
    nothing = hot_parts(Volume(suv * 0, GRID, Quantity.SUV), Volume(organs, GRID, Quantity.LABEL))
    assert not nothing.any()


def found(primary, node, **changes):
    labels = np.zeros(GRID.shape, np.uint8)
    labels[primary] = 1
    labels[node] = 2
    values = {"head_dice": 0.9, "centre_mm": 4.0} | changes
    empty = np.zeros(GRID.shape, np.uint8)
    return FoundTargets(**values, labels={WHOLE: labels, WITHOUT_PET: empty, BASELINE: labels})


def test_the_numbers_of_the_system_by_hand(tmp_path):
    primary, node = (slice(1, 3), slice(1, 3), slice(1, 3)), (slice(4, 5), slice(5, 7), slice(5, 7))
    truth = found(primary, node)
    cases = []
    for name in ("a", "b"):
        path = tmp_path / f"{name}.nii.gz"
        write_nifti(Volume(truth.labels[WHOLE], GRID, Quantity.LABEL), path)
        cases.append(SimpleNamespace(name=name, targets=path))
    away = (slice(0, 1), slice(0, 1), slice(0, 1))
    metrics = system_metrics(cases, [truth, found(away, node, head_dice=0.7, centre_mm=None)], "a test")
    assert (metrics["patients"], metrics["data"], metrics["primaries_untouched"]) == (2, "a test", 1)
    assert (metrics["head_dice"], metrics["head_dice_lowest"]) == (0.8, 0.7)
    assert (metrics["centres_found"], metrics["centre_mm_median"], metrics["centre_mm_most"]) == (1, 4.0, 4.0)
    whole = metrics["systems"][WHOLE]
    assert whole[KEYS[0]][0] == pytest.approx(0.5)  # one primary whole, one missed
    assert whole[KEYS[1]][0] == whole[KEYS[2]][0] == 1.0
    assert metrics["systems"][WITHOUT_PET][KEYS[1]][0] == 0.0


def test_what_was_found_comes_back_from_the_disk():
    before = found((slice(1, 3),) * 3, (slice(4, 5),) * 3, centre_mm=None)
    after = FOUND.decode(FOUND.encode(before))
    assert (after.head_dice, after.centre_mm) == (0.9, None)
    assert all(np.array_equal(after.labels[name], array) for name, array in before.labels.items())
