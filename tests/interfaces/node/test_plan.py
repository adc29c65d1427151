"""The plan: every part of a configuration in a sentence."""

import pytest

from hyoid.errors import UsageError
from hyoid.interfaces.node.plan import check_surroundings, plan


def test_the_plan_names_what_listens_what_runs_and_what_goes_where(make_config, tmp_path):
    rules = [
        {"name": "pet", "when": {"modality": ["CT", "PT"], "body_part": "neck", "images": 40}, "job": "petct",
         "to": ["pacs", "web"], "options": ["--names", "hyoid"], "send_empty": True},
        {"name": "nets", "when": {"modality": "MR", "description": "t2", "source": "MR1"}, "job": "predict",
         "model": "nets", "to": ["out"]},
        {"name": "before", "when": {"modality": ["MR", "RTSTRUCT"]}, "job": "prior"},
        {"name": "during", "when": {"modality": "MR"}, "job": "midrt", "to": ["out"]},
    ]  # fmt: skip
    destinations = {
        "pacs": {"kind": "dicom", "ae_title": "PACS", "host": "pacs", "port": 104, "tls": {"ca": "ca.pem"}},
        "web": {"kind": "dicomweb", "url": "https://pacs"},
        "out": {"kind": "folder", "path": tmp_path, "files": "dicom"},
    }
    tls = {"certificate": "c", "key": "k", "ca": "a"}
    config = make_config(rules=rules, destinations=destinations, dicom={"callers": ["CT1"], "tls": tls},
                         dicomweb=[{"url": "https://pacs"}])  # fmt: skip
    text = "\n".join(plan(config))
    for words in (
        "as HYOID on 0.0.0.0:11112, TLS, certificates of callers checked, from CT1.",
        "Watch the folder",
        "Ask https://pacs (dicomweb) every 30 s for CT, MR, PT of the last 2 days.",
        "Rule 1, pet: a study with CT and PT, body part like 'neck', at least 40 images a series goes through petct "
        "with --names hyoid; results go to pacs, web, empty ones too.",
        "Rule 2, nets: a study with MR, description like 't2', from MR1 goes through predict nets; results go to out.",
        "is kept for 2160 h as a prior.",
        "goes through midrt with the prior of its patient, waited for 24 h",
        "C-STORE to PACS at pacs:104, TLS",
        "STOW-RS to https://pacs.",
        "DICOM objects into",
        "fits no rule",
        "after 2 failed runs a person decides",
    ):
        assert words in text
    assert "not encrypted, from any caller" in "\n".join(plan(make_config(dicom={})))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"folders": [{"name": "inbox", "path": "gone"}]}, "'inbox' does not exist"),
        ({"dicom": {"tls": {"certificate": "gone.pem", "key": "gone.key"}}}, "tls"),
        ({"dicomweb": [{"url": "https://pacs", "tls": {"ca": "gone.pem"}}]}, "tls"),
        ({"dicomweb": [{"url": "https://pacs", "token_file": "gone"}]}, "cannot be read"),
    ],
)
def test_what_the_configuration_names_must_be_there(make_config, change, words):
    check_surroundings(make_config())
    with pytest.raises(UsageError, match=words):
        check_surroundings(make_config(**change))
