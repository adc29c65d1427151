"""A name planted in every header and path: it appears in no file that is shared, no message and no cache."""

import io
import json
import shutil
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
from tests.interfaces.cohorts.conftest import Here
from tests.interfaces.planted import NAME, found_in, plant
from tests.io.dicom.petct_study import write_petct_study
from typer.testing import CliRunner

from hyoid.errors import HyoidError
from hyoid.interfaces.cli.cohort import tell_plan
from hyoid.interfaces.cli.main import app
from hyoid.interfaces.cohorts.driver import make_plan
from hyoid.interfaces.cohorts.jobs import JOBS
from hyoid.interfaces.cohorts.run import run_cohort
from hyoid.interfaces.terminal import Terminal
from hyoid.io.cohorts.lists import read_list
from hyoid.io.dicom.ct import write_ct_series
from hyoid.io.dicom.images import write_mr_series
from hyoid.io.files.volumes import write_nifti
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((24, 64, 64), (3.0, 3.0, 3.0))
MIDDLE = (12, 32, 32)


def drawn():
    """A cylinder of soft tissue with a bright ball in its middle."""
    z, y, x = np.ogrid[:24, :64, :64]
    hu = np.where((y - 32) ** 2 + (x - 32) ** 2 < 28**2, 40, -1000) + np.zeros((24, 1, 1), int)
    hu[(z - 12) ** 2 + (y - 32) ** 2 + (x - 32) ** 2 < 16] = 120
    return Volume(hu.astype(np.int16), GRID, Quantity.HU)


