"""What the site costs its readers, what it tells others, and that it can be taken along."""

import base64
import gzip
import io
import re
import shutil
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from built import AT_REST, Page, expected_pages
from fontTools.ttLib import TTFont
from rcssmin import cssmin
from rjsmin import jsmin

from booktools import audit, fonts, offline, stylesheet
from booktools.discovery import FORMULA, LONGEST, cut, sentences
from booktools.weight import FORMULA_FONTS, first_letters, image_size, sized

HAN = re.compile(r"[\u3400-\u9fff]")


@pytest.fixture(scope="module")
def parsed(site: Path) -> dict[str, Page]:
    return {name: Page(site / name) for name in [*expected_pages(), "search.html", "zh/search.html"]}


@pytest.fixture(scope="module")
def visits(site: Path, browser: Any) -> dict[str, audit.Visit]:
    with audit.served(site) as base:
        return {name: audit.visit(browser, base, name) for name in [*expected_pages(), "search.html", "zh/search.html"]}


def metadata(page: Page) -> dict[str, str]:
    metas = (values for tag, values in page.tags if tag == "meta")
    return {values.get("name", values.get("property", "")): values.get("content", "") for values in metas}


def test_every_page_is_light_and_asks_nobody(visits: dict[str, audit.Visit]) -> None:
    """All that a browser fetches by the time a page is read to its end, compressed."""
    for name, visit in visits.items():
        assert visit.size <= audit.BUDGET["bytes"], f"{name}: {visit.size:,} bytes, {visit.requests}"
        assert len(visit.requests) <= audit.BUDGET["requests"], f"{name}: {visit.requests}"
        assert visit.size > len(gzip.compress(b"x")), name
        assert visit.foreign == [], name
        assert visit.said == [], name
        assert len(visit.requests) == len(set(visit.requests)), f"{name} fetches something twice"


