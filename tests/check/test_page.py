"""An answer as a page gives it: what is shown is what `check` shows, and errors point at the reader's own line."""

import json
import threading
import time
from typing import Any

import pytest

from rnnbook.check import page, registry
from rnnbook.check.alarm import limited
from rnnbook.check.answer import judge
from rnnbook.check.page import answered

SIGMOID = "import numpy as np\n\n\ndef sigmoid(a):\n    return 1 / (1 + np.exp(-a))"


def say(code: str, id: str = "flow-4", world: str = "import numpy as np") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answered(id, code, world))
    return found


def test_the_box_is_the_one_of_check() -> None:
    exercise = registry.find("bptt-2")
    assert exercise is not None
    code = f"def {exercise.name}(h, o, y, m):\n    return h\n"
    space: dict[str, Any] = {}
    exec(code, space)
    found = say(code, "bptt-2")
    assert found == {
        "passed": False,
        "html": judge(exercise, space[exercise.name])._repr_html_(),
        "printed": "",
        "error": "",
        "line": None,
    }


@pytest.mark.parametrize(
    ("code", "line", "told"),
    [
        ("x = 1\ndef f(:\n    pass\n", 2, "SyntaxError"),
        ("x = 1\n\n1 / 0\n", 3, "ZeroDivisionError: division by zero"),
        ("def f():\n    return y\n\nf()", 2, "NameError: name 'y' is not defined"),
        ("import sys\nsys.exit(3)", 2, "SystemExit: 3"),
        ("class Odd(BaseException):\n    pass\nraise Odd('it')", 3, "Odd: it"),
        ("\t1\n 2", 1, "IndentationError"),
        ("x = '\x00'", None, "null bytes"),
    ],
)
def test_an_error_names_its_line_and_nothing_of_ours(code: str, line: int | None, told: str) -> None:
    found = say(code)
    assert not found["passed"]
    assert found["html"] == ""
    assert found["line"] == line
    assert told in found["error"]
    assert "page.py" not in found["error"]
    assert "ipython" not in found["error"]


def test_an_error_while_it_is_checked_names_its_line_too() -> None:
    exercise = registry.find("flow-4")
    assert exercise is not None
    found = say(f"\n\ndef {exercise.name}(W_h):\n    return q\n")
    assert found["line"] == 4
    assert "The line is <code>return q</code>" in found["html"]


def test_what_is_printed_is_shown_also_before_an_error() -> None:
    assert say("print('h_1', 3)\n1 / 0")["printed"] == "h_1 3\n"


@pytest.mark.parametrize("code", ["", "x = 1", "def other():\n    pass"])
def test_what_is_not_written_yet_speaks_of_no_cell(code: str) -> None:
    found = say(code)
    assert "is not written yet" in found["html"]
    assert "cell" not in found["html"]
    assert "单元格" not in found["html"]
    assert not found["passed"]


def test_a_text_runs_after_its_world_and_leaves_nothing_behind() -> None:
    assert say("print(sigmoid(0.0))", world=SIGMOID)["printed"] == "0.5\n"
    assert "sigmoid" in say("print(sigmoid(0.0))")["error"]


def test_a_text_that_never_ends_is_stopped_where_there_are_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    exercise = registry.find("flow-4")
    assert exercise is not None
    monkeypatch.setitem(registry._EXERCISES, "flow-4", page.Exercise(**{**vars(exercise), "seconds": 0.2}))
    began = time.monotonic()
    found = say("while True:\n    pass")
    assert "was stopped after 0.2 seconds" in found["html"]
    assert time.monotonic() - began < 10


def test_an_unknown_exercise_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no exercise 'flow-99'"):
        answered("flow-99", "", "")


def test_without_signals_and_threads_a_check_still_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a browser, where starting a thread fails: it waited for ever."""

    def refused(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.delattr("signal.setitimer")
    monkeypatch.setattr(threading.Thread, "start", refused)
    assert limited(lambda: 7, 1.0) == 7
    with pytest.raises(ZeroDivisionError) as caught:
        limited(lambda: 1 // 0, 1.0)
    assert caught.value.__context__ is None
    assert "is not written yet" in say("x = 1")["html"]
