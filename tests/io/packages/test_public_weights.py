"""Pull, pack and verify against a server on this machine that answers as GitHub and Hugging Face do."""

import hashlib
import json
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hyoid.anatomy.structures import BY_NAME
from hyoid.errors import ModelUnusableError, UsageError
from hyoid.interfaces.cli.main import app
from hyoid.interfaces.installed import public_models
from hyoid.io.packages import public_weights
from hyoid.io.packages.download import download, sha256_of
from hyoid.io.packages.public_weights import PublicModel, pack, pull, pull_pack, read_provenance, verify
from hyoid.io.packages.signature import sign

RUN = CliRunner()
WEIGHTS = bytes(range(256)) * 5000


class Source:
    """What the server holds, and what it was asked for."""

    def __init__(self):
        self.files, self.json, self.asked, self.cut = {}, {}, [], None

    def handler(self):
        source = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                path = self.path.split("?")[0]
                source.asked.append((path, self.headers.get("Range")))
                if path in source.json:
                    self.answer(200, json.dumps(source.json[path]).encode())
                elif path in source.files:
                    start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
                    self.answer(206 if start else 200, source.files[path][start:], cut=source.cut)
                else:
                    self.answer(404, b"")

            def answer(self, code, data, cut=None):
                self.send_response(code)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data[:cut])

        return Handler


@pytest.fixture
def source(monkeypatch):
    held = Source()
    server = ThreadingHTTPServer(("127.0.0.1", 0), held.handler())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    held.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(public_weights, "GITHUB_API", held.url)
    monkeypatch.setattr(public_weights, "HUGGINGFACE", held.url)
    yield held
    server.shutdown()
    server.server_close()


def from_github(source, tmp_path, *, members=None, digest=True, **changes):
    archive = tmp_path / "asset.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for name, content in (members or {"Dataset1_A/plans.json": b"{}", "Dataset1_A/fold_0/w.pth": WEIGHTS}).items():
            opened.writestr(name, content)
    source.files["/asset.zip"] = archive.read_bytes()
    row = {"name": "asset.zip", "browser_download_url": f"{source.url}/asset.zip", "size": archive.stat().st_size}
    if digest:
        row["digest"] = f"sha256:{sha256_of(archive)}"
    source.json["/repos/a/b/releases/tags/v1"] = {"assets": [row]}
    where = {"kind": "github_release", "repository": "a/b", "tag": "v1", "asset": "asset.zip"}
    row = {"name": "m", "words": "For tests", "kind": "nnunet", "source": where, "licence": "Apache-2.0", "cite": "-"}
    return PublicModel.model_validate(row | changes)


def from_huggingface(source):
    listing = [
        {"type": "file", "path": "net/plans.json", "size": 2},
        {"type": "file", "path": "net/fold_0/w.pth", "size": len(WEIGHTS), "lfs": {"oid": sha256(WEIGHTS)}},
        {"type": "directory", "path": "net/fold_0"},
    ]
    source.json["/api/models/a/b/tree/main/net"] = listing
    source.files["/a/b/resolve/main/net/plans.json"] = b"{}"
    source.files["/a/b/resolve/main/net/fold_0/w.pth"] = WEIGHTS
    where = {"kind": "huggingface", "repository": "a/b", "folder": "net"}
    row = {"name": "m", "words": "For tests", "kind": "nnunet", "source": where, "licence": "Apache-2.0", "cite": "-"}
    return PublicModel.model_validate(row)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def pulled(model, folder, **options):
    return pull(model, folder, allow_noncommercial=False, on_progress=lambda *_: None, **options)


def test_a_release_is_unpacked_with_its_provenance(source, tmp_path):
    model = from_github(source, tmp_path)
    seen = []
    done = pull(model, tmp_path / "w", allow_noncommercial=False, on_progress=lambda *a: seen.append(a))
    assert done.hash_from_source
    assert (tmp_path / "w/m/Dataset1_A/fold_0/w.pth").read_bytes() == WEIGHTS
    assert read_provenance(tmp_path / "w/m").files["Dataset1_A/fold_0/w.pth"].sha256 == sha256(WEIGHTS)
    assert not list((tmp_path / "w").glob(".*"))
    assert seen[-1][1] == seen[-1][2] == len(source.files["/asset.zip"])