@pytest.mark.parametrize("times", [1, 2])
def test_a_page_that_stands_still_is_visited_once_more(
    site: Path, browser: Any, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """In the first contexts no frame comes; what the last one meets is what a browser meets that draws."""
    opened: list[Any] = []

    class Standing:
        def new_context(self, **options: Any) -> Any:
            opened.append(browser.new_context(**options))
            if len(opened) <= times:
                opened[-1].add_init_script("window.requestAnimationFrame = () => 0")
            return opened[-1]

    monkeypatch.setattr(audit, "PATIENCE", 5000)  # enough for a busy machine, too
    with audit.served(site) as base:
        if times == 1:
            patient = audit.visit(Standing(), base, "index.html")
            monkeypatch.undo()
            plain = audit.visit(browser, base, "index.html")
            for visit in (patient, plain):
                visit.requests.sort()  # of two files that are asked for at once, either may come first
            assert patient == plain
        else:
            with pytest.raises(RuntimeError, match=r"index.html .* no frame was drawn for 5 s"):
                audit.visit(Standing(), base, "index.html")
    assert len(opened) == 2
    assert not any(context in browser.contexts for context in opened)


@pytest.mark.parametrize("edition", ["", "zh/"])
def test_text_does_not_move_when_fonts_arrive(site: Path, browser: Any, edition: str) -> None:
    """On a phone, where each font's file comes half a second after it was asked for."""
    moved = """new Promise((told) => {
        let sum = 0;
        new PerformanceObserver((list) => list.getEntries().forEach((one) => (sum += one.value)))
            .observe({ type: "layout-shift", buffered: true });
        setTimeout(() => told(sum), 500);
    })"""
    seen = """() => [...document.querySelectorAll(".katex-html .base")].map((one) => one.getBoundingClientRect())
        .filter((box) => box.width && box.bottom < innerHeight).map((box) => [box.x, box.y, box.width])"""
    late: list[str] = []

    def wait(route: Any) -> None:
        late.append(route.request.url)
        route.request.frame.page.wait_for_timeout(500)
        route.continue_()

    with audit.served(site) as base:
        for name in ("index", "chapters/timescale", "chapters/varma", "chapters/flow"):
            context = browser.new_context(viewport={"width": 412, "height": 823}, is_mobile=True)
            page = context.new_page()
            page.route("**/*.woff2", wait)
            page.goto(f"{base}{edition}{name}.html", wait_until="domcontentloaded")
            before = page.evaluate(seen)
            page.wait_for_load_state("networkidle")
            assert page.evaluate(moved) < 0.02, name
            assert before == page.evaluate(seen) != [], name
            context.close()
    assert len(late) >= 4


def test_letters_of_the_first_formulas_are_in_the_page() -> None:
    body = f"""<section><h1>A</h1><p>
    <span class="mord mathnormal" style="margin-right:1em;">h</span><span class="mrel mtight">&amp;</span>
    <span class="mop">lim</span></p>{"word " * 300}<span class="mord mathnormal">z</span><span class="mord">7</span>"""
    letters = first_letters(body)
    assert letters == {"KaTeX_Main-Regular.woff2": " &ilm", "KaTeX_Math-Italic.woff2": "h"}
    main, italic = fonts.first(letters, FORMULA_FONTS)
    assert main[:3] == ("KaTeX_Main", "normal", "U+20,U+26,U+69,U+6C,U+6D")
    assert italic[:3] == ("KaTeX_Math", "italic", "U+68")
    held = [TTFont(io.BytesIO(base64.b64decode(font[3]))).getBestCmap() for font in (main, italic)]
    assert [set(letters) for letters in held] == [{0x20, 0x26, 0x69, 0x6C, 0x6D}, {0x68}]
    assert fonts.first(first_letters("<p>7</p>"), FORMULA_FONTS) == []
    lone = '<span class="mord mathnormal">h</span>'  # the height of its line is that of the other font
    assert [font[0] for font in fonts.first(first_letters(lone), FORMULA_FONTS)] == ["KaTeX_Main", "KaTeX_Math"]


def test_pages_load_one_stylesheet_and_one_script(parsed: dict[str, Page], site: Path) -> None:
    for name in expected_pages():
        assert not any("fontawesome" in source or "fa-" in source for source in parsed[name].loaded), name
        scripts = [values for tag, values in parsed[name].tags if tag == "script" and "src" in values]
        own = ["ledger.js"] if name.endswith("ledger.html") else ["progress.js"] if name.endswith("index.html") else []
        assert [Path(values["src"]).name.split("?")[0] for values in scripts] == ["site.js", *own], name
        assert all("defer" in values for values in scripts), name
        styles = [values for tag, values in parsed[name].tags if tag == "link" and values.get("rel") == "stylesheet"]
        assert [Path(values["href"]).name for values in styles] == ["site.css"], name
    assert not list(site.rglob("fontawesome.js"))
    assert not list(site.rglob("*.map"))


def test_the_theme_measures_nothing_at_once(site: Path) -> None:
    script = (site / "_static" / "site.js").read_text("utf8")
    assert script.count("nothing-here") == 1


def test_images_have_their_size(parsed: dict[str, Page]) -> None:
    seen = 0
    for name, page in parsed.items():
        for tag, values in page.tags:
            if tag == "img":
                assert int(values["width"]) > 0, name
                assert int(values["height"]) > 0, name
                assert values["loading"] == "lazy", name
                seen += 1
    assert seen


def test_an_image_that_speaks_of_width_gets_its_size(tmp_path: Path) -> None:
    picture = tmp_path / "plot.svg"
    picture.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="36pt"></svg>')
    assert sized('<img alt="against width=2" src="a"/>', picture).startswith('<img width="96" height="48" ')
    assert "96" not in sized('<img width="5" alt="" src="a"/>', picture)


def test_sizes_are_css_pixels(tmp_path: Path) -> None:
    figure = tmp_path / "a.svg"
    figure.write_text('<?xml version="1.0"?>\n<svg height="210pt" version="1" width="412.5pt" viewBox="0 0 9 9">')
    assert image_size(figure) == (550, 280)
    figure.write_text('<svg width="40" height="30px">')
    assert image_size(figure) == (40, 30)
    figure.write_text('<svg viewBox="0 0 40 30"><rect width="3" height="4"/>')
    assert image_size(figure) is None


def test_icons_are_there(site: Path, browser: Any) -> None:
    """The subset has a glyph for every icon of a page: none is drawn as wide as the empty box of a missing one."""
    page = browser.new_page()
    page.goto((site / "chapters" / "forward.html").as_uri())
    page.evaluate("document.fonts.ready")
    used = page.evaluate(
        """[...document.querySelectorAll("i[class*=fa-], span[class*=fa-]")].map(icon => {
            const style = getComputedStyle(icon, "::before");
            return [icon.className, style.content, style.fontFamily, style.fontWeight];
        })"""
    )
    assert len(used) > 10
    for classes, content, family, weight in used:
        assert re.fullmatch('"."', content), classes
        assert page.evaluate("([font, text]) => document.fonts.check(font, text)", [f"{weight} 16px {family}", content])
        assert "Awesome" in family, classes
    boxes = page.evaluate(
        "[...document.querySelectorAll('.admonition-title')].map((title) => getComputedStyle(title, '::after').content)"
    )
    page.close()
    css = (site / "_static" / "site.css").read_text("utf8")
    held = re.findall(r'font-family:"Font Awesome[^}]*base64,([^)]*)', css)
    glyphs = {code for data in held for code in TTFont(io.BytesIO(base64.b64decode(data))).getBestCmap()}
    asked = {content.strip('"') for content in boxes if content != "none"} | {content[1] for _, content, *_ in used}
    assert len(asked) > 10
    assert {ord(letter) for letter in asked} <= glyphs


def test_explorables_and_drawings_share_script_and_style(site: Path, parsed: dict[str, Page]) -> None:
    for name in expected_pages():
        text = parsed[name].path.read_text("utf8")
        parts = re.findall(r'<(?:script|style) class="explorer-(?:script|style)">(.*?)</(?:script|style)>', text, re.S)
        script, style = ((site / "_static" / f"answers.{kind}").read_text("utf8") for kind in ("js", "css"))
        all_of_it = "".join([*parts, jsmin(script), cssmin(style)])  # the last two are parts of the bundles
        size = len(gzip.compress(all_of_it.encode(), mtime=0))
        assert size <= audit.BUDGET["interactive"], name
        if 'class="explorer' in text or 'class="drawing' in text:
            assert len(parts) == 1 + ("explorer-script" in text), name


def test_descriptions_speak_the_pages_language(parsed: dict[str, Page]) -> None:
    descriptions = {name: metadata(page)["description"] for name, page in parsed.items()}
    assert len(set(descriptions.values())) == len(descriptions)
    for name, text in descriptions.items():
        assert 20 < len(text) <= LONGEST or (name.startswith("zh/") and 10 < len(text) <= LONGEST), f"{name}: {text}"
        assert bool(HAN.search(text)) == name.startswith("zh/"), f"{name}: {text}"
        assert not re.search(r"[\\$\0]", text), f"{name}: {text}"
        assert text == metadata(parsed[name])["og:description"]


def test_sentences_with_formulas_are_left_out() -> None:
    assert sentences(f"One. With {FORMULA} in it. Is 0.9 small? Yes") == ["One.", "Is 0.9 small?", "Yes"]
    assert sentences(f"第一句。有 {FORMULA} 的一句。末句") == ["第一句。", "末句"]
    assert len(cut("word " * 60, "en")) <= LONGEST
    assert cut("甲乙，" * 60, "zh").endswith("甲乙…")


def test_shared_links_show_a_card(parsed: dict[str, Page], site: Path) -> None:
    data = (site / "_static" / "card.png").read_bytes()
    assert len(data) < 100_000
    for page in parsed.values():
        tags = metadata(page)
        assert tags["og:image"].endswith("/_static/card.png")
        assert (int(tags["og:image:width"]), int(tags["og:image:height"])) == image_size(site / "_static" / "card.png")
        assert tags["og:title"]


def test_the_sitemap_has_every_page_and_its_twin(site: Path, parsed: dict[str, Page]) -> None:
    names = {"": "http://www.sitemaps.org/schemas/sitemap/0.9", "x": "http://www.w3.org/1999/xhtml"}
    entries = ElementTree.parse(site / "sitemap.xml").getroot().findall("url", names)
    found = {entry.findtext("loc", "", names): entry.findall("x:link", names) for entry in entries}
    canonical = {
        values["href"]
        for name in expected_pages()
        for tag, values in parsed[name].tags
        if tag == "link" and values.get("rel") == "canonical"
    }
    assert set(found) == canonical
    for links in found.values():
        twins = {link.get("hreflang"): link.get("href") for link in links}
        assert set(twins) == {"en", "zh-CN", "x-default"}
        assert set(twins.values()) <= canonical
    robots = (site / "robots.txt").read_text("utf8")
    assert re.search(r"^Sitemap: https://\S+/sitemap\.xml$", robots, re.M)


def test_a_missing_page_says_so_in_both_languages(site: Path) -> None:
    """At any depth, so it loads nothing by a relative path."""
    page = Page(site / "404.html")
    assert any(values.get("lang") == "zh-CN" for _, values in page.tags)
    text = " ".join(page.text)
    assert "forgotten" in text
    assert "遗忘" in text
    assert all(address.startswith("https://") for address in page.links)
    assert any(address.endswith("/zh/") for address in page.links)
    assert all(source.startswith("data:") for source in page.loaded)


def test_rules_that_cannot_apply_are_dropped() -> None:
    css = """/* a comment */ .used{color:red} .gone,.used .gone2,p.used:hover{color:blue}
        @media print{.gone{a:b}} @media print{.used:not(.gone){a:b}} #id1 > a[href$=".gone"]{x:y}
        @keyframes spin{0%{a:b}100%{a:c}} @keyframes turn{to{a:b}} .used::after{animation:turn 1s}"""
    left = stylesheet.purged(css, {"used", "id1"})
    for kept in (".used{color:red}", "p.used:hover", ".used:not(.gone)", "#id1 > a", "@keyframes turn"):
        assert kept in left
    for dropped in ("comment", ".gone,", ".gone2", "spin", "print{ }"):
        assert dropped not in left
    assert left.count("{") == left.count("}")


def test_variables_and_fonts_that_nothing_asks_for_are_dropped() -> None:
    css = """:root{--used:var(--under);--under:1px;--idle:var(--below);--below:2px;--script:3px;--url:url("a;b")}
        .x--idle:hover{width:var(--used);background:var(--url)} .y{--idle:0}
        @font-face{font-family:Shown;src:url(s)} @font-face{font-family:Hidden;src:url(h)} p{font:1em Shown,serif}"""
    left = stylesheet.without_idle(css, {"--script"})
    for kept in ("--used:", "--under:", "--script:", '--url:url("a;b")', ".x--idle:hover{", "url(s)"):
        assert kept in left
    for dropped in ("--idle:var", "--below", "url(h)", ".y"):
        assert dropped not in left
    assert left.count("{") == left.count("}")


def letters_of(fonts: Path) -> set[int]:
    return {code for path in fonts.glob("*.woff2") for code in TTFont(path).getBestCmap()}


@pytest.mark.parametrize("edition", ["", "zh/"])
def test_the_fonts_of_formulas_have_their_letters(site: Path, browser: Any, edition: str) -> None:
    """Each that the full fonts have is in the reduced ones; these are a fifth smaller at least."""
    full, reduced = FORMULA_FONTS, site / edition / "_static" / "katex" / "fonts"
    page = browser.new_page()
    shown = ""
    for path in sorted((site / edition / "chapters").glob("*.html")):
        page.goto(path.as_uri())
        shown += page.evaluate("[...document.querySelectorAll('.katex-html')].map((f) => f.textContent).join('')")
    page.close()
    asked = {ord(letter) for letter in shown}
    assert len(asked) > 50
    assert asked & letters_of(full) <= letters_of(reduced)
    size = {folder: sum(path.stat().st_size for path in folder.glob("*.woff2")) for folder in (full, reduced)}
    assert size[reduced] < 0.8 * size[full]


def test_addresses_in_stylesheets_move_with_them() -> None:
    assert stylesheet.rebased("a{b:url('../x/y.svg')}", "styles") == "a{b:url(x/y.svg)}"
    assert stylesheet.rebased("a{b:url(data:x)}", "styles") == "a{b:url(data:x)}"


@pytest.fixture(scope="module")
def reader(site: Path, browser: Any) -> Iterator[Any]:
    """A returning reader: one browser profile, the site from disk."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context.new_page()
    context.close()


def shown(reader: Any, page: str, selector: str) -> Any:
    """What a page shows of the browser's memory; on a busy machine that arrives a moment after the page."""
    for _ in range(20):
        reader.goto(page)
        if reader.locator(selector).count():
            break
        reader.wait_for_timeout(250)
    return reader.locator(selector)


def test_reading_is_remembered(reader: Any, site: Path) -> None:
    """In this browser alone: marks in the contents and on the home page, a link to go on, in either language."""
    said: list[str] = []
    reader.on("pageerror", lambda error: said.append(str(error)))
    home, chapter = (site / "index.html").as_uri(), (site / "chapters" / "forward.html").as_uri()
    in_plan = "#sec-index-ways a"
    reader.goto(home)
    assert reader.locator(".continue-reading").count() == 0
    assert reader.locator("a.is-read, a.is-begun").count() == 0
    reader.goto(chapter)
    anchor = reader.locator(".bd-article section section[id^=sec-]").nth(3).get_attribute("id")
    reader.goto(f"{chapter}#{anchor}")
    reader.evaluate(AT_REST)
    link = shown(reader, home, ".continue-reading")
    assert reader.locator("a.is-read").count() == 0
    assert link.get_attribute("href").startswith(f"{chapter}#sec-")
    begun = reader.locator(f"{in_plan}.is-begun").first
    assert 10 < int(begun.get_attribute("data-read").rstrip("%")) < 50
    assert begun.get_attribute("title").endswith("% read")
    reader.goto((site / "zh" / "index.html").as_uri())
    reader.evaluate("localStorage.reading = JSON.stringify({page: 'chapters/forward', place: '', far: {}})")
    reader.reload()
    assert HAN.search(reader.locator(".continue-reading").inner_text())
    reader.goto(chapter)
    reader.locator(".prev-next-footer").scroll_into_view_if_needed()
    reader.evaluate(AT_REST)
    assert shown(reader, home, "a.is-read").first.get_attribute("title") == "Read to the end"
    assert reader.locator(f"{in_plan}.is-read").count() >= 1
    reader.goto(f"{chapter}#{anchor}")  # who looks something up has still read the chapter
    reader.evaluate(AT_REST)
    assert shown(reader, home, f"{in_plan}.is-read").count() >= 1
    assert said == []


def test_each_chapter_is_remembered_by_itself(reader: Any, site: Path) -> None:
    reader.goto((site / "index.html").as_uri())
    reader.evaluate(
        "localStorage.reading = JSON.stringify({page: 'x', far: {'chapters/forward': 0.42, 'chapters/gone': 1}})"
    )
    reader.goto((site / "chapters" / "glossary.html").as_uri())
    found = reader.locator(".bd-sidebar-primary a.is-begun, .bd-sidebar-primary a.is-read")
    assert [link.get_attribute("data-read") for link in found.all()] == ["42%"]
    reader.evaluate("localStorage.reading = 'not JSON'")
    reader.reload()
    assert reader.locator("a.is-begun").count() == 0


def test_the_scripts_of_the_book_are_small(site: Path) -> None:
    """Compressed; they are part of site.js, which does without the theme's 80 KB of Bootstrap."""
    own = [(site / "_static" / name).read_bytes() for name in ("book.js", "copying.js", "menus.js")]
    assert sum(len(gzip.compress(script)) for script in own) < 4608
    assert (site / "_static" / "site.js").stat().st_size < 60_000
    assert not list(site.rglob("bootstrap.js"))


def test_paper_shows_what_is_folded(reader: Any, site: Path) -> None:
    reader.goto((site / "chapters" / "forward.html").as_uri())
    assert reader.locator("details.fold[open]").count() == 0
    reader.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert reader.locator("details.fold:not([open], .fold-checked)").count() == 0
    assert reader.locator("details.fold-checked:not([open])").count() > 0  # of these, how many they are
    reader.emulate_media(media="print")
    assert not reader.locator(".bd-sidebar-primary").is_visible()
    assert not reader.locator(".ex-control input").first.is_visible()
    assert reader.locator(".bd-article h1").is_visible()
    assert reader.locator(".explorer svg").first.is_visible()
    reader.emulate_media(media="screen")
    reader.evaluate("dispatchEvent(new Event('afterprint'))")
    assert reader.locator("details.fold[open]").count() == 0


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_an_edition_opens_from_disk(lang: str, site: Path, tmp_path: Path, browser: Any) -> None:
    with zipfile.ZipFile(offline.pack(site, lang, tmp_path)) as archive:
        archive.extractall(tmp_path)
    top = tmp_path / f"memory-in-a-loop-{lang}"
    said: list[str] = []
    page = browser.new_page()
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url))
    page.on("requestfailed", lambda request: said.append(f"not loaded: {request.url}"))
    for name in ("index.html", "chapters/forward.html", "search.html?q=softmax"):
        page.goto(f"{top.as_uri()}/{name}")
        page.wait_for_load_state("networkidle")
        assert HAN.search(page.title()) if lang == "zh" else page.title()
        # The other edition is not in this archive: its link leads to the published page of the same name.
        published = urlsplit(page.locator(".language-switch").get_attribute("href"))
        assert published.scheme == "https", name
        assert published.path.endswith(name.split("?")[0].removeprefix("index.html")), name
        assert ("/zh/" in published.path) == (lang == "en"), name
    page.wait_for_selector("#search-results li a[href*='forward.html']")
    page.goto(f"{top.as_uri()}/chapters/forward.html")
    # Who steers by voice says what is seen on the fold.
    assert page.locator("summary").count() > 0
    assert page.locator("summary[aria-label]").count() == 0
    for path in page.evaluate("[...document.querySelectorAll('.bd-sidebar-primary a[href]')].map(a => a.href)"):
        assert Path(path.split("#")[0].removeprefix("file://")).exists(), path
    assert [text for text in said if not text.startswith(("file:", "data:"))] == []
    page.close()


