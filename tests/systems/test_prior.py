import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from hyoid.anatomy.structures import BY_NAME
from hyoid.errors import InputRefusedError, UnreadableFileError, UsageError
from hyoid.io.dicom.ct import write_ct_series
from hyoid.io.dicom.output import synthetic_headers
from hyoid.io.dicom.rtstruct import write_rtstruct
from hyoid.io.files.volumes import write_nifti
from hyoid.io.study import Study, read_study
from hyoid.report.content.build import ReportInputs, build_report
from hyoid.report.content.change import changes_between
from hyoid.report.content.schema import Study as Facts
from hyoid.systems.prior import read_prior
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((6, 24, 24), (3.0, 2.0, 2.0), frame_of_reference_uid="1.2.3")


def header(identity="p1", day="20260601", born="19500101"):
    dataset = Dataset()
    dataset.PatientID, dataset.PatientBirthDate, dataset.StudyDate = identity, born, day
    return dataset


def study(*headers, fingerprint="f" * 64):
    return Study(Volume(np.zeros(GRID.shape, np.float32), GRID, Quantity.HU), None, headers, (), fingerprint)


def results(folder, identity="p1", day="20260101", fingerprint="0" * 64, dicom=True):
    """A folder as an earlier run left it."""
    folder.mkdir()
    organs = Volume(np.zeros(GRID.shape, np.uint8), GRID, Quantity.LABEL)
    facts = Facts(modality="CT", spacing_mm=GRID.spacing_mm, slices=GRID.shape[0], fingerprint=fingerprint)
    report = build_report(ReportInputs(study=facts, organs=organs))
    (folder / "report.json").write_text(report.model_dump_json())
    if dicom:
        dataset = header(identity, day)
        dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = CTImageStorage, "1.2.3", "SEG"
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.save_as(folder / "seg.dcm", enforce_file_format=True)
    return folder


def block(*slices):
    mask = np.zeros(GRID.shape, np.uint8)
    mask[slices] = 1
    return Volume(mask, GRID, Quantity.LABEL)


PRIMARY, NODE = block(slice(1, 4), slice(4, 10), slice(2, 8)), block(slice(2, 4), slice(12, 16), slice(18, 22))


def earlier_ct(folder, outlines=True):
    """A CT with the RTSTRUCT that a planning system left beside it."""
    array = np.full(GRID.shape, -1000.0, np.float32)
    array[:, 2:-2, 2:-2] = 40
    write_ct_series(folder, Volume(array, GRID, Quantity.HU), seed="before")
    if outlines:
        drawn = {BY_NAME["gtvp"].label: PRIMARY.array > 0, BY_NAME["gtvn"].label: NODE.array > 0}
        write_rtstruct(folder / "outlines.dcm", drawn, synthetic_headers(GRID, seed="before"), GRID)
    return folder


def test_an_earlier_run_gives_its_lesions_and_how_long_ago(tmp_path):
    prior = read_prior(results(tmp_path / "a"), study(header()))
    assert (prior.lesions, prior.words, prior.warnings) == ((), "an earlier report of hyoid of 151 day(s) before", ())
    assert read_prior(results(tmp_path / "b", day="20260601"), study(header())).words.endswith("of the same day")


def test_an_earlier_report_of_another_patient_or_a_later_day_or_of_this_scan_is_refused(tmp_path):
    with pytest.raises(InputRefusedError, match="another patient") as refusal:
        read_prior(results(tmp_path / "other", identity="p2"), study(header()))
    assert "p2" not in str(refusal.value) and "p1" not in str(refusal.value)
    with pytest.raises(InputRefusedError, match=r"30 day\(s\) later"):
        read_prior(results(tmp_path / "future", day="20260701"), study(header()))
    with pytest.raises(UsageError, match="this very scan"):
        read_prior(results(tmp_path / "same", fingerprint="f" * 64), study(header()))
    with pytest.raises(UsageError, match="brings its own outlines"):
        read_prior(results(tmp_path / "twice"), study(header()), masks=tmp_path)


