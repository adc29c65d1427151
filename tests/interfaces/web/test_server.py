import base64
import io
import json
import time
import zipfile
import zlib
from dataclasses import replace

import numpy as np
import pytest
from fastapi.testclient import TestClient
from tests.interfaces.planted import NAME, found_in

from hyoid.anatomy.structures import BY_NAME, GTVN
from hyoid.geometry.orientation import to_canonical
from hyoid.inference.click_network import ClickNetwork
from hyoid.interfaces.installed import load_model
from hyoid.interfaces.node.config import FolderDestination
from hyoid.interfaces.web.readers import Readers
from hyoid.interfaces.web.sending import NOWHERE, Sending
from hyoid.interfaces.web.server import PAGE, AccessRule, make_app
from hyoid.interfaces.web.studies import Studies
from hyoid.io.dicom.ct import write_ct_series
from hyoid.io.files.volumes import write_nifti
from hyoid.io.petct import PetCtStudy
from hyoid.io.study import Study
from hyoid.provenance import network as network_provenance
from hyoid.report.content.schema import ModelUse
from hyoid.systems.lesion.report import scan_inputs
from hyoid.systems.lesion.strokes import whole_of
from hyoid.volume import Geometry, Quantity, Volume
from hyoid.workspace.drafts import Draft, Drafter
from hyoid.workspace.scans import Scans
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


def client_of(folder, data, network, *, token="", largest=10**9, base="http://127.0.0.1:8042", sending=NOWHERE):
    studies = Studies(folder, data / "uploads", largest)
    app = make_app(Workspace(data, network, studies.read), studies, AccessRule(token), sending=sending)
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


def test_from_click_to_export(client, patient, tmp_path):
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
        "sr.dcm", "lesions.dcm", "session.json", "run.json",
    }  # fmt: skip
    # The study has a name in every header and path.
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path / "export")
    history = client.get(f"/api/sessions/{view['session']}/history")
    assert history.json() and NAME not in history.text + json.dumps(view)
    assert found_in(tmp_path) == []
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
    for name in ("", *(file.name for file in PAGE.iterdir() if file.suffix in (".js", ".css"))):
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


def test_what_was_signed_is_sent_once(folder, tmp_path, network, patient):
    there = tmp_path / "there"
    sending = Sending({"pacs": FolderDestination(kind="folder", path=there)})
    client = client_of(folder, tmp_path / "data", network, sending=sending)
    assert client.get("/api/about").json()["destinations"] == ["pacs"]
    view = begin(client).json()
    view |= act(client, view, do="lesion", target="GTVp").json()
    view |= act(client, view, do="prompt", lesion=1, kind="add", point_ijk=middle_of_primary(patient)).json()
    address = f"/api/sessions/{view['session']}/send"
    refused = client.post(address, json={"to": "pacs"})
    assert refused.status_code == 422 and "not signed" in refused.json()["problem"]
    view |= act(client, view, do="sign").json()
    answer = client.post(address, json={"to": "elsewhere"})
    assert answer.status_code == 400, answer.json()
    for _ in range(2):
        assert client.post(address, json={"to": "pacs"}).json() == {"objects": 4}
    [run] = there.iterdir()
    assert {p.name for p in run.iterdir()} > {"seg.dcm", "rtstruct.dcm", "sr.dcm", "lesions.dcm"}
    there.rename(tmp_path / "gone")
    there.touch()
    assert client.post(address, json={"to": "pacs"}).status_code == 503
    rows = [row for row in client.get(f"/api/sessions/{view['session']}/history").json() if row["did"] == "send"]
    assert [(row["to"], row["result"]) for row in rows[:2]] == [("pacs", "4 object(s)")] * 2
    assert all(row["when"] for row in rows)
    assert rows[2]["result"].startswith("refused: ")


def test_loose_slices_are_one_study(made_series, tmp_path, network):
    client = client_of(made_series, tmp_path, network)
    assert len(client.get("/api/studies").json()) == 1


