import base64
import io
import json
import zipfile
import zlib

import numpy as np
import pytest
from fastapi.testclient import TestClient

from hyoid.geometry.orientation import to_canonical
from hyoid.inference.click_network import ClickNetwork
from hyoid.interfaces.installed import load_model
from hyoid.interfaces.web.server import AccessRule, make_app
from hyoid.interfaces.web.studies import Studies
from hyoid.io.dicom.ct import write_ct_series
from hyoid.io.files.volumes import write_nifti
from hyoid.volume import Geometry, Quantity, Volume
from hyoid.workspace.workspace import Workspace


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return ClickNetwork(load_model("isrg"), cache=tmp_path_factory.mktemp("regions"))


@pytest.fixture(scope="module")
def folder(patient, made_series, tmp_path_factory):
    """A folder with a DICOM zip, a NIfTI file, an MR file and a broken zip."""
    root = tmp_path_factory.mktemp("studies")
    with zipfile.ZipFile(root / "ct.zip", "w") as archive:
        for file in made_series.iterdir():
            archive.write(file, file.name)
    write_nifti(patient.ct, root / "ct.nii.gz")
    mr = np.random.default_rng(0).uniform(0, 900.5, (12, 30, 30)).astype(np.float32)
    write_nifti(Volume(mr, Geometry.axial(mr.shape, (3, 1, 1)), Quantity.MR), root / "mr.nii.gz")
    (root / "broken.zip").write_bytes((root / "ct.zip").read_bytes()[:5000])
    return root


def client_of(folder, data, network, *, token="", largest=10**9, base="http://127.0.0.1:8042"):
    studies = Studies(folder, data / "uploads", largest)
    app = make_app(Workspace(data, network, studies.read), studies, AccessRule(token))
    return TestClient(app, base_url=base, raise_server_exceptions=False)


@pytest.fixture
def client(folder, tmp_path, network):
    return client_of(folder, tmp_path, network)


def begin(client, name="ct.zip"):
    key = next(s["key"] for s in client.get("/api/studies").json() if s["name"] == name)
    return client.post("/api/sessions", json={"study": key})


def act(client, view, **action):
    return client.post(
        f"/api/sessions/{view['session']}/actions", json={"revision": view["revision"], "action": action}
    )


def middle_of_primary(patient):
    places = np.argwhere(to_canonical(patient.lesions).array == 1)
    return [int(v) for v in places[np.linalg.norm(places - places.mean(0), axis=1).argmin()]]


def test_from_click_to_export(client, patient):
    view = begin(client).json()
    assert view["study"]["windows"][0]["name"] == "Soft tissue"
    shape = view["study"]["shape"]
    pixels = client.get(f"/api/sessions/{view['session']}/image").content
    assert len(pixels) == 2 * np.prod(shape)
    assert np.array_equal(np.frombuffer(pixels, "<i2").reshape(shape), to_canonical(patient.ct).array)

    view |= act(client, view, do="lesion", target="GTVp").json()
    point = middle_of_primary(patient)
    view |= act(client, view, do="prompt", lesion=1, kind="add", point_ijk=point).json()
    mask = view["lesions"][0]["mask"]
    size = np.subtract(mask["stop"], mask["start"])
    bits = np.unpackbits(np.frombuffer(zlib.decompress(base64.b64decode(mask["bits"])), np.uint8), bitorder="little")
    painted = bits[: np.prod(size)].reshape(size).astype(bool)
    assert painted.any()
    assert "size_of_the_mass" in view["changed"]
    line = next(row for row in view["report"]["lines"] if row["key"] == "size_of_the_mass")
    at = np.subtract(line["voxel"], mask["start"])
    assert painted[tuple(at)]

    answer = client.get(f"/api/sessions/{view['session']}/export.zip")
    names = set(zipfile.ZipFile(io.BytesIO(answer.content)).namelist())
    assert names == {
        "report.json", "report.txt", "report.html", "targets.nii.gz", "masks.nii.gz", "seg.dcm", "rtstruct.dcm",
        "session.json", "run.json",
    }  # fmt: skip
    back = client.post(f"/api/sessions/{view['session']}/undo", json={"revision": view["revision"]}).json()
    assert back["lesions"][0]["mask"] is None
    assert "size_of_the_mass" in back["changed"]


