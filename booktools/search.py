"""Chinese search without a word list, and the page that says most of a word first.

Chinese is indexed by its characters and by its pairs of neighbouring characters; a query of three characters or
more asks for all of its pairs. Sphinx knows whether a page has a word, not how often; `fullest` adds that.
"""

import json
import re
from collections import Counter
from typing import Any

import snowballstemmer
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.search import SearchLanguage, WordCollector
from sphinx.search.zh import SearchChinese

RANKS = "searchranks.js"
HAN = re.compile(r"[\u3400-\u9fff]+")


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
        # The parent's would load jieba.
        self.stemmer = snowballstemmer.stemmer("english")

    def split(self, text: str) -> list[str]:
        latin: list[str] = self.latin1_letters.findall(text)
        return [word for run in HAN.findall(text) for word in _grams(run)] + latin

    def stem(self, word: str) -> str:
        # As the parent's, which looks through a list of all Latin words so far for each of them.
        stemmed: str = self.stemmer.stemWord(word.lower())
        return word.lower() if len(word) >= 3 > len(stemmed) else stemmed

    def word_filter(self, stemmed_word: str) -> bool:
        # The parent's drops single characters; 门 is a word.
        return len(stemmed_word) > 1 or HAN.fullmatch(stemmed_word) is not None


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
