"""Plain `pytest` executes every chapter: nbval, on the MyST sources.

Each chapter runs three ways at most: solved, with every check strict; and, as
readers get it, with its exercises open, in each language. Code that is the
same in both languages runs once. The outputs of a solved chapter that passed
go into the cache of the site, whose build then executes nothing.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from myst_nb.core.read import read_myst_markdown_notebook
from nbformat import NotebookNode
from nbval.plugin import IPyNbCell, IPyNbFile, find_comment_markers, find_metadata_tags

from booktools import ROOT, cache, notebooks
from booktools.languages import LANGUAGES

os.environ["PYTHONPATH"] = str(ROOT)  # the kernels run in chapters/


class Cell(IPyNbCell):
    passed = False

    def runtest(self) -> None:
        super().runtest()
        self.passed = True


class Chapter(IPyNbFile):
    """nbval reads only .ipynb files: this gives it the cells of a notebook, named by their line."""

    strict = "1"

    def read(self) -> NotebookNode:
        return read_myst_markdown_notebook(self.path.read_text("utf8"), add_source_map=True)

    def setup(self) -> None:
        os.environ["RNNBOOK_STRICT"] = self.strict
        super().setup()

    def collect(self) -> Iterator[Cell]:
        self.nb = self.read()
        places = self.nb.metadata.get("source_map") or range(len(self.nb.cells))
        code = [(place, cell) for place, cell in zip(places, self.nb.cells, strict=True) if cell.cell_type == "code"]
        for number, (place, cell) in enumerate(code):
            tags = {**dict(find_metadata_tags(cell.metadata)), **dict(find_comment_markers(cell.source))}
            options = defaultdict(bool, tags)
            options.setdefault("check", self.compare_outputs)
            yield Cell.from_parent(self, name=f"line {place + 1}", cell_num=number, cell=cell, options=options)

    def teardown(self) -> None:
        super().teardown()
        cells = [item for item in self.session.items if item.parent is self]
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
        return notebooks.read(self.path.read_text("utf8"), self.lang, solutions=False)

    def keep(self, cells: list[Cell]) -> None:
        """Outputs of open exercises are nobody's."""


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