def test_a_session_is_found_again_by_another_server(client, folder, tmp_path, network, patient):
    view = begin(client).json()
    view |= act(client, view, do="lesion", target="GTVp").json()
    view |= act(client, view, do="prompt", lesion=1, kind="add", point_ijk=middle_of_primary(patient)).json()
    other = client_of(folder, tmp_path, network)
    again = other.get(f"/api/sessions/{view['session']}").json()
    assert again["lesions"] == view["lesions"]
    assert again["report"] == view["report"]
    assert other.get("/api/sessions").json()[0]["name"] == "ct.zip"


def test_two_windows(client):
    view = begin(client).json()
    assert act(client, view, do="lesion", target="GTVp").status_code == 200
    slow = act(client, view, do="lesion", target="GTVn")
    assert slow.status_code == 409
    assert "another window was faster" in slow.json()["problem"]
    assert len(client.get(f"/api/sessions/{view['session']}").json()["lesions"]) == 1


@pytest.mark.parametrize(
    ("action", "status", "words"),
    [
        ({"do": "prompt", "lesion": 1, "kind": "add", "point_ijk": [0, 0, 9999]}, 400, "outside the scan"),
        ({"do": "prompt", "lesion": 1, "kind": "add", "point_ijk": [2, 1, 1]}, 422, "on air"),
        ({"do": "prompt", "lesion": 3, "kind": "add", "point_ijk": [2, 1, 1]}, 400, "no lesion 3"),
        ({"do": "prompt", "lesion": 1, "kind": "maybe", "point_ijk": [2, 1, 1]}, 400, "not understood"),
        ({"do": "explode"}, 400, "not understood"),
    ],
)
def test_refusals_are_said_and_change_nothing(client, action, status, words):
    view = begin(client).json()
    view |= act(client, view, do="lesion", target="GTVp").json()
    answer = act(client, view, **action)
    assert answer.status_code == status
    assert words in answer.json()["problem"]
    assert client.get(f"/api/sessions/{view['session']}").json()["revision"] == view["revision"]


@pytest.mark.parametrize(
    ("path", "body"),
    [("/api/sessions", b"{"), ("/api/sessions", b'{"study": 5}'), ("/api/sessions/abc/actions", b"nonsense")],
)
def test_nonsense_is_refused_in_words(client, path, body):
    answer = client.post(path, content=body)
    assert answer.status_code == 400
    assert "not understood" in answer.json()["problem"]


def test_broken_zip_and_unknown_study_are_refused(client):
    answer = begin(client, "broken.zip")
    assert answer.status_code == 422
    assert "truncated or corrupt" in answer.json()["problem"]
    assert client.post("/api/sessions", json={"study": "nothing"}).status_code == 400
    assert client.get("/api/sessions/nothing").status_code == 400


def test_mr_opens_with_windows_of_its_own(client):
    view = begin(client, "mr.nii.gz").json()
    assert view["study"]["modality"] == "MR"
    assert [w["name"] for w in view["study"]["windows"]] == ["Automatic", "Full range"]
    stored = np.frombuffer(client.get(f"/api/sessions/{view['session']}/image").content, "<i2")
    assert stored.min() == 0
    assert stored.max() == 4095


def test_nothing_to_export(client):
    view = begin(client).json()
    answer = client.get(f"/api/sessions/{view['session']}/export.zip")
    assert answer.status_code == 422
    assert "nothing to export" in answer.json()["problem"]


def test_uploads(client, folder, tmp_path):
    content = (folder / "ct.zip").read_bytes()
    key = client.post("/api/uploads?name=../../my scan.zip", content=content).json()["key"]
    assert client.post("/api/sessions", json={"study": key}).status_code == 200
    assert [p.name for p in (tmp_path / "uploads").glob("*/*")] == ["my_scan.zip"]
    for name, body, words in (
        ("x.exe", b"1", "does not open .exe"),
        ("x.zip", b"", "cut short after 0 bytes"),
    ):
        answer = client.post(f"/api/uploads?name={name}", content=body)
        assert answer.status_code == 422
        assert words in answer.json()["problem"]


def test_a_huge_upload_is_refused_before_it_is_read_and_while_it_runs(folder, tmp_path, network):
    client = client_of(folder, tmp_path, network, largest=1000)
    announced = client.post("/api/uploads?name=x.zip", content=b"1", headers={"content-length": str(4 * 1024**3)})
    assert announced.status_code == 422
    assert "larger than" in announced.json()["problem"]
    running = client.post("/api/uploads?name=x.zip", content=(b"1" * 600 for _ in range(3)))
    assert running.status_code == 422
    assert not list((tmp_path / "uploads").glob("*"))


