"""A reader's work on one scan as one frozen value: lesions with their steps, overruled lines, undo and redo.

A session is a list of what the reader did and how much of it counts: undo lowers that number, redo raises it, and
anything new forgets what was undone. Everything else (masks, attributes, report) follows from it.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from hyoid.anatomy.staging import Edition, Site
from hyoid.errors import UsageError
from hyoid.systems.lesion.pipeline import Prompt
from hyoid.systems.lesion.strokes import LARGEST_RADIUS_MM, SMALLEST_RADIUS_MM, Stroke

Target = Literal["GTVp", "GTVn"]
VoxelIndex = tuple[int, int, int]
MOST_ACTIONS = 5000
MOST_POINTS = 4000
_LONGEST_WORDS = 2000


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Action(_Frozen):
    """What is written beside every action: who did it (empty: nobody said) and when, UTC, ISO 8601."""

    who: str = Field(default="", max_length=200)
    when: str = Field(default="", max_length=40)


class AddLesion(_Action):
    """A new lesion, which then is the one that clicks belong to."""

    do: Literal["lesion"] = "lesion"
    target: Target


class AddPrompt(_Action):
    """A click, a scribble or a box on one lesion, which the network answers."""

    do: Literal["prompt"] = "prompt"
    lesion: int
    kind: Literal["add", "remove", "box"]
    point_ijk: VoxelIndex
    to_ijk: VoxelIndex | None = None
    more_ijk: tuple[VoxelIndex, ...] = Field(default=(), max_length=64)

    @property
    def prompt(self) -> Prompt:
        """Prompt as the pipeline takes it."""
        return Prompt(self.kind, self.point_ijk, self.to_ijk, self.more_ijk)


class _Drawing(_Action):
    kind: Literal["paint", "erase", "enclose", "cut"]
    axis: Literal[0, 1, 2]
    points_ijk: tuple[VoxelIndex, ...] = Field(min_length=1, max_length=MOST_POINTS)
    radius_mm: float = Field(default=2.0, ge=SMALLEST_RADIUS_MM, le=LARGEST_RADIUS_MM)
    ball: bool = False

    @property
    def stroke(self) -> Stroke:
        """Stroke as it is drawn."""
        return Stroke(self.kind, self.axis, self.points_ijk, self.radius_mm, self.ball)


class AddStroke(_Drawing):
    """Brush, eraser or lasso on one lesion; no network takes part."""

    do: Literal["stroke"] = "stroke"
    lesion: int


class FillBetween(_Action):
    """Fill the empty slices between the outlined ones of a lesion."""

    do: Literal["fill"] = "fill"
    lesion: int
    axis: Literal[0, 1, 2] = 0


class Retarget(_Action):
    """Turn a primary into a node, or a node into a primary."""

    do: Literal["retarget"] = "retarget"
    lesion: int
    target: Target


class MergeLesions(_Action):
    """Join another lesion to one; the other one leaves the list."""

    do: Literal["merge"] = "merge"
    lesion: int
    other: int


class SplitLesion(_Action):
    """Make a lesion of every piece that does not touch the others.

    Attributes
    ----------
    lesion : int
        Number of the lesion, which keeps its largest piece.
    pieces : int
        Number of pieces; counted by the workspace when the reader asks.
    """

    do: Literal["split"] = "split"
    lesion: int
    pieces: int = Field(default=0, ge=0, le=200)


class RemoveLesion(_Action):
    """Remove a lesion from the list."""

    do: Literal["drop"] = "drop"
    lesion: int


class Overrule(_Action):
    """A reader's own words for a line of the report; empty words take the overruling back."""

    do: Literal["overrule"] = "overrule"
    key: str = Field(min_length=1, max_length=200)
    value: str = Field(max_length=500)


class Stage(_Action):
    """Ask for staging by the tables of a primary site; no site takes the question back."""

    do: Literal["stage"] = "stage"
    site: Site | None = None
    editions: tuple[Edition, ...] = ()
    depth_mm: float | None = Field(default=None, gt=0, le=200)
    all_nodes: bool = False


class Accept(_Action):
    """The reader stands by the report as it is; any later change takes this back."""

    do: Literal["accept"] = "accept"


class SignOff(_Action):
    """Sign the report as it is: this version is frozen, and from here on only addenda follow."""

    do: Literal["sign"] = "sign"


