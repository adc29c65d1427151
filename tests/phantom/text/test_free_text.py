import re
from dataclasses import fields

import numpy as np
import pytest
from benchmarks.written.truths import draw_truth

from benchmarks.written import phrasings as further
from hyoid.anatomy.subsites import FIELD_BY_KEY, SUBSITE_BY_NAME
from hyoid.phantom.text import phrasings
from hyoid.phantom.text.free_text import write_report

SETS = {
    name: value for name, value in (vars(phrasings) | vars(further)).items() if isinstance(value, phrasings.Phrasing)
}  # every set of templates


def written(seed, phrasing=further.HELD_OUT):
    rng = np.random.default_rng(seed)
    truth = draw_truth(rng)
    return truth, write_report(truth, phrasing, rng)


def test_same_seed_same_report():
    assert written(3) == written(3)
    assert written(3)[1].text != written(4)[1].text


@pytest.mark.parametrize("name", sorted(SETS))
def test_nothing_is_stated_that_is_not_true(name):
    for seed in range(30):
        truth, report = written(seed, SETS[name])
        site = SUBSITE_BY_NAME[truth.primary].field
        assert report.site == site
        assert report.stated[site].state == "involved"
        for key, stated in report.stated.items():
            if key in truth.involved:
                assert (stated.state == "involved") == truth.involved[key]
        assert report.nodes == len(truth.nodes)
        assert report.node_levels == {node.level for node in truth.nodes}
        assert not re.search(r"[{}]", report.text)


def test_every_involved_place_is_written():
    truth, report = written(5)
    assert {key for key, involved in truth.involved.items() if involved} == {
        key for key, stated in report.stated.items() if stated.state == "involved" and key in FIELD_BY_KEY
    } - {"airway_compromise", "et_tube_in_situ"}


def test_sizes_are_those_of_the_truth_to_the_millimetre():
    for seed in range(20):
        truth, report = written(seed)
        assert report.size_cm[0] == pytest.approx(truth.size_cm, abs=0.051)
        if truth.nodes:
            assert report.node_size_cm[0] == pytest.approx(max(n.longest_mm for n in truth.nodes) / 10, abs=0.051)


def test_the_sets_share_no_sentence_on_involvement_or_mass():
    seen = {}
    for name, phrasing in SETS.items():
        for part in ("mass", "involved", "involved_one", "spared", "spared_or", "spared_one", "equivocal", "treated"):
            for template in getattr(phrasing, part):
                assert seen.setdefault(template, name) == name, f"{template!r} stands in two sets"


def test_every_part_of_every_set_has_a_template():
    for phrasing in SETS.values():
        assert all(getattr(phrasing, part.name) for part in fields(phrasing) if part.name != "names")
