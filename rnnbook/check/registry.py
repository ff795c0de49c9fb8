"""The exercises of all chapters: exercises/NAME.py registers its own when it is first asked for."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from rnnbook._languages import Pair
from rnnbook.check.texts import Texts, read

Checker = Callable[..., None]  # of an Answer
EXERCISES = Path(__file__).with_name("exercises")


@dataclass(frozen=True)
class Exercise:
    """One exercise: its checker is named as the function or variable that the reader writes."""

    id: str
    checker: Checker
    texts: Texts
    arguments: tuple[str, ...] | None = None
    seconds: float = 10.0

    @property
    def name(self) -> str:
        return self.checker.__name__


_EXERCISES: dict[str, Exercise] = {}


def exercise(
    id: str, *, arguments: tuple[str, ...] | None = None, seconds: float = 10.0
) -> Callable[[Checker], Checker]:
    """Register a checker, named as the reader's function or variable is.

        @exercise("bptt-2", arguments=("W", "x"))
        def back(answer: Answer) -> None:
            for n, m in ((2, 3), (4, 1)):
                rng, given = np.random.default_rng(n), f"n={n}, m={m}"
                W, x = rng.standard_normal((n, m)), rng.standard_normal(n)
                mistakes = [(W @ W.T @ x, "squared")]
                answer.equals(answer.call(W, x, given=given), W.T @ x, given=given, mistakes=mistakes)

    Its texts stand under [bptt-2] in bptt.toml: the kind, the hints, and [bptt-2.mistakes.squared].

    arguments: names of the parameters of the reader's function, in order; None for a value.
    seconds: for all calls of the reader's code together.
    """

    def register(checker: Checker) -> Checker:
        known = _EXERCISES.get(id)
        if known and known.checker.__module__ != checker.__module__:
            raise ValueError(f"exercise {id!r} is already registered by {known.checker.__module__}")
        texts = texts_of(id)
        if texts is None:
            raise ValueError(f"{_file(topic_of(id))} must have a table [{id}]")
        _EXERCISES[id] = Exercise(id, checker, texts, arguments, seconds)
        return checker

    return register


def topics() -> tuple[str, ...]:
    """The chapters that have exercises."""
    return tuple(sorted(path.stem for path in EXERCISES.glob("*.toml")))


def topic_of(id: str) -> str:
    """`forward` of `forward-1`."""
    return id.rpartition("-")[0]


def texts_of(id: str) -> Texts | None:
    """What an exercise says, also one without a check; None for an unknown name."""
    topic = topic_of(id)
    if id in _EXERCISES:
        return _EXERCISES[id].texts
    return read(_file(topic)).get(id) if topic in topics() else None


def _file(topic: str) -> Path:
    return EXERCISES / f"{topic}.toml"


def _load(topic: str) -> None:
    if topic in topics():
        import_module(f"rnnbook.check.exercises.{topic}")


def find(id: str) -> Exercise | None:
    """The exercise of that name, or None."""
    _load(topic_of(id))
    return _EXERCISES.get(id)


def exercise_ids(topic: str | None = None) -> tuple[str, ...]:
    """The names of the exercises of one topic, or of all, that have a check."""
    for name in topics() if topic is None else (topic,):
        _load(name)
    return tuple(id for id in _EXERCISES if topic is None or topic_of(id) == topic)


def nearest(id: str) -> str | None:
    """The known name most like this one."""
    return next(iter(difflib.get_close_matches(id, exercise_ids(), n=1, cutoff=0.0)), None)


def hints_of(id: str) -> tuple[Pair, ...]:
    """The hints of an exercise, in both languages. Raises ValueError for an unknown name."""
    texts = texts_of(id)
    if texts is None:
        raise ValueError(f"no exercise {id!r}; the nearest name is {nearest(id)!r}")
    return texts.hints
