"""Checks answer every answer with a message in both languages, and never with an exception."""

import html.parser
import io
import json
import linecache
import re
import string
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import sympy

from rnnbook.check import Answer, Array, Pair, check, exercise, exercise_ids, hint, hints_of, progress, record, registry
from rnnbook.check.alarm import TimeUp, limited
from rnnbook.check.answer import judge
from rnnbook.check.compare import central_differences, value_mistake
from rnnbook.check.messages import EXTRA, MESSAGES
from rnnbook.check.registry import Checker, Exercise
from rnnbook.check.result import Note, Result
from rnnbook.check.texts import Texts
from rnnbook.check.values import as_array

HINTS: tuple[Pair, ...] = (("One.", "一。"), ("Two.", "二。"))
MISTAKES: dict[str, Pair] = {
    "no-1": ("You forgot 1.", "漏了 1。"),
    "half": ("Half.", "一半。"),
    "neither": ("Look at the eigenvalues.", "请看特征值。"),
    "never": ("Never.", "从不。"),
    "square": ("Its square must be less than 2.", "平方应小于 2。"),
}
X, A = np.array([[0.5, -1.2, 2.0], [0.3, 0.7, -0.4]]), 0.9


def doubled(answer: Answer) -> None:
    """The reader writes doubled(x, a) = a x + 1, shape (2, 3)."""
    for a in (A, 0.5):
        forgot = (a * X, "no-1")
        answer.equals(answer.call(X, a, given=f"a={a}"), a * X + 1, given=f"a={a}", mistakes=[forgot])


def floor(answer: Answer) -> None:
    half = (0.12345, "half")
    answer.equals(answer.value(), 0.2469, rtol=1e-3, mistakes=[half])


def units(answer: Answer) -> None:
    answer.equals(answer.value("integer"), 7)


def fate(answer: Answer) -> None:
    neither = ("neither", "neither")
    answer.equals(answer.choice(("vanish", "explode", "neither")), "vanish", mistakes=[neither])


def weights(answer: Answer) -> None:
    answer.equals(answer.value("array"), np.array([[1.0, 2.0], [3.0, 4.0]]))


def halves(answer: Answer) -> None:
    low, high = answer.call(X, given="T=2", returns=("low", "high"))
    answer.equals(low, X / 2, given="T=2", name="low")
    answer.equals(high, 2 * X, given="T=2", name="high")


def slope(answer: Answer) -> None:
    W = np.array([[0.3, -0.2], [0.5, 0.1]])
    answer.gradient(answer.call(W, given="n=2"), lambda M: float(np.sum(np.sin(M @ M))), W, given="n=2")


