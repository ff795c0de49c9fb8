"""Every chapter has the parts and the size that a reader of the others expects."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from first_form import FIRST_FORM

from booktools.evidence import statements
from booktools.exercises import checked_id, has_solution
from chapters import CHAPTERS, FENCED, ROOT, code_cells, pairs

TAUGHT = [path for path in CHAPTERS if "```{exercise}" in path.read_text("utf8")]
taught = pytest.mark.parametrize("path", TAUGHT, ids=lambda path: path.stem)
second = pytest.mark.parametrize("path", [p for p in TAUGHT if p.stem not in FIRST_FORM], ids=lambda path: path.stem)
ASIDE = {"exercise", "check", "explorable", "drawing", "checked"}


def tags(options: str) -> set[str]:
    found = re.search(r"^:tags: \[(.*)\]|^tags: \[(.*)\]", options, re.M)
    return set(re.split(r",\s*", (found[1] or found[2]) if found else ""))


def test_there_are_chapters() -> None:
    assert "forward" in {path.stem for path in TAUGHT}
    assert set(FIRST_FORM) <= {path.stem for path in TAUGHT}


def test_every_page_is_in_the_table_of_contents() -> None:
    """Jupyter Book reads only what `_toc.yml` names, and says nothing of the rest."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))
    listed = {toc["root"], *(entry["file"] for part in toc["parts"] for entry in part["chapters"])}
    left_out = {path.relative_to(ROOT).with_suffix("").as_posix() for path in CHAPTERS} - listed
    assert not left_out, f"add to _toc.yml: {sorted(left_out)}"


@dataclass(frozen=True)
class Form:
    """The bounds of a chapter: each pair from, to."""

    words: tuple[int, int]
    characters: tuple[int, int]
    cells: tuple[int, int]
    lines: int
    exercises: tuple[int, int]
    moving: tuple[int, int]
    drawings: tuple[int, int]
    claims: tuple[str, str]


FIRST = Form((1500, 3500), (2500, 6000), (8, 18), 22, (3, 5), (1, 3), (0, 4), ("What the sources say", "原文怎么说"))
CLAIMS = ("Common claims, measured", "常见说法，实测")
SECOND = Form((1800, 4000), (3000, 7500), (8, 20), 20, (6, 8), (2, 4), (2, 4), CLAIMS)


def form(path: Path) -> Form:
    return FIRST if path.stem in FIRST_FORM else SECOND


def within(name: str, what: str, count: int, bounds: tuple[int, int]) -> None:
    low, high = bounds
    assert low <= count <= high, f"{name}: {count} {what}; a chapter has {low} to {high}"


def readable(text: str) -> str:
    """Prose without its code, formulas and labels."""
    return re.sub(r"\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|^\([\w:.-]+\)=$", " ", FENCED.sub("", text), flags=re.M | re.S)


def words(text: str) -> int:
    return len(re.findall(r"[A-Za-z][\w'’-]*", text))


def characters(text: str) -> int:
    return len(re.findall(r"[\u3400-\u9fff]", text))


@taught
def test_sizes(path: Path) -> None:
    english, chinese = (readable("\n".join(pair[side].text for pair in pairs(path))) for side in (0, 1))
    within(path.name, "English words", words(english), form(path).words)
    within(path.name, "Han characters", characters(chinese), form(path).characters)


@taught
def test_cells(path: Path) -> None:
    """Cells of code that are read, besides the set-up and what readers answer, move, look at or unfold."""
    code = [(line, body) for line, options, body in code_cells(path) if not tags(options) & ASIDE][1:]
    lines = form(path).lines
    long = [f"{path.name}:{line}: {body.count(chr(10)) + 1}" for line, body in code if body.count("\n") >= lines]
    assert not long, f"cells of more than {lines} lines; what is longer belongs in rnnbook: {long}"
    within(path.name, "cells of code", len(code), form(path).cells)


