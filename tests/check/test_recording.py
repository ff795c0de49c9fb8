"""An answer box says what `check` says: the page's script, run in QuickJS, against the checkers, on many answers."""

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import quickjs
from answers import RECORDED, checked, drawn, mistakes, said, solution
from rcssmin import cssmin
from rjsmin import jsmin

from booktools.answers import box
from rnnbook._languages import LANGUAGES
from rnnbook.check import exercise_ids, registry
from rnnbook.check.recording import NotRecordable, Recorder, Recording, recording_of
from rnnbook.check.registry import Exercise, find
from rnnbook.check.texts import Texts
from rnnbook.explore import assets

SCRIPT = Path(__file__).resolve().parent.parent.parent / "booktools" / "static" / "answers.js"
each = pytest.mark.parametrize("recording", RECORDED, ids=lambda recording: recording.id)


@pytest.fixture(scope="module")
def script() -> Callable[..., Any]:
    """Calls a function of the script: script("number", "1/2")."""
    context = quickjs.Context()
    context.eval("const document = {querySelectorAll: () => []};\n" + jsmin(SCRIPT.read_text("utf8")))
    call = context.eval("(name, given) => JSON.stringify(answers[name](...JSON.parse(given)) ?? null).normalize()")
    return lambda name, *given: json.loads(str(call(name, json.dumps(given))))


def test_every_exercise_with_a_value_is_answered_on_the_page() -> None:
    values = [id for id in exercise_ids() if (found := find(id)) and found.arguments is None]
    assert [recording.id for recording in RECORDED] == values
    assert len(values) >= 15
    assert recording_of("lstm-2") is None
    assert box("lstm-2", "en") == ""


@each
@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_says_what_check_says(script: Callable[..., Any], recording: Recording, lang: str) -> None:
    rng = random.Random(recording.id)
    data = recording.data(lang)
    some = [solution(recording), *mistakes(recording), *(drawn(recording, rng) for _ in range(300))]
    for answer in some:
        text, *wrong = script("verdict", data, answer, ["X"] * len(answer))
        assert (not wrong, said(text)) == checked(recording, answer, lang), answer


@each
def test_every_mistake_has_its_words_on_the_page(script: Callable[..., Any], recording: Recording) -> None:
    """Whoever makes it is told of it, or of another that gives the same numbers."""
    texts = {text for one in recording.comparisons for _, (text, _) in one.mistakes}
    for answer in mistakes(recording):
        text, wrong = script("verdict", recording.data("en"), answer, ["X"] * len(answer))
        assert any(known in text for known in texts) or "Very near" in text, (answer, text, wrong)


@each
@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_box_holds_what_the_script_reads(recording: Recording, lang: str) -> None:
    form = box(recording.id, lang)
    data = form.split('<script type="application/json">')[1].split("</script>")[0]
    assert json.loads(data) == json.loads(json.dumps(recording.data(lang)))
    assert not set("<>&") & set(data)
    assert form.count("<label>") == len(recording.names)


SPELLINGS = {
    "3.5 3,5 ３．５ ３，５ 3。5 +3.5 ＋３．５ ≈3.5 c_3=3.5": 3.5,
    "-0.5 −0.5 –0.5 －０．５ —0.5 -1/2 −1/2 -.5 −50% −５０％": -0.5,
    "１／２ ½ 1⁄2 1÷2 0.5 .5 2/4 50% 5e-1 5E−1 ５ｅ－１": 0.5,
    "2e-3 2×10⁻³ 2*10^-3 2·10^−3 2x10**-3 0.002": 0.002,
    "1,234.5 1234.5": 1234.5,
    "5. 5 5.0 1e1/2": 5,
}


@pytest.mark.parametrize(("typed", "number"), [(one, n) for many, n in SPELLINGS.items() for one in many.split()])
def test_numbers_are_read_as_they_are_written(script: Callable[..., Any], typed: str, number: float) -> None:
    assert script("number", typed, False) == pytest.approx(number, rel=1e-12)
    assert script("number", f" {typed} ", False) == pytest.approx(number, rel=1e-12)


