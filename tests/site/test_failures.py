"""What is wrong in a chapter makes the build fail; each way is tried on a small book.

Builds are dear. Those faults that only warn are told in one build, each by its own words; a cell that fails and a
formula that does not parse end a build, so each has its own.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from chapters import BY_NAME, ROOT

HEADER = BY_NAME["forward"].read_text("utf8").partition("\n+++")[0] + "\n"
PAGES = ("index", "chapters/forward", "chapters/references")
Build = Callable[..., subprocess.CompletedProcess[str]]
PROSE = """
+++ {{"lang": "en"}}

(ch:{name})=
# A page

+++ {{"lang": "zh"}}

(ch:{name})=
# 一页

+++
"""
FIGURE = """
```{code-cell} ipython3
---
mystnb:
  image:
    alt: "A line that rises | 一条上升的线"
  figure:
    name: fig:forward-line
    caption: "A line. | 一条线。"
---
import matplotlib.pyplot as plt
import rnnbook
rnnbook.set_up()
plt.plot([1, 2])
plt.xlabel("untranslated label")
plt.show()
```
"""


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("book")


@pytest.fixture(scope="module")
def build(book: Path, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Builds the book with these lines at the end of its chapter, and others at the end of its other page."""
    for name in ("_config.yml", "constraints.txt"):
        shutil.copy(ROOT / name, book)
    for name in ("booktools", "rnnbook"):
        shutil.copytree(ROOT / name, book / name, ignore=shutil.ignore_patterns("__pycache__"))
    (book / "chapters").mkdir()
    shutil.copy(ROOT / "chapters" / "references.bib", book / "chapters")
    (book / "chapters" / "figure-words.yml").write_text("time step: 时间步\n", "utf8")
    (book / "chapters" / "glossary.yml").write_text("[]\n", "utf8")
    (home, *rest), part = PAGES, {"caption": "Part | 部分", "numbered": True}
    toc = {"format": "jb-book", "root": home, "parts": [part | {"chapters": [{"file": name} for name in rest]}]}
    (book / "_toc.yml").write_text(yaml.safe_dump(toc), "utf8")
    for name in PAGES:
        (book / f"{name}.md").write_text(HEADER + PROSE.format(name=Path(name).name), "utf8")

    tools = tmp_path_factory.mktemp("tools")
    for tool in (sys.executable, shutil.which("git")):
        if tool:
            (tools / Path(tool).name).symlink_to(tool)

    def build(lines: str, other: str = "") -> subprocess.CompletedProcess[str]:
        for name, more in (("forward", lines), ("references", other)):
            (book / "chapters" / f"{name}.md").write_text(HEADER + PROSE.format(name=name) + more, "utf8")
        command = [str(Path(sys.executable).with_name("jupyter-book")), "build", "-W", "--keep-going", "."]
        # Nothing but this Python and git is on the path: no Node, no browser.
        environment = os.environ | {"GITHUB_REPOSITORY": "someone/fork", "PYTHONPATH": "", "PATH": str(tools)}
        return subprocess.run(command, cwd=book, env=environment, capture_output=True, text=True, check=False)

    return build


def test_a_sound_book_builds_and_its_buttons_follow_the_fork(build: Build, book: Path) -> None:
    run = build("\n$$ x $$ (eq:forward-x)\n\n```{code-cell} ipython3\n1 + 1\n```\n")
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    for lang, edition in (("en", ""), ("zh", "zh/")):
        page = (book / "_build" / "html" / edition / "chapters" / "forward.html").read_text("utf8")
        repositories = set(re.findall(r"(?:github\.com|/gh|/github)/([\w.-]+/[\w.-]+)", page))
        assert repositories == {"someone/fork"}
        assert f"https://mybinder.org/v2/gh/someone/fork/notebooks?urlpath=lab/tree/{lang}/forward.ipynb" in page
        assert f"https://colab.research.google.com/github/someone/fork/blob/notebooks/{lang}/forward.ipynb" in page
        assert f'<link rel="canonical" href="https://someone.github.io/fork/{edition}chapters/forward.html"' in page
        notebook = (book / "_build" / "notebooks" / lang / "forward.ipynb").read_text("utf8")
        assert "git+https://github.com/someone/fork@" in notebook


WARNINGS = {
    "\nSee {eq}`eq:nowhere`.\n": "eq:nowhere",
    "\nSee {ref}`sec:nowhere`.\n": "sec:nowhere",
    "\nAs {cite}`nobody1900` said.\n": "nobody1900",
}
ERRORS = {
    "\n```{code-cell} ipython3\nassert 1 == 2\n```\n": "AssertionError",
    "\nA formula $\\frac{1}$.\n": "KaTeX parse error",
}


def test_what_warns_fails_the_build_and_all_of_it_is_told(build: Build) -> None:
    run = build("".join(WARNINGS), FIGURE)  # apart: a page with code becomes a notebook, which has no plain form then
    assert run.returncode != 0
    for message in (*WARNINGS.values(), "untranslated label"):
        assert re.search(rf"WARNING.*{message}", run.stdout + run.stderr), message


@pytest.mark.parametrize("lines", ERRORS, ids=ERRORS.values())
def test_what_is_wrong_ends_the_build(build: Build, lines: str) -> None:
    run = build(lines)
    assert run.returncode != 0
    assert ERRORS[lines] in run.stdout + run.stderr
