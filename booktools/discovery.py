"""What others learn of the site: descriptions and a card for search and links, sitemap, robots.txt, the page 404."""

import html
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from booktools import ROOT
from booktools.languages import LANGUAGES, TAG
from booktools.pages import language, site_address
from booktools.words import words

Context = dict[str, Any]

LONGEST = 155  # characters of a description that search engines show
SHORTEST = {"en": 60, "zh": 24}
SENTENCE = re.compile(r".*?(?:[.?!](?=\s|$)|[。？！]|$)")
FORMULA = "\0"
CARD = "_static/card.png"
CARD_SIZE = (1200, 630)
NOT_PROSE = (nodes.figure, nodes.table, nodes.Admonition, nodes.citation, nodes.footnote, nodes.container)


def description(doctree: nodes.document, lang: str) -> str:
    """The first sentences of a page, as many as fit; whole, and without those that hold formulas."""
    text = ""
    for paragraph in doctree.findall(nodes.paragraph):
        if any(isinstance(parent, NOT_PROSE) for parent in _ancestors(paragraph)):
            continue
        for sentence in sentences(_words(paragraph)):
            longer = f"{text} {sentence}".strip() if lang == "en" else text + sentence
            if len(longer) > LONGEST:
                return text if len(text) >= SHORTEST[lang] else cut(longer, lang)
            text = longer
        if len(text) >= SHORTEST[lang]:
            return text
    return text


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph that hold no formula."""
    found = (sentence.strip() for sentence in SENTENCE.findall(re.sub(r"\s+", " ", text)))
    return [sentence for sentence in found if sentence and FORMULA not in sentence]


def cut(text: str, lang: str) -> str:
    """The beginning of a sentence that is too long, up to the end of a word or, in Chinese, of a clause."""
    start = text[: LONGEST - 1]
    places = [start.rfind(mark) for mark in (" " if lang == "en" else "，；：")]
    return start[: max(places) if max(places) > 0 else None].rstrip(" ,;:，；：") + "…"


def _ancestors(node: nodes.Node) -> list[nodes.Node]:
    parents = []
    while (node := node.parent) is not None:
        parents.append(node)
    return parents


def _words(paragraph: nodes.paragraph) -> str:
    """The text of a paragraph with a mark where a formula stands."""
    parts = []
    for node in paragraph.findall(lambda node: isinstance(node, nodes.Text | nodes.math)):
        if isinstance(node, nodes.math):
            parts.append(FORMULA)
        elif not isinstance(node.parent, nodes.math):
            parts.append(node.astext())
    return "".join(parts)


def describe(app: Sphinx, pagename: str, template: str, context: Context, doctree: nodes.document | None) -> None:
    """The page's `<meta>` tags: what it is about, and how a link to it looks where it is shared."""
    lang, book = language(app.config), app.config.html_title
    title = html.unescape(re.sub(r"<[^>]+>", "", context.get("title") or book))
    text = description(doctree, lang) if doctree is not None else ""
    known = words("descriptions", lang)
    about = text or known.get(pagename, known["other"]).format(book=book, title=title)
    tags = {
        "og:type": "website",
        "og:site_name": book,
        "og:title": title,
        "og:description": about,
        "og:url": context["pageurl"],
        "og:locale": TAG[lang].replace("en", "en_GB").replace("-", "_"),
        "og:image": site_address(app.config) + CARD,
        "og:image:width": CARD_SIZE[0],
        "og:image:height": CARD_SIZE[1],
    }
    lines = [f'<meta name="description" content="{html.escape(about)}">']
    lines += [f'<meta property="{name}" content="{html.escape(str(value))}">' for name, value in tags.items()]
    lines.append('<meta name="twitter:card" content="summary_large_image">')
    context["metatags"] = context.get("metatags", "") + "\n" + "\n".join(lines)


def announce(app: Sphinx, exception: Exception | None) -> None:
    """Write what only the root of the site has; the English edition is the root."""
    if exception or app.builder.name != "html" or Path(app.srcdir) != ROOT or language(app.config) != "en":
        return
    base, root = site_address(app.config), Path(app.outdir)
    pages = sorted(app.builder.get_target_uri(name) for name in app.env.found_docs)
    (root / "sitemap.xml").write_text(sitemap(base, pages), "utf8")
    (root / "robots.txt").write_text(f"User-agent: *\nAllow: /\nSitemap: {base}sitemap.xml\n", "utf8")
    template = Path(__file__).parent / "templates" / "404.html"
    (root / "404.html").write_text(template.read_text("utf8").replace("{{ base }}", html.escape(base)), "utf8")


def sitemap(base: str, pages: list[str]) -> str:
    """All pages of both editions, each with its twin."""
    entries = []
    for page in pages:
        addresses = {"en": base + page, "zh": base + "zh/" + page}
        links = "".join(
            f'<xhtml:link rel="alternate" hreflang="{tag}" href="{html.escape(url)}"/>'
            for tag, url in [*((TAG[lang], addresses[lang]) for lang in LANGUAGES), ("x-default", addresses["en"])]
        )
        entries += [f"<url><loc>{html.escape(addresses[lang])}</loc>{links}</url>" for lang in LANGUAGES]
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:xhtml="http://www.w3.org/1999/xhtml">',
            *entries,
            "</urlset>\n",
        ]
    )


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", describe, priority=700)  # after the page has its address
    app.connect("build-finished", announce)