class AddAddendum(_Action):
    """Add a paragraph to a signed report."""

    do: Literal["addendum"] = "addendum"
    words: str = Field(min_length=1, max_length=_LONGEST_WORDS)


class Reopen(_Action):
    """Open a signed report again for a new version; the signed one is kept."""

    do: Literal["reopen"] = "reopen"


class DrawOrgan(_Drawing):
    """Brush, eraser or lasso on one organ of the draft; report lines that rest on the organ follow.

    Attributes
    ----------
    label : int
        Label of the organ in `hyoid.anatomy.structures`.
    """

    do: Literal["organ"] = "organ"
    label: int = Field(ge=1, le=255)


class CopyEarlier(_Action):
    """Copy a lesion of the earlier scan, as a registration carried it onto the present one.

    Attributes
    ----------
    target : {"GTVp", "GTVn"}
        What the copy is outlined as.
    part : int
        Number of the lesion among the earlier ones, from 0.
    source : str
        Where the earlier lesions are kept; named by the workspace when the reader asks.
    """

    do: Literal["copy"] = "copy"
    target: Target
    part: int = Field(ge=0, le=1000)
    source: str = Field(default="", max_length=64)


class DraftLesion(_Frozen):
    """One lesion of a draft: what it was outlined as, and its number there."""

    target: Target
    part: int


class TakeDraft(_Action):
    """Lesions that a pipeline outlined; each becomes one of the session, to be corrected like any other."""

    do: Literal["draft"] = "draft"
    draft: str = Field(pattern=r"^[0-9a-f]{64}$")
    lesions: tuple[DraftLesion, ...] = ()


ReaderAction = Annotated[
    AddLesion
    | AddPrompt
    | AddStroke
    | FillBetween
    | Retarget
    | MergeLesions
    | SplitLesion
    | RemoveLesion
    | CopyEarlier
    | DrawOrgan
    | Overrule
    | Stage
    | Accept
    | SignOff
    | AddAddendum
    | Reopen,
    Field(discriminator="do"),
]
"""What a reader may ask for."""
Action = Annotated[ReaderAction | TakeDraft, Field(discriminator="do")]
"""What a session may hold: a draft comes from the workspace itself."""
ACTION: TypeAdapter[ReaderAction] = TypeAdapter(ReaderAction)


class DraftPart(_Frozen):
    """First step of a lesion that a draft brought: the mask of that number."""

    do: Literal["part"] = "part"
    draft: str
    part: int


class EarlierPart(_Frozen):
    """First step of a lesion that was copied from the earlier scan: the carried outline of that number."""

    do: Literal["earlier"] = "earlier"
    source: str
    part: int


class Joined(_Frozen):
    """The outline of another lesion was joined to this one."""

    do: Literal["joined"] = "joined"
    steps: tuple[Step, ...]


class Piece(_Frozen):
    """Of all pieces, largest first, only this one is kept; counted from 0."""

    do: Literal["piece"] = "piece"
    number: int


Step = AddPrompt | AddStroke | FillBetween | DraftPart | EarlierPart | Joined | Piece
"""What makes or changes the outline of one lesion."""
Joined.model_rebuild()


class LesionState(_Frozen):
    """One lesion and the steps by which its outline came about."""

    number: int
    target: Target
    steps: tuple[Step, ...] = ()

    @property
    def prompts(self) -> tuple[AddPrompt, ...]:
        """Clicks, scribbles and boxes among the steps."""
        return tuple(step for step in self.steps if isinstance(step, AddPrompt))

    @property
    def made_by(
        self,
    ) -> Literal["nobody", "draft", "draft, edited", "earlier", "earlier, edited", "network", "hand"]:
        """Who made the outline: a draft or the earlier scan, as it came or changed, the network of clicks, a hand."""
        flat = tuple(_flat(self.steps))
        if not flat:
            return "nobody"
        if any(isinstance(step, DraftPart) for step in flat):
            untouched = all(isinstance(step, DraftPart) for step in flat)
            return "draft" if untouched else "draft, edited"
        if any(isinstance(step, EarlierPart) for step in flat):
            return "earlier" if all(isinstance(step, EarlierPart) for step in flat) else "earlier, edited"
        return "network" if any(isinstance(step, AddPrompt) for step in flat) else "hand"


