"""nnInteractive's own client against the server, over a real connection."""

import json
import socket
import struct
import threading
import time

import httpx
import numpy as np
import pytest
import uvicorn
from fastapi.testclient import TestClient

from hyoid.geometry.orientation import to_canonical
from hyoid.inference.click_network import ClickNetwork
from hyoid.interfaces.installed import load_model
from hyoid.interfaces.web.nninteractive import Leases
from hyoid.interfaces.web.server import AccessRule, make_app
from hyoid.interfaces.web.studies import Studies
from hyoid.io.files.packed_array import pack_array
from hyoid.workspace.workspace import Workspace

remote = pytest.importorskip("nnInteractive.inference.remote.remote_session")


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    network = ClickNetwork(load_model("isrg"), cache=data / "regions")
    studies = Studies(None, data / "uploads", 10**8)
    return make_app(Workspace(data, network, studies.read), studies, AccessRule("secret"))


@pytest.fixture(scope="module")
def address(app):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture
def session(address):
    with remote.nnInteractiveRemoteInferenceSession(address, api_key="secret") as session:
        yield session


@pytest.fixture
def client(app):
    client = TestClient(app, base_url="http://127.0.0.1", headers={"authorization": "Bearer secret"})
    client.headers["X-Lease-Token"] = client.post("/claim").json()["lease_token"]
    yield client
    client.post("/release")


def test_image_points_undo_and_mask(session, patient):
    assert all(session.supported_interactions.values())
    assert session.supports_initial_label
    assert session.supports_undo
    assert session.ping()
    ct = to_canonical(patient.ct)
    lesions = to_canonical(patient.lesions).array
    places = np.argwhere(lesions == 1)
    point = places[np.linalg.norm(places - places.mean(0), axis=1).argmin()].tolist()
    mask = np.zeros(ct.geometry.shape, np.uint8)
    session.set_image(ct.array[None].astype(np.float32), {"spacing": list(ct.geometry.spacing_mm)})
    session.set_target_buffer(mask)
    assert session.add_point_interaction(point, include_interaction=True) is not None
    one = mask.copy()
    assert one.any()
    assert session._last_paste_bbox is not None
    outside = [s.start for s in _box(one)]
    session.add_point_interaction(outside, include_interaction=False)
    two = mask.copy()
    assert (one != two).any()
    assert session.undo()
    assert np.array_equal(mask, one)
    session.add_point_interaction(outside, include_interaction=False, run_prediction=False)
    assert np.array_equal(mask, one)
    session._predict()
    assert np.array_equal(mask, two)
    assert session.undo()
    assert session.undo()
    assert not mask.any()
    assert not session.undo()
    session.add_point_interaction(point, include_interaction=True)
    session.reset_interactions()
    assert not mask.any()
    session.add_point_interaction(point, include_interaction=True)
    assert np.array_equal(mask, one)
    assert session.heartbeat() > 0


def _box(mask):
    places = np.argwhere(mask)
    return [slice(a, b + 1) for a, b in zip(places.min(0), places.max(0), strict=True)]


def test_refusals_are_said(session, address):
    with pytest.raises(httpx.HTTPStatusError) as refused:
        session.add_point_interaction([1, 2, 3], include_interaction=True)
    assert "no image yet" in refused.value.response.json()["detail"]
    session.set_image(np.full((1, 8, 9, 10), -1000, np.float32))
    with pytest.raises(httpx.HTTPStatusError) as refused:
        session.set_target_buffer(np.zeros((8, 9, 11), np.uint8))
    assert "another grid" in refused.value.response.json()["detail"]
    session.set_target_buffer(np.zeros((8, 9, 10), np.uint8))
    for point, words in (([8, 0, 0], "outside the scan"), ([4, 4, 4], "on air")):
        with pytest.raises(httpx.HTTPStatusError) as refused:
            session.add_point_interaction(point, include_interaction=True)
        assert words in refused.value.response.json()["detail"]
    with pytest.raises(httpx.HTTPStatusError) as refused:
        session.add_bbox_interaction([[9, 9], [2, 5], [2, 5]], include_interaction=True)
    assert "lies outside the image" in refused.value.response.json()["detail"]
    with pytest.raises(httpx.HTTPStatusError) as refused:
        session.add_lasso_interaction(np.zeros((8, 9, 10), np.uint8), include_interaction=True)
    assert "mask is empty" in refused.value.response.json()["detail"]
    with pytest.raises(httpx.HTTPStatusError) as refused:
        session.add_scribble_interaction(np.ones((8, 9, 11), np.uint8), include_interaction=True)
    assert "another grid" in refused.value.response.json()["detail"]
    assert httpx.post(f"{address}/claim", headers={"authorization": "Bearer wrong"}).status_code == 403
    session._http.headers["X-Lease-Token"] = "gone"
    with pytest.raises(remote.SessionExpiredError):
        session.undo()


