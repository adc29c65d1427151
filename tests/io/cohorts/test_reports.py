from hyoid.io.cohorts.layouts import find_layout_cases
from hyoid.io.cohorts.plain import find_plain_cases
from hyoid.io.cohorts.reports import find_report_cases, report_beside


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_a_ct_with_a_report_is_a_case_and_masks_are_optional(tmp_path):
    touch(tmp_path / "a", "ct.nii.gz", "report.txt")
    touch(tmp_path / "b", "ct/1.dcm", "report.json", "report.txt", "organs.nii.gz", "targets.nii.gz")
    touch(tmp_path / "c", "ct.nii.gz")
    touch(tmp_path / "d", "report.txt")
    first, second = find_report_cases(tmp_path)
    assert (first.name, first.ct.name, first.report.name, first.organs, first.targets) == (
        "a", "ct.nii.gz", "report.txt", None, None,
    )  # fmt: skip
    assert (second.ct.name, second.report.name, second.organs.name) == ("ct", "report.json", "organs.nii.gz")
    assert second.lesions and not first.lesions and not first.virtual


def test_a_virtual_patient_has_a_report_too_and_stays_virtual(tmp_path):
    touch(tmp_path / "phantom_0", "ct.nii.gz", "report.txt", "truth.json", "organs.nii.gz")
    touch(tmp_path / "real", "ct.nii.gz", "report.txt")
    assert report_beside(tmp_path / "phantom_0") is None
    assert [c.name for c in find_plain_cases(tmp_path)] == ["phantom_0"]
    assert [c.name for c in find_report_cases(tmp_path)] == ["real"]
    found = find_layout_cases(tmp_path, ("openkbp", "plain", "reports"), "training cases")
    assert [(c.name, c.virtual) for c in found] == [("phantom_0", True), ("real", False)]
