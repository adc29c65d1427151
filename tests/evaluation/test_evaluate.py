import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from hyoid.errors import GeometryError, InputRefusedError, UsageError, WrongQuantityError
from hyoid.evaluation.evaluate import evaluate_masks, load_protocol, write_evaluation
from hyoid.evaluation.protocols import HECKTOR_2025_STYLE, HNTSMRG_2024, OBSERVER, Measure, OtherGrid
from hyoid.geometry.boxes import bounding_box
from hyoid.io.files.volumes import read_labels, write_nifti
from hyoid.metrics.surface_medpy import border_distances, hd95_medpy
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((4, 12, 12), (3.0, 1.0, 1.0))


def write(path, *pieces: tuple[int, tuple[slice, slice, slice]], geometry=GRID):
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.zeros(geometry.shape, np.uint8)
    for label, where in pieces:
        array[where] = label
    write_nifti(Volume(array, geometry, Quantity.LABEL), path)


def test_outputs_of_hyoid_score_as_the_same_masks_in_a_plain_folder(folders, tmp_path):
    predictions, references = folders
    for case in "ac":
        run = tmp_path / "runs" / case
        run.mkdir(parents=True)
        (run / "targets.nii.gz").write_bytes((predictions / f"{case}.nii.gz").read_bytes())
        (run / "run.json").write_text("{}")
        (run / "seg.dcm").touch()
    plain, outputs = (evaluate_masks(p, references, HNTSMRG_2024)[0] for p in (predictions, tmp_path / "runs"))
    assert outputs.summary == plain.summary
    with pytest.raises(InputRefusedError, match="other numbers than this protocol's"):
        evaluate_masks(tmp_path / "runs", references, OBSERVER)


@pytest.fixture
def folders(tmp_path):
    """Case a: half right; case b: GTVn without prediction file; case c: both empty."""
    write(tmp_path / "ref/a.nii.gz", (1, np.s_[1:3, 2:6, 2:6]), (2, np.s_[1:3, 8:10, 8:10]))
    write(tmp_path / "pred/a.nii.gz", (1, np.s_[1:3, 2:6, 4:8]), (2, np.s_[1:3, 8:10, 8:10]))
    write(tmp_path / "ref/b.nii.gz", (2, np.s_[0:2, 1:5, 1:5]))
    write(tmp_path / "ref/c.nii.gz")
    write(tmp_path / "pred/c.nii.gz")
    return tmp_path / "pred", tmp_path / "ref"


def run(folders, protocol=HNTSMRG_2024, **options):
    return evaluate_masks(*folders, protocol, **options)[0]


def test_numbers_of_three_cases_by_hand(folders):
    evaluation = run(folders)
    assert evaluation.summary["GTVp.dsc_agg"] == pytest.approx(0.5)
    # Voxels: 8 found of 8, 32 missed.
    assert evaluation.summary["GTVn.dsc_agg"] == pytest.approx(16 / (16 + 32))
    assert evaluation.summary["mean.dsc_agg"] == pytest.approx((0.5 + 1 / 3) / 2)
    assert evaluation.summary["n_predictions_missing"] == 1
    assert [case["case"] for case in evaluation.cases] == ["a", "b", "c"]
    assert evaluation.cases[1]["GTVn.status"] == "missed"


def test_processes_give_the_same(folders):
    seen = []
    evaluation = run(folders, workers=2, progress=lambda done, total: seen.append((done, total)))
    assert evaluation.summary == run(folders).summary
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_refusals_come_out_of_processes_with_their_case(folders):
    write(folders[0] / "b.nii.gz", (5, np.s_[0:1, 0:1, 0:1]))
    for workers in (1, 2):
        with pytest.raises(InputRefusedError, match=r"^Case b, The prediction holds label 5") as caught:
            run(folders, workers=workers)
        assert caught.value.cure.startswith("hntsmrg2024 knows GTVp = 1")


def test_files_that_are_no_label_maps_are_named(folders):
    image = sitk.GetImageFromArray(np.full(GRID.shape, 0.5, np.float32))
    sitk.WriteImage(image, str(folders[0] / "b.nii.gz"))
    with pytest.raises(WrongQuantityError, match=r"Case b, prediction: .*not all whole"):
        run(folders)
    sitk.WriteImage(
        sitk.GetImageFromArray(np.zeros((2, 3, 4, 5), np.uint8), isVector=False), str(folders[0] / "b.nii.gz")
    )
    with pytest.raises(GeometryError, match=r"Case b, prediction: .*4 dimensions"):
        run(folders)


