"""The two languages of a chapter say the same things in the same places, and each is well-formed."""

import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from booktools import glossary
from booktools.languages import LANGUAGES, SEPARATOR, has_han, localised
from chapters import CHAPTERS, FENCED, ROOT, code_cells, pairs, prose

SHARED = {
    "heading levels": r"^(#+) ",
    "labels": r"^\([\w:.-]+\)=|^:(?:name|label): .*",
    "references": r"\{(?:eq|ref|numref|doc)\}`(?:[^`<]*<)?([^`>]+)>?`",
    "citations": r"\{cite\}`([^`]+)`",
    "directives": r"^[`:]{3,}\{([\w-]+)\}",
    "inline formulas": r"(?<![\$\\])\$([^$\n]+)\$(?!\$)",
}
chapters = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


@chapters
def test_languages_alternate(path: Path) -> None:
    tagged = prose(path)
    assert tagged, f"{path.name} has no prose"
    for number, cell in enumerate(tagged):
        expected = ("en", "zh")[number % 2]
        assert cell.lang == expected, (
            f"{cell.where}: a cell of prose in {expected} belongs before this one in {cell.lang}"
        )
    assert len(tagged) % 2 == 0, f"{tagged[-1].where}: no Chinese cell follows"


@chapters
def test_languages_match(path: Path) -> None:
    for english, chinese in pairs(path):
        for what, pattern in SHARED.items():
            found = [Counter(re.findall(pattern, cell.text, re.M)) for cell in (english, chinese)]
            assert found[0] == found[1], (
                f"{english.where}: {what} differ: only English {dict(found[0] - found[1])}, "
                f"only Chinese {dict(found[1] - found[0])}"
            )


@chapters
def test_each_cell_speaks_its_language(path: Path) -> None:
    for english, chinese in pairs(path):
        if path.stem not in (
            "glossary",
            "index",
            "notation",
            "references",
        ):  # these name Chinese titles and terms
            assert not has_han(english.text), f"{english.where}: Chinese in the English cell"
        words = re.sub(r"\$[^$]*\$|`[^`]*`|\W", "", chinese.text)
        assert has_han(chinese.text) or not words, f"{chinese.where}: no Chinese in the Chinese cell"


@chapters
def test_every_heading_has_a_label(path: Path) -> None:
    for cell in prose(path):
        for heading in re.finditer(r"(.*)\n#+ .*", "\n" + FENCED.sub("", cell.text)):
            assert re.fullmatch(r"\([\w:.-]+\)=", heading[1]), f"{cell.where}: {heading[0].strip()!r} has no label"


@chapters
def test_code_speaks_no_language(path: Path) -> None:
    """Words live in the prose, which both languages have; figures and explorables carry both."""
    for line, options, code in code_cells(path):
        if "explorable" in options:
            continue
        assert not has_han(code), f"{path.name}:{line}: Chinese in a code cell"
        for comment in re.findall(r"#\s*(.*)", code):
            words = re.findall(r"[A-Za-z]{3,}", re.sub(r"`[^`]*`", "", comment))
            assert len(words) < 3 or "SOLUTION" in comment, f"{path.name}:{line}: a sentence in a comment: {comment}"


@chapters
def test_figures_speak_both_languages(path: Path) -> None:
    """Every figure made by code has a caption and an alternative text in both languages."""
    for line, options, code in code_cells(path):
        if "plt.show()" not in code and "mystnb:" not in options:
            continue
        where = f"{path.name}:{line}"
        assert code.endswith("plt.show()"), f"{where}: the cell of a figure ends with plt.show()"
        assert options.startswith("---"), f"{where}: the figure has no caption and no alternative text"
        book = yaml.safe_load(options.strip("-\n"))["mystnb"]
        for group, option in (("image", "alt"), ("figure", "caption"), ("figure", "name")):
            assert option in book.get(group, {}), f"{where}: the figure has no option mystnb.{group}.{option}"
        for text in (book["image"]["alt"], book["figure"]["caption"]):
            english, chinese = (localised(text, lang) for lang in LANGUAGES)
            one_bar = f"one separator {SEPARATOR!r} outside formulas and code in {text!r}"
            assert has_han(chinese), f"{where}: no Chinese after the {one_bar}"
            assert not has_han(english), f"{where}: Chinese before the {one_bar}, or not just one"
        name = book["figure"]["name"]
        assert name.startswith("fig:"), f"{where}: a figure's name begins with fig:, not {name!r}"


