"""A new chapter touches six files, and its skeleton passes all that does not count words."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from booktools.chapter import make
from chapters import ROOT

TESTS = [
    "chapters/leak.md",
    "tests/text",
    "tests/check/test_exercises.py",
    "tests/science/test_layout.py",
    "tests/site/test_needs.py",
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project as git has it."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.check_output(command, cwd=ROOT, text=True)
    for name in listed.splitlines():
        if (ROOT / name).exists():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_chapter_touches_six_files_and_its_skeleton_holds(copy: Path) -> None:
    before = contents(copy)
    made = make(copy, "leak")
    after = contents(copy)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed == {path.relative_to(copy).as_posix() for path in made}
    assert len(changed) == 6
    tested = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "leak and not sizes or layout or needs", *TESTS]
    for command in (tested, ["tests/sabotage.py", "leak"]):
        done = subprocess.run([sys.executable, *command], cwd=copy, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-6000:]


@pytest.mark.parametrize(
    ("name", "after", "said"),
    [
        ("lstm", None, r"NAME must be new, got 'lstm'"),
        ("leak2", None, r"NAME must be one word of small Latin letters, got 'leak2'"),
        ("leak", "nowhere", r"AFTER must be a chapter of _toc.yml, got 'nowhere'"),
    ],
)
def test_a_chapter_that_cannot_be_is_refused_and_nothing_is_written(
    copy: Path, name: str, after: str | None, said: str
) -> None:
    before = contents(copy)
    with pytest.raises(ValueError, match=said):
        make(copy, name, after)
    assert contents(copy) == before
