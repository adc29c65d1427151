"""The tutorials as a newcomer follows them: every command in order, in one folder, with the networks that ship."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
# A learner's own files and models, which no test has.
OWN = re.compile(r"\b(MODEL|NAME|SCAN|DICOM_FOLDER|DATA|STUDY|TEST)\b|before\.nii\.gz|^pip ", re.M)
STAYS = re.compile(r"^hyoid (node [\w.]+|serve [^\n]*)$")
"""Commands that run until they are stopped."""


def blocks(text):
    """Code blocks of a page in order: (language, content)."""
    return re.findall(r"^```(\w+)[^\n]*\n(.*?)^```", text, re.M | re.S)


def environment(folder):
    """A shell in which `hyoid` is this program."""
    script = folder / "bin" / "hyoid"
    script.parent.mkdir()
    program = "from hyoid.interfaces.cli.main import main; main()"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{program}" "$@"\n')
    script.chmod(0o755)
    return os.environ | {"PATH": f"{script.parent}{os.pathsep}{os.environ['PATH']}"}


def test_blocks_are_found_in_order():
    text = "# A\n\n```bash\nhyoid demo\n```\n\nSay:\n\n```yaml\na: 1\n```\n"
    assert blocks(text) == [("bash", "hyoid demo\n"), ("yaml", "a: 1\n")]
    assert OWN.search("hyoid predict MODEL scan.nii.gz") and not OWN.search("hyoid phantom --n 1")
    assert STAYS.match("hyoid node node.yaml") and not STAYS.match("hyoid node status node.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if p.stem != "index"], ids=lambda p: p.stem)
def test_a_tutorial_runs_as_written(page, tmp_path, record_property):
    shell, running, began = environment(tmp_path), [], time.monotonic()
    text = page.read_text(encoding="utf-8")
    try:
        for language, content in blocks(text):
            if language == "yaml":
                before = text[: text.index(content)]
                name = re.findall(r"`([\w.-]+\.ya?ml)`", before)[-1]
                (tmp_path / name).write_text(content)
            elif language == "bash" and not OWN.search(content):
                if STAYS.match(content.strip()):
                    running.append(subprocess.Popen(["bash", "-c", f"exec {content}"], cwd=tmp_path, env=shell))
                    time.sleep(20)
                else:
                    words = ["bash", "-e", "-c", content]
                    done = subprocess.run(words, cwd=tmp_path, env=shell, capture_output=True, text=True, check=False)
                    assert done.returncode == 0, f"{content}\n{done.stdout[-500:]}\n{done.stderr[-1500:]}"
    finally:
        for process in running:
            process.terminate()
            process.wait(60)
    record_property("seconds", round(time.monotonic() - began))
    print(f"{page.stem}: {time.monotonic() - began:.0f} s")
