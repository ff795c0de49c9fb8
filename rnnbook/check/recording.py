"""What an answer box on a static page needs of a checker: its comparisons, as data.

The checker runs once, with a Recorder for its Answer and an Unknown for the reader's value, and what it compares is
noted down. That is exact, because an Unknown can do nothing but be handed to `equals`: a checker that computes with it,
or asks it anything, raises NotRecordable, and the book does not build.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from rnnbook._languages import Pair, pick
from rnnbook.check.answer import Mistakes
from rnnbook.check.compare import wild
from rnnbook.check.messages import EXTRA, MESSAGES, fill
from rnnbook.check.registry import Exercise, find


class NotRecordable(TypeError):  # noqa: N818
    """A checker does more than compare."""


class Unknown:
    """The reader's value, or one entry of it, before there is one."""

    def __init__(self, entry: int) -> None:
        self.entry = entry

    def _refuse(self, *others: object) -> NoReturn:
        raise NotRecordable("the checker computes with the answer; let `equals` compare it, with `...` for any number")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __hash__ = _refuse
    __float__ = __int__ = __index__ = __complex__ = __abs__ = __neg__ = __array__ = __getitem__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __pow__ = _refuse
    __str__ = __repr__ = __format__ = _refuse


class Several(tuple[Unknown, ...]):
    """The reader's values; a checker may take them apart, or compare them as a whole."""


@dataclass(frozen=True)
class Comparison:
    """One `equals`, and whom it asks: an entry of the answer, or (None) all of it. None in a mistake: any number."""

    entry: int | None
    want: Any
    rtol: float
    atol: float
    exact: bool  # whole numbers and words are never "nearly right"
    mistakes: list[tuple[Any, Pair]]


@dataclass
class Recording:
    """One exercise that is answered on the page."""

    id: str
    names: tuple[str, ...]  # of the fields
    options: tuple[tuple[float | str, Pair], ...] = ()  # where there are a few answers only
    whole: bool = False
    comparisons: list[Comparison] = field(default_factory=list)

    def data(self, lang: str) -> dict[str, Any]:
        """All that the script reads, in one language."""
        count = len(self.comparisons)
        part = ("`{name}`", "`{name}` ")
        words = {
            "passed": fill(MESSAGES["passed-one" if count == 1 else "passed"], count=count),
            "wrong": fill(MESSAGES["wrong"], part=part, got="{got}", entry="", where="", extra="{extra}"),
            "none": MESSAGES["no-choice" if self.options else "no-number"],
            "whole": EXTRA["whole"],
            "digits": EXTRA["digits"],
            "large": EXTRA["too-large"],
            "small": EXTRA["too-small"],
        }
        tests = [
            {**vars(one), "mistakes": [(wrong, pick(text, lang)) for wrong, text in one.mistakes]}
            for one in self.comparisons
        ]
        said = {key: pick(text, lang) for key, text in words.items()}
        return {"names": self.names, "whole": self.whole, "tests": tests, "words": said}


class Recorder:
    """Stands in for an Answer. What it lacks (call, require, shape, …) needs a kernel."""

    def __init__(self, exercise: Exercise) -> None:
        self._texts = exercise.texts
        self.recording = Recording(exercise.id, (exercise.name,))

    def value(self, kind: str = "number") -> Unknown:
        if kind == "array":
            raise NotRecordable("`values` with a name for each number, not value(kind='array')")
        self.recording.whole = kind == "integer"
        return Unknown(0)

    def values(self, *names: str, among: Sequence[float] = ()) -> Several:
        self.recording.names = names
        self.recording.options = tuple((number, self._texts.options[f"{number:g}"]) for number in among)
        return Several(map(Unknown, range(len(names))))

    def choice(self, options: Sequence[str]) -> Unknown:
        self.recording.options = tuple((option, (option, option)) for option in options)
        return Unknown(0)

    def equals(
        self,
        got: Unknown | Several,
        want: Any,
        *,
        name: str = "",
        mistakes: Mistakes = (),
        rtol: float = 1e-6,
        atol: float = 1e-9,
    ) -> None:
        if not isinstance(got, Unknown | Several):
            raise NotRecordable("`equals` must be given the answer itself")
        entry = got.entry if isinstance(got, Unknown) else None
        shape = () if isinstance(got, Unknown) else (len(got),)
        if name and (entry is None or name != self.recording.names[entry]):
            raise NotRecordable(f"the entries have the names given to `values`, got {name!r}")
        if np.shape(want) != shape:
            raise NotRecordable(f"want must have the shape {shape}, got {np.shape(want)}")
        known = [(_plain(wrong() if callable(wrong) else wrong, shape), key) for wrong, *key in mistakes]
        told = [(wrong, self._texts.told(*key)) for wrong, key in known if wrong is not _NEVER]
        word = isinstance(want, str)
        if entry is None:
            # The diagnoses that check has for arrays (reversed, shifted, …) are not on the page.
            if not self.recording.options and not any(wrong is None for wrong, _ in told):
                raise NotRecordable("several numbers compared as a whole need a last mistake, (..., key)")
        elif not word and want != 0:  # what value_mistake finds in a single number
            told.append((-float(want), EXTRA["sign"]))
        exact = word or np.asarray(want).dtype.kind != "f"
        plain = want if word else np.asarray(want).tolist()
        self.recording.comparisons.append(Comparison(entry, plain, rtol, atol, exact, told))

    def __getattr__(self, name: str) -> NoReturn:
        raise NotRecordable(f"`{name}` cannot be had on a page")


_NEVER = object()


def _plain(wrong: Any, shape: tuple[int, ...]) -> Any:
    """A wrong result as JSON has it: None stands for anything. _NEVER for what no answer on a page can be."""
    if wrong is ...:
        return None
    if isinstance(wrong, str):
        return wrong
    if wild(wrong):
        return [None if one is ... else float(one) for one in wrong] if (len(wrong),) == shape else _NEVER
    array = np.asarray(wrong)
    return array.tolist() if array.shape == shape and np.isfinite(array).all() else _NEVER


def recording_of(id: str) -> Recording | None:
    """What is compared of an exercise whose answer is a value; None for a function. Raises NotRecordable."""
    exercise = find(id)
    if exercise is None or exercise.arguments is not None:
        return None
    recorder = Recorder(exercise)
    try:
        with np.errstate(all="ignore"):
            exercise.checker(recorder)
    except (NotRecordable, KeyError) as problem:
        raise NotRecordable(f"{id} cannot be answered on its page: {problem}") from problem
    return recorder.recording
