"""Nodal levels."""

from hyoid.anatomy.levels import LEVEL_BY_NAME, LEVELS


def test_names_are_unique_and_start_with_their_coarse_level():
    assert len(LEVEL_BY_NAME) == len(LEVELS)
    assert all(level.name.rstrip("ab") == level.coarse for level in LEVELS)
