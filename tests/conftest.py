"""Fixtures that every test folder may use."""

from pathlib import Path

import pytest

_SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with real scans and masks; the test is skipped where it is absent."""
    if not _SHARED.is_dir():
        pytest.skip("needs ../shared/data")
    return _SHARED
