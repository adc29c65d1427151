"""The pipeline on networks of no skill but the right shape: what flows where, and what is said of nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hyoid.anatomy.structures import BY_NAME, GTVN, GTVP, TARGET_REGION
from hyoid.interfaces.installed import public_models
from hyoid.io.packages.model_package import LearnedFrom, read_package, write_package
from hyoid.io.packages.nnunet_folder import read_nnunet_folder
from hyoid.io.packages.nnunet_source import nnunet_source
from hyoid.io.reader_masks import ReaderMasks
from hyoid.io.study import Study
from hyoid.models import sgrnet
from hyoid.models.build import build_network
from hyoid.phantom.patient import PhantomOptions, virtual_patient
from hyoid.report.content.template import TARGET
from hyoid.systems.ct_report.pipeline import ReportModels, structured_report
from hyoid.systems.involvement import (
    ATTENDING,
    attention_maps,
    classifier_inputs,
    classify_outlined,
    explaining,
    sub_sites_warning,
    target_map,
)
from hyoid.systems.machine import Machine
from hyoid.systems.organs import outline_organs
from hyoid.volume import Geometry, Quantity, Volume

ORGANS = ("mandible", "parotid_left", "larynx")
NECK = ("tongue", "thyroid_cartilage", "larynx_air", "mandible")
SUBSITES = ("oral_tongue", "epiglottis")


def tiny_package(folder, name, task, labels, network, patch, preprocessing, bias=None, *, virtual=False):
    torch.manual_seed(0)
    net = build_network(network)
    if bias is not None:
        last = net.decoder.seg_layers[-1]
        torch.nn.init.zeros_(last.weight)
        last.bias.data = torch.tensor(bias, dtype=torch.float32)
    manifest = {
        "name": name,
        "version": "0",
        "words": "For tests.",
        "task": task,
        "network": network,
        "labels": labels,
        "supported": labels,
        "spacing_mm": (4.0, 4.0, 4.0),
        "patch": patch,
        "preprocessing": preprocessing,
        "learned_from": LearnedFrom(virtual=labels) if virtual else LearnedFrom(real=labels),
        "training_data": "nothing",
        "licence": "Apache-2.0",
    }
    weights = {n: t.numpy() for n, t in net.state_dict().items()}
    write_package(folder / name, manifest, weights, licence="x", card="x")
    return read_package(folder / name)


def unet(outputs):
    return {
        "kind": "unet",
        "encoder": "plain",
        "in_channels": 1,
        "out_channels": outputs,
        "features": [2, 2],
        "encoder_blocks": [1, 1],
        "decoder_convs": [1],
    }


def models(folder, organs_bias, tumour_bias, neck_bias=(-5.0,) * 4):
    windows = {"windows_hu": [[-160, 240]]}
    sgrnet = {"kind": "sgrnet", "variant": "organ_tumour_modulation", "backbone": "efficientnet-b0"}
    template = {"kind": "sgrnet", "variant": "sub_sites", "backbone": "none"}
    constants = {
        "window_hu": [-250, 150],
        "values": "normalised",
        "threshold": 0.5,
        "min_volume_ml": 1.0,
        "heatmap": "gaussian",
        "sigma_per_extent": 0.25,
        "involvement_share": 0.05,
    }
    tile = (32, 32, 32)
    return ReportModels(
        (
            tiny_package(folder, "organs", "segmentation", ORGANS, unet(3), tile, windows, organs_bias),
            tiny_package(folder, "neck", "segmentation", NECK, unet(4), tile, windows, neck_bias),
        ),
        tiny_package(folder, "tumour", "segmentation", ("target_region",), unet(1), tile, windows, tumour_bias),
        tiny_package(
            folder,
            "sgrnet",
            "ct_report",
            ("mandible", "larynx"),
            sgrnet | {"outputs": 2, "organ_labels": 28, "channels": 8},
            tile,
            constants,
        ),
        tiny_package(
            folder,
            "sgrnet-template",
            "ct_report",
            SUBSITES,
            template | {"outputs": 2, "organ_labels": 28, "channels": 8},
            tile,
            constants | {"heatmap": "outline"},
            virtual=True,
        ),
    )


@pytest.fixture(scope="module")
def patient():
    options = PhantomOptions(nodes=(2, 2), diameter_mm=(30, 40))
    return virtual_patient(np.random.default_rng(3), spacing_mm=(4.0, 3.0, 3.0), options=options)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def study_of(patient):
    return Study(patient.ct, None, (), (), "0" * 64)


def test_networks_alone_say_nothing_of_a_tumour_and_predict_a_target(patient, cache, tmp_path):
    seen = []
    found = structured_report(
        study_of(patient),
        models(tmp_path, [5.0, 1.0, 0.0], [5.0]),
        Machine("cpu", cache),
        on_progress=lambda *a: seen.append(a),
    )
    report = found.report
    assert {m.name for m in report.models} == {"organs", "neck", "tumour", "sgrnet"}
    assert report.line("primary_location_of_the_mass").value == "Not assessed: no outline"
    assert report.line("number_of_nodes").status == "Missing"
    assert report.line("target_place").status == "model"
    assert report.line("target_larynx").section == TARGET
    assert any("Nobody outlined a tumour" in w for w in report.warnings)
    assert found.outlines.geometry.same_grid(patient.ct.geometry)
    assert TARGET_REGION in found.outlines.targets
    assert set(found.attention.maps) == {"mandible", "larynx"}
    assert found.attention.shared
    for stage in ("check", "organs", "neck", "tumour", "involvement", "report"):
        assert [s for s in seen if s[0] == stage][-1][1] == [s for s in seen if s[0] == stage][-1][2]


def test_a_readers_masks_replace_tumour_network_and_sgrnet(patient, cache, tmp_path):
    reader = ReaderMasks(patient.lesions, ("label 1 -> GTVp", "label 2 -> GTVn"), ("Ring",))
    found = structured_report(
        study_of(patient), models(tmp_path, [5.0, 1.0, 0.0], [5.0]), Machine("cpu", cache), reader=reader
    )
    assert {m.name for m in found.report.models} == {"organs", "neck", "sgrnet-template"}
    for name in SUBSITES:
        line = found.report.line(name)
        assert line.value.startswith("Involvement ")
        assert "overlap of the tumour with the structure" in line.evidence[0].note
        assert line.evidence[0].note.endswith("taught by virtual patients only")
    assert found.report.line("number_of_nodes").value.startswith("2 outlined")
    assert found.outlines.targets[GTVP].array.sum() == (patient.lesions.array == 1).sum()
    assert found.outlines.targets[GTVN].array.sum() == (patient.lesions.array == 2).sum()
    assert any("1 outline(s) that are no GTVp" in w for w in found.report.warnings)
    said = [w for w in found.report.warnings if w.startswith("Sub-sites")]
    assert said == [
        "Sub-sites are predicted from where the tumour outline lies among the organs, by a network that only virtual "
        "patients have taught."
    ]


def test_nodes_alone_involve_no_sub_site(patient, cache, tmp_path):
    nodes = patient.lesions.with_array(np.where(patient.lesions.array == 2, 2, 0).astype(np.uint8))
    made = models(tmp_path, [5.0, 1.0, 0.0], [5.0])
    found = structured_report(
        study_of(patient), made, Machine("cpu", cache), reader=ReaderMasks(nodes, ("label 2 -> GTVn",), ())
    )
    assert {m.name for m in found.report.models} == {"organs", "neck"}
    assert found.report.line("oral_tongue").status == "Missing"


def test_an_outline_far_from_every_organ_is_not_answered_for(patient, cache, tmp_path):
    made = models(tmp_path, [5.0, 1.0, 0.0], [5.0])
    organs = patient.organs.with_array(np.zeros_like(patient.organs.array))
    organs.array[:3, 20:40, 20:40] = BY_NAME["mandible"].label
    answered = {}
    for name, slices in (("near", slice(2, 8)), ("far", slice(-6, None))):
        lesions = np.zeros_like(patient.lesions.array)
        lesions[slices, 25:35, 25:35] = 1
        lesions = patient.lesions.with_array(lesions)
        found = classify_outlined(patient.ct, organs, lesions, made.template, Machine("cpu", cache))
        answered[name] = set(found.answers)
    assert answered == {"near": set(SUBSITES), "far": set()}


def test_networks_that_find_nothing_say_so(patient, cache, tmp_path):
    found = structured_report(study_of(patient), models(tmp_path, [-5.0, -5.0, -5.0], [-5.0]), Machine("cpu", cache))
    assert found.report.failed
    assert any("No organ was outlined" in w for w in found.report.warnings)
    assert not found.outlines.picture().array.any()


def test_the_result_lies_on_the_scans_own_grid_whatever_its_orientation(patient, cache, tmp_path):
    turned = Volume(np.ascontiguousarray(patient.ct.array[::-1, :, ::-1]), flipped(patient.ct.geometry), Quantity.HU)
    made = models(tmp_path, [5.0, 1.0, 0.0], [5.0])
    reader = ReaderMasks(patient.lesions, (), ())
    turned_reader = ReaderMasks(
        Volume(np.ascontiguousarray(patient.lesions.array[::-1, :, ::-1]), turned.geometry, Quantity.LABEL), (), ()
    )
    straight = structured_report(study_of(patient), made, Machine("cpu", cache), reader=reader)
    other = structured_report(Study(turned, None, (), (), "0" * 64), made, Machine("cpu", cache), reader=turned_reader)
    assert np.array_equal(other.outlines.picture().array[::-1, :, ::-1], straight.outlines.picture().array)
    assert [line.value for line in other.report.lines] == [line.value for line in straight.report.lines]


@pytest.mark.parametrize(("larynx_air", "expected"), [(-5.0, {"larynx"}), (1.0, {"larynx_air"})], ids=["tongue", "air"])
def test_the_neck_network_paints_over_no_organ_but_air_over_the_larynx(patient, cache, tmp_path, larynx_air, expected):
    made = models(tmp_path, [2.0, -5.0, 3.0], [5.0], [9.0, -5.0, larynx_air, 9.0])
    outlines = outline_organs(patient.ct, made.outlining, Machine("cpu", cache))
    found = {name for name, structure in BY_NAME.items() if (outlines.labels.array == structure.label).any()}
    assert found == expected
    assert set(outlines.precisions) == {"organs", "neck"}


def test_outlining_networks_may_work_on_different_grids(patient, cache, tmp_path):
    organs, neck = models(tmp_path, [2.0, -5.0, 3.0], [5.0], [-5.0, -5.0, 1.0, 9.0]).outlining
    other = replace(neck, manifest=neck.manifest.model_copy(update={"spacing_mm": (3.0, 4.0, 4.0)}))
    machine = Machine("cpu", cache)
    apart = outline_organs(patient.ct, (organs, other), machine)
    assert set(apart.precisions) == {"organs", "neck"}
    # Air of the later network is painted over the larynx that the earlier one draws everywhere.
    assert set(np.unique(apart.labels.array)) == {BY_NAME["larynx_air"].label}


def test_nnunet_folders_stand_in_the_places_of_packages(patient, cache, tmp_path, make_nnunet_folder):
    options = {"spacing": (8.0, 8.0, 8.0), "patch": (16, 16, 16), "mirror": None}
    labels = {"background": 0, "masseter_left": 1, "Tongue": 2}
    tongue = read_nnunet_folder(
        make_nnunet_folder(tmp_path / "a", labels=labels, bias=[0.0, 0.0, 5.0], folds=("0", "1"), **options)
    )
    target = read_nnunet_folder(make_nnunet_folder(tmp_path / "b", bias=[0.0, 3.0, 3.0], **options))
    made = models(tmp_path, [-5.0, -5.0, -5.0], [5.0])
    source = nnunet_source(
        tongue, name="ts_head_muscles", row=public_models()["ts_head_muscles"], stated={"Tongue": "tongue"}
    )
    chosen = ReportModels(
        (made.outlining[0], source), nnunet_source(target, name="my localiser"), made.classifier, made.template
    )
    found = structured_report(study_of(patient), chosen, Machine("cpu", cache, "f32"))
    [organ] = found.report.organs
    assert (organ.name, organ.source) == ("tongue", "network ts_head_muscles folds 0, 1")
    used = {use.name: use for use in found.report.models}
    assert set(used) == {"organs", "ts_head_muscles", "my localiser", "sgrnet"}
    assert used["ts_head_muscles"].licence == "Apache-2.0" and len(used["ts_head_muscles"].sha256) == 64
    by = {outline.structure.name: str(outline.provenance) for outline in found.outlines.leaving()}
    assert by == {"tongue": "network ts_head_muscles folds 0, 1", "target_region": "network my localiser fold 0"}
    assert found.precisions["my localiser"] == found.precisions["ts_head_muscles"] == "f32"


@pytest.mark.parametrize(("heatmap", "spacing"), [("gaussian", 4.0), ("probability", 4.0), ("gaussian", 6.0)])
def test_sgrnet_sees_the_same_place_in_all_three_inputs(patient, heatmap, spacing):
    from hyoid.inference.segment import Logits
    from hyoid.preprocess.network_grid import body_on_grid

    body = body_on_grid(patient.ct, (4.0, 4.0, 4.0))
    logits = np.full((1, *body.geometry.shape), -9.0, np.float32)
    centre = np.argwhere(patient.organs.array == BY_NAME["tongue"].label).mean(axis=0)
    d, h, w = np.round(body.geometry.to_ijk(patient.organs.geometry.to_lps(centre))).astype(int)
    logits[0, d - 2 : d + 3, h - 2 : h + 3, w - 2 : w + 3] = 9
    constants = {"window_hu": (-250, 150), "heatmap": heatmap, "threshold": 0.5, "min_volume_ml": 1.0}
    constants |= {"sigma_per_extent": 0.25, "values": "normalised"}
    target = target_map(Logits(logits, body.geometry, ("target_region",)))
    ct, organs, heat, grid = classifier_inputs(
        patient.ct, patient.organs, target, (spacing,) * 3, (64, 64, 64), constants
    )
    peak = np.unravel_index(int(heat.argmax()), heat.shape)
    assert grid.spacing_mm == pytest.approx((spacing,) * 3)
    assert organs[peak] == BY_NAME["tongue"].label
    # Normalised over the whole volume, tongue is brighter than the air around the head.
    assert ct[peak] > ct[0, 0, 0]
    assert np.abs(grid.to_lps(peak) - patient.organs.geometry.to_lps(centre)).max() < 12


def test_what_virtual_patients_alone_taught_is_said_in_the_report(patient, cache, tmp_path):
    made = models(tmp_path, [5.0, 1.0, 0.0], [5.0])
    manifest = made.classifier.manifest
    taught = LearnedFrom(real=("mandible",), virtual=("mandible", "lip"))
    changes = {"labels": ("mandible", "lip"), "supported": ("mandible", "lip"), "learned_from": taught}
    made = replace(made, classifier=replace(made.classifier, manifest=manifest.model_copy(update=changes)))
    report = structured_report(study_of(patient), made, Machine("cpu", cache)).report
    lip, mandible = report.line("target_lip"), report.line("target_mandible")
    assert "overlap of the tumour with the structure" in lip.evidence[0].note
    assert lip.evidence[0].note.endswith("taught by virtual patients only")
    assert "high-dose target" in mandible.evidence[0].note
    assert "taught" not in mandible.evidence[0].note


@pytest.mark.parametrize(
    ("taught", "said"),
    [
        (LearnedFrom(real=SUBSITES, virtual=SUBSITES), "a network that real patients have taught."),
        (LearnedFrom(real=SUBSITES[:1], virtual=SUBSITES), "a network that only virtual patients have taught."),
        (LearnedFrom(real=SUBSITES[:1]), "a network that does not state who taught it."),
    ],
)
def test_the_warning_on_sub_sites_is_made_from_who_taught_them(taught, said, tmp_path):
    manifest = models(tmp_path, [5.0, 1.0, 0.0], [5.0]).template.manifest
    assert sub_sites_warning(manifest.model_copy(update={"learned_from": taught})).endswith(said)


def test_attention_covers_the_grid_of_the_input():
    grid = Geometry.axial((32, 16, 24), (4, 4, 4), origin_lps_mm=(10, 20, 30))
    found = attention_maps(np.zeros((2, 8, 4, 6), np.float32), ("larynx", "mandible"), grid)
    coarse = found.maps["larynx"].geometry
    assert not found.shared
    assert coarse.spacing_mm == (16, 16, 16)
    # The first cell lies in the middle of the first four voxels, the last one in the middle of the last four.
    assert np.allclose(coarse.to_lps((0, 0, 0)), grid.to_lps((1.5, 1.5, 1.5)))
    assert np.allclose(coarse.to_lps((7, 3, 5)), grid.to_lps((29.5, 13.5, 21.5)))


def test_one_map_serves_every_field_and_a_variant_without_one_stays_as_it_is(tmp_path):
    grid = Geometry.axial((32, 32, 32), (4, 4, 4))
    found = attention_maps(np.ones((1, 8, 8, 8), np.float32), ("larynx", "mandible"), grid)
    assert found.shared
    assert found.maps["larynx"] is found.maps["mandible"]
    made = models(tmp_path, [5.0, 1.0, 0.0], [5.0]).classifier
    assert explaining(made)[1]
    plain = made.manifest.model_copy(update={"network": made.manifest.network | {"variant": "ct_only"}})
    without = replace(made, manifest=plain)
    assert explaining(without) == (without, False)


def test_the_table_of_attending_variants_is_the_models():
    assert sgrnet.ATTENDING == ATTENDING


def flipped(geometry):
    matrix = geometry.ijk_to_lps.copy()
    last = (geometry.shape[0] - 1, 0, geometry.shape[2] - 1)
    matrix[:3, 3] = geometry.to_lps(last)
    matrix[:3, 0] *= -1
    matrix[:3, 2] *= -1
    return type(geometry)(geometry.shape, matrix)
