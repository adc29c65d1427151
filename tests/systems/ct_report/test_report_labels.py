"""From reports to labels, and from CTs with reports to a trained package."""

import json

import numpy as np
import pytest
from pydicom import Dataset

from hyoid.errors import InputRefusedError, UnreadableFileError, UsageError
from hyoid.io.cohorts.case_files import CaseFiles
from hyoid.io.files.volumes import write_nifti
from hyoid.io.packages.model_package import read_manifest
from hyoid.report.free_text.structure import structure_text
from hyoid.systems.ct_report.cases import prepared_cases
from hyoid.systems.ct_report.report_labels import UNKNOWN, labels_of_report, read_case_report
from hyoid.systems.ct_report.train import train_ct_report
from hyoid.training.recipe import load_recipe
from hyoid.training.run import Run
from hyoid.volume import Geometry, Quantity, Volume

TEXT = (
    "CECT neck. There is a mass in the right base of tongue measuring 2.4 cm. The oral tongue is normal. "
    "It infiltrates the right parotid gland. The thyroid gland and strap muscles are normal. "
    "The true vocal cords are not involved."
)
FIVE = ("tongue", "hypopharynx", "larynx", "strap_muscles_thyroid_gland", "carotid_arteries_ijv")


def test_fields_from_a_text():
    report = structure_text(TEXT)
    values = dict(zip(FIVE, labels_of_report(report, FIVE).tolist(), strict=True))
    # The tongue is involved where one of its lines is; of the larynx only the cords are told.
    assert values == {
        "tongue": 1, "hypopharynx": UNKNOWN, "larynx": UNKNOWN, "strap_muscles_thyroid_gland": 0,
        "carotid_arteries_ijv": UNKNOWN,
    }  # fmt: skip
    trusting = labels_of_report(report, FIVE, "not_involved").tolist()
    assert trusting == [1, 0, 0, 0, 0]


def test_the_presets_are_binary_as_the_paper_is():
    assert {load_recipe("ct_report", preset).unmentioned for preset in ("reports", "reports_template", "paper")} == {
        "not_involved"
    }
    assert load_recipe("ct_report", "small").unmentioned == "unknown"


def test_sides_of_a_sided_line():
    fields = ("parotid_right", "parotid_left", "parotid_gland", "mandible")
    assert labels_of_report(structure_text(TEXT), fields).tolist() == [1, 0, 1, UNKNOWN]


def test_what_a_network_said_teaches_nothing():
    report = structure_text(TEXT)
    lines = tuple(line.model_copy(update={"status": "model"}) for line in report.lines)
    assert set(labels_of_report(report.model_copy(update={"lines": lines}), FIVE).tolist()) == {UNKNOWN}


def case(folder, name, content):
    (folder / name).write_text(content, encoding="utf-8")
    return CaseFiles("a", folder / "ct.nii.gz", None, None, virtual=False, report=folder / name)


def scan(**tags):
    header = Dataset()
    for tag, value in tags.items():
        setattr(header, tag, value)
    return [header]


HEADER = "Name: Jane Roe\nMRN: 00-4711\nDate of birth: 03/04/1950\n"


@pytest.mark.parametrize(
    "tags",
    [
        {"PatientName": "DOE^JOHN"},
        {"PatientID": "4712"},
        {"PatientBirthDate": "19510304"},
    ],
)
def test_a_report_of_another_patient_is_refused(tmp_path, tags):
    with pytest.raises(InputRefusedError, match="not of its CT") as refused:
        read_case_report(case(tmp_path, "report.txt", HEADER + TEXT), scan(**tags), "")
    assert "Roe" not in str(refused.value) and "4711" not in str(refused.value)


def test_a_report_of_the_same_patient_is_read(tmp_path):
    same = scan(PatientName="ROE^JANE", PatientID="4711", PatientBirthDate="19500403")
    assert labels_of_report(read_case_report(case(tmp_path, "report.txt", HEADER + TEXT), same, ""), FIVE)[0] == 1
    # A file without headers cannot contradict.
    assert read_case_report(case(tmp_path, "report.txt", HEADER + TEXT), [], "").lines


