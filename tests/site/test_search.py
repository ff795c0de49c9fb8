"""Search: whatever the reader types, the index has as the browser asks for it."""

import json
import re
from functools import cache
from html import unescape
from pathlib import Path

import pytest
import quickjs

from booktools.search import BigramChinese
from chapters import CHAPTERS, prose

LATIN = re.compile(r"[^\W\u3400-\u9fff]+")


def index(text: str) -> list[str]:
    return BigramChinese({}).split(text)


def indexed(text: str) -> set[str]:
    """What Sphinx puts into the index of a page with this text."""
    ours = BigramChinese({})
    return set(filter(ours.word_filter, map(ours.stem, ours.split(text))))


@cache
def _engine() -> quickjs.Function:
    context = quickjs.Context()
    context.eval(BigramChinese.js_stemmer_code + BigramChinese.js_splitter_code)
    return context.eval(
        "(query) => JSON.stringify(splitQuery(query).map((term) => new Stemmer().stemWord(term.toLowerCase())))"
        ".normalize()"
    )


def asked(query: str) -> list[str]:
    """What the browser looks up, by the scripts that the site sends it."""
    stems: list[str] = json.loads(_engine()(query))
    return stems


def test_characters_and_pairs_are_indexed() -> None:
    words = index("激活函数")
    assert {"激", "活", "函", "数", "激活", "活函", "函数"} == set(words)


def test_punctuation_separates() -> None:
    assert "态门" not in index("状态，门")


def test_latin_words_stay_whole() -> None:
    assert "LSTM" in index("用 LSTM 训练")


def test_latin_words_are_stemmed_as_the_browser_stems_them() -> None:
    words = sorted({word for path in CHAPTERS for word in LATIN.findall(path.read_text("utf8"))})
    assert len(words) > 1000
    stem = BigramChinese({}).stem
    differ = {word: (stem(word), asked(word)) for word in words if [stem(word)] != asked(word)}
    assert not differ


@pytest.mark.parametrize(
    "word",
    ["decay", "used", "key", "grey", "RTS", "one", "axes", "cos", "technology", "ms", "Lütkepohl", "García", "τ", "φ"],
)
def test_a_word_among_chinese_is_found(word: str) -> None:
    assert set(asked(word)) <= indexed(f"门，{word} 与{word}的状态")


def test_whatever_the_chinese_text_says_is_found() -> None:
    lines = [line for path in CHAPTERS for cell in prose(path) if cell.lang == "zh" for line in cell.text.splitlines()]
    assert len(lines) > 1000
    for line in lines:
        missing = {stem for stem in asked(line) if len(stem) > 1 or not stem.isascii()} - indexed(line)
        assert not missing, f"{sorted(missing)} of {line!r}"


@pytest.mark.parametrize("edition", ["", "zh"])
def test_the_names_of_the_references_are_found(site: Path, edition: str) -> None:
    """LaTeX's accents would show the same names, but come as text in pieces, of which none is the name."""
    page = (site / edition / "chapters" / "references.html").read_text("utf8")
    entries = " ".join(re.findall(r'<div class="citation".*?</div>', page, re.S))
    names = {name for name in LATIN.findall(unescape(re.sub(r"<[^>]*>", "", entries))) if not name.isascii()}
    assert {"Merriënboer", "Hérault", "Lukoševičius", "Särkkä"} <= names
    text = (site / edition / "searchindex.js").read_text("utf8")
    found = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))
    assert {name for name in names for stem in asked(name) if stem not in found["terms"]} == set()
