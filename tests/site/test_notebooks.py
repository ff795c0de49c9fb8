"""The notebooks that readers launch: one language, plain Markdown, no solution, any fork."""

import json
import os
import re
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from docutils import nodes
from docutils.utils import new_document
from IPython.core.inputtransformer2 import TransformerManager

from booktools import exercises
from booktools.doctree import localise_figures
from booktools.languages import localised
from booktools.notebooks import INSTALL
from booktools.plain import PlainError, References, caption, plain
from booktools.words import words
from chapters import BY_NAME, ROOT, code_cells

BRANCH = ROOT / "_build" / "notebooks"
BASE = "https://example.org/"
EQUATION = f"[(1.2)]({BASE}chapters/a.html#equation-eq-x)"


def notebooks(site: Path, folder: str) -> list[Path]:
    assert site.exists()
    found = sorted((BRANCH / folder).glob("*.ipynb"))
    assert found, f"no notebooks in {folder}"
    return found


def solution_code(name: str) -> list[str]:
    """The telling lines between the markers of a chapter's exercises."""
    found = []
    for _, _, code in code_cells(BY_NAME[name]):
        for block in re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", code, re.S):
            found += [line.strip() for line in block.splitlines()]
    return [line for line in found if len(line) > 12]


def solution_prose(name: str) -> list[str]:
    """The telling lines of a chapter's solutions in words, up to the first thing that changes in plain Markdown."""
    text = BY_NAME[name].read_text("utf8")
    blocks = re.findall(r"^```\{solution\}[^\n]*\n(.*?)^```", text, re.M | re.S)
    lines = [re.split(r"\{\w+\}`", line.strip())[0] for block in blocks for line in block.splitlines()]
    return [line for line in lines if len(line) > 12 and not line.startswith((r"\begin{", r"\end{"))]


def quoted(line: str) -> str:
    """A line as it stands inside a notebook file."""
    return json.dumps(line, ensure_ascii=False)[1:-1]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_students_notebook_holds_no_solution_anywhere(site: Path, lang: str) -> None:
    for path in notebooks(site, lang):
        whole = path.read_text("utf8")
        chapter = BY_NAME[path.stem]
        in_the_open = "\n".join(exercises.stub(code) for _, _, code in code_cells(chapter))
        for line in [*solution_code(path.stem), *solution_prose(path.stem)]:
            if line not in in_the_open:  # a line such as `return torch.tanh(a)` may stand elsewhere too
                assert quoted(line) not in whole, f"{path.name}: {line}"
        assert "SOLUTION" not in whole
        notebook = nbformat.read(path, 4)
        assert all(not cell.get("outputs") for cell in notebook.cells)
        assert all(set(cell.metadata) <= {"jupyter", "cellView", "exercise"} for cell in notebook.cells)


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
            [
                re.sub(r"\A# @title .*\n", "", cell.source)  # what Colab calls a folded cell
                for cell in nbformat.read(BRANCH / lang / path.name, 4).cells
                if cell.cell_type == "code"
            ]
            for lang in ("en", "zh")
        )
        assert english[1:] == chinese[1:]
        assert 'RNNBOOK_LANG"] = "zh"' in chinese[0]


def test_the_first_cell_installs_this_commit(site: Path) -> None:
    for path in notebooks(site, "en"):
        first = nbformat.read(path, 4).cells[0].source
        assert re.search(r"git\+https://github\.com/[\w.-]+/[\w.-]+@([0-9a-f]{40}|main)\b", first)
        assert "torch" not in first  # Colab keeps its own


COMMIT, OTHER = "0123456789abcdef" + 24 * "0", 40 * "f"
VCS, FOLDER, ARCHIVE = '{"vcs_info": {"commit_id": "%s"}}', '{"dir_info": {"editable": true}}', '{"archive_info": {}}'


