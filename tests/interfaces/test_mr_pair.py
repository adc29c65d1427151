import shutil
from pathlib import Path

import numpy as np
import pytest

from hyoid.errors import HyoidError, UnreadableFileError, UsageError
from hyoid.interfaces.mr_pair import PairRequest, open_pair, refuse_swapped_names
from hyoid.io.files.volumes import read_image, read_labels, write_nifti
from hyoid.volume import Geometry, Quantity, Volume


def test_registered_masks_are_used_wherever_a_case_brings_them(midrt_case, tmp_path):
    opened = open_pair(PairRequest(midrt_case))
    supplied = read_labels(midrt_case / "midRT" / "a_preRT_mask_registered.nii.gz")
    assert np.array_equal(opened.pair.carried.array > 0, supplied.array > 0)
    # Unless somebody asks for a registration, or brings other masks.
    assert open_pair(PairRequest(midrt_case, registered=False)).pair.carried is None
    own = midrt_case / "preRT" / "a_preRT_mask.nii.gz"
    assert open_pair(PairRequest(midrt_case, None, own)).pair.carried is None


def test_missing_arguments_and_files_are_named(tmp_path):
    x, y = tmp_path / "x.nii.gz", tmp_path / "y.nii.gz"
    with pytest.raises(UnreadableFileError, match="PRE names no file"):
        open_pair(PairRequest(x))
    x.touch()
    y.touch()
    with pytest.raises(UsageError, match="MID, the examination during treatment"):
        open_pair(PairRequest(x))
    with pytest.raises(UsageError, match="MID, the examination") as caught:
        open_pair(PairRequest(tmp_path))
    assert "must hold preRT and midRT" in caught.value.cure
    with pytest.raises(UsageError, match="--pre-masks"):
        open_pair(PairRequest(x, y))


def test_volumes_before_are_those_of_the_examination_before_even_when_registered(midrt_case, tmp_path):
    opened = open_pair(PairRequest(midrt_case, registered=True))
    own = read_labels(midrt_case / "preRT" / "a_preRT_mask.nii.gz")
    assert (opened.pair.outlines.array > 0).sum() == (own.array > 0).sum()
    assert opened.pair.outlines.geometry.same_grid(own.geometry)
    assert opened.pair.carried.geometry.same_grid(opened.pair.mid.geometry)


def test_swapped_examinations_are_named_by_file_names_and_by_the_grid_of_the_masks(midrt_case, tmp_path):
    pre, mid = midrt_case / "preRT" / "a_preRT_T2.nii.gz", midrt_case / "midRT" / "a_midRT_T2.nii.gz"
    masks = midrt_case / "preRT" / "a_preRT_mask.nii.gz"
    with pytest.raises(UsageError, match="named as mid-treatment"):
        open_pair(PairRequest(mid, pre, masks))
    with pytest.raises(UsageError, match="named as pre-treatment"):
        refuse_swapped_names(Path("scan1.nii.gz"), Path("x_preRT.nii.gz"))
    # Under neutral names the grid of the masks tells.
    image = read_image(mid, Quantity.MR)
    moved = Geometry.axial(image.geometry.shape, (4.0, 3.0, 3.0), (-60.0, -90.0, 0.0))
    write_nifti(Volume(image.array, moved, Quantity.MR), tmp_path / "one.nii.gz")
    shutil.copy(pre, tmp_path / "two.nii.gz")
    with pytest.raises(UsageError, match="swapped, or the masks are registered already"):
        open_pair(PairRequest(tmp_path / "one.nii.gz", tmp_path / "two.nii.gz", masks))


def test_masks_on_another_grid_are_brought_over_with_a_note_and_empty_ones_refused(midrt_case, tmp_path):
    pre, mid = (shutil.copy(midrt_case / p, tmp_path / n) for p, n in (
        ("preRT/a_preRT_T2.nii.gz", "one.nii.gz"), ("midRT/a_midRT_T2.nii.gz", "two.nii.gz")))  # fmt: skip
    labels = read_labels(midrt_case / "preRT" / "a_preRT_mask.nii.gz")
    coarse = Volume(
        labels.array[:, ::2, ::2], Geometry.axial((24, 32, 32), (4.0, 6.0, 6.0), (-90, -90, 0)), Quantity.LABEL
    )
    write_nifti(coarse, tmp_path / "masks.nii.gz")
    opened = open_pair(PairRequest(Path(pre), Path(mid), tmp_path / "masks.nii.gz"))
    assert any("another grid than the pre-treatment MR" in w for w in opened.pair.warnings)
    assert opened.pair.outlines.geometry.same_grid(opened.pair.pre.geometry)
    write_nifti(labels.with_array(labels.array * 0), tmp_path / "empty.nii.gz")
    with pytest.raises(HyoidError, match="no labels") as caught:
        open_pair(PairRequest(Path(pre), Path(mid), tmp_path / "empty.nii.gz"))
    assert "outlined" in caught.value.cure
