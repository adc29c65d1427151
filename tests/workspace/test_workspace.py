import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from hyoid.anatomy.structures import BY_NAME, GTVN
from hyoid.errors import InputRefusedError, SeriesError, UnreadableFileError, UnsuitableScanError, UsageError
from hyoid.provenance import network
from hyoid.report.content.scene import Involvement
from hyoid.report.content.schema import ModelUse
from hyoid.systems.lesion.report import Answered, scan_inputs
from hyoid.systems.lesion.response import EarlierLesion
from hyoid.systems.lesion.session import (
    Accept,
    AddAddendum,
    AddLesion,
    AddPrompt,
    AddStroke,
    CopyEarlier,
    FillBetween,
    MergeLesions,
    Overrule,
    RemoveLesion,
    Reopen,
    Retarget,
    SignOff,
    SplitLesion,
)
from hyoid.systems.lesion.strokes import whole_of
from hyoid.workspace.drafts import Draft, Drafter
from hyoid.workspace.scans import Scans
from hyoid.workspace.workspace import StaleRevisionError, Workspace, first_readable

CLICK = AddPrompt(lesion=1, kind="add", point_ijk=(14, 30, 24))


@pytest.fixture
def workspace(tmp_path, ball_study, click_network):
    return Workspace(tmp_path, click_network, lambda key: Scans(ball_study, "CT"))


def begun(workspace):
    view = workspace.begin("s")
    view = workspace.act(view.session.session, 0, AddLesion(target="GTVp"))
    return workspace.act(view.session.session, 1, CLICK)


def test_a_click_changes_mask_and_report_and_undo_takes_both_back(workspace):
    view = begun(workspace)
    name = view.session.session
    assert view.outlined[0][1].voxels > 0
    assert "size_of_the_mass" in view.changed
    # Drawn by a network from a click: measured, but not yet accepted by the reader.
    assert view.report.line("size_of_the_mass").status == "model, measured"
    assert view.report.line("lesion_1_shape").words == "Lesion 1 (GTVp): shape"
    back = workspace.undo(name, view.session.revision)
    assert not back.outlined
    assert back.report.line("size_of_the_mass").value == "Not assessed: no primary tumour outlined"
    assert "size_of_the_mass" in back.changed
    again = workspace.redo(name, back.session.revision)
    assert np.array_equal(again.outlined[0][1].mask, view.outlined[0][1].mask)
    assert again.report == view.report


def test_a_session_survives_a_restart(workspace, tmp_path, ball_study, click_network):
    view = begun(workspace)
    other = Workspace(tmp_path, click_network, lambda key: Scans(ball_study, "CT"))
    found = other.view(view.session.session)
    assert found.session == view.session
    assert found.report == view.report
    assert np.array_equal(found.outlined[0][1].mask, view.outlined[0][1].mask)
    assert other.sessions()[0]["clicks"] == 1


def test_the_reader_overrules_a_line_and_the_report_says_so(workspace):
    view = begun(workspace)
    view = workspace.act(view.session.session, view.session.revision, Overrule(key="tonsil", value="Involved, right"))
    line = view.report.line("tonsil")
    assert (line.value, line.status) == ("Involved, right", "reader")
    assert line.flags[-1] == "Overruled by the reader"
    assert "the software said: Not assessed" in line.evidence[0].note
    assert view.changed == ("tonsil",)
    with pytest.raises(UsageError, match="no line"):
        workspace.act(view.session.session, view.session.revision, Overrule(key="nonsense", value="x"))
    with pytest.raises(UsageError, match="no line"):
        workspace.act(view.session.session, view.session.revision, Overrule(key="patient", value="A name"))


def test_accepting_is_said_and_taken_back_by_a_change(workspace):
    view = begun(workspace)
    view = workspace.act(view.session.session, view.session.revision, Accept())
    assert view.report.warnings[0].startswith("A reader went through")
    view = workspace.act(view.session.session, view.session.revision, AddLesion(target="GTVn"))
    assert not any(w.startswith("A reader went through") for w in view.report.warnings)


