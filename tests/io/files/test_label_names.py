import json

import numpy as np
import pytest
import SimpleITK as sitk

from hyoid.errors import GeometryError, UnreadableFileError
from hyoid.geometry.resample import to_sitk
from hyoid.io.files.label_names import names_beside, read_named_labels
from hyoid.io.files.volumes import write_image
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((6, 8, 10), (3.0, 1.0, 1.5), (-4.0, -5.0, 60.0))


def label_map(path):
    labels = np.zeros(GRID.shape, np.uint8)
    labels[1:3, 2:4, 2:5], labels[4, 5:7, 6:8] = 1, 2
    return write_image(Volume(labels, GRID, Quantity.LABEL), path)


def named(path):
    return {label.value: (label.name, int(label.mask.array.sum())) for label in read_named_labels(path)}


def slicer(path, layers, segments):
    """`.seg.nrrd` as 3D Slicer writes it: text header with a key per segment, layers in front of the axes."""
    images = [to_sitk(Volume(layer, GRID, Quantity.LABEL)) for layer in layers]
    image = images[0] if len(images) == 1 else sitk.Compose(images)
    for number, (name, value, layer) in enumerate(segments):
        for key, text in (("Name", name), ("LabelValue", str(value)), ("Layer", str(layer)), ("ID", f"S{number}")):
            image.SetMetaData(f"Segment{number}_{key}", text)
    sitk.WriteImage(image, str(path))
    return path


def test_nothing_names_the_labels(tmp_path):
    assert named(label_map(tmp_path / "m.nii.gz")) == {1: ("", 12), 2: ("", 4)}


TABLES = {
    "m.json": json.dumps({"labels": {"background": 0, "GTVn": 1, "GTVp": 2}}),
    "dataset.json": json.dumps({"labels": {"background": 0, "GTVn": 1, "GTVp": 2, "both": [1, 2]}}),
    "m.ctbl": "# Color table\n0 Background 0 0 0 0\n1 GTVn 255 0 0 255\n2 GTVp 0 255 0 255\n",
    "m.txt": '# ITK-SnAP\n    0     0    0    0        0  0  0    "Clear Label"\n'
    '    1   255    0    0        1  1  1    "GTVn"\n    2     0  255    0        1  1  1    "GTVp"\n',
    "m.label": '1 255 0 0 1 1 1 "GTVn"\n2 0 255 0 0.5 1 1 "GTVp"\n',
}


@pytest.mark.parametrize("table", TABLES)
def test_tables_beside_a_label_map(table, tmp_path):
    (tmp_path / table).write_text(TABLES[table])
    assert named(label_map(tmp_path / "m.nii.gz")) == {1: ("GTVn", 12), 2: ("GTVp", 4)}


@pytest.mark.parametrize(
    "content",
    [
        {"1": "GTVn", "2": "GTVp"},
        {"labels": {"0": "background", "1": "GTVn", "2": "GTVp"}},
        {"GTVn": 1, "GTVp": 2},
        {
            "segmentAttributes": [
                [{"labelID": 1, "SegmentLabel": "GTVn"}],
                [{"labelID": 2, "SegmentDescription": "GTVp"}],
            ]
        },
    ],
)
def test_forms_of_json(content, tmp_path):
    (tmp_path / "m.json").write_text(json.dumps(content))
    assert names_beside(tmp_path / "m.nii.gz") == {1: "GTVn", 2: "GTVp"}


def test_tables_that_say_nothing_of_labels(tmp_path):
    (tmp_path / "m.json").write_text(json.dumps({"EchoTime": 0.1, "Manufacturer": "A"}))
    (tmp_path / "m.txt").write_text("notes of the reader\n")
    (tmp_path / "m.label").write_text('1 255 0 0 1 1 1 "Label 1"\n')
    (tmp_path / "dataset.json").write_text("{")
    assert names_beside(tmp_path / "m.nii.gz") == {}


def test_a_broken_table_of_the_maps_own_name_is_refused(tmp_path):
    (tmp_path / "m.json").write_text("{")
    with pytest.raises(UnreadableFileError, match=r"table of names beside the label map \(\.json\)"):
        names_beside(tmp_path / "m.nii.gz")


def test_a_table_of_nnunet_lies_above_its_folder_of_labels(tmp_path):
    (tmp_path / "dataset.json").write_text(TABLES["dataset.json"])
    (tmp_path / "labelsTr").mkdir()
    assert named(label_map(tmp_path / "labelsTr/m.nii.gz"))[1] == ("GTVn", 12)


def test_slicer_says_names_in_the_header(tmp_path):
    labels = np.zeros(GRID.shape, np.uint8)
    labels[1, 1:3, 1:3], labels[4, 4:7, 4:7] = 1, 7
    path = slicer(tmp_path / "m.seg.nrrd", [labels], [("GTVn", 1, 0), ("GTVp", 7, 0), ("Empty", 3, 0)])
    assert named(path) == {1: ("GTVn", 4), 3: ("Empty", 0), 7: ("GTVp", 9)}
    # The header counts, not a table that happens to lie beside.
    (tmp_path / "m.seg.json").write_text(json.dumps({"1": "x", "7": "y"}))
    assert named(path)[1] == ("GTVn", 4)


def test_layers_of_slicer_overlap(tmp_path):
    one, other = np.zeros(GRID.shape, np.uint8), np.zeros(GRID.shape, np.uint8)
    one[1:3, 2:4, 2:5], other[2:5, 2:4, 2:5] = 1, 1
    found = read_named_labels(slicer(tmp_path / "m.seg.nrrd", [one, other], [("GTVp", 1, 0), ("GTVn", 1, 1)]))
    assert [(label.name, label.value) for label in found] == [("GTVp", 1), ("GTVn", 1)]
    np.testing.assert_array_equal(found[0].mask.array, one > 0)
    np.testing.assert_array_equal(found[1].mask.array, other > 0)
    assert found[0].mask.geometry.same_grid(GRID)


@pytest.mark.parametrize("segments", [[("GTVp", 1, 0), ("GTVn", 1, 0)], [("GTVp", 1, 0), ("GTVn", 1, 1)]])
def test_segments_that_cannot_be_told_apart_are_refused(tmp_path, segments):
    path = slicer(tmp_path / "m.seg.nrrd", [np.ones(GRID.shape, np.uint8)], segments)
    with pytest.raises(UnreadableFileError, match="share one label value, or lie in a layer that is not there"):
        read_named_labels(path)


def test_layers_on_sheared_axes_or_in_no_space_are_refused(tmp_path):
    ones = np.ones(GRID.shape, np.uint8)
    path = slicer(tmp_path / "m.seg.nrrd", [ones, ones], [("GTVp", 1, 0), ("GTVn", 1, 1)])
    raw = path.read_bytes()
    assert b"(0,0,3)" in raw
    path.write_bytes(raw.replace(b"(0,0,3)", b"(0,1,3)"))
    with pytest.raises(GeometryError, match="not at right angles"):
        read_named_labels(path)
    path.write_bytes(raw.replace(b"space: left-posterior-superior\n", b"space dimension: 3\n"))
    with pytest.raises(GeometryError, match="no space field"):
        read_named_labels(path)


def test_a_segment_without_label_value_is_refused(tmp_path):
    path = slicer(tmp_path / "m.seg.nrrd", [np.ones(GRID.shape, np.uint8)], [("GTVp", "one", 0)])
    with pytest.raises(UnreadableFileError, match="Segment 0 in the header of the NRRD file has no label value"):
        read_named_labels(path)