def test_the_same_site_makes_the_same_archive(site: Path, tmp_path: Path) -> None:
    first, second = (offline.pack(site, "en", tmp_path / name).read_bytes() for name in "ab")
    assert first == second


def test_figures_that_move_are_light(parsed: dict[str, Page]) -> None:
    """Each by itself, with its picture; all of a page together, compressed."""
    seen = 0
    for name in expected_pages():
        text = parsed[name].path.read_text("utf8")
        figures = re.findall(
            r'<div class="explorer[ "].*?<script type="application/json">[^<]*</script></div>', text, re.S
        )
        assert len(figures) == len(re.findall(r'class="explorer[ "]', text)), name
        for figure in figures:
            assert "<svg" in figure, name
            assert len(figure.encode()) <= audit.BUDGET["figure"], name
        assert len(gzip.compress("".join(figures).encode())) <= audit.BUDGET["figures"], name
        seen += len(figures)
    assert seen


def test_the_audit_finds_a_page_by_its_short_name() -> None:
    known = ["chapters/bptt.html", "chapters/lstm.html", "index.html", "search.html"]
    for name in ("lstm", "chapters/lstm", "chapters/lstm.html"):
        assert audit.page_named(name, known) == "chapters/lstm.html"
    assert audit.page_named("index", known) == "index.html"
    with pytest.raises(ValueError, match="there is no page 'chapters/ltsm'; the nearest is 'lstm'"):
        audit.page_named("chapters/ltsm", known)


