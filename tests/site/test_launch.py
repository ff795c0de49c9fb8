"""A launch, executed: a reader's machine has torch and numpy, and nothing of this book."""

import ast
import os
import subprocess
import venv
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from chapters import ROOT

BRANCH = ROOT / "_build" / "notebooks"


RUN = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], 4)
nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
"""
WHOLE = "forward"  # the chapter that is run from its first cell to its last
BROUGHT = ("torch", "numpy", "ipykernel", "nbclient")


def closure(names: tuple[str, ...]) -> dict[str, metadata.Distribution]:
    """These distributions and all that they require."""
    found: dict[str, metadata.Distribution] = {}
    queue = list(names)
    while queue:
        name = canonicalize_name(queue.pop())
        if name in found:
            continue
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # required on other platforms only
            continue
        required = [Requirement(text) for text in found[name].requires or []]
        queue += [need.name for need in required if need.marker is None or need.marker.evaluate({"extra": ""})]
    return found


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment that holds torch, numpy and a kernel, and nothing else.

    Those are linked from the environment of the tests, whole distributions at a
    time, so that pip knows them; everything more must come by the notebook.
    """
    folder = tmp_path_factory.mktemp("machine")
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / "bin" / "python"
    code = "import site; print(site.getsitepackages()[0])"
    place = Path(subprocess.check_output([str(python), "-c", code], text=True).strip())
    for distribution in closure(BROUGHT).values():
        for top in {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}:
            if not (place / top).exists():
                (place / top).symlink_to(Path(str(distribution.locate_file(top))).resolve())
    return python


def surroundings() -> dict[str, str]:
    """A reader's environment variables: none of the book's, and no way around the installation."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHONPATH", "RNNBOOK"))}


def says(python: Path, code: str, folder: Path) -> str:
    command = [str(python), "-c", code]
    run = subprocess.run(command, cwd=folder, env=surroundings(), capture_output=True, text=True, check=False)
    return run.stdout + run.stderr


def imports(lang: str) -> list[str]:
    """Every import of every notebook, once; without those that a notebook only tries."""
    found: dict[str, None] = {}
    for path in sorted((BRANCH / lang).glob("*.ipynb")):
        cells = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"][1:]
        nodes = list(ast.walk(ast.parse("\n".join(cells))))
        tried = [step for node in nodes if isinstance(node, ast.Try) for step in node.body]
        for node in nodes:
            if isinstance(node, ast.Import | ast.ImportFrom) and node not in tried:
                found[ast.unparse(node)] = None
    return list(found)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_launched_notebook_installs_the_package_and_runs(
    site: Path, machine: Path, lang: str, tmp_path: Path
) -> None:
    assert says(machine, "import torch, numpy; print('at hand')", tmp_path) == "at hand\n"
    uninstall = [str(machine), "-m", "pip", "uninstall", "--yes", "--quiet", "rnnbook"]
    subprocess.run(uninstall, env=surroundings(), check=True)
    assert "No module named 'rnnbook'" in says(machine, "import rnnbook", tmp_path)

    environment = surroundings() | {
        "RNNBOOK_SOURCE": str(ROOT),
        "PATH": f"{machine.parent}{os.pathsep}{os.environ['PATH']}",
        "XDG_STATE_HOME": str(tmp_path),
    }
    command = [str(machine), "-c", RUN, str(BRANCH / lang / f"{WHOLE}.ipynb")]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    # Of the others only what they import: their code runs in the tests of the chapters.
    lines = imports(lang)
    assert len(lines) > 20
    assert says(machine, "\n".join([*lines, "print('imported')"]), tmp_path) == "imported\n"
    installed = says(machine, "import rnnbook; print(rnnbook.__file__)", tmp_path)
    assert str(machine.parent.parent) in installed
