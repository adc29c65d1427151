"""Compare every installed package with the public advisories on weaknesses; say so where no network answers.

Ends with 1 where a package has a known weakness, and with 0 where none has or nothing could be compared.
"""

from __future__ import annotations

import json
import subprocess
import sys

_LONGEST_S = 600


def found_in(answer: str) -> list[str] | None:
    """List weaknesses in what pip-audit answered; None where that is no answer."""
    try:
        packages = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return None
    told = []
    for package in packages:
        for weakness in package.get("vulns", ()):
            mended = " or ".join(weakness["fix_versions"]) or "no version"
            told.append(f"{package['name']} {package['version']}: {weakness['id']}, mended in {mended}")
    return told


def main() -> int:
    """Ask pip-audit, and tell what it answered."""
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "--local",
        "--skip-editable",
        "--progress-spinner",
        "off",
        "-f",
        "json",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_LONGEST_S)
    except subprocess.TimeoutExpired:
        print("Not audited: the advisories did not answer in time.")
        return 0
    found = found_in(done.stdout)
    if found is None:
        lines = done.stderr.strip().splitlines()
        print(f"Not audited: the advisories cannot be reached ({lines[-1][:200] if lines else 'no answer'}).")
        return 0
    print("\n".join(found) or "No installed package has a known weakness.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
