"""What leaves with a release: containers, lock file, conda recipe, citation, scripts; and no address of any host."""

import re
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import hyoid

ROOT = Path(hyoid.__file__).parents[2]
CONTAINERS = ROOT / "containers"
CONDA_NAMES = {"torch": "pytorch", "python-gdcm": "gdcm"}

pytestmark = pytest.mark.skipif(
    not (ROOT / "pyproject.toml").is_file(), reason="hyoid is installed without its project"
)


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def stages():
    """Lines of every stage of the Dockerfile, by its name."""
    text = (CONTAINERS / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    found = {}
    for part in re.split(r"^FROM ", text, flags=re.M)[1:]:
        head, *lines = part.splitlines()
        found[head.split(" AS ")[1]] = (head.split(" AS ")[0], [line.strip() for line in lines])
    return found


def test_versions_agree(project):
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert project["version"] == hyoid.__version__ == citation["version"]
    assert citation["license"] == project["license"]


def test_images_run_without_rights(stages):
    assert {"hyoid", "hyoid-serve", "hyoid-node", "hyoid-challenge"} < set(stages)
    base, lines = stages["hyoid"]
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert base == "${BASE}" and users and users[-1] not in ("root", "0", "0:0")
    for name in ("hyoid-serve", "hyoid-node", "hyoid-challenge"):
        base, lines = stages[name]
        again = [line.split()[1] for line in lines if line.startswith("USER ")]
        assert base == "hyoid" and again[-1:] in ([], users[-1:])


def test_packages_of_an_image_are_pinned_by_hash(stages):
    _, lines = stages["build"]
    installs = [line for line in lines if "pip install" in line]
    assert any("--require-hashes --requirement requirements.lock" in line for line in installs)
    assert any("--requirement constraints-cpu.txt" in line for line in installs)


def test_the_server_has_a_health_check(stages):
    assert any(line.startswith("HEALTHCHECK ") and "alive.py" in line for line in stages["hyoid-serve"][1])


@pytest.mark.parametrize(("status", "code"), [(200, 0), (403, 0), (500, 1), (None, 1)])
def test_a_server_that_answers_is_alive(status, code):
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Answers)
    port = server.server_port
    thread = threading.Thread(target=server.handle_request)
    if status is None:
        server.server_close()
    else:
        thread.start()
    command = [sys.executable, str(CONTAINERS / "alive.py"), f"http://127.0.0.1:{port}/api/about"]
    assert subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == code
    if status is not None:
        thread.join(timeout=10)
        server.server_close()


def locked():
    rows = re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.M)
    return {name.lower().replace("_", "-").replace(".", "-"): version for name, version in rows}


@pytest.mark.parametrize("extra", ["", "serve", "train", "cohort", "interchange", "node"])
def test_the_lock_holds_every_package_within_its_range(project, extra):
    wanted = project["optional-dependencies"][extra] if extra else project["dependencies"]
    pins = locked()
    for text in wanted:
        requirement = Requirement(text)
        if requirement.name in ("torch", "hyoid"):
            continue
        pin = pins.get(requirement.name.lower(), "")
        assert pin and pin in requirement.specifier, f"{text} is not locked: run `make lock`"
    assert "torch" not in pins and not [name for name in pins if name.startswith("nvidia-")]


def test_every_locked_package_has_a_hash():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    for part in re.split(r"^(?=[\w.-]+==)", text, flags=re.M)[1:]:
        assert "--hash=sha256:" in part, part[:60]


def test_the_conda_recipe_wants_what_the_project_wants(project):
    text = (ROOT / "packaging" / "conda" / "meta.yaml").read_text(encoding="utf-8")
    assert f'version: "{project["version"]}"' in text
    run = text.split("  run:\n")[1].split("\n\n")[0]
    rows = dict(row.strip()[2:].split(" ", 1) for row in run.splitlines())
    for requirement in map(Requirement, project["dependencies"]):
        name = CONDA_NAMES.get(requirement.name, requirement.name.lower())
        assert set(rows.get(name, "").split(",")) == {str(part) for part in requirement.specifier}, name


SCRIPTS = ("containers/build.sh", "containers/entry.sh", "containers/study.sh", "scripts/release.sh")


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_well_formed(script):
    subprocess.run(["bash", "-n", str(ROOT / script)], check=True, timeout=20)


def test_no_file_of_the_release_names_a_host():
    files = [*CONTAINERS.iterdir(), ROOT / "requirements.lock", ROOT / "scripts" / "release.sh", ROOT / "Makefile"]
    for file in [*files, ROOT / "packaging" / "conda" / "meta.yaml", ROOT / "constraints-cpu.txt"]:
        named = re.findall(r"\bhttps?://([^\s/:\"']+)", file.read_text(encoding="utf-8"))
        assert set(named) <= {"127.0.0.1", "orthanc"}, file.name
