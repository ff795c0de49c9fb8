"""The built book as its readers use it: every explorable by mouse, touch and keyboard, and what axe-core finds."""

import ast
import functools
import itertools
import math
import re
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pytest
from built import until
from test_explore_browser import CONTRAST

from chapters import CHAPTERS, code_cells
from rnnbook.explore import Explorer, Wiring
from rnnbook.explore.scale import Scale

LANGUAGE = {"": "en", "zh/": "zh"}
EDITIONS = tuple(LANGUAGE)
THEMES = ("light", "dark")
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
EXPLORED = [path for path in CHAPTERS if any("explorable" in options for _, options, _ in code_cells(path))]
AUDITED = ("index", "chapters/forward", "chapters/notation", "chapters/glossary", "chapters/references", "search")

PAGES = list(itertools.product(EDITIONS, EXPLORED))

each_edition = pytest.mark.parametrize("edition", EDITIONS, ids=LANGUAGE.get)

# Walks one explorable over its whole grid, the last control running fastest, and notes what it says.
WALK = """(figure) => {
  const inputs = [...figure.querySelectorAll("input[type=range], select")];
  const sizes = inputs.map((input) => (input.options ? input.options.length : +input.max + 1));
  const said = [];
  for (let point = 0; point < sizes.reduce((a, b) => a * b); point++) {
    let rest = point;
    for (let i = inputs.length - 1; i >= 0; i--) {
      inputs[i].value = rest % sizes[i];
      rest = Math.floor(rest / sizes[i]);
      inputs[i].dispatchEvent(new Event("input", { bubbles: true }));
    }
    said.push([...figure.querySelectorAll("[role=status] b")].map((b) => b.textContent));
  }
  return said;
}"""
# Puts a control where it stood at first.
PUT = """(input, place) => {
  input.value = place;
  input.dispatchEvent(new Event("input", { bubbles: true }));
}"""
# Where the ticks and the vertices of the drawn curves stand, in pixels.
DRAWN = """(figure) => {
  const ticks = [...figure.querySelectorAll("svg text:not(.ex-name)")];
  const place = (axis, under) => (text) => [+text.getAttribute(axis) - under, text.textContent];
  const curves = figure.querySelectorAll("path.ex-line, path.ex-dashes, path.ex-path");
  return {
    y: ticks.filter((t) => t.getAttribute("text-anchor") === "end").map(place("y", 4)),
    x: ticks.filter((t) => t.getAttribute("text-anchor") === "middle").map(place("x", 0)),
    curves: [...curves].map((path) => path.getAttribute("d").match(/[ML][-\\d.]+ [-\\d.]+/g)
      .map((point) => point.slice(1).split(" ").map(Number))),
  };
}"""
# What of an explorable, or of the page, stands out to the side; what of its words the picture cuts off.
OUTSIDE = """(figure) => {
  const box = (node) => node.getBoundingClientRect(), wide = document.documentElement.clientWidth;
  const out = (node, left, right) => box(node).left < left - 1 || box(node).right > right + 1;
  const [picture] = figure.querySelectorAll(".ex-figure svg");
  return [
    ...[...figure.querySelectorAll(":not(.ex-alt)")].filter((node) => box(node).width && out(node, 0, wide)),
    ...[...picture.querySelectorAll("text")].filter((node) => out(node, box(picture).left, box(picture).right)),
    ...(document.documentElement.scrollWidth > wide ? [document.body] : []),
  ].map((node) => node.outerHTML.slice(0, 120));
}"""
# Colours fade in.
FADED = """async () => {
  await new Promise(requestAnimationFrame);
  await Promise.all(document.getAnimations().map((animation) => animation.finished));
}"""


Open = Callable[..., Any]
Compute = Callable[[Path], tuple[Explorer, ...]]


def in_words(page: tuple[str, Path]) -> str:
    return f"{LANGUAGE[page[0]]}-{page[1].stem}"


def page_of(chapter: Path) -> str:
    return "index.html" if chapter.stem == "index" else f"chapters/{chapter.stem}.html"


