"""Nodal involvement by site."""

import csv

import pytest

from hyoid.anatomy.levels import LEVEL_BY_NAME
from hyoid.phantom.disease import NODE_SITES, PRIMARY_SITES
from hyoid.phantom.lymphatics import involved_levels, lymphatic_site


def test_level_two_leads_on_the_side_of_the_primary():
    for site in ("oropharynx", "larynx", "hypopharynx", "oral"):
        shares = involved_levels(site)
        assert max(shares, key=shares.get) == ("IIa", True)
        assert shares["III", True] > shares["III", False]


def test_every_level_can_be_placed():
    levels = {level for name in PRIMARY_SITES for level, _ in involved_levels(lymphatic_site(name))}
    assert levels == set(NODE_SITES)
    assert levels <= set(LEVEL_BY_NAME)


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
