"""The environments agree: pyproject.toml for pip, environment.yml for conda, constraints.txt for the book.

conda itself is not run here: that its channel has these packages in these
versions is not tested, only that both files ask for the same.
"""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata

import yaml
from packaging.specifiers import SpecifierSet

from booktools.notebooks import ENVIRONMENT
from chapters import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))
CONDA_NAME = {"torch": "pytorch-cpu", "matplotlib": "matplotlib-base", "brotli": "brotli-python"}


def requirement(text: str) -> tuple[str, str]:
    found = re.fullmatch(r"([\w.-]+)\s*(.*)", text)
    assert found, text
    return found[1].lower().replace("_", "-"), found[2].replace(" ", "")


def conda_packages(text: str) -> dict[str, str]:
    names = {conda: pip for pip, conda in CONDA_NAME.items()}
    found = {}
    for entry in yaml.safe_load(text)["dependencies"]:
        for package in entry["pip"] if isinstance(entry, dict) else [entry]:
            if not package.startswith(("-e", "git+")):
                name, version = requirement(package)
                found[names.get(name, name)] = version
    return found


def asked(*extras: str) -> dict[str, str]:
    wanted = list(PYPROJECT["project"]["dependencies"])
    for extra in extras:
        wanted += PYPROJECT["project"]["optional-dependencies"][extra]
    return dict(requirement(text) for text in wanted)


def test_conda_and_pip_ask_for_the_same() -> None:
    conda = conda_packages((ROOT / "environment.yml").read_text("utf8"))
    assert conda.pop("python") == PYPROJECT["project"]["requires-python"]
    conda.pop("pip")
    assert conda == asked("book", "lab")


def test_launched_notebooks_ask_for_what_the_package_needs() -> None:
    conda = conda_packages(ENVIRONMENT.format(slug="a/b", at="c"))
    assert {name: conda[name] for name in asked()} == asked()


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text("utf8").splitlines()
    return dict(requirement(line) for line in lines if line[0] != "#")


def test_every_dependency_is_pinned_for_the_book() -> None:
    pins = pinned()
    assert all(version.startswith("==") for version in pins.values())
    for name in asked("book", "lab", "test"):
        assert name in pins, f"{name} is not in constraints.txt"


def test_every_pin_installs_on_the_oldest_python_promised() -> None:
    oldest = PYPROJECT["project"]["requires-python"].removeprefix(">=") + ".0"
    examined = 0
    for name, version in pinned().items():
        try:
            package = metadata(name)
        except PackageNotFoundError:  # of an extra that is not installed here, or of another system
            continue
        wanted = package.get("Requires-Python", "")
        assert oldest in SpecifierSet(wanted), f"{name}{version} wants Python {wanted}, the book promises {oldest}"
        examined += 1
    assert examined >= len(asked("book", "test"))


def test_readers_keep_their_own_torch_and_numpy() -> None:
    for name in ("torch", "numpy"):
        assert re.fullmatch(r">=[\d.]+", asked()[name])