@functools.cache
def computed(chapter: Path) -> tuple[Explorer, ...]:
    """The chapter's explorables, from its own code: all its cells up to the last one that shows one."""
    cells = list(code_cells(chapter))
    last = max(k for k, (_, options, _) in enumerate(cells) if "explorable" in options)
    space: dict[str, Any] = {"__name__": "__main__"}
    found = []
    for _, options, code in cells[: last + 1]:
        tree = ast.parse(code)
        shown = tree.body.pop() if "explorable" in options else None
        exec(compile(tree, f"<{chapter.name}>", "exec"), space)
        if isinstance(shown, ast.Expr):
            found.append(eval(compile(ast.Expression(shown.value), f"<{chapter.name}>", "eval"), space))
    return tuple(found)


@pytest.fixture(scope="session")
def explorers() -> Iterator[Compute]:
    with pytest.MonkeyPatch.context() as patch, mpl.rc_context():
        patch.setenv("RNNBOOK_STRICT", "1")
        mpl.use("Agg")
        yield computed


def opened(browser: Any, address: str, complaints: list[str], **options: Any) -> Any:
    """A page of the built site as a reader has it who pressed a key: all of it laid out."""
    page = browser.new_context(**options).new_page()
    page.on("console", lambda said: said.type in ("error", "warning") and complaints.append(said.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    page.evaluate("document.fonts.ready")
    page.keyboard.press("Shift")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    return page


@pytest.fixture
def show(browser: Any, site: Path) -> Iterator[Open]:
    """Opens pages of the built site from disk; at the end, none may have complained of anything."""
    complaints: list[str] = []
    pages = []

    def shown(name: str, **options: Any) -> Any:
        pages.append(opened(browser, f"{site.as_uri()}/{name}", complaints, **options))
        return pages[-1]

    yield shown
    for page in pages:
        page.context.close()
    assert complaints == []


class Reading(NamedTuple):
    """A chapter with explorables, its page in one edition, and what the browser complained of."""

    chapter: Path
    page: Any
    complaints: list[str]


@pytest.fixture(scope="module", params=PAGES, ids=in_words)
def desk(request: pytest.FixtureRequest, browser: Any, site: Path) -> Iterator[Reading]:
    edition, chapter = request.param
    complaints: list[str] = []
    page = opened(browser, f"{site.as_uri()}/{edition}{page_of(chapter)}", complaints)
    yield Reading(chapter, page, complaints)
    page.context.close()


@pytest.fixture
def reading(desk: Reading) -> Iterator[Reading]:
    """One page for all that is done at a desk, as a reader does one thing after another; it never complains."""
    yield desk
    assert desk.complaints == []


class Figure:
    """An explorable on a page, beside the one that the chapter's code computes."""

    def __init__(self, node: Any, explorer: Explorer) -> None:
        self.node, self.explorer = node, explorer
        node.scroll_into_view_if_needed()
        for show_me in node.locator(".ex-guess button").all()[1:]:  # without a guess
            show_me.click()
        self.inputs = dict(zip(explorer.controls, node.locator("input[type=range], select").all(), strict=True))
        self.pictures = {self.picture()}

    def begin(self) -> None:
        """As the figure stood before anybody moved it."""
        for name, control in self.inputs.items():
            control.evaluate(PUT, self.explorer.controls[name].first)

    def picture(self) -> str:
        return str(self.node.locator(".ex-figure svg").inner_html())

    def sliders(self) -> list[Any]:
        return [slider for slider in self.inputs.values() if slider.get_attribute("type") == "range"]

    def place(self, slider: Any) -> int:
        return int(slider.input_value())

    def settings(self) -> dict[str, Any]:
        controls = self.explorer.controls
        return {name: controls[name].points[self.place(node)] for name, node in self.inputs.items()}

    def agrees(self) -> None:
        """The readout is what the chapter's function gives where the controls stand."""
        said = self.node.locator("[role=status] b").all_text_contents()
        compare(said, self.explorer, self.settings())
        self.pictures.add(self.picture())


def figures(page: Any, explorers: tuple[Explorer, ...]) -> Iterator[Figure]:
    nodes = page.locator(".explorer").all()
    assert len(nodes) == len(explorers)
    for node, explorer in zip(nodes, explorers, strict=True):
        yield Figure(node, explorer)


def compare(said: list[str], explorer: Explorer, settings: dict[str, Any]) -> None:
    _, numbers = explorer.at(settings)
    assert len(said) == len(numbers)
    for text, (name, value) in zip(said, numbers.items(), strict=True):
        right = abs(read(text) - value) <= precision(value) if math.isfinite(value) else text == "–"
        assert right, f"{explorer.title}: {name} at {settings} is {value}, the page says {text}"


def read(text: str) -> float:
    """A number as the page writes it: −2.95×10⁻⁵."""
    if text == "–":
        return math.nan
    mantissa, _, exponent = text.replace("−", "-").partition("×10")
    raised = exponent.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    return float(f"{mantissa}e{raised or 0}")


def precision(value: float) -> float:
    """Half a unit of the third digit, and a little for the last bits of another machine."""
    return 0.501 * 10.0 ** (math.floor(math.log10(abs(value))) - 2) + 1e-12 if value else 1e-12


def test_every_explorable_of_the_site_comes_from_a_chapter(site: Path) -> None:
    pages = {path: path.read_text("utf8") for path in site.rglob("*.html")}
    shown = {str(path.relative_to(site)) for path, text in pages.items() if re.search(r'class="explorer[ "]', text)}
    assert shown == {edition + page_of(chapter) for edition in EDITIONS for chapter in EXPLORED}


def test_by_keyboard(reading: Reading, explorers: Compute) -> None:
    page = reading.page
    for figure in figures(page, explorers(reading.chapter)):
        for name, node in figure.inputs.items():
            last = len(figure.explorer.controls[name].points) - 1
            node.focus()
            keys = [("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1)]
            for key, place in [("Home", 0), *keys[: 3 if last > 1 else 1], ("End", last)]:
                page.keyboard.press(key)
                assert figure.place(node) == place
                figure.agrees()
        assert len(figure.pictures) > 1


def test_by_mouse(reading: Reading, explorers: Compute) -> None:
    page = reading.page
    for figure in figures(page, explorers(reading.chapter)):
        figure.begin()
        for slider in figure.sliders():
            slider.scroll_into_view_if_needed()
            left, right, y = ends(slider)
            page.mouse.click(right, y)
            assert figure.place(slider) == int(slider.get_attribute("max"))
            figure.agrees()
            page.mouse.move(right, y)
            page.mouse.down()
            for x in np.linspace(right, left, 6).tolist():
                page.mouse.move(x, y)
                figure.agrees()
            page.mouse.up()
            assert figure.place(slider) == 0
        assert len(figure.pictures) > 1


@pytest.mark.parametrize(("edition", "chapter"), PAGES, ids=map(in_words, PAGES))
def test_by_touch_on_a_phone(show: Open, explorers: Compute, edition: str, chapter: Path) -> None:
    page = show(edition + page_of(chapter), **PHONE)
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        told = {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]}
        session.send("Input.dispatchTouchEvent", told)

    for figure in figures(page, explorers(chapter)):
        for slider in figure.sliders():
            slider.scroll_into_view_if_needed()
            left, right, y = ends(slider)
            page.touchscreen.tap(right, y)
            assert figure.place(slider) == int(slider.get_attribute("max"))
            figure.agrees()
            touch("touchStart", (right, y))
            for x in np.linspace(right, left, 6).tolist():
                touch("touchMove", (x, y))
            touch("touchEnd")
            assert figure.place(slider) == 0
            figure.agrees()
            assert figure.node.evaluate(OUTSIDE) == []
        assert len(figure.pictures) > 1


def test_all_numbers_are_the_packages(reading: Reading, explorers: Compute) -> None:
    for figure in figures(reading.page, explorers(reading.chapter)):
        said = figure.node.evaluate(WALK)
        for numbers, settings in zip(said, figure.explorer.settings(), strict=True):
            compare(numbers, figure.explorer, settings)
        figure.agrees()


def test_the_curves_are_the_packages(reading: Reading, explorers: Compute) -> None:
    """What is drawn, read off against the ticks as a reader would; at both ends of the grid."""
    for figure in figures(reading.page, explorers(reading.chapter)):
        if any(isinstance(series, Wiring) for series in figure.explorer.series.values()):
            continue  # it has no axes; the numbers on its wires are compared in test_drawings_browser.py
        for key in ("Home", "End"):
            for node in figure.inputs.values():
                node.press(key)
            drawn = figure.node.evaluate(DRAWN)
            x, y = ruler(drawn["x"], figure.explorer.x), ruler(drawn["y"], figure.explorer.y)
            curves = list(expected_curves(figure))
            assert len(drawn["curves"]) == len(curves)
            for pixels, values in zip(drawn["curves"], curves, strict=True):
                np.testing.assert_allclose(pixels, np.stack([x(values[:, 0]), y(values[:, 1])], axis=1), atol=0.2)


def ends(slider: Any) -> tuple[float, float, float]:
    """Where a finger finds the two ends of a slider."""
    box = slider.bounding_box()
    return box["x"] + 3, box["x"] + box["width"] - 3, box["y"] + box["height"] / 2


def ruler(ticks: list[tuple[float, str]], scale: Scale) -> Callable[[Any], Any]:
    """From positions on an axis to pixels, by the ticks that are drawn."""
    assert [text for _, text in ticks] == [text for _, text in scale.ticks()]
    (from_pixel, to_pixel), (start, end) = ([row[k][0] for k in (0, -1)] for row in (ticks, scale.ticks()))
    return lambda at: from_pixel + (at - start) / (end - start) * (to_pixel - from_pixel)


def expected_curves(figure: Figure) -> Iterator[Any]:
    """The points of each line and path where the controls stand; what lies beyond the axes stands on their edge."""
    drawn, _ = figure.explorer.at(figure.settings())
    x, y = figure.explorer.x, figure.explorer.y
    for name, series in figure.explorer.series.items():
        paths = series.positions(drawn[name], x.axis, y.axis)
        if series.kind == "line":
            paths = np.stack([x.axis.place(x.axis.grid), paths], axis=1)[None]
        for path in paths if series.kind in ("line", "trajectories") else ():
            yield np.clip(path[~np.isnan(path).any(axis=1)], (x.low, y.low), (x.high, y.high))


@pytest.mark.parametrize("theme", THEMES)
def test_legible_in_light_and_dark(reading: Reading, theme: str) -> None:
    page = reading.page
    page.emulate_media(color_scheme=theme)
    until(page, "theme => document.documentElement.dataset.theme === theme", theme)
    page.evaluate(FADED)
    measured = page.evaluate(CONTRAST)
    assert measured
    assert [m for m in measured if m[2] < (4.5 if m[0] == "text" else 3)] == []
    background = page.evaluate("getComputedStyle(document.querySelector('.explorer')).backgroundColor")
    assert (sum(map(int, re.findall("[0-9]+", background)[:3])) > 3 * 128) == (theme == "light")


AXE = "axe_playwright_python"  # it brings axe-core
UNFOLD = "for (const fold of document.querySelectorAll('details')) fold.open = true"


@each_edition
@pytest.mark.parametrize("name", AUDITED)
def test_axe_finds_nothing_serious(show: Open, name: str, edition: str) -> None:
    """In light all rules; in dark those on colours, which alone depend on it. What is folded is unfolded."""
    pytest.importorskip(AXE, reason="axe-playwright-python is not installed")
    axe = resources.files(AXE).joinpath("axe.min.js").read_text("utf8")
    for theme, options in (("light", {}), ("dark", {"runOnly": ["color-contrast", "link-in-text-block"]})):
        page = show(f"{edition}{name}.html" + "?q=softmax" * (name == "search"), color_scheme=theme)
        if name == "search":
            page.locator("#search-results li").first.wait_for()
        page.evaluate(UNFOLD)
        page.evaluate(FADED)
        page.evaluate(axe)
        found = page.evaluate("(options) => axe.run(document, options)", options | {"preload": False})
        assert found["passes"]
        serious = [
            f"{theme}, {rule['id']}: {node['target']} {node['failureSummary']}"
            for rule in found["violations"]
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"]
        ]
        assert serious == []
