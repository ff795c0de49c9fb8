"""The reader's answer, as a checker sees it: every contact is guarded and ends in a value or in Rejected."""

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NoReturn, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike

from rnnbook._languages import Pair
from rnnbook.check.alarm import TimeUp
from rnnbook.check.compare import (
    central_differences,
    close,
    digits,
    explains,
    narrowed,
    nearly,
    same,
    shape_mistake,
    value_mistake,
    wild,
)
from rnnbook.check.guard import Printed, describe, is_a, line_of, run, type_name
from rnnbook.check.messages import EXTRA, NOTHING, fill
from rnnbook.check.registry import Exercise
from rnnbook.check.result import Result
from rnnbook.check.values import Array, NotAnArray, as_array, copied, unchanged

T = TypeVar("T")
# A wrong result, a function that computes it, a list with `...` for any number, or `...` for any answer; the key of its
# text; what fills the fields of that.
Mistakes = Sequence[tuple[Any, str] | tuple[Any, str, Mapping[str, object]]]
Told = Sequence[tuple[Any, Pair]]


class Rejected(Exception):  # noqa: N818 (an outcome, not an error)
    """The answer is not accepted: a code of messages.py and what fills its fields."""

    def __init__(self, code: str, **fields: object) -> None:
        super().__init__(code)
        self.code, self.fields = code, fields


