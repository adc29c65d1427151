"""Signatures of packs, against a key and a signature written by hand and, where it is there, against minisign."""

import base64
import shutil
import subprocess

import pytest

from hyoid.errors import ModelUnusableError, UsageError
from hyoid.io.packages.signature import check_signature, public_key, sign, signature_of


@pytest.fixture
def pack(tmp_path):
    file = tmp_path / "p.zip"
    file.write_bytes(b"weights" * 1000)
    return file


def test_a_signature_fits_its_file_and_says_who_and_what(pack, tmp_path, minisign_keys):
    secret, public = minisign_keys(tmp_path)
    assert sign(pack, secret, "hyoid models: m") == signature_of(pack)
    assert check_signature(pack, public_key(public)) == "hyoid models: m"
    assert public_key(public).name == "0807060504030201"
    assert public_key(public.splitlines()[1]) == public_key(public)


def test_a_changed_pack_a_changed_comment_and_another_key_are_refused(pack, tmp_path, minisign_keys):
    secret, public = minisign_keys(tmp_path)
    signature, key = sign(pack, secret, "what was packed"), public_key(public)
    told = signature.read_text()
    signature.write_text(told.replace("what was", "what is"))
    with pytest.raises(ModelUnusableError, match="does not fit"):
        check_signature(pack, key)
    signature.write_text(told)
    with pytest.raises(ModelUnusableError, match="another key"):
        check_signature(pack, public_key(minisign_keys(tmp_path, b"8" * 32, bytes(8))[1]))
    with pytest.raises(ModelUnusableError, match="does not fit"):  # the same number on another key
        check_signature(pack, public_key(minisign_keys(tmp_path, b"9" * 32)[1]))
    pack.write_bytes(pack.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelUnusableError, match="does not fit"):
        check_signature(pack, key)


@pytest.mark.parametrize("text", ["", "untrusted comment: a\nAAAA\n", "a\nb\nc\nd\n"])
def test_a_damaged_or_missing_signature_is_refused(pack, tmp_path, text, minisign_keys):
    key = public_key(minisign_keys(tmp_path)[1])
    with pytest.raises(ModelUnusableError, match="unsigned"):
        check_signature(pack, key)
    signature_of(pack).write_text(text)
    with pytest.raises(ModelUnusableError, match="damaged"):
        check_signature(pack, key)


@pytest.mark.parametrize("text", ["", "RW", "untrusted comment: a\nAAAA"])
def test_what_is_no_public_key_is_refused(text):
    with pytest.raises(UsageError, match="no key of minisign"):
        public_key(text)


def test_secret_keys_that_cannot_sign_are_refused(pack, tmp_path, minisign_keys):
    secret, _ = minisign_keys(tmp_path)
    raw = base64.b64decode(secret.read_text().splitlines()[1])
    for changed, words in (
        (raw[:2] + b"Sc" + raw[4:], "password"),
        (raw[:125] + b"\0" + raw[126:], "damaged"),
        (b"", "no key of"),
    ):
        secret.write_text(f"untrusted comment: a\n{base64.b64encode(changed).decode()}\n")
        with pytest.raises(UsageError, match=words):
            sign(pack, secret, "c")
    with pytest.raises(UsageError, match="no key of minisign"):
        sign(pack, tmp_path / "absent", "c")


@pytest.mark.peer
def test_minisign_checks_what_hyoid_signs_and_the_other_way_round(pack, tmp_path):
    program = shutil.which("minisign")
    if program is None:
        pytest.skip("needs minisign")

    def run(*words):
        return subprocess.run(
            [program, *map(str, words)], capture_output=True, text=True, check=True, timeout=60
        ).stdout

    secret, public = tmp_path / "k.key", tmp_path / "k.pub"
    run("-G", "-W", "-s", secret, "-p", public)
    sign(pack, secret, "hyoid models: m")
    assert "hyoid models: m" in run("-V", "-p", public, "-m", pack)
    signature_of(pack).unlink()
    run("-S", "-s", secret, "-m", pack, "-t", "by the program")
    assert check_signature(pack, public_key(public.read_text())) == "by the program"
