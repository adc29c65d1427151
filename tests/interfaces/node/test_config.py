"""Configuration: every refused key is named, paths are the file's, secrets do not travel in the open."""

import pytest
import yaml

from hyoid.errors import UnreadableFileError, UsageError
from hyoid.interfaces.node.config import read_config

RULE = {"name": "ct", "when": {"modality": "CT"}, "job": "report", "to": ["out"]}
GOOD = {
    "state": "state",
    "dicom": {"ae_title": "HYOID", "port": 11112},
    "rules": [RULE],
    "destinations": {"out": {"kind": "folder", "path": "out"}},
}


@pytest.fixture
def read(tmp_path):
    def read(content):
        path = tmp_path / "node.yaml"
        path.write_text(yaml.safe_dump(content))
        return read_config(path)

    return read


def test_paths_are_relative_to_the_file_and_one_modality_needs_no_list(read, tmp_path):
    config = read(GOOD)
    assert config.state == tmp_path / "state"
    assert config.destinations["out"].path == tmp_path / "out"
    assert config.rules[0].when.modality == ("CT",)
    assert config.rule("ct") is config.rules[0] and config.rule("gone") is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": 1}, "colour"),
        ({"limits": {"quiet": 3}}, "limits.quiet"),
        ({"limits": {"quiet_s": 0}}, "limits.quiet_s"),
        ({"dicom": None}, "nothing is listened to"),
        ({"dicom": {"port": 0}}, "dicom.port"),
        ({"dicom": {"ae_title": "SEVENTEEN LETTERS"}}, "dicom.ae_title"),
        ({"dicom": {"ae_title": "   "}}, "dicom.ae_title"),
        ({"dicom": {"tls": {"ca": "ca.pem"}}}, "needs certificate and key"),
        ({"dicom": {"tls": {"certificate": "c.pem"}}}, "certificate and key belong together"),
        ({"rules": []}, "rules"),
        ({"rules": [RULE, RULE]}, "the name 'ct' is there twice"),
        ({"rules": [RULE | {"to": ["pacs"]}]}, "sends to 'pacs'"),
        ({"rules": [RULE | {"to": []}]}, "need a destination"),
        ({"rules": [RULE | {"job": "prior"}]}, "a prior is kept, not sent"),
        ({"rules": [RULE | {"job": "predict"}]}, "model belongs to the job predict"),
        ({"rules": [RULE | {"model": "nets"}]}, "model belongs to the job predict"),
        ({"rules": [RULE | {"job": "train"}]}, "rules.0.job"),
        ({"rules": [RULE | {"when": {"modality": "CT", "description": "("}}]}, "not a regular expression"),
        ({"rules": [RULE | {"when": {}}]}, "rules.0.when.modality"),
        ({"folders": [{"path": "a"}, {"path": "b"}]}, "the name 'folder' is there twice"),
        ({"destinations": {"out": {"kind": "fax"}}}, "destinations.out"),
        ({"dicomweb": [{"url": "ftp://x"}]}, "dicomweb.0.url"),
        ({"dicomweb": [{"url": "http://pacs/web", "token_file": "t"}]}, "would travel unencrypted"),
        ({"dicomweb": [{"url": "https://pacs", "user": "u"}]}, "user and password_file belong together"),
        ({"dicomweb": [{"url": "https://pacs", "user": "u", "password_file": "p", "token_file": "t"}]}, "exclude each"),
    ],
)
def test_what_is_wrong_is_named(read, change, words):
    with pytest.raises(UsageError) as refusal:
        read(GOOD | change)
    assert words in refusal.value.problem


def test_every_wrong_key_is_named_at_once(read):
    with pytest.raises(UsageError) as refusal:
        read(GOOD | {"colour": 1, "limits": {"quiet": 3}})
    assert "colour" in refusal.value.problem and "limits.quiet" in refusal.value.problem


@pytest.mark.parametrize("content", ["a: [", "just words", ""])
def test_what_is_no_configuration_is_refused(tmp_path, content):
    (tmp_path / "node.yaml").write_text(content)
    with pytest.raises((UnreadableFileError, UsageError)):
        read_config(tmp_path / "node.yaml")
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        read_config(tmp_path / "absent.yaml")


def test_a_token_may_travel_on_this_machine_without_encryption(read):
    assert read(GOOD | {"dicomweb": [{"url": "http://localhost:8042/dicom-web", "token_file": "t"}]}).dicomweb[0].days
