"""Outlines of several sources in one label map; networks are rules here, real ones run in ct_report/test_pipeline."""

from types import SimpleNamespace

import numpy as np
import pytest

from hyoid.anatomy.structures import BY_NAME
from hyoid.inference.nnunet import Prediction
from hyoid.inference.runtime import Runtime
from hyoid.interfaces.installed import public_models
from hyoid.io.packages.model_package import Manifest, ModelPackage
from hyoid.io.packages.nnunet_folder import read_nnunet_folder
from hyoid.io.packages.nnunet_source import answering, nnunet_source
from hyoid.systems import organs as asked
from hyoid.systems.machine import Machine
from hyoid.systems.organs import (
    localise_tumour,
    neck_region,
    organs_or_reason,
    outline_organs,
    outlining_models,
    probability_of,
)
from hyoid.volume import Geometry, Quantity, Volume

SHAPE = (20, 30, 30)
LARYNX, AIR, TONGUE, MANDIBLE = (BY_NAME[n].label for n in ("larynx", "larynx_air", "tongue", "mandible"))
PUBLIC = {"background": 0, "masseter": 1, "Tongue": 2, "larynx_air": 3, "GTVp": 4}


@pytest.fixture
def ct():
    """A block of tissue in air; 4 mm wide voxels."""
    array = np.full(SHAPE, -1000.0, np.float32)
    array[2:18, 4:26, 4:26] = 40
    return Volume(array, Geometry.axial(SHAPE, (4.0, 4.0, 4.0), (-60, -60, 0)), Quantity.HU)


def package(name, labels, bias=()):
    manifest = Manifest(
        name=name, version="1", words="", task="segmentation", network={"kind": "rule", "bias": list(bias)},
        labels=labels, supported=labels, spacing_mm=(4.0, 4.0, 4.0), patch=(16, 16, 16),
        preprocessing={"windows_hu": [[-160, 240]]}, training_data="rules", licence="none", sha256=name,
    )  # fmt: skip
    return ModelPackage(manifest, b"")


