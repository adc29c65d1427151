"""What lies in `containers/`: the configuration is one, and the script of one study keeps its contract."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from hyoid.interfaces.node.config import read_config

CONTAINERS = Path(__file__).resolve().parents[3] / "containers"


def test_the_configuration_beside_the_compose_file_is_read_and_its_services_are_there():
    config = read_config(CONTAINERS / "node.yaml")
    services = yaml.safe_load((CONTAINERS / "compose.yaml").read_text())["services"]
    assert (
        config.destinations["pacs"].host in services and config.dicomweb[0].url.split("/")[2].split(":")[0] in services
    )
    assert str(config.state) in str(services["hyoid"]["volumes"])


def test_the_unit_and_the_manifests_call_what_is_there():
    unit = (CONTAINERS / "hyoid-node.service").read_text()
    assert "hyoid node /etc/hyoid/node.yaml" in unit and "StateDirectory=hyoid-node" in unit
    assert json.loads((CONTAINERS / "app.json").read_text())["command"] == ["/bin/sh", "/opt/hyoid/study.sh"]
    assert json.loads((CONTAINERS / "pkg.json").read_text())["applicationRoot"] == "/opt/hyoid"


@pytest.fixture
def call(tmp_path):
    """Run the script with a stand-in called hyoid; gives its end and what lies in the output folder."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "hyoid"
    program.write_text(
        f"""#!/bin/sh
echo "$@" > {tmp_path}/call
[ "$1" = petct ] && exit 3
while [ "$1" != --out ]; do shift; done
mkdir -p "$2/case_001" && echo 1 > "$2/seg.dcm" && echo 2 > "$2/case_001/rtstruct.dcm" && echo 3 > "$2/report.html"
"""
    )
    program.chmod(0o755)

    def call(**environment):
        for name in ("in", "out"):
            (tmp_path / name).mkdir(exist_ok=True)
        path = f"{tmp_path}/bin:{os.environ['PATH']}"
        end = subprocess.run(["/bin/sh", CONTAINERS / "study.sh"], env={"PATH": path, **environment}, check=False)
        return end.returncode, sorted(p.name for p in (tmp_path / "out").iterdir()), (tmp_path / "call").read_text()

    return call


@pytest.mark.parametrize(
    ("into", "out_of"),
    [
        ("MERCURE_IN_DIR", "MERCURE_OUT_DIR"),
        ("HOLOSCAN_INPUT_PATH", "HOLOSCAN_OUTPUT_PATH"),
        ("MONAI_INPUTPATH", "MONAI_OUTPUTPATH"),
    ],
)
def test_the_script_reads_one_folder_and_leaves_dicom_in_another(call, tmp_path, into, out_of):
    code, files, words = call(**{into: str(tmp_path / "in"), out_of: str(tmp_path / "out")}, OPTIONS="--names hyoid")
    assert code == 0 and files == ["rtstruct.dcm", "seg.dcm"]
    assert words.startswith(f"report {tmp_path}/in --out ") and words.strip().endswith("--json --names hyoid")


def test_the_script_leaves_everything_or_nothing(call, tmp_path):
    folders = {"MERCURE_IN_DIR": str(tmp_path / "in"), "MERCURE_OUT_DIR": str(tmp_path / "out")}
    assert call(**folders, JOB="petct")[:2] == (3, [])
    code, files, words = call(**folders, JOB="predict /models/nets", FILES="all")
    assert code == 0 and files == ["case_001", "report.html", "seg.dcm"]
    assert words.startswith("predict /models/nets ") and "--dicom" in words