def test_other_grids_are_resampled_and_said_or_refused(folders):
    coarse = Geometry.axial((4, 6, 6), (3.0, 2.0, 2.0), (0.5, 0.5, 0.0))
    write(folders[0] / "b.nii.gz", (2, np.s_[0:2, 0:2, 0:2]), geometry=coarse)
    evaluation = run(folders)
    assert evaluation.cases[1]["resampled"]
    assert any("1 of 3 predictions lay on another grid" in note for note in evaluation.notes)
    with pytest.raises(GeometryError, match=r"Case b, The prediction .*does not resample"):
        run(folders, HECKTOR_2025_STYLE)


def test_predictions_without_reference_are_said(folders):
    write(folders[0] / "z.nii.gz")
    assert any("1 predictions have no reference and are not scored: z." in note for note in run(folders).notes)


def test_lesions_by_nodal_level(folders, tmp_path):
    for name in "abc":
        write(tmp_path / f"levels/{name}.nii.gz", (3, np.s_[:, :, :]))
    evaluation = run(folders, levels=tmp_path / "levels")
    assert {lesion["level"] for lesion in evaluation.lesions} == {"IIa"}
    assert any("by nodal level" in table.title for table in evaluation.tables)


def test_files_are_written_as_promised(folders, tmp_path):
    evaluation, overlays = evaluate_masks(*folders, HNTSMRG_2024)
    files = write_evaluation(evaluation, overlays, tmp_path / "out" / "scores.json")
    assert [file.name for file in files] == [
        "scores.json",
        "evaluation_cases.csv",
        "evaluation_lesions.csv",
        "evaluation.html",
    ]
    document = json.loads(files[0].read_text())
    assert document["protocol"] == "hntsmrg2024"
    assert document["summary"]["GTVp.dsc_agg"] == evaluation.summary["GTVp.dsc_agg"]
    assert document["cases"][1]["GTVn.hd95_medpy_mm"] == "inf"
    with files[1].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["case"] for row in rows] == ["a", "b", "c"]
    assert float(rows[1]["GTVn.hd95_medpy_mm"]) == math.inf
    assert [overlay.case for overlay in overlays] == ["b", "a"]
    assert "data:image/png;base64," in files[3].read_text()
    assert write_evaluation(evaluation, (), tmp_path / "folder")[0] == tmp_path / "folder" / "evaluation.json"


def test_protocols_by_name_and_from_yaml(tmp_path):
    assert load_protocol("hntsmrg2024") is HNTSMRG_2024
    config = tmp_path / "mine.yaml"
    config.write_text("base: hecktor2025-style\nother_grid: resample\n")
    assert load_protocol("custom", config).other_grid is OtherGrid.RESAMPLE
    with pytest.raises(UsageError, match="Choose hecktor2022"):
        load_protocol("nonsense")
    with pytest.raises(UsageError, match="--config"):
        load_protocol("custom")
    config.write_text("- a list")
    with pytest.raises(UsageError, match="holds no keys"):
        load_protocol("custom", config)
    config.write_text("a: [")
    with pytest.raises(UsageError, match="is not YAML"):
        load_protocol("custom", config)


@pytest.fixture(scope="module")
def hntsmrg_evaluation(shared_data):
    pairs = shared_data / "hntsmrg_pairs"
    return evaluate_masks(pairs / "prediction", pairs / "reference", HNTSMRG_2024)[0]


@pytest.fixture(scope="module")
def hntsmrg(hntsmrg_evaluation):
    return hntsmrg_evaluation.summary


@pytest.mark.shared
def test_hntsmrg_pairs_to_all_printed_digits(hntsmrg):
    assert hntsmrg["GTVp.dsc_agg"] == pytest.approx(0.2251672584272026, abs=1e-12)
    assert hntsmrg["GTVn.dsc_agg"] == pytest.approx(0.7249491946997102, abs=1e-12)
    assert hntsmrg["mean.dsc_agg"] == pytest.approx(0.4750582265634564, abs=1e-12)
    assert hntsmrg["GTVp.dsc_mean"] == pytest.approx(0.2247082341264615, abs=1e-12)
    assert hntsmrg["GTVn.dsc_mean"] == pytest.approx(0.5701023544115448, abs=1e-12)