def test_a_report_json_of_another_scan_is_refused(tmp_path):
    study = {"modality": "CT", "spacing_mm": [1, 1, 1], "slices": 3, "fingerprint": "abc"}
    content = json.loads(structure_text(TEXT).model_dump_json()) | {"study": study}
    told = case(tmp_path, "report.json", json.dumps(content))
    assert labels_of_report(read_case_report(told, [], "abc"), FIVE)[0] == 1
    with pytest.raises(InputRefusedError, match="not of its CT"):
        read_case_report(told, [], "def")
    (tmp_path / "report.json").write_bytes(b"\xff\xfe")
    with pytest.raises(UnreadableFileError, match="no UTF-8"):
        read_case_report(told, [], "abc")


def pairs(folder, *, targets=True):
    """Four patients with outlines and a report each; the tumour lies in the tongue of every other one."""
    geometry = Geometry.axial((20, 24, 24), (6.0, 6.0, 6.0))
    for number in range(4):
        hu = np.full(geometry.shape, -1000, np.int16)
        hu[:, 4:20, 4:20], hu[8:12, 17:19, 10:14] = 40, 700
        organs, lesions = np.zeros(geometry.shape, np.uint8), np.zeros(geometry.shape, np.uint8)
        organs[8:12, 8:12, 8:12], organs[4:8, 8:12, 8:12] = 5, 28
        lesions[8:11, 8:11, 8:11] = 1
        place = folder / f"p{number}"
        place.mkdir(parents=True)
        write_nifti(Volume(hu, geometry, Quantity.HU), place / "ct.nii.gz")
        write_nifti(Volume(organs, geometry, Quantity.LABEL), place / "organs.nii.gz")
        if targets:
            write_nifti(Volume(lesions, geometry, Quantity.LABEL), place / "targets.nii.gz")
        involved = "infiltrates" if number % 2 else "spares"
        (place / "report.txt").write_text(f"CT neck. The mass {involved} the oral tongue and the base of tongue.")
    return folder


@pytest.fixture
def recipe():
    outline = {"heatmap": "outline", "unmentioned": "unknown"}
    return load_recipe("ct_report", "reports+smoke").model_copy(update=outline)


@pytest.mark.filterwarnings("ignore")
def test_reports_teach_a_package(tmp_path, recipe):
    folder = pairs(tmp_path / "cohort")
    cases = prepared_cases(recipe, [folder], tmp_path / "priors", organs=(), tumours=(), cache=tmp_path)
    assert [c.target[0] for c in cases] == [0, 1, 0, 1]
    assert set(np.unique(cases[0].organs)) == {0, 5, 28}
    assert cases[0].heatmap.max() > 0.5 and not cases[0].virtual
    package = train_ct_report(recipe.model_copy(update={"variant": "ct_only"}), cases, Run(tmp_path / "run", "cpu"))
    manifest = read_manifest(package)
    assert manifest.learned_from.real == ("tongue",)
    assert manifest.preprocessing["organ_rule"] == "report"
    # Another report is another label, not the one that was kept.
    (folder / "p0" / "report.txt").write_text("CT neck. The mass infiltrates the oral tongue.")
    again = prepared_cases(recipe, [folder], tmp_path / "priors", organs=(), tumours=(), cache=tmp_path)
    assert again[0].target[0] == 1


def test_organs_of_any_network_are_the_prior_and_another_network_is_another_prior(tmp_path, recipe, monkeypatch):
    from types import SimpleNamespace

    from hyoid.systems.ct_report import cases as module

    folder = pairs(tmp_path / "cohort")
    asked = []
    for place in folder.iterdir():
        (place / "organs.nii.gz").rename(place / "elsewhere.nii.gz")

    def outline(ct, organs, machine):
        asked.append(organs[0].manifest.sha256)
        labels = np.zeros(ct.array.shape, np.uint8)
        labels[8:12, 8:12, 8:12] = 5
        return SimpleNamespace(labels=Volume(labels, ct.geometry, Quantity.LABEL))

    monkeypatch.setattr(module, "outline_organs", outline)
    for digest in ("public", "public", "mine"):
        source = SimpleNamespace(manifest=SimpleNamespace(sha256=digest, supported=("tongue",)))
        found = prepared_cases(recipe, [folder], tmp_path / "priors", organs=(source,), tumours=(), cache=tmp_path)
        assert set(np.unique(found[0].organs)) == {0, 5}
    assert asked == ["public"] * 4 + ["mine"] * 4


def test_an_outline_that_is_asked_for_and_not_there_is_refused(tmp_path, recipe):
    folder = pairs(tmp_path / "cohort", targets=False)
    with pytest.raises(UsageError, match="has no targets"):
        prepared_cases(recipe, [folder], tmp_path / "priors", organs=(), tumours=(), cache=tmp_path)
