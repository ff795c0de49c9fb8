"""The printed book: complete, in order, its links inside itself, its contents telling the right pages."""

import re
from pathlib import Path
from typing import Any

import pytest
from built import names_in_toc

from booktools import pdf
from chapters import BY_NAME, prose

LANGUAGES = ("en", "zh")
HEADING = re.compile(r"^## (.+)$", re.M)


@pytest.fixture(scope="module", params=LANGUAGES)
def lang(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def text(site: Path, lang: str) -> str:
    return pdf.document(site, lang, {})


@pytest.fixture(scope="module")
def book(site: Path, lang: str, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return pdf.write(site, lang, tmp_path_factory.mktemp("pdf"), browser).read_bytes()


def test_every_page_is_there_in_order(text: str) -> None:
    names = ["index", *(name.split("/")[-1] for name in names_in_toc())]
    assert re.findall(r'<div class="page" id="([\w-]+)">', text) == names
    for name in names:
        assert f'href="#{name}--' in text.split("<main")[0], f"{name} is not in the contents"


def test_links_stay_in_the_book_or_lead_to_the_site(text: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    inside = re.findall(r'href="#([^"]+)"', text)
    assert len(inside) > 50
    assert set(inside) <= set(ids)
    others = {link.split(":")[0] for link in re.findall(r'<a\b[^>]*href="([^"#][^"]*)"', text)}
    assert others <= {"https", "http"}


def test_it_loads_only_files_of_the_site(text: str) -> None:
    loaded = re.findall(r'src="([^"]+)"', text) + re.findall(r'<link[^>]*href="([^"]+)"', text)
    assert loaded
    for address in loaded:
        assert address.startswith("file:"), address
        assert Path(address.removeprefix("file://")).exists(), address
    assert "<script" not in text


def test_solutions_are_open_and_hints_are_not_there(text: str, lang: str) -> None:
    """Cells of assertions are one line each, which says how many there are."""
    assert "fold-hint" not in text
    assert '<form class="answer"' not in text
    folds = re.findall(r"<details\b[^>]*>(?:<summary>.*?</summary>)?", text)
    solutions = [fold for fold in folds if "fold-solution" in fold]
    checked = [fold for fold in folds if "fold-checked" in fold]
    assert solutions
    assert checked
    assert len(solutions) + len(checked) == len(folds)
    assert all("<details open " in fold for fold in solutions)
    said = {"en": r"Checked here: \d+ statements?", "zh": r"此处核对：\d+ 条"}[lang]
    assert all(re.search(rf'^<details class="[^"]*"><summary>{said}</summary>', fold) for fold in checked)


def test_explorables_are_pictures(text: str) -> None:
    explorers = re.findall(r'<div class="explorer.*?</svg>', text, re.S)
    assert len(explorers) >= 2
    assert all("<path" in explorer for explorer in explorers)


def test_the_contents_tell_the_pages(book: bytes, site: Path, lang: str) -> None:
    """The numbers come from the first print; the last has its headings where they say."""
    pages = pdf.destinations(book)
    numbers = [pages[anchor] for anchor, _, _ in pdf.headings(pdf.document(site, lang, {}))]
    assert len(numbers) > 20
    assert numbers == sorted(numbers)
    assert numbers[0] >= 3  # after the title page and the contents
    assert numbers[-1] <= book.count(b"/Type /Page\n") + book.count(b"/Type /Page ")
    first = pdf.contents({"x": '<section id="x--a"><h1>A</h1>'}, {}, lang, {"x--a": 7})
    assert '<a class="toc-1" href="#x--a"><span>A</span><b>7</b></a>' in first


def test_a_print_without_all_its_headings_is_not_kept(
    book: bytes, site: Path, lang: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as Chromium makes of a page of which it has not read all; or one whose numbers moved the pages."""
    cut = book.replace(b"/forward--", b"/forwerd--")
    assert len(pdf.destinations(cut)) == len(pdf.destinations(book))
    for prints in ([book, cut], [cut, book], [cut, cut]):
        left = iter(prints)
        monkeypatch.setattr(pdf, "printed", lambda browser, text, left=left: next(left))
        with pytest.raises(RuntimeError, match="the two prints of"):
            pdf.write(site, lang, tmp_path, None)
        assert list(tmp_path.iterdir()) == []


def titles(book: bytes) -> list[str]:
    found = re.findall(rb"/Title (?:\(((?:\\.|[^\\)])*)\)|<([0-9A-Fa-f]+)>)", book)
    return [
        bytes.fromhex(code.decode()).decode("utf-16") if code else plain.replace(b"\\", b"").decode("latin-1")
        for plain, code in found
    ]


def test_it_has_an_outline_and_carries_its_fonts(book: bytes, lang: str) -> None:
    outline = titles(book)
    first = BY_NAME[Path(names_in_toc()[0]).name]
    heading = next(found[1] for cell in prose(first) if cell.lang == lang and (found := HEADING.search(cell.text)))
    assert f"1.1. {heading}" in outline
    assert any(title == ("Contents" if lang == "en" else "目录") for title in outline)  # each once, not twice over
    assert b"/MarkInfo" in book
    assert b"/FontFile2" in book
    assert b"KaTeX_Math-Italic" in book


def test_it_is_of_a_size_to_send(book: bytes) -> None:
    assert 200_000 < len(book) < 25_000_000
