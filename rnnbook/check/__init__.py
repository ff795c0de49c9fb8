"""The exercises' other half: `check` says precisely what is wrong, `hint` helps, `progress` remembers.

Each chapter's exercises stand in `exercises/`: NAME.py has the mathematics of
its checkers, NAME.toml their texts; both are loaded when they are first asked
for. Only numpy is needed; tensors are accepted.
"""

import os

from rnnbook._languages import LANGUAGES, Pair, pick
from rnnbook.check import record
from rnnbook.check.answer import Answer, Mistakes, judge
from rnnbook.check.messages import EXTRA, fill
from rnnbook.check.registry import exercise, exercise_ids, find, hints_of, nearest, texts_of, topics
from rnnbook.check.result import Note, Progress, Result
from rnnbook.check.values import Array

__all__ = [
    "LANGUAGES",
    "Answer",
    "Array",
    "Mistakes",
    "Pair",
    "check",
    "exercise",
    "exercise_ids",
    "hint",
    "hints_of",
    "pick",
    "progress",
    "texts_of",
    "topics",
]

_hints_shown: dict[str, int] = {}


def check(id: str, answer: object = ...) -> Result:
    """Check an answer; the result shows itself.

    Never raises in a notebook. With RNNBOOK_STRICT set, as in the book's own
    build and tests, a failed check raises AssertionError.
    """
    found = find(id) if isinstance(id, str) else None
    result = judge(found, answer) if found else _unknown(id, answer)
    if _strict():
        if not result:
            raise AssertionError(result.text("en"))
    elif result:
        record.remember(id)
    return result


def hint(id: str) -> Note | Result:
    """The next hint of an exercise; after the last one, the last again."""
    texts = texts_of(id) if isinstance(id, str) else None
    if texts is None:
        return _unknown(id, None)
    hints = texts.hints
    number = _hints_shown[id] = min(_hints_shown.get(id, 0) + 1, len(hints))
    return Note(id, fill(EXTRA["hint"], number=number, count=len(hints), hint=hints[number - 1]))


def progress() -> Progress:
    """Which exercises have been solved on this computer. Nothing is sent anywhere."""
    ids = {topic: exercise_ids(topic) for topic in topics()}
    return Progress(ids, frozenset() if _strict() else record.solved())


def _strict() -> bool:
    return os.environ.get("RNNBOOK_STRICT", "0") not in ("", "0")


def _unknown(id: object, answer: object) -> Result:
    if isinstance(id, str):
        return Result(id, "unknown", {"extra": fill(EXTRA["nearest"], nearest=nearest(id) or "–")})
    named = answer if isinstance(answer, str) else next(iter(exercise_ids()), "forward-1")
    return Result("check", "order", {"nearest": named})
