"""`python -m booktools.pdf`: each edition as one PDF, printed by the machine's Chromium from the built site.

All pages become one document: a title page, the contents with the numbers of
pages, the chapters in their order. Solutions stand below their exercises, hints
stay away, an explorable is its still picture. No script runs.
"""

import html
import io
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pypdf import PdfReader

from booktools import ROOT
from booktools.browser import CHROMIUM, chromium
from booktools.edits import ChangedError, replaced
from booktools.languages import LANGUAGES, TAG, localised
from booktools.offline import NAME, PLACE
from booktools.words import words

SITE = ROOT / "_build" / "html"
ARTICLE = re.compile(r'<article class="bd-article">(.*?)</article>', re.S)
HEADING = re.compile(r'<section[^>]*\bid="([^"]+)"[^>]*>\s*(?:<span id="[^"]*"></span>\s*)*<h([12])>(.*?)</h\2>', re.S)
REFERENCE = re.compile(r'\b(id|href|src|for|aria-labelledby|aria-describedby)="([^"]*)"')
DROPPED = (
    re.compile(r'<form class="answer".*?</form>', re.S),
    re.compile(r'<details class="fold fold-(?:hint|notebook)">.*?</details>', re.S),
    re.compile(r'<details class="admonition hide above-input">.*?</details>', re.S),
    re.compile(r'<a class="headerlink".*?</a>', re.S),
    re.compile(r"<script\b.*?</script>", re.S),
)
# In a PDF the MathML of a formula would be read and copied beside its picture; its TeX becomes the picture's name.
MATHML = re.compile(
    r'<span class="katex"><span class="katex-mathml">.*?<annotation[^>]*>(.*?)</annotation>.*?</math></span>', re.S
)


@dataclass(frozen=True)
class Page:
    """A page of the site on its way into the book: `name` begins the ids of all that stands on it."""

    path: Path
    name: str
    part: str | None  # the title of the part that it begins


