"""Fetch NiiVue, which draws volumes in the workspace's page, into the place where the page finds it.

`python scripts/fetch_niivue.py` asks the npm client for the pinned version, checks the hash of the one file that is
kept, and writes it. A new version is a new VERSION and SHA256 here, after the tests with a browser have passed.
NiiVue is BSD-2-Clause (`niivue-LICENSE.txt` beside the file); its package holds no text of the licence.
"""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path

VERSION = "0.69.0"
MEMBER = "package/dist/niivue.umd.js"
SHA256 = "47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af"
PLACE = Path(__file__).parents[1] / "src/hyoid/interfaces/web/page/vendor/niivue.umd.js"


def main() -> None:
    """Fetch, check and write the file."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", f"@niivue/niivue@{VERSION}", "--silent"], cwd=folder, check=True)
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            member = archive.extractfile(MEMBER)
            assert member is not None, f"{MEMBER} is not in the package"
            content = member.read()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise SystemExit(f"The file has the hash {found}, not {SHA256}: it is not written.")
    PLACE.write_bytes(content)
    print(f"NiiVue {VERSION}: {len(content):,} bytes written.")


if __name__ == "__main__":
    main()
