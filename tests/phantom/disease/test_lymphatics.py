"""Nodal involvement by site."""

import csv

import numpy as np
import pytest

from hyoid.anatomy.levels import LEVELS
from hyoid.phantom.disease.growth import NODE_SITES, PRIMARY_SITES
from hyoid.phantom.disease.lymphatics import draw_pattern, involved_levels, lymphatic_site


def test_level_two_leads_on_the_side_of_the_primary():
    for site in ("oropharynx", "larynx", "hypopharynx", "oral"):
        shares = involved_levels(site)
        assert max(shares, key=shares.get) == ("IIa", True)
        assert shares["III", True] > shares["III", False]


def test_every_level_can_be_placed():
    levels = {level for name in PRIMARY_SITES for level, _ in involved_levels(lymphatic_site(name))}
    assert levels == set(NODE_SITES)
    assert levels <= {level.name for level in LEVELS}


@pytest.mark.shared
def test_oropharynx_level_three_is_what_the_tables_say(shared_data):
    involved = patients = 0
    for path in sorted((shared_data / "lymphatics").glob("*.csv")):
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
        header = list(zip(*rows[:3], strict=True))
        code = header.index(next(c for c in header if c[0] == "tumor" and c[2] == "subsite"))
        kinds = [k for k in ("diagnostic_consensus",) if (k, "ipsi", "III") in header] or ["CT", "MRI", "PET"]
        used = [header.index((k, "ipsi", "III")) for k in kinds if (k, "ipsi", "III") in header]
        for row in rows[3:]:
            said = [row[i] for i in used if row[i] in ("True", "False")]
            if row[code][:3] in ("C01", "C05", "C09", "C10") and said:
                patients += 1
                involved += "True" in said
    assert involved_levels("oropharynx")["III", True] == pytest.approx((involved + 0.5) / (patients + 1))


def test_patterns_are_drawn_as_often_as_patients_have_them():
    rng = np.random.default_rng(0)
    small = [draw_pattern("oral", 20.0, rng) for _ in range(1500)]
    large = [draw_pattern("oral", 55.0, rng) for _ in range(1500)]
    assert np.mean([not levels for levels in small]) == pytest.approx(106 / 226, abs=0.04)
    assert np.mean([not levels for levels in large]) == pytest.approx(41 / 123, abs=0.04)
    assert all(level in NODE_SITES for levels in small + large for level, _ in levels)
    both = np.mean([{True, False} == {side for _, side in levels} for levels in large])
    assert 0.02 < both < 0.4


def test_levels_involved_together_are_told_once():
    rng = np.random.default_rng(1)
    for _ in range(300):
        levels = draw_pattern("oropharynx", 50.0, rng)
        assert len(levels) == len(set(levels))
