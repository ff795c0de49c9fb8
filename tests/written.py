"""Exercises whose answer is a function, and answers to them: right ones, and those that make a known mistake."""

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from booktools.exercises import checked_id, has_solution, solved
from booktools.live.world import world
from chapters import CHAPTERS, code_cells
from rnnbook._languages import Pair, pick
from rnnbook.check.answer import Answer, Told
from rnnbook.check.page import answered
from rnnbook.check.registry import find


@dataclass(frozen=True)
class Function:
    """An exercise as its chapter has it: the solution, the stub and the cells above it."""

    id: str
    code: str
    above: tuple[str, ...]

    @functools.cached_property
    def world(self) -> str:
        """What the solution needs of the chapter."""
        return world(self.code, self.above)


def functions() -> list[Function]:
    found = []
    for path in CHAPTERS:
        code, above = "", []
        for _, options, cell in code_cells(path):
            id = checked_id(cell)
            if has_solution(cell):
                code = cell
            elif id is not None:
                exercise = find(id)
                if exercise is not None and exercise.arguments is not None:
                    found.append(Function(id, solved(code), tuple(above)))
            elif not re.search("explorable|checked|drawing", options):
                above.append(cell)
    return found


# A right answer but for one call, which gives something else.
WRONG = """

import functools as _functools
import numpy as _np
_right, _calls = {name}, 0


@_functools.wraps(_right)
def {name}(*given, **named):
    global _calls
    _calls += 1
    found = _right(*given, **named)
    return {wrong} if _calls == {call} else found
"""


class _Noted(Answer):
    """Runs a right answer, and notes for each known mistake which call would have to give what."""

    def note(self) -> list[tuple[int, str, Pair]]:
        self.calls, self.given, self.noted = 0, [], []
        self._exercise.checker(self)
        return self.noted

    def call(self, *arguments: Any, given: str, returns: Any = None) -> Any:
        found = super().call(*arguments, given=given, returns=returns)
        self.calls += 1
        self.given += [(found, self.calls, None)] if returns is None else [
            (part, self.calls, k) for k, part in enumerate(found)
        ]  # fmt: skip
        return found

    def choose(self, *arguments: Any, options: Any, given: str) -> str:
        self.calls += 1
        return super().choose(*arguments, options=options, given=given)

    def equals(self, got: Any, want: Any, **named: Any) -> None:
        if isinstance(want, str):
            known = self._known(named.get("mistakes", ()))
            self.noted += [(self.calls, repr(wrong), text) for wrong, text in known]
        super().equals(got, want, **named)

    def _compare(
        self, code: str, got: Any, want: Any, given: str, name: str, mistakes: Told, rtol: float, atol: float
    ) -> None:
        places = [(call, part) for array, call, part in self.given if array is got]
        for call, part in places[:1]:
            for wrong, text in mistakes:
                value = np.asarray(wrong() if callable(wrong) else wrong)
                if value.dtype != object and np.isfinite(value).all() and value.shape == got.shape:
                    array = f"_np.array({value.tolist()})"
                    whole = array if part is None else f"(*found[:{part}], {array}, *found[{part + 1}:])"
                    self.noted.append((call, whole, text))
        super()._compare(code, got, want, given, name, mistakes, rtol, atol)


def mistaken(function: Function, world: str) -> Iterator[tuple[str, Pair]]:
    """Answers that make a known mistake, one for each text, as far as they can be made from the right one."""
    exercise = find(function.id)
    assert exercise is not None
    space: dict[str, Any] = {}
    exec(world, space)
    exec(function.code, space)
    told: set[Pair] = set()
    for call, wrong, text in _Noted(exercise, space[exercise.name], exercise.seconds).note():
        code = function.code + WRONG.format(name=exercise.name, wrong=wrong, call=call)
        if text not in told and _says(function.id, code, world, text):
            told.add(text)
            yield code, text


def _says(id: str, code: str, world: str, text: Pair) -> bool:
    found = json.loads(answered(id, code, world))
    return plain(pick(text, "en")) in plain(found["html"])


def plain(text: str) -> str:
    return re.sub("<[^>]*>|`", "", text)
