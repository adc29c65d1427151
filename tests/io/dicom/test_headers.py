import logging

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from hyoid.anatomy.structures import foreign_structure
from hyoid.io.dicom.headers import items, quiet_pydicom, set_aside_malformed
from hyoid.io.dicom.rtstruct import write_rtstruct
from hyoid.io.dicom.seg import write_seg
from hyoid.io.dicom.series import read_series

STRUCTURES = {201: foreign_structure(201, "GTVp")}


def written(make_series, save, ramp, grid, tmp_path, **tags):
    """SEG and RTSTRUCT of a series with other tags (None: absent), and the warnings of reading the series."""
    datasets = make_series(ramp, grid)
    with quiet_pydicom():
        for dataset in datasets:
            for keyword, value in tags.items():
                if value is None:
                    del dataset[keyword]
                else:
                    setattr(dataset, keyword, value)
        loaded = read_series(save(datasets, tmp_path / "series"))
    mask = np.zeros(grid.shape, bool)
    mask[1:4, 1:4, 2:5] = True
    for name, write in (("seg.dcm", write_seg), ("rs.dcm", write_rtstruct)):
        write(tmp_path / name, {201: mask}, loaded.headers, loaded.volume.geometry, structures=STRUCTURES)
    return [pydicom.dcmread(tmp_path / name) for name in ("seg.dcm", "rs.dcm")], loaded.warnings


@pytest.mark.parametrize(
    ("charset", "name", "noted"),
    [
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", False),
        (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎", False),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동", False),
        ("ISO_IR 100", "Müller^Jürgen", False),
        ("ISO_IR 192", "Wang^XiaoDong=王^小东", False),
        ("GB18030", "Wang^XiaoDong=王^小东", False),
        ("ISO-8859-1", "Miller^John", True),
        ("NONSENSE", "Miller^John", True),
    ],
)
def test_names_survive_every_character_set(make_series, save, ramp, grid, tmp_path, charset, name, noted):
    results, warnings = written(make_series, save, ramp, grid, tmp_path, SpecificCharacterSet=charset, PatientName=name)
    for result in results:
        assert str(result.PatientName) == name
    assert any("SpecificCharacterSet" in w for w in warnings) == noted
    assert not any(part in w for w in warnings for part in name.split("^"))


@pytest.mark.parametrize(
    "tags",
    [
        {"PatientSex": "Male"},
        {"PatientBirthDate": "19601399"},
        {"PatientBirthDate": "1960.02.29"},
        {"StudyDate": "20240230", "StudyTime": "256199"},
        {"StudyTime": "10:11:12"},
        {"StudyDate": ["20240101", "20240102"]},
        {"PatientID": ["A", "B"]},
    ],
)
def test_values_that_no_writer_takes_are_left_out_and_named(make_series, save, ramp, grid, tmp_path, tags):
    results, warnings = written(make_series, save, ramp, grid, tmp_path, **tags)
    for keyword in tags:
        assert keyword in warnings[0]
        assert not any(result.get(keyword) for result in results)


@pytest.mark.parametrize(
    "keyword",
    [
        "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
        "AccessionNumber", "ReferringPhysicianName", "PositionReferenceIndicator", "FrameOfReferenceUID",
        "SliceThickness", "Manufacturer", "InstanceNumber", "SeriesNumber", "SeriesDescription", "ImageType",
    ],
)  # fmt: skip
def test_absent_attributes_do_not_stop_a_writer(make_series, save, ramp, grid, tmp_path, keyword):
    results, _ = written(make_series, save, ramp, grid, tmp_path, **{keyword: None})
    assert [str(r.SOPClassUID.name) for r in results] == ["Segmentation Storage", "RT Structure Set Storage"]
    frames = {
        str(results[0].FrameOfReferenceUID),
        str(results[1].ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID),
    }
    assert len(frames) == 1 and frames != {""}


def test_one_frame_said_to_be_one_is_a_slice(make_series, save, ramp, grid, tmp_path):
    results, _ = written(make_series, save, ramp, grid, tmp_path, NumberOfFrames=1)
    assert len(results) == 2


def test_a_strange_name_reaches_no_log(make_series, save, ramp, grid, tmp_path, caplog):
    with caplog.at_level(logging.DEBUG):
        written(make_series, save, ramp, grid, tmp_path, PatientName="SECRET=A=B=C=D^^^^^^")
    assert "SECRET" not in caplog.text


def test_items_of_what_is_no_sequence():
    dataset = Dataset()
    dataset.SeriesDescription = "text"
    assert items(dataset, "SeriesDescription") == [] == items(dataset, "PerFrameFunctionalGroupsSequence")
    dataset.RadiopharmaceuticalInformationSequence = Sequence([Dataset()])
    assert len(items(dataset, "RadiopharmaceuticalInformationSequence")) == 1


def test_dates_of_the_calendar_alone_are_kept():
    dataset = Dataset()
    with quiet_pydicom():
        dataset.StudyDate, dataset.SeriesDate, dataset.SeriesTime = "20240229", "20230229", "101112.5"
    assert set_aside_malformed(dataset) == ("SeriesDate",)
    assert (dataset.StudyDate, dataset.SeriesDate, dataset.SeriesTime) == ("20240229", "", "101112.5")