def verdict(answer: Answer) -> None:
    word = answer.choose(1.5, options=("vanish", "explode"), given="w=1.5")
    answer.equals(word, "explode", given="w=1.5")


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    exercise_ids()  # loads every topic, so that none registers itself with the copy
    monkeypatch.setattr(registry, "_EXERCISES", dict(registry._EXERCISES))
    for name in ("RNNBOOK_STRICT", "RNNBOOK_LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(record, "_folder", lambda: tmp_path / "state")
    toy("toy-1", doubled, "x", "a", seconds=0.5)
    for id, value in (("toy-2", floor), ("toy-3", units), ("toy-4", fate), ("toy-5", weights)):
        toy(id, value)
    for id, function, argument in (("toy-6", halves, "x"), ("toy-7", slope, "W"), ("toy-8", verdict, "w")):
        toy(id, function, argument)


def toy(id: str, checker: Checker, *arguments: str, seconds: float = 10.0) -> Exercise:
    made = Exercise(id, checker, Texts("build", HINTS, MISTAKES), arguments or None, seconds)
    registry._EXERCISES[id] = made
    return made


def right(x: Array, a: float) -> Array:
    return a * x + 1


class Explosive:
    """Every way of looking at it raises."""

    def _boom(self, *_: object) -> NoReturn:
        raise RuntimeError("boom")

    __repr__ = __str__ = __array__ = __len__ = __iter__ = __float__ = __bool__ = __getattr__ = _boom
    __eq__ = __ne__ = __add__ = __hash__ = _boom
    __class__ = property(_boom)


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("boom")


def returning(value: Any) -> Callable[..., Any]:
    return lambda x, a: value


def raising(error: BaseException) -> Callable[..., Any]:
    def answer(x: Array, a: float) -> NoReturn:
        raise error

    return answer


def changes_x(x: Array, a: float) -> Array:
    x *= a
    return x + 1


def integers(x: Array, a: float) -> Array:
    result = np.zeros_like(x, dtype=int)
    result[:] = a * x + 1
    return result


def no_return(x: Array, a: float) -> None:
    a * x + 1


def generator(x: Array, a: float) -> Iterator[Array]:
    yield a * x + 1


NESTED: list[Any] = []
NESTED.append(NESTED)
SILENCED = """def f({arguments}):
    while True:
        try:
            {body}
        except{kind}:
            pass
"""

FUNCTIONS: list[tuple[Any, str, str]] = [
    (right, "passed", "all 2"),
    (lambda x, a: (a * x + 1).tolist(), "passed", ""),
    (lambda x, a: [list(row) for row in a * x + 1], "passed", ""),
    (lambda x, a: (a * x + 1).astype("float32"), "passed", ""),
    (lambda *everything: right(*everything), "passed", ""),
    (..., "not-implemented", "doubled"),
    (raising(NotImplementedError()), "not-implemented", "NotImplementedError"),
    (returning(...), "not-implemented", ""),
    (raising(NotImplementedError("no kernel for this type")), "raised", "no kernel"),
    (None, "not-a-function", "NoneType"),
    (right(X, A), "not-a-function", "ndarray"),
    ("doubled", "not-a-function", "str"),
    (no_return, "nothing", "return"),
    (lambda x: x, "signature", "`x`, `a`"),
    (lambda a, x: a * x + 1, "signature", "in this order"),
    (lambda x, a, b: x, "signature", ""),
    (lambda: 1, "signature", "()"),
    (raising(ValueError("wrong <shape>")), "raised", "wrong <shape>"),
    (raising(UnspeakableError()), "raised", "UnspeakableError"),
    (raising(ValueError("long " * 9999)), "raised", "…"),
    (lambda x, a: sys.exit(), "raised", "SystemExit"),
    (lambda x, a: (x, x.reshape(7)), "raised", "reshape"),
    (lambda x, a: right(x, a)[0], "shape", "(3,), expected (2, 3)"),
    (lambda x, a: right(x, a).T, "shape", "swapped"),
    (lambda x, a: right(x, a)[None], "shape", "too many"),
    (returning(1.0), "shape", "()"),
    (lambda x, a: right(x, a) + 0j, "dtype", "complex128"),
    (lambda x, a: right(x, a).astype(object), "dtype", "object"),
    (lambda x, a: right(x, a) > 0, "dtype", "bool"),
    (integers, "dtype", "cuts off"),
    (returning("word"), "type", "`str`"),
    (returning({"x": 1}), "type", "dict"),
    (generator, "type", "generator"),
    (returning([[1.0], [1.0, 2.0]]), "ragged", "lengths"),
    (returning([1.0, None]), "ragged", ""),
    (returning(NESTED), "ragged", ""),
    (lambda x, a: a * x / (x - x), "not-finite", "[0, 0]"),
    (lambda x, a: np.where(x > 1, np.nan, right(x, a)), "not-finite", "nan at entry [0, 2]"),
    (changes_x, "mutated", "`x`"),
    (lambda x, a: a * x, "value", "You forgot 1."),
    (lambda x, a: -right(x, a), "value", "sign"),
    (lambda x, a: 3 * right(x, a), "value", "3 times"),
    (lambda x, a: right(x, a)[::-1], "value", "reversed"),
    (lambda x, a: right(x, a) + 0.5, "value", "off by 0.5"),
    (lambda x, a: 0 * x, "value", "zero"),
    (lambda x, a: right(x, a) + (x == 2) * 1e-4, "value", "is 2.8001 at entry [0, 2], expected 2.8 for a=0.9"),
    (lambda x, a: right(x, a) * (a == A), "value", "a=0.5"),
    (returning(np.broadcast_to(0.0, (10**5, 10**5))), "too-large", "(100000, 100000)"),
    (returning(np.zeros((4000, 4000))), "too-large", ""),
    (returning(range(10**15)), "too-large", "(1000000000000000,)"),
    (returning([range(3 * 10**7)]), "too-large", ""),
    (returning([[[0.0] * 9 * 10**6]]), "too-large", ""),
    (lambda *, x, a: right(x, a), "passed", ""),
    (lambda x, *, a: right(x, a), "passed", ""),
    (lambda a, *, x: right(x, a), "passed", ""),
    (lambda *, y, a: right(y, a), "signature", "`y`, `a`"),
    (lambda *, x, a, b: x, "signature", "`x`, `a`, `b`"),
    (lambda x, a: right(np.float32(x), np.float32(a)).tolist(), "passed", ""),
    (lambda x, a: right(np.float32(x), np.float32(a)).astype(float), "passed", ""),
    (lambda x, a: [[Fraction(v) for v in row] for row in right(x, a)], "passed", ""),
    (lambda x, a: right(x, a).astype("float16"), "passed", ""),
    (lambda x, a: ((1 + 0.015 * np.sin(9 * x)) * right(x, a)).astype("float16"), "value", "lower precision"),
    (lambda x, a: (right(x, a) * 1.003).astype("float32").astype(float), "value", ""),
    (lambda x, a: (1 + 5e-5 * np.sin(9 * x)) * right(x, a), "value", "lower precision"),
    (lambda x, a: np.round(2048 * right(x, a)) / 2048 * (1 + 2**-20), "value", ""),
]
VALUES: list[tuple[str, Any, str, str]] = [
    ("toy-2", 0.2469, "passed", "Correct."),
    ("toy-2", np.float32(0.2469), "passed", ""),
    ("toy-2", np.array(0.24695), "passed", ""),
    ("toy-2", ..., "not-implemented", "floor"),
    ("toy-2", None, "no-value", "None"),
    ("toy-2", right, "a-function", "called"),
    ("toy-2", "0.2469", "type", "str"),
    ("toy-2", -0.247, "wrong", "sign"),
    ("toy-2", [0.2469], "shape", "single"),
    ("toy-2", np.nan, "not-finite", "nan"),
    ("toy-2", 0.2469 + 0j, "dtype", "complex"),
    ("toy-2", True, "dtype", "bool"),
    ("toy-2", 0.1234, "wrong", "Half."),
    ("toy-2", 0.3, "wrong", "too large"),
    ("toy-2", 0.1, "wrong", "too small"),
    ("toy-2", 0.247 * 1.005, "wrong", "more digits"),
    ("toy-2", 10**400, "type", "int"),
    ("toy-2", 10**30, "wrong", "too large"),
    ("toy-2", sympy.Float("0.2469"), "passed", ""),
    ("toy-2", sympy.Rational(2469, 10000), "passed", ""),
    ("toy-2", sympy.Symbol("x"), "type", "Symbol"),
    ("toy-2", np.array(Decimal("0.2469"), dtype=object), "passed", ""),
    ("toy-2", np.array("0.2469", dtype=object), "type", ""),
    ("toy-2", sympy.I / 4, "dtype", "complex"),
    ("toy-2", float(np.float32(0.2469 * (1 + 2e-3))), "wrong", "more digits"),
    ("toy-3", sympy.Integer(7), "passed", ""),
    ("toy-5", [[sympy.Integer(1), Fraction(2)], [Decimal(3), 4]], "passed", ""),
    ("toy-3", 7, "passed", ""),
    ("toy-3", 7.0, "passed", ""),
    ("toy-3", 8, "wrong", "too large"),
    ("toy-3", 7.5, "wrong", "whole"),
    ("toy-3", np.inf, "not-finite", "inf"),
    ("toy-4", "vanish", "passed", ""),
    ("toy-4", " Vanish ", "passed", ""),
    ("toy-4", "explode", "wrong", "explode"),
    ("toy-4", "neither", "wrong", "eigenvalues"),
    ("toy-4", "grow", "options", '"neither"'),
    ("toy-4", 3, "options", "int"),
    ("toy-5", [[1, 2], [3, 4]], "passed", ""),
    ("toy-5", [[1, 3], [2, 4]], "wrong", "transpose"),
    ("toy-5", [[1.0, 3.0], [2.0, 4.0]], "wrong", "transpose"),
    ("toy-5", [1.0, 2.0, 3.0, 4.0], "shape", "(2, 2)"),
    ("toy-6", lambda x: (x / 2, 2 * x), "passed", ""),
    ("toy-6", lambda x: [x / 2, 2 * x], "passed", ""),
    ("toy-6", lambda x: np.stack([x / 2, 2 * x]), "passed", ""),
    ("toy-6", lambda x: np.stack([x / 2, x]), "value", "`high` is"),
    ("toy-6", lambda x: np.stack([x / 2, x, x]), "parts", "ndarray"),
    ("toy-6", lambda x: (x / 2).sum(), "parts", "low, high"),
    ("toy-6", lambda x: (x / 2, x, x), "parts", "tuple"),
    ("toy-6", lambda x: (x / 2, x), "value", "`high` is"),
    ("toy-6", lambda x: (x / 2, None), "type", "`high`"),
    ("toy-7", lambda W: W, "gradient", "finite differences"),
    ("toy-7", lambda W: W[0], "shape", ""),
    ("toy-7", lambda W: np.cos(W @ W) @ W.T + W.T @ np.cos(W @ W), "passed", ""),
    ("toy-7", lambda W: (np.cos(W @ W) @ W.T + W.T @ np.cos(W @ W)).T, "gradient", "transpose"),
    ("toy-8", lambda w: "explode" if w > 1 else "vanish", "passed", ""),
    ("toy-8", lambda w: "vanish", "wrong", "w=1.5"),
    ("toy-8", lambda w: "grow", "options", '"explode"'),
    ("nowhere-1", 1, "unknown", "Did you mean"),
]


def says(result: Result, code: str, words: str) -> None:
    assert result.code == code, result.text("en")
    assert words in result.text("en")
    assert bool(result) == (code == "passed")
    english, chinese = result.message
    assert english != chinese
    assert re.search("[\u4e00-\u9fff]", chinese)
    assert not re.search("[\u4e00-\u9fff]", english)
    assert "{" not in english + chinese
    assert len(english) < 1500


@pytest.mark.parametrize(("answer", "code", "words"), FUNCTIONS)
def test_functions(answer: Any, code: str, words: str) -> None:
    says(check("toy-1", answer), code, words)


@pytest.mark.parametrize(("id", "answer", "code", "words"), VALUES)
def test_values_and_parts(id: str, answer: Any, code: str, words: str) -> None:
    says(check(id, answer), code, words)


def test_answers_that_explode_when_touched() -> None:
    says(check("toy-1", Explosive()), "not-a-function", "Explosive")
    says(check("toy-1", returning(Explosive())), "type", "Explosive")
    says(check("toy-1", returning([Explosive()])), "ragged", "")
    says(check("toy-6", lambda x: (x / 2, Explosive())), "type", "`high`")
    says(check("toy-6", returning(Explosive())), "signature", "")
    says(check("toy-6", lambda x: Explosive()), "parts", "Explosive")
    for id, code in (("toy-2", "type"), ("toy-3", "type"), ("toy-4", "options"), ("toy-5", "type")):
        says(check(id, Explosive()), code, "Explosive")


def test_arguments_in_the_wrong_order_are_explained() -> None:
    for result in (check(right, "toy-1"), check(3)):  # type: ignore[arg-type]
        says(result, "order", "first the name")
    assert 'check("toy-1"' in check(right, "toy-1").text("en")  # type: ignore[arg-type]
    says(check("toy-1"), "not-implemented", "toy-1")


def test_a_value_exercise_never_tells_the_answer() -> None:
    for value in (0.3, 0.1, 1, -0.2469, np.nan, [0.1], "x", 0.25, 0.12345):
        result = check("toy-2", value)
        assert not result
        assert "246" not in "".join(result.message).replace(repr(value).lstrip("-"), "")
    assert "7" not in "".join(check("toy-3", 8).message)


# Time

LOOPS = {
    "plain": "def f():\n    while True: pass",
    "except Exception": SILENCED.format(arguments="", body="sum(range(9))", kind=" Exception"),
    "bare except": SILENCED.format(arguments="", body="sum(range(9))", kind=""),
    "loop in bare except": SILENCED.format(arguments="", body="while True: pass", kind=""),
    "loop in finally": """def f():
    while True:
        try:
            while True: pass
        finally:
            continue
""",
    "as deep as it goes": """def f():
    try:
        return f()
    except:
        return f()
""",
    "as deep as it goes, in finally": """def f():
    try:
        return f()
    finally:
        return f()
""",
    "twenty deep": """def f(n=20):
    while True:
        try:
            if n: f(n - 1)
            while True: pass
        except:
            pass
""",
}


@pytest.mark.parametrize("code", LOOPS.values(), ids=LOOPS.keys())
@pytest.mark.parametrize("place", ["main", "thread"])
def test_no_loop_outlives_its_time(code: str, place: str) -> None:
    space: dict[str, Any] = {}
    exec(code, space)
    outcome: list[type[BaseException] | None] = []

    def attempt() -> None:
        try:
            limited(space["f"], 0.1)
            outcome.append(None)
        except BaseException as error:
            outcome.append(type(error))

    if place == "thread" and ("except:" in code or "finally:" in code):
        pytest.skip("promised for the signal only")
    start = time.monotonic()
    if place == "main":
        attempt()
    else:
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()
    assert outcome
    assert outcome[0] is not None
    assert issubclass(outcome[0], TimeUp)
    assert time.monotonic() - start < 20
    assert place == "thread" or not caught_alarm_returns()


def caught_alarm_returns() -> bool:
    """Whether code that catches the alarm and ends is taken for an answer."""

    def evasive() -> bool:
        try:
            while True:
                pass
        except BaseException:
            return True

    try:
        return limited(evasive, 0.01)
    except TimeUp:
        return False


def test_an_import_is_not_cut_in_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_to_load.py").write_text(
        "import time\nbegun = True\nfor _ in range(30): time.sleep(0.01)\nended = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def reader() -> None:
        import slow_to_load  # noqa: F401

        while True:
            pass

    with pytest.raises(TimeUp):
        limited(reader, 0.05)
    assert sys.modules.pop("slow_to_load").ended


def test_except_exception_does_not_catch_the_alarm() -> None:
    def evasive() -> str:
        try:
            while True:
                pass
        except Exception:
            return "caught"

    with pytest.raises(TimeUp):
        limited(evasive, 0.05)


@pytest.mark.parametrize("place", ["main", "thread"])
def test_code_that_ends_in_time_is_left_alone(place: str) -> None:
    found: list[int] = []

    def attempt() -> None:
        found.extend(limited(lambda k=k: k, 0.5) for k in range(20))  # type: ignore[misc]

    if place == "main":
        attempt()
    else:
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()
    time.sleep(0.6)  # a forgotten alarm would strike now
    assert found == list(range(20))


def test_an_earlier_alarm_is_restored() -> None:
    signal = pytest.importorskip("signal")
    if not hasattr(signal, "setitimer"):
        pytest.skip("no SIGALRM on this platform")
    struck: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: struck.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        limited(lambda: None, 5.0)
        time.sleep(0.3)
        assert struck
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_an_endless_answer_is_told_so() -> None:
    space: dict[str, Any] = {}
    exec(SILENCED.format(arguments="x, a", body="while True: x = x + a", kind=""), space)
    says(check("toy-1", space["f"]), "too-slow", "0.5 seconds")


def test_the_time_is_for_all_calls_together() -> None:
    def sluggish(x: Array, a: float) -> Array:
        time.sleep(0.3)
        return right(x, a)

    says(check("toy-1", sluggish), "too-slow", "a=0.5")


# What the reader's code does besides


def test_a_flood_of_output_is_kept_short(capsys: pytest.CaptureFixture[str]) -> None:
    def noisy(x: Array, a: float) -> Array:
        print("<b>" * 400_000)
        print("err", file=sys.stderr)
        return right(x, a)

    result = check("toy-1", noisy)
    assert result
    assert capsys.readouterr() == ("", "")
    assert len(result.text()) < 1200
    assert "<b>" not in result._repr_html_()
    assert "It printed:" in result.text("en")


def test_an_interrupt_by_the_reader_is_not_swallowed() -> None:
    with pytest.raises(KeyboardInterrupt):
        check("toy-1", raising(KeyboardInterrupt()))


def test_the_line_of_an_error_is_quoted() -> None:
    source, path = "def f(x, a):\n    y = x @ x\n    return y\n", "<ipython-input-7>"
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
    space: dict[str, Any] = {}
    exec(compile(source, path, "exec"), space)
    says(check("toy-1", space["f"]), "raised", "The line is `y = x @ x`")


def test_the_reader_cannot_spoil_the_next_call() -> None:
    def keeps(x: Array, a: float, seen: list[Array] = []) -> Array:  # noqa: B006
        for earlier in seen:
            earlier[:] = 0
        seen.append(x)
        return right(x, a)

    assert check("toy-1", keeps)


@pytest.mark.parametrize("spoil", [lambda v: v.append(1), lambda v: v.__setitem__(0, 9), lambda v: v[1].fill(0)])
def test_changed_lists_are_noticed(spoil: Callable[[Any], None]) -> None:
    given = [1.0, np.ones(2)]

    def total(answer: Answer) -> None:
        answer.equals(answer.call(given, given="n=2"), 3.0)

    toy("toy-9", total, "v")

    def reader(v: Any) -> float:
        spoil(v)
        return 3.0

    says(check("toy-9", reader), "mutated", "`v`")
    assert len(given) == 2
    assert check("toy-9", lambda v: 3.0)


def test_tensors_are_taken_as_arrays() -> None:
    torch = pytest.importorskip("torch")

    def with_torch(x: Array, a: float) -> Any:
        return a * torch.tensor(x, requires_grad=True) + 1

    assert check("toy-1", with_torch)
    assert check("toy-1", lambda x, a: with_torch(x, a).float())
    assert check("toy-1", lambda x, a: list(with_torch(x, a)))
    says(check("toy-1", lambda x, a: with_torch(x, a).T), "shape", "swapped")
    assert check("toy-2", torch.tensor(0.2469))
    huge = torch.zeros(1).expand(10**10)
    says(check("toy-1", returning(huge)), "too-large", "")

    def first(answer: Answer) -> None:
        answer.equals(answer.call(torch.ones(3), given="n=3"), np.ones(3))

    toy("toy-9", first, "x")
    assert check("toy-9", lambda x: x)
    says(check("toy-9", lambda x: x.mul_(1) + x.zero_() + 1), "mutated", "`x`")


def test_a_slip_of_the_author_is_not_blamed_on_the_reader() -> None:
    def slip(answer: Answer) -> None:
        raise ZeroDivisionError

    toy("toy-9", slip)
    says(check("toy-9", 1), "broken", "not your mistake")


def test_mistakes_are_computed_only_when_needed() -> None:
    def lazy(answer: Answer) -> None:
        answer.equals(answer.value(), 1.0, mistakes=[(lambda: 1 / 0, "never")])

    toy("toy-9", lazy)
    assert check("toy-9", 1.0)
    says(check("toy-9", 2.0), "broken", "ZeroDivisionError")


def test_properties() -> None:
    def root(answer: Answer) -> None:
        answer.require(answer.value() ** 2 < 2, "square")

    toy("toy-9", root)
    assert check("toy-9", 1.4)
    says(check("toy-9", 1.5), "property", "square")


def test_truth_values_and_complex_numbers() -> None:
    def positive(answer: Answer) -> None:
        answer.equals(answer.call(X, given="T=2"), X > 0, given="T=2")

    def roots(answer: Answer) -> None:
        answer.equals(answer.value("array"), np.array([1j, -1j]))

    toy("toy-9", positive, "x")
    assert check("toy-9", lambda x: x > 0)
    says(check("toy-9", lambda x: x >= 2), "value", "is False at entry [0, 0], expected True")
    says(check("toy-9", lambda x: (x > 0) * 1.0), "dtype", "bool")
    toy("toy-10", roots)
    assert check("toy-10", [1j, -1j])
    says(check("toy-10", [1j, 1j]), "wrong", "[1]")
    says(check("toy-10", [1.0, 1.0]), "wrong", "[0]")


def test_infinities_that_are_wanted() -> None:
    def logarithm(answer: Answer) -> None:
        answer.equals(answer.value("array"), np.array([-np.inf, 0.0]))

    toy("toy-9", logarithm)
    assert check("toy-9", np.array([-np.inf, 0.0]))
    says(check("toy-9", np.array([0.0, 0.0])), "wrong", "[0]")


# Numbers


def test_single_precision_is_enough_and_double_is_exact() -> None:
    off = 1 + 2e-5
    assert check("toy-1", lambda x, a: np.float32(off * right(x, a)))
    says(check("toy-1", lambda x, a: off * right(x, a)), "value", "")


def test_arrays_are_copies() -> None:
    buffer = np.ones(3)
    taken = as_array(buffer)
    buffer[:] = 0
    assert taken.sum() == 3


def test_central_differences_of_a_cubic() -> None:
    x = np.array([[0.5, -3.0], [2.0, 0.0]])
    slope = central_differences(lambda a: float(np.sum(a**3)), x)
    assert np.allclose(slope, 3 * x**2, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", ["signs", "transposed", "reversed", "late", "early", "zeros"])
def test_each_mistake_is_told_apart(name: str) -> None:
    want = np.random.default_rng(0).standard_normal((4, 4))
    wrong = {
        "signs": -want,
        "transposed": want.T,
        "reversed": want[::-1],
        "late": np.vstack([want[:1], want[:-1]]),
        "early": np.vstack([want[1:], want[-1:]]),
        "zeros": 0 * want,
    }
    assert value_mistake(wrong[name], want) == EXTRA[name]
    assert value_mistake(want + wrong["reversed"] ** 2, want) == ("", "")


# How it shows itself


class Reader(html.parser.HTMLParser):
    """Collects the text of each language and counts what is open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[tuple[str, str | None]] = []
        self.texts: dict[str | None, str] = {}
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))
        if tag != "br":
            self.open.append((tag, dict(attrs).get("lang")))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        langs = [lang for _, lang in self.open if lang]
        lang = langs[-1] if langs else None
        self.texts[lang] = self.texts.get(lang, "") + data


TAGS = {"div", "style", "strong", "span", "code", "br", "pre", "table", "thead", "tbody", "tr", "th", "td"}


def showable() -> list[Any]:
    hostile = raising(ValueError('</div><script>alert("`x`")</script>&'))
    return [check("toy-1", right), check("toy-1", hostile), check("<i>-1", 1), hint("toy-1"), progress()]


def test_html_holds_both_languages_and_is_escaped() -> None:
    for shown in showable():
        page = Reader(shown._repr_html_())
        assert not page.open
        assert {"en", "zh"} <= page.texts.keys()
        assert re.search("[\u4e00-\u9fff]", page.texts["zh"])
        assert not re.search("[\u4e00-\u9fff]", page.texts["en"])
        assert {tag for tag, _ in page.attributes} <= TAGS
        (box,) = (attributes for _, attributes in page.attributes if "role" in attributes)
        assert box["role"] == "status"
        assert "lang" not in box


def test_the_chosen_language_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    english = [repr(shown) for shown in showable()]
    monkeypatch.setenv("RNNBOOK_LANG", "zh")
    for shown, text in zip(showable(), english, strict=True):
        _, box = next(tag for tag in Reader(shown._repr_html_()).attributes if tag[1].get("role"))
        assert box["lang"] == "zh"
        assert re.search("[\u4e00-\u9fff]", repr(shown))
        assert not re.search("[\u4e00-\u9fff]", text)


def test_output_is_deterministic() -> None:
    for answer in (right, lambda x, a: 2 * x, returning(np.nan), returning(Explosive()), 3):
        first, second = check("toy-1", answer), check("toy-1", answer)
        assert (repr(first), first._repr_html_()) == (repr(second), second._repr_html_())


def test_colours_have_fallbacks() -> None:
    style = check("toy-1", right)._repr_html_()
    assert style.count("var(--pst-color-") == len(re.findall(r"var\(--pst-color-[a-z]+,#[0-9a-f]{6}\)", style)) > 0


@pytest.mark.parametrize("texts", [MESSAGES, EXTRA])
def test_both_languages_have_the_same_fields(texts: dict[str, Pair]) -> None:
    for key, (english, chinese) in texts.items():
        fields = [{field for _, field, _, _ in string.Formatter().parse(half) if field} for half in (english, chinese)]
        assert fields[0] == fields[1], key
        assert english != chinese or fields[0] == {"extra", "where"}


@pytest.mark.parametrize("encoding", ["gbk", "cp936", "cp1252", "ascii", "utf-8"])
def test_print_raises_in_no_terminal(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows writes what is printed in a code page that lacks letters of the book."""
    terminal = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", terminal)
    for lang in ("en", "zh"):
        monkeypatch.setenv("RNNBOOK_LANG", lang)
        for shown in (*showable(), Note("flow-1", ("0.8ⁿ", "0.8ⁿ，应为整数"))):
            print(shown)
    terminal.flush()
    written = terminal.buffer.getvalue().decode(encoding)
    assert {"gbk": "√ toy-1 · Correct", "cp1252": "+ toy-1 · Correct", "ascii": "+ toy-1 - Correct"}.get(
        encoding, "toy-1"
    ) in written
    assert ("0.8ⁿ" if encoding == "utf-8" else "0.8^n") in written
    assert "toy-1 · 正确" in written or encoding in ("ascii", "cp1252")


# Strictness, hints, progress


def test_strict_checks_raise_in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNBOOK_STRICT", "1")
    monkeypatch.setenv("RNNBOOK_LANG", "zh")
    assert check("toy-1", right)
    with pytest.raises(AssertionError, match=r"toy-1 · The result is .* You forgot 1"):
        check("toy-1", lambda x, a: a * x)
    with pytest.raises(AssertionError, match="no exercise"):
        check("nowhere-1", 1)
    assert not record.solved()


def test_hints_follow_one_another() -> None:
    shown = [repr(hint("toy-3")) for _ in range(3)]
    assert shown == ["toy-3: Hint 1 of 2: One.", "toy-3: Hint 2 of 2: Two.", "toy-3: Hint 2 of 2: Two."]
    assert hints_of("toy-3") == HINTS
    says(hint("toy-99"), "unknown", "toy-")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="toy-"):
        hints_of("toy-99")


def test_progress_is_remembered(tmp_path: Path) -> None:
    ids = exercise_ids()
    assert "0 of" not in repr(progress())
    for id in (ids[1], ids[0], ids[0]):
        record.remember(id)
    assert record.solved() == set(ids[:2])
    assert json.loads((tmp_path / "state" / "progress.json").read_text("utf8")) == {"solved": sorted(ids[:2])}
    assert f"✓ {ids[0]}" in repr(progress())
    assert f"✓ {ids[2]}" not in repr(progress())
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["progress.json"]


def test_only_solved_exercises_are_remembered() -> None:
    check("toy-1", right)
    check("toy-2", 3)
    assert record.solved() == {"toy-1"}


@pytest.mark.parametrize("damaged", ["", "[]", "{", '{"solved": 3}', '{"solved": [1, {}]}', "\udcff"])
def test_a_damaged_record_is_no_record(tmp_path: Path, damaged: str) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "progress.json").write_bytes(damaged.encode("utf8", "surrogateescape"))
    assert record.solved() == frozenset()
    assert check("toy-1", right)
    assert record.solved() == {"toy-1"}