@pytest.mark.parametrize(
    ("version", "origin", "built_from", "installs"),
    [
        (None, None, COMMIT, "-q"),
        ("0.1.0", VCS % COMMIT, COMMIT, None),
        ("0.1.0+g0123456789ab", ARCHIVE, COMMIT, None),
        ("0.1.0", VCS % OTHER, COMMIT, "-q --force-reinstall --no-deps"),
        ("0.1.0+gffffffffffff", ARCHIVE, COMMIT, "-q --force-reinstall --no-deps"),
        ("0.1.0+gffffffffffff", FOLDER, COMMIT, None),
        ("0.1.0", None, COMMIT, None),
        ("0.1.0", VCS % OTHER, "", None),
        (None, None, "", "-q"),
    ],
    ids=["none", "same", "wheel", "other", "other wheel", "a reader's folder", "unknown", "no commit", "none at all"],
)
def test_the_first_cell_replaces_a_package_of_another_commit(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    version: str | None,
    origin: str | None,
    built_from: str,
    installs: str | None,
) -> None:
    """And says so; what a reader put there from a folder stays, and a difference is said all the same."""
    found = [] if version is None else [SimpleNamespace(version=version, read_text=lambda name: origin)]
    monkeypatch.setattr("importlib.metadata.distributions", lambda name: iter(found))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: version)
    monkeypatch.setenv("RNNBOOK_LANG", "en")
    monkeypatch.delenv("RNNBOOK_SOURCE", raising=False)
    cell = INSTALL.format(lang="zh", slug="a/b", commit=built_from, at=built_from or "main")
    ran: list[str] = []
    shell = SimpleNamespace(run_line_magic=lambda name, line: ran.append(f"{name} {line}"))
    code = TransformerManager().transform_cell(cell).replace("{source}", "' + source + '")
    exec(code, {"get_ipython": lambda: shell})
    address = f"git+https://github.com/a/b@{built_from or 'main'}"
    assert ran == ([] if installs is None else [f"pip install {installs} {address}"])
    differs = version is not None and built_from and built_from not in (origin or "") and built_from[:12] not in version
    assert capsys.readouterr().out == (f"rnnbook {version} != {built_from[:12]}\n" if differs else "")
    assert os.environ["RNNBOOK_LANG"] == "zh"


@pytest.fixture
def references(tmp_path: Path) -> References:
    """What a book of one chapter, `a`, resolves: the equation `eq:x`, the figure `fig:x`, the exercise `a-1`."""
    domains = {
        "std": SimpleNamespace(labels={"fig:x": ("chapters/a", "fig-x", "")}),
        "math": SimpleNamespace(equations={"eq:x": ("chapters/a", 2)}),
        "cite": SimpleNamespace(bibdata=SimpleNamespace(data=SimpleNamespace(entries={}))),
    }
    numbers = {"displaymath": {"equation-eq-x": (1, 2)}, "figure": {"fig-x": (1, 3)}, "exercise": {"a-1": (1, 4)}}
    env = SimpleNamespace(
        get_domain=domains.get,
        toc_fignumbers={"chapters/a": numbers},
        sphinx_exercise_registry={"a-1": {"docname": "chapters/a"}},
        found_docs={"chapters/a"},
        doc2path=lambda doc: str(tmp_path / "a.md"),
    )
    builder = SimpleNamespace(get_target_uri=lambda doc: f"{doc}.html")
    return References(SimpleNamespace(env=env, builder=builder), "en", BASE)  # type: ignore[arg-type]


def in_english(text: str, references: References) -> str:
    return plain(text, references, "en", solutions=True)


@pytest.mark.parametrize(
    ("text", "at_fault"),
    [
        ("- One.\n\n  ```{note}\n  Two.\n  ```", "```{note}"),
        ("> ```{note}\n> One.\n> ```", "> ```{note}"),
        ("1. :::{tip}\n   One.\n   :::", "1. :::{tip}"),
        ("```{note}\n- :::{tip}\n  One.\n  :::\n```", "- :::{tip}"),
        ("```{note} A `title`\nOne.\n```", "```{note} A `title`"),
        ("```{c:function} f\n```", "```{c:function} f"),
        ("::: box\nOne.\n:::", "::: box"),
        ("- One.\n\n  $$\n  x\n  $$ (eq:x)", "$$ (eq:x)"),
        ("- One.\n\n  (sec:x)=\n  Two.", "(sec:x)="),
        ("> (sec:x)=\n> Two.", "> (sec:x)="),
        ("As the chapter on\n[flow](flow.md) says.", "[flow](flow.md) says."),
        ("See [](#sec:x).", "See [](#sec:x)."),
        ("% A comment.", "% A comment."),
        ("- % A comment.", "- % A comment."),
        ("See {eq}``eq:x``.", "See {eq}``eq:x``."),
        (":::{note} Now [](#sec:x)\nOne.\n:::", "[](#sec:x)"),
    ],
)
def test_what_only_myst_understands_is_refused_with_its_place(
    references: References, tmp_path: Path, text: str, at_fault: str
) -> None:
    cell = f"First.\n\n{text}\n\nLast."
    (tmp_path / "a.md").write_text(f"# On {at_fault}\n\n{cell}\n", "utf8")
    place = next(number for number, line in enumerate(text.splitlines(), 5) if at_fault in line)
    with pytest.raises(PlainError, match=re.escape(f"chapters/a.md:{place}: ")) as error:
        in_english(cell, references)
    assert at_fault in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "A role is written `` {eq}`eq:x` ``, a comment\n`% so`, a link `[flow](flow.md)`.",
        "- One:\n\n  ```python\n  s = '{eq}`eq:x`'\n  % [a](b)\n  ```\n\n- Two.",
        "> ```text\n> (sec:x)=\n> ```",
        "One:\n\n    {eq}`eq:x`\n    (sec:x)=",
        "A formula $E[x](t)$ and $$f[k](x)$$.",
        "$$\n% The sum.\nf[k](x)\n$$",
        r"An escaped \{eq}`eq:x` and \`{eq}.",
        "A [link](https://example.com/x) and 5% of it.",
    ],
)
def test_code_formulas_and_plain_markdown_stay_as_they_are(references: References, text: str) -> None:
    assert in_english(text, references) == text


