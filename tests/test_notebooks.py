"""The notebooks that readers launch: one language, plain Markdown, no solution, any fork."""

import json
import re
from pathlib import Path

import nbformat
import pytest

from booktools import exercises
from chapters import ROOT, code_cells

BRANCH = ROOT / "_build" / "notebooks"


def notebooks(site: Path, folder: str) -> list[Path]:
    assert site.exists()
    found = sorted((BRANCH / folder).glob("*.ipynb"))
    assert found, f"no notebooks in {folder}"
    return found


def solution_code(name: str) -> list[str]:
    """The telling lines between the markers of a chapter's exercises."""
    found = []
    for _, _, code in code_cells(ROOT / "chapters" / f"{name}.md"):
        for block in re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", code, re.S):
            found += [line.strip() for line in block.splitlines()]
    return [line for line in found if len(line) > 12]


def solution_prose(name: str) -> list[str]:
    """The telling lines of a chapter's solutions in words, up to the first thing that changes in plain Markdown."""
    text = (ROOT / "chapters" / f"{name}.md").read_text("utf8")
    blocks = re.findall(r"^```\{solution\}[^\n]*\n(.*?)^```", text, re.M | re.S)
    lines = [re.split(r"\{\w+\}`", line.strip())[0] for block in blocks for line in block.splitlines()]
    return [line for line in lines if len(line) > 12]


def quoted(line: str) -> str:
    """A line as it stands inside a notebook file."""
    return json.dumps(line, ensure_ascii=False)[1:-1]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_students_notebook_holds_no_solution_anywhere(site: Path, lang: str) -> None:
    for path in notebooks(site, lang):
        whole = path.read_text("utf8")
        chapter = ROOT / "chapters" / f"{path.stem}.md"
        in_the_open = "\n".join(exercises.stub(code) for _, _, code in code_cells(chapter))
        for line in [*solution_code(path.stem), *solution_prose(path.stem)]:
            if line not in in_the_open:  # a line such as `return torch.tanh(a)` may stand elsewhere too
                assert quoted(line) not in whole, f"{path.name}: {line}"
        assert "SOLUTION" not in whole
        notebook = nbformat.read(path, 4)
        assert all(not cell.get("outputs") for cell in notebook.cells)
        assert all(set(cell.metadata) <= {"jupyter"} for cell in notebook.cells)


def test_solved_notebooks_are_solved(site: Path) -> None:
    assert solution_code("forward")
    for lang in ("en", "zh"):
        for path in notebooks(site, f"solved/{lang}"):
            whole = path.read_text("utf8")
            code = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
            assert not any("NotImplementedError" in cell or "= ..." in cell for cell in code)
            for line in solution_code(path.stem):
                assert quoted(line) in whole, f"{path.name}: {line}"
    prose = solution_prose("forward")
    found = [(BRANCH / "solved" / lang / "forward.ipynb").read_text("utf8") for lang in ("en", "zh")]
    assert all(any(quoted(line) in whole for whole in found) for line in prose)


@pytest.mark.parametrize("folder", ["en", "zh", "solved/en", "solved/zh"])
def test_no_myst_is_left(site: Path, folder: str) -> None:
    for path in notebooks(site, folder):
        for cell in nbformat.read(path, 4).cells:
            if cell.cell_type == "markdown":
                assert not re.search(r"\{\w+\}`|^[`:]{3,}\{|^\([\w:.-]+\)=|^\+\+\+", cell.source, re.M), cell.source
                assert not re.search(r"\$\$ \(", cell.source), cell.source


@pytest.mark.parametrize("folder", ["en", "zh", "solved/en", "solved/zh"])
def test_one_language_each(site: Path, folder: str) -> None:
    for path in notebooks(site, folder):
        text = "".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown")
        han = len(re.findall(r"[\u3400-\u9fff]", text))
        assert han > 500 if folder.endswith("zh") else han < 200, f"{folder}/{path.name}: {han} Han characters"


def test_code_is_the_same_in_both_languages(site: Path) -> None:
    for path in notebooks(site, "en"):
        english, chinese = (
            [cell.source for cell in nbformat.read(BRANCH / lang / path.name, 4).cells if cell.cell_type == "code"]
            for lang in ("en", "zh")
        )
        assert english[1:] == chinese[1:]
        assert 'RNNBOOK_LANG"] = "zh"' in chinese[0]


def test_the_first_cell_installs_this_commit(site: Path) -> None:
    for path in notebooks(site, "en"):
        first = nbformat.read(path, 4).cells[0].source
        assert re.search(r"git\+https://github\.com/[\w.-]+/[\w.-]+@([0-9a-f]{40}|main)\b", first)
        assert "torch" not in first  # Colab keeps its own
