"""Answers that are written on their page, in a browser: what it says is what `check` says, and no text is ever lost."""

import functools
import json
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from mutants import mutants
from written import Function, functions, mistaken, plain

from booktools import audit
from booktools.live import files
from booktools.words import words
from rnnbook._languages import LANGUAGES, pick
from rnnbook.check import registry
from rnnbook.check.messages import MESSAGES
from rnnbook.check.page import answered
from rnnbook.check.registry import find, topic_of
from rnnbook.check.result import Progress

FUNCTIONS = functions()
TOPICS = sorted({topic_of(function.id) for function in FUNCTIONS})
MUTANTS = 20
SECONDS = 3.0  # for a mutant, which may loop for ever; a browser on a busy machine takes its time
ENDLESS = "def stuck_gate(x, h, c, W_x, W_h, b):\n    while True:\n        pass\n"
RIGHT = next(function.code for function in FUNCTIONS if function.id == "lstm-2")
# Without the other sections of the page, which have their own tests and take axe long.
ALONE = """() => {
  for (const section of document.querySelectorAll(".bd-article > section > section"))
    if (!section.querySelector('[data-exercise="lstm-2"]')) section.remove();
}"""
AXE = """axe.run('.live[data-exercise="lstm-2"]', {resultTypes: ['violations']})"""
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
        self.field.wait_for()
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
    def data(self) -> dict[str, Any]:
        """What the page holds of it."""
        found: dict[str, Any] = json.loads(self.place.locator("script").text_content())
        return found

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
def wrong(function: Function, world: str) -> list[tuple[str, dict[str, Any]]]:
    """Known mistakes, then mutants from all over the solution, each with what `check` says; one at most is endless."""
    exercise = find(function.id)
    assert exercise is not None
    found = [(code, kernel(function.id, code, world)) for code, _ in mistaken(function, world)]
    sources = [mutant.source for mutant in mutants(function.code)]
    step = max(len(sources) // MUTANTS, 1)
    chosen: list[tuple[str, dict[str, Any]]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry._EXERCISES, function.id, replace(exercise, seconds=SECONDS / 10))
        for source in sorted(sources, key=lambda source: sources.index(source) % step):
            told = kernel(function.id, source, world)
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
        pairs = wrong(function, live.data["world"])
        found = reader.tab.evaluate(ASK, [function.id, [code for code, _ in pairs], SECONDS])
        for (code, told), shown in zip(pairs, found, strict=True):
            if is_endless(told):
                assert shown == {"slow": True}, code
            else:
                assert {**shown, "error": bool(shown["error"])} == {**told, "error": bool(told["error"])}, code


def test_nothing_of_python_is_asked_for_before_the_click(reader: Reader) -> None:
    reader.opens("lstm").tab.wait_for_load_state("networkidle")
    assert not [url for url in reader.asked if "/python/" in url]
    offers = reader.tab.locator(".live-offer button")
    assert set(offers.all_text_contents()) == {words("live", "en")["write"]}
    reader.exercise("lstm-2").begin()
    asked = [url.removeprefix(f"{reader.base}python/") for url in reader.asked if "/python/" in url]
    assert set(json.loads((audit.SITE / files.PLACE / "files.json").read_text("utf8"))) < set(asked)
    assert len(asked) == len(set(asked)), "something was asked for twice"
    reader.exercise("lstm-3").begin()  # the same Python
    assert len([url for url in reader.asked if "/python/" in url]) == len(asked)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_never_ends_is_stopped_and_the_text_stays(reader: Reader, lang: str) -> None:
    """By the exercise's own limit."""
    live = reader.opens("lstm", lang).exercise("lstm-2").begin()
    said = live.check(ENDLESS)
    assert plain(pick(MESSAGES["too-slow"], lang)).split("{where}")[1] in said
    assert f"{find('lstm-2').seconds:g}" in said  # type: ignore[union-attr]
    assert words("live", lang)["afresh"] in said
    assert live.field.input_value() == ENDLESS
    assert live.state == "wrong"
    assert live.check(RIGHT)
    assert live.state == "right"


def test_a_text_outlives_reload_language_and_limit(reader: Reader) -> None:
    live = reader.opens("lstm").exercise("lstm-2").begin(seconds=0.2)
    live.check(ENDLESS)
    reader.opens("lstm", "zh")
    assert live.offer.text_content() == words("live", "zh")["again"]
    live.begin()
    assert live.field.input_value() == ENDLESS
    live.check(RIGHT)
    live.field.press_sequentially("# 一")  # kept on the way out, before its time
    reader.opens("lstm")
    assert reader.tab.locator("#lstm-2.is-solved").count() == 1
    live.begin()
    assert live.field.input_value() == RIGHT + "# 一"
    live.field.fill(live.field.input_value().removesuffix("# 一"))


def test_what_breaks_python_is_told_and_a_fresh_one_answers(reader: Reader) -> None:
    live = reader.opens("lstm").exercise("lstm-2").begin()
    said = live.check("import os\nos._exit(1)\n")
    assert words("live", "en")["broken"] in said
    assert live.check(RIGHT)
    assert live.state == "right"
    said = live.check("x = []\nwhile True:\n    x.append(np.empty(10**7))\n")
    assert "Unable to allocate" in said
    assert live.place.locator(".live-numbers .is-wrong").inner_text() == "3"
    live.check(RIGHT)  # by a fresh worker, since memory is never given back
    assert live.state == "right"


def test_output_and_errors_are_shown_and_the_line_is_marked(reader: Reader) -> None:
    live = reader.opens("lstm", "zh").exercise("lstm-2").begin()
    said = live.check("print('h_1', 3)\n1 / 0\n")
    assert words("live", "zh")["printed"] in said
    assert "h_1 3" in said
    assert words("live", "zh")["line"].format(line=2) in said
    assert "ZeroDivisionError: division by zero" in said
    marked = live.place.locator(".live-numbers .is-wrong")
    assert marked.all_inner_texts() == ["2"]
    live.field.press("End")
    live.field.press_sequentially(" ")
    assert marked.count() == 0
    said = live.check("x = （1， 2)\n")
    assert words("live", "zh")["full"].format(letter="（") in said
    assert live.tab.evaluate("document.activeElement.className") == "live-check"  # nothing took the focus
    live.field.focus()
    live.tab.keyboard.press("Control+Enter")
    live.place.locator(".live-box:not([aria-busy])").wait_for()
    assert live.tab.evaluate("document.activeElement.tagName") == "TEXTAREA"


def test_keys_indent_and_can_be_undone(reader: Reader) -> None:
    live = reader.opens("lstm").exercise("lstm-2").begin()
    press, field = live.tab.keyboard.press, live.field
    assert live.tab.evaluate("getSelection().toString()") == "raise NotImplementedError"  # the place to write at
    live.tab.keyboard.type("for t in range(3):  # steps")
    press("Enter")
    live.tab.keyboard.type("if t:")
    press("Enter")
    live.tab.keyboard.type("pass")
    press("Enter")
    press("Backspace")
    live.tab.keyboard.type("x")
    head = "def stuck_gate(x, h, c, W_x, W_h, b):\n"
    body = "    for t in range(3):  # steps\n        if t:\n            pass\n        x\n"
    assert field.input_value() == head + body
    press("Tab")
    assert field.input_value() == head + body[:-1] + "   \n"  # to the next stop
    for _ in range(60):
        press("Control+z")
    assert field.input_value() == live.data["stub"]
    field.fill("a\n  b\n\nc")
    press("Control+a")
    press("Tab")
    assert field.input_value() == "    a\n      b\n\n    c"
    press("Shift+Tab")
    press("Shift+Tab")
    assert field.input_value() == "a\nb\n\nc"
    press("Control+z")
    press("Control+z")
    assert field.input_value() == "    a\n      b\n\n    c"
    press("Escape")
    press("Tab")
    assert live.tab.evaluate("document.activeElement.className") == "live-check"
    assert live.place.locator(".live-numbers").inner_text().split() == ["1", "2", "3", "4"]


def test_reset_hint_and_solution(reader: Reader) -> None:
    live = reader.opens("lstm").exercise("lstm-2").begin()
    stub = live.field.input_value()
    live.field.fill("x = 1\n")
    live.button("reset").click()
    assert live.field.input_value() == stub
    assert live.button("reset").inner_text() == words("live", "en")["back"]
    live.button("reset").click()
    assert live.field.input_value() == "x = 1\n"
    assert live.button("reset").inner_text() == words("live", "en")["reset"]
    hints = reader.tab.locator('.live[data-exercise="lstm-2"] ~ .fold-hint')
    for count in (1, 2):
        live.button("hint").click()
        assert [hints.nth(k).get_attribute("open") is not None for k in range(2)] == [k < count for k in range(2)]
    live.button("solution").click()
    assert reader.tab.locator('.live[data-exercise="lstm-2"] ~ .fold-solution').first.get_attribute("open") is not None
    assert "def gates" not in live.place.locator(".live-above > summary").inner_text()
    assert "gates" in live.place.locator(".live-above > summary").inner_text()
    live.place.locator(".live-above > summary").click()
    assert "def gates" in live.place.locator(".live-above > pre").inner_text()


def test_loading_can_be_stopped_and_fail(reader: Reader) -> None:
    reader.context.route("**/pyodide.asm.wasm", lambda route: None)  # never answered
    live = reader.opens("lstm").exercise("lstm-2")
    live.offer.click()
    live.loading.wait_for()
    live.tab.locator(".live-loading span", has_text="of 1").wait_for()
    live.field.fill("x = 1")
    live.button("stop").click()
    assert live.field.count() == 0
    assert live.offer.text_content() == words("live", "en")["again"]
    reader.context.unroute("**/pyodide.asm.wasm")
    reader.context.route("**/pyodide.asm.wasm", lambda route: route.fulfill(status=503))
    live.offer.click()
    assert live.field.input_value() == "x = 1"
    live.said.locator("p", has_text="pyodide.asm.wasm: 503").wait_for()
    assert live.loading.is_hidden()
    reader.context.unroute("**/pyodide.asm.wasm")
    live.check(RIGHT)
    assert live.state == "right"


def test_answers_are_downloaded_in_the_notebook_and_cleared(reader: Reader) -> None:
    form = reader.opens("lstm", "zh").tab.locator("form.answer").first
    form.locator("input").fill("c_3 = 0,562")
    reader.tab.keyboard.press("Enter")
    live = reader.exercise("lstm-2").begin()
    live.field.fill("# 我的答案\n" + RIGHT)
    with reader.tab.expect_download() as download:
        live.button("download").click()
    assert download.value.suggested_filename == "lstm-answers.ipynb"
    notebook = json.loads(Path(download.value.path()).read_text("utf8"))
    cells = {c["metadata"]["exercise"]: c["source"] for c in notebook["cells"] if "exercise" in c["metadata"]}
    assert cells["lstm-2"] == ("# 我的答案\n" + RIGHT).rstrip()
    assert cells["lstm-1"] == "c_1 = ...\nc_2 = ...\nc_3 = 0.562"
    assert "NotImplementedError" in cells["lstm-3"]
    assert "练习" in "".join("".join(cell["source"]) for cell in notebook["cells"])
    assert not any(cell.get("outputs") for cell in notebook["cells"])
    live.check()
    asked: list[str] = []
    answers: list[str] = []

    def decide(dialog: Any) -> None:
        asked.append(dialog.message)
        getattr(dialog, answers[-1])()

    reader.tab.on("dialog", decide)
    for answer in ("dismiss", "accept"):
        answers.append(answer)
        live.button("clear").click()
        assert live.field.input_value().startswith("#") == (answer == "dismiss")
    assert asked == [words("live", "zh")["sure"]] * 2
    reader.opens("lstm")
    assert reader.tab.evaluate("Object.keys(localStorage).filter((name) => /^(code|solved|answer):/.test(name))") == []
    assert reader.tab.locator(".is-solved").count() == 0


def test_a_list_goes_into_the_notebook_as_a_list(reader: Reader) -> None:
    form = reader.opens("smoothing").tab.locator("form.answer").first
    form.locator("input").first.fill("[4, 2, 4/3]")
    reader.tab.keyboard.press("Enter")
    live = reader.exercise("smoothing-1").begin()
    with reader.tab.expect_download() as download:
        live.button("download").click()
    text = Path(download.value.path()).read_text("utf8")
    assert "variances = [4, 2, 1.3333333333333333]" in text


@pytest.mark.parametrize("storage", ["get() { throw new DOMException('no', 'SecurityError') }", "value: undefined"])
def test_a_browser_that_keeps_nothing_checks_too(reader: Reader, storage: str) -> None:
    reader.tab.add_init_script(f"Object.defineProperty(window, 'localStorage', {{ {storage}, configurable: true }})")
    live = reader.opens("lstm").exercise("lstm-2").begin()
    live.check(RIGHT)
    assert live.state == "right"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_home_page_shows_what_is_solved(reader: Reader, lang: str) -> None:
    home = f"{reader.base}{'zh/' if lang == 'zh' else ''}index.html"
    reader.tab.goto(home)
    table = reader.tab.locator(".live-progress")
    assert table.is_hidden()
    reader.tab.evaluate("() => { localStorage['solved:lstm-2'] = '1'; localStorage['answer:lstm-1'] = '0.562'; }")
    reader.tab.goto(home)
    topics = {topic: registry.exercise_ids(topic) for topic in registry.topics()}
    wanted = Progress(topics, frozenset({"lstm-1", "lstm-2"}))
    reader.tab.keyboard.press("Shift")  # a key lays out what is beyond the screen
    assert pick(wanted.message, lang) in table.inner_text()
    row = table.locator("tr", has_text="lstm").locator("td").all_inner_texts()
    assert row[0] == "lstm-1, lstm-2"
    assert row[1].startswith("lstm-3")
    reader.tab.set_content(f"<div lang={lang}>{wanted._repr_html_()}</div>")
    assert reader.tab.locator("tr", has_text="lstm").locator("td").all_inner_texts() == row


STATES = {
    "stub": None,
    "wrong": "def stuck_gate(x, h, c, W_x, W_h, b):\n    return 'i'\n",
    "error": "print(1)\n1 / 0\n",
    "stopped": ENDLESS,
    "right": RIGHT,
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_state_is_accessible_and_fits_a_phone(browser: Any, base: str, lang: str, scheme: str) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": 390, "height": 844}, has_touch=True)
    reader = Reader(context, base)
    held: list[Any] = []
    context.route("**/pyodide.asm.wasm", lambda route: route.continue_() if held else held.append(route))
    live = reader.opens("lstm", lang).exercise("lstm-2")

    def look(state: str) -> None:
        found = reader.tab.evaluate(AXE)["violations"]
        assert not found, f"{state}: {[(v['id'], v['nodes'][0]['html']) for v in found]}"
        assert reader.tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), state

    reader.tab.evaluate(ALONE)
    reader.tab.evaluate(resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf8"))
    look("offer")
    reader.tab.evaluate(SHORTEN, ["lstm-2", 0.2])
    live.offer.click()
    live.loading.wait_for()
    look("loading")
    while not held:
        reader.tab.wait_for_timeout(50)
    held[0].continue_()
    live.loading.wait_for(state="hidden", timeout=LONG)
    live.place.locator(".live-above > summary").click()
    look("ready")
    assert live.field.evaluate("field => parseFloat(getComputedStyle(field).fontSize)") >= 16
    for state, code in STATES.items():
        live.check(code)
        assert live.state == ("right" if state == "right" else "wrong")
        look(state)
    context.close()
    assert not reader.errors


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_page_opened_as_a_file_says_why_and_how(site: Path, base: str, browser: Any, lang: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto((site / {"en": "", "zh": "zh"}[lang] / "chapters" / "lstm.html").as_uri())
    page.locator(".live-offer button:enabled").first.click()
    said = page.locator(".live-offer [role=status]")
    assert said.inner_text() == words("live", lang)["file"].translate(str.maketrans("", "", "`[]"))
    assert said.locator("code").all_inner_texts() == ["make serve", "python serve.py"]
    assert (site / said.locator("a").evaluate("link => link.href").removeprefix(site.as_uri() + "/")).is_file()
    assert page.locator(".live-box").count() == 0
    context.close()


def test_an_audit_measures_answers(site: Path, base: str, browser: Any) -> None:
    found = audit.answering(browser, f"{base}chapters/lstm.html", phone=False)
    runtime = sum(len(audit.compressed((site / files.PLACE / name).read_bytes())) for name in files.SHA256)
    assert runtime < found.size < runtime + audit.BUDGET["bytes"] + 100_000
    assert 0 < found.further < found.warm
    assert found.cold > 0
