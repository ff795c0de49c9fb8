"""The explorables in a browser, from a file on disk: mouse, touch, keyboard, play, both languages, light and dark."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from built import until
from explorables import (
    ALL,
    GUESSES,
    HIGH,
    LATE,
    SHAPE,
    activation,
    activations,
    curves,
    guessed,
    heat_map,
    mixture,
    norms,
    phase_portrait,
    pole_map,
    two_units,
)

from rnnbook.explore import Explorer, Guess, words

TAGS = {"en": "en", "zh": "zh-CN", "": ""}

# The contrast of each text, line and control with what lies behind it, by the formula of WCAG 2.
CONTRAST = """() => {
  const numbers = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = (c) => numbers(c).slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const found = [];
  for (const root of document.querySelectorAll(".explorer")) {
    const paper = light(getComputedStyle(root).backgroundColor);
    for (const node of root.querySelectorAll("p, span, b, label, select, button, text"))
      if (node.textContent.trim() && node.getClientRects().length)
        found.push(["text", node.textContent, contrast(light(getComputedStyle(node).color), paper)]);
    for (const node of root.querySelectorAll("[class*=c0], [class*=c1], [class*=c2], [class*=c3], .ex-arrows"))
      found.push(["mark", node.getAttribute("class"), contrast(light(getComputedStyle(node).color), paper)]);
  }
  return found;
}"""


Open = Callable[..., Any]


@pytest.fixture
def show(browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens a page with explorables from a file; at the end, no page may have logged an error or asked for anything."""
    monkeypatch.delenv("RNNBOOK_LANG", raising=False)
    complaints: list[str] = []
    contexts = []

    def opened(
        *explorers: Explorer, language: str = "en", theme: str = "light", width: int = 800, **options: Any
    ) -> Any:
        outputs = "".join(explorer._repr_html_() for explorer in explorers)
        attributes = (f'lang="{TAGS[language]}"' if language else "") + (f' data-theme="{theme}"' if theme else "")
        head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        file = tmp_path / "page.html"
        file.write_text(f"<!doctype html><html {attributes}><head>{head}</head><body>{outputs}</body></html>", "utf-8")
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.extend([request.url] * (not request.url.startswith("file:"))))
        page.goto(file.as_uri())
        if options.get("java_script_enabled", True):  # figures come with the first frame, perhaps after the load
            until(page, "new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0, true)))")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def readout(page: Any) -> list[str]:
    return [text.strip() for text in page.locator("[role=status] b").all_inner_texts()]


def path(page: Any, kind: str) -> str:
    return str(page.locator(f"path.ex-{kind}").first.get_attribute("d"))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_keyboard(show: Open, language: str) -> None:
    page = show(activations(), language=language)
    before = path(page, "line")
    gain = page.get_by_label({"en": "gain g", "zh": "增益 g"}[language], exact=True)
    assert gain.get_attribute("aria-valuetext") == "1"
    assert gain.get_attribute("data-lm-suppress-shortcuts") == "true"
    gain.focus()
    page.keyboard.press("ArrowRight")
    assert gain.get_attribute("aria-valuetext") == "1.25"
    assert readout(page) == [words.number(activation("tanh", 1.25)["steepest"])]
    assert path(page, "line") != before
    page.keyboard.press("End")
    assert readout(page) == [words.number(activation("tanh", 3)["steepest"])]
    choice = page.get_by_label({"en": "function φ", "zh": "函数 φ"}[language], exact=True)
    choice.select_option(label="sigmoid")
    assert readout(page) == [words.number(activation("sigmoid", 3)["steepest"])]


def test_mouse_and_the_numbers_under_it(show: Open) -> None:
    page = show(activations())
    slider = page.locator("input[type=range]")
    box = slider.bounding_box()
    page.mouse.click(box["x"] + box["width"] - 3, box["y"] + box["height"] / 2)
    assert slider.get_attribute("aria-valuetext") == "3"
    assert readout(page) == ["3"]
    figure = page.locator(".ex-figure svg").bounding_box()
    page.mouse.move(figure["x"] + figure["width"] - 12, figure["y"] + 60)  # z = 4
    result = activation("tanh", 3)
    keys = page.locator(".ex-legend b").all_inner_texts()
    assert float(keys[0].replace("−", "-")) == pytest.approx(result["phi"][-1], abs=1e-3)
    assert page.locator("path.ex-pointer").count() == 1
    page.mouse.move(0, 0)
    assert page.locator(".ex-legend b").all_inner_texts() == ["", ""]