@pytest.fixture
def named(tmp_path):
    """A CT series in a folder of that name, the name in every header."""
    folder = tmp_path / f"{NAME}^one" / "study"
    write_ct_series(folder, drawn(), seed="test")
    return plant(folder)


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_no_output_message_or_cache_of_a_click_names_the_patient(named, tmp_path, monkeypatch, as_json):
    cache, out = tmp_path / "cache", tmp_path / "out"
    monkeypatch.setenv("HYOID_CACHE", str(cache))
    click = ",".join(map(str, MIDDLE))
    arguments = ["lesion", str(named), "--click", click, "--no-organs", "--out", str(out), *as_json]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code in (0, 5), result.output
    assert NAME not in result.output
    assert found_in(out) == []
    assert found_in(cache) == []
    series = json.loads((out / "run.json").read_text())["inputs"]["ct"]["series"]
    assert series["modality"] == "CT" and "description" not in series


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda folder: next(folder.iterdir()).unlink() or sorted(folder.iterdir())[9].unlink(), id="gap"),
        pytest.param(lambda folder: [p.write_bytes(p.read_bytes()[:900]) for p in folder.iterdir()], id="cut short"),
        pytest.param(lambda folder: [p.unlink() for p in folder.iterdir()], id="empty"),
    ],
)
def test_no_refusal_names_the_patient(named, tmp_path, change):
    change(named)
    result = CliRunner().invoke(app, ["report", str(named), "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, HyoidError)
    assert NAME not in str(result.exception) + result.output


def test_no_refusal_of_a_reader_s_masks_names_the_patient(named, tmp_path):
    masks = tmp_path / f"{NAME}.nii.gz"
    write_nifti(Volume(np.where(drawn().array > 100, 7, 0).astype(np.uint8), GRID, Quantity.LABEL), masks)
    arguments = ["report", str(named), "--reader-masks", str(masks), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, HyoidError)
    assert NAME not in str(result.exception) + result.output


def test_no_output_or_message_of_predict_names_the_patient(named, make_nnunet_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HYOID_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "out"
    with zipfile.ZipFile(tmp_path / f"{NAME}.zip", "w") as archive:
        for path in named.iterdir():
            archive.write(path, path.name)
    model = make_nnunet_folder(patch=(8, 32, 32), spacing=(3.0, 3.0, 3.0))
    arguments = [
        "predict",
        str(model),
        str(tmp_path / f"{NAME}.zip"),
        "--out",
        str(out),
        "--precision",
        "f32",
        "--no-mirror",
        "--step",
        "1",
    ]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0 and NAME not in result.output
    assert sorted(p.name for p in out.iterdir()) == ["case_001"]
    assert found_in(out) == [] and found_in(tmp_path / "cache") == []


@pytest.mark.parametrize(
    ("fault", "words"), [("gap", "slice(s) are missing"), ("two", "2 studies"), ("no channel", "input 1 ends in _0000")]
)
def test_no_refusal_of_predict_names_the_patient(named, make_nnunet_folder, tmp_path, fault, words):
    if fault == "gap":
        sorted(named.iterdir())[9].unlink()
    elif fault == "two":
        write_ct_series(named / NAME, drawn(), seed="another")
        plant(named / NAME)
    else:
        write_nifti(drawn(), named.parent / f"{NAME}.nii.gz")
    assert words in refused("predict", make_nnunet_folder(), named.parent, "--out", tmp_path / "out").problem


def refused(*arguments):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert isinstance(result.exception, HyoidError), result.exception or result.output
    assert NAME not in f"{result.exception} {result.exception.problem} {result.exception.cure} {result.output}"
    return result.exception


@pytest.fixture
def examinations(tmp_path, monkeypatch):
    """MR before and during treatment in folders of that name, masks of that name, and no network."""
    monkeypatch.setattr("hyoid.interfaces.cli.midrt.midrt_sources", lambda _: ())
    mr = Volume(np.clip(drawn().array, 0, None).astype(np.float32), GRID, Quantity.MR)
    folders = []
    for which, image in (("before", mr), ("during", mr.with_array(mr.array + 1))):
        write_mr_series(tmp_path / f"{NAME}^{which}", image, seed=which, description="T2")
        folders.append(plant(tmp_path / f"{NAME}^{which}"))
    masks = tmp_path / f"{NAME}.nii.gz"
    write_nifti(Volume((drawn().array > 100).astype(np.uint8), GRID, Quantity.LABEL), masks)
    return (*folders, masks)


def change_of(folder, **values):
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        for keyword, value in values.items():
            setattr(dataset, keyword, value)
        dataset.save_as(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda pre, mid, _: change_of(mid, PatientID=f"{NAME} two"), "different patients"),
        (lambda pre, mid, _: [p.unlink() for p in mid.iterdir()], "no DICOM images"),
        (lambda pre, mid, _: change_of(mid, Modality="CT"), "no MR series"),
        (lambda pre, mid, _: sorted(pre.iterdir())[9].unlink(), "1 slice(s) are missing"),
        (lambda pre, mid, masks: masks.unlink(), "names no file"),
        (lambda pre, mid, masks: masks.write_bytes(b"x" * 400), "cannot be read"),
        (lambda pre, mid, masks: write_nifti(Volume(drawn().array * 0, GRID, Quantity.LABEL), masks), "no labels"),
    ],
    ids=["other patient", "empty", "CT", "gap", "no masks", "broken masks", "empty masks"],
)
def test_no_refusal_of_midrt_names_the_patient(examinations, tmp_path, change, words):
    change(*examinations)
    pre, mid, masks = examinations
    assert words in refused("midrt", pre, mid, "--pre-masks", masks, "--out", tmp_path / "out").problem
    assert not (tmp_path / "out").exists()


@pytest.fixture
def scanned(tmp_path, monkeypatch):
    """A PET/CT in folders of that name, and no network."""
    none = SimpleNamespace(decision=SimpleNamespace(changed=lambda *_, **__: None))
    monkeypatch.setattr("hyoid.interfaces.cli.petct.petct_models", lambda *_: none)
    suv = np.where(drawn().array > -300, 1.0, 0.0).astype(np.float32)
    folder = tmp_path / f"{NAME}^one"
    write_petct_study(folder, drawn(), Volume(suv, GRID, Quantity.SUV), seed="test")
    return plant(folder)


def drop_dose(folder):
    for path in (folder / "pt").iterdir():
        dataset = pydicom.dcmread(path)
        del dataset.RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose
        dataset.save_as(path)


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (drop_dose, (), "RadionuclideTotalDose"),
        (lambda folder: shutil.rmtree(folder / "pt"), (), "no PET"),
        (lambda folder: shutil.rmtree(folder / "ct"), (), "no CT series"),
        (lambda folder: sorted((folder / "pt").iterdir())[9].unlink(), (), "1 slice(s) are missing"),
        (lambda folder: change_of(folder / "pt", Units="CNTS"), (), "in counts"),
        (lambda folder: change_of(folder / "pt", PatientID=f"{NAME} two"), (), "2 patients"),
        (lambda folder: None, ("--pet-series", "99"), "No series fit"),
    ],
    ids=["no dose", "no PET", "no CT", "gap", "counts", "other patient", "no such series"],
)
def test_no_refusal_of_petct_names_the_patient(scanned, tmp_path, change, options, words):
    change(scanned)
    assert words in refused("petct", scanned, "--out", tmp_path / "out", *options).problem
    assert not (tmp_path / "out").exists()


