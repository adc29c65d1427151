import numpy as np
import pytest

from hyoid.errors import InputRefusedError, UsageError
from hyoid.evaluation.files import Layout, find_cases, pair_up, read_pair, recognise_layout
from hyoid.io.files.volumes import write_nifti
from hyoid.volume import Geometry, Quantity, Volume


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize(
    ("layout", "files", "cases"),
    [
        (Layout.PLAIN, ["a.nii.gz", "b.mha", "c.dcm", "d/1.dcm", "plans.json", "e/notes.txt", ".x.mha"], "abcd"),
        (Layout.NNUNET, ["labelsTr/a.nii.gz", "labelsTs/b.nii.gz", "imagesTr/a_0000.nii.gz", "dataset.json"], "ab"),
        (Layout.HECKTOR, ["a/a.nii.gz", "a/a__CT.nii.gz", "a/a__PT.nii.gz", "b/b.nii.gz"], "ab"),
        (Layout.HECKTOR, ["images/tumor-lymph-node-segmentation/a.mha"], "a"),
        (Layout.HNTSMRG, ["a/midRT/a_midRT_mask.nii.gz", "a/midRT/a_midRT_T2.nii.gz", "a/preRT/a_preRT_mask.nii.gz"],
         "a"),
        (Layout.HYOID, [f"{case}/{name}" for case in "ab" for name in ("run.json", "targets.nii.gz", "masks.nii.gz",
                                                                       "seg.dcm", "report.json")], "ab"),
    ],
)  # fmt: skip
def test_layouts_are_recognised_and_read(tmp_path, layout, files, cases):
    touch(tmp_path, *files)
    assert recognise_layout(tmp_path) is layout
    assert sorted(find_cases(tmp_path)) == list(cases)
    assert sorted(find_cases(tmp_path, layout)) == list(cases)


def test_one_file_is_one_case(tmp_path):
    touch(tmp_path, "scan.nii.gz")
    assert list(find_cases(tmp_path / "scan.nii.gz")) == ["scan"]


def test_two_files_pair_whatever_their_names(tmp_path):
    touch(tmp_path, "p.nii.gz", "r.nii.gz")
    pairing = pair_up(find_cases(tmp_path / "p.nii.gz"), find_cases(tmp_path / "r.nii.gz"))
    assert pairing.pairs == (("r", tmp_path / "r.nii.gz", tmp_path / "p.nii.gz"),)


def test_pairs_with_missing_and_extra_predictions(tmp_path):
    touch(tmp_path, "p/b.mha", "p/c.mha", "r/a.nii.gz", "r/b.nii.gz")
    pairing = pair_up(find_cases(tmp_path / "p"), find_cases(tmp_path / "r"))
    assert [(case, prediction is None) for case, _, prediction in pairing.pairs] == [("a", True), ("b", False)]
    assert pairing.without_reference == ("c",)


def test_refusals_name_what_is_wrong(tmp_path):
    touch(tmp_path, "twice/a.nii.gz", "twice/a.mha", "p/a.mha", "r/b.mha", "none/readme.txt", "p/x.mha", "r/y.mha")
    with pytest.raises(InputRefusedError, match=r"Two masks claim case a: a\.mha and a\.nii\.gz"):
        find_cases(tmp_path / "twice")
    with pytest.raises(InputRefusedError, match=r"2 predictions \(a, x\) and the 2 references \(b, y\).*in common"):
        pair_up(find_cases(tmp_path / "p"), find_cases(tmp_path / "r"))
    with pytest.raises(InputRefusedError, match="no masks in the layout 'plain'"):
        find_cases(tmp_path / "none")
    with pytest.raises(UsageError, match="absent does not exist"):
        find_cases(tmp_path / "absent")


def test_labels_are_read_as_masks(tmp_path):
    geometry = Geometry.axial((3, 4, 5), (3.0, 1.0, 1.0))
    array = np.zeros(geometry.shape, np.uint8)
    array[1, 2, 3] = 2
    write_nifti(Volume(array, geometry, Quantity.LABEL), tmp_path / "a.nii.gz")
    masks, prediction, remark = read_pair(tmp_path / "a.nii.gz", None)
    assert (prediction, remark) == (None, "")
    assert masks.geometry.same_grid(geometry)
    np.testing.assert_array_equal(masks.labels, array)


@pytest.fixture
def run(tmp_path):
    """What a hyoid command leaves."""
    touch(tmp_path / "case", "run.json", "targets.nii.gz", "organs.nii.gz", "masks.nii.gz", "seg.dcm")
    return tmp_path / "case"


@pytest.mark.parametrize("name", ["targets.nii.gz", "organs.nii.gz"])
def test_an_output_folder_is_read_as_it_stands(run, name):
    assert recognise_layout(run) is Layout.HYOID
    assert find_cases(run, outlines=name) == {"case": run / name}
    assert find_cases(run.parent, Layout.HYOID, name) == {"case": run / name}
    # One run against one file: paired whatever their names.
    touch(run.parent, "truth.nii.gz")
    pairing = pair_up(find_cases(run, outlines=name), find_cases(run.parent / "truth.nii.gz"))
    assert pairing.pairs == (("truth", run.parent / "truth.nii.gz", run / name),)


def test_an_output_folder_without_what_is_scored_is_refused(run):
    (run / "organs.nii.gz").unlink()
    with pytest.raises(InputRefusedError, match=r"case holds no organs\.nii\.gz"):
        find_cases(run, outlines="organs.nii.gz")
    with pytest.raises(InputRefusedError, match="other numbers than this protocol's"):
        find_cases(run, outlines="")
    nothing = run.parent / "none"
    nothing.mkdir()
    with pytest.raises(InputRefusedError, match="no output of a hyoid command"):
        find_cases(nothing, Layout.HYOID)


def test_predictions_beside_a_record_are_plain(tmp_path):
    touch(tmp_path, "run.json", "a.nii.gz")
    assert recognise_layout(tmp_path) is Layout.PLAIN
    assert list(find_cases(tmp_path)) == ["a"]