@pytest.mark.shared
def test_hntsmrg_pairs_distances_to_the_printed_digit(hntsmrg):
    printed = {
        "GTVp.hd95_medpy_mm": "17.921",
        "GTVn.hd95_medpy_mm": "6.918",
        "GTVp.hd95_surfel_mm": "17.857",
        "GTVn.hd95_surfel_mm": "7.180",
        "GTVp.assd_medpy_mm": "7.315",
        "GTVn.assd_medpy_mm": "2.278",
        "GTVp.mean_surfel_mm": "5.146",
        "GTVn.mean_surfel_mm": "1.807",
    }
    assert {key: f"{hntsmrg[key]:.3f}" for key in printed} == printed


@pytest.mark.shared
def test_hntsmrg_pairs_lesions(hntsmrg_evaluation, hntsmrg):
    counts = [hntsmrg[f"GTVn.f1.{name}"] for name in ("true_positive", "false_positive", "false_negative")]
    assert counts == [19, 2, 1]
    table = next(table for table in hntsmrg_evaluation.tables if table.title.startswith("GTVn: F1"))
    rows = {row[0].removesuffix(" (this protocol)"): row[1:4] for row in table.rows}
    # Debris of nearest-neighbour resampling touches by corners only.
    assert rows["6-connectivity, one to one"] == (19, 15, 1)
    assert rows["26-connectivity, one to one"] == (19, 2, 1)


@pytest.mark.shared
def test_spacing_cannot_be_swapped(shared_data, hntsmrg):
    # A published script passed SimpleITK's spacing, columns first, to arrays with slices first.
    swapped = []
    for path in sorted((shared_data / "hntsmrg_pairs" / "reference").iterdir()):
        images = [read_labels(p) for p in (path, path.parents[1] / "prediction" / path.name)]
        box = bounding_box(images[0].array | images[1].array)
        reference, prediction = (image.array[box.slices] == 1 for image in images)
        if reference.any() and prediction.any():
            spacing_mm = images[0].geometry.spacing_mm[::-1]
            swapped.append(hd95_medpy(border_distances(reference, prediction, spacing_mm)))
    assert f"{np.mean(swapped):.3f}" == "22.556"
    assert f"{hntsmrg['GTVp.hd95_medpy_mm']:.3f}" == "17.921"


# README of ../shared/data: organ -> mean, SD of DSC in percent, n, reference empty, prediction empty.
OBSERVER_TABLE = """
Brain 99.10 0.24 24 0 0
Brainstem 90.10 2.65 24 0 0
Spinal-Canal 94.05 1.82 24 0 0
Spinal-Cord 83.85 4.84 24 0 0
Mandible 94.17 2.37 24 0 0
Parotid-Lt 87.07 3.46 24 0 0
Parotid-Rt 87.56 3.28 24 0 0
Submandibular-Lt 84.53 19.07 23 1 1
Submandibular-Rt 80.65 24.88 24 0 2
Orbit-Lt 93.23 2.19 24 0 0
Orbit-Rt 93.49 2.01 24 0 0
Lens-Lt 87.54 8.66 24 0 0
Lens-Rt 83.37 15.52 24 0 0
Optic-Nerve-Lt 79.20 4.99 24 0 0
Optic-Nerve-Rt 77.96 6.59 24 0 0
Lacrimal-Lt 66.94 11.12 24 0 0
Lacrimal-Rt 68.92 11.21 24 0 0
Cochlea-Lt 74.30 11.63 24 0 0
Cochlea-Rt 67.79 24.23 24 0 0
Lung-Lt 98.80 0.58 24 0 0
Lung-Rt 98.91 0.46 24 0 0
"""


@pytest.mark.shared
def test_observer_table_to_the_printed_digit(shared_data):
    # Overlap alone: the surfaces of 24 patients take a minute.
    protocol = replace(OBSERVER, measures=())
    assert Measure.SURFACE_SURFEL in OBSERVER.measures
    evaluation, _ = evaluate_masks(shared_data / "observers" / "radiographer", shared_data / "anatomy", protocol)
    summary = evaluation.summary
    ours = [
        f"{name} {100 * summary[f'{name}.dsc_mean']:.2f} {100 * summary[f'{name}.dsc_sd']:.2f} "
        f"{summary[f'{name}.dsc_mean.n']} {summary[f'{name}.dsc_mean.n_excluded']} "
        f"{summary[f'{name}.dsc_mean.n_missed']}"
        for name in (c.name for c in OBSERVER.classes)
    ]
    assert ours == OBSERVER_TABLE.split("\n")[1:-1]
