"""The house: imports go one way and in no circle, and a name means one thing wherever it stands."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from chapters import CHAPTERS, ROOT

# Each may import those before it, and itself.
MODELS = ("layers", "dynamics", "linear", "filters", "training", "applications")
WITHOUT_MODELS = ("check", "explore", "figures", "records", "runtime")
FOLDERS = ("rnnbook", "booktools", "benchmarks", "experiments", "tests", "chapters")
Graph = Mapping[str, set[str]]


def modules(root: Path, folders: Iterable[str]) -> dict[str, Path]:
    """Dotted names and files; those of tests/ import one another by their last names."""
    found = {}
    for path in (path for folder in folders for path in sorted((root / folder).rglob("*.py"))):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[0] == "tests" and parts[-1] != "first_form":
            parts = parts[-1:] if parts[-1] != "conftest" else parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, known: Iterable[str]) -> Iterator[str]:
    """The modules of the project that a file imports anywhere in it, for its types alone too."""
    names = set(known)
    for node in ast.walk(ast.parse(path.read_text("utf8"))):
        asked: list[str] = []
        if isinstance(node, ast.Import):
            asked = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: write imports in full"
            asked = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in asked:
            if name in names:
                yield name
            elif name.rpartition(".")[0] in names:
                yield name.rpartition(".")[0]


def graph(root: Path, folders: Iterable[str] = FOLDERS) -> Graph:
    found = modules(root, folders)
    return {name: set(imported(path, found)) - {name} for name, path in found.items()}


def circle(found: Graph) -> list[str]:
    """The names of a circle of imports, or nothing."""
    try:
        TopologicalSorter(found).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def wrong_ways(found: Graph) -> list[str]:
    """Imports that go against the order of the house."""
    wrong = []
    for name, others in found.items():
        home = name.split(".")
        for other in others:
            part = other.split(".")
            if home[0] != "rnnbook":
                forbidden = home[0] == "booktools" and part[0] == "rnnbook" and part[:2] != ["rnnbook", "check"]
            elif part[0] != "rnnbook":
                forbidden = True
            elif len(home) > 1 and home[1] in WITHOUT_MODELS:
                forbidden = len(part) > 1 and part[1] in MODELS
            elif len(home) > 1 and home[1] in MODELS and len(part) > 1 and part[1] in MODELS:
                forbidden = MODELS.index(part[1]) > MODELS.index(home[1])
            else:
                forbidden = False
            if forbidden:
                wrong.append(f"{name} imports {other}")
    return sorted(wrong)


def test_no_circle() -> None:
    found = circle(graph(ROOT))
    assert not found, " imports ".join(reversed(found))


def test_imports_go_one_way() -> None:
    wrong = wrong_ways(graph(ROOT))
    assert not wrong, "\n".join(wrong)


def test_the_package_never_imports_sphinx() -> None:
    for path in modules(ROOT, ["rnnbook"]).values():
        for node in ast.walk(ast.parse(path.read_text("utf8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & {"sphinx", "docutils", "myst_nb"}, path


HOUSE = {
    "rnnbook/layers/cells.py": "",
    "rnnbook/layers/recurrent.py": "from rnnbook.layers.cells import Elman",
    "rnnbook/linear/varma.py": "from rnnbook.layers import recurrent",
    "rnnbook/explore/series.py": "import math",
    "booktools/pages.py": "from rnnbook.check import hints_of",
    "rnnbook/check/__init__.py": "",
}


@pytest.mark.parametrize(
    ("file", "line", "found"),
    [
        ("rnnbook/layers/cells.py", "", ""),
        ("rnnbook/layers/cells.py", "from rnnbook.layers.recurrent import Recurrent", "circle"),
        ("rnnbook/layers/cells.py", "if TYPE_CHECKING:\n    import rnnbook.linear.varma", "circle way"),
        ("rnnbook/layers/cells.py", "def f():\n    from rnnbook.layers import recurrent", "circle"),
        ("rnnbook/layers/mingru.py", "from rnnbook.linear import varma", "way"),
        ("rnnbook/explore/series.py", "from rnnbook.layers import cells", "way"),
        ("booktools/pages.py", "from rnnbook.explore import series", "way"),
        ("rnnbook/check/__init__.py", "import booktools.pages", "circle way"),
    ],
)
def test_each_fault_of_the_kind_is_found(tmp_path: Path, file: str, line: str, found: str) -> None:
    for name, text in (HOUSE | {file: line}).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    small = graph(tmp_path)
    assert bool(circle(small)) == ("circle" in found)
    assert bool(wrong_ways(small)) == ("way" in found)


def stems(folder: str, ending: str) -> set[str]:
    return {path.stem for path in (ROOT / folder).glob(f"*{ending}") if path.stem != "__init__"}


def test_the_name_of_a_chapter_is_that_of_all_that_belongs_to_it() -> None:
    taught = {path.stem for path in CHAPTERS if "```{exercise}" in path.read_text("utf8")}
    assert stems("rnnbook/check/exercises", ".py") == taught
    assert stems("rnnbook/check/exercises", ".toml") == taught
    assert stems("tests/sabotages", ".yml") == taught
    # `pages` repeats the short trainings of several chapters, `trainings` is what all experiments share.
    assert stems("experiments", ".py") <= taught | {"pages", "trainings"}


def test_the_name_of_a_module_is_that_of_its_tests() -> None:
    for package in MODELS:
        if (ROOT / "rnnbook" / package).exists():
            tests = (ROOT / "tests" / "science" / package).glob("test_*.py")
            tested = {path.stem.removeprefix("test_") for path in tests} - {f"doors_of_{package}"}
            assert tested == stems(f"rnnbook/{package}", ".py"), package


def test_file_names_carry_no_numbers() -> None:
    for path in modules(ROOT, FOLDERS).values():
        assert not any(letter.isdigit() for letter in path.stem), path


def test_the_quick_lanes_need_neither_site_nor_browser() -> None:
    """`make check` builds nothing."""
    for lane in ("science", "check", "text"):
        for path in sorted((ROOT / "tests" / lane).rglob("test_*.py")):
            nodes = ast.walk(ast.parse(path.read_text("utf8")))
            asked = {argument.arg for node in nodes if isinstance(node, ast.FunctionDef) for argument in node.args.args}
            assert not asked & {"site", "browser"}, f"{path}: belongs in tests/site or tests/browser"