class State(_Frozen):
    """Lesions, overruled lines and acceptance after all actions that were not undone.

    Attributes
    ----------
    lesions : tuple of LesionState
        In the order in which they were begun; numbers are never used twice.
    overruled : dict of str to str
        Key of a line -> the reader's words.
    staging : Stage or None
        What the reader asked about staging.
    accepted : bool
        Whether a reader stands by the report as it is.
    signed : SignOff or None
        Signature under the present version; None while it is open.
    version : int
        Number of the version that is signed, or was signed last; 0 before the first.
    addenda : tuple of AddAddendum
        Paragraphs added to the signed version.
    drafts : tuple of str
        Drafts that were taken.
    organs : tuple of DrawOrgan
        Strokes on organs, in order.
    begun : int
        Lesions ever begun.
    """

    lesions: tuple[LesionState, ...] = ()
    overruled: dict[str, str] = {}
    staging: Stage | None = None
    accepted: bool = False
    signed: SignOff | None = None
    version: int = 0
    addenda: tuple[AddAddendum, ...] = ()
    drafts: tuple[str, ...] = ()
    organs: tuple[DrawOrgan, ...] = ()
    begun: int = 0

    def lesion(self, number: int) -> LesionState:
        """Find the lesion of a number.

        Raises
        ------
        UsageError
            When the lesion does not exist.
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
        When the action names a lesion that does not exist, or the report is signed and the action is no addendum.

    Examples
    --------
    >>> state = after(State(), AddLesion(target="GTVp"))
    >>> state = after(state, AddPrompt(lesion=1, kind="add", point_ijk=(1, 2, 3)))
    >>> [len(lesion.prompts) for lesion in state.lesions], state.begun
    ([1], 1)
    """
    if isinstance(action, SignOff | AddAddendum | Reopen):
        return _signature(state, action)
    if state.signed is not None:
        raise UsageError("This report is signed.", "Add an addendum, or reopen the report for a new version.")
    if isinstance(action, Accept):
        return state.model_copy(update={"accepted": True})
    open_again = state.model_copy(update={"accepted": False})
    if isinstance(action, Stage | Overrule | DrawOrgan):
        return open_again.model_copy(update=_beside_lesions(state, action))
    if isinstance(action, TakeDraft):
        if action.draft in state.drafts:
            raise UsageError("This draft was taken before.", "Undo to the state without it first.")
        steps: list[tuple[Target, tuple[Step, ...]]] = [
            (row.target, (DraftPart(draft=action.draft, part=row.part),)) for row in action.lesions
        ]
        return _begun(open_again.model_copy(update={"drafts": (*state.drafts, action.draft)}), steps)
    if isinstance(action, AddLesion | CopyEarlier):
        copied = (EarlierPart(source=action.source, part=action.part),) if isinstance(action, CopyEarlier) else ()
        return _begun(open_again, [(action.target, copied)])
    return _with_lesions(open_again, action)


def _with_lesions(
    state: State, action: AddPrompt | AddStroke | FillBetween | Retarget | MergeLesions | SplitLesion | RemoveLesion
) -> State:
    """The state after an action on one lesion that is there."""
    old = state.lesion(action.lesion)
    if isinstance(action, RemoveLesion):
        return _replaced(state, old, None)
    if isinstance(action, Retarget):
        if action.target == old.target:
            raise UsageError(f"Lesion {old.number} is a {old.target} already.", "Choose the other one.")
        return _replaced(state, old, old.model_copy(update={"target": action.target}))
    if isinstance(action, MergeLesions):
        if action.other == action.lesion:
            raise UsageError("A lesion cannot be joined to itself.", "Choose another lesion.")
        other = state.lesion(action.other)
        if not old.steps or not other.steps:
            raise UsageError("One of the two has no outline yet.", "Outline it, or drop it.")
        new = old.model_copy(update={"steps": (*old.steps, Joined(steps=other.steps))})
        return _replaced(_replaced(state, other, None), old, new)
    if isinstance(action, SplitLesion):
        if action.pieces < 2:
            raise UsageError(f"Lesion {old.number} is of one piece.", "Erase what joins the pieces first.")
        first = old.model_copy(update={"steps": (*old.steps, Piece(number=0))})
        rest = [(old.target, (*old.steps, Piece(number=n))) for n in range(1, action.pieces)]
        return _begun(_replaced(state, old, first), rest)
    return _replaced(state, old, old.model_copy(update={"steps": (*old.steps, action)}))


