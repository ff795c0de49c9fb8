"""Which chapter needs which, from chapters/needs.yml: the map and the ways through the book on the home page.

Only chapters of the table of contents are shown. The map is drawn from the first chapters down: a line leads from a
chapter to those that need it, a dashed one to those that it helps. What is needed through another is not drawn again.
"""

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from booktools import ROOT
from booktools.pages import language
from booktools.words import words

DATA = ROOT / "chapters" / "needs.yml"
WIDTH, BOX = 380, (112, 34)  # of the map, of a chapter in it
ROW, MOST = 66, 3  # from one row to the next; chapters in a row


@dataclass(frozen=True)
class Chapter:
    short: dict[str, str]
    needs: tuple[str, ...]
    helps: tuple[str, ...]


@dataclass(frozen=True)
class Way:
    title: dict[str, str]
    says: dict[str, str]
    steps: tuple[str, ...]  # labels
    weeks: tuple[int, ...]


def load(existing: Iterable[str]) -> tuple[dict[str, Chapter], list[Way]]:
    """The chapters among the `existing`, in their order, and the ways through them."""
    data: Mapping[str, Any] = yaml.safe_load(DATA.read_text("utf8"))
    told = data["chapters"]
    here = [name for name in existing if name in told]

    def among(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(name for name in names if name in here)

    chapters = {
        name: Chapter(told[name]["short"], among(told[name].get("needs", ())), among(told[name].get("helps", ())))
        for name in here
    }
    ways = []
    for way in data["paths"]:
        weeks = way.get("weeks", [0] * len(way["steps"]))
        steps = [pair for pair in zip(way["steps"], weeks, strict=True) if chapter_of(pair[0]) in here]
        ways.append(Way(way["title"], way["says"], tuple(s for s, _ in steps), tuple(w for _, w in steps if w)))
    return chapters, ways


def to_come(existing: Iterable[str], lang: str) -> list[str]:
    """What is planned and does not exist yet."""
    planned: Mapping[str, dict[str, str]] = yaml.safe_load(DATA.read_text("utf8"))["coming"]
    here = set(existing)
    return [says[lang] for name, says in planned.items() if name not in here]


def chapter_of(label: str) -> str:
    """`ch:flow` and `sec:flow-powers` are of flow."""
    return re.split("[:-]", label)[1]


def drawn(chapters: Mapping[str, Chapter]) -> list[tuple[str, str, bool]]:
    """The lines of the map, (from, to, needed), without those that another way says."""
    above: dict[str, set[str]] = {}
    for name in _in_order(chapters):
        direct = chapters[name].needs
        above[name] = set(direct).union(*(above[one] for one in direct))
    lines = []
    for name, chapter in chapters.items():
        reached = set().union(*(above[one] for one in chapter.needs))
        lines += [(one, name, True) for one in chapter.needs if one not in reached]
        lines += [(one, name, False) for one in chapter.helps]
    return lines


def _in_order(chapters: Mapping[str, Chapter]) -> list[str]:
    """The chapters, each behind those that it needs or that help."""
    done: list[str] = []
    while len(done) < len(chapters):
        ready = [
            name
            for name, chapter in chapters.items()
            if name not in done and {*chapter.needs, *chapter.helps} <= set(done)
        ]
        if not ready:
            raise ValueError(f"chapters/needs.yml: {sorted(set(chapters) - set(done))} need each other in a circle")
        done.append(ready[0])
    return done


Place = tuple[float, float]


def laid_out(chapters: Mapping[str, Chapter]) -> tuple[dict[str, Place], list[tuple[list[Place], bool]], float]:
    """Where the middle of each chapter is, the points of each line, and the height of it all."""
    level: dict[str, int] = {}
    for name in _in_order(chapters):
        before = (*chapters[name].needs, *chapters[name].helps)
        level[name] = 1 + max((level[one] for one in before), default=-1)
        while list(level.values()).count(level[name]) > MOST:
            level[name] += 1
    rows: list[list[str]] = [[] for _ in range(1 + max(level.values()))]
    for name in chapters:
        rows[level[name]].append(name)
    lines: list[tuple[list[str], bool]] = []
    above: dict[str, list[str]] = {}
    for start, end, needed in drawn(chapters):
        between = range(level[start] + 1, level[end])
        passed = [f"{start}>{end}@{number}" for number in between]
        for number, point in zip(between, passed, strict=True):
            rows[number].append(point)
        way = [start, *passed, end]
        for one, next_one in pairwise(way):
            above.setdefault(next_one, []).append(one)
        lines.append((way, needed))
    places: dict[str, Place] = {}
    for number, row in enumerate(rows):
        if number:  # each near the middle of what leads to it
            row.sort(key=lambda one: sum(places[other][0] for other in above[one]) / len(above[one]))
        widths = [BOX[0] if one in chapters else 0 for one in row]
        gap = (WIDTH - sum(widths)) / (len(row) + 1)
        x = gap
        for one, width in zip(row, widths, strict=True):
            places[one] = (x + width / 2, BOX[1] / 2 + 2 + ROW * number)
            x += width + gap
    return places, [([places[one] for one in way], needed) for way, needed in lines], ROW * (len(rows) - 1) + BOX[1] + 4


def chapter_map(chapters: Mapping[str, Chapter], addresses: Mapping[str, str], lang: str) -> str:
    """An SVG whose chapters are links."""
    places, lines, height = laid_out(chapters)
    said = words("needs", lang)
    names = {name: f"{number} {one.short[lang]}" for number, (name, one) in enumerate(chapters.items(), 1)}
    drawing = []
    for points, needed in lines:
        (x, y), *rest = points
        path = f"M{x:g} {y + BOX[1] / 2:g}"
        y += BOX[1] / 2
        for number, (next_x, middle) in enumerate(rest, 1):
            next_y = middle - BOX[1] / 2
            bend = (y + next_y) / 2
            path += f"C{x:g} {bend:g} {next_x:g} {bend:g} {next_x:g} {next_y:g}"
            if number < len(rest):
                next_y += BOX[1]
                path += f"V{next_y:g}"
            x, y = next_x, next_y
        dashes = "" if needed else ' stroke-dasharray="4 4"'
        drawing.append(f'<path d="{path}"{dashes}/>')
    for name, (x, y) in ((name, places[name]) for name in chapters):
        drawing.append(
            f'<a href="{html.escape(addresses[name])}">'
            f'<rect x="{x - BOX[0] / 2:g}" y="{y - BOX[1] / 2:g}" width="{BOX[0]}" height="{BOX[1]}" rx="6"/>'
            f'<text x="{x:g}" y="{y + 4.5:g}">{html.escape(names[name])}</text></a>'
        )
    alt = [said["map"]]
    for name, chapter in chapters.items():
        for kind in ("needs", "helps"):
            if others := getattr(chapter, kind):
                listed = said["between"].join(names[one] for one in others)
                alt.append(said[kind].format(chapter=names[name], others=listed))
    return (
        f'<figure class="chapter-map"><svg viewBox="0 0 {WIDTH} {height:g}" role="group" aria-label="'
        f'{html.escape((" " if lang == "en" else "").join(alt))}">{"".join(drawing)}</svg>'
        f"<figcaption>{said['caption']}</figcaption></figure>"
    )


def reading_paths(ways: Iterable[Way], lang: str) -> str:
    """The ways through the book as a list, in MyST."""
    said = words("needs", lang)
    items = []
    for way in ways:
        steps = [f"{{ref}}`{label}`" for label in way.steps]
        week = 1
        for number, (step, weeks) in enumerate(zip(steps, way.weeks, strict=False)):
            form = said["week" if weeks == 1 else "weeks"]
            steps[number] = form.format(first=week, last=week + weeks - 1, step=step)
            week += weeks
        shown = said["then"].join(steps)
        items.append("- " + said["way"].format(title=way.title[lang], says=way.says[lang], steps=shown))
    return "\n".join(items)


class _FromNeeds(SphinxDirective):
    def read(self) -> tuple[dict[str, Chapter], list[Way]]:
        return load(self.existing())

    def existing(self) -> list[str]:
        self.env.note_dependency(str(DATA))
        return [name.split("/")[-1] for name in self._docnames()]

    def _docnames(self) -> list[str]:
        """The pages of the book in their order; the table of contents is known before any page is read."""
        site_map = self.config.external_site_map
        return [name for tree in site_map[self.config.root_doc].subtrees for name in tree.items]


class ChapterMap(_FromNeeds):
    def run(self) -> list[nodes.Node]:
        chapters, _ = self.read()
        builder = self.env.app.builder
        docnames = {name.split("/")[-1]: name for name in self._docnames()}
        addresses = {name: builder.get_relative_uri(self.env.docname, docnames[name]) for name in chapters}
        svg = chapter_map(chapters, addresses, language(self.config))
        return [nodes.raw("", svg, format="html")]


class ChaptersToCome(_FromNeeds):
    def run(self) -> list[nodes.Node]:
        texts = to_come(self.existing(), language(self.config))
        listed = (nodes.list_item("", nodes.paragraph("", text)) for text in texts)
        return [nodes.bullet_list("", *listed, bullet="-")]


class ReadingPaths(_FromNeeds):
    def run(self) -> list[nodes.Node]:
        _, ways = self.read()
        parent = nodes.container()
        text = reading_paths(ways, language(self.config))
        self.state.nested_parse(StringList(text.splitlines(), str(DATA)), self.content_offset, parent)
        return list(parent.children)


def setup(app: Sphinx) -> None:
    app.add_directive("chapters-to-come", ChaptersToCome)
    app.add_directive("chapter-map", ChapterMap)
    app.add_directive("reading-paths", ReadingPaths)
