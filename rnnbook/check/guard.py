"""What surrounds the reader's code while it runs, and what can be told about it safely afterwards."""

import contextlib
import io
import linecache
import warnings
from collections.abc import Callable
from typing import TypeVar

from rnnbook.check.alarm import limited

T = TypeVar("T")

MOST_PRINTED = 1000
MOST_QUOTED = 300


class Printed(io.TextIOBase):
    """Keeps the beginning of what the reader's code prints."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        room = MOST_PRINTED - len(self.text)
        if room > 0:
            self.text += text[:room] + ("…" if len(text) > room else "")
        return len(text)


def run(work: Callable[[], T], seconds: float, printed: Printed) -> T:
    """work(), within a time limit, its warnings silenced and its output kept apart."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        warnings.simplefilter("ignore")
        return limited(work, seconds)


def is_a(value: object, *types: type) -> bool:
    """isinstance without asking the value, whose `__class__` may lie or raise."""
    return issubclass(type(value), types)


def type_name(value: object) -> str:
    """The name of a value's class as code, whatever its metaclass says."""
    name: str = type.__dict__["__name__"].__get__(type(value))
    return f"`{name[:60]}`"


def describe(error: BaseException) -> str:
    """An exception's type and message, shortened; the type alone if its message cannot be had."""
    try:
        text = limited(lambda: str(error), 1.0).strip().rstrip(".")
    except BaseException:  # whatever a reader's __str__ raises
        text = ""
    if not text:
        return type_name(error)
    return f"{type_name(error)}: {text[:MOST_QUOTED]}{'…' if len(text) > MOST_QUOTED else ''}"


def line_of(error: BaseException) -> tuple[int | None, str]:
    """The innermost line of the reader's cell that an exception passed through, its number first; or (None, "")."""
    found: tuple[int | None, str] = (None, "")
    trace = error.__traceback__
    while trace is not None:
        path = trace.tb_frame.f_code.co_filename
        if "ipykernel" in path or path.startswith("<ipython-input"):
            found = trace.tb_lineno, linecache.getline(path, trace.tb_lineno).strip()[:120]
        trace = trace.tb_next
    return found