@second
def test_assertions_stand_in_cells_of_their_own(path: Path) -> None:
    for line, options, code in code_cells(path):
        where, said = f"{path.name}:{line}", tags(options)
        if "checked" in said:
            assert "hide-input" in said, f"{where}: a cell of assertions is tagged [checked, hide-input]"
            assert statements(code), f"{where}: the tag checked belongs to cells that assert something"
            assert not re.search(r"\b(print|show|display)\(", code), f"{where}: what is seen stands in the cell before"
        elif not said & {"exercise", "check"}:
            assert not statements(code), f"{where}: assertions go into a cell behind, tagged [checked, hide-input]"


@second
def test_paragraphs_are_short(path: Path) -> None:
    for english, chinese in pairs(path):
        for prose, count, limit in ((english, words, 110), (chinese, characters, 220)):
            for paragraph in re.split(r"\n\s*\n", FENCED.sub("", prose.text)):
                items = re.split(r"^\s*(?:[-*+]|\d+[.)]|\|)\s", paragraph, flags=re.M)
                assert all(count(readable(item)) < limit for item in items), f"{prose.where}: {paragraph[:60]} …"


@second
def test_readers_commit_themselves(path: Path) -> None:
    """Before a key result they place a mark or choose an answer, at least once in a chapter."""
    assert any("guess=" in code for _, _, code in code_cells(path)), f"{path.name} has no Explorer(…, guess=…)"


@second
def test_claims_are_few(path: Path) -> None:
    for title in CLAIMS:
        box = re.search(rf"^(:{{3,}}|`{{3,}}){{admonition}} {title}$(.*?)^\1$", path.read_text("utf8"), re.M | re.S)
        assert box, f"{path.name} lacks the box {title!r}"
        assert 1 <= len(re.findall(r"^- ", box[2], re.M)) <= 4, f"{path.name}: {title!r} has one to four claims"


@taught
def test_tags(path: Path) -> None:
    """The page folds a solution, and the student's notebook leaves it out, by the tags of the cells."""
    for line, options, code in code_cells(path):
        where, said = f"{path.name}:{line}", tags(options)
        assert ("exercise" in said) == has_solution(code), f"{where}: the tag exercise belongs to cells with a solution"
        assert ("check" in said) == bool(checked_id(code)), f"{where}: the tag check belongs to cells that check"
        moves = bool(re.search(r"^Explorer\(", code, re.M))
        assert ("explorable" in said) == moves, (
            f"{where}: the tag explorable belongs to cells that end with Explorer(…)"
        )


@taught
def test_parts(path: Path) -> None:
    text, name = path.read_text("utf8"), path.stem
    labels = re.findall(r"^\(([\w:.-]+)\)=", text, re.M)
    assert labels[0] == f"ch:{name}", f"{path.name} begins with the label (ch:{name})=, not ({labels[0]})="
    for label in (f"sec:{name}-summary", f"sec:{name}-reading"):
        assert label in labels, f"{path.name} lacks a last section with the label ({label})="
    for part in (
        "After this chapter you can",
        "读完本章，你能够",
        "**You need**",
        "**预备知识**",
        "**Time**",
        "**用时**",
        *(f"{{admonition}} {title}" for title in form(path).claims),
    ):
        assert text.count(part) == 1, f"{path.name} has {part!r} {text.count(part)} times, not once"
    exercises = re.findall(r"^:label: (.+)$", text, re.M)
    wanted = [f"{name}-{n}" for n in range(1, len(exercises) // 2 + 1)]
    assert exercises[::2] == exercises[1::2] == wanted, f"{path.name}: labels of exercises are {wanted}, in order"
    within(path.name, "exercises", len(wanted), form(path).exercises)
    for tag, bounds in (("explorable", form(path).moving), ("drawing", form(path).drawings)):
        shown = [options for _, options, _ in code_cells(path) if tag in tags(options)]
        within(path.name, f"cells with the tag {tag}", len(shown), bounds)
