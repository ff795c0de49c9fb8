"""The chapters, as the tests read them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from booktools import ledger
from booktools.languages import cells

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = sorted([ROOT / "index.md", *(ROOT / "chapters").glob("*.md")], key=lambda path: path.stem)
BY_NAME = {path.stem: path for path in CHAPTERS}
FENCED = re.compile(r"^(`{3,}|~{3,}).*?^\1[ \t]*$", re.M | re.S)


@dataclass(frozen=True)
class Prose:
    """A tagged cell: where its text begins, and what it says without its `+++` line."""

    path: Path
    line: int
    lang: str
    text: str

    @property
    def where(self) -> str:
        return f"{self.path.name}:{self.line}"


def text_of(path: Path) -> str:
    """A chapter as the build reads it: the ledger with its claims."""
    text = path.read_text("utf8")
    return ledger.expanded(text) if path == BY_NAME["ledger"] else text


def prose(path: Path) -> list[Prose]:
    lines = text_of(path).splitlines()
    found = []
    for cell in cells("\n".join(lines)):
        if cell.lang:
            text = "\n".join(lines[cell.first + 1 : cell.end])
            found.append(Prose(path, cell.first + 2, cell.lang, text))
    return found


def pairs(path: Path) -> Iterator[tuple[Prose, Prose]]:
    tagged = prose(path)
    yield from zip(tagged[::2], tagged[1::2], strict=True)


def code_cells(path: Path) -> Iterator[tuple[int, str, str]]:
    """Each code cell's line, options and code."""
    lines = path.read_text("utf8").splitlines()
    for cell in cells("\n".join(lines)):
        if cell.kind == "code":
            body = lines[cell.first + 1 : cell.end - 1]
            split = 0
            if body and body[0] == "---":
                split = body.index("---", 1) + 1
            while split < len(body) and body[split].startswith(":"):
                split += 1
            yield cell.first + 1, "\n".join(body[:split]), "\n".join(body[split:]).strip("\n")
