"""Every answer box of the built site: right and wrong answers, what is remembered, keyboard, screen reader."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from answers import RECORDED, checked, mistakes, said, solution

from rnnbook._languages import LANGUAGES, pick
from rnnbook.check.messages import MESSAGES
from rnnbook.check.recording import Recording
from rnnbook.check.registry import topic_of

READY = "form.answer fieldset:enabled"
# Types each answer into a box and sends it; the state and the words that follow.
ASK = """([id, answers]) => {
  const form = document.querySelector(`form.answer[data-exercise="${id}"]`);
  const fields = [...form.querySelectorAll("input, select")];
  return answers.map((typed) => {
    fields.forEach((field, k) => (field.value = typed[k] ?? ""));
    form.requestSubmit();
    return [form.dataset.state === "right", form.querySelector("p").textContent];
  });
}"""


def address(site: Path, lang: str, topic: str) -> str:
    return (site / {"en": "", "zh": "zh"}[lang] / "chapters" / f"{topic}.html").as_uri()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context()
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors


def opened(page: Any, site: Path, lang: str, topic: str) -> Any:
    page.goto(address(site, lang, topic))
    page.wait_for_selector(READY, state="attached")
    return page


def typed(recording: Recording, answer: list[Any]) -> list[str]:
    return [f"{number:g}" if recording.options else repr(number) for number in answer]


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("recording", RECORDED, ids=lambda recording: recording.id)
def test_every_box_answers_as_check_does(site: Path, page: Any, recording: Recording, lang: str) -> None:
    opened(page, site, lang, topic_of(recording.id))
    some = [solution(recording), *mistakes(recording)]
    for answer, (right, text) in zip(
        some, page.evaluate(ASK, [recording.id, [typed(recording, answer) for answer in some]]), strict=True
    ):
        assert (right, said(text)) == checked(recording, answer, lang), answer
    nonsense = [[word] * len(recording.names) for word in ("", "x", "1/0", "<b>1</b>")]
    key = "no-choice" if recording.options else "no-number"
    for right, text in page.evaluate(ASK, [recording.id, nonsense]):
        assert not right
        assert text == pick(MESSAGES[key], lang).replace("`", "")


def test_what_was_right_is_remembered_in_both_editions(site: Path, page: Any) -> None:
    form = opened(page, site, "en", "lstm").locator("form.answer").first
    form.locator("input").fill("0,562")
    page.keyboard.press("Enter")
    assert form.get_attribute("data-state") == "right"
    form.locator("input").fill("1.3")
    page.keyboard.press("Enter")
    assert form.get_attribute("data-state") == "wrong"
    form = opened(page, site, "zh", "lstm").locator("form.answer").first
    assert form.locator("input").input_value() == "0,562"
    assert form.locator("p").text_content() == "正确。"
    assert page.locator("#lstm-1.is-solved").count() == 1
    for nonsense in ("", "|", "1|2|3", "<b>", "null"):
        page.evaluate("kept => (localStorage['answer:lstm-1'] = localStorage['answer:smoothing-5'] = kept)", nonsense)
        opened(page, site, "en", "lstm")
        assert page.evaluate(ASK, ["lstm-1", [["0.562"]]]) == [[True, "Correct."]]
        opened(page, site, "en", "smoothing")
        assert page.evaluate(ASK, ["smoothing-5", [["0", "1", "0", "1", "0"]]]) == [[True, "Correct."]]


@pytest.mark.parametrize("storage", ["get() { throw new DOMException('no', 'SecurityError') }", "value: undefined"])
def test_a_browser_that_keeps_nothing_answers_too(site: Path, page: Any, storage: str) -> None:
    page.add_init_script(f"Object.defineProperty(window, 'localStorage', {{ {storage} }})")
    page.route("**/site.js*", lambda route: route.abort())  # its other parts have their own tests
    page.goto(address(site, "en", "lstm"))
    page.add_script_tag(path=site / "_static" / "answers.js")
    assert page.evaluate(ASK, ["lstm-1", [["0.562"], ["1.3"]]])[0] == [True, "Correct."]


def test_keyboard_and_screen_reader(site: Path, page: Any) -> None:
    form = opened(page, site, "en", "smoothing").locator("form.answer").first
    said_before = form.aria_snapshot()
    assert 'form "Your answer (smoothing-2)"' in said_before
    assert "status" in said_before
    form.locator("input").first.focus()
    page.keyboard.type("[4, 2, 4/3]")
    page.keyboard.press("Enter")
    assert form.get_attribute("data-state") == "right"
    assert form.locator("input").nth(2).input_value().strip() == "4/3"
    form.locator("input").nth(1).fill("3")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # on the button
    assert form.locator("input").nth(1).get_attribute("aria-invalid") == "true"
    assert form.locator("input").nth(0).get_attribute("aria-invalid") == "false"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_phone_shows_a_box_without_scrolling_sideways(site: Path, browser: Any, lang: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800})
    page = opened(context.new_page(), site, lang, "smoothing")
    for form in page.locator("form.answer").all():
        assert form.evaluate(
            "form => form.scrollWidth <= form.clientWidth + 1 && form.getBoundingClientRect().right <= 390"
        )
    context.close()


def test_without_a_script_nothing_can_be_sent(site: Path, browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address(site, "en", "lstm"))
    assert page.locator("form.answer input").first.is_disabled()
    context.close()


def test_the_page_does_not_show_the_answer(site: Path) -> None:
    """It holds what it needs to compare, as data; nothing of that is text."""
    text = (site / "chapters" / "lstm.html").read_text("utf8")
    before = text[: text.index('<script type="application/json">{"names":["c_3"]')]
    assert "0.562" not in before[before.rindex('id="lstm-1"') :]