def test_a_dropped_lesion_leaves_its_overruled_lines_behind_and_says_so(workspace):
    view = begun(workspace)
    name = view.session.session
    view = workspace.act(name, view.session.revision, Overrule(key="lesion_1_shape", value="Lobulated"))
    view = workspace.act(name, view.session.revision, RemoveLesion(lesion=1))
    assert any("no longer there" in w for w in view.report.warnings)


def test_the_slower_window_is_told_and_nothing_is_lost(workspace):
    view = begun(workspace)
    name, old = view.session.session, view.session.revision
    workspace.act(name, old, Overrule(key="tonsil", value="x"))
    with pytest.raises(StaleRevisionError, match="another window was faster"):
        workspace.act(name, old, Overrule(key="tonsil", value="y"))
    assert workspace.view(name).session.state.overruled == {"tonsil": "x"}


def test_a_refused_click_changes_nothing(workspace):
    view = begun(workspace)
    name = view.session.session
    for action, error in (
        (AddPrompt(lesion=1, kind="add", point_ijk=(14, 1, 1)), InputRefusedError),
        (AddPrompt(lesion=1, kind="add", point_ijk=(99, 1, 1)), UsageError),
        (AddPrompt(lesion=1, kind="remove", point_ijk=(14, 30, 24)), InputRefusedError),
    ):
        with pytest.raises(error):
            workspace.act(name, view.session.revision, action)
    assert workspace.view(name).session == view.session


def test_many_sessions_at_once_share_nothing(workspace):
    points = [(14, 30, 24), (14, 30, 46)]

    def reader(number):
        view = workspace.begin(f"study-{number}")
        name = view.session.session
        workspace.act(name, 0, AddLesion(target="GTVn"))
        for count in range(6):
            i, j, k = points[number % 2]
            workspace.act(name, 1 + count, AddPrompt(lesion=1, kind="add", point_ijk=(i + count % 3, j, k)))
        return workspace.view(name)

    with ThreadPoolExecutor(6) as pool:
        views = list(pool.map(reader, range(6)))
    assert [len(v.session.actions) for v in views] == [7] * 6
    for number, view in enumerate(views):
        assert np.array_equal(view.outlined[0][1].mask, views[number % 2].outlined[0][1].mask)


def test_scans_leave_memory_by_their_size_and_come_back(tmp_path, ball_study, click_network, monkeypatch):
    read = []

    def reader(key):
        read.append(key)
        return Scans(ball_study, "CT")

    workspace = Workspace(tmp_path, click_network, reader)
    one = workspace.study("a").bytes
    assert one >= ball_study.volume.array.nbytes
    monkeypatch.setattr("hyoid.workspace.workspace.STUDY_BYTES_IN_MEMORY", 2 * one)
    for key in ("b", "a", "c", "a"):
        workspace.study(key)
    assert read == ["a", "b", "c"]
    workspace.study("b")
    assert read == ["a", "b", "c", "b"]
    monkeypatch.setattr("hyoid.workspace.workspace.STUDY_BYTES_IN_MEMORY", 1)
    workspace.study("d")
    workspace.study("d")
    assert read[-2:] == ["b", "d"]


def test_damaged_and_unknown_sessions_are_refused(workspace, tmp_path):
    view = begun(workspace)
    file = tmp_path / "sessions" / f"{view.session.session}.json"
    for name in ("nothere", "../../etc/passwd"):
        with pytest.raises(UsageError, match="no such session"):
            workspace.view(name)
    broken = tmp_path / "sessions" / "broken.json"
    broken.write_text(file.read_text()[:100])
    with pytest.raises(InputRefusedError, match="damaged"):
        workspace.view("broken")
    assert [row["session"] for row in workspace.sessions()] == [view.session.session]
    assert "hu" not in json.loads(file.read_text())


def test_sessions_are_bounded_and_can_be_deleted(workspace, tmp_path, monkeypatch):
    monkeypatch.setattr("hyoid.workspace.workspace.MOST_SESSIONS", 2)
    names = [workspace.begin(key).session.session for key in "st"]
    with pytest.raises(InputRefusedError, match="2 sessions are kept"):
        workspace.begin("s")
    workspace.delete(names[0])
    with pytest.raises(UsageError, match="no such session"):
        workspace.view(names[0])
    assert workspace.delete_study("s") == 0
    assert workspace.delete_study("t") == 1
    assert not list((tmp_path / "sessions").iterdir())
    workspace.begin("s")


