import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hyoid.errors import InputRefusedError, SeriesError, UnreadableFileError, UsageError
from hyoid.systems.lesion.session import Accept, AddLesion, AddPrompt, Overrule, RemoveLesion
from hyoid.workspace.workspace import StaleRevisionError, Workspace, first_readable

CLICK = AddPrompt(lesion=1, kind="add", point_ijk=(14, 30, 24))


@pytest.fixture
def workspace(tmp_path, ball_study, click_network):
    return Workspace(tmp_path, click_network, lambda key: (ball_study, "CT"))


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
    other = Workspace(tmp_path, click_network, lambda key: (ball_study, "CT"))
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
        return ball_study, "CT"

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
    from dataclasses import replace

    view = begun(workspace)
    changed = replace(ball_study, fingerprint="other")
    other = Workspace(tmp_path, click_network, lambda key: (changed, "CT"))
    with pytest.raises(InputRefusedError, match="not the one"):
        other.view(view.session.session)


def test_organs_in_the_background_are_said_when_refused(tmp_path, ball_study, click_network):
    workspace = Workspace(
        tmp_path, click_network, lambda key: (ball_study, "CT"), lambda ct: (None, ("Organs were not outlined.",), ())
    )
    view = begun(workspace)
    assert view.study.organ_state == "waiting"
    workspace.outline_organs("s")
    view = workspace.view(view.session.session)
    assert view.study.organ_state == "refused"
    assert "Organs were not outlined." in view.report.warnings


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