def test_what_could_not_be_checked_is_said(tmp_path):
    plain = results(tmp_path / "plain", dicom=False)
    assert "no DICOM object lies beside it" in read_prior(plain / "report.json", study(header())).warnings[0]
    assert "this scan has no DICOM headers" in read_prior(plain, study()).warnings[0]
    unnamed = results(tmp_path / "unnamed", identity="")
    assert "has no patient ID" in read_prior(unnamed, study(header())).warnings[0]
    undated = results(tmp_path / "undated", day="")
    assert "has no date" in read_prior(undated, study(header())).warnings[0]


def test_lesions_are_measured_on_the_outlines_of_an_earlier_ct(tmp_path):
    folder, now = earlier_ct(tmp_path / "ct"), study()
    prior = read_prior(folder, now)
    assert prior.words == "an earlier CT with a reader's outlines"
    assert [(row.role, row.side, row.status) for row in prior.lesions] == [
        ("index lesion", "right", "reader"),
        ("node", "left", "reader"),
    ]
    drawn = [mask.array.sum() * 0.012 for mask in (PRIMARY, NODE)]
    assert [row.volume_ml for row in prior.lesions] == pytest.approx(drawn, rel=0.1)
    assert any("no DICOM headers" in words for words in prior.warnings)
    assert any(words.startswith("Earlier CT: Reader's masks: ") for words in prior.warnings)
    # A node without a level before is compared with the node of its side.
    [primary, node] = changes_between(prior.lesions, prior.lesions)
    assert (" similar" in primary.words, node.prior) == (True, "Node 1")


def test_organs_of_the_earlier_ct_tell_sides_and_their_failure_is_said(tmp_path):
    folder = earlier_ct(tmp_path / "ct")
    # All of the neck lies to the right of both lesions.
    cord = np.zeros(GRID.shape, np.uint8)
    cord[:, 10:12, :2] = BY_NAME["spinal_cord"].label
    told = read_prior(folder, study(), outlining=lambda ct: (ct.with_array(cord, Quantity.LABEL), ()))
    assert {row.side for row in told.lesions} == {"left"}
    silent = read_prior(folder, study(), outlining=lambda ct: (None, ("Organs were not outlined: no neck.",)))
    assert "Earlier CT: Organs were not outlined: no neck." in silent.warnings


def test_outlines_are_named_where_the_folder_does_not_hold_exactly_one(tmp_path):
    folder = earlier_ct(tmp_path / "ct", outlines=False)
    with pytest.raises(UsageError, match="without outlines"):
        read_prior(folder, study())
    labels = PRIMARY.with_array(PRIMARY.array + 2 * NODE.array)
    write_nifti(labels, tmp_path / "masks.nii.gz")
    prior = read_prior(folder, study(), masks=tmp_path / "masks.nii.gz")
    assert [row.voxels for row in prior.lesions] == [int(PRIMARY.array.sum()), int(NODE.array.sum())]
    for name in ("one.dcm", "two.dcm"):
        drawn = {BY_NAME["gtvp"].label: PRIMARY.array > 0}
        write_rtstruct(folder / name, drawn, synthetic_headers(GRID, seed="before"), GRID)
    with pytest.raises(UsageError, match="2 objects with outlines"):
        read_prior(folder, study())


def test_an_earlier_ct_of_another_patient_or_a_later_day_or_this_very_scan_is_refused(tmp_path):
    folder = earlier_ct(tmp_path / "ct")
    for file in folder.glob("*.dcm"):
        dataset = dcmread(file)
        dataset.PatientID, dataset.PatientBirthDate, dataset.StudyDate = "p1", "19500101", "20260401"
        dataset.save_as(file)
    assert read_prior(folder, study(header())).words.endswith("of 61 day(s) before")
    with pytest.raises(InputRefusedError, match="another patient"):
        read_prior(folder, study(header("p2")))
    with pytest.raises(InputRefusedError, match=r"1 day\(s\) later"):
        read_prior(folder, study(header(day="20260331")))
    with pytest.raises(UsageError, match="this very scan"):
        read_prior(folder, study(fingerprint=read_study(folder).fingerprint))


def test_what_is_neither_report_nor_study_is_refused(tmp_path):
    with pytest.raises(UnreadableFileError, match="earlier examination cannot be read"):
        read_prior(tmp_path, study())
    with pytest.raises(UnreadableFileError, match="earlier report cannot be read"):
        read_prior(tmp_path / "absent.json", study())