def test_another_scan_under_a_session_is_refused(workspace, tmp_path, ball_study, click_network):
    view = begun(workspace)
    changed = replace(ball_study, fingerprint="other")
    other = Workspace(tmp_path, click_network, lambda key: Scans(changed, "CT"))
    with pytest.raises(InputRefusedError, match="not the one"):
        other.view(view.session.session)
    with pytest.raises(InputRefusedError, match="not the one"):
        other.study_of(view.session.session)
    assert workspace.study_of(view.session.session) is view.study


def refusing(scans):
    def make(name, scans, on_progress):
        raise UnsuitableScanError("This is not a neck.", "Give one.")

    return Drafter((), make)


def test_a_refused_draft_is_said_and_the_reader_works_on(tmp_path, ball_study, click_network):
    workspace = Workspace(tmp_path, click_network, lambda key: Scans(ball_study, "CT"), refusing)
    view = begun(workspace)
    assert view.study.draft_state == "waiting"
    workspace.make_draft("s")
    view = workspace.view(view.session.session)
    assert view.study.draft_state == "refused"
    assert "Nothing was drafted: This is not a neck." in view.report.warnings
    assert view.outlined


def test_a_pipeline_that_fails_is_tried_once(tmp_path, ball_study, click_network):
    def make(name, scans, on_progress):
        raise MemoryError

    workspace = Workspace(tmp_path, click_network, lambda key: Scans(ball_study, "CT"), lambda scans: Drafter((), make))
    with pytest.raises(MemoryError):
        workspace.make_draft("s")
    workspace.make_draft("s")
    assert "Nothing was drafted: the pipeline failed (MemoryError)." in workspace.begin("s").report.warnings


@pytest.fixture
def drafting(ball_study, ball_masks):
    """A pipeline that outlines the second ball as a node, and an organ beside it."""
    made = []

    def make(name, scans, on_progress):
        made.append(name)
        on_progress("tiles", 1, 2)
        inputs = scan_inputs(scans.study, "CT")
        organs = inputs.organs.array.copy()
        organs[10:18, 10:14, 10:14] = BY_NAME["mandible"].label
        inputs = replace(inputs, organs=inputs.organs.with_array(organs), warnings=("Drafted.",))
        lesions = (("GTVn", whole_of(ball_masks[2])),)
        return Draft(name, inputs, lesions, ModelUse(name="pipeline", version="3"), {GTVN: network("pipeline", "3")})

    return made, lambda scans: Drafter((), make)


def test_a_draft_brings_lesions_that_are_the_models_until_a_reader_changes_them(
    tmp_path, ball_study, ball_masks, click_network, drafting
):
    made, drafter = drafting
    workspace = Workspace(tmp_path, click_network, lambda key: Scans(ball_study, "CT"), drafter)
    early = workspace.begin("s")
    assert not early.lesions
    name = early.session.session
    with pytest.raises(UsageError, match="no draft of this study yet"):
        workspace.take_draft(name, 0)
    workspace.make_draft("s")
    view = workspace.take_draft(name, 0)
    ((lesion, outline),) = view.lesions
    assert (lesion.target, lesion.made_by) == ("GTVn", "draft")
    assert np.array_equal(outline.painted(ball_study.volume.array.shape), ball_masks[2])
    assert view.report.line("number_of_nodes").value.startswith("1 outlined")
    assert [m.name for m in view.report.models] == ["pipeline"]
    assert view.study.organs is not None
    # A click far from the mask's own border changes it near the click alone.
    view = workspace.act(name, 1, AddPrompt(lesion=1, kind="remove", point_ijk=(14, 30, 46)))
    ((lesion, outline),) = view.lesions
    assert lesion.made_by == "draft, edited"
    assert not outline.painted(ball_study.volume.array.shape)[14, 30, 46]
    with pytest.raises(UsageError, match="taken before"):
        workspace.take_draft(name, view.session.revision)
    # Another process finds the draft on disk, and the session as it was; nothing is computed again.
    other = Workspace(tmp_path, click_network, lambda key: Scans(ball_study, "CT"), drafter)
    again = other.view(name)
    assert np.array_equal(again.lesions[0][1].mask, outline.mask)
    other.make_draft("s")
    assert made == [view.study.draft.name]
    late = other.begin("s")
    assert [lesion.target for lesion, _ in late.lesions] == ["GTVn"]


