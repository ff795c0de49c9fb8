"""The built site in a real browser, from disk and from a server, as its readers meet it."""

import functools
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import quickjs
from built import AT_REST, until

from booktools.weight import by_itself

PAGES = ("index.html", "chapters/forward.html", "chapters/glossary.html", "search.html")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module", params=["file", "server"])
def root(request: pytest.FixtureRequest, site: Path) -> Iterator[str]:
    """The site's address: on disk, and on a server of this machine."""
    if request.param == "file":
        yield site.as_uri() + "/"
        return
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.fixture
def page(browser: Any, root: str) -> Iterator[Any]:
    """A page that notes what it should not do."""
    context = browser.new_context()
    page = context.new_page()
    page.complaints = []
    page.on("request", lambda request: foreign(request.url, root) and page.complaints.append(request.url))
    page.on("console", lambda said: said.type in ("error", "warning") and page.complaints.append(said.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    yield page
    context.close()


def foreign(url: str, root: str) -> bool:
    return not url.startswith((root, "data:", "blob:"))


@pytest.mark.parametrize("edition", ["", "zh/"])
@pytest.mark.parametrize("name", PAGES)
def test_pages_ask_nobody_and_complain_of_nothing(page: Any, root: str, edition: str, name: str) -> None:
    page.goto(f"{root}{edition}{name}")
    page.wait_for_load_state("networkidle")
    assert page.title()
    assert page.complaints == []


@pytest.mark.parametrize("edition", ["", "zh/"])
def test_a_phone_scrolls_in_one_direction(page: Any, root: str, edition: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for name in PAGES[:3]:
        page.goto(f"{root}{edition}{name}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, f"{edition}{name}"


def test_the_language_link_keeps_the_place(page: Any, root: str) -> None:
    page.goto(f"{root}chapters/forward.html")
    anchor = page.locator(".bd-article section section[id^=sec-]").nth(2).get_attribute("id")
    page.goto(f"{root}chapters/forward.html#{anchor}")
    page.locator(".language-switch").click()
    page.wait_for_url(re.compile(f"zh/chapters/forward.html#{anchor}$"))
    assert page.locator(f"#{anchor}").bounding_box()["y"] < 200
    page.locator(".language-switch").click()
    page.wait_for_url(re.compile(f"(?<!zh)/chapters/forward.html#{anchor}$"))
    page.goto(f"{root}search.html?q=LSTM")  # what was searched for is kept too
    page.locator(".language-switch").click()
    page.wait_for_url(re.compile(r"zh/search.html\?q=LSTM$"))


@pytest.mark.parametrize("edition", ["", "zh/"])
def test_anchors_lead_to_their_headings(page: Any, root: str, edition: str) -> None:
    """From one place of a long page to another, on a phone: nothing may change its height on the way."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{root}{edition}chapters/forward.html")
    anchors = page.locator(".bd-article section section[id^=sec-]").evaluate_all("all => all.map(one => one.id)")
    for anchor in anchors[:-2]:  # the last cannot come to the top
        page.goto(f"{root}{edition}chapters/forward.html#{anchor}")
        page.evaluate(AT_REST)
        assert 0 <= page.locator(f"#{anchor}").bounding_box()["y"] < 200, anchor


@pytest.mark.parametrize("scripts", [True, False])
def test_on_paper_solutions_are_open_and_evidence_is_one_line(browser: Any, root: str, scripts: bool) -> None:
    """With a script and, as in the printed book, without."""
    context = browser.new_context(java_script_enabled=scripts)
    page = context.new_page()
    page.goto(f"{root}chapters/lstm.html")
    page.emulate_media(media="print")
    if scripts:
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
    heights = {
        kind: [one.bounding_box()["height"] for one in page.locator(f"details.fold-{kind}").all()]
        for kind in ("checked", "solution")
    }
    context.close()
    assert 0 < max(heights["checked"]) < 60 < min(heights["solution"])


# Whether a place is laid out, as sections beyond the screen are not.
LAID_OUT = "one => one.checkVisibility({ contentVisibilityAuto: true })"


@pytest.mark.parametrize("way", ["link", "address", "other page", "key", "pause"])
def test_what_is_far_is_laid_out_when_it_is_asked_for(page: Any, root: str, way: str) -> None:
    """The far end of a long page, on a phone: until then it costs nothing, and then it is where it should be."""
    page.set_viewport_size({"width": 390, "height": 844})
    chapter = f"{root}chapters/forward.html"
    page.goto(chapter)
    heading = page.locator(".bd-article > section > section[id^=sec-]").nth(-4).locator("h2")
    anchor = heading.locator("..").get_attribute("id")
    assert page.locator("h1").evaluate(LAID_OUT)
    assert not heading.evaluate(LAID_OUT)
    if way == "link":
        page.locator(f"a[href='#{anchor}']").first.evaluate("link => link.click()")
    elif way == "address":
        page.evaluate("place => (location.hash = place)", anchor)
    elif way == "other page":
        page.goto(f"{root}index.html")
        page.goto(f"{chapter}#{anchor}")
    elif way == "key":
        page.keyboard.press("Shift")
    else:
        until(page, "!('far' in document.documentElement.dataset)")
    assert page.locator("section > h2").last.evaluate(LAID_OUT)
    if anchor in page.url:
        page.evaluate(AT_REST)
        assert 0 <= heading.bounding_box()["y"] < 200


def test_an_explorable_that_nobody_sees_yet_answers(page: Any, root: str) -> None:
    """Its readouts follow the slider before its picture is drawn, as for those who listen to the page."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{root}chapters/gru.html")
    figure = page.locator(".explorer").last
    assert not figure.evaluate(LAID_OUT)
    before = figure.locator("[role=status]").text_content()
    slide = "one => { one.value = one.value === '0' ? 1 : 0; one.dispatchEvent(new Event('input')); }"
    figure.locator("input[type=range]").last.evaluate(slide)
    assert figure.locator("[role=status]").text_content() != before
    assert not figure.evaluate(LAID_OUT)


def test_a_page_that_is_loaded_again_shows_the_same_place(page: Any, root: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{root}chapters/forward.html")
    for _ in range(5):
        page.mouse.wheel(0, 2000)
        page.evaluate(AT_REST)
    seen = "all => all.map(one => [one.textContent, one.getBoundingClientRect().y]).find(([, y]) => y > 0)"
    words, y = page.locator("section > h2, section > h3").evaluate_all(seen)
    page.reload()
    page.evaluate(AT_REST)
    again, where = page.locator("section > h2, section > h3").evaluate_all(seen)
    assert words == again
    assert abs(where - y) < 5


@pytest.mark.parametrize(
    ("edition", "query", "first"),
    [
        ("", "forget gate", "lstm.html#sec-lstm-step"),
        ("", "Kalman filter", "smoothing.html#sec-smoothing-filter"),
        ("", "spectral radius", "flow.html#sec-flow-radius"),
        ("", "time constants", "timescale.html#sec-timescale-seconds"),
        ("", "glossary", "glossary.html"),
        ("", "RTS", "smoothing.html#sec-smoothing-backwards"),
        ("", "Binder", "index.html#sec-index-use"),
        ("", "隐层", "forward.html#sec-forward-weights"),
        ("zh/", "遗忘门", "lstm.html#sec-lstm-step"),
        ("zh/", "卡爾曼濾波器", "smoothing.html#sec-smoothing-filter"),
        ("zh/", "谱半径", "flow.html#sec-flow-radius"),
        ("zh/", "时间常数", "timescale.html#sec-timescale-seconds"),
        ("zh/", "forget gate", "lstm.html#sec-lstm-step"),
    ],
)
def test_the_search_leads_to_the_section(page: Any, root: str, edition: str, query: str, first: str) -> None:
    page.goto(f"{root}{edition}search.html?q={query}")
    link = page.locator("#search-results li a").first
    assert link.get_attribute("href").split("/")[-1] == first
    assert page.locator("#search-results [role=status]").inner_text()
    link.click()
    page.wait_for_url(re.compile(re.escape(root + edition) + f".*{re.escape(first)}$"))
    if "#" in first:
        page.evaluate(AT_REST)
        assert 0 <= page.locator(f"#{first.split('#')[1]}").bounding_box()["y"] < 200
    assert page.complaints == []


def test_the_search_answers_while_one_types(page: Any, root: str) -> None:
    """By keyboard alone; the address keeps the question, so that it can be sent on and come back to."""
    page.goto(f"{root}search.html")
    results, told = page.locator("#search-results li"), page.locator("#search-results [role=status]")
    assert results.count() == 0
    assert told.inner_text() == ""
    page.keyboard.type("forget gate")
    until(page, "location.search === '?q=forget+gate'")
    summary = " ".join(results.first.locator(".context").inner_text().split())
    assert "forget gate" in summary
    assert results.first.locator("mark").count() >= 2
    assert re.search(r"\d+", told.inner_text())
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.closest('#search-results li') !== null")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("lstm.html#sec-lstm-step$"))
    page.go_back()
    page.wait_for_url(re.compile(r"\?q=forget\+gate$"))
    assert results.count() > 1
    page.locator(".bd-search-container input").fill("<b>constructor</b> __proto__")
    until(page, "document.querySelectorAll('#search-results li').length === 0")
    assert told.inner_text()
    assert page.complaints == []


ASKED = """(words) => {
  let seed = 1;
  const chance = (n) => (seed = (48271 * seed) % 2147483647) % n;
  const some = () => words[chance(words.length)];
  const kinds = [
    () => some(), () => some() + " " + some() + " " + some(), () => some().slice(0, 1 + chance(4)),
    () => String.fromCodePoint(...Array.from({ length: 1 + chance(8) }, () => chance(0x10ffff))),
    () => String.fromCharCode(...Array.from({ length: 1 + chance(8) }, () => chance(0x3000))),
    () => String.fromCharCode(...Array.from({ length: 1 + chance(8) }, () => 0x4e00 + chance(0x5000))),
  ];
  let answered = 0;
  for (let n = 0; n < 10000; n++) {
    const query = kinds[n % kinds.length]();
    const { found, whole } = search.find(query);
    if (whole > found.length) throw new Error(query);
    if (found.length) search.excerpt(SEARCH.sections[found[0].number][3], query);
    answered += whole > 0;
  }
  return answered;
}"""


@pytest.mark.parametrize("edition", ["", "zh/"])
def test_ten_thousand_questions_break_nothing(page: Any, root: str, edition: str) -> None:
    page.goto(f"{root}{edition}search.html")
    words = page.evaluate("SEARCH.sections.flatMap((section) => section[3].split(/[\\s，。；：]+/).slice(0, 40))")
    inherited = page.evaluate("Object.getOwnPropertyNames(Object.prototype)")
    assert page.evaluate(ASKED, [*words, *inherited]) > 2000
    assert page.complaints == []


THROWS = """for (const storage of ["localStorage", "sessionStorage"])
  Object.defineProperty(window, storage, {
    get() { throw new DOMException("denied", "SecurityError"); }, configurable: true });"""
FULL = """for (const name of ["setItem", "removeItem"])
  Storage.prototype[name] = () => { throw new DOMException("full", "QuotaExceededError"); };"""
KEYS = re.compile(r"""localStorage\.(?:getItem|setItem)\(\s*"([\w-]+)"|localStorage\.(?!\w+Item)(\w+)""")
NONSENSE = (
    "",
    "{",
    "null",
    "7",
    "[]",
    '"x"',
    '{"far":null}',
    '{"far":{"chapters/forward":"x"},"page":{},"place":7}',
    "门",
)


def works(page: Any) -> None:
    """What the scripts of a page do: its colours, menus, buttons, figures, and none of them complains."""
    page.locator(".theme-switch-button:visible").first.click()
    assert page.evaluate("document.documentElement.dataset.theme") in ("light", "dark")
    page.locator(".dropdown-launch > button").click()
    assert page.locator(".dropdown-launch > ul").is_visible()
    assert page.locator("button.copybtn").count() > 0
    page.locator(".formula").first.hover()
    assert page.locator(".copy-formula").count() == 1
    slider = page.locator(".explorer input[type=range]").first
    slider.focus()
    before = page.locator(".explorer [role=status]").first.text_content()
    slider.evaluate("one => { one.value = one.value === '0' ? 1 : 0; one.dispatchEvent(new Event('input')); }")
    assert page.locator(".explorer [role=status]").first.text_content() != before


@pytest.mark.parametrize("trouble", [THROWS, FULL], ids=["throws", "full"])
def test_nothing_needs_to_be_kept(page: Any, root: str, trouble: str) -> None:
    page.add_init_script(trouble)
    page.goto(f"{root}chapters/gru.html")
    works(page)
    page.goto(f"{root}index.html")
    page.goto(f"{root}search.html?q=gate")
    assert page.locator("#search-results li").count() > 3
    assert page.complaints == []


def test_a_sandboxed_frame_keeps_nothing_and_works(page: Any, root: str) -> None:
    if root.startswith("file:"):
        pytest.skip("in such a frame a browser loads no script from a disk")
    page.goto(f"{root}index.html")
    page.evaluate("document.body.innerHTML = '<iframe sandbox=allow-scripts width=1200 height=700></iframe>'")
    page.evaluate("address => (document.querySelector('iframe').src = address)", f"{root}chapters/gru.html")
    frame = page.frame_locator("iframe")
    frame.locator(".prev-next-footer").wait_for(state="attached")
    frame.locator(".dropdown-launch > button").click()
    assert frame.locator(".dropdown-launch > ul").is_visible()
    frame.locator("button.copybtn").first.wait_for(state="attached")
    fetched = r"font|Failed to load resource"  # a frame without an origin may not have the server's fonts
    assert [said for said in page.complaints if not re.search(fetched, said)] == []


def test_nonsense_that_was_kept_is_passed_over(page: Any, root: str, site: Path) -> None:
    """For every name under which the site keeps anything, the explorables of a page included."""
    scripts = (site / "_static" / "site.js").read_text("utf8") + (site / "chapters" / "gru.html").read_text("utf8")
    keys = {name for found in KEYS.findall(scripts) for name in found if name} | {"mode", "theme"}
    assert {"reading", "mode", "theme"} <= keys
    page.goto(f"{root}chapters/gru.html")
    for nonsense in NONSENSE:
        page.evaluate(
            "([keys, text]) => keys.forEach((key) => localStorage.setItem(key, text))", [sorted(keys), nonsense]
        )
        page.goto(f"{root}index.html")
        assert page.evaluate("document.documentElement.dataset.theme") in ("light", "dark"), nonsense
        page.goto(f"{root}chapters/gru.html")
        works(page)
        assert page.complaints == [], nonsense


def test_a_part_of_the_bundle_that_fails_stops_no_other() -> None:
    context = quickjs.Context()
    context.eval("var reported = 0, done = 0; function reportError() { reported++; }")
    parts = ['"use strict"; const a = 1; done += a; // done', "const a = 2; null.x", "let a = 3; done += a;"]
    context.eval("".join(map(by_itself, parts)))
    assert (context.eval("done"), context.eval("reported")) == (4, 1)


@pytest.mark.parametrize("edition", ["", "zh/"])
def test_the_map_of_the_chapters_leads_to_them(page: Any, root: str, edition: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{root}{edition}index.html")
    links = page.locator(".chapter-map a")
    assert links.count() >= 8
    for link in links.all():
        words, room = link.locator("text").bounding_box(), link.locator("rect").bounding_box()
        assert room["x"] < words["x"], link.text_content()
        assert words["x"] + words["width"] < room["x"] + room["width"], link.text_content()
        assert words["height"] > 9
    assert page.locator(".chapter-map svg").get_attribute("aria-label").count("BPTT") > 1
    links.last.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(f"{re.escape(root + edition)}chapters/smoothing.html$"))
    assert page.complaints == []


def test_hints_and_solutions_open_by_keyboard(page: Any, root: str) -> None:
    page.goto(f"{root}chapters/forward.html")
    fold = page.locator("details.fold-solution").first
    assert not fold.evaluate("fold => fold.open")
    fold.locator("summary").focus()
    page.keyboard.press("Enter")
    assert fold.evaluate("fold => fold.open")
    assert "✓" in fold.inner_text()


@pytest.mark.parametrize("width", [390, 1280])
def test_menus_open_by_mouse_and_close(page: Any, root: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{root}chapters/forward.html")
    for name in ("launch", "source", "download"):
        button, menu = page.locator(f".dropdown-{name} > button"), page.locator(f".dropdown-{name} > ul")
        assert not menu.is_visible()
        button.click()
        assert button.get_attribute("aria-expanded") == "true"
        box = menu.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] >= button.bounding_box()["y"]
        assert page.locator(".dropdown-menu.show").count() == 1  # the one before it has closed
    button.click()
    assert not menu.is_visible()
    button.click()
    page.mouse.click(30, 700)
    assert not menu.is_visible()
    assert button.get_attribute("aria-expanded") == "false"
    assert page.complaints == []


def test_menus_open_by_keyboard(page: Any, root: str) -> None:
    page.goto(f"{root}chapters/forward.html")
    button, menu = page.locator(".dropdown-launch > button"), page.locator(".dropdown-launch > ul")
    focused = "document.activeElement.textContent.trim()"
    button.focus()
    page.keyboard.press("Enter")
    assert menu.is_visible()
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == "Open in Binder"
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == "Open in Colab"
    page.keyboard.press("Escape")
    assert not menu.is_visible()
    assert button.evaluate("button => button === document.activeElement")
    page.keyboard.press("ArrowDown")
    assert menu.is_visible()
    for _ in range(3):
        page.keyboard.press("Tab")
    assert not menu.is_visible()  # the focus has left it


def test_the_way_back_to_the_top(page: Any, root: str) -> None:
    """On a phone; on wide screens the theme leaves it out."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{root}chapters/forward.html")
    button = page.locator("#pst-back-to-top")
    page.mouse.wheel(0, 3000)
    until(page, "scrollY === 3000")
    page.evaluate(AT_REST)  # the page hears of it with the next frame
    assert not button.is_visible()
    page.mouse.wheel(0, -500)
    button.click()
    until(page, "scrollY === 0")


# What a copy puts on the clipboard, read where the page has just put it.
COPIED = """addEventListener("copy", (event) => (window.copied = event.clipboardData.getData("text/plain")))"""


@pytest.mark.parametrize("edition", ["", "zh/"])
def test_formulas_are_copied_as_tex(page: Any, root: str, edition: str) -> None:
    page.goto(f"{root}{edition}chapters/forward.html")
    page.evaluate(COPIED)
    paragraph = page.locator("#sec-forward-recurrence > p", has=page.locator(".katex")).first
    paragraph.evaluate("node => getSelection().selectAllChildren(node)")
    page.evaluate("document.execCommand('copy')")
    text = page.evaluate("window.copied")
    sources = paragraph.locator("annotation").all_text_contents()
    assert sources
    for source in sources:
        assert text.count(f"${source.strip()}$") >= 1
    assert not re.search("[\u200b\u2061]", text)
    # from the middle of a formula: the formula is whole
    paragraph.locator(".katex .mord").first.evaluate(
        "node => getSelection().setBaseAndExtent(node, 0, node.closest('p'), node.closest('p').childNodes.length)"
    )
    page.evaluate("document.execCommand('copy')")
    assert page.evaluate("window.copied").startswith(f"${sources[0].strip()}$")
    # text without formulas is the browser's own affair
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.bd-article h1'))")
    page.evaluate("document.execCommand('copy')")
    assert page.evaluate("window.copied") == ""
    assert page.complaints == []


def test_a_button_copies_a_displayed_formula(page: Any, root: str) -> None:
    page.goto(f"{root}chapters/forward.html")
    page.evaluate(COPIED)
    assert page.locator(".copy-formula").count() == 0
    for formula in page.locator(".formula").all()[:3]:
        formula.hover()
        button = formula.locator(".copy-formula")
        button.click()
        source = formula.locator("annotation").text_content().strip()
        assert page.evaluate("window.copied").strip() == f"$$\n{source}\n$$"
        assert button.inner_text() == "✓"
    assert page.locator(".copy-formula").count() == 1


@pytest.mark.parametrize("edition", ["", "zh/"])
def test_wide_formulas_scroll_by_themselves(page: Any, root: str, edition: str) -> None:
    """On the smallest phone; their numbers stay in sight, and links to them lead there."""
    page.set_viewport_size({"width": 320, "height": 700})
    page.goto(f"{root}{edition}chapters/forward.html")
    page.keyboard.press("Shift")  # lays all of it out
    page.add_style_tag(content=".formula-body .katex { width: 500px }")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    bodies = page.locator(".formula-body").all()
    assert bodies
    for body in bodies:
        wide, room = body.evaluate("body => [body.scrollWidth, body.clientWidth]")
        assert wide > room
        body.evaluate("body => (body.scrollLeft = 40)")
        assert body.evaluate("body => body.scrollLeft") == 40
    numbers = page.locator(".formula .eqno").all()
    assert len(numbers) > 3
    chapter = page.locator("h1").first.inner_text().split(".")[0]
    for place, number in enumerate(numbers, 1):
        box = number.bounding_box()
        assert box["x"] + box["width"] <= 320
        assert number.inner_text().startswith(f"({chapter}.{place})")
    links = page.locator("a[href^='#equation-eq-forward']:not(.headerlink)").all()
    assert links
    for link in links:
        target = page.locator(f"[id='{link.get_attribute('href')[1:]}']")
        assert link.text_content() == re.match(r"\(\d+\.\d+\)", target.locator(".eqno").text_content())[0]