def test_the_workspace_shows_names_of_files_where_a_study_is_chosen_and_nowhere_else(named, tmp_path):
    pytest.importorskip("fastapi")
    from fastapi.testclient import TestClient

    from hyoid.inference.click_network import ClickNetwork
    from hyoid.interfaces.installed import load_model
    from hyoid.interfaces.web.server import make_app
    from hyoid.interfaces.web.studies import Studies
    from hyoid.workspace.workspace import Workspace

    (named.parent / f"{NAME} <b>.nii.gz").write_bytes(b"x" * 400)
    data = tmp_path / "data"
    studies = Studies(named.parent, data / "uploads", 10**9)
    network = ClickNetwork(load_model("isrg"), cache=tmp_path / "cache")
    client = TestClient(make_app(Workspace(data, network, studies.read), studies), base_url="http://127.0.0.1:8042")
    listed = {row["name"]: row["key"] for row in client.get("/api/studies").json()}
    # A reader chooses by the names of files that lie on the reader's own machine; headers are not shown.
    assert list(listed) == [f"{NAME} <b>.nii.gz", "study"] and NAME not in "".join(listed.values())
    begun = client.post("/api/sessions", json={"study": listed["study"]})
    assert begun.status_code == 200 and NAME not in begun.text
    broken = client.post("/api/sessions", json={"study": listed[f"{NAME} <b>.nii.gz"]})
    assert broken.status_code == 422 and NAME not in broken.text
    assert NAME not in client.get("/api/sessions").text
    assert found_in(data) == []


def test_measures_and_structured_texts_name_nobody(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    masks = write_nifti(Volume((drawn().array > 100).astype(np.uint8), GRID, Quantity.LABEL), tmp_path / f"{NAME}.nii")
    text = tmp_path / f"{NAME}.txt"
    text.write_text(
        f"Patient name: {NAME}, Abc\nCT neck.\nFindings: A mass of the left tonsil measures 2.1 x 1.4 cm.\n"
    )
    for arguments in (("measure", masks, "--out", out / "m.json"), ("structure", text, "--out", out / "s.json")):
        result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
        assert result.exit_code == 0 and NAME not in result.output.replace(str(tmp_path), "")
    assert "tonsil" in (out / "s.json").read_text() and found_in(out) == []


@pytest.fixture
def run_here(tmp_path):
    """Run a cohort in this process; what was said, and the refusals."""

    def run(job, listing, kind, common=()):
        out = tmp_path / "out"
        listed = read_list(listing, kind)
        with redirect_stdout(io.StringIO()) as said, redirect_stderr(said):
            terminal = Terminal(as_json=True)
            plan_of = partial(make_plan, JOBS[job], listed, common, out)
            _, refused = run_cohort(plan_of, Here(), out, terminal, tell=partial(tell_plan, JOBS[job], listed))
        return out, said.getvalue(), refused

    return run


def cells_of(out):
    """Everything that the tables of a cohort hold, as one text."""
    parquet = pytest.importorskip("pyarrow.parquet")
    return json.dumps([parquet.read_table(p).to_pylist() for p in sorted(out.glob("*.parquet"))])


def test_tables_page_refusals_and_words_of_a_cohort_name_nobody(run_here, tmp_path):
    folder = tmp_path / NAME
    labels = Volume((drawn().array > 100).astype(np.uint8), GRID, Quantity.LABEL)
    write_nifti(labels, folder / f"{NAME}.nii.gz")
    (folder / f"{NAME}_broken.nii.gz").write_bytes(b"x" * 400)
    rows = [("one", f"{NAME}.nii.gz"), ("two", f"{NAME}_broken.nii.gz"), ("three", f"{NAME}_gone.nii.gz")]
    (folder / "list.csv").write_text("id,path\n" + "".join(f"{case},{path}\n" for case, path in rows))
    out, said, refused = run_here("measure", folder / "list.csv", "images")
    assert sorted(row.case for row in refused) == ["three", "two"] and "one" in cells_of(out)
    assert NAME not in said + cells_of(out) + str(refused)
    assert found_in(out) == []


def test_a_cohort_of_dicom_studies_calls_these_by_no_name(run_here, named, tmp_path):
    write_ct_series(named.parent / "two", drawn(), seed="two")
    plant(named.parent / "two")
    sorted(named.iterdir())[9].unlink()
    out, said, refused = run_here("report", tmp_path, "ct")
    assert len(refused) == 2 and "slice(s) are missing" in str(refused) and "Hounsfield" in str(refused)
    assert NAME not in said + cells_of(out) + str(refused)
    assert found_in(out) == []