def test_the_audit_notices_what_is_over_budget() -> None:
    bad = audit.Visit(
        requests=["x"] * 16, size=400_000, foreign=["https://elsewhere"], said=["boom"], violations=["label (1)"]
    )
    scores = {"performance": 94, "accessibility": 100, "best-practices": 100, "seo": 100}
    assert len(list(audit.over_budget(bad, scores))) == 6
    assert list(audit.over_budget(audit.Visit(size=1), None)) == []
    late = audit.Visit(size=1, usable=audit.BUDGET["usable"] + 0.1)
    assert len(list(audit.over_budget(late, None))) == 1
    assert list(audit.over_budget(audit.Visit(size=1, usable=audit.BUDGET["usable"] - 0.1), None)) == []


def test_a_slow_phone_is_slow(site: Path, browser: Any) -> None:
    """The clock runs only where there is something to use; the slow line alone takes half a second."""
    with audit.served(site) as base:
        assert audit.usable(browser, base + "chapters/notation.html") is None
        seconds = audit.usable(browser, base + "chapters/forward.html", runs=1)
    assert seconds is not None
    assert 0.5 < seconds < 60


def test_published_archives_are_named_on_the_home_pages(site: Path, tmp_path: Path) -> None:
    """Only where they are, and not inside themselves."""
    copy, place = tmp_path / "html", tmp_path / "offline"
    shutil.copytree(site, copy, ignore=shutil.ignore_patterns("offline"))
    for lang, edition in (("en", ""), ("zh", "zh/")):
        home = copy / edition / "index.html"
        home.write_text(offline.OFFER.sub("", home.read_text("utf8")), "utf8")
        before = offline.pack(copy, lang, place).read_bytes()
        for kinds in (("zip",), ("zip", "pdf"), ("zip", "pdf")):
            if "pdf" in kinds:
                (place / f"memory-in-a-loop-{lang}.pdf").write_bytes(b"%PDF-1.7")
            offline.publish(copy, lang, place)
            links = [link for link in Page(home).links if link.startswith("offline/")]
            assert links == [f"offline/memory-in-a-loop-{lang}.{kind}" for kind in kinds]
            assert all((home.parent / link).exists() for link in links)
            assert bool(HAN.search(offline.OFFER.findall(home.read_text("utf8"))[0])) == (lang == "zh")
        assert offline.pack(copy, lang, place).read_bytes() == before
