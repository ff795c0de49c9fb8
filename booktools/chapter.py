"""The skeleton of a new chapter, in both languages: `python -m booktools.chapter NAME`, or `make chapter NAME=x`.

It writes four files and adds a line to two: the chapter, the mathematics and the texts of its checks, its
sabotages, its place in the contents and in the map of what needs what. The skeleton runs, answers and passes
every test that does not count words; what it says is to be replaced.
"""

import argparse
import re
import sys
from pathlib import Path

from booktools import ROOT

SKELETON = Path(__file__).parent / "skeleton"
PLACES = {
    "chapter.md": "chapters/{name}.md",
    "exercises.py": "rnnbook/check/exercises/{name}.py",
    "exercises.toml": "rnnbook/check/exercises/{name}.toml",
    "sabotages.yml": "tests/sabotages/{name}.yml",
}
TOC, NEEDS = "_toc.yml", "chapters/needs.yml"
NEED = "  {name}: {{short: {{en: {title}, zh: {title}}}, needs: [forward]}}\n"


def in_contents(toc: str, name: str, after: str) -> str:
    """The contents with the chapter right behind another."""
    line = rf"^([ ]*)- file: chapters/{re.escape(after)}$"
    fresh, count = re.subn(line, rf"\g<0>\n\1- file: chapters/{name}", toc, flags=re.M)
    if count != 1:
        raise ValueError(f"AFTER must be a chapter of {TOC}, got {after!r}")
    return fresh


def in_needs(needs: str, name: str) -> str:
    """What needs what with the chapter behind the last one. It needs the first until somebody says more, and takes a
    week of the course, from the last chapter that has several."""
    last = re.search(r"(?:^  \w+: \{.*\}\n)+", needs, re.M)
    course = re.search(r"^  steps: \[(?P<steps>.*)\]\n  weeks: \[(?P<weeks>.*)\]$", needs, re.M)
    if last is None or course is None:
        raise ValueError(f"{NEEDS} must have a list of chapters and a way with weeks")
    weeks = [int(week) for week in course["weeks"].split(",")]
    longest = max(range(len(weeks)), key=lambda k: (weeks[k] > 1, k))
    weeks[longest] -= 1
    told = ", ".join(map(str, [*weeks, 1]))
    changed = f"  steps: [{course['steps']}, ch:{name}]\n  weeks: [{told}]"
    needs = needs[: course.start()] + changed + needs[course.end() :]
    return needs[: last.end()] + NEED.format(name=name, title=name.capitalize()) + needs[last.end() :]


def last_chapter(toc: str) -> str:
    """The last chapter of the last part that is numbered."""
    numbered = [part for part in toc.split("- caption:") if "numbered: true" in part]
    found: str = re.findall(r"file: chapters/(\w+)", numbered[-1])[-1]
    return found


def make(root: Path, name: str, after: str | None = None) -> list[Path]:
    """Write a chapter's files and enter it in the contents; return the six files, the new ones first."""
    if not re.fullmatch(r"[a-z]+", name):
        raise ValueError(f"NAME must be one word of small Latin letters, got {name!r}")
    written = [root / place.format(name=name) for place in PLACES.values()]
    there = [path for path in written if path.exists()]
    if there:
        raise ValueError(f"NAME must be new, got {name!r}: {there[0].relative_to(root)} exists")
    toc, needs = ((root / file).read_text("utf8") for file in (TOC, NEEDS))
    changed = {TOC: in_contents(toc, name, after or last_chapter(toc)), NEEDS: in_needs(needs, name)}
    for source, path in zip(PLACES, written, strict=True):
        text = (SKELETON / source).read_text("utf8")
        path.write_text(text.replace("NAME", name), "utf8")
    for file, text in changed.items():
        (root / file).write_text(text, "utf8")
    return [*written, *(root / file for file in changed)]


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the skeleton of a chapter.")
    parser.add_argument("name", help="one word: the name of its file and of all that belongs to it")
    parser.add_argument("--after", help="the chapter that it stands behind; the last one by default")
    given = parser.parse_args()
    try:
        files = make(ROOT, given.name, given.after)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    for path in files:
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