def test_boxes_scribbles_lassos_and_a_mask_to_begin_with(session):
    values = np.random.default_rng(0).normal(100, 10, (1, 20, 48, 48)).astype(np.float32)
    ball = np.linalg.norm((np.indices((20, 48, 48)).transpose(1, 2, 3, 0) - (10, 24, 24)) * (3, 2, 2), axis=-1) < 14
    values[0][ball] += 100
    mask = np.zeros(ball.shape, np.uint8)
    session.set_image(values, {"spacing": [3, 2, 2]})
    session.set_target_buffer(mask)

    def dice():
        return 2 * np.count_nonzero(mask[ball]) / (np.count_nonzero(mask) + np.count_nonzero(ball))

    assert session.add_bbox_interaction([[10, 11], [17, 32], [17, 32]], include_interaction=True)
    assert dice() > 0.5
    scribble = np.zeros(ball.shape, np.uint8)
    scribble[10, 24, 20:29] = 1
    session.add_scribble_interaction(scribble, include_interaction=True)
    assert mask[10, 24, 20:29].all()
    line = np.zeros(ball.shape, np.uint8)
    line[10, 20:29, [20, 28]] = line[10, [20, 28], 20:29] = 1
    session.reset_interactions()
    assert session.add_lasso_interaction(line[:, 18:30, 18:30], True, interaction_bbox=[[0, 20], [18, 30], [18, 30]])
    assert mask[10, 24, 24]
    assert np.count_nonzero(mask & ball) > np.count_nonzero(mask) / 2
    # Of a mask to begin with, a box that takes away changes what is near, and nothing far.
    begun = ball.astype(np.uint8)
    begun[2:4, 4:8, 4:8] = 1
    session.add_initial_seg_interaction(begun)
    assert np.array_equal(mask, begun)
    session.add_bbox_interaction([[2, 4], [4, 8], [4, 8]], include_interaction=False)
    assert np.array_equal(mask[:, 12:], begun[:, 12:])
    assert mask[2:4, 4:8, 4:8].sum() < 32
    assert session.undo()
    assert np.array_equal(mask, begun)
    assert session.undo()
    assert not mask.any()


def test_two_clients_share_nothing(address):
    values = np.random.default_rng(0).normal(40, 10, (1, 16, 40, 40)).astype(np.float32)
    values[0, 4:12, 10:30, 10:30] += 100
    values[0, 0, 0, 0] = -1000
    with (
        remote.nnInteractiveRemoteInferenceSession(address, api_key="secret") as first,
        remote.nnInteractiveRemoteInferenceSession(address, api_key="secret") as second,
    ):
        masks = [np.zeros((16, 40, 40), np.uint8) for _ in range(2)]
        for client, mask in zip((first, second), masks, strict=True):
            client.set_image(values, {"spacing": [3, 2, 2]})
            client.set_target_buffer(mask)
        first.add_point_interaction([8, 20, 20], include_interaction=True)
        assert masks[0].any()
        assert not second.undo()
        assert not masks[1].any()


def test_clients_beyond_the_places_wait_and_silent_ones_are_forgotten(monkeypatch):
    leases = Leases(most=1)
    token = leases.claim()
    assert leases.claim() is None
    monkeypatch.setattr("hyoid.interfaces.web.nninteractive.LIVENESS_S", 0.0)
    assert leases.claim() not in (None, token)
    assert leases.of(token) is None


def wire(name=b"float32", shape=(1, 2, 2, 2), magic=b"NNIA"):
    head = struct.pack("<4s4B", magic, 1, 1, len(shape), len(name))
    return head + name + struct.pack(f"<{len(shape)}qI", *shape, 1)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cut short or damaged"),
        (wire(magic=b"ABCD"), "not in the format"),
        (wire(name=b"object"), "type 'object'"),
        (wire(shape=(1, 3000, 3000, 3000)), "more than the 0.1 GiB"),
        (wire(), "cut short or damaged"),
        (wire() + struct.pack("<QQ", 32, 4) + b"abcd", "cut short or damaged"),
        (pack_array(np.zeros((1, 4, 4, 4), np.float32))[:-3], "cut short or damaged"),
        (pack_array(np.zeros((4, 4, 4), np.float32)), "has 3 axes"),
        (pack_array(np.full((1, 4, 4, 4), np.nan, np.float32)), "not finite"),
    ],
)
def test_broken_images(client, content, words):
    answer = client.post("/set_image", content=content)
    assert answer.status_code == 400
    assert words in answer.json()["detail"]


def test_odd_questions(client):
    assert client.post("/set_image", content=(b"1" * 10**7 for _ in range(11))).status_code == 413
    image = pack_array(np.zeros((1, 4, 4, 4), np.float32))
    for said in ('{"image_properties": {"spacing": [1, 2]}}', '{"image_properties": {"spacing": [1, 2, 1000]}}'):
        assert client.post("/set_image", content=image, headers={"X-Meta": said}).status_code == 400
    assert client.post("/set_image", content=image, headers={"X-Meta": "{"}).status_code == 200
    for body in (b"", b"[]", json.dumps({"coordinates": ["a", 1, 2]}).encode()):
        assert client.post("/add_point_interaction", content=body).status_code == 400
    assert client.get("/lease_status").json()["remaining_seconds"] > 0
    assert client.post("/predict").headers["X-Meta"] == '{"ran_prediction": false, "bbox": null}'
