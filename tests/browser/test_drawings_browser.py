"""The drawings in a browser, from a file on disk: nothing overlaps, with the formulas' fonts and without them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from built import until
from drawings import ALL
from explorables import lstm_numbers, lstm_wiring

from rnnbook.explore import Explorer
from rnnbook.explore.wiring import Drawing, written

ROOT = Path(__file__).resolve().parents[2]
KATEX = (ROOT / "booktools" / "static" / "katex" / "katex.min.css").as_uri()
PHONE, MARGIN = 390, 16  # pixels: a phone's width, and what the page leaves beside its text

# What lies on a label: another label, a wire, the edge of a box or frame, or the edge of the picture. The box of a
# text is as tall as its font; 3.5 units of it above and below carry no ink.
OVERLAPS = """svg => {
  const out = [], view = svg.viewBox.baseVal;
  const texts = [...svg.querySelectorAll("text")].filter(t => t.getClientRects().length && t.textContent).map(t => {
    const b = t.getBBox(); return {t: t.textContent, x: b.x, y: b.y + 3.5, X: b.x + b.width, Y: b.y + b.height - 3.5};
  });
  const meet = (a, b) => a.x < b.X && b.x < a.X && a.y < b.Y && b.y < a.Y;
  const wires = [...svg.querySelectorAll("path:not(.b, .faint)")].filter(p => p.getClientRects().length);
  const points = wires.flatMap(p => {
    const steps = Math.ceil(p.getTotalLength() / 1.5);
    return [...Array(steps + 1).keys()].map(k => p.getPointAtLength(1.5 * k));
  });
  texts.forEach((a, k) => {
    if (a.x < 0 || a.y < 0 || a.X > view.width || a.Y > view.height) out.push("outside: " + a.t);
    for (const b of texts.slice(k + 1)) if (meet(a, b)) out.push(`text on text: ${a.t}, ${b.t}`);
    const touched = points.some(q => q.x > a.x - 1 && q.x < a.X + 1 && q.y > a.y && q.y < a.Y);
    if (touched) out.push("wire through text: " + a.t);
    for (const r of svg.querySelectorAll("rect")) {
      const c = r.getBBox(), b = {x: c.x, y: c.y, X: c.x + c.width, Y: c.y + c.height};
      const inside = a.x > b.x + 1 && a.X < b.X - 1 && a.y > b.y - 1 && a.Y < b.Y + 1;
      if (meet(a, b) && !inside) out.push("edge on text: " + a.t);
    }
  });
  const boxes = [...svg.querySelectorAll("rect.b, path.b")].map(r => {
    const b = r.getBBox(); return {x: b.x, y: b.y, X: b.x + b.width, Y: b.y + b.height};
  });
  boxes.forEach((a, k) => boxes.slice(k + 1).forEach(b => { if (meet(a, b)) out.push("box on box"); }));
  boxes.forEach(a => {
    if (a.x < 0 || a.y < 0 || a.X > view.width || a.Y > view.height) out.push("box outside");
  });
  return out;
}"""

Open = Callable[..., Any]


@pytest.fixture
def show(browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens a page with drawings from a file, with the formulas' fonts or without."""
    monkeypatch.delenv("RNNBOOK_LANG", raising=False)
    contexts = []

    def opened(
        *drawings: Drawing | Explorer,
        language: str = "en",
        theme: str = "light",
        width: int = 1000,
        fonts: bool = True,
        **more: Any,
    ) -> Any:
        head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        head += f'<link rel="stylesheet" href="{KATEX}">' if fonts else ""
        body = "".join(d._repr_html_() for d in drawings)
        file = tmp_path / "page.html"
        file.write_text(
            f'<!doctype html><html lang="{language}" data-theme="{theme}"><head>{head}</head>'
            f'<body style="margin:{MARGIN}px">{body}</body></html>',
            "utf8",
        )
        contexts.append(browser.new_context(viewport={"width": width, "height": 800}, **more))
        page = contexts[-1].new_page()
        page.goto(file.as_uri())
        page.evaluate("document.fonts.ready")
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("fonts", [True, False], ids=["fonts", "no fonts"])
def test_no_label_lies_on_anything(show: Open, language: str, fonts: bool) -> None:
    page = show(*(make() for make in ALL.values()), language=language, fonts=fonts)
    letters = "[...document.fonts].filter((f) => /KaTeX_(Main|Math)/.test(f.family) && f.status === 'loaded').length"
    assert (page.evaluate(letters) >= 2) == fonts
    nodes = page.locator("svg.wiring").all()
    assert len(nodes) == len(ALL)
    found = {name: node.evaluate(OVERLAPS) for name, node in zip(ALL, nodes, strict=True)}
    assert {name: said for name, said in found.items() if said} == {}