def test_strokes_survive_a_restart_and_refused_ones_change_nothing(tmp_path, workspace, ball_study, click_network):
    view = workspace.begin("s")
    name = view.session.session
    view = workspace.act(name, 0, AddLesion(target="GTVp"))
    with pytest.raises(UsageError, match="nothing to take away"):
        workspace.act(name, 1, AddStroke(lesion=1, kind="erase", axis=0, points_ijk=((14, 30, 24),)))
    for row, at in enumerate(((14, 30, 24), (18, 30, 24))):
        view = workspace.act(name, 1 + row, AddStroke(lesion=1, kind="paint", axis=0, points_ijk=(at,), radius_mm=6.0))
    assert view.lesions[0][0].made_by == "hand"
    assert view.report.line("size_of_the_mass").status == "measured"
    view = workspace.act(name, 3, FillBetween(lesion=1))
    assert view.lesions[0][1].painted((28, 60, 70)).any(axis=(1, 2)).sum() == 5
    other = Workspace(tmp_path, click_network, lambda key: Scans(ball_study, "CT"))
    again = other.view(name)
    assert np.array_equal(again.lesions[0][1].mask, view.lesions[0][1].mask)
    with pytest.raises(InputRefusedError, match="would be left"):
        workspace.act(
            name, 4, AddStroke(lesion=1, kind="erase", axis=0, points_ijk=((16, 30, 24),), radius_mm=40.0, ball=True)
        )
    assert workspace.view(name).session.revision == 4


def test_lesions_are_split_joined_and_turned_into_nodes(workspace):
    view = workspace.begin("s")
    name = view.session.session
    workspace.act(name, 0, AddLesion(target="GTVp"))
    for row, at in enumerate(((14, 30, 24), (14, 30, 46))):
        workspace.act(name, 1 + row, AddStroke(lesion=1, kind="paint", axis=0, points_ijk=(at,), radius_mm=5.0 - row))
    view = workspace.act(name, 3, SplitLesion(lesion=1))
    assert [lesion.number for lesion, _ in view.lesions] == [1, 2]
    assert view.lesions[0][1].voxels > view.lesions[1][1].voxels
    view = workspace.act(name, 4, Retarget(lesion=2, target="GTVn"))
    assert view.report.line("number_of_nodes").value.startswith("1 outlined")
    view = workspace.act(name, 5, MergeLesions(lesion=1, other=2))
    assert [(lesion.number, lesion.target) for lesion, _ in view.lesions] == [(1, "GTVp")]
    with pytest.raises(UsageError, match="of one piece"):
        workspace.act(name, 6, SplitLesion(lesion=1)) and workspace.act(name, 7, SplitLesion(lesion=1))


