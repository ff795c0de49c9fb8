"""The built site in a real browser, from disk and from a server, as its readers meet it."""

import functools
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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


@pytest.mark.parametrize("edition", ["", "zh/"])
def test_anchors_lead_to_their_headings(page: Any, root: str, edition: str) -> None:
    """From one place of a long page to another, on a phone: nothing may change its height on the way."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{root}{edition}chapters/forward.html")
    anchors = page.locator(".bd-article section section[id^=sec-]").evaluate_all("all => all.map(one => one.id)")
    for anchor in anchors[:-2]:  # the last cannot come to the top
        page.goto(f"{root}{edition}chapters/forward.html#{anchor}")
        page.wait_for_timeout(100)
        assert 0 <= page.locator(f"#{anchor}").bounding_box()["y"] < 200, anchor


@pytest.mark.parametrize(
    ("edition", "query"),
    [("zh/", "激活函数"), ("zh/", "函数"), ("zh/", "门"), ("zh/", "softmax"), ("", "activation"), ("", "hidden state")],
)
def test_the_search_finds_the_chapter(page: Any, root: str, edition: str, query: str) -> None:
    page.goto(f"{root}{edition}search.html?q={query}")
    page.wait_for_selector(f"#search-results li a[href*='{'notation' if query == '门' else 'forward'}.html']")
    assert page.complaints == []


@pytest.mark.parametrize("edition", ["", "zh/"])
def test_the_search_finds_the_home_page(page: Any, root: str, edition: str) -> None:
    page.goto(f"{root}{edition}search.html?q=Binder")
    page.locator("#search-results li a[href*='index.html']").click()
    page.wait_for_url(re.compile(f"{re.escape(root + edition)}index.html"))
    assert page.locator(".bd-article h1").count() == 1
    assert page.complaints == []


def test_hints_and_solutions_open_by_keyboard(page: Any, root: str) -> None:
    page.goto(f"{root}chapters/forward.html")
    fold = page.locator("details.fold-solution").first
    assert not fold.evaluate("fold => fold.open")
    fold.locator("summary").focus()
    page.keyboard.press("Enter")
    assert fold.evaluate("fold => fold.open")
    assert "✓" in fold.inner_text()
