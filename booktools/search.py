"""The search: the sections of an edition and the terms that they define, as one script for booktools/static/search.js.

A section's words are taken when its page is written, with its references and citations resolved, and kept beside the
doctrees; the index is put together from all of them at the end of every build. What a search does with words (accents,
endings, pairs of Han characters) it does in the browser, to the index and to the query alike.
"""

import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder

from booktools import ROOT, glossary
from booktools.doctree import Fold
from booktools.pages import language
from booktools.words import words as phrases

INDEX = "searchindex.js"
GLOSSARY = "chapters/glossary"
SILENT = (nodes.comment, nodes.raw, nodes.image, nodes.math_block, nodes.system_message, Fold)
LONGEST = 40  # characters of TeX; what is longer tells a reader of a result nothing
COMMAND = re.compile(r"\\([a-zA-Z]+)\s*")
SYMBOLS = {"prod": "∏", "sum": "∑", "partial": "∂", "odot": "⊙", "approx": "≈", "le": "≤", "ge": "≥", "ne": "≠"}
SYMBOLS |= {"times": "×", "cdot": "·", "to": "→", "infty": "∞", "in": "∈", "lvert": "|", "rvert": "|", "dots": "…"}
SPOKEN = {"tanh", "ln", "log", "exp", "max", "min", "det", "cos", "sin"}
Section = tuple[str, str, str]  # anchor, title, text


def sections(document: nodes.document) -> Iterator[Section]:
    """The sections of a page, each without those inside it; the first is the page, and has no anchor."""
    for number, section in enumerate(document.findall(nodes.section)):
        title, *rest = section.children
        text = " ".join(words(node) for node in rest if not isinstance(node, nodes.section))
        yield section["ids"][0] if number else "", words(title), " ".join(text.split())


def words(node: nodes.Node) -> str:
    """What stands there for a reader: no code, no displayed formula, nothing that is folded away."""
    if isinstance(node, nodes.Text):
        return str(node)
    if isinstance(node, nodes.math):
        return _formula(node.astext())
    if isinstance(node, SILENT):
        return ""
    if isinstance(node, nodes.container) and node.get("nb_element") == "cell_code":
        return " ".join(words(caption) for caption in node.findall(nodes.caption))
    return ("" if isinstance(node, nodes.TextElement) else " ").join(map(words, node.children))


def _formula(tex: str) -> str:
    """A short formula about as one would type it: \\rho_t is ρ_t."""

    def letter(found: re.Match[str]) -> str:
        name = found[1]
        if name in SYMBOLS:
            return SYMBOLS[name]
        if name in SPOKEN:
            return f"{name} "
        greek = name.removeprefix("var")
        case = "SMALL" if greek.islower() else "CAPITAL"
        try:
            return unicodedata.lookup(f"GREEK {case} LETTER {greek}")
        except KeyError:
            return ""  # of the looks alone: \\mathrm, \\left

    return re.sub(r"\\[,;! ]|[{}\\]", "", COMMAND.sub(letter, tex)) if len(tex) <= LONGEST else "…"


def keep(app: Sphinx, document: nodes.document, docname: str) -> None:
    if app.builder.name == "html":
        path = _kept(app, docname)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(list(sections(document))), "utf8")


def _kept(app: Sphinx, docname: str) -> Path:
    return Path(app.doctreedir, "sections", f"{docname}.json")


def index(book: list[tuple[str, list[Section]]], terms: list[glossary.Term], lang: str) -> dict[str, Any]:
    """What the script reads.

    Pages as [address, title], sections as [page, anchor, title, text], terms as [section, names, what it is].
    """
    pages = [(address, found[0][1]) for address, found in book]
    all_sections = [(page, *section) for page, (_, found) in enumerate(book) for section in found]
    # A label names a section; `ch:forward` names a page, whose sections have the addresses of its own.
    numbers = {anchor: number for number, (_, anchor, _, _) in enumerate(all_sections) if anchor}
    for number, (page, anchor, _, _) in enumerate(all_sections):
        if not anchor:
            numbers["ch-" + Path(pages[page][0]).stem] = number
    colon = phrases("search", lang)["colon"]
    names = [
        (numbers[nodes.make_id(term.where)], term.names(lang), f"{term.word[lang]}{colon}{term.says[lang]}")
        for term in terms
    ]
    letters = set("".join(text for section in all_sections for text in section[2:]))
    letters |= set("".join(name for _, all_names, _ in names for name in all_names))
    return {
        "pages": pages,
        "sections": all_sections,
        "names": names,
        "traditional": [pair for pair in traditional() if letters & set(pair)],
    }


def traditional() -> list[str]:
    """Pairs of characters, the traditional one before the simplified one."""
    lines = Path(__file__).with_name("traditional.txt").read_text("utf8").splitlines()
    return [pair for line in lines if not line.startswith("#") for pair in line.split()]


def script(data: dict[str, Any]) -> str:
    return f"const SEARCH = {json.dumps(data, ensure_ascii=False, separators=(',', ':'))};\n"


def write(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.name != "html" or Path(app.srcdir) != ROOT:
        return
    book = []
    for docname in (app.config.root_doc, *app.env.toctree_includes[app.config.root_doc]):
        found = json.loads(_kept(app, docname).read_text("utf8"))
        if docname == GLOSSARY:  # its terms lead to the sections that define them, and say the same there
            found = [(anchor, title, "") for anchor, title, _ in found]
        book.append((app.builder.get_target_uri(docname), found))
    data = index(book, glossary.load(), language(app.config))
    Path(app.outdir, INDEX).write_text(script(data), "utf8")


def instead(app: Sphinx) -> None:
    """The book's own search in place of Sphinx's."""
    if isinstance(app.builder, StandaloneHTMLBuilder):
        app.builder.search = False


def page(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Sphinx makes this page only with its own search."""
    yield "search", {"search_words": phrases("search", language(app.config))}, "search.html"


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", instead)
    app.connect("doctree-resolved", keep, priority=900)
    app.connect("html-collect-pages", page)
    app.connect("build-finished", write)