def test_sub_sites_follow_in_the_background_and_are_there_when_signed(tmp_path, ball_study, click_network, drafting):
    asked = []

    def sub_sites(ct, organs, lesions):
        asked.append(int((lesions.array == 1).sum()))
        return Answered({"tonsil": Involvement(0.9, 0.5, "overlap")}, ModelUse(name="template"))

    workspace = Workspace(tmp_path, click_network, lambda key: Scans(ball_study, "CT"), drafting[1], sub_sites)
    workspace.make_draft("s")
    name = workspace.begin("s").session.session
    assert not workspace.view(name).pending  # a node alone has no sub-sites
    view = workspace.act(name, 1, AddLesion(target="GTVp"))
    view = workspace.act(name, 2, AddPrompt(lesion=2, kind="add", point_ijk=(14, 30, 24)))
    assert view.pending
    workspace.answer_sub_sites(name)
    view = workspace.view(name)
    assert not view.pending
    assert "tonsil" in view.changed
    assert view.report.line("tonsil").probability == 0.9
    workspace.answer_sub_sites(name)
    assert len(asked) == 1
    view = workspace.act(name, 3, AddPrompt(lesion=2, kind="add", point_ijk=(16, 30, 24)))
    assert view.pending
    view = workspace.act(name, 4, SignOff(who="R. Eader", when="2026-01-02T03:04:05Z"))
    assert len(asked) == 2
    assert view.report.warnings[0] == "Version 1, signed by R. Eader on 2026-01-02T03:04:05Z."
    frozen = workspace.signed_report(name, 1)
    assert frozen == view.report
    with pytest.raises(UsageError, match="is signed"):
        workspace.act(name, 5, AddLesion(target="GTVn"))
    with pytest.raises(UsageError, match="not undone"):
        workspace.undo(name, 5)
    view = workspace.act(name, 5, AddAddendum(words="Seen with the surgeon.", who="R. Eader", when="later"))
    assert view.report.warnings[-1] == "Addendum by R. Eader on later: Seen with the surgeon."
    view = workspace.act(name, 6, Reopen())
    view = workspace.act(name, 7, AddLesion(target="GTVn"))
    assert workspace.signed_report(name, 1) == frozen
    assert [row["did"] for row in workspace.history(name)][-4:] == ["sign", "addendum", "reopen", "lesion"]
    with pytest.raises(UsageError, match="Version 2"):
        workspace.signed_report(name, 2)


def test_a_report_is_not_signed_while_its_draft_is_loading(tmp_path, ball_study, click_network, drafting):
    def opened():
        return Workspace(tmp_path, click_network, lambda key: Scans(ball_study, "CT"), drafting[1])

    first = opened()
    first.make_draft("s")
    name = first.begin("s").session.session
    signature = SignOff(who="R. Eader", when="2026-01-02T03:04:05Z")
    again = opened()
    with pytest.raises(UsageError, match="still being loaded"):
        again.act(name, 1, signature)
    again.make_draft("s")
    assert again.act(name, 1, signature).session.state.signed is not None


def test_a_signed_session_on_an_earlier_scan_is_compared_with(tmp_path, ball_study, click_network):
    later = replace(ball_study, fingerprint="later")
    workspace = Workspace(tmp_path, click_network, lambda key: Scans(ball_study if key == "early" else later, "CT"))
    first, second = (workspace.begin(key).session.session for key in ("early", "late"))
    for name, point in ((first, (14, 30, 24)), (second, (14, 30, 24))):
        workspace.act(name, 0, AddLesion(target="GTVp"))
        workspace.act(name, 1, AddPrompt(lesion=1, kind="add", point_ijk=point))
    with pytest.raises(UsageError, match="not signed"):
        workspace.compare(second, 2, first)
    workspace.act(first, 2, SignOff())
    with pytest.raises(UsageError, match="same scan"):
        workspace.compare(first, 3, first)
    view = workspace.compare(second, 2, first)
    assert view.report.changes
    assert not workspace.compare(second, 3, "").report.changes


def test_earlier_lesions_are_followed_and_copied(tmp_path, ball_study, ball_masks, click_network):
    def make(name, scans, on_progress):
        balls = {number: whole_of(mask) for number, mask in ball_masks.items()}
        earlier = (EarlierLesion("GTVp", balls[1], 50.0, 40.0), EarlierLesion("GTVn", balls[2], 0.1))
        inputs = scan_inputs(scans.study, "MR")
        return Draft(name, inputs, (("GTVp", balls[1]),), ModelUse(name="pipeline"), earlier=earlier)

    workspace = Workspace(
        tmp_path, click_network, lambda key: Scans(ball_study, "MR pair"), lambda scans: Drafter((), make)
    )
    workspace.make_draft("s")
    view = workspace.begin("s")
    assert view.report.line("response_gtvp_1").value.startswith("much smaller: 50.0 to ")
    assert view.report.line("response_gtvn_1").value == "may have vanished: 0.1 ml before"
    assert view.report.impression[0].words.startswith("Since the earlier scan: GTVp 1 much smaller")
    name = view.session.session
    view = workspace.act(name, 1, CopyEarlier(target="GTVn", part=1))
    lesion, outline = view.lesions[-1]
    assert (lesion.made_by, lesion.target, outline.voxels) == (
        "earlier",
        "GTVn",
        int(ball_masks[2].sum()),
    )
    assert "response_gtvn_1" in view.changed
    view = workspace.act(name, 2, AddStroke(lesion=2, kind="paint", axis=0, points_ijk=((14, 10, 24),)))
    assert view.lesions[-1][0].made_by == "earlier, edited"
    with pytest.raises(InputRefusedError, match="no such lesion of an earlier scan"):
        workspace.act(name, 3, CopyEarlier(target="GTVn", part=2))
    other = Workspace(tmp_path, click_network, lambda key: Scans(ball_study, "MR pair"), workspace._drafter)
    other.make_draft("s")
    assert other.view(name).report == workspace.view(name).report


