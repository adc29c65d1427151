import pytest
from pydantic import ValidationError

from hyoid.errors import UsageError
from hyoid.systems.lesion.session import ACTION, Accept, AddLesion, AddPrompt, ClickSession, Overrule, RemoveLesion


def session(*actions):
    s = ClickSession(session="a", study="f")
    for action in actions:
        s = s.done(action)
    return s


CLICK = AddPrompt(lesion=1, kind="add", point_ijk=(1, 2, 3))


def test_undo_is_the_state_before_and_redo_the_state_after():
    first = session(AddLesion(target="GTVp"))
    second = first.done(CLICK)
    assert second.undone().state == first.state
    assert second.undone().redone().state == second.state
    assert second.undone().revision == 3


def test_a_new_action_forgets_what_was_undone():
    s = session(AddLesion(target="GTVp"), CLICK).undone().done(AddLesion(target="GTVn"))
    assert not s.can_redo
    assert [lesion.target for lesion in s.state.lesions] == ["GTVp", "GTVn"]


def test_numbers_are_never_used_twice():
    s = session(AddLesion(target="GTVp"), RemoveLesion(lesion=1), AddLesion(target="GTVp"))
    assert [lesion.number for lesion in s.state.lesions] == [2]


def test_overruling_can_be_taken_back_and_any_change_opens_an_accepted_report():
    s = session(Overrule(key="tonsil", value="Involved"), Accept())
    assert s.state.accepted
    assert s.state.overruled == {"tonsil": "Involved"}
    assert session(Overrule(key="tonsil", value="x"), Overrule(key="tonsil", value="")).state.overruled == {}
    assert not s.done(AddLesion(target="GTVp")).state.accepted


def test_it_survives_json():
    s = session(AddLesion(target="GTVn"), CLICK, Overrule(key="side", value="Ipsi")).undone()
    assert ClickSession.model_validate_json(s.model_dump_json()) == s


def test_refusals_leave_the_session_as_it_was():
    s = session(AddLesion(target="GTVp"))
    with pytest.raises(UsageError, match="no lesion 7"):
        s.done(AddPrompt(lesion=7, kind="add", point_ijk=(0, 0, 0)))
    with pytest.raises(UsageError, match="nothing to redo"):
        s.redone()
    with pytest.raises(UsageError, match="nothing to undo"):
        ClickSession(session="a", study="f").undone()
    with pytest.raises(ValidationError):
        ACTION.validate_python({"do": "lesion", "target": "CTV"})
    assert len(s.actions) == 1


def test_the_state_is_computed_once_and_anew_after_every_change():
    s = session(AddLesion(target="GTVp"), CLICK)
    assert s.state is s.state
    for other in (s.undone(), s.undone().redone(), s.done(RemoveLesion(lesion=1)), s.compared("x")):
        assert other.state == ClickSession.model_validate_json(other.model_dump_json()).state
