"""Plain `pytest` executes every chapter: nbval, on the MyST sources.

Each chapter runs solved, with every check strict, and, as readers get it, with
its exercises open; code that is not the same in both languages runs in each.
The outputs of a solved chapter that passed go into the cache of the site, whose
build then executes nothing. In a chapter of the second form every section of the
open run begins anew, with the set-up cell alone, and the decimals of the prose
are held against what the solved run printed.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from myst_nb.core.read import read_myst_markdown_notebook
from nbformat import NotebookNode
from nbval.plugin import IPyNbCell, IPyNbFile, find_comment_markers, find_metadata_tags

from booktools import ROOT, cache, evidence, notebooks
from booktools.languages import LANGUAGES, keep_language
from tests.first_form import FIRST_FORM

EXCUSED = ROOT / "tests" / "unshown_numbers.yml"  # decimals of the prose that no cell shows, each with its reason

os.environ["PYTHONPATH"] = str(ROOT)  # the kernels run in the folders of the chapters


class Cell(IPyNbCell):
    passed = False

    def runtest(self) -> None:
        super().runtest()
        self.passed = True


class Numbers(pytest.Item):
    """Every decimal of the prose is a number that the chapter prints or asserts, rounded."""

    parent: "Chapter"

    def runtest(self) -> None:
        cells = [item for item in self.session.items if item.parent is self.parent and isinstance(item, Cell)]
        if len(cells) < self.parent.count or not all(cell.passed for cell in cells):
            pytest.skip("not all of the chapter's cells ran")
        known = evidence.numbers_of_code(cell.cell.source for cell in cells)
        known |= evidence.numbers_of_outputs(output for cell in cells for output in cell.test_outputs)
        excused = (yaml.safe_load(EXCUSED.read_text("utf8")) or {}).get(self.path.stem, {})
        text = self.path.read_text("utf8")
        for lang in LANGUAGES:
            prose = [cell.source for cell in prose_cells(keep_language(text, lang))]
            left = evidence.unshown(prose, known, excused)
            assert not left, f"{self.path.name}, {lang}: printed and asserted nowhere in the chapter: {', '.join(left)}"

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"{self.path.name}: numbers"

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        return str(excinfo.value)


def in_second_form(path: Path) -> bool:
    """Whether it is a chapter, which has exercises, and not on the list of those that are still in their first form."""
    return path.stem not in FIRST_FORM and "```{exercise}" in path.read_text("utf8")


def prose_cells(text: str) -> list[NotebookNode]:
    return [cell for cell in read_myst_markdown_notebook(text).cells if cell.cell_type == "markdown"]


class Chapter(IPyNbFile):
    """nbval reads only .ipynb files: this gives it the cells of a notebook, named by their line."""

    strict = "1"
    count = 0  # of its cells of code

    def read(self) -> NotebookNode:
        return read_myst_markdown_notebook(self.path.read_text("utf8"), add_source_map=True)

    def setup(self) -> None:
        os.environ["RNNBOOK_STRICT"] = self.strict
        super().setup()

    def collect(self) -> Iterator[pytest.Item]:
        self.nb = self.read()
        places = self.nb.metadata.get("source_map") or range(len(self.nb.cells))
        code = [(place, cell) for place, cell in zip(places, self.nb.cells, strict=True) if cell.cell_type == "code"]
        for number, (place, cell) in enumerate(code):
            tags = {**dict(find_metadata_tags(cell.metadata)), **dict(find_comment_markers(cell.source))}
            options = defaultdict(bool, tags)
            options.setdefault("check", self.compare_outputs)
            yield Cell.from_parent(self, name=f"line {place + 1}", cell_num=number, cell=cell, options=options)
        self.count = len(code)
        if self.strict and in_second_form(self.path):
            yield Numbers.from_parent(self, name="numbers")

    def teardown(self) -> None:
        super().teardown()
        cells = [item for item in self.session.items if item.parent is self and isinstance(item, Cell)]
        if cells and all(cell.passed for cell in cells):
            self.keep(cells)

    def keep(self, cells: list[Cell]) -> None:
        """Hand the outputs to the cache of the site."""
        for count, item in enumerate(cells, 1):
            item.cell.outputs, item.cell.execution_count = item.test_outputs, count
        del self.nb.metadata["source_map"]
        store = get_cache(str(cache.folder(ROOT)))
        store.cache_notebook_bundle(CacheBundleIn(self.nb, str(self.path)), check_validity=False, overwrite=True)


class StudentChapter(Chapter):
    """The notebook as readers get it: what is written must run while the exercises are open."""

    strict = ""
    lang = "en"

    def read(self) -> NotebookNode:
        notebook = notebooks.read(self.path.read_text("utf8"), self.lang, solutions=False)
        if in_second_form(self.path):
            each_section_alone(notebook)
        return notebook

    def keep(self, cells: list[Cell]) -> None:
        """Outputs of open exercises are nobody's."""


FORGET = """\
for _name in [_name for _name in globals() if not _name.startswith("_") and _name not in _at_set_up]:
    del globals()[_name]
"""


def each_section_alone(notebook: NotebookNode) -> None:
    """Let the first code of each section begin with nothing but what the set-up cell leaves."""
    set_up, fresh = "", False
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            fresh |= re.search(r"^## ", cell.source, re.M) is not None
        elif not set_up:
            set_up, fresh = cell.source, False
            # Names that begin with an underscore are the kernel's and these.
            cell.source = f"_before = set(globals())\n{set_up}\n_at_set_up = _before | {{'In', 'Out'}}"
        elif fresh:
            cell.source, fresh = f"{FORGET}{set_up}\n{cell.source}", False


class Collected(pytest.File):
    def collect(self) -> Iterator[Chapter]:
        yield Chapter.from_parent(self, path=self.path, nodeid=self.nodeid)
        seen: list[list[str]] = []
        for lang in LANGUAGES:
            student = notebooks.read(self.path.read_text("utf8"), lang, solutions=False)
            code = [cell.source for cell in student.cells if cell.cell_type == "code"]
            if code not in seen:
                seen.append(code)
                found = StudentChapter.from_parent(self, path=self.path, nodeid=f"{self.nodeid}::student-{lang}")
                found.lang = lang
                yield found


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Collected | None:
    if file_path.suffix == ".md" and "```{code-cell}" in file_path.read_text("utf8"):
        return Collected.from_parent(parent, path=file_path)
    return None