def test_dicom_ct_series_writer_is_used(patient, tmp_path):
    # The fixture above relies on it; a study of one folder opens as well.
    write_ct_series(tmp_path / "one", patient.ct, seed="one")
    known = Studies(tmp_path, tmp_path / "u" / "uploads", 1)
    assert known.read(known.entries()[0].key).modality == "CT"


@pytest.fixture
def drafted(ball_study, ball_masks, click_network, tmp_path):
    """A server whose pipeline outlines the second ball as a node, an organ, and a target region; PET at hand."""
    pet = Volume(
        np.full((14, 30, 35), 2.5, np.float32), Geometry.axial((14, 30, 35), (6, 4, 4), (-70, -60, 0)), Quantity.SUV
    )
    pet.array[7, 15, 12] = 9.0

    def make(name, scans, on_progress):
        inputs = scan_inputs(scans.study, "PT/CT")
        organs = inputs.organs.array.copy()
        organs[10:18, 10:14, 10:14] = BY_NAME["mandible"].label
        region = inputs.organs.with_array(ball_masks[1].astype(np.uint8))
        inputs = replace(inputs, organs=inputs.organs.with_array(organs), target_region=region)
        source = ModelUse(name="pipeline")
        inputs = replace(inputs, target_source=source)
        return Draft(name, inputs, (("GTVn", whole_of(ball_masks[2])),), source, {GTVN: network_provenance("pipeline")})

    petct = PetCtStudy(ball_study, Study(pet, None, (), (), "pet"), "as the test says")
    workspace = Workspace(
        tmp_path, click_network, lambda key: Scans(ball_study, "PT/CT", petct), lambda scans: Drafter((), make)
    )
    studies = Studies(None, tmp_path / "uploads", 10**9)
    readers = Readers("X-Remote-User", ("V. Iewer",))
    app = make_app(workspace, studies, AccessRule(), readers)
    return workspace, TestClient(app, base_url="http://127.0.0.1:8042", headers={"X-Remote-User": "R. Eader"})


def test_a_draft_its_layers_and_the_pet_reach_the_page(drafted):
    _, client = drafted
    view = client.post("/api/sessions", json={"study": "s"}).json()
    assert (view["owner"], view["draft"]["taken"]) == ("R. Eader", False)
    second = view["study"]["second"]
    assert (second["unit"], second["words"]) == ("SUV", "PET")
    stored = np.frombuffer(client.get(f"/api/sessions/{view['session']}/second").content, "<i2").reshape(
        second["shape"]
    )
    at = np.rint(np.reshape(second["matrix"], (4, 4)) @ [14, 30, 24, 1])[:3].astype(int)
    assert stored[tuple(at)] * second["slope"] + second["intercept"] == pytest.approx(9.0, abs=0.01)
    end = time.monotonic() + 60
    while (whole := client.get(f"/api/sessions/{view['session']}").json())["draft"]["state"] != "done":
        assert time.monotonic() < end
    assert whole["draft"] | {"stage": "", "done": 0, "total": 1} == {
        "state": "done", "stage": "", "done": 0, "total": 1, "lesions": 1, "taken": False, "notes": [],
    }  # fmt: skip
    layers = whole["study"]["layers"]
    assert [row["name"] for row in layers["organs"] if row["there"]] == ["mandible"]
    assert layers["region"]["start"]
    labels = zlib.decompress(client.get(f"/api/sessions/{view['session']}/organs").content)
    assert len(labels) == np.prod(whole["study"]["shape"])
    taken = client.post(f"/api/sessions/{view['session']}/draft", json={"revision": 0}).json()
    assert [(row["target"], row["made_by"]) for row in taken["lesions"]] == [("GTVn", "draft")]
    assert any(row["key"] == "fdg_uptake_of_node_1" for row in taken["report"]["lines"])
    # An organ is corrected: the page gets the part of the label map that has changed.
    label = BY_NAME["mandible"].label
    drawn = act(client, view | taken, do="organ", label=label, kind="erase", axis=0, points_ijk=[[12, 11, 11]]).json()
    assert drawn["organ_strokes"] == 1
    found = client.get(f"/api/sessions/{view['session']}/corrected").json()
    part = np.frombuffer(zlib.decompress(base64.b64decode(found["labels"])), np.uint8)
    size = np.subtract(found["stop"], found["start"])
    assert part.reshape(size)[tuple(np.subtract([12, 11, 11], found["start"]))] == 0
    assert [row["name"] for row in found["organs"] if row["edited"]] == ["mandible"]
    nothing = act(client, view | drawn, do="organ", label=label, kind="erase", axis=0, points_ijk=[[12, 11, 11]])
    assert nothing.status_code == 400 and "changes nothing" in nothing.json()["problem"]