def test_a_source_without_hashes_is_said_to_be_one(source, tmp_path):
    assert not pulled(from_github(source, tmp_path, digest=False), tmp_path / "w").hash_from_source
    assert not pulled(from_huggingface(source), tmp_path / "v").hash_from_source  # plans.json has none
    assert (tmp_path / "v/m/fold_0/w.pth").read_bytes() == WEIGHTS


def test_an_interrupted_pull_goes_on_where_it_stopped(source, tmp_path):
    model = from_huggingface(source)
    source.cut = 1000
    with pytest.raises(ModelUnusableError, match="broke after 1000 of 1280000 bytes"):
        pulled(model, tmp_path / "w")
    assert not (tmp_path / "w/m").exists()
    source.cut = None
    pulled(model, tmp_path / "w")
    assert ("/a/b/resolve/main/net/fold_0/w.pth", "bytes=1000-") in source.asked
    assert (tmp_path / "w/m/fold_0/w.pth").read_bytes() == WEIGHTS


def test_what_is_not_what_the_source_states_is_refused_and_not_kept(source, tmp_path):
    model = from_github(source, tmp_path)
    source.files["/asset.zip"] = source.files["/asset.zip"][:-1] + b"x"
    with pytest.raises(ModelUnusableError, match="not what its source states"):
        pulled(model, tmp_path / "w")
    assert not [p for p in (tmp_path / "w").rglob("*") if p.is_file()]


def test_an_archive_that_would_write_elsewhere_is_refused(source, tmp_path):
    model = from_github(source, tmp_path, members={"../out.txt": b"x"})
    with pytest.raises(ModelUnusableError, match="outside the model"):
        pulled(model, tmp_path / "w")
    assert not (tmp_path / "out.txt").exists()


def test_what_is_gone_or_unreachable_is_named(source, tmp_path):
    model = from_github(source, tmp_path)
    source.json.clear()
    with pytest.raises(ModelUnusableError, match="answers 404"):
        pulled(model, tmp_path / "w")
    with pytest.raises(ModelUnusableError, match="cannot be reached"):
        download("http://127.0.0.1:1/x", tmp_path / "x")


def test_a_noncommercial_licence_must_be_accepted(source, tmp_path):
    model = from_github(source, tmp_path, licence="CC-BY-NC-4.0", noncommercial=True)
    with pytest.raises(UsageError, match="forbids commercial use"):
        pulled(model, tmp_path / "w")
    assert not source.asked
    pull(model, tmp_path / "w", allow_noncommercial=True, on_progress=lambda *_: None)
    packed = pack([tmp_path / "w/m"], tmp_path / "p.zip")
    with pytest.raises(UsageError, match="forbids commercial use"):
        pull_pack(packed, tmp_path / "there", allow_noncommercial=False)
    assert not list((tmp_path / "there").glob("*"))


def test_a_pack_carries_a_model_to_a_machine_without_network(source, tmp_path):
    pulled(from_github(source, tmp_path), tmp_path / "w")
    packed = pack([tmp_path / "w/m"], tmp_path / "p.zip")
    asked = len(source.asked)
    assert [p.model.name for p in pull_pack(packed, tmp_path / "there", allow_noncommercial=False)] == ["m"]
    assert verify(tmp_path / "there/m") == read_provenance(tmp_path / "w/m")
    assert len(source.asked) == asked


def test_a_signed_pack_says_by_whom_and_a_pack_cannot_say_so_itself(source, tmp_path, minisign_keys):
    secret, public = minisign_keys(tmp_path)
    pulled(from_github(source, tmp_path), tmp_path / "w")
    record = tmp_path / "w/m" / public_weights.PROVENANCE
    record.write_text(record.read_text().replace('"files"', '"signed": "everybody", "files"'))
    packed = pack([tmp_path / "w/m"], tmp_path / "p.zip")
    (unsigned,) = pull_pack(packed, tmp_path / "a", allow_noncommercial=False)
    assert unsigned.signed == verify(tmp_path / "a/m").signed == ""
    with pytest.raises(ModelUnusableError, match="unsigned"):
        pull_pack(packed, tmp_path / "b", allow_noncommercial=False, key=public)
    assert not (tmp_path / "b").exists()
    sign(packed, secret, "hyoid models: m")
    (signed,) = pull_pack(packed, tmp_path / "c", allow_noncommercial=False, key=public)
    assert signed.signed == verify(tmp_path / "c/m").signed == "0807060504030201: hyoid models: m"