def test_code_hides_only_what_stands_in_it(references: References) -> None:
    """A stray mark in one item of a list does not make code of what follows, up to the next stray mark."""
    assert in_english("- One ` mark.\n- See {eq}`eq:x`.\n- One ` mark.", references).count(EQUATION) == 1
    assert in_english("`{`, {eq}`eq:x`, `}`", references) == f"`{{`, {EQUATION}, `}}`"
    assert in_english("$a$ {eq}`eq:x` $b$", references) == f"$a$ {EQUATION} $b$"


@pytest.mark.parametrize("written", ["$$ x $$ (eq:x)", "$$x$$ (eq:x)", "$$\nx\n$$ (eq:x)"])
def test_a_numbered_formula_keeps_its_number(references: References, written: str) -> None:
    plain = in_english(f"Before.\n\n{written}\n\nAfter.", references)
    assert r"x \tag{1.2}" in plain
    assert "eq:x" not in plain


def test_titles_may_hold_references(references: References) -> None:
    assert f"**Why {EQUATION}**" in in_english(":::{admonition} Why {eq}`eq:x`\nSo.\n:::", references)
    exercise = ":::{exercise} On {eq}`eq:x`\n:label: a-1\n\nShow it.\n:::"
    assert f"**Exercise 1.4 · On {EQUATION}**" in in_english(exercise, references)


@pytest.mark.parametrize(
    ("text", "said"),
    [("See {eq}`eq:none`.", "no formula of the book is labelled 'eq:none'"), ("{cite}`no1900`", "no entry 'no1900'")],
)
def test_what_is_not_there_is_named(references: References, text: str, said: str) -> None:
    with pytest.raises(PlainError, match=said):
        in_english(text, references)


CAPTIONS = [
    ("A line.", " | ", "一条线。"),
    ("The density $p(a | b)$.", " | ", "密度 $p(a | b)$。"),
    ("The `a | b` of two", " | ", "两者的 `a | b`"),
    ("$p$", " | ", "$q$"),
]


def on_the_page(text: str, lang: str) -> str:
    """What `text`, the caption of a figure, says on the page in `lang`."""
    document = new_document("a")
    shown = nodes.caption()
    for part in re.split(r"(\$[^$]*\$|`[^`]*`)", text):
        kind = {"$": nodes.math, "`": nodes.literal}.get(part[:1])
        shown += kind("", part) if kind else nodes.Text(part)
    document += nodes.figure("", nodes.image(alt=text), shown)
    localise_figures(SimpleNamespace(config=SimpleNamespace(language=lang)), document)  # type: ignore[arg-type]
    assert next(document.findall(nodes.image))["alt"] == localised(text, lang)
    return str(shown.astext())


@pytest.mark.parametrize(("english", "bar", "chinese"), CAPTIONS)
def test_page_and_notebook_split_a_caption_at_the_same_bar(
    references: References, english: str, bar: str, chinese: str
) -> None:
    for lang, half in (("en", english), ("zh", chinese)):
        assert localised(english + bar + chinese, lang) == half
        assert on_the_page(english + bar + chinese, lang) == half
        figure = {"name": "fig:x", "caption": english + bar + chinese}
        assert caption(figure, references, lang) == f"*{words('markdown', lang)['figure']} 1.3.* {half}"


def test_a_caption_with_two_bars_is_whole_on_page_and_notebook() -> None:
    for text in ("One | two | three", "$a | b$", "One | two $a | b$ | three"):
        assert localised(text, "zh") == on_the_page(text, "zh") == text


def test_a_figure_speaks_one_language_and_its_file_may_have_a_space(references: References) -> None:
    figure = (
        "```{figure} some folder/my picture.png\n:name: fig:x\n:alt: A line | 线\n\nIt {eq}`eq:x` | 它\n\nMore.\n```"
    )
    english, chinese = (plain(figure, references, lang, solutions=False) for lang in ("en", "zh"))
    assert english == f"![A line]({BASE}_images/my%20picture.png)\n\n*Figure 1.3.* It {EQUATION}\n\nMore."
    assert chinese == f"![线]({BASE}_images/my%20picture.png)\n\n*图 1.3.* 它\n\nMore."
