"""A reader's work on one scan as one frozen value: lesions with their prompts, overruled lines, undo and redo.

A session is a list of what the reader did and how much of it counts: undo lowers that number, redo raises it, and
anything new forgets what was undone. Everything else (masks, attributes, report) follows from it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from hyoid.errors import UsageError
from hyoid.systems.lesion.pipeline import Prompt

Target = Literal["GTVp", "GTVn"]
MOST_ACTIONS = 5000


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AddLesion(_Frozen):
    """A new lesion, which then is the one that clicks belong to."""

    do: Literal["lesion"] = "lesion"
    target: Target


class AddPrompt(_Frozen):
    """A click or a box on one lesion."""

    do: Literal["prompt"] = "prompt"
    lesion: int
    kind: Literal["add", "remove", "box"]
    point_ijk: tuple[int, int, int]
    to_ijk: tuple[int, int, int] | None = None

    @property
    def prompt(self) -> Prompt:
        """Prompt as the pipeline takes it."""
        return Prompt(self.kind, self.point_ijk, self.to_ijk)


class RemoveLesion(_Frozen):
    """Remove a lesion from the list."""

    do: Literal["drop"] = "drop"
    lesion: int


class Overrule(_Frozen):
    """A reader's own words for a line of the report; empty words take the overruling back."""

    do: Literal["overrule"] = "overrule"
    key: str = Field(min_length=1, max_length=200)
    value: str = Field(max_length=500)


class Accept(_Frozen):
    """The reader stands by the report as it is; any later change takes this back."""

    do: Literal["accept"] = "accept"


Action = Annotated[AddLesion | AddPrompt | RemoveLesion | Overrule | Accept, Field(discriminator="do")]
ACTION: TypeAdapter[Action] = TypeAdapter(Action)


class LesionState(_Frozen):
    """One lesion and what was clicked on it."""

    number: int
    target: Target
    prompts: tuple[AddPrompt, ...] = ()


class State(_Frozen):
    """Lesions, overruled lines and acceptance after all actions that were not undone.

    Attributes
    ----------
    lesions : tuple of LesionState
        In the order in which they were begun; numbers are never used twice.
    overruled : dict of str to str
        Key of a line -> the reader's words.
    accepted : bool
    begun : int
        Lesions ever begun.
    """

    lesions: tuple[LesionState, ...] = ()
    overruled: dict[str, str] = {}
    accepted: bool = False
    begun: int = 0

    def lesion(self, number: int) -> LesionState:
        """Find the lesion of a number.

        Raises
        ------
        UsageError
            When there is none.
        """
        for lesion in self.lesions:
            if lesion.number == number:
                return lesion
        raise UsageError(f"There is no lesion {number}.", "Choose one of the list, or begin a new one.")


def after(state: State, action: Action) -> State:
    """Compute the state after one action.

    Raises
    ------
    UsageError
        When the action names a lesion that does not exist.

    Examples
    --------
    >>> state = after(State(), AddLesion(target="GTVp"))
    >>> state = after(state, AddPrompt(lesion=1, kind="add", point_ijk=(1, 2, 3)))
    >>> [len(lesion.prompts) for lesion in state.lesions], state.begun
    ([1], 1)
    """
    open_again = state.model_copy(update={"accepted": False})
    if isinstance(action, AddLesion):
        lesion = LesionState(number=state.begun + 1, target=action.target)
        return open_again.model_copy(update={"lesions": (*state.lesions, lesion), "begun": state.begun + 1})
    if isinstance(action, AddPrompt):
        old = state.lesion(action.lesion)
        new = old.model_copy(update={"prompts": (*old.prompts, action)})
        return open_again.model_copy(update={"lesions": tuple(new if x is old else x for x in state.lesions)})
    if isinstance(action, RemoveLesion):
        gone = state.lesion(action.lesion)
        return open_again.model_copy(update={"lesions": tuple(x for x in state.lesions if x is not gone)})
    if isinstance(action, Overrule):
        words = {key: value for key, value in state.overruled.items() if key != action.key}
        return open_again.model_copy(update={"overruled": words | ({action.key: action.value} if action.value else {})})
    return state.model_copy(update={"accepted": True})


class ClickSession(_Frozen):
    """The reader's work on one scan; every change is a new value.

    Attributes
    ----------
    session : str
        Its name.
    study : str
        Fingerprint of the scan.
    actions : tuple of Action
    counted : int
        How many of the actions count; the others were undone.
    revision : int
        Grows with every change, undo and redo included: two windows on one session tell by it who is behind.
    """

    schema_version: Literal[1] = 1
    session: str
    study: str
    actions: tuple[Action, ...] = ()
    counted: int = 0
    revision: int = 0

    @property
    def state(self) -> State:
        """State after all actions that were not undone."""
        state = State()
        for action in self.actions[: self.counted]:
            state = after(state, action)
        return state

    @property
    def can_undo(self) -> bool:
        """Whether an action is left to undo."""
        return self.counted > 0

    @property
    def can_redo(self) -> bool:
        """Whether an undone action is left to redo."""
        return self.counted < len(self.actions)

    def done(self, action: Action) -> ClickSession:
        """Add an action; undone actions are forgotten.

        Raises
        ------
        UsageError
            When the action does not fit the state, or the session is full.
        """
        if self.counted >= MOST_ACTIONS:
            raise UsageError(f"This session holds {MOST_ACTIONS} actions.", "Export it and begin a new one.")
        after(self.state, action)
        actions = (*self.actions[: self.counted], action)
        return self._with(actions=actions, counted=len(actions))

    def undone(self) -> ClickSession:
        """Undo the last action.

        Raises
        ------
        UsageError
            When there is nothing to undo.
        """
        if not self.can_undo:
            raise UsageError("There is nothing to undo.", "Click on a lesion first.")
        return self._with(counted=self.counted - 1)

    def redone(self) -> ClickSession:
        """Redo the action that was undone last.

        Raises
        ------
        UsageError
            When nothing was undone.
        """
        if not self.can_redo:
            raise UsageError("There is nothing to redo.", "Redo follows undo.")
        return self._with(counted=self.counted + 1)

    def _with(self, **changes: object) -> ClickSession:
        return self.model_copy(update={**changes, "revision": self.revision + 1})