HAN = r"[\u3400-\u9fff]"
STOP = "，。；：？！、（）“”‘’《》"
TRAPS = {
    "a line break between Chinese characters shows as a space": rf"(?<=[{HAN[1:-1]}{STOP}])\n(?={HAN})",
    "`**…）**字` is not bold in CommonMark: move the punctuation out": (
        rf"\*\*[^*\n]*[{STOP}]\*\*{HAN}|{HAN}\*\*[（“《][^*\n]*\*\*"
    ),
    "emphasis in Chinese is bold, not italic": rf"(?<!\*)\*{HAN}[^*\n]*\*(?!\*)",
    "half-width punctuation after a Chinese character": rf"{HAN}[,;:?!](?!\w*[`\]])",
    "corner brackets: quotation marks are “ ”": r"[「」『』]",
}


@chapters
@pytest.mark.parametrize("trap", TRAPS)
def test_chinese_markdown(path: Path, trap: str) -> None:
    for cell in prose(path):
        if cell.lang == "zh":
            text = re.sub(r"^\([\w:.-]+\)=$|^:\w+:.*$|^[`:]{3,}.*$", "\n", FENCED.sub("\n", cell.text), flags=re.M)
            if trap.startswith("half-width"):
                text = re.sub(r"`[^`]*`|\$[^$]*\$|\]\([^)]*\)", "", text)
            found = re.search(TRAPS[trap], text)
            assert not found, f"{cell.where}: {trap}: {found[0] if found else ''!r}"


@chapters
def test_a_percent_sign_touches_its_number(path: Path) -> None:
    apart = re.findall(r".{0,30}\d %", "\n".join(FENCED.sub("\n", cell.text) for cell in prose(path)))
    assert not apart


def rejected_terms() -> dict[str, str]:
    """What the Chinese text does not say → what it says instead, by chapters/glossary.yml."""
    return {variant: term.word["zh"] for term in glossary.load() for variant in term.avoided}


def test_the_glossary_rejects_some_terms() -> None:
    terms = rejected_terms()
    assert len(terms) > 20
    assert terms["时间反向传播"].startswith("随时间反向传播")


LABELS = {label for path in CHAPTERS for label in re.findall(r"^\(([\w:-]+)\)=", path.read_text("utf8"), re.M)}


def test_the_glossary_leads_to_definitions() -> None:
    """One sentence for each term, in both languages, a section of the book, and no name twice in an entry."""
    terms = glossary.load()
    assert len(terms) > 100
    for term in terms:
        assert term.where in LABELS, f"{term.word['en']}: nothing is labelled {term.where}"
        for lang, end in (("en", "."), ("zh", "。")):
            says = term.says[lang]
            assert says.endswith(end), f"{term.word['en']}: one sentence in {lang} that ends with {end}, not {says!r}"
            assert has_han(says) == (lang == "zh"), says
        words = {name for lang in LANGUAGES for name in re.split(r"[;；]\s*", term.word[lang])}
        others = [*term.also, *term.avoided]
        assert len(set(others) - words) == len(others), f"{term.word['en']}: a name twice among {words}, {others}"


def test_cell_and_unit_are_two() -> None:
    words = {term.word["en"]: term.word["zh"] for term in glossary.load()}
    assert (words["cell"], words["unit"]) == ("循环单元", "隐藏单元")
    assert (words["time step"], words["update"]) == ("时间步", "更新")


def speaking_chinese() -> list[Path]:
    modules = [path for path in (ROOT / "rnnbook").rglob("*.py") if has_han(path.read_text("utf8"))]
    return [*modules, ROOT / "chapters" / "figure-words.yml", *CHAPTERS, *ROOT.glob("README*.md")]


@pytest.mark.parametrize("path", speaking_chinese(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_terms_of_the_glossary(path: Path) -> None:
    text = path.read_text("utf8")
    for rejected, term in rejected_terms().items():
        # 随时间反向传播 contains 时间反向传播
        for found in re.finditer(re.escape(rejected), text):
            around = text[max(0, found.start() - 4) : found.end() + 4]
            if any(word.strip() in around for word in re.split("[；，、（）/]", term) if rejected in word):
                continue
            line = text.count("\n", 0, found.start()) + 1
            pytest.fail(f"{path.name}:{line}: the glossary says {term}, not {rejected}: {around!r}")
