"""Search, by the scripts of the site itself: every word and spelling is answered, what is asked for stands first."""

import json
import random
import re
import unicodedata
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import quickjs
from docutils import nodes

from booktools import ROOT, glossary, search
from booktools.glossary import Term

SCRIPT = (ROOT / "booktools" / "static" / "search.js").read_text("utf8")
# What a test looks at: of each result its section's place in the index, its title and what is shown of it.
ANSWER = """(query) => {
  const { found, whole } = search.find(query);
  const results = found.map(({ number, meaning }) => ({
    number, meaning, pieces: search.excerpt(SEARCH.sections[number][3], query),
  }));
  return JSON.stringify({ whole, results }).normalize();
}"""
FIND = "(query) => JSON.stringify(search.find(query).found.map(({ number }) => number)).normalize()"
LATIN = r"[^\W\u3400-\u9fff]+"
Answers = Callable[[str], Any]


def engine(index: str, answer: str = ANSWER) -> Answers:
    context = quickjs.Context()
    context.eval(index + SCRIPT)
    ask = context.eval(answer)
    return lambda query: json.loads(ask(query))


def indexed(*texts: str, lang: str = "en", terms: tuple[Term, ...] = ()) -> Answers:
    """A search over one page, whose sections have these texts."""
    sections = [("" if number == 0 else f"sec-{number}", f"title{number}", text) for number, text in enumerate(texts)]
    data = search.index([("chapters/page.html", sections)], list(terms), lang)
    return engine(search.script(data))


class Edition:
    def __init__(self, site: Path, folder: str) -> None:
        self.script = (site / folder / search.INDEX).read_text("utf8")
        self.data = json.loads(self.script.removeprefix("const SEARCH = ").removesuffix(";\n"))
        self.answer, self.find = engine(self.script), engine(self.script, FIND)


@pytest.fixture(scope="module", params=["", "zh"])
def edition(request: pytest.FixtureRequest, site: Path) -> Edition:
    return Edition(site, request.param)


# Names of what every object has, in languages that look up words in objects.
INHERITED = (
    "constructor",
    "__proto__",
    "hasOwnProperty",
    "toString",
    "valueOf",
    "构造函数 constructor",
    "__defineGetter__",
)


@pytest.mark.parametrize("word", [*INHERITED, "", " ", "…", "😀", "(", "[", "\\", "a" * 5000, "门" * 2000, "\0"])
def test_no_word_breaks_it(word: str) -> None:
    assert indexed("a gate", "another gate")(word)["whole"] == 0
    for name in word.split():
        if name.isascii() and name.isalpha() and len(name) < 99:
            assert indexed(f"the {name} of a gate", "a gate")(name)["results"][0]["number"] == 0


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Simo Särkkä", "Sarkka"),
        ("Simo Särkkä", unicodedata.normalize("NFD", "Särkkä")),
        (unicodedata.normalize("NFD", "Ángel García"), "garcia"),
        ("an LSTM", "ＬＳＴＭ"),
        ("two LSTMs", "lstm"),
        ("the paper of 1997", "1997"),
        ("one", "one"),
        ("多年以后 1997 年", "1997"),
        ("卡尔曼滤波器", "卡爾曼"),
        ("卡尔曼滤波器", "濾波"),
        ("为什么", "爲什麼"),
        ("vanishing gradients", "gradient vanishes"),
        ("gated", "gates"),
        ("batches of biases", "batch bias"),
        ("smoothing", "smooth"),
        ("ﬁlter", "filter"),
        ("the state h_t-1", "h_t"),
        ("门，LSTM 与LSTM的状态", "lstm的"),
        ("τ", "τ"),
    ],
)
def test_spellings_make_no_difference(text: str, query: str) -> None:
    answer = indexed("nothing of it", text)(query)
    assert answer["whole"] == 1
    assert answer["results"][0]["number"] == 1
    shown = answer["results"][0]["pieces"]
    assert "".join(piece for piece, _ in shown) == unicodedata.normalize("NFC", text)  # as the engine hands it over
    assert any(hit for _, hit in shown)


def test_what_stands_in_pieces_is_not_a_word() -> None:
    """Pairs of characters do not reach over punctuation, and both characters are not the pair."""
    assert indexed("状态，门", "门在动")("态门")["whole"] == 0
    assert indexed("状态门")("态门")["whole"] == 1


def test_a_question_is_answered_by_what_it_asks_for() -> None:
    answer = indexed("this is how it does it and why", "the gradient is lost in a long sequence")
    assert answer("why is the gradient lost?")["results"][0]["number"] == 1