def pages(site: Path, lang: str) -> Iterator[Page]:
    """The pages of an edition in the order of the book."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))
    folder = site / {"en": "", "zh": "zh"}[lang]
    yield Page(folder / "index.html", "index", None)
    for part in toc["parts"]:
        for place, entry in enumerate(part["chapters"]):
            title = localised(part["caption"], lang) if place == 0 else None
            yield Page(folder / f"{entry['file']}.html", Path(entry["file"]).name, title)


def body(page: Page, known: Mapping[Path, str]) -> str:
    """The text of a page, with links that lead to places in the book, or to the published site."""
    whole = page.path.read_text("utf8")
    found = ARTICLE.search(whole)
    if found is None:
        raise ValueError(f"{page.path} has no article: build the site anew (make book)")
    text = found[1]
    for dropped in DROPPED:
        text = dropped.sub("", text)
    name = '<span class="katex" role="img" aria-label="{}">'
    text = replaced(MATHML, lambda tex: name.format(tex[1]), text, text.count('<span class="katex">'))
    text = text.replace('<details class="fold fold-solution">', '<details open class="fold fold-solution">')
    text = text.replace(' loading="lazy"', "")
    published = re.search(r'<link rel="canonical" href="([^"]*)"', whole)

    def moved(reference: re.Match[str]) -> str:
        kind, value = reference[1], html.unescape(reference[2])
        if kind == "src":
            value = (page.path.parent / value).resolve().as_uri() if not value.startswith("data:") else value
        elif kind == "href":
            value = target(value, page, known, published[1] if published else "")
        else:
            value = " ".join(f"{page.name}--{name}" for name in value.split())
        return f'{kind}="{html.escape(value)}"'

    return REFERENCE.sub(moved, text)


def target(link: str, page: Page, known: Mapping[Path, str], published: str) -> str:
    """Where a link of a page leads in the book."""
    path, _, anchor = link.partition("#")
    if re.match(r"[a-z]+:", path):
        return link
    place = (page.path.parent / path).resolve() if path else page.path
    if place in known:
        return f"#{known[place]}" + (f"--{anchor}" if anchor else "")
    return published.rsplit("/", 1)[0] + "/" + link


def headings(text: str) -> Iterator[tuple[str, int, str]]:
    """Anchor, level and text of the headings of one page down to its sections."""
    for anchor, level, title in HEADING.findall(text):
        yield anchor, int(level), title


def contents(texts: Mapping[str, str], parts: Mapping[str, str], lang: str, numbers: Mapping[str, int]) -> str:
    """The table of contents; without the numbers of the pages as long as they are not known."""
    lines = []
    for name, text in texts.items():
        if name in parts:
            lines.append(f'<p class="toc-part">{parts[name]}</p>')
        for anchor, level, title in headings(text):
            number = numbers.get(anchor, "")
            lines.append(f'<a class="toc-{level}" href="#{anchor}"><span>{title}</span><b>{number}</b></a>')
    return f'<nav class="toc"><h1>{words("print", lang)["contents"]}</h1>{"".join(lines)}</nav>'


def document(site: Path, lang: str, numbers: Mapping[str, int]) -> str:
    """The whole book as one page."""
    found = list(pages(site, lang))
    known = {page.path.resolve(): page.name for page in found}
    texts = {page.name: body(page, known) for page in found}
    parts = {page.name: page.part for page in found if page.part}
    head = found[0].path.read_text("utf8")
    title = re.search(r'<meta property="og:site_name" content="([^"]*)"', head)
    address = re.search(r'<link rel="canonical" href="([^"]*?)(?:index\.html)?"', head)
    if title is None or address is None:
        raise ValueError(f"{found[0].path} does not say what it is: build the site anew (make book)")
    colophon = words("print", lang)["colophon"].format(address=f'<a href="{address[1]}">{address[1]}</a>')
    chapters = [
        f'<div class="page" id="{name}">'
        + (f'<p class="part">{parts[name]}</p>' if name in parts else "")
        + f"{text}</div>"
        for name, text in texts.items()
    ]
    styles = (found[0].path.parent / "_static" / "site.css", Path(__file__).parent / "print.css")
    links = "".join(f'<link rel="stylesheet" href="{style.resolve().as_uri()}">' for style in styles)
    return (
        f'<!doctype html><html lang="{TAG[lang]}" data-theme="light"><head><meta charset="utf-8">'
        f"<title>{title[1]}</title>{links}</head><body>"
        f'<div class="cover"><p class="cover-title">{title[1]}</p><p>{footer(head)}</p><p>{colophon}</p></div>'
        f"{contents(texts, parts, lang, numbers)}"
        f'<main class="bd-main"><div class="bd-content"><div class="bd-article-container">'
        f'<article class="bd-article">{"".join(chapters)}</article></div></div></main></body></html>'
    )


def footer(page: str) -> str:
    """Whose book it is, and under which licence, as the pages say it at their foot."""
    found = re.search(r'<div class="extra_footer">(.*?)</div>', page, re.S)
    if found is None:
        raise ChangedError("the home page has no extra_footer to print on the title page")
    return found[1].strip()


def destinations(pdf: bytes) -> dict[str, int]:
    """The page, from 1, of every anchor that a link of the document leads to."""
    reader = PdfReader(io.BytesIO(pdf))
    pages = {name: reader.get_destination_page_number(place) for name, place in reader.named_destinations.items()}
    return {name.removeprefix("/"): page + 1 for name, page in pages.items() if page is not None}


def printed(browser: Any, text: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "book.html"
        place.write_text(text, "utf8")
        context = browser.new_context()
        context.set_default_timeout(300_000)  # it is a long page
        tab = context.new_page()
        tab.goto(place.as_uri(), wait_until="load")  # all of it is read, which an idle network does not say
        tab.evaluate("document.fonts.ready.then(() => 0)")
        pdf: bytes = tab.pdf(prefer_css_page_size=True, print_background=True, outline=True, tagged=True)
        context.close()
    return pdf


def write(site: Path, lang: str, place: Path, browser: Any) -> Path:
    """Print twice: the first print tells on which pages the headings stand."""
    place.mkdir(parents=True, exist_ok=True)
    text = document(site, lang, {})
    numbers = destinations(printed(browser, text))
    pdf = printed(browser, document(site, lang, numbers))
    found = destinations(pdf)
    if found != numbers or not found.keys() >= {anchor for anchor, _, _ in headings(text)}:
        raise RuntimeError(
            f"the two prints of {NAME}-{lang} differ, or lack headings: run it again on a quieter machine"
        )
    file = place / f"{NAME}-{lang}.pdf"
    file.write_bytes(pdf)
    return file


def main() -> int:
    if CHROMIUM is None or not (SITE / "index.html").exists():
        print("A PDF needs Chromium (apt install chromium) and the built site (make book).", file=sys.stderr)
        return 1
    with chromium() as browser:
        for lang in LANGUAGES:
            file = write(SITE, lang, PLACE, browser)
            print(f"{TAG[lang]}: {file} ({file.stat().st_size / 1e6:.1f} MB)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