def test_lesions_of_the_session_compared_with_are_carried_over(tmp_path, ball_study, click_network, monkeypatch):
    carried = []

    def carry_lesions(name, before, lesions, now, inputs, on_progress):
        carried.append(name)
        rows = tuple(EarlierLesion(target, drawn, 50.0) for target, drawn in lesions)
        return Draft(name, inputs, second=before, earlier=rows)

    monkeypatch.setattr("hyoid.workspace.workspace.carry_lesions", carry_lesions)
    later = replace(ball_study, fingerprint="later")
    workspace = Workspace(tmp_path, click_network, lambda key: Scans(ball_study if key == "early" else later, "CT"))
    first, second = (workspace.begin(key).session.session for key in ("early", "late"))
    workspace.act(first, 0, AddLesion(target="GTVp"))
    workspace.act(first, 1, CLICK)
    workspace.act(first, 2, SignOff())
    workspace.act(first, 3, Reopen())
    workspace.act(first, 4, RemoveLesion(lesion=1))  # what was signed counts
    view = workspace.compare(second, 0, first)
    assert (view.carry.state, view.earlier) == ("waiting", None)
    workspace.carry_prior(second)
    workspace.carry_prior(second)
    view = workspace.view(second)
    assert (view.carry.state, len(carried), len(view.earlier.earlier)) == ("done", 1, 1)
    assert np.array_equal(workspace.second_of(second).array, ball_study.volume.array)
    view = workspace.act(second, 1, CopyEarlier(target="GTVp", part=0))
    assert view.report.line("response_gtvp_1").value.startswith("much smaller: 50.0 to ")
    assert workspace.compare(second, 2, "").earlier is None
    assert workspace.view(second).lesions[0][1].voxels > 0  # the copy stays
    with pytest.raises(InputRefusedError, match="no such lesion of an earlier scan"):
        workspace.act(second, 3, CopyEarlier(target="GTVp", part=0))


def test_an_earlier_scan_that_cannot_be_registered_is_said(tmp_path, ball_study, click_network, monkeypatch):
    def refuse(*arguments):
        raise UnsuitableScanError("No body.", "Give another.")

    monkeypatch.setattr("hyoid.workspace.workspace.carry_lesions", refuse)
    later = replace(ball_study, fingerprint="later")
    workspace = Workspace(tmp_path, click_network, lambda key: Scans(ball_study if key == "early" else later, "CT"))
    first, second = (workspace.begin(key).session.session for key in ("early", "late"))
    workspace.act(first, 0, SignOff())
    workspace.compare(second, 0, first)
    workspace.carry_prior(second)
    assert workspace.view(second).carry.why == "No body."


def test_first_readable_modality_wins_and_a_broken_archive_is_broken_for_all(ball_study):
    def no_series():
        raise SeriesError("No CT.", "")

    def broken():
        raise UnreadableFileError("Broken.", "")

    assert first_readable({"CT": no_series, "MR": lambda: ball_study}) == (ball_study, "MR")
    with pytest.raises(SeriesError, match="No CT"):
        first_readable({"CT": no_series, "MR": no_series})
    with pytest.raises(UnreadableFileError, match="Broken"):
        first_readable({"CT": broken, "MR": lambda: ball_study})