def test_a_long_text_shows_the_piece_that_was_asked_for() -> None:
    text = "Many words before. " * 200 + "Here the gates close at last. " + "Many words after. " * 200
    shown = indexed(text)("close gates")["results"][0]["pieces"]
    assert [piece for piece, hit in shown if hit] == ["gates", "close"]
    assert len("".join(piece for piece, _ in shown)) < 260


def test_a_term_leads_to_its_definition_by_every_name() -> None:
    term = Term("g", {"en": "gate", "zh": "门"}, {"en": "It opens.", "zh": "它会开。"}, "sec:1", ("valve",), ("閘門",))
    answer = indexed("gate " * 50, "where it is defined", terms=(term,))
    for name in ("gate", "gates", "门", "valve", "閘門", "闸门", "門"):
        first = answer(name)["results"][0]
        assert (first["number"], first["meaning"]) == (1, "gate: It opens."), name


def test_traditional_characters_are_not_simplified_ones() -> None:
    pairs = search.traditional()
    assert len(pairs) > 2000
    assert all(len(pair) == 2 and pair[0] != pair[1] for pair in pairs)
    assert len({pair[0] for pair in pairs}) == len(pairs)


@pytest.mark.parametrize(
    ("tex", "text"),
    [(r"\rho", "ρ"), (r"\Delta t", "Δt"), (r"\varphi_t", "φ_t"), (r"W_{h}", "W_h"), (r"w\, h_{t-1}", "w h_t-1")],
)
def test_formulas_are_found_by_their_letters(tex: str, text: str) -> None:
    assert search.words(nodes.math("", tex)) == text


def test_what_is_folded_away_is_not_told() -> None:
    """A search must not give away solutions."""
    section = nodes.section("", nodes.title("", "T"), nodes.paragraph("", "seen"), ids=["a"])
    section += search.Fold("", nodes.paragraph("", "secret"), kind="solution")
    section += nodes.section("", nodes.title("", "U"), nodes.paragraph("", "inner"), ids=["b"])
    document = nodes.document(None, None)
    document += section
    assert list(search.sections(document)) == [("", "T", "seen"), ("b", "U", "inner")]


def test_every_title_is_found_by_its_own_words(edition: Edition) -> None:
    """First or second; of equal titles (each chapter has a summary) any will do."""
    titles = [section[2] for section in edition.data["sections"]]
    assert len(titles) > 100
    for title in titles:
        found = [titles[number] for number in edition.find(title)[:2]]
        assert title in found, f"{title!r} comes after {found}"


def test_every_term_is_found_by_every_name(edition: Edition) -> None:
    anchors = {section[1]: number for number, section in enumerate(edition.data["sections"]) if section[1]}
    anchors |= {
        "ch-" + Path(edition.data["pages"][page][0]).stem: number
        for number, (page, anchor, _, _) in enumerate(edition.data["sections"])
        if not anchor
    }
    for term in glossary.load():
        for name in term.names("en"):
            place = anchors[nodes.make_id(term.where)]
            found = edition.find(name)
            assert place in found[:2], f"{name!r} leads to {[edition.data['sections'][n][2] for n in found[:2]]}"


def test_whatever_a_section_says_is_found(edition: Edition) -> None:
    chance = random.Random(0)
    sections = [(number, text) for number, (_, _, _, text) in enumerate(edition.data["sections"]) if len(text) > 200]
    for number, text in chance.sample(sections, 40):
        start = chance.randrange(len(text) - 60)
        piece = re.sub(rf"^{LATIN}|{LATIN}$", "", text[start : start + 40])  # no parts of words
        answer = edition.answer(piece)
        assert number in [result["number"] for result in answer["results"][: answer["whole"]]], piece


def test_the_names_of_the_references_are_found(edition: Edition, site: Path) -> None:
    """LaTeX's accents would show the same names, but come as text in pieces, of which none is the name."""
    page = (site / "chapters" / "references.html").read_text("utf8")
    entries = " ".join(re.findall(r'<div class="citation".*?</div>', page, re.S))
    names = {name for name in re.findall(r"\w+", unescape(re.sub(r"<[^>]*>", "", entries))) if not name.isascii()}
    assert {"Merriënboer", "Hérault", "Lukoševičius", "Särkkä"} <= names
    for name in names:
        plain = "".join(letter for letter in unicodedata.normalize("NFD", name) if not unicodedata.combining(letter))
        for spelling in (name, plain, name.upper()):
            answer = edition.answer(spelling)
            assert answer["whole"] > 0, spelling


@pytest.mark.parametrize(
    "query", ["1997", "one", "Sarkka", "Garcia", "ＬＳＴＭ", "卡爾曼", "鲁棒", "隐层", "state transition matrix"]
)
def test_what_nothing_answered_once_is_answered(edition: Edition, query: str) -> None:
    assert edition.answer(query)["whole"] > 0
