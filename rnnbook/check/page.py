"""An exercise answered on its page: the reader's text is run, and checked, by Python in the browser.

What runs this (booktools/static/live/worker.js) ends it after the exercise's time.
"""

import json
import linecache
import traceback
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any

from rnnbook.check.alarm import TimeUp
from rnnbook.check.answer import judge
from rnnbook.check.guard import Printed, run
from rnnbook.check.registry import Exercise, find
from rnnbook.check.result import Result

WORLD = "<above>"


@dataclass(frozen=True)
class Answered:
    """What the page shows: the output and the error of the reader's text, and the box that `check` gives for it."""

    passed: bool
    html: str
    printed: str = ""
    error: str = ""
    line: int | None = None  # of the reader's text, where an error came from


def answered(id: str, code: str, world: str) -> str:
    """Run the reader's `code` after the `world`, what it may use of the chapter, and check it.

    An `Answered` as JSON. Raises ValueError for an exercise that there is not.
    """
    exercise = find(id)
    if exercise is None:
        raise ValueError(f"there is no exercise {id!r}")
    return json.dumps(asdict(_answered(exercise, code, world)), ensure_ascii=False)


def _answered(exercise: Exercise, code: str, world: str) -> Answered:
    file, printed = f"<ipython-input-{exercise.id}>", Printed()
    linecache.cache[file] = len(code), None, code.splitlines(keepends=True), file
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(world, WORLD, "exec"), space)
    try:
        run(lambda: exec(compile(code, file, "exec"), space), exercise.seconds, printed)
    except TimeUp:
        slow = Result(exercise.id, "too-slow", {"name": exercise.name, "seconds": exercise.seconds})
        return Answered(False, slow._repr_html_(), printed.text)
    except BaseException as error:  # whatever the reader's text raises, sys.exit() too
        place, told = _told(error, file)
        return Answered(False, "", printed.text, told, place)
    result = judge(exercise, space.get(exercise.name, ...))
    if result.code == "not-implemented":  # there are no cells here to run again
        result = Result(result.id, "not-written", result.fields, result.printed)
    line = result.fields.get("line")  # where it raised, if it did
    return Answered(bool(result), result._repr_html_(), printed.text, line=line if isinstance(line, int) else None)


def _told(error: BaseException, file: str) -> tuple[int | None, str]:
    """The last of the reader's lines that an exception passed through, and what Python says, without our own frames."""
    trace = _from(error.__traceback__, file)
    if isinstance(error, SyntaxError) and error.filename == file:
        line, text = error.lineno, traceback.format_exception_only(error)
    else:
        lines = [number for frame, number in traceback.walk_tb(trace) if frame.f_code.co_filename == file]
        line, text = lines[-1] if lines else None, traceback.format_exception(type(error), error, trace, chain=False)
    return line, "".join(text).replace(f'File "{file}", ', "").strip()


def _from(trace: TracebackType | None, file: str) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_code.co_filename != file:
        trace = trace.tb_next
    return trace