def test_touch(show: Open) -> None:
    page = show(phase_portrait(), width=360, has_touch=True, is_mobile=True)
    slider = page.get_by_label("scale r", exact=True)
    box = slider.bounding_box()
    page.touchscreen.tap(box["x"] + 3, box["y"] + box["height"] / 2)
    assert slider.get_attribute("aria-valuetext") == "0.5"
    assert readout(page) == [words.number(two_units(0.5, 30)["length"])]
    touch = "(selector) => getComputedStyle(document.querySelector(selector)).touchAction"
    assert page.evaluate(touch, ".explorer svg") == "pan-y"
    assert page.evaluate(touch, ".explorer input") == "pan-y"


def stand_still(page: Any) -> None:
    """Time passes on the page only where the test says so, however slow the machine."""
    page.clock.install(time=0)
    page.clock.pause_at(3600)


def test_play_walks_to_the_end_and_stops(show: Open) -> None:
    page = show(activations())
    stand_still(page)
    button = page.get_by_role("button", name="Play: gain g")
    button.click()
    assert page.get_by_role("button", name="Pause: gain g").count() == 1
    assert page.locator("[role=status]").get_attribute("aria-live") == "off"
    page.clock.run_for(5000)
    assert readout(page) == [words.number(activation("tanh", 3)["steepest"])]
    assert page.locator("[role=status]").get_attribute("aria-live") == "polite"
    button.click()  # from the end it begins again
    assert page.locator("input").get_attribute("aria-valuetext") == "0.25"
    page.clock.run_for(900)
    page.get_by_role("button", name="Pause: gain g").click()
    here = page.locator("input").get_attribute("aria-valuetext")
    page.clock.run_for(3000)
    assert page.locator("input").get_attribute("aria-valuetext") == here == "0.75"


def test_play_makes_single_steps_for_readers_who_asked_for_less_motion(show: Open) -> None:
    page = show(activations(), reduced_motion="reduce")
    stand_still(page)
    page.get_by_role("button", name="Play: gain g").click()
    page.clock.run_for(3000)
    assert page.locator("input").get_attribute("aria-valuetext") == "1.25"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_the_page_chooses_the_language(show: Open, language: str, script: bool) -> None:
    explorers = [make() for make in ALL]
    page = show(*explorers, language=language, java_script_enabled=script)
    text = page.locator("body").inner_text()
    other = words.LANGUAGES[1 - words.LANGUAGES.index(language)]
    for explorer in explorers:
        assert words.pick(explorer.title, language) in text
        assert words.pick(explorer.title, other) not in text
        assert page.get_by_role("group", name=words.pick(explorer.title, language), exact=True).count() == 1
        assert page.get_by_role("img", name=words.pick(explorer.alt, language), exact=True).count() == 1
    assert bool(re.search("[\u4e00-\u9fff]", text)) == (language == "zh")


def test_a_page_without_a_language_is_read_in_english(show: Open) -> None:
    page = show(phase_portrait(), language="")
    assert page.get_by_label("scale r", exact=True).count() == 1
    assert not re.search("[\u4e00-\u9fff]", page.locator("body").inner_text())


