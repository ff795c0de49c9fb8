"""The map of the chapters and the ways through the book: what they say is what the chapters say."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from booktools import needs
from booktools.languages import LANGUAGES
from booktools.needs import Chapter
from chapters import CHAPTERS, prose

TAUGHT = [path for path in CHAPTERS if "```{exercise}" in path.read_text("utf8")]
NAMES = [path.stem for path in TAUGHT]
BOTH = {"en": "x", "zh": "x"}


def labels(path: Path) -> set[str]:
    return set(re.findall(r"^\(([\w:-]+)\)=", path.read_text("utf8"), re.M))


@pytest.mark.parametrize("path", TAUGHT, ids=lambda path: path.stem)
def test_a_chapter_asks_for_what_the_map_shows(path: Path) -> None:
    chapters, _ = needs.load(NAMES)
    assert path.stem in chapters, f"chapters/needs.yml does not know {path.stem}"
    told = chapters[path.stem]
    assert set(told.short) == set(LANGUAGES)
    for start in ("**You need**", "**预备知识**"):
        (line,) = [line for cell in prose(path) for line in cell.text.splitlines() if line.startswith(start)]
        named = set(re.findall(r"<(?:ch|sec):(\w+)", line))
        assert named == {*told.needs, *told.helps}, f"{path.name}: {start} names {sorted(named)}"


def test_ways_lead_to_places_of_the_book() -> None:
    _, ways = needs.load(NAMES)
    assert len(ways) == 5
    known = set().union(*map(labels, TAUGHT))
    for way in ways:
        assert set(way.steps) <= known, way.title["en"]
        assert len(way.steps) > 3
    (term,) = [way for way in ways if way.weeks]
    assert sum(term.weeks) == 12
    assert sorted(needs.chapter_of(step) for step in term.steps) == sorted(NAMES)


def test_a_way_keeps_the_order_of_needs() -> None:
    chapters, ways = needs.load(NAMES)
    for way in ways:
        seen: list[str] = []
        for step in way.steps:
            if step.startswith("ch:"):
                later = {needs.chapter_of(other) for other in way.steps} - set(seen)
                name = needs.chapter_of(step)
                assert not later & set(chapters[name].needs), f"{way.title['en']}: {name} before what it needs"
                seen.append(name)


def test_only_chapters_that_exist_are_shown() -> None:
    chapters, ways = needs.load(["forward", "smoothing", "notation"])
    assert list(chapters) == ["forward", "smoothing"]
    assert chapters["smoothing"] == Chapter(chapters["smoothing"].short, ("forward",), ())
    for lang in LANGUAGES:
        svg = needs.chapter_map(chapters, {name: f"{name}.html" for name in chapters}, lang)
        assert re.findall(r'href="(\w+)\.html"', svg) == ["forward", "smoothing"]
        assert "lstm" not in needs.reading_paths(ways, lang)


def test_what_is_needed_through_another_is_not_drawn_again() -> None:
    chapters = {"a": Chapter(BOTH, (), ()), "b": Chapter(BOTH, ("a",), ()), "c": Chapter(BOTH, ("a", "b"), ("a",))}
    assert needs.drawn(chapters) == [("a", "b", True), ("b", "c", True), ("a", "c", False)]


def test_lines_go_down_and_boxes_keep_apart() -> None:
    """Also where many chapters need one."""
    wide = {"a": Chapter(BOTH, (), ())} | {f"b{n}": Chapter(BOTH, ("a",), ()) for n in range(7)}
    wide["c"] = Chapter(BOTH, tuple(wide)[1:], ())
    for chapters in (needs.load(NAMES)[0], wide):
        places, lines, height = needs.laid_out(chapters)
        boxes = [places[name] for name in chapters]
        for x, y in boxes:
            assert needs.BOX[0] / 2 < x < needs.WIDTH - needs.BOX[0] / 2
            assert 0 < y < height
        for n, (x, y) in enumerate(boxes):
            assert all(y != other_y or abs(x - other_x) > needs.BOX[0] for other_x, other_y in boxes[:n])
        for points, _ in lines:
            assert all(before[1] < after[1] for before, after in pairwise(points))


def test_a_circle_of_needs_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\['a', 'b'\] need each other in a circle"):
        needs.drawn({"a": Chapter(BOTH, ("b",), ()), "b": Chapter(BOTH, ("a",), ()), "c": Chapter(BOTH, (), ())})


def test_weeks_are_counted_in_both_languages() -> None:
    course = needs.Way(BOTH, BOTH, ("ch:a", "ch:b", "ch:c"), (1, 2, 1))
    english, chinese = (needs.reading_paths([course], lang) for lang in LANGUAGES)
    assert "week 1: {ref}`ch:a` → weeks 2–3: {ref}`ch:b` → week 4: {ref}`ch:c`" in english
    assert "第 1 周，{ref}`ch:a` → 第 2–3 周，{ref}`ch:b` → 第 4 周，{ref}`ch:c`" in chinese


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_is_planned_is_listed_until_it_exists(lang: str) -> None:
    planned = needs.to_come(NAMES, lang)
    assert len(planned) == len(set(planned)) > 1
    assert needs.to_come([*NAMES, "practice"], lang) == [says for says in planned if says not in {"practice", "实践"}]
