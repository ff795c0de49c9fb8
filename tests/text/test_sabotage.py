"""The lists of sabotages are whole, and the runner tells a caught one from one that is believed.

The runs themselves take minutes: `make sabotage`.
"""

import ast
import shutil
from pathlib import Path

import pytest
from sabotage import LISTS, Sabotage, apart, run, sabotages

from chapters import ROOT

RESTING = sorted(
    path.stem
    for path in (ROOT / "chapters").glob("*.md")
    if "check(" in path.read_text("utf8") and "rnnbook" in path.read_text("utf8")
)
listed = pytest.mark.parametrize("chapter", sorted(path.stem for path in LISTS.glob("*.yml")))


def test_every_chapter_has_a_list() -> None:
    alone = {path.stem for path in LISTS.glob("*.yml")} ^ set(RESTING)
    assert not alone, f"chapters without a list tests/sabotages/NAME.yml, or lists without a chapter: {sorted(alone)}"


@listed
def test_a_list_is_of_different_changes(chapter: str) -> None:
    changes = sabotages(chapter)
    assert len({(change.file, change.line, change.to) for change in changes}) == len(changes)
    fewest = 6 if chapter == "forward" else 8
    assert len(changes) >= fewest, f"tests/sabotages/{chapter}.yml lists {len(changes)} changes; {fewest} at least"
    assert all(change.file.startswith("rnnbook/") and change.what for change in changes)


@listed
def test_every_change_fits_the_package(chapter: str, tmp_path: Path) -> None:
    """Each line stands where the list says, and the changed file is Python, and another one."""
    for number, change in enumerate(sabotages(chapter)):
        root = tmp_path / str(number)
        (root / change.file).parent.mkdir(parents=True)
        shutil.copy(ROOT / change.file, root / change.file)
        change.apply(root)
        changed, as_it_is = ((folder / change.file).read_text("utf8") for folder in (root, ROOT))
        assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(as_it_is)), change.what


def test_a_line_that_is_gone_is_told(tmp_path: Path) -> None:
    Path(tmp_path, "one.py").write_text("x = 1\nx = 1\n")
    for line, times in (("x = 1", 2), ("y = 1", 0)):
        with pytest.raises(ValueError, match=f"stands {times} times in one.py, not once"):
            Sabotage("a change", "one.py", line, "x = 2").apply(tmp_path)


CHAPTER = """```{code-cell} ipython3
from law import double
```

```{code-cell} ipython3
%s
```
"""
RUNS = {
    "assert double(2) == 4": "AssertionError",
    "assert double(2) > 0": "",
    "assert double(2) == 4, double(0) / double(2)": "AssertionError",
    "1 / (double(2) - 5)": "ZeroDivisionError",
}


@pytest.mark.parametrize("code", RUNS)
def test_caught_believed_and_lucky_are_told_apart(code: str, tmp_path: Path) -> None:
    """double(2) is 4, and 5 when sabotaged; the chapter's code decides what comes of it."""
    law, path = tmp_path / "law", tmp_path / "chapters" / "small.md"
    law.mkdir()
    path.parent.mkdir()
    (law / "__init__.py").write_text("def double(x):\n    return 2 * x\n")
    path.write_text(CHAPTER % code)
    change = Sabotage("one more", "law/__init__.py", "2 * x", "2 * x + 1")
    with apart(1) as pool:
        as_it_is, changed = pool.starmap(run, [(path, None, law), (path, change, law)], chunksize=1)
    assert not as_it_is.error
    assert changed.error == RUNS[code]
    assert changed.caught == (RUNS[code] == "AssertionError")
    assert changed.line == (5 if RUNS[code] else 0)
