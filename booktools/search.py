"""Chinese search without a word list.

Text is indexed by its characters and by its pairs of neighbouring characters;
a query of three characters or more asks for all of its pairs.
"""

import re

import snowballstemmer
from sphinx.search.zh import SearchChinese

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
        self.latin_terms.extend(latin)
        return [word for run in HAN.findall(text) for word in _grams(run)] + latin

    def word_filter(self, stemmed_word: str) -> bool:
        # The parent's drops single characters; 门 is a word.
        return len(stemmed_word) > 1 or HAN.fullmatch(stemmed_word) is not None


def _grams(run: str) -> list[str]:
    return [*run, *(run[i : i + 2] for i in range(len(run) - 1))]
