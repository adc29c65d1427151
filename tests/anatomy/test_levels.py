"""Nodal levels."""

from hyoid.anatomy.levels import LEVELS


def test_names_are_unique_and_start_with_their_coarse_level():
    assert len({level.name for level in LEVELS}) == len(LEVELS)
    assert all(level.name.rstrip("ab") == level.coarse for level in LEVELS)
