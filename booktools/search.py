"""Chinese search without a word list, and the page that says most of a word first.

Chinese is indexed by its characters and by its pairs of neighbouring characters; a query of three characters or
more asks for all of its pairs. Sphinx knows whether a page has a word, not how often; `fullest` adds that.
"""

import json
import re
from collections import Counter
from functools import cache
from typing import Any

import quickjs
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.search import SearchLanguage, WordCollector
from sphinx.search.zh import SearchChinese

RANKS = "searchranks.js"
HAN = re.compile(r"[\u3400-\u9fff]+")
REST = re.compile(r"[^\W\u3400-\u9fff]+")  # letters of any other script, as the splitter of the browser keeps them


class BigramChinese(SearchChinese):
    """Replaces Sphinx's Chinese search, which needs the word list of jieba."""

    js_splitter_code = r"""
var splitQuery = (query) => query
    .split(/[^\p{Letter}\p{Number}_\p{Emoji_Presentation}]+/gu)
    .flatMap((term) => term.match(/\p{Script=Han}+|[^\p{Script=Han}]+/gu) || [])
    .flatMap((term) => /\p{Script=Han}/u.test(term) && term.length > 2
        ? Array.from({length: term.length - 1}, (_, i) => term.slice(i, i + 2)) : [term]);
"""

    def init(self, options: dict[str, str]) -> None:
        """Nothing: the parent's would load jieba, and a stemmer that is not the browser's."""

    def split(self, text: str) -> list[str]:
        # The parent's knows no letters beyond ASCII; the browser asks for Lütkepohl in one piece.
        return [word for run in HAN.findall(text) for word in _grams(run)] + REST.findall(text)

    def stem(self, word: str) -> str:
        # Short stems too: the parent's keeps RTS whole, but the browser asks for rt.
        return str(_browsers_stemmer()(word.lower()))

    def word_filter(self, stemmed_word: str) -> bool:
        # The parent's drops single characters; 门 and τ are words.
        return len(stemmed_word) > 1 or not stemmed_word.isascii()


@cache
def _browsers_stemmer() -> quickjs.Function:
    """Sphinx's script itself: Snowball's English says decay where it says decai, and its Porter ms → m."""
    context = quickjs.Context()
    context.eval(BigramChinese.js_stemmer_code)
    return context.eval("(word) => new Stemmer().stemWord(word)")


def _grams(run: str) -> list[str]:
    return [*run, *(run[i : i + 2] for i in range(len(run) - 1))]


def fullest(env: BuildEnvironment, lang: SearchLanguage) -> dict[str, str]:
    """For each word that several pages have, as the index has it, the page that has it most often."""
    counts: dict[str, Counter[str]] = {}
    for docname in sorted(env.found_docs):
        doctree = env.get_doctree(docname)
        collector = WordCollector(doctree, lang)
        doctree.walk(collector)
        for word, count in Counter(collector.found_words).items():
            counts.setdefault(lang.stem(word), Counter())[docname] += count
    return {word: pages.most_common(1)[0][0] for word, pages in sorted(counts.items()) if len(pages) > 1}


def ranks(env: BuildEnvironment, lang: SearchLanguage) -> str:
    """The script that tells the search of it (booktools/static/book.js)."""
    found = fullest(env, lang)
    pages = sorted(set(found.values()))
    numbers = {word: pages.index(page) for word, page in found.items()}
    data = json.dumps({"pages": pages, "words": numbers}, ensure_ascii=False, separators=(",", ":"))
    return f"const SEARCH_RANKS = {data};\n"


def add_ranks(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document) -> None:
    if pagename == "search":
        app.add_js_file(RANKS)
