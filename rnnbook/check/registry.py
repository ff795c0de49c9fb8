"""The exercises of all chapters: rnnbook/check/exercises/NAME.py registers its own when it is first asked for."""

import difflib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from rnnbook.check import exercises
from rnnbook.check.messages import Text

if TYPE_CHECKING:
    from rnnbook.check.answer import Answer

    Checker = Callable[["Answer"], None]


@dataclass(frozen=True)
class Exercise:
    """One exercise: its checker is named as the function or variable that the reader writes."""

    id: str
    checker: "Checker"
    hints: tuple[Text, ...]
    arguments: tuple[str, ...] | None
    seconds: float

    @property
    def name(self) -> str:
        return self.checker.__name__


_EXERCISES: dict[str, Exercise] = {}


def exercise(
    id: str, *, hints: tuple[Text, ...], arguments: tuple[str, ...] | None = None, seconds: float = 10.0
) -> Callable[["Checker"], "Checker"]:
    """Register a checker, named as the reader's function or variable is.

        @exercise("bptt-2", arguments=("W", "x"), hints=(("Transpose.", "要转置。"), ("Try W.T.", "试试 W.T。")))
        def back(answer: Answer) -> None:
            for n, m in ((2, 3), (4, 1)):
                rng, given = np.random.default_rng(n), f"n={n}, m={m}"
                W, x = rng.standard_normal((n, m)), rng.standard_normal(n)
                answer.equals(answer.call(W, x, given=given), W.T @ x, given=given)

    arguments: names of the parameters of the reader's function, in order; None for a value.
    hints: from a nudge to nearly the answer, in both languages.
    seconds: for all calls of the reader's code together.
    """

    def register(checker: "Checker") -> "Checker":
        known = _EXERCISES.get(id)
        if known and known.checker.__module__ != checker.__module__:
            raise ValueError(f"exercise {id!r} is already registered by {known.checker.__module__}")
        _EXERCISES[id] = Exercise(id, checker, hints, arguments, seconds)
        return checker

    return register


def topics() -> tuple[str, ...]:
    """The chapters that have exercises."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(exercises.__path__)))


def _load(topic: str) -> None:
    if topic in topics():
        import_module(f"rnnbook.check.exercises.{topic}")


def find(id: str) -> Exercise | None:
    """The exercise of that name, or None."""
    _load(topic_of(id))
    return _EXERCISES.get(id)


def topic_of(id: str) -> str:
    """`forward` of `forward-1`."""
    return id.rpartition("-")[0]


def exercise_ids(topic: str | None = None) -> tuple[str, ...]:
    """The names of the exercises of one topic, or of all."""
    for name in topics() if topic is None else (topic,):
        _load(name)
    return tuple(id for id in _EXERCISES if topic is None or topic_of(id) == topic)


def nearest(id: str) -> str | None:
    """The known name most like this one."""
    return next(iter(difflib.get_close_matches(id, exercise_ids(), n=1, cutoff=0.0)), None)


def hints_of(id: str) -> tuple[Text, ...]:
    """The hints of an exercise, in both languages. Raises ValueError for an unknown name."""
    found = find(id)
    if found is None:
        raise ValueError(f"no exercise {id!r}; the nearest name is {nearest(id)!r}")
    return found.hints