def test_roles_owners_signature_and_history(drafted):
    _, client = drafted
    view = client.post("/api/sessions", json={"study": "s"}).json()
    at = f"/api/sessions/{view['session']}"

    def asked(by, **action):
        body = {"revision": client.get(at).json()["revision"], "action": action}
        return client.post(f"{at}/actions", json=body, headers={"X-Remote-User": by})

    assert client.get(at, headers={"X-Remote-User": ""}).status_code == 403
    viewer = asked("V. Iewer", do="accept")
    assert (viewer.status_code, viewer.json()["cure"]) == (403, "Ask for the role of a reader.")
    assert client.get(at, headers={"X-Remote-User": "V. Iewer"}).status_code == 200
    other = asked("O. Ther", do="accept")
    assert (other.status_code, "another reader's" in other.json()["problem"]) == (422, True)
    asked("R. Eader", do="lesion", target="GTVp")
    asked("R. Eader", do="stroke", lesion=1, kind="paint", axis=0, points_ijk=[[14, 30, 24]], radius_mm=5)
    assert asked("R. Eader", do="sign", who="Somebody else").json()["signed"]["who"] == "R. Eader"
    refused = asked("R. Eader", do="lesion", target="GTVp")
    assert (refused.status_code, refused.json()["cure"]) == (
        400, "Add an addendum, or reopen the report for a new version.",
    )  # fmt: skip
    assert asked("R. Eader", do="addendum", words="Seen.").json()["signed"]["addenda"][0]["words"] == "Seen."
    rows = client.get(f"{at}/history").json()
    assert [row["did"] for row in rows] == ["begin", "lesion", "stroke", "sign", "addendum"]
    assert all(row["who"] == "R. Eader" and row["when"] for row in rows)
    assert client.get(f"{at}/signed/1").json()["warnings"][0].startswith("Version 1, signed by R. Eader on ")
    assert client.get(f"{at}/signed/2").status_code == 400


def test_staging_is_asked_for_and_taken_back(drafted):
    _, client = drafted
    view = client.post("/api/sessions", json={"study": "s"}).json()
    view |= act(client, view, do="lesion", target="GTVp").json()
    view |= act(client, view, do="stroke", lesion=1, kind="paint", axis=0, points_ijk=[[14, 30, 24]]).json()
    staged = act(client, view, do="stage", site="oral cavity", editions=["8"]).json()
    assert any("stag" in row["section"].lower() for row in staged["report"]["lines"])
    view |= staged
    back = act(client, view, do="stage").json()
    assert not any("stag" in row["section"].lower() for row in back["report"]["lines"])
    assert act(client, view | back, do="stage", site="the toe").status_code == 400


def test_the_list_says_what_studies_are_and_offers_no_label_maps(client, folder, patient, tmp_path, network):
    root = tmp_path / "more"
    root.mkdir()
    write_nifti(patient.ct, root / "ct.nii.gz")
    write_nifti(patient.lesions, root / "lesions.nii.gz")
    write_nifti(patient.lesions, root / "unsaid.nii.gz")
    client = client_of(root, tmp_path, network)
    assert [row["name"] for row in client.get("/api/studies").json()] == ["ct.nii.gz", "unsaid.nii.gz"]
    studies = Studies(root, tmp_path / "uploads", 1)
    studies.look_around()
    ((entry, look),) = studies.looked()
    assert (entry.name, look.kind, look.slices) == ("ct.nii.gz", "CT", patient.ct.array.shape[0])
