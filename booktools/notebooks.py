"""The notebooks that readers launch and download: one language, plain Markdown, exercises open.

A student's notebook holds no trace of a solution; its solved twin is for
teachers. Both install `rnnbook` where it is missing, from the commit that the
site was built from. They are written at the end of a site build, because their
references carry the site's numbers.
"""

import shutil
from pathlib import Path, PurePosixPath

import nbformat
from myst_nb.core.read import read_myst_markdown_notebook
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.config import Config

from booktools import ROOT, evidence, exercises, repository
from booktools.languages import keep_language
from booktools.pages import has_code, language
from booktools.plain import References, caption, plain

BRANCH = ROOT / "_build" / "notebooks"  # what the workflow publishes as the branch of that name

# A package of another commit is replaced, except one that its reader put there from a folder.
INSTALL = """\
import os
from importlib import metadata, util

os.environ["RNNBOOK_LANG"] = "{lang}"
commit = "{commit}"
source = os.environ.get("RNNBOOK_SOURCE", "git+https://github.com/{slug}@{at}")
found = next(metadata.distributions(name="rnnbook"), None)
origin = (found.read_text("direct_url.json") or "") if found else ""
if util.find_spec("rnnbook") is None:
    %pip install -q {{source}}
elif found and commit not in origin and commit[:12] not in found.version:
    print("rnnbook", found.version, "!=", commit[:12])
    if "vcs_info" in origin or "archive_info" in origin:
        %pip install -q --force-reinstall --no-deps {{source}}"""

ENVIRONMENT = """\
name: memory-in-a-loop
channels: [conda-forge, nodefaults]
dependencies:
  - python=3.12
  - pytorch-cpu>=2.4
  - numpy>=1.26
  - matplotlib-base>=3.8
  - ipywidgets>=7.7
  - tqdm>=4.66
  - jupyterlab>=4.2
  - pip
  - pip:
      - git+https://github.com/{slug}@{at}
"""


def read(text: str, lang: str, *, solutions: bool) -> NotebookNode:
    """The chapter as a notebook in one language, with its exercises open or solved; prose still MyST."""
    notebook: NotebookNode = read_myst_markdown_notebook(keep_language(text, lang))
    cells = []
    answer = NotebookNode(metadata={})
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "markdown" and not cell.source.strip():
            continue
        if cell.cell_type == "code" and exercises.has_solution(cell.source):
            cell.source = (exercises.solved if solutions else exercises.stub)(cell.source)
        cells.append(cell)
        if "exercise" in tags:
            answer = cell
        if "check" in tags and not solutions and (name := exercises.checked_id(cell.source)):
            answer.metadata["exercise"] = name  # by which a page fills in what was written on it
            cells.append(nbformat.v4.new_code_cell(f'# hint("{name}")', metadata={"tags": ["hint"]}))
    notebook.cells = cells
    return notebook


def finished(notebook: NotebookNode, references: References, lang: str, *, solutions: bool) -> NotebookNode:
    """The same notebook for a reader's machine: plain Markdown, the install cell first, stable ids."""
    cells = [nbformat.v4.new_code_cell(INSTALL.format(lang=lang, **pins(references.app.config)))]
    for cell in notebook.cells:
        figure = cell.metadata.get("mystnb", {}).get("figure")
        if cell.cell_type == "markdown":
            text = plain(cell.source, references, lang, solutions=solutions)
            cells += [nbformat.v4.new_markdown_cell(text)] if text else []
            continue
        tags, source = cell.metadata.get("tags", []), cell.source
        # JupyterLab hides what is marked source_hidden; Colab shows a form by its title.
        metadata: dict[str, object] = {"jupyter": {"source_hidden": True}} if "hide-input" in tags else {}
        if "exercise" in cell.metadata:
            metadata["exercise"] = cell.metadata["exercise"]
        if "checked" in tags:
            metadata["cellView"] = "form"
            source = f"# @title {evidence.title(source, lang)}\n{source}"
        cells.append(nbformat.v4.new_code_cell(source, metadata=metadata))
        if figure:
            cells.append(nbformat.v4.new_markdown_cell(caption(figure, references, lang)))
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"  # an unchanged notebook is an unchanged file
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    fresh: NotebookNode = nbformat.v4.new_notebook(
        cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}}
    )
    return fresh


def pins(config: Config) -> dict[str, str]:
    """What a notebook installs: the commit that is built, or a branch, whatever it is then, where nothing tells it."""
    commit = repository.commit(ROOT) or ""
    return {"slug": config.book_repository, "commit": commit, "at": commit or repository.UNPINNED}


def publish(app: Sphinx, exception: Exception | None) -> None:
    """Write this edition's notebooks into the branch's folder, and the students' also into the site."""
    if exception or app.builder.name != "html" or Path(app.srcdir) != ROOT:
        return
    lang = language(app.config)
    references = References(app, lang, app.config.html_baseurl)
    site = Path(app.outdir, "notebooks")
    for folder in (site, BRANCH / lang, BRANCH / "solved" / lang):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    for docname in sorted(app.env.found_docs):
        if not has_code(app, docname):
            continue
        text = Path(app.env.doc2path(docname)).read_text("utf8")
        name = f"{PurePosixPath(docname).name}.ipynb"
        for solutions, folders in ((False, (site, BRANCH / lang)), (True, (BRANCH / "solved" / lang,))):
            notebook = finished(read(text, lang, solutions=solutions), references, lang, solutions=solutions)
            nbformat.validate(notebook)
            for folder in folders:
                nbformat.write(notebook, folder / name)
    (BRANCH / "environment.yml").write_text(ENVIRONMENT.format(**pins(app.config)), "utf8")
