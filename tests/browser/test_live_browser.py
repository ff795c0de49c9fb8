"""Answers that are written on their page, in a browser: what it says is what `check` says, and no text is ever lost."""

import functools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mutants import mutants

from booktools import audit
from booktools.live import files
from booktools.words import words
from rnnbook._languages import LANGUAGES, pick
from rnnbook.check import registry
from rnnbook.check.messages import MESSAGES
from rnnbook.check.page import answered
from rnnbook.check.registry import find, topic_of
from written import Function, functions, mistaken, plain

FUNCTIONS = functions()
TOPICS = sorted({topic_of(function.id) for function in FUNCTIONS})
MUTANTS = 20
SECONDS = 3.0  # for a mutant, which may loop for ever; a browser on a busy machine takes its time
ENDLESS = "def stuck_gate(x, h, c, W_x, W_h, b):\n    while True:\n        pass\n"
RIGHT = next(function.code for function in FUNCTIONS if function.id == "lstm-2")
LONG = 120_000  # milliseconds that a busy machine may take to start Python

# Sends texts through the page's own worker, one after another.
ASK = """async ([id, codes, seconds]) => {
  const data = JSON.parse(document.querySelector(`.live[data-exercise="${id}"] script`).textContent);
  const { ask } = await import(new URL(data.python + "live.js", location));
  const answers = [];
  for (const code of codes) answers.push(await ask(id, code, data.world, seconds ?? data.seconds));
  return answers;
}"""
SHORTEN = """([id, seconds]) => {
  const script = document.querySelector(`.live[data-exercise="${id}"] script`);
  script.textContent = JSON.stringify({ ...JSON.parse(script.textContent), seconds });
}"""


@pytest.fixture(scope="module")
def base(site: Path) -> Iterator[str]:
    if files.found() is None:
        pytest.skip("the browser's Python is not on this machine")
    with audit.served(site) as address:
        yield address


class Reader:
    """A tab of a browser, at the page of a chapter; notes what it asks for and what goes wrong."""

    def __init__(self, context: Any, base: str) -> None:
        self.context, self.base = context, base
        self.tab = context.new_page()
        self.asked: list[str] = []
        self.errors: list[str] = []
        context.on("request", lambda request: self.asked.append(request.url))
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))

    def opens(self, topic: str, lang: str = "en") -> "Reader":
        self.tab.goto(f"{self.base}{'zh/' if lang == 'zh' else ''}chapters/{topic}.html")
        self.tab.wait_for_selector(".live-offer button:enabled", state="attached")
        return self

    def exercise(self, id: str) -> "Live":
        return Live(self, id)

    def elsewhere(self) -> list[str]:
        return [url for url in self.asked if not url.startswith((self.base, "data:", "blob:"))]


class Live:
    """An exercise on a page."""

    def __init__(self, reader: Reader, id: str) -> None:
        self.tab, self.id = reader.tab, id
        self.place = self.tab.locator(f'.live[data-exercise="{id}"]')
        self.offer = self.place.locator(".live-offer button")
        self.field = self.place.locator("textarea")
        self.loading = self.place.locator(".live-loading")
        self.said = self.place.locator(".live-said")

    def begin(self, seconds: float | None = None) -> "Live":
        if seconds is not None:
            self.tab.evaluate(SHORTEN, [self.id, seconds])
        self.offer.click()
        self.loading.wait_for(state="hidden", timeout=LONG)
        return self

    def button(self, name: str) -> Any:
        return self.place.locator(f".live-{name}")

    def check(self, code: str | None = None) -> str:
        """What is said of the text."""
        if code is not None:
            self.field.fill(code)
        self.button("check").click()
        self.place.locator(".live-box:not([aria-busy])").wait_for(timeout=LONG)
        return str(self.said.inner_text())

    @property
    def state(self) -> str | None:
        found: str | None = self.place.locator(".live-box").get_attribute("data-state")
        return found


@pytest.fixture
def reader(browser: Any, base: str) -> Iterator[Reader]:
    context = browser.new_context()
    reader = Reader(context, base)
    yield reader
    context.close()
    assert not reader.errors
    assert not reader.elsewhere()


def kernel(id: str, code: str, world: str) -> dict[str, Any]:
    """What Python says outside of a browser."""
    found: dict[str, Any] = json.loads(answered(id, code, world))
    return found


def is_endless(found: dict[str, Any]) -> bool:
    return "was stopped after" in found["html"]


@functools.cache
def wrong(function: Function) -> list[tuple[str, dict[str, Any]]]:
    """Known mistakes, then mutants from all over the solution, each with what `check` says; one at most is endless."""
    exercise = find(function.id)
    assert exercise is not None
    found = [(code, kernel(function.id, code, function.world)) for code, _ in mistaken(function)]
    sources = [mutant.source for mutant in mutants(function.code)]
    step = max(len(sources) // MUTANTS, 1)
    chosen: list[tuple[str, dict[str, Any]]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry._EXERCISES, function.id, replace(exercise, seconds=SECONDS / 10))
        for source in sorted(sources, key=lambda source: sources.index(source) % step):
            told = kernel(function.id, source, function.world)
            if len(chosen) < MUTANTS and not (is_endless(told) and any(is_endless(other) for _, other in chosen)):
                chosen.append((source, told))
            if len(chosen) == MUTANTS:
                break
    return found + chosen


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("topic", TOPICS)
def test_every_answer_is_told_what_check_tells(reader: Reader, topic: str, lang: str) -> None:
    reader.opens(topic, lang)
    for function in FUNCTIONS:
        if topic_of(function.id) != topic:
            continue
        exercise = find(function.id)
        assert exercise is not None
        live = reader.exercise(function.id).begin()
        placeholder = pick(MESSAGES["not-written"], lang).split("。")[0].split(".")[0].format(name=exercise.name)
        assert plain(placeholder) in live.check()
        assert live.state == "wrong"
        assert plain(pick(MESSAGES["passed"], lang).split("{")[0]) in live.check(function.code)
        assert live.state == "right"
        assert reader.tab.locator(f"#{function.id}.is-solved").count() == 1
        pairs = wrong(function)
        found = reader.tab.evaluate(ASK, [function.id, [code for code, _ in pairs], SECONDS])
        for (code, told), shown in zip(pairs, found, strict=True):
            if is_endless(told):
                assert shown == {"slow": True}, code
            else:
                assert {**shown, "error": bool(shown["error"])} == {**told, "error": bool(told["error"])}, code