@pytest.mark.parametrize("typed", ["12,345", "12 345", "１２，３４５", "12345", "12345.0", "steps = 12,345"])
def test_whole_numbers_may_have_thousands(script: Callable[..., Any], typed: str) -> None:
    assert script("number", typed, True) == 12345


NONSENSE = [
    "",
    "abc",
    "1/0",
    "--3",
    "1..2",
    "0x10",
    "Infinity",
    "1e999",
    "3 4 x",
    "<b>1</b>",
    "NaN",
    "1/2/3",
    "-",
    "e",
    "½½",
]


@pytest.mark.parametrize("typed", NONSENSE)
def test_what_is_no_number_is_none(script: Callable[..., Any], typed: str) -> None:
    assert script("number", typed, False) is None
    assert script("number", typed, True) is None


@pytest.mark.parametrize(
    "typed",
    [
        "4, 2, 1",
        "[4, 2, 1]",
        "4 2 1",
        "4；2；1",
        "４，２，１",
        "【4、2、1】",
        "variances = [4, 2, 1]",
        "4,2,1",
        "4,0 2,0 1,0",
    ],
)
def test_lists_are_taken_apart(script: Callable[..., Any], typed: str) -> None:
    parts = script("list", typed, 3)
    assert [script("number", part, False) for part in parts] == [4, 2, 1]
    assert script("list", typed, 5) is None


# What cannot be recorded exactly does not reach a page


def recorded(checker: Callable[[Any], None]) -> Recording:
    recorder = Recorder(Exercise("toy-1", checker, Texts("warm-up", (), {"half": ("Half.", "一半。")})))
    checker(recorder)
    return recorder.recording


@pytest.mark.parametrize(
    "checker",
    [
        lambda answer: answer.equals(answer.value() ** 2, 4),
        lambda answer: answer.require(True, "half"),
        lambda answer: answer.equals(answer.value(), 3) if answer.value() > 2 else None,
        lambda answer: answer.equals(np.asarray(answer.value()), 3),
        lambda answer: {}.get(answer.value()),
        lambda answer: f"{answer.value()}",
        lambda answer: answer.equals(3.0, 3.0),
        lambda answer: answer.equals(answer.values("a", "b"), [1, 2]),
        lambda answer: answer.equals(answer.values("a", "b"), [1, 2, 3], mistakes=[(..., "half")]),
        lambda answer: answer.equals(answer.value(kind="array"), [1, 2]),
        lambda answer: answer.equals(answer.values("a", "b")[0], 1, name="b"),
        lambda answer: answer.call(1.0, given=""),
    ],
)
def test_a_checker_that_does_more_than_compare_is_refused(checker: Callable[[Any], None]) -> None:
    with pytest.raises(NotRecordable):
        recorded(checker)


def test_an_unknown_key_is_found_while_the_page_is_built() -> None:
    with pytest.raises(KeyError, match="hlaf"):
        recorded(lambda answer: answer.equals(answer.value(), 1.0, mistakes=[(2.0, "hlaf")]))


def test_a_build_that_fails_names_the_exercise(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Exercise("toy-1", lambda answer: answer.require(True, "half"), Texts("warm-up", (), {}))
    monkeypatch.setitem(registry._EXERCISES, "toy-1", toy)
    with pytest.raises(NotRecordable, match="toy-1 cannot be answered on its page: `require`"):
        recording_of("toy-1")


def test_words_are_chosen_from_a_few(script: Callable[..., Any]) -> None:
    found = recorded(lambda answer: answer.equals(answer.choice(("rise", "fall")), "rise", mistakes=[("fall", "half")]))
    assert [value for value, _ in found.options] == ["rise", "fall"]
    assert script("verdict", found.data("en"), ["rise"], ["“rise”"]) == ["Correct."]
    assert script("verdict", found.data("zh"), ["fall"], ["“fall”"])[0].endswith("一半。")


def test_explorables_and_boxes_weigh_less_than_eight_kilobytes() -> None:
    boxes = jsmin(SCRIPT.read_text("utf8")) + cssmin(SCRIPT.with_suffix(".css").read_text("utf8"))
    together = assets.stylesheet() + assets.definition() + assets.call() + boxes
    assert len(gzip.compress(together.encode(), mtime=0)) <= 8 * 1024