def _beside_lesions(state: State, action: Stage | Overrule | DrawOrgan) -> dict[str, object]:
    """What changes when a reader asks for staging, overrules a line or draws on an organ."""
    if isinstance(action, DrawOrgan):
        return {"organs": (*state.organs, action)}
    if isinstance(action, Stage):
        return {"staging": action if action.site is not None else None}
    kept = {key: value for key, value in state.overruled.items() if key != action.key}
    return {"overruled": kept | ({action.key: action.value} if action.value else {})}


def _signature(state: State, action: SignOff | AddAddendum | Reopen) -> State:
    if isinstance(action, SignOff):
        if state.signed is not None:
            raise UsageError("This report is signed already.", "Add an addendum, or reopen the report.")
        return state.model_copy(update={"accepted": True, "signed": action, "version": state.version + 1})
    if state.signed is None:
        raise UsageError("This report is not signed.", "Sign it first; until then change the report itself.")
    if isinstance(action, AddAddendum):
        return state.model_copy(update={"addenda": (*state.addenda, action)})
    return state.model_copy(update={"accepted": False, "signed": None, "addenda": ()})


def _begun(state: State, rows: list[tuple[Target, tuple[Step, ...]]]) -> State:
    """Lesions with numbers of their own behind those that are there."""
    new = [LesionState(number=state.begun + n, target=target, steps=steps) for n, (target, steps) in enumerate(rows, 1)]
    return state.model_copy(update={"lesions": (*state.lesions, *new), "begun": state.begun + len(new)})


def _replaced(state: State, old: LesionState, new: LesionState | None) -> State:
    kept = [new if lesion is old else lesion for lesion in state.lesions]
    return state.model_copy(update={"lesions": tuple(lesion for lesion in kept if lesion is not None)})


def _flat(steps: tuple[Step, ...]) -> list[Step]:
    """Steps, with those of joined lesions in their place; choosing a piece changes no border."""
    rows: list[Step] = []
    for step in steps:
        rows += _flat(step.steps) if isinstance(step, Joined) else [] if isinstance(step, Piece) else [step]
    return rows


class ClickSession(_Frozen):
    """The reader's work on one scan; every change is a new value.

    Attributes
    ----------
    session : str
        Its name.
    study : str
        Fingerprint of the scan.
    owner : str
        Reader who began the session; empty where readers have no names.
    prior : str
        Name of the session on an earlier scan of the patient with which this one is compared; empty: none.
    actions : tuple of Action
        Everything that was done, in order.
    counted : int
        How many of the actions count; the others were undone.
    revision : int
        Grows with every change, undo and redo included: two windows on one session tell by it who is behind.
    """

    schema_version: Literal[1] = 1
    session: str
    study: str
    owner: str = ""
    prior: str = ""
    actions: tuple[Action, ...] = ()
    counted: int = 0
    revision: int = 0

    @cached_property
    def state(self) -> State:
        """State after all actions that were not undone."""
        state = State()
        for action in self.actions[: self.counted]:
            state = after(state, action)
        return state

    @property
    def can_undo(self) -> bool:
        """Whether an action is left to undo; what was signed is not undone."""
        return self.counted > 0 and not isinstance(self.actions[self.counted - 1], SignOff | AddAddendum | Reopen)

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
            signed = self.counted > 0
            raise UsageError(
                "What was signed is not undone." if signed else "There is nothing to undo.",
                "Reopen the report for a new version." if signed else "Click on a lesion first.",
            )
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

    def as_signed(self) -> ClickSession:
        """Return the session as it was when a version was signed last.

        Raises
        ------
        UsageError
            When no version was signed.
        """
        signatures = [n for n, action in enumerate(self.actions[: self.counted]) if isinstance(action, SignOff)]
        if not signatures:
            raise UsageError("The session was not signed.", "Sign it first.")
        return self._with(counted=signatures[-1] + 1)

    def compared(self, prior: str) -> ClickSession:
        """Compare with the session on an earlier scan; an empty name compares with nothing."""
        return self._with(prior=prior)

    def _with(self, **changes: object) -> ClickSession:
        changed = self.model_copy(update={**changes, "revision": self.revision + 1})
        changed.__dict__.pop("state", None)  # a copy takes along what was computed of the value before
        return changed
