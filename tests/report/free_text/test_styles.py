"""Reports composed in many styles: no status is inverted, and nearly all are read."""

import numpy as np
import pytest
from benchmarks.written.composed import compose_report
from benchmarks.written.styles import HELD_OUT, TUNING
from benchmarks.written.truths import draw_truth

from hyoid.report.free_text.guard import state_in
from hyoid.report.free_text.structure import structure_text


@pytest.mark.parametrize("style", [*TUNING, *HELD_OUT], ids=lambda style: style.name)
def test_no_status_is_inverted_and_nearly_all_are_right(style):
    right = stated = 0
    for seed in range(8):
        rng = np.random.default_rng([41, seed])
        written = compose_report(draw_truth(rng), style, rng)
        report = structure_text(written.text)
        for key, told in written.stated.items():
            state = state_in(report.line(key).value)[0]
            found = state.value if state else ""
            assert {found, told.state} != {"involved", "not involved"}, written.sentences[key]
            stated += 1
            right += found == told.state
    assert right >= 0.93 * stated
