"""Truth -> text -> template: what a virtual patient's report says is what the template holds."""

import numpy as np
import pytest
from benchmarks.written.truths import draw_truth

from benchmarks.written import phrasings as further
from hyoid.phantom.text import phrasings
from hyoid.phantom.text.free_text import write_report
from hyoid.report.content.template import BY_KEY, FIELDS, Kind
from hyoid.report.free_text.sizes import sizes_in
from hyoid.report.free_text.structure import structure_text

WORDS = {
    "involved": ("involved", "present", "y"),
    "not involved": ("not involved", "absent", "n"),
    "equivocal": ("equivocal",),
    "treated": ("changed, likely by treatment",),
}
STATED = (Kind.INVOLVEMENT, Kind.SIDED_INVOLVEMENT, Kind.FINDING, Kind.YES_NO)


def says(value, state):
    """Whether an answer says this state, whatever its side."""
    plain = value.lower().partition(" - ")[2] or value.lower()
    return any(plain == words or plain.startswith(f"{words}, ") for words in WORDS[state])


SETS = vars(phrasings) | vars(further)


@pytest.mark.parametrize("name", ["TUNING_1", "TUNING_2", "TUNING_3", "TUNING_4", "TUNING_5", "HELD_OUT"])
def test_truth_to_text_to_template(name):
    right = stated = 0
    for number in range(25):
        rng = np.random.default_rng([11, number])
        written = write_report(draw_truth(rng), SETS[name], rng)
        report = structure_text(written.text)
        for row in FIELDS:
            line = report.line(row.key)
            if row.kind not in STATED:
                continue
            if row.key not in written.stated:
                assert line.status == "Missing", f"{row.key}: nothing in the text supports {line.value!r}"
                continue
            stated += 1
            right += line.status == "text" and says(line.value, written.stated[row.key].state)
        assert (
            report.line("primary_location_of_the_mass").value.split(",")[0] == BY_KEY[written.site].words.split(" (")[0]
        )
        assert np.allclose(sizes_in(report.line("size_of_the_mass").value)[0].axes_cm, written.size_cm)
        assert report.line("number_of_nodes").value.split(" (")[0] == str(written.nodes)
        collapsed = " ".join(written.text.split())
        assert all(evidence.source in collapsed for line in report.lines for evidence in line.evidence)
    assert right >= 0.98 * stated