class Answer:
    """What a checker calls. Each method returns a trustworthy value or raises Rejected."""

    def __init__(self, exercise: Exercise, raw: Any, seconds: float) -> None:
        self.count = 0
        self.printed = Printed()
        self._exercise, self._raw = exercise, raw
        self._seconds, self._left = seconds, seconds
        self._parameters = exercise.arguments or ()
        self._keywords: frozenset[str] = frozenset()
        self._names: tuple[str, ...] = ()
        if raw is Ellipsis or raw is NotImplemented:
            self._not_implemented()
        if exercise.arguments is None:
            if raw is None:
                self._reject("no-value")
            if callable(raw):
                self._reject("a-function", type=type_name(raw))
        else:
            self._expect_function(exercise.arguments)

    @overload
    def call(self, *arguments: Any, given: str) -> Array: ...
    @overload
    def call(self, *arguments: Any, given: str, returns: tuple[str, ...]) -> tuple[Array, ...]: ...
    def call(self, *arguments: Any, given: str, returns: tuple[str, ...] | None = None) -> Array | tuple[Array, ...]:
        """The result of the reader's function as an array, or, for `returns` = names, as a tuple of arrays.

        given: the case in language-neutral words ("T=2, H=3"). The dtype is kept. One array whose rows are the
        results is as good as a tuple.
        """
        raw = self._result(arguments, given)
        if returns is None:
            return self._array(raw, "", given)
        parts = self._guard(lambda: _rows(raw), given)
        if parts is None or len(parts) != len(returns):
            got = type_name(raw) if parts is None else f"{type_name(raw)} ({len(parts)})"
            self._reject("parts", given, got=got, count=len(returns), names=", ".join(returns))
        return tuple(self._array(part, name, given) for part, name in zip(parts, returns, strict=True))

    def choose(self, *arguments: Any, options: Sequence[str], given: str) -> str:
        """The result of a reader's function that returns one of a few words."""
        return self._option(self._result(arguments, given), options, given)

    @overload
    def value(self, kind: Literal["number"] = "number") -> float: ...
    @overload
    def value(self, kind: Literal["integer"]) -> int: ...
    @overload
    def value(self, kind: Literal["array"]) -> Array: ...
    def value(self, kind: Literal["number", "integer", "array"] = "number") -> float | int | Array:
        """The reader's value: a real number, a whole number, or an array of numbers."""
        array = self._array(self._raw, "", "")
        if kind == "array":
            return array
        self.shape(array, ())
        self._finite(array, np.zeros(()), "", "")
        if array.dtype.kind not in "iuf":
            extra = EXTRA["complex"] if array.dtype.kind == "c" else NOTHING
            self._reject("dtype", got=array.dtype, want="float64", part=self._part(""), extra=extra)
        number = array.item()
        if kind == "integer":
            if number != int(number):
                self._reject("wrong", part=self._part(""), got=f"{number:.6g}", extra=EXTRA["whole"])
            return int(number)
        return float(number)

    def values(self, *names: str, among: Sequence[float] = ()) -> Array:
        """The reader's numbers, one for each name, in this order. On the page each has a field of its own.

        among: the only numbers that make sense; their words are the options in the exercise's texts.
        """
        array = self.value(kind="array")
        self.shape(array, (len(names),))
        self._names = names
        if among and array.dtype == bool:
            array = array.astype(float)
        words = [(f"{number:g}", self._exercise.texts.options[f"{number:g}"]) for number in among]
        listed = tuple(", ".join(f"{number} ({pair[k]})" for number, pair in words) for k in (0, 1))
        for name, number in zip(names, array.tolist(), strict=True):
            if among and number not in among:
                raise Rejected("options", name=name, where=NOTHING, options=listed, got=f"{number:g}")
        return array

    def choice(self, options: Sequence[str]) -> str:
        """The reader's value, one of a few words; case and surrounding blanks are forgiven."""
        return self._option(self._raw, options, "")

    def equals(
        self,
        got: ArrayLike,
        want: ArrayLike,
        *,
        given: str = "",
        name: str = "",
        mistakes: Mistakes = (),
        rtol: float = 1e-6,
        atol: float = 1e-9,
    ) -> None:
        """Require shape, dtype and values of `want`. `name` names one of several results.

        mistakes: pairs of a wrong result (or a function that computes it) and the key of what to say about it.
        `...` in a wrong result stands for any number, and alone for any answer.
        """
        known = self._known(mistakes)
        if isinstance(want, str):
            if not isinstance(got, str):
                raise TypeError(f"expected a word to compare with {want!r}, got {type(got).__name__}")
            if got != want:
                told = next((text for wrong, text in known if wrong == got), NOTHING)
                self._reject("wrong", given, part=self._part(name), got=f"“{got}”", extra=told)
        else:
            code = "value" if self._exercise.arguments is not None else "wrong"
            self._compare(code, np.asarray(got), np.asarray(want), given, name, known, rtol, atol)
        self.count += 1

    def gradient(
        self,
        got: ArrayLike,
        f: Callable[[Array], float],
        at: ArrayLike,
        *,
        given: str = "",
        name: str = "",
        mistakes: Mistakes = (),
    ) -> None:
        """Require ∂f/∂at to five digits, by central differences."""
        known = self._known(mistakes)
        self._shape(np.asarray(got), np.shape(at), given, name, known)
        want = central_differences(f, np.asarray(at))
        self._compare("gradient", np.asarray(got), want, given, name, known, rtol=1e-5, atol=1e-7)
        self.count += 1

    def shape(
        self,
        got: ArrayLike,
        want: tuple[int, ...],
        *,
        given: str = "",
        name: str = "",
        mistakes: Mistakes = (),
    ) -> None:
        """Require a shape."""
        self._shape(np.asarray(got), want, given, name, self._known(mistakes))

    def require(self, condition: bool | np.bool_, otherwise: str, *, given: str = "") -> None:
        """Require a property; `otherwise` is the key of what to say if it fails."""
        text = self._exercise.texts.told(otherwise)
        if not condition:
            self._reject("property", given, extra=text)
        self.count += 1

    def _known(self, mistakes: Mistakes) -> Told:
        """Each mistake with its text. A key that the exercise does not have is found out by any answer."""
        return [(wrong, self._exercise.texts.told(*text)) for wrong, *text in mistakes]

    def _shape(self, got: Array, want: tuple[int, ...], given: str, name: str, mistakes: Told) -> None:
        if got.shape != want:
            extra = _told(mistakes, got, 1e-5, 1e-8) or shape_mistake(got.shape, want)
            self._reject("shape", given, part=self._part(name), got=got.shape, want=want, extra=extra)

    def _compare(
        self,
        code: str,
        got: Array,
        want: Array,
        given: str,
        name: str,
        mistakes: Told,
        rtol: float,
        atol: float,
    ) -> None:
        self._shape(got, want.shape, given, name, mistakes)
        computed = self._exercise.arguments is not None
        if computed and want.dtype.kind in "fc":  # counts are exact, and typed values have tolerances of their own
            got = narrowed(got)
        right = close(got, want, rtol, atol)
        self._dtype(got, want, bool(right.all()), given, name)
        self._finite(got, want, given, name)
        if right.all():
            return
        first = index = _first(~right)
        here, there = digits(got[first].item(), want[first].item())
        if self._names and len(index) == 1:  # an entry that has a name needs no index
            name, index = self._names[index[0]], ()
        if code == "wrong" and want.ndim == 0 and want.dtype.kind in "iuf" and want:
            mistakes = [*mistakes, (-want, EXTRA["sign"])]
        hit = _told([one for one in mistakes if not wild(one[0])], got, rtol, atol)
        rtol, atol = max(rtol, 1e-5), max(atol, 1e-8)
        # What is nearly right is no mistake, unless it is one to the last digit asked for.
        near = hit is None and want.dtype.kind == "f" and same(got, want, rtol, atol)
        told = hit or _told(mistakes, got, rtol, atol) or value_mistake(got, want, rtol, atol)
        extra = EXTRA["digits"] if near else told
        if computed and (near or (extra == NOTHING and nearly(got, want))):
            extra = EXTRA["precision"]
        if code == "wrong" and extra == NOTHING and got.dtype.kind in "iuf":
            off = float(got[first] - want[first])
            near = want.dtype.kind == "f" and abs(off) <= 0.01 * abs(want[first])
            extra = EXTRA["digits" if near else "too-large" if off > 0 else "too-small"]
        self._reject(code, given, part=self._part(name), entry=_entry(index), got=here, want=there, extra=extra)

    def _dtype(self, got: Array, want: Array, right: bool, given: str, name: str) -> None:
        extra = NOTHING
        computed = self._exercise.arguments is not None  # of whole numbers that were typed nothing was cut off
        if got.dtype.kind == "c" and want.dtype.kind != "c":
            extra = EXTRA["complex"]
        elif computed and got.ndim and not right and got.dtype.kind in "iu" and want.dtype.kind == "f":
            extra = EXTRA["integers"]
        elif (got.dtype == bool) == (want.dtype == bool):
            return
        self._reject("dtype", given, part=self._part(name), got=got.dtype, want=want.dtype, extra=extra)

    def _finite(self, got: Array, want: Array, given: str, name: str) -> None:
        bad = ~np.isfinite(got) & np.isfinite(want)
        if bad.any():
            index = _first(bad)
            self._reject("not-finite", given, part=self._part(name), entry=_entry(index), got=got[index])

    def _expect_function(self, arguments: tuple[str, ...]) -> None:
        if not callable(self._raw):
            self._reject("not-a-function", type=type_name(self._raw))

        def parameters() -> tuple[tuple[str, ...], frozenset[str], bool] | None:
            try:
                found = inspect.signature(self._raw)
            except (TypeError, ValueError):  # some compiled functions have none
                return None
            names = tuple(found.parameters)
            by_name = frozenset(name for name in arguments if _keyword_only(found, name))
            try:
                found.bind(*(name for name in arguments if name not in by_name), **dict.fromkeys(by_name))
            except TypeError:
                return names, by_name, False
            return names, by_name, True

        found = self._guard(parameters, "")
        if found is None:
            return
        names, self._keywords, fits = found
        got, want = (tuple(name for name in some if name not in self._keywords) for some in (names, arguments))
        disordered = got != want and sorted(got) == sorted(want)
        if not fits or disordered:
            takes, must = (", ".join(f"`{name}`" for name in ns) or "()" for ns in (names, arguments))
            self._reject("signature", arguments=must, got=takes)
        if len(names) == len(arguments) and not self._keywords:
            self._parameters = names

    def _result(self, arguments: tuple[Any, ...], given: str) -> Any:
        inputs = tuple(copied(argument) for argument in arguments)
        named = dict(zip(self._exercise.arguments or (), inputs, strict=True))
        keywords = {name: named.pop(name) for name in self._keywords}
        raw = self._guard(lambda: self._raw(*named.values(), **keywords), given)
        if raw is None:
            self._reject("nothing", given)
        if raw is Ellipsis or raw is NotImplemented:
            self._not_implemented()
        for k, (before, after) in enumerate(zip(arguments, inputs, strict=True)):
            try:
                kept = self._guard(lambda pair=(before, after): unchanged(*pair), given)  # type: ignore[misc]
            except NotAnArray:
                kept = False
            if not kept:
                argument = self._parameters[k] if k < len(self._parameters) else str(k)
                self._reject("mutated", given, argument=argument)
        return raw

    def _array(self, raw: Any, name: str, given: str) -> Array:
        try:
            return self._guard(lambda: as_array(raw), given)
        except NotAnArray as problem:
            self._reject(
                problem.code,
                given,
                part=self._part(name),
                type=type_name(raw),
                got=problem.got,
                want="float64",
            )

    def _option(self, raw: Any, options: Sequence[str], given: str) -> str:
        if is_a(raw, np.ndarray) and raw.ndim == 0:  # what np.where and np.select give
            raw = raw.item()
        word = str.strip(raw).casefold() if is_a(raw, str) else None
        for option in options:
            if word == option.casefold():
                return option
        got = f"“{str.strip(raw)[:40]}”" if is_a(raw, str) else type_name(raw)
        listed = ", ".join(f'`"{option}"`' for option in options)
        self._reject("options", given, options=listed, got=got)

    def _guard(self, work: Callable[[], T], given: str) -> T:
        """Run the reader's code: time, output and every kind of exception are kept within bounds."""
        start = time.monotonic()
        try:
            return run(work, max(self._left, 0.01), self.printed)
        except (Rejected, NotAnArray, KeyboardInterrupt):
            raise
        except TimeUp:
            self._reject("too-slow", given, seconds=self._seconds)
        except BaseException as error:
            if type(error) is NotImplementedError and not error.args:  # libraries raise it with a reason
                self._not_implemented()
            number, line = line_of(error)
            extra = fill(EXTRA["line"], line=line) if line else NOTHING
            self._reject("raised", given, error=describe(error), extra=extra, line=number)
        finally:
            self._left -= time.monotonic() - start

    def _part(self, name: str) -> Pair:
        if name:
            return f"`{name}`", f"`{name}` "
        if self._exercise.arguments is None:
            return f"`{self._exercise.name}`", f"`{self._exercise.name}` "
        return EXTRA["result"]

    def _not_implemented(self) -> NoReturn:
        value = self._exercise.arguments is None
        self._reject("not-implemented", placeholder="`...`" if value else "`raise NotImplementedError`")

    def _reject(self, code: str, given: str = "", **fields: object) -> NoReturn:
        where = fill(EXTRA["where"], given=given) if given else NOTHING
        raise Rejected(code, name=self._exercise.name, where=where, **fields)


