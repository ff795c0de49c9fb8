"""Every exercise of every chapter: its stub fails helpfully, its solution passes, wrong answers do not.

Wrong answers are made by machine: mutants of the solution (mutants.py) and,
where the answer is a value, its neighbours. A mutant that is no mistake is
listed, with the reason, in equivalent_mutants.py.
"""

import ast
import builtins
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from equivalent_mutants import EQUIVALENT
from first_form import FIRST_FORM
from mutants import Mutant, mutants

from booktools.exercises import checked_id, has_solution, solved, stub
from chapters import CHAPTERS, code_cells
from rnnbook.check import Answer, Pair, exercise_ids, hints_of, registry, topics
from rnnbook.check.answer import Told, judge
from rnnbook.check.compare import same, wild
from rnnbook.check.registry import EXERCISES, Exercise, find, topic_of
from rnnbook.check.texts import KINDS, Texts, read

SECONDS = 1.0  # for a mutant, which may loop for ever


@dataclass(frozen=True)
class Written:
    """An exercise as the chapter has it: `code` is the cell with its solution, `name` what is checked."""

    id: str
    path: Path
    code: str
    name: str
    before: tuple[str, ...]

    def exercise(self) -> Exercise:
        found = find(self.id)
        assert found is not None, f"{self.path.name} checks {self.id}, which rnnbook/check does not have"
        return found

    def answer(self, code: str) -> Any:
        """What the cell's code gives the reader to check.

        It runs after the imports of its chapter that it needs and, if they are
        not enough, after all the cells before it.
        """
        space = dict(_imported(self.before, frozenset(_unknown_names(code, {}))))
        if _unknown_names(code, space):
            space = dict(_space(self.before))
        exec(compile(code, f"<{self.id}>", "exec"), space)
        assert self.name in space, (
            f"{self.path.name}: check({self.id!r}, {self.name}) follows no cell that defines {self.name} "
            "between ### BEGIN SOLUTION and ### END SOLUTION"
        )
        return space[self.name]


def written(path: Path) -> Iterator[Written]:
    before: list[str] = []
    code = ""
    for _, options, cell in code_cells(path):
        id = checked_id(cell)
        if has_solution(cell):
            code = cell
        elif id is not None:
            call = next(node for node in ast.walk(ast.parse(cell)) if isinstance(node, ast.Call))
            yield Written(id, path, code, ast.unparse(call.args[1]), tuple(before))
        elif not re.search("explorable|checked", options):  # the assertions may speak of a figure
            before.append(cell)


@functools.cache
def _imported(cells: tuple[str, ...], names: frozenset[str]) -> dict[str, Any]:
    space: dict[str, Any] = {}
    for statement in ast.parse("\n".join(cells)).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            bound = {(alias.asname or alias.name).split(".")[0] for alias in statement.names}
            if bound & names:
                exec(ast.unparse(statement), space)
    return space


@functools.cache
def _space(cells: tuple[str, ...]) -> dict[str, Any]:
    mpl.use("Agg")
    space: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells:
        exec(compile(cell, "<chapter>", "exec"), space)
    return space


def _unknown_names(code: str, space: dict[str, Any]) -> set[str]:
    nodes = list(ast.walk(ast.parse(code)))
    names = [node for node in nodes if isinstance(node, ast.Name)]
    own = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    own |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    own |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    return {node.id for node in names} - own - set(space) - set(vars(builtins))


WRITTEN = [found for path in CHAPTERS for found in written(path)]
each = pytest.mark.parametrize("given", WRITTEN, ids=lambda given: given.id)


