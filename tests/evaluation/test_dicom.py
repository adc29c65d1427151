from dataclasses import replace

import numpy as np
import pytest

from hyoid.anatomy.structures import GTVN, GTVP
from hyoid.errors import GeometryError, InputRefusedError, UnreadableFileError
from hyoid.evaluation.dicom import CONTOURS_ONLY, Drawn, on_common_grid, read_drawn
from hyoid.evaluation.evaluate import evaluate_masks
from hyoid.evaluation.protocols import HECKTOR_2025_STYLE, HNTSMRG_2024
from hyoid.io.dicom.output import synthetic_headers
from hyoid.io.dicom.rois import Roi
from hyoid.io.dicom.rtstruct import write_rtstruct
from hyoid.io.dicom.seg import write_seg
from hyoid.io.files.volumes import write_nifti
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((8, 24, 24), (3.0, 1.0, 1.0), (-10.0, -12.0, 40.0))


def labels(shift: int) -> np.ndarray:
    array = np.zeros(GRID.shape, np.uint8)
    array[2:6, 4:12, 4 + shift : 12 + shift] = 1
    array[1:3, 16:21, 16:21] = 2
    return array


def write(folder, form: str, shift: int, case: str = "one") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    array = labels(shift)
    hyoids = np.zeros_like(array)
    hyoids[array == 1], hyoids[array == 2] = GTVP, GTVN
    headers = synthetic_headers(GRID, seed="a")
    if form == "nifti":
        write_nifti(Volume(array, GRID, Quantity.LABEL), folder / f"{case}.nii.gz")
    elif form == "seg":
        write_seg(folder / f"{case}.dcm", Volume(hyoids, GRID, Quantity.LABEL), headers)
    elif form == "rtstruct":
        write_rtstruct(folder / f"{case}.dcm", Volume(hyoids, GRID, Quantity.LABEL), headers)


FORMS = ("nifti", "seg", "rtstruct")


@pytest.mark.parametrize("prediction", FORMS)
@pytest.mark.parametrize("reference", FORMS)
def test_every_form_on_either_side_gives_the_same_numbers(tmp_path, reference, prediction):
    write(tmp_path / "ref", reference, 0)
    write(tmp_path / "pred", prediction, 2)
    evaluation, overlays = evaluate_masks(tmp_path / "pred", tmp_path / "ref", HECKTOR_2025_STYLE)
    summary = evaluation.summary
    assert summary["GTVn.dsc_agg"] == 1.0
    assert summary["GTVp.dsc_mean"] == 0.75
    assert summary["GTVp.hd95_medpy_mm"] == 2.0
    # Volumes are known where there are voxels; contours alone are drawn half-way between them, here on the same grid.
    assert summary["GTVp.reference_ml"] == pytest.approx(4 * 8 * 8 * 3 / 1000)
    assert len(overlays) == 1
    assert any(CONTOURS_ONLY in note for note in evaluation.notes) == (reference == prediction == "rtstruct")


def test_a_missing_prediction_of_a_dicom_reference_is_missed(tmp_path):
    for form in ("seg", "rtstruct"):
        root = tmp_path / form
        write(root / "ref", form, 0, "one")
        write(root / "ref", form, 0, "two")
        write(root / "pred", "nifti", 0, "two")
        summary = evaluate_masks(root / "pred", root / "ref", HNTSMRG_2024)[0].summary
        assert summary["GTVp.dsc_agg"] == pytest.approx(2 / 3)
        assert summary["n_predictions_missing"] == 1


def test_a_folder_of_one_object_is_a_case(tmp_path):
    write(tmp_path / "ref", "nifti", 0)
    write(tmp_path / "pred/one", "seg", 0, "anything")
    assert evaluate_masks(tmp_path / "pred", tmp_path / "ref", HNTSMRG_2024)[0].summary["mean.dsc_agg"] == 1.0
    write(tmp_path / "pred/one", "rtstruct", 0, "another")
    with pytest.raises(InputRefusedError, match="Case one, prediction: one holds 2 DICOM SEG or RTSTRUCT"):
        evaluate_masks(tmp_path / "pred", tmp_path / "ref", HNTSMRG_2024)


def test_outlines_beyond_the_other_side_are_not_cut(tmp_path):
    write(tmp_path, "seg", 0)
    small = Geometry.axial((2, 4, 4), (3.0, 1.0, 1.0), GRID.to_lps((2, 4, 4)).tolist())
    inside = Volume(np.ones(small.shape, np.uint8), small, Quantity.LABEL)
    (tmp_path / "pred").mkdir()
    write_nifti(inside, tmp_path / "pred/one.nii.gz")
    summary = evaluate_masks(tmp_path / "pred/one.nii.gz", tmp_path / "one.dcm", HECKTOR_2025_STYLE)[0].summary
    assert summary["GTVp.reference_ml"] == pytest.approx(4 * 8 * 8 * 3 / 1000)
    assert summary["GTVp.prediction_ml"] == pytest.approx(2 * 4 * 4 * 3 / 1000)


def test_segments_of_one_name_are_one_mask():
    mask = Volume(np.ones((1, 1, 1), bool), Geometry.axial((1, 1, 1), (1, 1, 1)), Quantity.LABEL)
    other = replace(mask, geometry=Geometry.axial((1, 1, 1), (1, 1, 1), (2.0, 0.0, 0.0)))
    reference, prediction, _ = on_common_grid(Drawn(segments=(("GTVn", mask), ("GTVn", other))), None)
    assert prediction is None
    assert reference.named["GTVn"].ravel().tolist() == [True, False, True]


def test_contours_that_do_not_lie_in_slices_need_an_image():
    sagittal = Roi("GTVp", (np.array([[0, 0, 0], [0, 10, 0], [0, 10, 10.0]]),))
    with pytest.raises(GeometryError, match="not drawn on axial slices"):
        on_common_grid(Drawn(rois=(sagittal,)), None)


def test_another_frame_of_reference_is_refused():
    square = (np.array([[0, 0, 0], [0, 3, 0], [3, 3, 0.0]]),)
    one, two = (Drawn(rois=(Roi("GTVp", square, frame_of_reference_uid=uid),)) for uid in ("1.2", "1.3"))
    with pytest.raises(GeometryError, match="another frame of reference"):
        on_common_grid(one, two)


def test_empty_outlines_on_both_sides():
    reference, prediction, _ = on_common_grid(Drawn(), Drawn())
    assert reference.box() is prediction.box() is None


def test_files_that_are_no_outlines(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"nothing")
    with pytest.raises(InputRefusedError, match=r"a\.dcm holds 0 DICOM SEG"):
        read_drawn(tmp_path / "a.dcm")
    (tmp_path / "b.dcm").write_bytes(bytes(128) + b"DICM" + b"\x02")
    with pytest.raises(UnreadableFileError, match="truncated or corrupt"):
        read_drawn(tmp_path / "b.dcm")