def test_uploads_have_a_quota_and_can_be_deleted_with_their_sessions(folder, tmp_path, network):
    packed = (folder / "ct.nii.gz").read_bytes()
    studies = Studies(folder, tmp_path / "uploads", 10**9, quota_bytes=len(packed) + 10)
    client = TestClient(make_app(Workspace(tmp_path, network, studies.read), studies), base_url="http://127.0.0.1")
    kept = client.post("/api/uploads?name=kept.nii.gz", content=packed).json()["key"]
    announced = client.post("/api/uploads?name=more.nii.gz", content=packed)
    streamed = client.post("/api/uploads?name=more.nii.gz", content=(packed[:100] for _ in range(3)))
    for refused in (announced, streamed):
        assert refused.status_code == 422
        assert "uploads fill" in refused.json()["problem"]
    session = client.post("/api/sessions", json={"study": kept}).json()["session"]
    assert client.delete(f"/api/uploads/{kept}").json() == {"sessions_deleted": 1}
    assert not list((tmp_path / "uploads").iterdir())
    assert client.get(f"/api/sessions/{session}").status_code == 400
    own = next(s["key"] for s in client.get("/api/studies").json())
    for key in (kept, own, "nobody"):
        assert "no such upload" in client.delete(f"/api/uploads/{key}").json()["problem"]
    assert client.post("/api/uploads?name=more.nii.gz", content=packed).status_code == 200


def test_a_session_can_be_deleted(client):
    session = begin(client).json()["session"]
    assert client.delete(f"/api/sessions/{session}").json() == {"deleted": True}
    assert client.get("/api/sessions").json() == []
    assert "no such session" in client.delete(f"/api/sessions/{session}").json()["problem"]


def test_a_token_is_asked_for(folder, tmp_path, network):
    client = client_of(folder, tmp_path, network, token="secret", base="http://server.example:8042")
    assert client.get("/api/about").status_code == 403
    assert client.get("/api/about", headers={"authorization": "Bearer wrong"}).status_code == 403
    assert client.get("/?token=secret").status_code == 200
    assert client.get("/api/about").status_code == 200  # the cookie of the page
    assert "secret" not in client.get("/").text
    assert [cookie.name for cookie in client.cookies.jar] == ["hyoid_token_8042"]  # another port has its own


def test_pages_of_other_sites_are_kept_out(client, folder, tmp_path, network):
    assert client_of(folder, tmp_path, network, base="http://evil.example").get("/api/about").status_code == 403
    answer = client.post("/api/sessions", json={"study": "x"}, headers={"origin": "http://evil.example"})
    assert answer.status_code == 403
    assert (
        client.post("/api/sessions", json={"study": "x"}, headers={"origin": "http://127.0.0.1:8042"}).status_code
        == 400
    )


def test_the_page_loads_nothing_from_elsewhere(client):
    page = client.get("/")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for name in ("", "main.js", "viewer.js", "report.js", "solid.js", "api.js", "style.css"):
        text = client.get(f"/{name}").text
        assert "http://" not in text
        assert "https://" not in text


def test_overruling_reaches_the_export(client, patient):
    view = begin(client, "ct.nii.gz").json()
    view |= act(client, view, do="lesion", target="GTVp").json()
    view |= act(client, view, do="prompt", lesion=1, kind="add", point_ijk=middle_of_primary(patient)).json()
    view |= act(client, view, do="overrule", key="tonsil", value="Involved, left").json()
    view |= act(client, view, do="accept").json()
    packed = zipfile.ZipFile(io.BytesIO(client.get(f"/api/sessions/{view['session']}/export.zip").content))
    report = json.loads(packed.read("report.json"))
    line = next(row for row in report["lines"] if row["key"] == "tonsil")
    assert (line["value"], line["status"]) == ("Involved, left", "reader")
    assert report["warnings"][0].startswith("A reader went through")


def test_loose_slices_are_one_study(made_series, tmp_path, network):
    client = client_of(made_series, tmp_path, network)
    assert len(client.get("/api/studies").json()) == 1


def test_dicom_ct_series_writer_is_used(patient, tmp_path):
    # The fixture above relies on it; a study of one folder opens as well.
    write_ct_series(tmp_path / "one", patient.ct, seed="one")
    assert Studies(tmp_path, tmp_path / "u", 1).read(Studies(tmp_path, tmp_path / "u", 1).entries()[0].key)[1] == "CT"