def test_an_overlap_is_seen(show: Open) -> None:
    d = Drawing("bad", 200, 100, title=("Bad", "坏"), alt=("Bad.", "坏。"))
    d.text(50, 50, "h_t")
    d.text(60, 50, "x_t")
    d.wire("0,50 200,50")
    d.text(195, 90, "x_t")
    d.box("box", 190, 20, "W_h", w=40)
    d.box("other", 170, 20, "V", w=20)
    said = show(d).locator("svg.wiring").evaluate(OVERLAPS)
    kinds = {"text on text", "wire through text", "edge on text", "box on box", "box outside", "outside"}
    assert {text.split(":")[0] for text in said} == kinds


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_shows_letters_of_twelve_pixels(show: Open, language: str, theme: str) -> None:
    page = show(*(make() for make in ALL.values()), language=language, theme=theme, width=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
    sizes = page.evaluate(
        """[...document.querySelectorAll("svg.wiring")].flatMap((svg) => {
          const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
          return [...svg.querySelectorAll("text")].map((t) => scale * parseFloat(getComputedStyle(t).fontSize));
        })"""
    )
    assert min(sizes) >= 12


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_lines_and_letters_stand_out(show: Open, theme: str) -> None:
    page = show(*(make() for make in ALL.values()), theme=theme)
    colours = page.evaluate(
        """[...document.querySelectorAll("svg.wiring :is(path, rect, text):not(.faint)")].map(
          (e) => getComputedStyle(e).color.match(/[\\d.]+/g).slice(0, 3).map(Number))"""
    )

    def light(colour: list[float]) -> float:
        parts = [v / 255 / 12.92 if v / 255 <= 0.04045 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in colour]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    paper = light([255, 255, 255] if theme == "light" else [20, 24, 30])
    for colour in colours:
        high, low = sorted((light(colour), paper), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, colour


@pytest.mark.parametrize(("language", "half"), [("en", 0), ("zh", 1)])
def test_those_who_do_not_see_it_are_told_the_wiring(show: Open, language: str, half: int) -> None:
    drawings = [make() for make in ALL.values()]
    page = show(*drawings, language=language)
    for d in drawings:
        assert page.get_by_role("img", name=d.alt[half], exact=True).count() == 1
        assert page.get_by_role("figure", name=d.title[half], exact=True).count() == 1
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


def test_paper_shows_it_too(show: Open) -> None:
    page = show(ALL["lstm"]())
    page.emulate_media(media="print")
    assert page.locator("svg.wiring").is_visible()


# What a reader sees of the wires: name, width, dashes, opacity, and the number beside it.
WIRES = """svg => {
  const found = {};
  for (const e of svg.querySelectorAll("path[data-n]:not(.a)")) {
    const s = getComputedStyle(e);
    found[e.dataset.n] = [parseFloat(s.strokeWidth), s.strokeDasharray !== "none", +s.opacity];
  }
  for (const e of svg.querySelectorAll("text[data-n]")) found[e.dataset.n]?.push(e.textContent);
  return found;
}"""
SETTINGS: tuple[dict[str, float | str], ...] = (
    {"f": 0.9, "i": 0.5, "g": 0.5, "o": 0.5, "s": 1, "way": "forward"},
    {"f": 1, "i": 1, "g": -0.8, "o": 1, "s": 0.5, "way": "forward"},
    {"f": 0, "i": 0, "g": 0, "o": 0, "s": 0, "way": "forward"},
    {"f": 0.9, "i": 0.5, "g": 0.5, "o": 0.5, "s": 1, "way": "back"},
    {"f": 0.5, "i": 0.5, "g": -0.8, "o": 1, "s": 1, "way": "back"},
    {"f": 1, "i": 1, "g": 0.5, "o": 0, "s": 0, "way": "back"},
)


@pytest.mark.parametrize("fonts", [True, False], ids=["fonts", "no fonts"])
@pytest.mark.parametrize("width", [800, PHONE])
def test_wires_are_as_wide_as_their_numbers(show: Open, width: int, fonts: bool) -> None:
    explorer = lstm_wiring()
    page = show(explorer, width=width, fonts=fonts)
    figure, controls = page.locator("svg.wiring"), page.locator("input[type=range], select").all()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for settings in SETTINGS:
        for control, (name, value) in zip(controls, settings.items(), strict=True):
            at = str(explorer.controls[name].points.index(value))
            control.evaluate("(e, at) => { e.value = at; e.dispatchEvent(new Event('input')); }", at)
        wires = figure.evaluate(WIRES)
        wanted = lstm_numbers(**settings)["unit"]  # type: ignore[arg-type]
        assert set(wires) == set(wanted)
        for name, (wide, dashed, opacity, *said) in wires.items():
            value = wanted[name]
            if value != value:
                assert opacity == pytest.approx(0.12)
                assert set(said) <= {""}
            else:
                assert wide == pytest.approx(0.8 + 3.4 * min(abs(value), 1.2), abs=1e-3), name
                assert dashed == (value < -0.005), name
                assert all(abs(float(text.replace("−", "-")) - value) < 0.0051 for text in said), name
        assert figure.evaluate(OVERLAPS) == []
    scale = figure.bounding_box()["width"] / explorer.series["unit"].drawing.width  # type: ignore[attr-defined]
    sizes = figure.evaluate(
        "(e) => [...e.querySelectorAll('text')].map((t) => parseFloat(getComputedStyle(t).fontSize))"
    )
    assert scale * min(sizes) >= 12


def test_the_still_picture_has_the_same_wires(show: Open) -> None:
    explorer = lstm_wiring()
    still = show(explorer, java_script_enabled=False).locator("svg.wiring")
    texts = [node.text_content() for node in still.locator("text[data-n]").all()]
    moving = show(explorer)
    assert [node.text_content() for node in moving.locator("svg.wiring text[data-n]").all()] == texts
    assert written(lstm_numbers(0.9, 0.5, 0.5, 0.5, 1, "forward")["unit"]["c"]) in texts


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_wiring_can_be_guessed_first(show: Open, language: str) -> None:
    page = show(lstm_wiring(asked=True), language=language)
    numbers = page.locator("svg.wiring text[data-n]")
    assert set(numbers.all_text_contents()) == {""}
    assert page.locator("[role=status] b").all_text_contents() == ["0.9", "?"]
    page.get_by_text({"en": "See the result", "zh": "看结果"}[language]).click()
    assert "0.90" in numbers.all_text_contents()
    assert page.locator("[role=status] b").all_text_contents() == ["0.9", "1.43"]


def test_keys_move_the_wires(show: Open) -> None:
    page = show(lstm_wiring())
    gate = page.get_by_label("forget gate f", exact=True)
    before = page.locator("svg.wiring").evaluate(WIRES)["kept"]
    gate.press("Home")
    after = page.locator("svg.wiring").evaluate(WIRES)["kept"]
    assert (before[3], after[3]) == ("0.72", "0.00")
    assert after[0] < before[0]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("edition", ["", "zh/"])
def test_the_notation_page_shows_the_signs_to_a_phone(site: Path, browser: Any, edition: str, theme: str) -> None:
    """On the page, too, the words have twelve pixels, the page's letters, and its language."""
    context = browser.new_context(viewport={"width": PHONE, "height": 800}, color_scheme=theme)
    page = context.new_page()
    page.goto((site / edition / "chapters" / "notation.html").as_uri())
    figure = page.locator("svg.wiring")
    figure.scroll_into_view_if_needed()
    until(page, "document.querySelector('.drawing').innerText")  # a section is laid out in the frame after
    assert figure.evaluate(OVERLAPS) == []
    assert ("逐元素乘积" in page.locator(".drawing").inner_text()) == bool(edition)
    scale = figure.bounding_box()["width"] / ALL["legend"]().width
    sizes = figure.evaluate(
        "(e) => [...e.querySelectorAll('text')].map((t) => parseFloat(getComputedStyle(t).fontSize))"
    )
    assert scale * min(sizes) >= 12
    context.close()