def judge(exercise: Exercise, raw: Any, seconds: float | None = None) -> Result:
    """The outcome of one check, whatever the answer is or does."""
    printed = ""
    try:
        with np.errstate(all="ignore"):
            answer = None
            answer = Answer(exercise, raw, exercise.seconds if seconds is None else seconds)
            exercise.checker(answer)
        return Result(exercise.id, "passed", {"count": answer.count}, answer.printed.text)
    except Rejected as rejected:
        printed = answer.printed.text if answer else ""
        return Result(exercise.id, rejected.code, rejected.fields, printed)
    except Exception as error:
        return Result(exercise.id, "broken", {"error": describe(error)})


def _keyword_only(signature: inspect.Signature, name: str) -> bool:
    found = signature.parameters.get(name)
    return found is not None and found.kind is inspect.Parameter.KEYWORD_ONLY


def _rows(raw: Any) -> list[Any] | None:
    """The several results of a function; None for a single one."""
    if is_a(raw, list, tuple):
        return list(raw)
    try:
        array = as_array(raw)
    except NotAnArray:
        return None
    return list(array) if array.ndim else None


def _first(bad: Array) -> tuple[int, ...]:
    """Where the first true entry stands; () for a single number."""
    return tuple(int(i) for i in np.argwhere(bad)[0]) if bad.ndim else ()


def _entry(index: tuple[int, ...]) -> Pair:
    return fill(EXTRA["entry"], index=list(index)) if index else NOTHING


def _told(mistakes: Told, got: Array, rtol: float, atol: float) -> Pair | None:
    for wrong, text in mistakes:
        if explains(wrong() if callable(wrong) else wrong, got, rtol, atol):
            return text
    return None