@pytest.fixture
def rules(monkeypatch):
    """Packages give every voxel the logits in their manifest; folders label the left half 2 (tongue), the front 3."""
    seen = []

    def load(source, shapes, **_):
        bias = np.array(source.manifest.network["bias"], np.float32)[:, None, None, None]
        return Runtime(lambda block: np.broadcast_to(bias, (len(bias), *block.shape[2:]))[None], "cpu", "f32", False)

    def predict(model, channels, options, cache, *, from_dicom, on_progress):
        seen.append(channels[0].geometry)
        assert from_dicom
        labels = np.zeros(channels[0].array.shape, np.uint8)
        labels[:, :, labels.shape[2] // 2 :] = 2
        labels[:, :3] = 3
        on_progress("tiles", 1, 1)
        p = np.stack([labels == k for k in range(5)]).astype(np.float32) if options.probabilities else None
        return Prediction(channels[0].with_array(labels, Quantity.LABEL), p, "f32", "trainer")

    monkeypatch.setattr(asked, "load_runtime", load)
    monkeypatch.setattr(asked, "predict_case", predict)
    return seen


@pytest.fixture
def folder(make_nnunet_folder):
    return nnunet_source(read_nnunet_folder(make_nnunet_folder(labels=PUBLIC)), name="mine")


def machine(tmp_path):
    return Machine("cpu", tmp_path)


def found(outlines):
    return {int(label) for label in np.unique(outlines.labels.array)} - {0}


def test_a_folder_is_asked_beside_packages_and_looks_around_their_organs(ct, rules, folder, tmp_path):
    told = []
    sources = (package("organs", ("larynx",), [3.0]), answering(folder, ("tongue", "larynx_air")))
    outlines = outline_organs(ct, sources, machine(tmp_path), lambda *a: told.append(a[0]))
    assert outlines.precisions == {"organs": "f32", "mine": "f32"}
    assert {"organs", "mine, tiles"} <= set(told)
    # The larynx came first and covers the body; air of the folder is painted over it, the tongue is not.
    assert found(outlines) == {LARYNX, AIR}
    assert rules[0].shape == neck_region(ct, outlines.labels.with_array(outlines.labels.array > 0)).shape


def test_the_source_that_comes_first_wins_where_two_meet(ct, rules, folder, tmp_path):
    tongue = answering(folder, ("tongue",))
    outlines = outline_organs(ct, (tongue, package("organs", ("mandible",), [3.0])), machine(tmp_path))
    labels = outlines.labels.array
    assert found(outlines) == {TONGUE, MANDIBLE}
    assert (labels[8, 10, 16:24] == TONGUE).all() and (labels[8, 10, 6:12] == MANDIBLE).all()


def test_air_of_a_folder_outside_the_larynx_of_a_package_is_left_out(ct, rules, folder, tmp_path):
    air = answering(folder, ("larynx_air",))
    nothing = outline_organs(ct, (package("organs", ("larynx", "mandible"), [1.0, 3.0]), air), machine(tmp_path))
    assert found(nothing) == {MANDIBLE, AIR}  # no larynx is left to hold the air in, so it stays as it was drawn


def test_a_structure_is_taken_from_the_first_that_has_it(ct, rules, folder, tmp_path):
    sources = (package("organs", ("tongue",), [-3.0]), answering(folder, ("tongue",)))
    outlines = outline_organs(ct, sources, machine(tmp_path))
    assert found(outlines) == set() and not rules
    assert set(outlines.precisions) == {"organs"}


def test_weights_under_a_noncommercial_licence_are_said(ct, rules, make_nnunet_folder, tmp_path):
    row = public_models()["ts_head_muscles"].model_copy(
        update={"noncommercial": True, "licence": "CC-BY-NC-4.0", "structures": {2: "tongue"}}
    )
    source = nnunet_source(read_nnunet_folder(make_nnunet_folder(labels=PUBLIC)), name=row.name, row=row)
    said = outline_organs(ct, (source,), machine(tmp_path)).warnings
    assert any(w.startswith("Not for commercial use: the weights of ts_head_muscles") for w in said)


def test_without_organs_the_region_is_the_patient(ct):
    nothing = ct.with_array(np.zeros(SHAPE, np.uint8), Quantity.LABEL)
    box = neck_region(ct, nothing)
    body = np.argwhere(ct.array > -500)
    assert (np.array(box.start) <= body.min(axis=0)).all() and (np.array(box.stop) > body.max(axis=0)).all()
    one = nothing.array.copy()
    one[10, 15, 15] = 22
    assert neck_region(ct, ct.with_array(one, Quantity.LABEL)).start == (0, 5, 5)


def test_a_folder_localises_the_tumour_and_nothing_beyond_what_it_saw(ct, rules, make_nnunet_folder, tmp_path):
    labels = {"background": 0, "GTVp": 2, "other": 1, "node": 3}
    model = read_nnunet_folder(make_nnunet_folder(labels=labels))
    source = nnunet_source(model, name="mine", stated={"GTVp": "gtvp"})
    organ = np.zeros(SHAPE, np.uint8)
    organ[10, 15, 15] = 22
    organs = ct.with_array(organ, Quantity.LABEL)
    logits, precision = localise_tumour(ct, source, machine(tmp_path), organs=organs)
    assert precision == "f32" and logits.labels == ("target_region",)
    assert logits.geometry.shape == neck_region(ct, organs).shape
    positive = logits.array[0] > 0
    assert positive[5, 5:-1, -3].all() and not positive[:, :, :8].any()
    assert not positive[:, :, -1].any()  # the last column cuts the scan


def test_a_scan_that_is_no_neck_is_given_with_the_reason(ct, rules, tmp_path):
    labels, warnings, manifests = organs_or_reason(ct, (package("organs", ("larynx",), [3.0]),), machine(tmp_path))
    assert labels is None and manifests == () and warnings[0].startswith("Organs were not outlined")


def test_every_structure_has_its_network(folder):
    by = outlining_models(
        [package("organs", ("larynx",)).manifest, folder.manifest.model_copy(update={"supported": ("tongue",)})]
    )
    assert {label: str(who) for label, who in by.items()} == {LARYNX: "network organs 1", TONGUE: "network mine fold 0"}


@pytest.mark.parametrize(("regions", "wanted"), [(False, 0.9), (True, 0.7)])
def test_probabilities_of_classes_add_and_of_regions_the_likeliest_counts(regions, wanted):
    labels = SimpleNamespace(heads=(1, 2, 3), regions=regions)
    source = SimpleNamespace(values={"gtvp": (1, 2), "gtvn": (3,)}, model=SimpleNamespace(labels=labels))
    outputs = np.array([0.2, 0.7, 0.1], np.float32)[:, None, None, None]
    assert probability_of(outputs, source, ["gtvp"]).item() == pytest.approx(wanted)
    assert probability_of(outputs, source, ["gtvn"]).item() == pytest.approx(0.1)


def test_a_network_beside_the_others_is_asked_in_the_same_pass_where_it_can_be(ct, rules, tmp_path, monkeypatch):
    one, two = package("one", ("larynx",), (5,)), package("two", ("target_region",), (3,))
    assert outline_organs(ct, [one], machine(tmp_path), beside=two).beside is None
    both = package("one-two", ("larynx", "target_region"), (5, 3))
    monkeypatch.setattr(asked, "joined", lambda *_: both)
    found = outline_organs(ct, [one], machine(tmp_path), beside=two)
    assert found.beside.labels == ("target_region",) and np.allclose(found.beside.array, 3)
    assert found.precisions == {"one": "f32", "two": "f32"}
    assert np.array_equal(found.labels.array, outline_organs(ct, [one], machine(tmp_path)).labels.array)