def neighbours(exercise: Exercise, value: Any) -> Iterator[Any]:
    """Values near a right one that are wrong."""
    if isinstance(value, str):
        told = judge(exercise, "no such option").fields.get("options", "")
        yield from (option.strip('`" ') for option in str(told).split(","))
        return
    array = np.asarray(value)
    if array.ndim:
        for index in np.ndindex(array.shape):
            wrong = array.astype(float)
            wrong[index] = 1.05 * wrong[index] + 0.01
            yield wrong
        yield from (array[::-1], array.T, array[:-1], -array, array + 1)
    elif array.dtype.kind == "i":
        yield from (value + 1, value - 1, -value, 2 * value, value // 2, 10 * value, 0)
    else:
        yield from (1.02 * value, 0.98 * value, value + 1, value - 1, -value, 2 * value, value / 2, 0.0)
        if value:
            yield 1 / value


def weaknesses(exercise: Exercise, wrong_answers: list[tuple[str, Any]]) -> list[str]:
    """Which wrong answers a check accepts, and on which it fails itself."""
    found = []
    for change, answer in wrong_answers:
        result = judge(exercise, answer, min(exercise.seconds, SECONDS))
        if result.code in ("passed", "broken"):
            found.append(change if result else f"{change} [{result.text('en')}]")
    return found


def wrong_answers(given: Written) -> list[tuple[str, Any]]:
    """Mutants of the solution that run, and neighbours of a value."""
    right = given.answer(solved(given.code))
    found = []
    for mutant in mutants(solved(given.code)):
        try:
            answer = given.answer(mutant.source)
        except Exception:  # does not even run
            continue
        if callable(right) or not _equal(answer, right):
            found.append((mutant.change, answer))
    if not callable(right):
        near = neighbours(given.exercise(), right)
        found += [(repr(value), value) for value in near if not _equal(value, right)]
    return found


def _equal(answer: Any, right: Any) -> bool:
    try:
        a, b = np.asarray(answer), np.asarray(right)
        return a.shape == b.shape and bool(np.all(a == b) if b.dtype.kind in "UO" else np.allclose(a, b, 1e-9))
    except (TypeError, ValueError):
        return False


def complaints(found: list[str], equivalent: dict[str, str]) -> list[str]:
    """Accepted wrong answers that are not excused, and excuses that nobody needs."""
    stale = [f"no longer accepted, or no longer made: {change}" for change in equivalent if change not in found]
    return [change for change in found if change not in equivalent] + stale


def test_chapters_and_registry_have_the_same_exercises() -> None:
    in_chapters = {given.id for given in WRITTEN}
    assert len(in_chapters) == len(WRITTEN), "an exercise is checked twice"
    alone = in_chapters ^ set(exercise_ids())
    assert not alone, f"in a chapter and without a check in rnnbook/check, or the other way round: {sorted(alone)}"
    for given in WRITTEN:
        assert topic_of(given.id) == given.path.stem, f"{given.id} stands in {given.path.name}"
        assert given.exercise().checker.__module__ == f"rnnbook.check.exercises.{given.path.stem}"
    assert set(EQUIVALENT) <= set(exercise_ids())
    assert set(topics()) <= {path.stem for path in CHAPTERS}


@pytest.mark.parametrize("topic", topics())
def test_every_text_is_used_and_every_key_has_one(topic: str) -> None:
    """A key that is missing ends the check of any answer; here those that nothing refers to."""
    functions = {
        node.name: node
        for node in ast.parse((EXERCISES / f"{topic}.py").read_text("utf8")).body
        if isinstance(node, ast.FunctionDef)
    }

    def words(name: str, seen: frozenset[str] = frozenset()) -> set[str]:
        """The texts that a function, and those of the module that it calls, mention."""
        nodes = list(ast.walk(functions[name]))
        called = {node.id for node in nodes if isinstance(node, ast.Name)} & functions.keys() - seen - {name}
        own = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        return own.union(*(words(other, seen | called | {name}) for other in called))

    for id, texts in read(EXERCISES / f"{topic}.toml").items():
        found = find(id)
        assert (found is None) == (texts.kind == "explore"), f"{topic}.toml: {id} is {texts.kind}"
        unused = texts.mistakes.keys() - (words(found.name) if found else set())
        assert not unused, f"{topic}.toml: nothing in {topic}.py refers to {id}.mistakes: {sorted(unused)}"


def test_a_kind_follows_from_the_answer() -> None:
    """What is written is a function; a number is a warm-up."""
    for id in exercise_ids():
        found = find(id)
        assert found is not None
        assert (found.texts.kind == "warm-up") == (found.arguments is None), id


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_exercise_of_a_chapter_has_its_texts(path: Path) -> None:
    labels = set(re.findall(r"^```\{exercise\}[^\n]*\n:label: (\S+)$", path.read_text("utf8"), re.M))
    texts = read(EXERCISES / f"{path.stem}.toml") if path.stem in topics() else {}
    assert labels == set(texts)


COUNTS = {"warm-up": (2, 3), "build": (2, 3), "derive": (1, 1), "explore": (1, 1)}


def miscounted(kinds: list[str]) -> list[str]:
    """Of which kinds a chapter has too few or too many exercises."""
    found = {kind: kinds.count(kind) for kind in KINDS}
    return [
        f"{kind}: {n}, not {COUNTS[kind]}" for kind, n in found.items() if not COUNTS[kind][0] <= n <= COUNTS[kind][1]
    ]


@pytest.mark.parametrize("topic", [topic for topic in topics() if topic not in FIRST_FORM])
def test_a_chapter_has_exercises_of_all_kinds(topic: str) -> None:
    assert not miscounted([texts.kind for texts in read(EXERCISES / f"{topic}.toml").values()])


def test_a_missing_kind_is_found() -> None:
    kinds = ["warm-up", "warm-up", "build", "build", "derive"]
    assert miscounted(kinds) == ["explore: 0, not (1, 1)"]
    assert not miscounted([*kinds, "explore"])
    assert set(FIRST_FORM) <= {path.stem for path in CHAPTERS}


@each
def test_the_stub_fails_helpfully(given: Written) -> None:
    result = judge(given.exercise(), given.answer(stub(given.code)))
    assert result.code == "not-implemented"
    english, chinese = result.text("en"), result.text("zh")
    assert english != chinese
    for text in (english, chinese):
        assert given.id in text
        assert given.name in text


@each
def test_the_solution_passes(given: Written) -> None:
    result = judge(given.exercise(), given.answer(solved(given.code)))
    assert result, result.text("en")
    assert result.fields["count"], "the check compares nothing"
    assert not result.printed


@each
def test_the_checker_is_named_as_what_it_checks(given: Written) -> None:
    assert given.exercise().name == given.name


@each
def test_hints_are_bilingual(given: Written) -> None:
    hints = hints_of(given.id)
    assert len(hints) >= 2, (
        f"rnnbook/check: {given.id} has {len(hints)} hint; give at least two, each (English, Chinese)"
    )
    assert len(set(hints)) == len(hints)
    for english, chinese in hints:
        assert english != chinese
        assert english.strip() == english != ""
        assert not any("\u4e00" <= letter <= "\u9fff" for letter in english)
        assert chinese.strip() == chinese != ""


@each
def test_wrong_answers_are_rejected(given: Written) -> None:
    wrong = wrong_answers(given)
    assert len(wrong) >= 10
    left = complaints(weaknesses(given.exercise(), wrong), EQUIVALENT.get(given.id, {}))
    assert not left, f"{given.id} accepts {len(left)} of {len(wrong)} wrong answers:\n" + "\n".join(left)


def in_single_precision(function: Any) -> Any:
    """The function as it is where all numbers are single, and its result a plain list of them."""

    def reader(*arguments: Any) -> Any:
        raw = function(*(np.float32(one) if np.asarray(one).dtype == np.float64 else one for one in arguments))
        return tuple(map(plain, raw)) if isinstance(raw, list | tuple) else plain(raw)

    def plain(part: Any) -> Any:
        array = np.asarray(part)
        return np.float32(array).tolist() if array.dtype.kind == "f" else part

    return functools.wraps(function)(reader)


@pytest.mark.parametrize("given", [one for one in WRITTEN if one.exercise().arguments], ids=lambda given: given.id)
def test_single_precision_is_enough_in_any_dress_and_hides_no_mistake(given: Written) -> None:
    result = judge(given.exercise(), in_single_precision(given.answer(solved(given.code))))
    assert result, result.text("en")
    wrong = [(change, in_single_precision(answer)) for change, answer in wrong_answers(given)[::3]]
    assert set(weaknesses(given.exercise(), wrong)) <= set(EQUIVALENT.get(given.id, {}))


class Noted(Answer):
    """Notes every comparison: the name of the result, what is wanted, and the mistakes that have a message."""

    comparisons: list[tuple[str, np.ndarray, list[tuple[np.ndarray, Pair]]]]

    def _compare(
        self, code: str, got: Any, want: Any, given: str, name: str, mistakes: Told, rtol: float, atol: float
    ) -> None:
        every = [(wrong() if callable(wrong) else wrong, text) for wrong, text in mistakes]
        known = [(np.asarray(wrong), text) for wrong, text in every if not wild(wrong)]
        self.comparisons.append((name, want, known))


def untold(comparisons: list[tuple[str, np.ndarray, list[tuple[np.ndarray, Pair]]]]) -> list[str]:
    """Messages that whoever makes the mistake does not get to see, because it looks like another, or is none.

    A reader sees the first comparison that fails, and there the first mistake that gives the same numbers.
    """
    seen: dict[tuple[str, Pair], str] = {}
    for name, want, mistakes in comparisons:
        for wrong, text in mistakes:
            if seen.get((name, text)) or not np.isfinite(wrong).all():
                continue
            told = next(other for value, other in mistakes if same(wrong, value))
            seen[name, text] = "" if same(wrong, want) else told[0]
    return [f"{name}: {text[0]} → {told or 'is right'}" for (name, text), told in seen.items() if told != text[0]]


@each
def test_whoever_makes_a_known_mistake_is_told_of_it(given: Written) -> None:
    answer = Noted(given.exercise(), given.answer(solved(given.code)), SECONDS)
    answer.comparisons = []
    given.exercise().checker(answer)
    assert not untold(answer.comparisons)


def test_a_mistake_that_lies_beside_the_right_answer_is_told() -> None:
    """Euler's gate differs from the exact one in the fifth decimal."""
    new_gate = find("timescale-1")
    assert new_gate is not None
    tau = -0.02 / np.log(0.98)
    assert "Euler" in judge(new_gate, 1 - 0.005 / tau).text("en")
    assert "more digits" in judge(new_gate, 0.98**0.25 + 8e-6).text("en")


def test_a_message_that_nobody_sees_is_found() -> None:
    half, square = ("Half.", "一半。"), ("Squared.", "平方了。")
    one, two = (np.array(n, float) for n in (1, 2))
    assert not untold([("", two, [(two / 2, half), (two**2, square)])])
    assert untold([("", two, [(two**2, half), (two**2, square)])]) == [": Squared. → Half."]
    assert untold([("", one, [(one / 2, half), (one**2, square)])]) == [": Squared. → is right"]
    assert not untold([("", one, [(one**2, square)]), ("", two, [(two**2, square)])])


SLIPS = """def f(x, W):
    total = 0
    for t in range(1, 4):
        if t < 3:
            total += g(W.T @ x[t], x)
    x.sort()
    return np.tanh(total)
"""


@pytest.mark.parametrize(
    "change",
    [
        "total = 0 -> total = 1",
        "total = 0 -> total = -1",
        "for t in range(1, 4): -> for t in range(1, 4 + 1):",
        "for t in range(1, 4): -> for t in range(1 - 1, 4):",
        "if t < 3: -> if t <= 3:",
        "if t < 3: -> if t > 3:",
        "total += g(W.T @ x[t], x) -> total = g(W.T @ x[t], x)",
        "total += g(W.T @ x[t], x) -> total -= g(W.T @ x[t], x)",
        "total += g(W.T @ x[t], x) -> total += g(W @ x[t], x)",
        "total += g(W.T @ x[t], x) -> total += g(x[t] @ W.T, x)",
        "total += g(W.T @ x[t], x) -> total += g(W.T * x[t], x)",
        "total += g(W.T @ x[t], x) -> total += g(W.T @ x[t - 1], x)",
        "total += g(W.T @ x[t], x) -> total += g(x, W.T @ x[t])",
        "total += g(W.T @ x[t], x) -> total += W.T @ x[t]",
        "total += g(W.T @ x[t], x) -> total += g(W.T @ x[t], W)",
        "x.sort() -> pass",
        "return np.tanh(total) -> return total",
        "return np.tanh(total) -> np.tanh(total)",
    ],
)
def test_mutants_are_the_slips_that_people_make(change: str) -> None:
    made = list(mutants(SLIPS))
    assert change in [mutant.change for mutant in made]
    assert len({mutant.source for mutant in made}) == len(made)


# The laws above must be able to fail: toys whose checks are too weak.

TOY = """def running_sum(x, a):
    s, sums = 0.0, []
    for t in range(len(x)):
        s = a * s + x[t]
        sums.append(s)
    return np.array(sums)
"""


def _toy(monkeypatch: pytest.MonkeyPatch, checker: Any, arguments: tuple[str, ...] | None = None) -> Exercise:
    exercise_ids()  # loads every topic, so that none registers itself with the copy
    monkeypatch.setattr(registry, "_EXERCISES", dict(registry._EXERCISES))
    toy = Exercise("toy-1", checker, Texts("build", (("a", "甲"), ("b", "乙")), {}), arguments)
    registry._EXERCISES["toy-1"] = toy
    return toy


def _toy_mutants() -> list[tuple[str, Any]]:
    def answer(mutant: Mutant) -> Any:
        space: dict[str, Any] = {"np": np}
        exec(mutant.source, space)
        return space["running_sum"]

    return [(mutant.change, answer(mutant)) for mutant in mutants(TOY)]


def test_a_check_that_accepts_everything_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def running_sum(answer: Answer) -> None:
        pass

    toy = _toy(monkeypatch, running_sum, ("x", "a"))
    wrong = _toy_mutants()
    assert len(wrong) >= 10
    assert len(complaints(weaknesses(toy, wrong), {})) == len(wrong)
    assert not judge(toy, wrong[0][1]).fields["count"]


def test_a_check_that_only_looks_at_shapes_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def running_sum(answer: Answer) -> None:
        answer.shape(answer.call(np.ones(3), 0.5, given="T=3"), (3,))

    found = weaknesses(_toy(monkeypatch, running_sum, ("x", "a")), _toy_mutants())
    assert "s = a * s + x[t] -> s = a + s + x[t]" in found
    assert complaints(found, dict.fromkeys(found, "not really")) == []


def test_a_check_on_one_easy_case_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def running_sum(answer: Answer) -> None:
        answer.equals(answer.call(np.ones(1), 0.0, given="T=1"), np.ones(1))

    found = weaknesses(_toy(monkeypatch, running_sum, ("x", "a")), _toy_mutants())
    assert "s = a * s + x[t] -> s = a * s + x[t - 1]" in found


def test_a_good_check_rejects_every_mutant(monkeypatch: pytest.MonkeyPatch) -> None:
    def running_sum(answer: Answer) -> None:
        x = np.array([0.5, -1.2, 2.0, 0.3])
        want = np.array([sum(0.7 ** (t - s) * x[s] for s in range(t + 1)) for t in range(4)])
        answer.equals(answer.call(x, 0.7, given="T=4, a=0.7"), want)

    toy = _toy(monkeypatch, running_sum, ("x", "a"))
    assert judge(toy, _running_sum())
    assert weaknesses(toy, _toy_mutants()) == []


def _running_sum() -> Any:
    space: dict[str, Any] = {"np": np}
    exec(TOY, space)
    return space["running_sum"]


def test_a_stale_excuse_is_found_out() -> None:
    assert complaints([], {"a + b -> a - b": "b is zero"})


def test_a_check_that_fails_itself_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def running_sum(answer: Answer) -> None:
        raise RuntimeError("a slip of the author")

    assert len(weaknesses(_toy(monkeypatch, running_sum, ("x", "a")), _toy_mutants()[:3])) == 3


def test_a_value_check_with_too_wide_a_tolerance_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def floor(answer: Answer) -> None:
        answer.equals(answer.value(), 0.24, rtol=0.1)

    toy = _toy(monkeypatch, floor)
    assert weaknesses(toy, [(repr(value), value) for value in neighbours(toy, 0.24)])


def test_other_options_are_wrong_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def fate(answer: Answer) -> None:
        answer.equals(answer.choice(("vanish", "explode", "neither")), "vanish")

    assert list(neighbours(_toy(monkeypatch, fate), "vanish")) == ["vanish", "explode", "neither"]
