import json

import numpy as np
import pytest
from fastapi.testclient import TestClient

from hyoid.interfaces.web.server import make_app
from hyoid.interfaces.web.studies import Studies
from hyoid.io.files.volumes import read_labels, write_nifti
from hyoid.workspace.workspace import Workspace

# The first ball: slice 14, row 30, column 24 of the scan; MONAI Label counts columns first.
POINT = [24, 30, 14]


@pytest.fixture
def client(ball_study, click_network, tmp_path):
    (tmp_path / "studies").mkdir()
    write_nifti(ball_study.volume, tmp_path / "studies" / "scan.nii.gz")
    studies = Studies(tmp_path / "studies", tmp_path / "data" / "uploads", 10**8)
    app = make_app(Workspace(tmp_path / "data", click_network, studies.read), studies)
    return TestClient(app, base_url="http://127.0.0.1:8042", raise_server_exceptions=False)


def infer(client, output="image", file=None, model="balls", **params):
    key = client.get("/api/studies").json()[0]["key"]
    form = {"params": (None, json.dumps(params))} | ({"file": ("x.nii.gz", file)} if file else {})
    return client.post(f"/infer/{model}?image={'' if file else key}&output={output}", files=form)


def test_the_server_says_what_it_can_do(client):
    said = client.get("/info/").json()
    assert said["models"]["balls"]["type"] == "deepgrow"
    assert said["labels"] == ["lesion"]
    assert client.get("/info").json() == said


def test_points_give_a_mask_on_the_grid_of_the_image(client, tmp_path):
    answer = infer(client, foreground=[POINT])
    file = tmp_path / "mask.nii.gz"
    file.write_bytes(answer.content)
    mask = read_labels(file).array
    original = (tmp_path / "studies" / "scan.nii.gz").read_bytes()
    sent = infer(client, file=original, foreground=[POINT])
    assert sent.content == answer.content
    centre = np.argwhere(mask).mean(axis=0)
    assert np.allclose(centre, (14, 30, 24), atol=1)


def test_a_point_that_takes_away_makes_the_mask_smaller(client):
    whole = infer(client, "json", foreground=[POINT]).json()
    less = infer(client, "json", foreground=[POINT], background=[[27, 30, 14]]).json()
    assert 0 < less["voxels"] < whole["voxels"]
    assert whole["expected_iou"] == 0.9


def test_both_together_are_a_form(client):
    answer = infer(client, "all", foreground=[POINT])
    assert answer.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'"label_names": {"lesion": 1}' in answer.content
    assert b'filename="mask.nii.gz"' in answer.content


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "No point is given"),
        ({"foreground": [[1, 2]]}, "not three numbers"),
        ({"foreground": ["abc"]}, "not numbers"),
        ({"foreground": [[999, 1, 1]]}, "outside the scan"),
        ({"foreground": [POINT], "output": "video"}, "no output 'video'"),
        ({"foreground": [POINT], "model": "other"}, "no model 'other'"),
        ({"foreground": [POINT], "file": b"nothing"}, ""),
    ],
)
def test_refusals_name_cause_and_cure(client, more, words):
    answer = infer(client, **more)
    assert 400 <= answer.status_code < 500
    assert words in answer.json()["problem"]
    assert answer.json()["cure"]
