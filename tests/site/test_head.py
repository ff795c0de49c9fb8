"""How a chapter opens: its question under its name, then what it teaches, asks for and takes; its name elsewhere."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docutils import nodes

from booktools.discovery import describe
from booktools.doctree import NEED, TIME, Head, frame_head
from chapters import CHAPTERS

OPENED = [path.stem for path in CHAPTERS if "**You need**" in path.read_text("utf8")]


def paragraph(text: str, strong: str = "") -> nodes.paragraph:
    made = nodes.paragraph()
    made += nodes.Text("")  # as the Markdown parser begins a paragraph with bold words
    if strong:
        made += nodes.strong(strong, strong)
    made += nodes.Text(text)
    return made


def opening(*parts: nodes.Node) -> nodes.section:
    section = nodes.section()
    section += nodes.title("", "Name: question?")
    section.extend(parts)
    return section


def framed(section: nodes.section) -> list[str]:
    frame_head(None, section)  # type: ignore[arg-type]
    return [type(part).__name__ for part in section.children]


@pytest.mark.parametrize("language", [0, 1])
def test_aims_needs_and_time_are_framed(language: int) -> None:
    parts = [paragraph("Why."), paragraph("You can"), nodes.bullet_list()]
    needs, time = paragraph(" algebra", NEED[language]), paragraph(": an hour", TIME[language])
    section = opening(*parts, needs, time, paragraph("Text."))
    assert framed(section) == ["title", "paragraph", "Head", "paragraph"]
    head = section[2]
    assert head.children == [*parts[1:], needs, time]
    assert needs.parent is head


def test_other_openings_stay_as_they_are() -> None:
    bold = paragraph(" algebra", NEED[0])
    assert framed(opening(paragraph("Why."), bold)) == ["title", "paragraph", "paragraph"]
    assert framed(opening(paragraph("Why."), nodes.bullet_list(), paragraph("You need more."))) == [
        "title",
        "paragraph",
        "bullet_list",
        "paragraph",
    ]
    assert framed(opening(paragraph("a"), paragraph("b"), nodes.bullet_list(), bold, paragraph("Text."))) == [
        "title",
        "paragraph",
        "Head",
        "paragraph",
    ]


@pytest.mark.parametrize("edition", ["", "zh/"])
@pytest.mark.parametrize("name", OPENED)
def test_chapters_open_with_a_head(site: Path, browser: Any, name: str, edition: str) -> None:
    if not (site / f"{edition}chapters/{name}.html").exists():
        pytest.skip("not in the table of contents yet")
    page = browser.new_page()
    page.goto((site / f"{edition}chapters/{name}.html").as_uri())
    head = page.locator(".chapter-head")
    assert head.count() == 1
    assert head.locator("li").count() >= 3
    strong = head.locator("p > strong:first-child").all_inner_texts()
    assert strong[:1] + strong[-1:] == [NEED[edition != ""], TIME[edition != ""]]
    question = page.locator(".bd-article h1 .question")
    assert re.search("[?？]$", question.inner_text().strip())
    above = page.locator(".bd-article h1").bounding_box()["y"]
    assert question.bounding_box()["y"] > above + 20  # on a line of its own
    # everywhere else the title is in one piece
    assert question.inner_text().strip() in page.title()
    assert page.locator(".bd-sidebar-primary .question").count() == 0
    page.close()


def test_there_are_chapters_with_a_head() -> None:
    assert "forward" in OPENED


def test_the_marker_is_a_node_of_its_own() -> None:
    assert not issubclass(Head, nodes.container)  # whose class the theme would style


@pytest.mark.parametrize("title", ["1 &lt; 2 and 3 &gt; 2", "<em>1</em> &lt; 2 and 3 &gt; <code>2</code>"])
def test_a_shared_title_loses_its_markup_and_nothing_else(title: str) -> None:
    context = {"title": title, "pageurl": "https://example.org/a.html"}
    app = SimpleNamespace(config=SimpleNamespace(language="en", html_title="Book", book_site="https://example.org/"))
    describe(app, "a", "page.html", context, None)  # type: ignore[arg-type]
    assert '<meta property="og:title" content="1 &lt; 2 and 3 &gt; 2">' in context["metatags"]