def test_a_computer_that_cannot_write_breaks_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (lambda: tmp_path / "file" / "state", lambda: Path("/proc/nowhere")):
        monkeypatch.setattr(record, "_folder", folder)
        assert check("toy-1", right)
        assert record.solved() == frozenset()


def test_the_record_is_kept_where_the_system_keeps_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert record._folder() == tmp_path / "rnnbook"


# The package


def test_importing_needs_neither_torch_nor_anything_slow() -> None:
    code = "import sys, rnnbook.check as c; [c.hints_of(id) for id in c.exercise_ids()]; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "numpy" in loaded
    assert not {"torch", "matplotlib", "scipy", "IPython", "sphinx"} & set(loaded)


def test_a_name_cannot_be_taken_twice() -> None:
    elsewhere = types.FunctionType(doubled.__code__, {**globals(), "__name__": "elsewhere"})
    elsewhere.__module__ = "elsewhere"
    with pytest.raises(ValueError, match="already registered"):
        exercise("lstm-1")(elsewhere)


def test_a_checker_without_texts_is_refused() -> None:
    with pytest.raises(ValueError, match=r"lstm\.toml must have a table \[lstm-99\]"):
        exercise("lstm-99")(floor)


def test_a_key_without_a_text_is_found_out_even_by_a_right_answer() -> None:
    def typing_slip(answer: Answer) -> None:
        answer.equals(answer.value(), 1.0, mistakes=[(2.0, "hlaf")])

    toy("toy-9", typing_slip)
    says(check("toy-9", 1.0), "broken", "mistakes.hlaf")


def test_names_of_a_topic() -> None:
    assert set(exercise_ids("toy")) == {f"toy-{k}" for k in range(1, 9)}
    assert set(exercise_ids("toy")) < set(exercise_ids())
    assert exercise_ids("nowhere") == ()


def test_judge_needs_no_registry() -> None:
    assert judge(Exercise("mine-1", floor, Texts("build", HINTS, MISTAKES)), 0.2469)