@pytest.mark.parametrize("url", ["http://example.org/w", "ftp://example.org/w", "file:///etc/passwd", "data:,x", "w"])
def test_only_https_is_opened(tmp_path, url):
    with pytest.raises(ModelUnusableError, match="is not https"):
        download(url, tmp_path / "w")
    assert not list(tmp_path.iterdir())


def test_a_redirection_to_an_open_connection_is_refused(tmp_path):
    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(302)
            self.send_header("Location", "http://example.org/w")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(ModelUnusableError, match=r"example\.org/w is not https"):
            download(f"http://127.0.0.1:{server.server_port}/w", tmp_path / "w")
    finally:
        server.shutdown()
        server.server_close()


def test_a_changed_or_missing_file_is_found(source, tmp_path):
    pulled(from_github(source, tmp_path), tmp_path / "w")
    weights = tmp_path / "w/m/Dataset1_A/fold_0/w.pth"
    weights.write_bytes(WEIGHTS[:-1] + b"x")
    with pytest.raises(ModelUnusableError, match=r"w\.pth of m is damaged"):
        verify(tmp_path / "w/m")
    weights.unlink()
    with pytest.raises(ModelUnusableError, match=r"m lacks Dataset1_A/fold_0/w\.pth"):
        pack([tmp_path / "w/m"], tmp_path / "p.zip")
    assert not (tmp_path / "p.zip").exists()


def test_the_table_names_only_known_structures_and_each_of_the_21_once():
    table = public_models()
    named = [name for model in table.values() for name in model.structures.values()]
    assert set(named) <= set(BY_NAME)
    assert len(named) == len(set(named))
    appendix_e = {name for name, structure in BY_NAME.items() if structure.label <= 21}
    assert appendix_e <= set(named)
    # TotalSegmentator counts right before left, except for the parotids.
    assert table["ts_headneck_bones_vessels"].structures[9] == "carotid_right"
    assert table["ts_head_glands_cavities"].structures[9] == "submandibular_right"
    assert table["ts_headneck_muscles"].structures == {
        7: "sternothyroid_right", 8: "sternothyroid_left", 9: "thyrohyoid_right", 10: "thyrohyoid_left",
    }  # fmt: skip


def test_commands_pull_verify_pack_and_predict(source, tmp_path, monkeypatch, make_nnunet_folder):
    import numpy as np

    from hyoid.io.files.volumes import write_nifti
    from hyoid.volume import Geometry, Quantity, Volume

    monkeypatch.setenv("HYOID_WEIGHTS", str(tmp_path / "home"))
    monkeypatch.setenv("HYOID_CACHE", str(tmp_path / "cache"))
    folder: Path = make_nnunet_folder()
    files = {f"Dataset1_A/T__P__C/{p.relative_to(folder)}": p for p in folder.rglob("*") if p.is_file()}
    members = {name: path.read_bytes() for name, path in files.items()}
    model = from_github(source, tmp_path, members=members, licence="CC-BY-NC-4.0", noncommercial=True)
    table = tmp_path / "table.yaml"
    table.write_text(f"- {model.model_dump_json(exclude_none=True)}\n")
    arguments = ["models", "pull", "m", "--table", str(table), "--json"]
    assert RUN.invoke(app, arguments).exception.exit_code == 2
    assert RUN.invoke(app, [*arguments, "--allow-noncommercial", "--dry-run"]).exit_code == 0
    assert not (tmp_path / "home").exists()
    assert RUN.invoke(app, [*arguments, "--allow-noncommercial"], catch_exceptions=False).exit_code == 0
    assert (
        "as noted when fetched, unsigned" in RUN.invoke(app, ["models", "verify", "m"], catch_exceptions=False).output
    )
    assert RUN.invoke(app, ["models", "pack", "m", "--out", str(tmp_path / "p.zip")]).exit_code == 0
    scan = np.random.default_rng(0).normal(0, 300, (8, 16, 16)).astype(np.int16)
    write_nifti(Volume(scan, Geometry.axial(scan.shape, (3.0, 2.0, 2.0)), Quantity.HU), tmp_path / "a.nii.gz")
    predict = ["predict", "m", str(tmp_path / "a.nii.gz"), "--out", str(tmp_path / "out"), "--precision", "f32"]
    assert RUN.invoke(app, [*predict, "--no-mirror"], catch_exceptions=False).exit_code == 0
    record = json.loads((tmp_path / "out/a/run.json").read_text())
    assert [model["licence"] for model in record["models"].values()] == ["CC-BY-NC-4.0"]
    assert "Not for commercial use" in record["statement"]