def test_a_notebook_chooses_the_language(show: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = activations()
    original = explorer._repr_html_
    monkeypatch.setenv("RNNBOOK_LANG", "zh")
    chinese = original()
    monkeypatch.setattr(explorer, "_repr_html_", lambda: chinese)
    page = show(explorer, language="en")
    assert page.get_by_label("增益 g", exact=True).count() == 1


@pytest.mark.parametrize("width", [800, 360])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everything_is_legible(show: Open, theme: str, width: int) -> None:
    page = show(*(make() for make in ALL), theme=theme, width=width)
    measured = page.evaluate(CONTRAST)
    assert len(measured) > 50
    faint = [m for m in measured if m[2] < (4.5 if m[0] == "text" else 3)]
    assert faint == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = page.evaluate("[...document.querySelectorAll('text')].map((t) => parseFloat(getComputedStyle(t).fontSize))")
    assert min(sizes) >= 12
    scale = "(svg) => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width"
    scales = page.evaluate(f"[...document.querySelectorAll('.ex-figure svg')].map({scale})")
    assert np.allclose(scales, 1, atol=0.01)  # real pixels
    heights = [box.bounding_box()["height"] for box in page.locator("input, select, button").all()]
    assert min(heights) >= 24


@pytest.mark.parametrize("dark", [True, False])
def test_without_a_theme_the_system_decides(show: Open, dark: bool) -> None:
    page = show(activations(), theme="", color_scheme="dark" if dark else "light")
    paper = page.evaluate("getComputedStyle(document.querySelector('.explorer')).backgroundColor")
    assert (paper != "rgb(255, 255, 255)") == dark
    assert not [m for m in page.evaluate(CONTRAST) if m[2] < 3]


def test_missing_and_clipped_values(show: Open) -> None:
    page = show(mixture())
    result = curves(0.8)
    assert path(page, "bars").count("M") == np.isfinite(result["bars"]).sum()
    assert page.locator("path.ex-edge.c1").get_attribute("d").count("m-5 0") == 2
    assert readout(page) == [words.number(8e-6), "–"]
    figure = page.locator(".ex-figure svg").bounding_box()
    page.mouse.move(figure["x"] + figure["width"] - 40, figure["y"] + 60)
    keys = page.locator(".ex-legend b").all_inner_texts()
    assert keys[2] == "–"  # the line has left the axis
    assert keys[3] != "–"


def test_a_heat_map_shows_its_gaps_and_the_number_under_the_pointer(show: Open) -> None:
    page = show(heat_map())
    assert page.locator("path.ex-cell").count() == 12 * 13 / 2
    figure = page.locator(".ex-figure svg").bounding_box()
    first = page.locator("path.ex-cell").first.bounding_box()
    page.mouse.move(first["x"] + 3, first["y"] + 3)
    assert page.locator(".ex-legend b").inner_text() == "0"
    page.mouse.move(figure["x"] + figure["width"] - 20, first["y"] + 3)  # above the diagonal
    assert page.locator(".ex-legend b").inner_text() == "–"


def test_the_script_draws_what_the_still_picture_shows(show: Open) -> None:
    """At the still picture's own width both give the same marks."""
    for make, kind in ((phase_portrait, "path"), (phase_portrait, "arrows"), (pole_map, "points"), (heat_map, "grid")):
        drawn = show(make()).locator(f"path.ex-{kind}").all()
        still = show(make(), java_script_enabled=False).locator(f"path.ex-{kind}").all()
        assert len(drawn) == len(still)
        for a, b in zip(drawn, still, strict=True):
            one, other = (np.array(re.findall(r"-?[\d.]+", node.get_attribute("d")), float) for node in (a, b))
            assert np.allclose(one, other, atol=0.35)


def test_cells_have_the_colours_of_the_still_picture(show: Open) -> None:
    colours = "[...new Set([...document.querySelectorAll('.ex-cell')].map((cell) => cell.getAttribute('fill')))].sort()"
    drawn = show(heat_map()).evaluate(colours)
    still = show(heat_map(), java_script_enabled=False).locator(".ex-cell").all()
    assert drawn == sorted({cell.get_attribute("fill") for cell in still})
    assert len(drawn) >= 5


def test_one_page_defines_the_script_once(show: Open) -> None:
    page = show(activations(), phase_portrait())
    assert page.evaluate("Object.keys(globalThis).filter((key) => key.startsWith('explorer-')).length") == 1
    assert page.locator(".ex-control").count() == 4
    assert page.evaluate("new Set([...document.querySelectorAll('[for]')].map((l) => l.htmlFor)).size") == 4


def test_a_build_may_drop_the_copies_of_script_and_stylesheet(show: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    second = phase_portrait()
    shared = r'<(style|script) class="explorer-(style|script)">.*?</\1>'
    alone = re.sub(shared, "", second._repr_html_(), flags=re.DOTALL)
    assert len(alone) < second.size + 500
    monkeypatch.setattr(second, "_repr_html_", lambda: alone)
    page = show(activations(), second)
    assert page.locator(".ex-control").count() == 4


def test_a_change_of_width_redraws(show: Open) -> None:
    page = show(activations())
    width = "document.querySelector('.ex-figure svg').viewBox.baseVal.width"  # drawn anew, not scaled
    assert page.evaluate(width) > 600
    page.set_viewport_size({"width": 400, "height": 800})
    until(page, f"{width} < 400")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_print_shows_the_figure(show: Open) -> None:
    page = show(activations())
    page.emulate_media(media="print")
    assert page.locator(".ex-figure svg").is_visible()
    assert not page.locator("button").is_visible()


def test_focus_is_visible(show: Open) -> None:
    page = show(activations())
    for _ in range(3):
        page.keyboard.press("Tab")
        style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert style == "solid"
        assert page.evaluate("document.activeElement.closest('.explorer') !== null")


def see(figure: Any, language: str = "en") -> Any:
    return figure.get_by_text({"en": "See the result", "zh": "看结果"}[language])


def outcome(figure: Any) -> list[str]:
    return [text.strip() for text in figure.locator(".ex-guess .ex-row b").all_inner_texts()]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("guess", GUESSES, ids=["y", "x", "choice"])
def test_what_is_to_be_guessed_is_nowhere(show: Open, guess: Guess, language: str) -> None:
    """Not drawn, not written, not in the alternative text, not for screen readers, not under the pointer."""
    page = show(guessed(guess), language=language)
    figure = page.locator(".explorer")
    result = norms(0.95, 0.25)
    assert figure.locator("svg path.c0").count() == 0
    assert figure.locator("svg path.ex-dashes.c1").count() == 1
    assert readout(figure) == ["?", "?"]
    box = figure.locator("svg").bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 100)
    assert figure.locator(".ex-legend b").first.inner_text() == ""
    html, spoken = figure.evaluate("(e) => e.outerHTML"), figure.aria_snapshot()
    for text in (words.number(result["largest"]), "rises to", "升到 1.96"):
        assert text not in html
        assert text not in spoken
    assert words.pick(guess.question, language) in spoken
    assert figure.locator(".ex-panel > .ex-control[inert]").count() == 2  # the figure's own controls wait


def test_the_still_picture_is_gone_before_the_figure_is_laid_out(show: Open) -> None:
    """A browser may leave the layout of what lies far below; the picture of the truth must not wait there."""
    explorer = guessed(HIGH)
    html = explorer._repr_html_()
    explorer._repr_html_ = lambda: f'<div style="display:none">{html}</div>'  # type: ignore[method-assign]
    page = show(explorer)
    assert page.locator(".ex-figure svg *").count() == 0
    assert "1.96" not in page.locator(".explorer").evaluate("(e) => e.outerHTML")


def test_by_keyboard_alone(show: Open) -> None:
    page = show(guessed(HIGH))
    figure = page.locator(".explorer")
    before = figure.locator("path.ex-guess").get_attribute("d")
    page.keyboard.press("Tab")
    focused = page.evaluate("document.activeElement.getAttribute('aria-valuetext')")
    assert focused == "5"
    assert page.evaluate("document.activeElement.dataset.lmSuppressShortcuts") == "true"
    page.keyboard.press("ArrowLeft")
    assert figure.locator("path.ex-guess").get_attribute("d") != before
    assert page.evaluate("document.activeElement.getAttribute('aria-valuetext')") == "3"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "See the result"
    assert page.evaluate("document.activeElement.dataset.lmSuppressShortcuts") == "true"
    page.keyboard.press("Enter")
    result = norms(0.95, 0.25)
    largest = result["largest"]
    assert outcome(figure) == ["3", words.number(largest), words.number(3 - largest)]
    assert figure.locator("svg path.c0").count() >= 1
    assert figure.locator("path.ex-guess").count() == 1
    assert readout(figure.locator(".ex-panel")) == [words.number(largest), words.number(result["when"])]
    assert page.evaluate("document.activeElement.matches('.ex-guess .ex-row')")  # which a screen reader now reads
    assert "The norm rises to 1.96" in figure.aria_snapshot()
    assert figure.locator(".ex-panel > .ex-control[inert]").count() == 0
    assert figure.locator(".ex-guess .ex-control[inert]").count() == 1  # what was guessed, stands


def test_an_option_must_be_chosen_first(show: Open) -> None:
    page = show(guessed(SHAPE))
    assert see(page).is_disabled()
    page.get_by_label("the powers").select_option(label="grow for ever")
    see(page).click()
    assert outcome(page) == ["grow for ever", "rise, then fall", "not this time"]


def test_who_does_not_want_to_guess_is_shown(show: Open) -> None:
    page = show(guessed(HIGH))
    page.get_by_text("Just show me").click()
    assert outcome(page) == [words.number(norms(0.95, 0.25)["largest"])]
    assert page.locator("path.ex-guess").count() == 0
    assert page.locator(".ex-guess input").count() == 0


def test_a_guess_is_remembered_in_both_editions(show: Open) -> None:
    first, second = guessed(LATE), guessed(LATE)  # of one content, on one page
    page = show(first, second)
    figure = page.locator(".explorer").first
    figure.locator(".ex-guess input").fill("6")
    see(figure).click()
    said = outcome(figure)
    page.reload()
    for one in page.locator(".explorer").all():
        assert outcome(one) == said
    assert page.evaluate("document.activeElement === document.body")
    for nonsense in ("x", "999", "-7", "1.5", "toString"):
        page.evaluate("(n) => Object.keys(localStorage).forEach((key) => (localStorage[key] = n))", nonsense)
        page.reload()
        text = page.locator("body").inner_text() + page.locator("body").aria_snapshot()
        assert "undefined" not in text
        assert "NaN" not in text
        assert "function" not in text
    page.evaluate("localStorage.clear()")
    page.reload()
    assert see(page.locator(".explorer").first).count() == 1


@pytest.mark.parametrize(
    "broken", ["throw new Error('denied')", "return undefined", "return { get guess() { throw 1 } }"]
)
def test_a_browser_that_keeps_nothing_still_shows(show: Open, broken: str) -> None:
    page = show(guessed(HIGH))
    page.add_init_script(f"Object.defineProperty(window, 'localStorage', {{ get() {{ {broken} }} }})")
    page.reload()
    see(page).click()
    assert page.locator("svg path.c0").count() >= 1


def test_paper_shows_all(show: Open) -> None:
    page = show(guessed(HIGH))
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("svg path.c0").count() >= 1
    assert readout(page.locator(".ex-panel"))[-2:] == [words.number(norms(0.95, 0.25)["largest"]), "18"]


@pytest.mark.parametrize("guess", GUESSES, ids=["y", "x", "choice"])
def test_without_a_script_all_is_shown(show: Open, guess: Guess) -> None:
    page = show(guessed(guess), java_script_enabled=False)
    assert page.locator("svg path.c0").count() >= 1
    assert "?" not in readout(page)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [800, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_question_is_legible(show: Open, theme: str, width: int, language: str) -> None:
    page = show(*map(guessed, GUESSES), theme=theme, width=width, language=language)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    height = page.evaluate("document.documentElement.scrollHeight")
    see(page, language).first.click()
    assert abs(page.evaluate("document.documentElement.scrollHeight") - height) <= 30  # what follows stays in place
    faint = [m for m in page.evaluate(CONTRAST) if m[2] < (4.5 if m[0] == "text" else 3)]
    assert faint == []


def test_no_two_elements_share_an_id(show: Open) -> None:
    for script in (True, False):
        page = show(activations(), activations(), guessed(HIGH), guessed(HIGH), java_script_enabled=script)
        ids = (
            page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
            if script
            else [node.get_attribute("id") for node in page.locator("[id]").all()]
        )
        assert len(ids) == len(set(ids))
