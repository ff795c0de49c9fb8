"""Every chapter has the parts and the size that a reader of the others expects."""

import re
from pathlib import Path

import pytest
import yaml

from booktools.exercises import checked_id, has_solution
from chapters import CHAPTERS, FENCED, ROOT, code_cells, pairs

TAUGHT = [path for path in CHAPTERS if "```{exercise}" in path.read_text("utf8")]
taught = pytest.mark.parametrize("path", TAUGHT, ids=lambda path: path.stem)
ASIDE = {"exercise", "check", "explorable"}


def tags(options: str) -> set[str]:
    found = re.search(r"^:tags: \[(.*)\]|^tags: \[(.*)\]", options, re.M)
    return set(re.split(r",\s*", (found[1] or found[2]) if found else ""))


def test_there_are_chapters() -> None:
    assert "forward" in {path.stem for path in TAUGHT}


def test_every_page_is_in_the_table_of_contents() -> None:
    """Jupyter Book reads only what `_toc.yml` names, and says nothing of the rest."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))
    listed = {toc["root"], *(entry["file"] for part in toc["parts"] for entry in part["chapters"])}
    left_out = {f"chapters/{path.stem}" for path in CHAPTERS} - listed
    assert not left_out, f"add to _toc.yml: {sorted(left_out)}"


@taught
def test_sizes(path: Path) -> None:
    """Prose without formulas and code: 1,500 to 3,500 English words, 2,500 to 6,000 Han characters."""
    english, chinese = ("\n".join(FENCED.sub("", pair[side].text) for pair in pairs(path)) for side in (0, 1))
    words = len(re.findall(r"[A-Za-z][\w'’-]*", re.sub(r"\$[^$]*\$|`[^`]*`|^\([\w:.-]+\)=$", " ", english, flags=re.M)))
    characters = len(re.findall(r"[\u3400-\u9fff]", chinese))
    print(path.stem, words, characters)
    assert 1500 <= words <= 3500, f"{path.name} has {words} English words; a chapter has 1,500 to 3,500"
    assert 2500 <= characters <= 6000, f"{path.name} has {characters} Han characters; a chapter has 2,500 to 6,000"


@taught
def test_cells(path: Path) -> None:
    """8 to 18 cells of code, of about 20 lines, besides the set-up and what readers answer or move."""
    code = [(line, body) for line, options, body in code_cells(path) if not tags(options) & ASIDE][1:]
    long = [f"{path.name}:{line}: {body.count(chr(10)) + 1} lines" for line, body in code if body.count("\n") >= 22]
    assert not long, f"cells of more than 22 lines; what is longer belongs in rnnbook: {long}"
    print(path.stem, len(code))
    assert 8 <= len(code) <= 18, f"{path.name} has {len(code)} cells of code; a chapter has 8 to 18"


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
        "{admonition} What the sources say",
        "{admonition} 原文怎么说",
    ):
        assert text.count(part) == 1, f"{path.name} has {part!r} {text.count(part)} times, not once"
    exercises = re.findall(r"^:label: (.+)$", text, re.M)
    wanted = [f"{name}-{n}" for n in range(1, len(exercises) // 2 + 1)]
    assert exercises[::2] == exercises[1::2] == wanted, f"{path.name}: labels of exercises are {wanted}, in order"
    assert 3 <= len(wanted) <= 5, f"{path.name} has {len(wanted)} exercises; a chapter has 3 to 5"
    explorables = [options for _, options, _ in code_cells(path) if "explorable" in tags(options)]
    assert 1 <= len(explorables) <= 3, f"{path.name} has {len(explorables)} explorables; a chapter has 1 to 3"
